//! What rules decided, with all that it takes to decide it once more.

use sea_orm_migration::prelude::*;

use crate::columns::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(table(
                "decisions",
                [
                    id("id"),
                    text("merchant_id"),
                    text("connection_id"),
                    text_null("payment_id"),
                    integer("revision"),
                    text("handler"),
                    text("command"),
                    text("account"),
                    text("outcome"),
                    text_null("reason"),
                    big_integer("steps"),
                    big_integer("duration_us"),
                    // A text on both databases: nothing of it is asked for by SQL, and it is read back to the byte.
                    text("record"),
                    moment("created_at"),
                ],
            ))
            .await?;
        run(
            manager,
            &[
                "CREATE INDEX decisions_by_merchant ON decisions (merchant_id, id)",
                "CREATE INDEX decisions_by_payment ON decisions (payment_id) WHERE payment_id IS NOT NULL",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["decisions"]).await
    }
}
