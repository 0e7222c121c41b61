//! How much traffic each merchant, connection and API key may bring, and what guards refused of it.

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
                    "limits",
                    [
                        text("merchant_id"),
                        // merchant, connection or api_key, and the id of what is limited.
                        text("level"),
                        text("subject"),
                        json("limits"),
                        moment("updated_at"),
                    ],
                )
                .primary_key(Index::create().col("merchant_id").col("level").col("subject"))
                .take(),
            )
            .await?;
        manager
            .create_table(
                table(
                    "guard_refusals",
                    [
                        text("merchant_id"),
                        text("level"),
                        text("subject"),
                        text("reason"),
                        // Minutes since 1970.
                        big_integer("minute"),
                        big_integer("count"),
                    ],
                )
                .primary_key(
                    Index::create()
                        .col("merchant_id")
                        .col("minute")
                        .col("level")
                        .col("subject")
                        .col("reason"),
                )
                .take(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("guard_refusals_by_age")
                    .table("guard_refusals")
                    .col("minute")
                    .take(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["guard_refusals", "limits"]).await
    }
}
