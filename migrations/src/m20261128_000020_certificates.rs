//! Who may call over TLS, and under which certificates we are called.

use sea_orm_migration::prelude::*;

use crate::columns::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(client_certificates()).await?;
        manager.create_table(server_certificates()).await?;
        manager
            .create_table(table(
                "certificate_authorities",
                [
                    id("name"),
                    // In PEM; the key sealed.
                    text("certificate"),
                    text("key_sealed"),
                    json("info"),
                    moment("created_at"),
                ],
            ))
            .await?;
        // A warning is given once for each certificate and number of days, by whichever node claims it first.
        manager
            .create_table(
                table(
                    "certificate_warnings",
                    [
                        text("certificate_id"),
                        text("sha256"),
                        integer("days"),
                        moment("created_at"),
                    ],
                )
                .primary_key(Index::create().col("certificate_id").col("sha256").col("days"))
                .take(),
            )
            .await?;
        run(
            manager,
            &[
                "CREATE INDEX client_certificates_of_connection ON client_certificates (merchant_id, connection_id)",
                // A certificate names one connection, or it would name none.
                "CREATE UNIQUE INDEX client_certificates_in_force ON client_certificates (sha256) \
                 WHERE revoked_at IS NULL AND kind <> 'authority'",
                "CREATE UNIQUE INDEX client_authorities_in_force ON client_certificates (connection_id, sha256) \
                 WHERE revoked_at IS NULL AND kind = 'authority'",
                "CREATE INDEX client_certificates_ending ON client_certificates (not_after) WHERE revoked_at IS NULL",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(
            manager,
            &[
                "certificate_warnings",
                "certificate_authorities",
                "server_certificates",
                "client_certificates",
            ],
        )
        .await
    }
}

fn client_certificates() -> TableCreateStatement {
    table(
        "client_certificates",
        [
            id("id"),
            text("merchant_id"),
            text("connection_id"),
            // issued, leaf or authority
            text("kind"),
            text("name"),
            // Of the whole certificate, in hexadecimal digits.
            text("sha256"),
            // In PEM; absent for a leaf of which only the digest is known.
            text_null("certificate"),
            json_null("info"),
            moment_null("not_after"),
            text("created_by"),
            moment("created_at"),
            moment_null("revoked_at"),
        ],
    )
}

fn server_certificates() -> TableCreateStatement {
    table(
        "server_certificates",
        [
            id("id"),
            // Absent for one of the installation.
            text_null("merchant_id"),
            json("names"),
            // off, allowed or required
            text("client_certificates"),
            // Key and chain in PEM, sealed.
            text("identity_sealed"),
            json("info"),
            moment("not_after"),
            // Of the configuration when it changed last.
            big_integer("version"),
            text("created_by"),
            moment("created_at"),
            moment_null("removed_at"),
        ],
    )
}
