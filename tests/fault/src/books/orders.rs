//! What merchants' systems were told is what is stored, and each request happened once.

use std::collections::BTreeMap;

use serde_json::Value;

use super::column;
use crate::shop::{Ask, Shops};
use crate::stage::Stage;

#[derive(Debug)]
pub struct Operation {
    pub id: String,
    pub kind: String,
    pub status: String,
    pub kopecks: i64,
    pub number: i64,
}

#[derive(Debug)]
pub struct Order {
    pub payment: String,
    pub merchant: String,
    pub connection: String,
    pub order_id: String,
    pub status: String,
    pub amount: i64,
    pub captured: i64,
    /// Reversed and refunded.
    pub returned: i64,
    pub hold: bool,
    pub operations: Vec<Operation>,
}

impl Order {
    pub fn succeeded(&self, kinds: &[&str]) -> impl Iterator<Item = &Operation> {
        let of_kind = move |known: &&Operation| kinds.iter().any(|kind| *kind == known.kind);
        let succeeded = self.operations.iter().filter(|known| known.status == "succeeded");
        succeeded.filter(of_kind).collect::<Vec<_>>().into_iter()
    }
}

pub async fn read(stage: &Stage) -> Vec<Order> {
    let rows = stage
        .database
        .rows(
            "SELECT o.payment_id, m.slug, c.slug, o.order_id, p.status, p.amount_minor, o.captured_minor,
                 o.reversed_minor + o.refunded_minor, o.capture_mode
             FROM orders o JOIN payments p ON p.id = o.payment_id JOIN merchants m ON m.id = p.merchant_id
             JOIN connections c ON c.id = p.connection_id",
        )
        .await;
    let operations = stage
        .database
        .rows(
            "SELECT payment_id, id, kind, status, amount_minor, number FROM operations
             WHERE connection_id IS NOT NULL ORDER BY id",
        )
        .await;
    let mut by_payment: BTreeMap<String, Vec<Operation>> = BTreeMap::new();
    for row in &operations {
        by_payment.entry(column(row, 0)).or_default().push(Operation {
            id: column(row, 1),
            kind: column(row, 2),
            status: column(row, 3),
            kopecks: column(row, 4),
            number: column(row, 5),
        });
    }
    let orders = rows.iter().map(|row| {
        let payment: String = column(row, 0);
        Order {
            merchant: column(row, 1),
            connection: column(row, 2),
            order_id: column::<Option<String>>(row, 3).unwrap_or_default(),
            status: column(row, 4),
            amount: column(row, 5),
            captured: column(row, 6),
            returned: column(row, 7),
            hold: column::<String>(row, 8) == "manual",
            operations: by_payment.remove(&payment).unwrap_or_default(),
            payment,
        }
    });
    orders.collect()
}

pub fn agree(stage: &Stage, shops: &Shops, orders: &[Order]) {
    let asks = shops.asks.lock().unwrap().clone();
    payments_were_made_once(stage, &asks, orders);
    steps_were_made_once(stage, &asks, orders);
    words_hold(stage, &asks, orders);
    sums_are_those_of_the_steps(stage, orders);
    let told = asks.iter().filter(|ask| ask.told.is_some()).count();
    stage.witness.note(format!(
        "shops: {} requests, {told} taken, {} payments",
        asks.len(),
        orders.len()
    ));
}

fn payments_were_made_once(stage: &Stage, asks: &[Ask], orders: &[Order]) {
    let mut by_key: BTreeMap<&str, Vec<&Order>> = BTreeMap::new();
    for order in orders {
        by_key.entry(&order.order_id).or_default().push(order);
    }
    for ask in asks.iter().filter(|ask| ask.kind.makes_a_payment()) {
        let made = by_key.remove(ask.key.as_str()).unwrap_or_default();
        let (key, count) = (&ask.key, made.len());
        stage
            .witness
            .expect(count <= 1, || format!("{key} became {count} payments"));
        stage.witness.expect(count == 1 || ask.told.is_none(), || {
            format!("{key} was told {:?}, and nothing is stored", ask.told)
        });
        for order in made {
            let same = order.amount == i64::try_from(ask.kopecks).unwrap() && order.merchant == ask.merchant;
            stage.witness.expect(same, || format!("{ask:?} is stored as {order:?}"));
        }
    }
    for (key, made) in by_key {
        stage.witness.violation(format!("nobody asked for {key}: {made:?}"));
    }
}

fn steps_were_made_once(stage: &Stage, asks: &[Ask], orders: &[Order]) {
    // How often each step was asked for, and how often it was said to have been taken.
    let mut asked: BTreeMap<(&str, &str, i64), (usize, usize)> = BTreeMap::new();
    for ask in asks {
        let Some(payment) = &ask.payment else { continue };
        let step = (
            payment.as_str(),
            ask.kind.operation(),
            i64::try_from(ask.kopecks).unwrap(),
        );
        let counted = asked.entry(step).or_default();
        counted.0 += 1;
        counted.1 += usize::from(ask.told.is_some());
    }
    let mut made: BTreeMap<(&str, &str, i64), usize> = BTreeMap::new();
    for order in orders {
        for known in order
            .operations
            .iter()
            .filter(|known| !["create", "payout"].contains(&known.kind.as_str()))
        {
            *made.entry((&order.payment, &known.kind, known.kopecks)).or_default() += 1;
        }
    }
    for (step, (often, taken)) in &asked {
        let stored = made.remove(step).unwrap_or_default();
        let right = (*taken..=*often).contains(&stored);
        let message = || format!("{step:?} was asked {often} times, taken {taken} times, and is stored {stored} times");
        stage.witness.expect(right, message);
    }
    for (step, times) in made {
        stage
            .witness
            .violation(format!("nobody asked for {step:?}, and it is stored {times} times"));
    }
}

/// What was told to have succeeded has succeeded.
fn words_hold(stage: &Stage, asks: &[Ask], orders: &[Order]) {
    let known: BTreeMap<&str, &Operation> = orders
        .iter()
        .flat_map(|order| order.operations.iter().map(|known| (known.id.as_str(), known)))
        .collect();
    for ask in asks {
        let Some(told) = &ask.told else { continue };
        let told: Value = serde_json::from_str(&told.body).unwrap_or_default();
        for operation in told["operations"].as_array().into_iter().flatten() {
            if operation["status"] != "succeeded" {
                continue;
            }
            let id = operation["id"].as_str().unwrap_or_default();
            let kept = known.get(id).is_some_and(|known| known.status == "succeeded");
            stage.witness.expect(kept, || {
                format!("{}: told {operation}, stored {:?}", ask.key, known.get(id))
            });
        }
    }
}

fn sums_are_those_of_the_steps(stage: &Stage, orders: &[Order]) {
    for order in orders {
        let sum = |kinds: &[&str]| order.succeeded(kinds).map(|known| known.kopecks).sum::<i64>();
        let taken = if order.hold {
            sum(&["capture"])
        } else {
            sum(&["create", "payout"])
        };
        let returned = sum(&["reversal", "refund"]);
        let right = (order.captured, order.returned) == (taken, returned);
        stage.witness.expect(right, || {
            format!("its steps took {taken} and gave back {returned}: {order:?}")
        });
        let paid = ["succeeded", "partially_refunded", "refunded"].contains(&order.status.as_str());
        stage.witness.expect(!paid || order.captured > 0, || {
            format!("paid, and nothing was taken: {order:?}")
        });
    }
}
