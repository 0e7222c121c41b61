//! Replays of rules over stored decisions: how far each is, and what it found.

use sea_orm_migration::prelude::*;

use crate::columns::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(table(
                "rule_replays",
                [
                    id("id"),
                    text("merchant_id"),
                    json("target"),
                    text("status"),
                    big_integer("total"),
                    big_integer("done"),
                    json_null("report"),
                    text_null("error"),
                    // A node that dies gives its replay up by the passing of time.
                    moment("lease_until"),
                    moment("created_at"),
                    moment("updated_at"),
                ],
            ))
            .await?;
        run(
            manager,
            &[
                "CREATE INDEX rule_replays_by_merchant ON rule_replays (merchant_id, id)",
                "CREATE UNIQUE INDEX rule_replays_running_key ON rule_replays (merchant_id) WHERE status = 'running'",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["rule_replays"]).await
    }
}
