//! A node whose clock is ahead takes the other one's request for abandoned; both are told the same.

use std::sync::Arc;
use std::time::Duration;

use e2e::Shop;
use fault::disk::Disk;
use fault::plan::{Plan, World};
use fault::stage::Stage;
use fault::witness::Witness;
use reqwest::Method;
use serde_json::json;

/// A node looks at its clock's file this often at least.
const CLOCK_IS_SEEN: Duration = Duration::from_millis(1_500);

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_at_a_node_that_is_ahead_hears_what_the_first_one_hears() {
    let plan = Plan::calm(World::Together(2));
    let stage = Stage::set_on(Disk::of_the_machine(), &plan, Arc::new(Witness::default())).await;
    stage.nodes[1].lock().await.clock.shift(3_600);
    tokio::time::sleep(CLOCK_IS_SEEN).await;
    stage.sandbox.fault_at("PUT", "/payments/", "delay:1500").await;
    let body = json!({ "amount": { "amount": "9.00", "currency": "RUB" }, "connection": "payin",
        "method": { "type": "card", "pan": "4256000000000003", "expiry_month": 12, "expiry_year": 2030, "cvv": "123",
            "holder": "CARD HOLDER" } });
    let key = stage.merchants[0].api_key.clone();
    let [first, ahead] = [0, 1].map(|node| Shop::with_key(stage.ways[node], &key));
    let asking = {
        let body = body.clone();
        tokio::spawn(async move { first.send(Method::POST, "/payments", Some("k"), Some(&body)).await.1 })
    };
    stage.sandbox.faults_are_met().await;
    let (repeated, second) = ahead.send(Method::POST, "/payments", Some("k"), Some(&body)).await;
    assert!(repeated, "{second:?}");
    let first = asking.await.unwrap();
    assert_eq!((first.status, &first.body), (second.status, &second.body));
}
