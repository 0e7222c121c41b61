//! How things are, by REST: figures, what needs somebody, and that nobody sees another's.

use e2e::Backend::{self, Postgres, Sqlite};
use e2e::{Inspector, Reply, soon};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::stage::{RULES, Stage, open};

const OVERVIEW: &str = "/admin/v1/merchants/acme/overview";

async fn shown(stage: &Stage, path: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    soon(what, async || {
        let overview = stage.admin().get(path).await;
        holds(&overview).then_some(overview)
    })
    .await
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn figures_of_a_day_are_told_of_a_merchant_and_of_all(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::with_rules(backend, json!({}), RULES).await;
    let admin = stage.admin();
    admin
        .post("/admin/v1/merchants", &json!({"slug": "other", "name": "Other"}))
        .await;
    let connection = json!({"slug": "kiosk", "plugin": "terminal", "config": open(json!({}))});
    admin.post("/admin/v1/merchants/other/connections", &connection).await;
    for (txn_id, account, sum) in [
        ("1", "4957835959", "200.00"),
        ("2", "4957835959", "0.05"),
        ("3", "42", "7.00"),
    ] {
        stage.kiosk().pay(txn_id, account, sum).await;
    }
    stage.gateway.kiosk("other", "kiosk").pay("1", "1", "1000.00").await;

    // Exchanges are written behind the answers.
    let mine = shown(&stage, OVERVIEW, "three payments and their times", |overview| {
        overview["payments"] == 3 && overview["answer_times"]["exchanges"] == 3
    })
    .await;
    assert_eq!(
        (
            &mine["succeeded"],
            &mine["declined"],
            &mine["success_per_mille"],
            &mine["complete"]
        ),
        (&json!(2), &json!(1), &json!(666), &json!(true))
    );
    assert_eq!(mine["amounts"], json!([{"amount": "200.05", "currency": "RUB"}]));
    let series: u64 = mine["series"]["succeeded"]
        .as_array()
        .unwrap()
        .iter()
        .map(|count| count.as_u64().unwrap())
        .sum();
    assert_eq!((series, mine["series"]["at"].as_array().unwrap().len()), (2, 48));
    let owner = &mine["owners"][0];
    assert_eq!(
        (&owner["slug"], &owner["payments"], &owner["answer_times"]["exchanges"]),
        (&json!("terminal"), &json!(3), &json!(3))
    );
    assert_eq!(mine["week_before"]["payments"], 0);

    let all = shown(&stage, "/admin/v1/overview", "the payments of both", |overview| {
        overview["payments"] == 4
    })
    .await;
    assert_eq!(all["amounts"], json!([{"amount": "1200.05", "currency": "RUB"}]));
    let owners: Vec<_> = all["owners"]
        .as_array()
        .unwrap()
        .iter()
        .map(|owner| &owner["slug"])
        .collect();
    assert_eq!(owners, ["acme", "other"]);
    for wrong in ["0", "599", "604801"] {
        let refused = admin
            .send(Method::GET, &format!("{OVERVIEW}?span_s={wrong}"), None)
            .await;
        assert_eq!(
            (refused.status, &refused.body["field"]),
            (422, &json!("span_s")),
            "{wrong}"
        );
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_needs_somebody_is_told(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::with_rules(
        backend,
        json!({}),
        "local rules = {}\nfunction rules.check() error('broken') end\nreturn rules",
    )
    .await;
    let down = Inspector::answering(|_| Reply::status(500)).await;
    stage.endpoint(&down, json!({})).await;
    stage.kiosk().check("1", "4957835959", "1.00").await;
    stage.publish(RULES.replace("4957835959", "1").as_str()).await;
    stage.kiosk().pay("2", "1", "1.00").await;
    let waiting = shown(&stage, OVERVIEW, "a webhook that waits", |overview| {
        overview["webhooks"]["endpoints"][0]["attempts"].as_i64() > Some(0)
    })
    .await;
    assert_eq!(waiting["webhooks"]["endpoints"][0]["url"], down.url("/hook"));
    assert_eq!(waiting["webhooks"]["endpoints"][0]["merchant"], "acme");
    assert!(waiting["webhooks"]["waiting"].as_u64() >= Some(1));
    // The revision that failed is not the published one any more.
    assert_eq!(waiting["rule_troubles"], json!([]));

    stage
        .publish("local rules = {}\nfunction rules.check() error('broken') end\nreturn rules")
        .await;
    let troubled = soon("the failing revision", async || {
        stage.kiosk().check("3", "1", "1.00").await;
        let overview = stage.admin().get("/admin/v1/overview").await;
        overview["rule_troubles"][0]["merchant"].is_string().then_some(overview)
    })
    .await;
    assert_eq!(troubled["rule_troubles"][0]["merchant"], "acme");
    assert_eq!(troubled["in_doubt"]["payments"], 0);
}
