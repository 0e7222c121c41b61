//! People, what they may do, their sessions; and the audit trail as one chain.

use sea_orm_migration::prelude::*;

use crate::columns::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// The audit trail with whom, from where and the chain. SQLite cannot loosen a column, so the table is made anew.
const AUDIT_COLUMNS: &str = "id, merchant_id, actor, action, subject, before, after, created_at";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            people(),
            memberships(),
            recovery_codes(),
            invitations(),
            sessions(),
            sign_in_failures(),
            installation_secrets(),
        ] {
            manager.create_table(table).await?;
        }
        run(
            manager,
            &[
                "CREATE UNIQUE INDEX people_by_email ON people (email)",
                "CREATE UNIQUE INDEX memberships_once ON memberships (merchant_id, person_id)",
                "CREATE INDEX memberships_by_person ON memberships (person_id)",
                "CREATE INDEX recovery_codes_by_person ON recovery_codes (person_id)",
                "CREATE UNIQUE INDEX invitations_by_token ON invitations (token_hash)",
                "CREATE INDEX invitations_by_merchant ON invitations (merchant_id, id)",
                "CREATE INDEX sessions_by_person ON sessions (person_id, id)",
                "ALTER TABLE api_keys ADD COLUMN public_key TEXT",
                "ALTER TABLE audit RENAME TO audit_before",
                "DROP INDEX audit_by_merchant",
            ],
        )
        .await?;
        manager.create_table(audit()).await?;
        run(
            manager,
            &[
                &format!("INSERT INTO audit ({AUDIT_COLUMNS}) SELECT {AUDIT_COLUMNS} FROM audit_before"),
                "DROP TABLE audit_before",
                "CREATE INDEX audit_by_merchant ON audit (merchant_id, id)",
                "CREATE UNIQUE INDEX audit_by_number ON audit (number) WHERE number IS NOT NULL",
                "INSERT INTO counters (name, value) VALUES ('audit_number', 0)",
            ],
        )
        .await?;
        self.seal_trail(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() == sea_orm_migration::sea_orm::DatabaseBackend::Postgres {
            run(
                manager,
                &[
                    "DROP TRIGGER audit_is_append_only ON audit",
                    "DROP FUNCTION refuse_audit_change()",
                ],
            )
            .await?;
        } else {
            run(
                manager,
                &["DROP TRIGGER audit_keeps_rows", "DROP TRIGGER audit_keeps_content"],
            )
            .await?;
        }
        run(
            manager,
            &[
                "DELETE FROM counters WHERE name = 'audit_number'",
                "DELETE FROM audit WHERE merchant_id IS NULL",
                "ALTER TABLE audit RENAME TO audit_after",
                "DROP INDEX audit_by_merchant",
                "DROP INDEX audit_by_number",
            ],
        )
        .await?;
        manager.create_table(audit_before()).await?;
        run(
            manager,
            &[
                &format!("INSERT INTO audit ({AUDIT_COLUMNS}) SELECT {AUDIT_COLUMNS} FROM audit_after"),
                "DROP TABLE audit_after",
                "CREATE INDEX audit_by_merchant ON audit (merchant_id, id)",
                "ALTER TABLE api_keys DROP COLUMN public_key",
            ],
        )
        .await?;
        drop_tables(
            manager,
            &[
                "installation_secrets",
                "sign_in_failures",
                "sessions",
                "invitations",
                "recovery_codes",
                "memberships",
                "people",
            ],
        )
        .await
    }
}

impl Migration {
    /// Nobody changes or removes an entry, whatever a later version of the program tries.
    async fn seal_trail(&self, manager: &SchemaManager<'_>) -> Result<(), DbErr> {
        if manager.get_database_backend() == sea_orm_migration::sea_orm::DatabaseBackend::Postgres {
            return run(
                manager,
                &[
                    "CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS \
                     $$ BEGIN RAISE EXCEPTION 'the audit trail is append-only'; END $$",
                    "CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE ON audit \
                     FOR EACH ROW EXECUTE FUNCTION refuse_audit_change()",
                ],
            )
            .await;
        }
        run(
            manager,
            &[
                "CREATE TRIGGER audit_keeps_rows BEFORE DELETE ON audit \
                 BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END",
                "CREATE TRIGGER audit_keeps_content BEFORE UPDATE ON audit \
                 BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END",
            ],
        )
        .await
    }
}

fn people() -> TableCreateStatement {
    table(
        "people",
        [
            id("id"),
            // In lower case.
            text("email"),
            text("name"),
            // Argon2id, PHC format; null until an invitation is accepted.
            text_null("password_hash"),
            // active, disabled
            text("status"),
            // owner, operator, auditor; null for merchant staff.
            text_null("operator_role"),
            // The second factor's secret, sealed; and one that was not confirmed yet.
            text_null("factor_sealed"),
            text_null("factor_waiting_sealed"),
            // Last time step whose code was taken, so that a code opens once.
            big_integer("factor_step"),
            moment("created_at"),
            moment("updated_at"),
        ],
    )
}

fn memberships() -> TableCreateStatement {
    table(
        "memberships",
        [
            id("id"),
            text("merchant_id"),
            text("person_id"),
            // admin, developer, support, viewer
            text("role"),
            moment("created_at"),
        ],
    )
}

fn recovery_codes() -> TableCreateStatement {
    table(
        "recovery_codes",
        [id("hash"), text("person_id"), moment_null("used_at")],
    )
}

fn invitations() -> TableCreateStatement {
    table(
        "invitations",
        [
            id("id"),
            text("token_hash"),
            text("email"),
            // Null for operators.
            text_null("merchant_id"),
            text("role"),
            text("invited_by"),
            moment("expires_at"),
            moment_null("accepted_at"),
            moment_null("revoked_at"),
            moment("created_at"),
        ],
    )
}

fn sessions() -> TableCreateStatement {
    table(
        "sessions",
        [
            id("id"),
            text("person_id"),
            text("refresh_hash"),
            // The one before, so that its reuse is seen.
            text_null("refresh_hash_before"),
            moment_null("refreshed_at"),
            text("address"),
            text("user_agent"),
            moment("expires_at"),
            moment_null("ended_at"),
            text_null("ended_why"),
            moment("created_at"),
        ],
    )
}

/// Wrong attempts, by what they were tried at and from where.
fn sign_in_failures() -> TableCreateStatement {
    table(
        "sign_in_failures",
        [id("place"), integer("failures"), moment("last_at")],
    )
}

/// Secrets that the installation made for itself, sealed.
fn installation_secrets() -> TableCreateStatement {
    table(
        "installation_secrets",
        [id("name"), text("sealed"), moment("created_at")],
    )
}

fn audit() -> TableCreateStatement {
    table(
        "audit",
        [
            id("id"),
            // Null: of the installation.
            text_null("merchant_id"),
            text("actor"),
            text("action"),
            text("subject"),
            json_null("before"),
            json_null("after"),
            text_null("address"),
            text_null("request_id"),
            // Place in the chain, and the hash over the entry and the one before it. Null: from before the chain.
            ColumnDef::new("number").big_integer().null().take(),
            text_null("hash"),
            moment("created_at"),
        ],
    )
}

fn audit_before() -> TableCreateStatement {
    table(
        "audit",
        [
            id("id"),
            text("merchant_id"),
            text("actor"),
            text("action"),
            text("subject"),
            json_null("before"),
            json_null("after"),
            moment("created_at"),
        ],
    )
}
