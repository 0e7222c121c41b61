//! Merchants, their connections and rules, and the counters that hand out numbers.

use sea_orm_migration::prelude::*;

use crate::columns::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Changes of configuration take the next value of `config_version` inside their transaction, so versions
        // commit in order and a node that asks "what changed after n?" misses nothing.
        manager
            .create_table(table("counters", [id("name"), big_integer("value")]))
            .await?;
        manager
            .create_table(table(
                "merchants",
                [
                    id("id"),
                    text("slug").unique_key().take(),
                    text("name"),
                    text("status"),
                    integer_null("published_rules"),
                    big_integer("version"),
                    moment("created_at"),
                    moment("updated_at"),
                ],
            ))
            .await?;
        manager
            .create_table(table(
                "connections",
                [
                    id("id"),
                    text("merchant_id"),
                    text("slug"),
                    text("plugin"),
                    text("status"),
                    json("config"),
                    text_null("basic_login"),
                    text_null("basic_password_hash"),
                    moment("created_at"),
                    moment("updated_at"),
                ],
            ))
            .await?;
        manager
            .create_table(
                table(
                    "rule_revisions",
                    [
                        text("merchant_id"),
                        integer("number"),
                        text("source"),
                        text("message"),
                        text("author"),
                        moment("created_at"),
                    ],
                )
                .primary_key(Index::create().col("merchant_id").col("number"))
                .take(),
            )
            .await?;
        run(
            manager,
            &[
                "INSERT INTO counters (name, value) VALUES ('config_version', 0), ('payment_number', 1000)",
                "CREATE INDEX merchants_by_version ON merchants (version)",
                "CREATE UNIQUE INDEX connections_slug_key ON connections (merchant_id, slug)",
                "CREATE INDEX connections_by_login ON connections (basic_login) WHERE basic_login IS NOT NULL",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["rule_revisions", "connections", "merchants", "counters"]).await
    }
}
