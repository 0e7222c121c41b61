//! Marks of succeeded pays that rules count over sliding windows.

use sea_orm_migration::prelude::*;

use crate::columns::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // A row is one pay (`seconds` 0), or what a span of so many seconds held of a key. Moments are whole
        // microseconds since 1970, so that both databases compute spans with the same words.
        manager
            .create_table(
                table(
                    "velocity_marks",
                    [
                        text("merchant_id"),
                        text("key_hash"),
                        integer("seconds"),
                        big_integer("starts_us"),
                        text("currency"),
                        text("payment_id"),
                        big_integer("count"),
                        big_integer("sum_minor"),
                    ],
                )
                .primary_key(
                    Index::create()
                        .col("merchant_id")
                        .col("key_hash")
                        .col("seconds")
                        .col("starts_us")
                        .col("currency")
                        .col("payment_id"),
                )
                .take(),
            )
            .await?;
        run(
            manager,
            &["CREATE INDEX velocity_marks_by_age ON velocity_marks (seconds, starts_us)"],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["velocity_marks"]).await
    }
}
