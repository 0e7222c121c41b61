//! What a merchant's rules run under, how they fail, and the fee that they put on a payment.

use sea_orm_migration::prelude::*;

use crate::columns::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(table(
                "rule_settings",
                [id("merchant_id"), json("settings"), moment("updated_at")],
            ))
            .await?;
        manager
            .create_table(
                table(
                    "rule_troubles",
                    [
                        text("merchant_id"),
                        integer("revision"),
                        big_integer("failures"),
                        text("kind"),
                        text("message"),
                        integer_null("line"),
                        moment("since"),
                        moment("last_at"),
                    ],
                )
                .primary_key(Index::create().col("merchant_id").col("revision"))
                .take(),
            )
            .await?;
        // In the payment's own currency.
        run(manager, &["ALTER TABLE payments ADD COLUMN fee_minor BIGINT"]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, &["ALTER TABLE payments DROP COLUMN fee_minor"]).await?;
        drop_tables(manager, &["rule_troubles", "rule_settings"]).await
    }
}
