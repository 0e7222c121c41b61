//! Secrets that a merchant's rules send to the merchant's own hosts without ever holding them.

use sea_orm_migration::prelude::*;

use crate::columns::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                table(
                    "rule_secrets",
                    [
                        text("merchant_id"),
                        text("name"),
                        // Name of the header, and how the value stands in it.
                        text("header"),
                        text("form"),
                        json("hosts"),
                        text("value_sealed"),
                        moment("created_at"),
                        moment("changed_at"),
                    ],
                )
                .primary_key(Index::create().col("merchant_id").col("name"))
                .take(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["rule_secrets"]).await
    }
}
