//! Scripts that decide live traffic in the shadow of the published revision, and how their answers differ.

use sea_orm_migration::prelude::*;

use crate::columns::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(table(
                "rule_shadows",
                [
                    // The newest of each merchant; a new one takes its place.
                    id("merchant_id"),
                    text("id"),
                    json("target"),
                    text("source"),
                    text("author"),
                    text("status"),
                    big_integer("decided"),
                    big_integer("same"),
                    big_integer("changed"),
                    big_integer("not_comparable"),
                    big_integer("dropped"),
                    moment("created_at"),
                    moment("updated_at"),
                ],
            ))
            .await?;
        manager
            .create_table(
                table(
                    "rule_shadow_groups",
                    [
                        text("merchant_id"),
                        text("shadow_id"),
                        text("change"),
                        big_integer("count"),
                        // Minor units by currency.
                        json("amounts"),
                        integer("examples"),
                    ],
                )
                .primary_key(Index::create().col("merchant_id").col("shadow_id").col("change"))
                .take(),
            )
            .await?;
        manager
            .create_table(
                table(
                    "rule_shadow_examples",
                    [
                        text("merchant_id"),
                        text("shadow_id"),
                        text("change"),
                        integer("number"),
                        json("example"),
                    ],
                )
                .primary_key(
                    Index::create()
                        .col("merchant_id")
                        .col("shadow_id")
                        .col("change")
                        .col("number"),
                )
                .take(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["rule_shadow_examples", "rule_shadow_groups", "rule_shadows"]).await
    }
}
