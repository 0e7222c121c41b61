//! Settlement files of the networks and what comparing them with our payments gave.

use sea_orm_migration::prelude::*;

use crate::columns::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(table(
                "settlement_files",
                [
                    id("id"),
                    text("merchant_id"),
                    text("connection_id"),
                    text("file_name"),
                    text("sha256"),
                    moment("period_from"),
                    moment("period_until"),
                    integer("payment_count"),
                    big_integer("total_minor"),
                    text("currency"),
                    moment("created_at"),
                ],
            ))
            .await?;
        manager
            .create_table(table(
                "settlement_rows",
                [
                    counted_id("id"),
                    text("merchant_id"),
                    text("connection_id"),
                    text("settlement_id"),
                    text("outcome"),
                    integer_null("line"),
                    text("key1"),
                    text("key2"),
                    text_null("payment_id"),
                    text_null("their_account"),
                    text_null("our_account"),
                    ColumnDef::new("their_amount_minor").big_integer().null().take(),
                    ColumnDef::new("our_amount_minor").big_integer().null().take(),
                    text("currency"),
                    moment_null("booked_at"),
                    moment("created_at"),
                ],
            ))
            .await?;
        run(
            manager,
            &[
                "CREATE UNIQUE INDEX settlement_files_content_key ON settlement_files (connection_id, sha256)",
                "CREATE INDEX settlement_rows_by_file ON settlement_rows (settlement_id, id)",
                "CREATE INDEX settlement_rows_by_key ON settlement_rows (connection_id, key1, key2)",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["settlement_rows", "settlement_files"]).await
    }
}
