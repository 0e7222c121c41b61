//! Under which master keys this database's secrets are sealed, each with a proof that whoever opens it has the key.

use sea_orm_migration::prelude::*;

use crate::columns::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = [id("key_id"), text("proof_sealed"), moment("created_at")];
        manager.create_table(table("sealing_keys", columns)).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["sealing_keys"]).await
    }
}
