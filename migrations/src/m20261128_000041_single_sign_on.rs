//! Sessions of people whose second factor an OpenID provider asked for.

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
                "ALTER TABLE sessions ADD COLUMN second_factor_vouched BOOLEAN NOT NULL DEFAULT FALSE",
                "CREATE INDEX invitations_by_email ON invitations (email)",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(
            manager,
            &[
                "DROP INDEX invitations_by_email",
                "ALTER TABLE sessions DROP COLUMN second_factor_vouched",
            ],
        )
        .await
    }
}
