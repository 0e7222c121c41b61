//! What people look for often and payments seldom are.

use sea_orm_migration::prelude::*;

use crate::columns::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(
            manager,
            &[
                // Partial: these are rare, and all others cost nothing here. The filter of the second is written in queries
                // to the word.
                "CREATE INDEX payments_in_doubt ON payments (merchant_id, id) WHERE status = 'in_doubt'",
                "CREATE INDEX payments_uncommon ON payments (merchant_id, status, id) \
                 WHERE status NOT IN ('succeeded', 'declined')",
                // With the id, so that the newest of an account are found without sorting all of it.
                "CREATE INDEX payments_of_account ON payments (merchant_id, account, id)",
                "DROP INDEX payments_by_account",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(
            manager,
            &[
                "CREATE INDEX payments_by_account ON payments (merchant_id, account)",
                "DROP INDEX payments_of_account",
                "DROP INDEX payments_uncommon",
                "DROP INDEX payments_in_doubt",
            ],
        )
        .await
    }
}
