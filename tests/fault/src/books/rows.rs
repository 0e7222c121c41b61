//! No row is half written, and the audit trail is one chain.

use std::time::{Duration, Instant};

use e2e::Cli;

use crate::operator::Operator;
use crate::stage::Stage;

/// What must not exist.
const HALVES: [(&str, &str); 9] = [
    (
        "payments without an operation",
        "SELECT count(*) FROM payments p WHERE NOT EXISTS (SELECT 1 FROM operations o WHERE o.payment_id = p.id)",
    ),
    (
        "operations without a payment",
        "SELECT count(*) FROM operations o WHERE NOT EXISTS (SELECT 1 FROM payments p WHERE p.id = o.payment_id)",
    ),
    (
        "orders without a payment",
        "SELECT count(*) FROM orders o WHERE NOT EXISTS (SELECT 1 FROM payments p WHERE p.id = o.payment_id)",
    ),
    (
        "payments of merchants' systems without an order",
        "SELECT count(*) FROM payments p WHERE p.channel <> 'terminal'
         AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.payment_id = p.id)",
    ),
    (
        "events about nothing",
        "SELECT count(*) FROM events e WHERE e.payment_id IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM payments p WHERE p.id = e.payment_id)",
    ),
    (
        "deliveries of nothing",
        "SELECT count(*) FROM deliveries d WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.id = d.event_id)",
    ),
    (
        "keys of a payment that is not there",
        "SELECT count(*) FROM idempotency_keys k WHERE k.payment_id IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM payments p WHERE p.id = k.payment_id)",
    ),
    (
        "keys of an operation that is not there",
        "SELECT count(*) FROM idempotency_keys k WHERE k.operation_id IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM operations o WHERE o.id = k.operation_id)",
    ),
    (
        "payments whose merchant is not that of their connection",
        "SELECT count(*) FROM payments p JOIN connections c ON c.id = p.connection_id WHERE c.merchant_id <> p.merchant_id",
    ),
];

pub async fn are_whole(stage: &Stage) {
    for (what, sql) in HALVES {
        let count = stage.database.number(sql).await;
        stage.witness.expect(count == 0, || format!("{count} {what}"));
    }
}

/// Each change that an operator was told of is in the trail, and the trail is one chain.
pub async fn audit_holds(stage: &Stage, operator: &Operator) {
    for name in operator.told() {
        let sql = format!("SELECT count(*) FROM audit WHERE CAST(after AS text) LIKE '%\"{name}\"%'");
        let times = stage.database.number(&sql).await;
        stage.witness.expect(times == 1, || {
            format!("the change to {name} is in the audit trail {times} times")
        });
    }

    let verified = Cli::on(&stage.database).run(&["audit", "verify"]).await;
    stage.witness.expect(verified.status.success(), || {
        format!("the audit trail: {}", String::from_utf8_lossy(&verified.stderr))
    });
}

/// What nodes count together they count together again, once Redis is there.
pub async fn nodes_count_together(stage: &Stage) {
    const WITHIN: Duration = Duration::from_secs(120);
    if stage.redis.is_none() {
        return;
    }
    for (number, node) in stage.nodes.iter().enumerate() {
        let url = format!("http://{}/metrics", node.lock().await.gateway.admin_address);
        let end = Instant::now() + WITHIN;
        loop {
            let metrics = reqwest::get(&url).await.unwrap().text().await.unwrap();
            if metrics.lines().any(|line| line == "tollgate_limits_together 1") {
                break;
            }
            if Instant::now() > end {
                stage
                    .witness
                    .violation(format!("node {number} does not use Redis again within {WITHIN:?}"));
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}
