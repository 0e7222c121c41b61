//! What a merchant allows itself below what the operator gave it, and the name of a host that means one connection.

use sea_orm_migration::prelude::*;

use crate::columns::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let json = match manager.get_database_backend() {
            sea_orm_migration::sea_orm::DatabaseBackend::Postgres => "JSONB",
            _ => "JSON",
        };
        run(
            manager,
            &[
                &format!("ALTER TABLE limits ADD COLUMN own {json}"),
                // In lower case, without a port.
                "ALTER TABLE connections ADD COLUMN host TEXT",
                // A host means one connection of one merchant, or it would mean none.
                "CREATE UNIQUE INDEX connections_by_host ON connections (host) WHERE host IS NOT NULL",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(
            manager,
            &[
                "DROP INDEX connections_by_host",
                "ALTER TABLE connections DROP COLUMN host",
                "ALTER TABLE limits DROP COLUMN own",
            ],
        )
        .await
    }
}
