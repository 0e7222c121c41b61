//! Any identifier finds its thing, and nobody finds another's.

use e2e::Backend::{self, Postgres, Sqlite};
use e2e::{Browser, Inspector, soon};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::stage::{Stage, open};

/// Kinds and ids that a search found.
fn hits(found: &Value) -> Vec<(String, String, String)> {
    let groups = found["groups"].as_array().unwrap().iter();
    let hits = groups.flat_map(|group| {
        let kind = group["kind"].as_str().unwrap().to_owned();
        let hits = group["hits"].as_array().unwrap().clone();
        hits.into_iter().map(move |hit| {
            let text = |name: &str| hit[name].as_str().unwrap().to_owned();
            (kind.clone(), text("merchant"), text("id"))
        })
    });
    hits.collect()
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn any_identifier_finds_its_thing(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::with_settings(backend, &[("TOLLGATE_ACCESS__SECOND_FACTOR", "nobody")]).await;
    let admin = stage.admin();
    let inspector = Inspector::start().await;
    let endpoint = stage.endpoint(&inspector, json!({})).await;
    admin
        .post("/admin/v1/merchants", &json!({"slug": "acme-two", "name": "Two"}))
        .await;
    let connection = json!({"slug": "terminal", "plugin": "terminal", "config": open(json!({}))});
    admin
        .post("/admin/v1/merchants/acme-two/connections", &connection)
        .await;
    stage.kiosk().pay("700100", "9123456789", "5.00").await;
    stage
        .gateway
        .kiosk("acme-two", "terminal")
        .pay("700100", "9123456789", "6.00")
        .await;
    let payment = stage.list("payments").await[0].clone();
    let id = payment["id"].as_str().unwrap();
    let delivery = soon("a delivery", async || stage.list("deliveries").await.first().cloned()).await;
    let event = delivery["event_id"].as_str().unwrap();

    let mine = async |text: &str| hits(&admin.get(&format!("/admin/v1/merchants/acme/search?q={text}")).await);
    let all = async |text: &str| hits(&admin.get(&format!("/admin/v1/search?q={text}")).await);
    let own = ("payment".to_owned(), "acme".to_owned(), id.to_owned());
    for text in [id, "700100", "9123456789", payment["number"].as_str().unwrap()] {
        assert_eq!(mine(text).await, std::slice::from_ref(&own), "{text}");
        assert!(all(text).await.contains(&own), "{text}");
    }
    let both = all("700100").await;
    assert_eq!(
        both.iter()
            .map(|(_, merchant, _)| merchant.as_str())
            .collect::<Vec<_>>(),
        ["acme-two", "acme"]
    );
    let things = [
        ("event", event),
        ("delivery", delivery["id"].as_str().unwrap()),
        ("endpoint", endpoint["id"].as_str().unwrap()),
        ("connection", payment["connection_id"].as_str().unwrap()),
    ];
    for (kind, text) in things {
        let found = (kind.to_owned(), "acme".to_owned(), text.to_owned());
        assert_eq!(mine(text).await, std::slice::from_ref(&found), "{kind}");
        assert_eq!(all(text).await, [found], "{kind}");
        let foreign = admin
            .get(&format!("/admin/v1/merchants/acme-two/search?q={text}"))
            .await;
        assert_eq!(foreign["groups"], json!([]), "{kind}");
    }
    let merchants: Vec<_> = all("acme")
        .await
        .into_iter()
        .map(|(kind, merchant, _)| (kind, merchant))
        .collect();
    assert_eq!(
        merchants,
        [
            ("merchant".to_owned(), "acme".to_owned()),
            ("merchant".to_owned(), "acme-two".to_owned())
        ]
    );
    assert_eq!(mine("terminal").await.len(), 1, "a connection by its name");
    assert_eq!(all("terminal").await.len(), 2);
    assert_eq!(mine("nothing-like-it").await, []);

    for wrong in ["", "%20", "%00", "a%0Ab"] {
        let refused = admin
            .send(Method::GET, &format!("/admin/v1/search?q={wrong}"), None)
            .await;
        assert_eq!((refused.status, &refused.body["field"]), (422, &json!("q")), "{wrong}");
    }
    let listed = "/admin/v1/merchants/acme/payments?search=a%00b";
    assert_eq!(admin.send(Method::GET, listed, None).await.status, 422);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn staff_find_what_their_role_may_see_of_their_merchants(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::with_settings(backend, &[("TOLLGATE_ACCESS__SECOND_FACTOR", "nobody")]).await;
    let mut owner = Browser::new(stage.gateway.admin_address);
    owner.set_up(e2e::gateway::BOOTSTRAP_TOKEN, "owner@example.com").await;
    stage
        .admin()
        .post("/admin/v1/merchants", &json!({"slug": "other", "name": "Other"}))
        .await;
    let connection = json!({"slug": "terminal", "plugin": "terminal", "config": open(json!({}))});
    stage
        .admin()
        .post("/admin/v1/merchants/other/connections", &connection)
        .await;
    stage.kiosk().pay("1", "42", "5.00").await;
    stage.gateway.kiosk("other", "terminal").pay("2", "42", "6.00").await;
    let key = json!({"name": "shop", "scopes": ["*"]});
    let key = stage.admin().post("/admin/v1/merchants/acme/api_keys", &key).await;
    let key = key["id"].as_str().unwrap();

    let mut admin = owner
        .staff("/merchants/acme/people", "admin@example.com", "admin")
        .await;
    let mut viewer = owner
        .staff("/merchants/acme/people", "viewer@example.com", "viewer")
        .await;
    let found = hits(&admin.get("/search?q=42").await);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].1, "acme");
    assert_eq!(hits(&admin.get("/search?q=other").await), []);
    assert_eq!(hits(&admin.get("/search?q=2").await), [], "the other's transaction");
    assert_eq!(hits(&admin.get(&format!("/search?q={key}")).await).len(), 1);
    assert_eq!(hits(&viewer.get(&format!("/search?q={key}")).await), []);
    assert_eq!(hits(&viewer.get("/search?q=42").await).len(), 1);
    let foreign = viewer.send(Method::GET, "/merchants/other/search?q=42", None).await;
    assert_eq!(foreign.status, 404);
}
