//! Merchants' lists, the generations that their entries live in, and the imports that make new ones.

use sea_orm_migration::prelude::*;

use crate::columns::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// Keys are compared byte by byte, whatever the server's locale says, so that pages and prefixes follow one order.
/// SQLite keeps the rows in the index itself: millions of small rows are stored once, not twice.
fn entries(backend: sea_orm_migration::sea_orm::DatabaseBackend) -> &'static str {
    match backend {
        sea_orm_migration::sea_orm::DatabaseBackend::Postgres => {
            "CREATE TABLE list_entries (
                 generation BIGINT NOT NULL, key TEXT COLLATE \"C\" NOT NULL, value TEXT,
                 PRIMARY KEY (generation, key))"
        }
        _ => {
            "CREATE TABLE list_entries (
                 generation BIGINT NOT NULL, key TEXT NOT NULL, value TEXT,
                 PRIMARY KEY (generation, key)) WITHOUT ROWID"
        }
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                table(
                    "lists",
                    [
                        text("merchant_id"),
                        text("name"),
                        big_integer("generation"),
                        big_integer("entries"),
                        big_integer("bytes"),
                        moment("created_at"),
                        moment("updated_at"),
                    ],
                )
                .primary_key(Index::create().col("merchant_id").col("name"))
                .take(),
            )
            .await?;
        // A generation belongs to one list of one merchant for ever; its number is never used again. So its entries
        // need not carry the merchant: whoever asks for them comes by the merchant's list.
        manager
            .create_table(table(
                "list_generations",
                [
                    ColumnDef::new("id").big_integer().not_null().primary_key().take(),
                    text("merchant_id"),
                    text("list"),
                    text("status"),
                    moment("created_at"),
                ],
            ))
            .await?;
        // What nodes must forget. Its version is taken in the transaction of the change, so versions commit in order.
        manager
            .create_table(table(
                "list_changes",
                [
                    ColumnDef::new("version").big_integer().not_null().primary_key().take(),
                    text("merchant_id"),
                    text("list"),
                    text_null("key"),
                    moment("created_at"),
                ],
            ))
            .await?;
        manager
            .create_table(table(
                "list_imports",
                [
                    id("id"),
                    text("merchant_id"),
                    text("list"),
                    text("format"),
                    text("status"),
                    big_integer("generation"),
                    big_integer("bytes_total"),
                    big_integer("bytes_read"),
                    big_integer("rows_read"),
                    big_integer("rows_stored"),
                    big_integer("rows_repeated"),
                    json("errors"),
                    moment("lease_until"),
                    moment("created_at"),
                    moment("updated_at"),
                ],
            ))
            .await?;
        manager
            .create_table(table(
                "list_quotas",
                [id("merchant_id"), big_integer("entries_max"), big_integer("bytes_max")],
            ))
            .await?;
        run(
            manager,
            &[
                entries(manager.get_database_backend()),
                "INSERT INTO counters (name, value) VALUES ('list_version', 0), ('list_generation', 0)",
                "CREATE INDEX list_generations_by_status ON list_generations (status, id)",
                "CREATE INDEX list_imports_by_list ON list_imports (merchant_id, list, id)",
                "CREATE UNIQUE INDEX list_imports_active_key ON list_imports (merchant_id, list) WHERE status = 'active'",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(
            manager,
            &["DELETE FROM counters WHERE name IN ('list_version', 'list_generation')"],
        )
        .await?;
        drop_tables(
            manager,
            &[
                "list_quotas",
                "list_imports",
                "list_changes",
                "list_entries",
                "list_generations",
                "lists",
            ],
        )
        .await
    }
}
