//! Every route of the admin REST as nobody, as a stranger from another merchant, and as each role: from the description
//! that is made of the handlers, so that none is forgotten.

use std::collections::{BTreeMap, BTreeSet};

use e2e::Backend::Sqlite;
use e2e::gateway::BOOTSTRAP_TOKEN;
use e2e::{Browser, Cli, Gateway, TestDatabase};
use reqwest::Method;
use serde_json::{Value, json};

struct Route {
    method: Method,
    /// With parameters filled in: of the merchant, and of nothing that exists.
    path: String,
    wanted: String,
}

/// What `tollgate permissions` prints: permission, roles that have it.
async fn table(database: &TestDatabase) -> (Vec<String>, BTreeMap<String, BTreeSet<String>>) {
    let printed = Cli::on(database).print(&["permissions"]).await;
    let cells = |line: &str| -> Vec<String> {
        let cells = line.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    };
    let mut lines = printed.lines();
    let roles: Vec<String> = cells(lines.next().unwrap()).split_off(1);
    let mut table = BTreeMap::new();
    for line in lines.skip(1) {
        let row = cells(line);
        let (permission, marks) = row.split_first().unwrap();
        let has = roles.iter().zip(marks).filter(|(_, mark)| !mark.is_empty());
        table.insert(permission.clone(), has.map(|(role, _)| role.clone()).collect());
    }
    (roles, table)
}

fn routes(description: &Value) -> Vec<Route> {
    let mut routes = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        let Some(path) = path.strip_prefix("/admin/v1") else {
            continue;
        };
        for (method, operation) in item.as_object().unwrap() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else {
                continue;
            };
            let mut filled = path.replace("{merchant}", "acme");
            while let Some((before, rest)) = filled.split_once('{') {
                let (_, after) = rest.split_once('}').unwrap();
                filled = format!("{before}nothing{after}");
            }
            let wanted = operation["x-permission"].as_str();
            let wanted = wanted
                .unwrap_or_else(|| panic!("{method} {path} has no row in the table"))
                .to_owned();
            routes.push(Route {
                method,
                path: filled,
                wanted,
            });
        }
    }
    // What ends the stage comes last.
    routes.sort_by_key(|route| {
        (
            route.path == "/merchants/acme" && route.method == Method::DELETE,
            route.path.clone(),
        )
    });
    routes
}

#[tokio::test]
async fn every_route_is_for_those_that_may() {
    let database = TestDatabase::new(Sqlite).await;
    let gateway = Gateway::start_with(&database, &[("TOLLGATE_ACCESS__SECOND_FACTOR", "nobody")]).await;
    let (roles, table) = table(&database).await;
    let mut owner = Browser::new(gateway.admin_address);
    owner.set_up(BOOTSTRAP_TOKEN, "owner@example.com").await;
    for (slug, name) in [("acme", "Acme"), ("other", "Other")] {
        let _ = owner
            .post("/merchants", json!({"slug": slug, "name": name}))
            .await
            .success();
    }
    let mut people = BTreeMap::from([("owner".to_owned(), owner.clone())]);
    for role in roles.iter().filter(|role| *role != "owner") {
        let operators = ["operator", "auditor"].contains(&role.as_str());
        let place = if operators { "/people" } else { "/merchants/acme/people" };
        let email = format!("{role}@example.com");
        people.insert(role.clone(), owner.staff(place, &email, role).await);
    }
    let mut stranger = owner
        .staff("/merchants/other/people", "stranger@example.com", "admin")
        .await;
    let description: Value = reqwest::get(format!("http://{}/openapi.json", gateway.admin_address))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let routes = routes(&description);
    assert!(routes.len() > 100, "{}", routes.len());
    let mut nobody = Browser::new(gateway.admin_address);
    let (mut wrong, mut calls) = (Vec::new(), 0);
    for route in routes.iter().filter(|route| route.wanted != "public") {
        let body = (route.method != Method::GET).then(|| json!({}));
        let name = format!("{} {} ({})", route.method, route.path, route.wanted);
        let asked = nobody
            .send(route.method.clone(), &route.path, body.as_ref())
            .await
            .status;
        if asked != 401 {
            wrong.push(format!("nobody: {name}: {asked}"));
        }
        if route.wanted == "signed_in" {
            continue;
        }
        let may = table
            .get(&route.wanted)
            .unwrap_or_else(|| panic!("{name}: not in the table"));
        let of_a_merchant = route.path.starts_with("/merchants/acme");
        let asked = stranger
            .send(route.method.clone(), &route.path, body.as_ref())
            .await
            .status;
        if asked != if of_a_merchant { 404 } else { 403 } {
            wrong.push(format!("stranger: {name}: {asked}"));
        }
        // The owner last: what it may, it does.
        for role in roles.iter().rev() {
            let browser = people.get_mut(role).unwrap();
            let asked = browser.send(route.method.clone(), &route.path, body.as_ref()).await;
            let let_in = !matches!(asked.status, 401 | 403);
            if let_in != may.contains(role) || asked.status == 500 {
                wrong.push(format!("{role}: {name}: {} {}", asked.status, asked.body));
            }
            calls += 1;
        }
    }
    assert!(wrong.is_empty(), "of {calls} calls:\n{}", wrong.join("\n"));
}
