//! Payments, their operations, the checks that registered them, and the wire log.

use sea_orm_migration::prelude::*;

use crate::columns::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(payments()).await?;
        manager.create_table(operations()).await?;
        manager.create_table(registrations()).await?;
        manager.create_table(exchanges()).await?;
        run(
            manager,
            &[
                // The network's key names one payment of one connection for ever: this index is what makes a pay
                // happen once, whoever races for it.
                "CREATE UNIQUE INDEX payments_network_key ON payments (connection_id, key1, key2)",
                "CREATE UNIQUE INDEX payments_number_key ON payments (number)",
                "CREATE INDEX payments_by_merchant ON payments (merchant_id, id)",
                "CREATE INDEX payments_by_account ON payments (merchant_id, account)",
                // Partial, so that no plan for a network's key can prefer it: on a table that was never analysed it looks
                // as good as the unique index, and reads all payments of the connection.
                "CREATE INDEX payments_by_booking ON payments (connection_id, booked_at) WHERE booked_at IS NOT NULL",
                "CREATE INDEX operations_by_payment ON operations (payment_id)",
                "CREATE INDEX exchanges_by_merchant ON exchanges (merchant_id, id)",
                "CREATE INDEX exchanges_by_payment ON exchanges (payment_id) WHERE payment_id IS NOT NULL",
                "CREATE INDEX registrations_by_age ON registrations (created_at)",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["exchanges", "registrations", "operations", "payments"]).await
    }
}

fn payments() -> TableCreateStatement {
    table(
        "payments",
        [
            id("id"),
            text("merchant_id"),
            text("connection_id"),
            text("channel"),
            text("key1"),
            text("key2"),
            // Our own number of the payment towards the network: decimal, unique over all nodes, never reused.
            big_integer("number"),
            text("account"),
            big_integer("amount_minor"),
            text("currency"),
            // Decimal places of the currency, so that plain SQL can print the amount.
            integer("exponent"),
            text_null("currency_text"),
            text_null("service"),
            text("status"),
            text_null("reason"),
            // The body that the network was answered with; a repeat gets these bytes.
            text("answer"),
            text_null("booked_text"),
            moment_null("booked_at"),
            // The network's accounting moment lies in the future or too far back; a person should look.
            flag("booking_suspect"),
            json("extras"),
            moment("received_at"),
            moment("created_at"),
        ],
    )
}

fn operations() -> TableCreateStatement {
    table(
        "operations",
        [
            id("id"),
            text("merchant_id"),
            text("payment_id"),
            text("kind"),
            text("status"),
            text_null("reason"),
            integer_null("rule_revision"),
            json_null("decision"),
            moment("created_at"),
        ],
    )
}

fn registrations() -> TableCreateStatement {
    table(
        "registrations",
        [
            text("connection_id"),
            text("key1"),
            text("key2"),
            text("merchant_id"),
            text("account"),
            text_null("currency"),
            moment("created_at"),
        ],
    )
    .primary_key(Index::create().col("connection_id").col("key1").col("key2"))
    .take()
}

fn exchanges() -> TableCreateStatement {
    table(
        "exchanges",
        [
            counted_id("id"),
            text("request_id"),
            text_null("merchant_id"),
            text_null("connection_id"),
            text_null("payment_id"),
            text("direction"),
            text("peer"),
            text("method"),
            text("url"),
            json("request_headers"),
            text("request_body"),
            integer("status"),
            text("response_body"),
            big_integer("duration_us"),
            moment("created_at"),
        ],
    )
}
