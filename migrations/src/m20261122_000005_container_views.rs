//! Views in the shape of the seed container's two tables, so that a merchant's own SQL keeps working
//! (`protocols/terminal.md §12.3`).

use sea_orm_migration::prelude::*;

use crate::columns::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const HTTP_LOG: &str = "
    CREATE VIEW qiwi_http_log AS
    SELECT id, peer AS ip, url, method, request_headers AS headers, request_body AS body, created_at
    FROM exchanges
    WHERE direction = 'in'";

/// Status 1 once the merchant was told: a delivery arrived and none waits.
const TRANSACTION: &str = "
    CREATE VIEW qiwi_transaction AS
    SELECT
        p.number AS id,
        p.account AS account,
        p.key1 AS code,
        {sum} AS sum,
        CASE
            WHEN EXISTS (SELECT 1 FROM deliveries d WHERE d.payment_id = p.id AND d.status = 'delivered')
             AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.payment_id = p.id AND d.status = 'pending')
            THEN 1 ELSE 0
        END AS status,
        p.created_at AS created_at
    FROM payments p
    WHERE p.channel = 'terminal' AND p.status = 'succeeded'";

const SUM_POSTGRES: &str = "CAST(p.amount_minor / power(CAST(10 AS NUMERIC), p.exponent) AS NUMERIC(14, 2))";
const SUM_SQLITE: &str =
    "p.amount_minor / (CASE p.exponent WHEN 0 THEN 1.0 WHEN 2 THEN 100.0 WHEN 3 THEN 1000.0 ELSE 10000.0 END)";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sum = match manager.get_database_backend() {
            sea_orm_migration::sea_orm::DatabaseBackend::Postgres => SUM_POSTGRES,
            _ => SUM_SQLITE,
        };
        run(manager, &[HTTP_LOG, &TRANSACTION.replace("{sum}", sum)]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, &["DROP VIEW qiwi_transaction", "DROP VIEW qiwi_http_log"]).await
    }
}
