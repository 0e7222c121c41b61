use std::sync::Arc;
use std::time::{Duration, Instant};

use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::postgres::{PgArguments, PgPool, PgRow};
use sea_orm::sqlx::{self, AssertSqlSafe, Postgres};
use sea_orm::{DatabaseBackend, DatabaseConnection, DbErr, RuntimeErr};

use crate::StoreError;

/// A connection that was idle for longer goes back to the pool, which knows how to ask whether it still answers.
const IDLE_MAX: Duration = Duration::from_secs(1);
/// Kept for longer, a connection would hold a server that is being drained.
const KEPT_MAX: Duration = Duration::from_secs(600);

/// A worker's way to the database.
pub(crate) enum Link {
    Sqlite(DatabaseConnection),
    Postgres(Lane),
}

impl Link {
    pub(crate) fn of(connection: &DatabaseConnection) -> Self {
        match connection.get_database_backend() {
            DatabaseBackend::Postgres => Self::Postgres(Lane {
                pool: connection.get_postgres_connection_pool().clone(),
                kept: None,
            }),
            _ => Self::Sqlite(connection.clone()),
        }
    }
}

/// A PostgreSQL connection that its worker keeps from statement to statement. Given back to the pool after each, it
/// would be asked twice whether it still answers: two more round trips.
pub(crate) struct Lane {
    pool: PgPool,
    kept: Option<Kept>,
}

struct Kept {
    connection: PoolConnection<Postgres>,
    since: Instant,
    used: Instant,
}

impl Lane {
    /// One statement, which is its own transaction. If the future is dropped, the connection goes back to the pool,
    /// which closes it unless it still answers.
    pub(crate) async fn fetch(
        &mut self,
        sql: impl Into<String>,
        arguments: PgArguments,
    ) -> Result<Vec<PgRow>, StoreError> {
        let mut kept = match self.kept.take().filter(Kept::is_fresh) {
            Some(kept) => kept,
            None => Kept::new(self.pool.acquire().await.map_err(wrapped)?),
        };
        let rows = sqlx::query_with(AssertSqlSafe(sql.into()), arguments)
            .fetch_all(&mut *kept.connection)
            .await;
        // A statement that the server refused says nothing against the connection.
        if !matches!(&rows, Err(error) if error.as_database_error().is_none()) {
            kept.used = Instant::now();
            self.kept = Some(kept);
        }
        rows.map_err(wrapped)
    }
}

impl Kept {
    fn new(connection: PoolConnection<Postgres>) -> Self {
        let now = Instant::now();
        Self {
            connection,
            since: now,
            used: now,
        }
    }

    fn is_fresh(&self) -> bool {
        self.used.elapsed() < IDLE_MAX && self.since.elapsed() < KEPT_MAX
    }
}

fn wrapped(error: sqlx::Error) -> StoreError {
    DbErr::Query(RuntimeErr::SqlxError(Arc::new(error))).into()
}
