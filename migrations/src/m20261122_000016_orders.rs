//! Payments that merchants' systems make: what was asked, the state of it, its operations upstream, and the keys that
//! make a request happen once.

use sea_orm_migration::prelude::*;

use crate::columns::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// Columns of `operations` that only operations upstream have: name and type, alike on both databases but for JSON.
const OPERATION_COLUMNS: [(&str, &str); 8] = [
    ("connection_id", "TEXT"),
    ("number", "BIGINT"),
    ("amount_minor", "BIGINT"),
    ("network_id", "TEXT"),
    ("fault", "JSON"),
    ("tries", "INTEGER"),
    ("check_at", "MOMENT"),
    ("updated_at", "MOMENT"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(orders()).await?;
        manager.create_table(idempotency_keys()).await?;
        manager.create_table(payment_tokens()).await?;
        manager.create_table(api_keys()).await?;
        let postgres = manager.get_database_backend() == sea_orm_migration::sea_orm::DatabaseBackend::Postgres;
        for (name, kind) in OPERATION_COLUMNS {
            let kind = match (kind, postgres) {
                ("JSON", true) => "JSONB",
                ("MOMENT", true) => "TIMESTAMP WITH TIME ZONE",
                ("MOMENT", false) => "TIMESTAMP_WITH_TIMEZONE_TEXT",
                (kind, _) => kind,
            };
            run(manager, &[&format!("ALTER TABLE operations ADD COLUMN {name} {kind}")]).await?;
        }
        run(
            manager,
            &[
                "CREATE INDEX operations_due ON operations (check_at) WHERE check_at IS NOT NULL",
                "CREATE INDEX orders_by_order ON orders (merchant_id, order_id) WHERE order_id IS NOT NULL",
                "CREATE INDEX orders_by_network ON orders (merchant_id, network_id) WHERE network_id IS NOT NULL",
                "CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at)",
                "CREATE INDEX payment_tokens_by_customer ON payment_tokens (merchant_id, customer)",
                "CREATE INDEX api_keys_by_merchant ON api_keys (merchant_id, id)",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, &["DROP INDEX operations_due"]).await?;
        for (name, _) in OPERATION_COLUMNS {
            run(manager, &[&format!("ALTER TABLE operations DROP COLUMN {name}")]).await?;
        }
        drop_tables(manager, &["api_keys", "payment_tokens", "idempotency_keys", "orders"]).await
    }
}

/// One for each payment that a merchant's system made, beside its row in `payments`.
fn orders() -> TableCreateStatement {
    table(
        "orders",
        [
            id("payment_id"),
            text("merchant_id"),
            // The merchant's own number of it.
            text_null("order_id"),
            // in: from a payer; out: a payout.
            text("direction"),
            text("capture_mode"),
            text("method"),
            big_integer("authorized_minor"),
            big_integer("captured_minor"),
            big_integer("reversed_minor"),
            big_integer("refunded_minor"),
            text_null("network_id"),
            // What was asked, without what nothing may keep.
            json("details"),
            // What the network told: action, hold, facts, decline.
            json("progress"),
            // Connections that the rules named, and what became of each.
            json("route"),
            // Counts changes: who changes the payment says which version it saw.
            big_integer("version"),
            moment_null("expires_at"),
            moment("updated_at"),
        ],
    )
}

fn idempotency_keys() -> TableCreateStatement {
    table(
        "idempotency_keys",
        [
            text("merchant_id"),
            text("idempotency_key"),
            // SHA-256 of method, path and body.
            text("request_hash"),
            text_null("payment_id"),
            text_null("operation_id"),
            // Absent while the first request with this key is at work.
            integer_null("status"),
            text_null("answer"),
            moment("lease_until"),
            moment("created_at"),
        ],
    )
    .primary_key(Index::create().col("merchant_id").col("idempotency_key"))
    .take()
}

/// Stored instruments of payers, at their networks.
fn payment_tokens() -> TableCreateStatement {
    table(
        "payment_tokens",
        [
            id("id"),
            text("merchant_id"),
            text("connection_id"),
            text_null("customer"),
            text("token_sealed"),
            text_null("masked_pan"),
            moment_null("expires_at"),
            text_null("payment_id"),
            moment("created_at"),
        ],
    )
}

fn api_keys() -> TableCreateStatement {
    table(
        "api_keys",
        [
            id("id"),
            text("merchant_id"),
            text("name"),
            // SHA-256 of a key of 256 random bits.
            text("hash"),
            json("scopes"),
            moment_null("expires_at"),
            moment_null("revoked_at"),
            moment_null("used_at"),
            moment("created_at"),
        ],
    )
}
