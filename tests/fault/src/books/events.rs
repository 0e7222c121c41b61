//! Each fact has its event, each event arrived at each endpoint, and a payment's events arrived in their order.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::orders::Order;
use super::{column, kopecks};
use crate::stage::Stage;

/// Endpoints of each merchant.
const ENDPOINTS: usize = 2;

struct Event {
    kind: String,
    payment: Option<String>,
    operation: Option<String>,
    merchant: String,
}

pub async fn agree(stage: &Stage, orders: &[Order]) {
    let events = read(stage).await;
    facts_have_their_events(stage, &events, orders).await;
    every_event_arrived(stage, &events).await;
    in_order(stage, &events);
}

async fn read(stage: &Stage) -> BTreeMap<String, Event> {
    let sql = "SELECT e.id, e.event_type, e.payment_id, e.payload, m.slug FROM events e
               JOIN merchants m ON m.id = e.merchant_id";
    let rows = stage.database.rows(sql).await;
    let events = rows.iter().map(|row| {
        let payload: Value = column(row, 3);
        let event = Event {
            kind: column(row, 1),
            payment: column(row, 2),
            operation: payload["operation"]["id"].as_str().map(str::to_owned),
            merchant: column(row, 4),
        };
        (column(row, 0), event)
    });
    events.collect()
}

async fn facts_have_their_events(stage: &Stage, events: &BTreeMap<String, Event>, orders: &[Order]) {
    let mut told: BTreeMap<(&str, &str, Option<&str>), usize> = BTreeMap::new();
    for event in events.values() {
        let Some(payment) = &event.payment else { continue };
        *told
            .entry((payment, &event.kind, event.operation.as_deref()))
            .or_default() += 1;
    }
    let terminal = "SELECT id, status FROM payments WHERE channel = 'terminal'";
    for row in stage.database.rows(terminal).await {
        let (id, status): (String, String) = (column(&row, 0), column(&row, 1));
        let times = told
            .get(&(id.as_str(), format!("payment.{status}").as_str(), None))
            .copied();
        stage.witness.expect(times == Some(1), || {
            format!("{id} is {status}, and {times:?} events tell of it")
        });
    }
    for order in orders {
        let outgoing = order.operations.iter().any(|known| known.kind == "payout");
        let object = if outgoing { "payout" } else { "payment" };
        let kind = format!("{object}.{}", order.status);
        let heard = told
            .keys()
            .any(|(payment, known, _)| *payment == order.payment && *known == kind);
        stage.witness.expect(heard, || format!("no {kind} tells of {order:?}"));
        for step in order
            .operations
            .iter()
            .filter(|known| !["create", "payout"].contains(&known.kind.as_str()))
        {
            let kind = format!("{}.{}", step.kind, step.status);
            let times = told
                .get(&(order.payment.as_str(), kind.as_str(), Some(step.id.as_str())))
                .copied();
            stage
                .witness
                .expect(times == Some(1), || format!("{times:?} times {kind} tells of {step:?}"));
        }
    }
}

async fn every_event_arrived(stage: &Stage, events: &BTreeMap<String, Event>) {
    let taken: BTreeSet<(String, String)> = (stage.hooks.taken().into_iter())
        .map(|taken| (taken.endpoint, taken.event))
        .collect();
    let mut deliveries: BTreeMap<String, usize> = BTreeMap::new();
    for row in stage.database.rows("SELECT event_id, status FROM deliveries").await {
        let (event, status): (String, String) = (column(&row, 0), column(&row, 1));
        stage
            .witness
            .expect(status == "delivered", || format!("a delivery of {event} is {status}"));
        *deliveries.entry(event).or_default() += 1;
    }
    for (id, event) in events {
        let count = deliveries.get(id).copied().unwrap_or_default();
        stage.witness.expect(count == ENDPOINTS, || {
            format!("{id} ({}) has {count} deliveries", event.kind)
        });
        for endpoint in ["a", "b"] {
            let place = (format!("/{}/{endpoint}", event.merchant), id.clone());
            stage.witness.expect(taken.contains(&place), || {
                format!("{} never arrived: {place:?}", event.kind)
            });
        }
    }
    for (endpoint, event) in &taken {
        stage.witness.expect(events.contains_key(event), || {
            format!("{endpoint} took {event}, which is not stored")
        });
    }
    stage.witness.note(format!("{} events arrived", events.len()));
}

/// How far a payment has come, as an event tells it: none of these ever becomes less.
fn progress(data: &Value) -> Option<[i64; 6]> {
    let amount = |name: &str| data[name]["amount"].as_str().map(kopecks);
    let operations = data["operations"].as_array()?;
    let ended =
        |known: &&Value| !["pending", "processing", "in_doubt"].contains(&known["status"].as_str().unwrap_or(""));
    Some([
        amount("authorized")?,
        amount("captured")?,
        amount("reversed")?,
        amount("refunded")?,
        i64::try_from(operations.len()).ok()?,
        i64::try_from(operations.iter().filter(ended).count()).ok()?,
    ])
}

fn in_order(stage: &Stage, events: &BTreeMap<String, Event>) {
    let mut seen = BTreeSet::new();
    let mut last: BTreeMap<(String, String), ([i64; 6], String)> = BTreeMap::new();
    for taken in stage.hooks.taken() {
        // Once more is no news.
        if !seen.insert((taken.endpoint.clone(), taken.event.clone())) {
            continue;
        }
        let payment = events.get(&taken.event).and_then(|event| event.payment.clone());
        let (Some(payment), Some(now)) = (payment, progress(&taken.body["data"])) else {
            continue;
        };
        let (key, kind) = ((taken.endpoint.clone(), payment), taken.body["type"].to_string());
        if let Some((before, what)) = last.get(&key) {
            let forward = before.iter().zip(&now).all(|(before, now)| before <= now);
            stage.witness.expect(forward, || {
                format!("{key:?}: {kind} ({now:?}) arrived after {what} ({before:?})")
            });
        }
        last.insert(key, (now, kind));
    }
}
