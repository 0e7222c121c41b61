//! Files that people ask for, made in the background by whichever node takes the job.

use sea_orm_migration::prelude::*;

use crate::columns::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(exports()).await?;
        manager
            .create_table(
                table(
                    "export_chunks",
                    [
                        text("export_id"),
                        integer("number"),
                        text("merchant_id"),
                        text("content"),
                    ],
                )
                .primary_key(Index::create().col("export_id").col("number"))
                .take(),
            )
            .await?;
        run(
            manager,
            &[
                "CREATE INDEX exports_by_merchant ON exports (merchant_id, id)",
                "CREATE INDEX exports_waiting ON exports (id) WHERE status IN ('waiting', 'running')",
                "CREATE INDEX exports_by_end ON exports (expires_at)",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["export_chunks", "exports"]).await
    }
}

fn exports() -> TableCreateStatement {
    table(
        "exports",
        [
            id("id"),
            text("merchant_id"),
            // payments or audit
            text("kind"),
            json("filter"),
            // waiting, running, done, failed or expired
            text("status"),
            text("requested_by"),
            // Everything up to and with this row is in the chunks: who goes on starts behind it.
            text_null("position"),
            big_integer("rows"),
            big_integer("bytes"),
            integer("chunks"),
            text_null("error"),
            // Counts those who took the job; who was overtaken writes nothing more.
            integer("takes"),
            // A node that dies gives its job up by the passing of time.
            moment_null("lease_until"),
            moment("created_at"),
            moment("updated_at"),
            moment("expires_at"),
        ],
    )
}
