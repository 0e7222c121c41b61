//! Events, the endpoints that want them, and their way there.

use sea_orm_migration::prelude::*;

use crate::columns::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(table(
                "events",
                [
                    id("id"),
                    text("merchant_id"),
                    text("event_type"),
                    text_null("payment_id"),
                    json("payload"),
                    moment("created_at"),
                ],
            ))
            .await?;
        manager.create_table(webhook_endpoints()).await?;
        manager.create_table(deliveries()).await?;
        manager
            .create_table(table(
                "delivery_attempts",
                [
                    counted_id("id"),
                    text("merchant_id"),
                    text("delivery_id"),
                    integer("number"),
                    integer_null("status"),
                    text_null("error"),
                    text("answer"),
                    big_integer("duration_ms"),
                    moment("created_at"),
                ],
            ))
            .await?;
        run(
            manager,
            &[
                "CREATE INDEX events_by_merchant ON events (merchant_id, id)",
                "CREATE INDEX events_by_payment ON events (payment_id) WHERE payment_id IS NOT NULL",
                "CREATE INDEX webhook_endpoints_by_merchant ON webhook_endpoints (merchant_id)",
                // Only what waits is in it, so a claim never walks over the delivered.
                "CREATE INDEX deliveries_waiting ON deliveries (endpoint_id, due_at) WHERE status = 'pending'",
                "CREATE INDEX deliveries_on_their_way ON deliveries (endpoint_id) WHERE leased_until IS NOT NULL",
                "CREATE INDEX deliveries_by_payment ON deliveries (payment_id) WHERE payment_id IS NOT NULL",
                "CREATE INDEX deliveries_by_merchant ON deliveries (merchant_id, id)",
                "CREATE INDEX delivery_attempts_by_delivery ON delivery_attempts (delivery_id)",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(
            manager,
            &["delivery_attempts", "deliveries", "webhook_endpoints", "events"],
        )
        .await
    }
}

fn webhook_endpoints() -> TableCreateStatement {
    table(
        "webhook_endpoints",
        [
            id("id"),
            text("merchant_id"),
            text("url"),
            text("format"),
            // Zone of the moments in the container's body; UTC elsewhere.
            text("time_zone"),
            text("secret_sealed"),
            text_null("previous_secret_sealed"),
            moment_null("previous_secret_until"),
            json("event_types"),
            text("status"),
            integer("max_in_flight"),
            json("retry_schedule"),
            moment("created_at"),
            moment("updated_at"),
        ],
    )
}

fn deliveries() -> TableCreateStatement {
    table(
        "deliveries",
        [
            id("id"),
            text("merchant_id"),
            text("endpoint_id"),
            text("event_id"),
            text_null("payment_id"),
            text("status"),
            integer("attempts"),
            moment("due_at"),
            // Somebody is at it until then, and it is not due before: a node that dies gives it back by the passing of
            // time.
            moment_null("leased_until"),
            moment_null("delivered_at"),
            moment("created_at"),
        ],
    )
}
