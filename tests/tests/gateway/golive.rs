//! From a merchant's first day to its first payment: the checklist, the checks that prove it, and a merchant made like
//! another.

use e2e::Backend::{self, Postgres, Sqlite};
use e2e::{Browser, Inspector};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::stage::{RULES, Stage};

const TEST: &str = r#"test("knows the account", { check = { account = "4957835959" }, expect = accept() })"#;

/// Steps that are not done.
fn missing(checklist: &Value) -> Vec<&str> {
    let steps = checklist["steps"].as_array().unwrap().iter();
    let open = steps.filter(|step| step["done"] == false);
    open.map(|step| step["step"].as_str().unwrap()).collect()
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn the_checks_make_the_list_green(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::with_settings(backend, &[("TOLLGATE_ACCESS__SECOND_FACTOR", "nobody")]).await;
    let admin = stage.admin();
    let list = async || admin.get("/admin/v1/merchants/acme/checklist").await;
    assert_eq!(
        missing(&list().await),
        ["rules", "webhook", "payment", "people", "second_factor"]
    );

    let body = json!({"source": RULES, "message": "first"});
    admin.put("/admin/v1/merchants/acme/rules", &body).await;
    let inspector = Inspector::start().await;
    stage.endpoint(&inspector, json!({})).await;
    let mut owner = Browser::new(stage.gateway.admin_address);
    owner.set_up(e2e::gateway::BOOTSTRAP_TOKEN, "owner@example.com").await;
    let mut staff = owner.staff("/merchants/acme/people", "ann@example.com", "admin").await;
    assert_eq!(missing(&list().await), ["webhook", "payment", "second_factor"]);
    staff.enrol().await;

    let run = json!({"account": "4957835959", "amount": "1.00", "currency": "RUB", "pay": true});
    let ran = staff.post("/merchants/acme/checklist/run", run.clone()).await.success();
    let results: Vec<_> = (ran["results"].as_array().unwrap().iter())
        .map(|result| (result["check"].as_str().unwrap(), result["passed"].as_bool().unwrap()))
        .collect();
    let expected = [
        ("rule_tests", false),
        ("terminal_check", true),
        ("terminal_pay", true),
        ("webhook_echo", true),
    ];
    assert_eq!(results, expected, "{ran}");
    assert_eq!(
        (&ran["passed"], &ran["checklist"]["ready"]),
        (&json!(false), &json!(true)),
        "{ran}"
    );

    let unknown = json!({"account": "1", "amount": "1.00", "currency": "RUB", "pay": true});
    let ran = staff.post("/merchants/acme/checklist/run", unknown).await.success();
    let refused = &ran["results"][1];
    assert_eq!(
        (&refused["passed"], &refused["skipped"]),
        (&json!(false), &json!(false))
    );
    assert!(refused["detail"].as_str().unwrap().contains("result 5"), "{refused}");
    assert_eq!(stage.count("payments").await, 1, "what was not accepted is not paid");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn tests_of_the_published_rules_count(#[values(Sqlite)] backend: Backend) {
    let stage = Stage::with_rules(
        backend,
        json!({}),
        &RULES.replace("return rules", &format!("{TEST}\nreturn rules")),
    )
    .await;
    let run = json!({"account": "4957835959", "amount": "1.00", "currency": "RUB"});
    let ran = stage.admin().post("/admin/v1/merchants/acme/checklist/run", &run).await;
    assert_eq!(
        (&ran["passed"], &ran["results"].as_array().unwrap().len()),
        (&json!(true), &2),
        "{ran}"
    );
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_clone_has_the_configuration_and_no_secret(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::with_rules(backend, json!({}), RULES).await;
    let admin = stage.admin();
    let payin = json!({"slug": "payin", "plugin": "payin",
        "config": {"site_id": "site-01", "api_key": "a-secret-token", "notification_key": "a-secret-key"}});
    admin.post("/admin/v1/merchants/acme/connections", &payin).await;
    let limits = json!({"in_flight": 33});
    admin.put("/admin/v1/merchants/acme/limits", &limits).await;
    admin
        .put(
            "/admin/v1/merchants/acme/connections/terminal/limits",
            &json!({"in_flight": 22}),
        )
        .await;
    admin
        .put(
            "/admin/v1/merchants/acme/rules/settings",
            &json!({"http_hosts": ["crm.example"]}),
        )
        .await;
    let inspector = Inspector::start().await;
    let endpoint = stage
        .endpoint(&inspector, json!({"event_types": ["payment.succeeded"]}))
        .await;

    let made = admin
        .post(
            "/admin/v1/merchants/acme/clone",
            &json!({"slug": "beta", "name": "Beta"}),
        )
        .await;
    assert_eq!(
        (&made["slug"], &made["published_rules"]),
        (&json!("beta"), &Value::Null)
    );
    let of = async |path: &str| admin.get(&format!("/admin/v1/merchants/beta{path}")).await;
    let connections = of("/connections").await;
    assert!(!connections.to_string().contains("********"), "{connections}");
    let shown: Vec<_> = (connections["data"].as_array().unwrap().iter())
        .map(|connection| {
            (
                connection["slug"].as_str().unwrap(),
                connection["status"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(shown, [("terminal", "suspended"), ("payin", "suspended")]);
    assert_eq!(connections["data"][1]["config"]["site_id"], "site-01");
    assert_eq!(of("/limits").await["set"], limits);
    assert_eq!(of("/connections/terminal/limits").await["set"]["in_flight"], 22);
    assert_eq!(of("/rules/settings").await["http_hosts"], json!(["crm.example"]));
    assert_eq!(of("/rules/draft").await["source"], RULES);
    let hooks = of("/webhook-endpoints").await;
    assert_eq!(hooks["data"][0]["status"], "paused");
    assert_eq!(hooks["data"][0]["event_types"], json!(["payment.succeeded"]));
    assert_ne!(hooks["data"][0]["id"], endpoint["id"]);

    // The one that needs no secret can be resumed; the other says what it lacks.
    let resume = json!({"status": "active"});
    let terminal = "/admin/v1/merchants/beta/connections/terminal";
    assert_eq!(admin.patch(terminal, &resume).await["status"], "active");
    let payin = "/admin/v1/merchants/beta/connections/payin";
    let refused = admin.send(Method::PATCH, payin, Some(&resume)).await;
    assert_eq!(refused.status, 422, "{refused:?}");
    let again = admin
        .send(
            Method::POST,
            "/admin/v1/merchants/acme/clone",
            Some(&json!({"slug": "beta", "name": "B"})),
        )
        .await;
    assert_eq!(again.status, 409);
    let trail = stage.list("audit").await;
    assert!(
        trail.iter().any(|entry| entry["action"] == "merchants.clone"),
        "{trail:?}"
    );
}
