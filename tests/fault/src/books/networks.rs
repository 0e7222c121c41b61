//! What is stored is what the networks did, and they did it once.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::orders::Order;
use super::{kopecks, sorted};
use crate::stage::Stage;

pub async fn agree(stage: &Stage, orders: &[Order]) {
    let of = |connection: &str| {
        let orders = orders.iter().filter(|order| order.connection == connection);
        orders
            .map(|order| (order.payment.as_str(), order))
            .collect::<BTreeMap<_, _>>()
    };
    payin(stage, &of("payin")).await;
    qiwi_pay(stage, &of("qiwi-pay")).await;
    wallet(stage, &of("wallet")).await;
}

async fn state(stage: &Stage, path: &str) -> Value {
    let answer = reqwest::get(stage.sandbox.url(path)).await.unwrap();
    answer.json().await.unwrap()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn amounts<'a>(steps: impl Iterator<Item = &'a super::orders::Operation>) -> Vec<i64> {
    sorted(steps.map(|step| step.kopecks))
}

async fn payin(stage: &Stage, orders: &BTreeMap<&str, &Order>) {
    let objects = state(stage, "/sandbox/payin/objects").await;
    let mut known = BTreeSet::new();
    for site in list(&objects["sites"]) {
        for payment in list(&site["payments"]) {
            let id = payment["paymentId"].as_str().unwrap();
            known.insert(id.to_owned());
            match orders.get(id) {
                Some(order) => payin_payment(stage, order, payment),
                None => stage.witness.violation(format!("nobody here knows {payment}")),
            }
        }
    }
    for (id, order) in orders {
        let executed = order.succeeded(&["create"]).count() > 0;
        stage.witness.expect(known.contains(*id) || !executed, || {
            format!("Payin has never heard of {order:?}")
        });
    }
}

fn payin_payment(stage: &Stage, order: &Order, payment: &Value) {
    let completed = |steps: &Value| {
        let completed = list(steps).filter(|step| step["status"]["value"] == "COMPLETED");
        sorted(completed.map(|step| kopecks(step["amount"]["value"].as_str().unwrap())))
    };
    let theirs = (
        payment["status"]["value"] == "COMPLETED",
        completed(&payment["captures"]),
        completed(&payment["refunds"]),
    );
    let ours = (
        order.succeeded(&["create"]).count() == 1,
        amounts(order.succeeded(&["capture"])),
        amounts(order.succeeded(&["reversal", "refund"])),
    );
    stage.witness.expect(ours == theirs, || {
        format!("Payin says {theirs:?}, we {ours:?}: {order:?}, {payment}")
    });
}

async fn qiwi_pay(stage: &Stage, orders: &BTreeMap<&str, &Order>) {
    const PURCHASE: u64 = 1;
    const GIVEN_BACK: [u64; 2] = [3, 4];
    const DONE: u64 = 3;
    let whole = state(stage, "/sandbox/qiwi-pay/state").await;
    let done: Vec<&Value> = list(&whole["transactions"])
        .filter(|known| known["txn_status"].as_u64() >= Some(DONE))
        .collect();
    let mut purchases: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for known in done.iter().filter(|known| known["txn_type"] == PURCHASE) {
        purchases
            .entry(known["order_id"].as_str().unwrap_or_default())
            .or_default()
            .push(known);
    }
    for (id, order) in orders {
        let bought = purchases.remove(id).unwrap_or_default();
        let ours = order.succeeded(&["create"]).count();
        stage.witness.expect(bought.len() == ours, || {
            format!(
                "QIWI PAY took money {} times, we know of {ours}: {order:?}",
                bought.len()
            )
        });
        let parents: Vec<&Value> = bought.iter().map(|known| &known["txn_id"]).collect();
        let returned = done.iter().filter(|known| {
            let kind = known["txn_type"].as_u64().unwrap_or_default();
            GIVEN_BACK.contains(&kind) && parents.contains(&&known["parent"])
        });
        let theirs = sorted(returned.map(|known| kopecks(known["amount"].as_str().unwrap())));
        let ours = amounts(order.succeeded(&["reversal", "refund"]));
        stage.witness.expect(ours == theirs, || {
            format!("QIWI PAY gave back {theirs:?}, we know of {ours:?}: {order:?}")
        });
    }
    for (id, known) in purchases {
        stage
            .witness
            .violation(format!("nobody here knows QIWI PAY's {id}: {known:?}"));
    }
}

async fn wallet(stage: &Stage, orders: &BTreeMap<&str, &Order>) {
    let whole = state(stage, "/sandbox/wallet/state.json").await;
    let mut paid: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for known in list(&whole["transactions"]).filter(|known| known["status"] == "SUCCESS") {
        paid.entry(known["id"].as_str().unwrap_or_default().to_owned())
            .or_default()
            .push(known);
    }
    for order in orders.values() {
        let payouts = order.operations.iter().filter(|known| known.kind == "payout");
        let theirs: Vec<&Value> = payouts
            .flat_map(|known| paid.remove(&known.number.to_string()).unwrap_or_default())
            .collect();
        let ours = order.succeeded(&["payout"]).count();
        stage.witness.expect(theirs.len() == ours, || {
            format!("the wallet paid {theirs:?}, we know of {ours}: {order:?}")
        });
    }
    for (id, known) in paid {
        stage
            .witness
            .violation(format!("nobody here knows the wallet's {id}: {known:?}"));
    }
}
