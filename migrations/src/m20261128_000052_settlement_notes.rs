//! What people found out about rows of registries that do not match.

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
                    "settlement_notes",
                    [
                        text("merchant_id"),
                        text("connection_id"),
                        // By the network's key, not by the row: what only we have is written anew with each file of the
                        // day, and what was said of it stays.
                        text("key1"),
                        text("key2"),
                        // The difference that it was said of; another one opens the row again.
                        text("outcome"),
                        text("note"),
                        flag("resolved"),
                        text("author"),
                        moment("updated_at"),
                    ],
                )
                .primary_key(
                    Index::create()
                        .col("connection_id")
                        .col("key1")
                        .col("key2")
                        .col("outcome"),
                )
                .take(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["settlement_notes"]).await
    }
}
