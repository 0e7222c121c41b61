//! Limits that a merchant sets for itself: never more than the operator gave, whatever either changes later.

use e2e::Backend::{self, Postgres, Sqlite};
use e2e::gateway::BOOTSTRAP_TOKEN;
use e2e::{Browser, soon};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::stage::Stage;

const LIMITS: &str = "/admin/v1/merchants/acme/limits";
const TERMINAL: &str = "/admin/v1/merchants/acme/connections/terminal/limits";
const TRY_LATER: u32 = 1;

fn hour(requests: u32) -> Value {
    json!([{"name": "hour", "requests": requests, "seconds": 3600}])
}

/// A browser of the merchant's own admin, and one of somebody there who may only look.
async fn staff(stage: &Stage) -> (Browser, Browser) {
    let mut owner = Browser::new(stage.gateway.admin_address);
    owner.set_up(BOOTSTRAP_TOKEN, "owner@example.com").await;
    let admin = owner
        .staff("/merchants/acme/people", "admin@example.com", "admin")
        .await;
    let developer = owner
        .staff("/merchants/acme/people", "dev@example.com", "developer")
        .await;
    (admin, developer)
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_merchant_lowers_its_limits_and_cannot_raise_them(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let operator = stage.admin();
    let given = json!({"rates": hour(1_000), "in_flight": 40, "sockets": 30});
    operator.put(TERMINAL, &given).await;
    let (mut admin, mut developer) = staff(&stage).await;
    let own = "/merchants/acme/connections/terminal/limits/own";
    let lower = json!({"rates": hour(3), "in_flight": 20});
    let forbidden = developer.send(Method::PUT, own, Some(&lower)).await;
    assert_eq!(
        (forbidden.status, &forbidden.body["code"]),
        (403, &json!("permission_missing"))
    );
    let theirs = admin
        .send(Method::PUT, "/merchants/acme/connections/terminal/limits", Some(&given))
        .await;
    assert_eq!(theirs.status, 403, "what the operator sets is not theirs: {theirs:?}");

    let set = admin.send(Method::PUT, own, Some(&lower)).await.success();
    assert_eq!((&set["set"], &set["own"]), (&given, &lower));
    assert_eq!(
        (&set["granted"]["in_flight"], &set["effective"]["in_flight"]),
        (&json!(40), &json!(20))
    );
    assert_eq!(set["effective"]["sockets"], json!(30));
    let names: Vec<_> = (set["effective"]["rates"].as_array().unwrap().iter())
        .map(|window| &window["name"])
        .collect();
    assert_eq!(names, [&json!("hour"), &json!("own-hour")]);
    let kiosk = stage.kiosk();
    let mut txn_id = 100;
    soon("the merchant's own limit", async || {
        txn_id += 1;
        let answer = kiosk.check(&txn_id.to_string(), "42", "1.00").await;
        (answer.result() == TRY_LATER).then_some(())
    })
    .await;

    // More than was given is refused; and what is given less later, holds.
    for (field, value) in [("in_flight", 41), ("sockets", 31)] {
        let refused = admin.send(Method::PUT, own, Some(&json!({field: value}))).await;
        assert_eq!(
            (refused.status, &refused.body["field"]),
            (422, &json!(field)),
            "{refused:?}"
        );
    }
    let much = json!({"rates": hour(5_000), "in_flight": 40});
    let _ = admin.send(Method::PUT, own, Some(&much)).await.success();
    operator
        .put(TERMINAL, &json!({"rates": hour(1), "in_flight": 15}))
        .await;
    let now = operator.get(TERMINAL).await;
    assert_eq!((&now["own"], &now["effective"]["in_flight"]), (&much, &json!(15)));
    assert_eq!(now["effective"]["rates"][0]["requests"], json!(1));

    // Taken back, the operator's hold alone.
    operator.put(TERMINAL, &json!({})).await;
    let _ = admin.send(Method::PUT, own, Some(&json!({}))).await.success();
    soon("no limit", async || {
        txn_id += 1;
        (kiosk.check(&txn_id.to_string(), "42", "1.00").await.result() == 0).then_some(())
    })
    .await;
    let trail = stage.list("audit").await;
    let lowered = trail.iter().filter(|entry| entry["action"] == "limits.lower");
    let actors: Vec<_> = lowered.map(|entry| entry["actor"].as_str().unwrap()).collect();
    assert_eq!(actors, ["admin@example.com"; 3]);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_merchants_own_window_is_told_to_its_systems(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let admin = stage.admin();
    let made = json!({"name": "shop", "scopes": ["*"]});
    let made = admin.post("/admin/v1/merchants/acme/api_keys", &made).await;
    let (key, id) = (made["key"].as_str().unwrap(), made["id"].as_str().unwrap());
    admin.put(&format!("{LIMITS}/own"), &json!({"rates": hour(100)})).await;
    let path = format!("/admin/v1/merchants/acme/api_keys/{id}/limits");
    admin.put(&path, &json!({"rates": hour(50)})).await;
    admin.put(&format!("{path}/own"), &json!({"rates": hour(20)})).await;
    let url = format!("http://{}/v1/payments", stage.gateway.public);
    let expected = "\"merchant-own-hour\";q=100;w=3600, \"api-key-hour\";q=50;w=3600, \"api-key-own-hour\";q=20;w=3600";
    soon("the windows are told", async || {
        let answer = reqwest::Client::new().get(&url).bearer_auth(key).send().await.unwrap();
        let policy = answer.headers().get("ratelimit-policy")?.to_str().unwrap();
        (policy == expected).then_some(())
    })
    .await;
    let reserved = json!({"rates": [{"name": "own-hour", "requests": 1, "seconds": 1}]});
    assert_eq!(admin.send(Method::PUT, LIMITS, Some(&reserved)).await.status, 422);
}
