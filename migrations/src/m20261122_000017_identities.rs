//! What a connection shows its network: a client certificate, and which roots it believes.

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
                // Key and chain in PEM, sealed.
                "ALTER TABLE connections ADD COLUMN identity_sealed TEXT",
                // What of the certificate may be shown.
                &format!("ALTER TABLE connections ADD COLUMN identity {json}"),
                // Roots in PEM that are believed beside the system's.
                "ALTER TABLE connections ADD COLUMN roots TEXT",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(
            manager,
            &[
                "ALTER TABLE connections DROP COLUMN roots",
                "ALTER TABLE connections DROP COLUMN identity",
                "ALTER TABLE connections DROP COLUMN identity_sealed",
            ],
        )
        .await
    }
}
