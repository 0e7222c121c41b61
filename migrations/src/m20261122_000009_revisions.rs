//! Drafts of rules, the tests that ran before a revision was published, and who changed what.

use sea_orm_migration::prelude::*;

use crate::columns::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(table(
                "rule_drafts",
                [
                    // One for each merchant.
                    id("merchant_id"),
                    // Counts saves, so that what is published is what was looked at.
                    big_integer("version"),
                    text("source"),
                    text("message"),
                    text("author"),
                    json("checks"),
                    moment("updated_at"),
                ],
            ))
            .await?;
        manager
            .create_table(table(
                "audit",
                [
                    id("id"),
                    text("merchant_id"),
                    text("actor"),
                    text("action"),
                    text("subject"),
                    json_null("before"),
                    json_null("after"),
                    moment("created_at"),
                ],
            ))
            .await?;
        let checks = match manager.get_database_backend() {
            sea_orm_migration::sea_orm::DatabaseBackend::Postgres => "JSONB",
            _ => "JSON",
        };
        run(
            manager,
            &[
                &format!("ALTER TABLE rule_revisions ADD COLUMN checks {checks}"),
                "CREATE INDEX audit_by_merchant ON audit (merchant_id, id)",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, &["ALTER TABLE rule_revisions DROP COLUMN checks"]).await?;
        drop_tables(manager, &["audit", "rule_drafts"]).await
    }
}
