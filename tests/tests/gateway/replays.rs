//! What another script would have decided, over decisions of real traffic.

use e2e::Backend::{self, Postgres, Sqlite};
use e2e::soon;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::rules::sees;
use crate::stage::Stage;

const SCRIPT: &str = "local rules = {}

function rules.check(request, ctx)
  if request.amount > money('500.00 RUB') then
    return reject('amount_too_large', 'Lot ' .. ctx.random(100))
  end
  return accept()
end

function rules.fee(payment)
  return fee(payment.amount:percent('1', 'up'))
end

return rules
";

/// Starts a replay and waits for its report.
async fn replay(stage: &Stage, request: Value) -> Value {
    let started = stage
        .admin()
        .post("/admin/v1/merchants/acme/rules/replay", &request)
        .await;
    let path = format!(
        "/admin/v1/merchants/acme/rules/replays/{}",
        started["id"].as_str().unwrap()
    );
    soon("the replay's end", async || {
        let replay = stage.admin().get(&path).await;
        (replay["status"] != "running").then_some(replay)
    })
    .await
}

#[rstest]
#[tokio::test]
async fn a_replay_tells_what_a_change_would_have_changed(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::with_rules(backend, json!({}), SCRIPT).await;
    sees(&stage, "42", 0).await;
    let pay = async |txn_id: u32, sum: &str| stage.kiosk().pay(&txn_id.to_string(), "42", sum).await.result();
    for txn_id in 0..20 {
        assert_eq!(pay(txn_id, "200.00").await, 0);
        assert_eq!(pay(100 + txn_id, "501.00").await, 242);
    }
    let payments = stage
        .database
        .number("SELECT count(*) FROM decisions WHERE payment_id IS NOT NULL")
        .await;
    assert_eq!(payments, 60, "20 with a check and a fee, 20 that were refused");

    let own = replay(&stage, json!({"revision": 1})).await;
    assert_eq!(
        (&own["status"], &own["report"]["changed"]),
        (&json!("done"), &json!(0)),
        "{own}"
    );
    assert!(
        own["report"]["decided"].as_u64().unwrap() >= 60 && own["total"] == own["done"],
        "{own}"
    );

    let draft = SCRIPT
        .replace("500.00 RUB", "100.00 RUB")
        .replace("'1', 'up'", "'2', 'up'");
    stage
        .admin()
        .put("/admin/v1/merchants/acme/rules/draft", &json!({"source": draft}))
        .await;
    let changed = replay(&stage, json!({"last": 60})).await;
    let groups = changed["report"]["groups"].as_array().unwrap();
    let group = |name: &str| groups.iter().find(|group| group["change"] == name).unwrap().clone();
    let refused = group("accept → reject");
    assert_eq!(
        (&refused["count"], &refused["examples"].as_array().unwrap().len()),
        (&json!(20), &20)
    );
    assert_eq!(refused["amounts"], json!([{"amount": "4000.00", "currency": "RUB"}]));
    assert_eq!(refused["examples"][0]["after"]["reason"], "amount_too_large");
    assert_eq!(group("fee")["count"], 20);
    assert_eq!(changed["target"], json!({"draft": 1}));
    assert_eq!(stage.list("rules/replays").await.len(), 2);

    stage
        .admin()
        .post("/admin/v1/merchants", &json!({"slug": "stranger", "name": "Stranger"}))
        .await;
    let foreign = format!(
        "/admin/v1/merchants/stranger/rules/replays/{}",
        own["id"].as_str().unwrap()
    );
    assert_eq!(stage.admin().send(Method::GET, &foreign, None).await.status, 404);
    for (request, status) in [(json!({"last": 100_001}), 422), (json!({"revision": 9}), 404)] {
        let path = "/admin/v1/merchants/acme/rules/replay";
        assert_eq!(
            stage.admin().send(Method::POST, path, Some(&request)).await.status,
            status
        );
    }
}
