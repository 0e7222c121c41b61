//! Revisions that decide for a part of the accounts, how they do, and how they ended.

use sea_orm_migration::prelude::*;

use crate::columns::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(table(
                "rule_canaries",
                [
                    id("id"),
                    text("merchant_id"),
                    integer("revision"),
                    // Of the accounts, in hundredths of a percent.
                    integer("share_bp"),
                    json("bounds"),
                    text("status"),
                    json("counts"),
                    json_null("reason"),
                    text("author"),
                    moment("created_at"),
                    moment("updated_at"),
                ],
            ))
            .await?;
        run(
            manager,
            &[
                "CREATE INDEX rule_canaries_by_merchant ON rule_canaries (merchant_id, id)",
                "CREATE UNIQUE INDEX rule_canaries_running_key ON rule_canaries (merchant_id) WHERE status = 'running'",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["rule_canaries"]).await
    }
}
