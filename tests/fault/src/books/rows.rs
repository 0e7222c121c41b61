//! No row is half written, and the audit trail is one chain.

use e2e::Cli;

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

pub async fn audit_holds(stage: &Stage) {
    let verified = Cli::on(&stage.database).run(&["audit", "verify"]).await;
    stage.witness.expect(verified.status.success(), || {
        format!("the audit trail: {}", String::from_utf8_lossy(&verified.stderr))
    });
}
