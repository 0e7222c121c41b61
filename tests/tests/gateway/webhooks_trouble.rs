//! Endpoints that fail, hang or point where they must not, and several nodes that share the work.

use std::collections::{BTreeMap, HashSet};

use e2e::Backend::{self, Postgres, Sqlite};
use e2e::{Inspector, Reply, soon};
use reqwest::Method;
use rstest::rstest;
use serde_json::json;

use crate::stage::Stage;

#[rstest]
#[tokio::test]
async fn a_dead_endpoint_does_not_hold_up_another(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let silent = Inspector::answering(|_| Reply::Silence).await;
    let alive = Inspector::start().await;
    stage.endpoint(&silent, json!({"max_in_flight": 64})).await;
    stage.endpoint(&alive, json!({})).await;
    for n in 0..100 {
        assert_eq!(stage.kiosk().pay(&n.to_string(), "42", "1.00").await.result(), 0);
    }
    let told = alive.wait_for(100).await;
    let payments: HashSet<_> = told
        .iter()
        .map(|request| request.json()["data"]["network_id"].to_string())
        .collect();
    assert_eq!(payments.len(), 100);
    assert!(silent.received().len() <= 64, "more on their way than allowed");
}

/// The second event of a payment waits for the first, however long that takes.
#[rstest]
#[tokio::test]
async fn a_payments_events_come_in_order(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let mut failures = 2;
    let inspector = Inspector::answering(move |_| {
        failures -= 1;
        Reply::status(if failures >= 0 { 500 } else { 200 })
    })
    .await;
    stage.endpoint(&inspector, json!({})).await;
    assert_eq!(stage.kiosk().pay("1", "42", "1.00").await.result(), 0);
    assert_eq!(stage.kiosk().pay("1", "42", "2.00").await.result(), 300);
    let told = inspector.wait_for(4).await;
    let types: Vec<_> = told
        .iter()
        .map(|request| request.json()["type"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        types,
        [
            "payment.succeeded",
            "payment.succeeded",
            "payment.succeeded",
            "payment.contradicted"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_share_the_work_and_send_nothing_twice() {
    let stage = Stage::new(Postgres).await;
    let other = stage.another_node().await;
    let inspector = Inspector::start().await;
    stage.endpoint(&inspector, json!({})).await;
    let kiosks = [stage.kiosk(), other.kiosk("acme", "terminal")];
    e2e::within(
        crate::stage::CHANGE_IS_SEEN,
        "the endpoint at the other node",
        async || {
            kiosks[1].pay(&rand::random::<u32>().to_string(), "42", "1.00").await;
            (stage.count("deliveries").await > 0).then_some(())
        },
    )
    .await;
    for n in 0..300_usize {
        kiosks[n % 2].pay(&(10_000_000_000 + n).to_string(), "42", "1.00").await;
    }
    soon("no delivery waits", async || {
        let waiting = stage
            .database
            .number("SELECT count(*) FROM deliveries WHERE status = 'pending'")
            .await;
        (waiting == 0).then_some(())
    })
    .await;
    let mut times = BTreeMap::<String, u32>::new();
    for request in inspector.received() {
        *times
            .entry(request.header("webhook-id").unwrap().to_owned())
            .or_default() += 1;
    }
    assert!(times.len() >= 300);
    assert!(times.values().all(|count| *count == 1), "{times:?}");
}

/// A node that dies takes nothing with it: what it was about to send is sent after its lease.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_survives_the_death_of_its_node(#[values(Sqlite, Postgres)] backend: Backend) {
    let mut stage = Stage::with_settings(backend, &[("TOLLGATE_WEBHOOKS__TIMEOUT_MS", "1000")]).await;
    let inspector = Inspector::answering(|_| Reply::Silence).await;
    stage.endpoint(&inspector, json!({})).await;
    stage.kiosk().pay("1", "42", "1.00").await;
    inspector.wait_for(1).await;
    stage.gateway.kill().await;
    inspector.answer(|_| Reply::status(200));
    // The lease outlasts the longest attempt by half a minute; that it ends is told by the row, not by waiting.
    let past = match backend {
        Sqlite => "'2020-01-01T00:00:00+00:00'",
        Postgres => "timestamptz '2020-01-01 00:00:00+00'",
    };
    stage
        .database
        .execute(&format!("UPDATE deliveries SET due_at = {past}, leased_until = {past}"))
        .await;
    stage.gateway.start_again().await;
    let told = inspector.wait_for(2).await;
    assert_eq!(told[0].header("webhook-id"), told[1].header("webhook-id"));
}

#[rstest]
#[tokio::test]
async fn private_targets_are_refused(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::with_settings(backend, &[("TOLLGATE_WEBHOOKS__ALLOW_NETWORKS", "127.0.0.2/32")]).await;
    let endpoints = "/admin/v1/merchants/acme/webhook-endpoints";
    for host in [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "169.254.169.254",
        "[::1]",
        "[fd00::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "2130706433",
        "0x7f.1",
    ] {
        let body = json!({"url": format!("http://{host}/hook")});
        let refused = stage.admin().send(Method::POST, endpoints, Some(&body)).await;
        assert_eq!(refused.status, 422, "{host}: {refused:?}");
    }
    let allowed = json!({"url": "http://127.0.0.2:9/hook"});
    assert_eq!(
        stage.admin().send(Method::POST, endpoints, Some(&allowed)).await.status,
        201
    );
    // A name says where it leads only when it is asked.
    let inspector = Inspector::start().await;
    let named = inspector.url("/hook").replace("127.0.0.1", "localhost");
    stage.admin().post(endpoints, &json!({"url": named})).await;
    stage.kiosk().pay("1", "42", "1.00").await;
    soon("the refusal", async || {
        let mut errors = Vec::new();
        for delivery in stage.list("deliveries").await {
            let attempts = stage
                .list(&format!("deliveries/{}/attempts", delivery["id"].as_str().unwrap()))
                .await;
            errors.extend(
                attempts
                    .iter()
                    .filter_map(|attempt| attempt["error"].as_str().map(str::to_owned)),
            );
        }
        errors.iter().any(|error| error.contains("private")).then_some(())
    })
    .await;
    assert_eq!(inspector.received().len(), 0);
}

#[rstest]
#[tokio::test]
async fn redirects_are_not_followed(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let elsewhere = Inspector::start().await;
    let target = elsewhere.url("/stolen");
    let mut answers = [Reply::with_header(307, "location", &target)].into_iter();
    let inspector = Inspector::answering(move |_| answers.next().unwrap_or(Reply::status(200))).await;
    stage.endpoint(&inspector, json!({})).await;
    stage.kiosk().pay("1", "42", "1.00").await;
    inspector.wait_for(2).await;
    assert_eq!(elsewhere.received().len(), 0);
}

#[rstest]
#[tokio::test]
async fn of_an_endless_answer_the_head_is_kept(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let inspector = Inspector::answering(|_| Reply::Answer {
        status: 200,
        headers: Vec::new(),
        body: "\u{0}é".repeat(1_000_000),
    })
    .await;
    stage.endpoint(&inspector, json!({})).await;
    stage.kiosk().pay("1", "42", "1.00").await;
    let delivery = soon("delivered", async || {
        stage
            .list("deliveries")
            .await
            .into_iter()
            .find(|delivery| delivery["status"] == "delivered")
    })
    .await;
    let attempts = stage
        .list(&format!("deliveries/{}/attempts", delivery["id"].as_str().unwrap()))
        .await;
    let answer = attempts[0]["answer"].as_str().unwrap();
    assert!((500..=1_100).contains(&answer.len()), "{} bytes", answer.len());
}
