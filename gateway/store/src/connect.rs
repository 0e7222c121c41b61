use std::sync::Arc;
use std::time::Duration;

use migrations::{Migrator, MigratorTrait};
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, SqliteConnection};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseBackend, DatabaseConnection, DatabaseTransaction,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};

use crate::{PaymentNumbers, StoreError};

/// How long SQLite waits for another process's write to end.
const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// A connection that was idle for longer is asked whether it still answers before it is used.
const IDLE_BEFORE_TEST: Duration = Duration::from_secs(1);
/// How long a connection may take to say that it is there.
const PING_TIMEOUT: Duration = Duration::from_secs(1);
/// A transaction in which nothing happens for this long belongs to a node that froze: its locks are given back.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(5);
/// Readers of one SQLite file. Writers are one, always.
const SQLITE_READERS: u32 = 4;
/// Names the lock that migrations of one PostgreSQL database wait for: "tollgate" in ASCII.
const MIGRATION_LOCK: i64 = 0x746f_6c6c_6761_7465;

#[derive(Clone)]
pub struct DatabaseOptions {
    /// `sqlite:///path/to/file.db` or `postgres://user:password@host:port/database`.
    pub url: String,
    /// PostgreSQL schema that holds our tables; made when missing.
    pub schema: Option<String>,
    pub connections_max: u32,
    /// How long a query waits for a free connection.
    pub acquire_timeout: Duration,
    /// How long PostgreSQL works on one statement.
    pub statement_timeout: Duration,
}

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(crate) reads: DatabaseConnection,
    /// The same pool as `reads` on PostgreSQL; on SQLite a pool of one, so that our own writes queue instead of
    /// refusing each other.
    pub(crate) writes: DatabaseConnection,
    pub(crate) numbers: Arc<PaymentNumbers>,
    /// What a PostgreSQL connection is told when it is made; nothing on SQLite.
    pub(crate) session: Option<Arc<str>>,
}

impl Store {
    pub async fn connect(options: &DatabaseOptions) -> Result<Self, StoreError> {
        let (reads, writes, session) = if options.url.starts_with("sqlite:") {
            let writes = connect_sqlite(options, 1).await?;
            (connect_sqlite(options, SQLITE_READERS).await?, writes, None)
        } else {
            let session: Arc<str> = session_settings(options).into();
            let pool = connect_postgres(options, &session).await?;
            (pool.clone(), pool, Some(session))
        };
        let numbers = Arc::new(PaymentNumbers::new(writes.clone()));
        Ok(Self {
            reads,
            writes,
            numbers,
            session,
        })
    }

    /// Makes the PostgreSQL database `name` when it is missing. `options.url` names it as its path.
    pub async fn create_database(options: &DatabaseOptions, name: &str) -> Result<(), StoreError> {
        let maintenance = options
            .url
            .rsplit_once('/')
            .map(|(server, _)| format!("{server}/postgres"));
        let mut connect = ConnectOptions::new(maintenance.unwrap_or_else(|| options.url.clone()));
        connect
            .max_connections(1)
            .acquire_timeout(options.acquire_timeout)
            .sqlx_logging(false);
        let connection = Database::connect(connect).await?;
        let sql = "SELECT 1 FROM pg_database WHERE datname = $1";
        let statement = Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, [name.into()]);
        if connection.query_one_raw(statement).await?.is_none() {
            connection
                .execute_unprepared(&format!("CREATE DATABASE {}", quoted(name)))
                .await?;
        }
        connection.close().await?;
        Ok(())
    }

    /// Brings the schema to this program's version, whole or not at all. Nodes that start together do it in turn.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let transaction = self.begin_migration().await?;
        Migrator::up(&transaction, None).await?;
        Ok(transaction.commit().await?)
    }

    /// Takes the newest `steps` migrations back, all of them when `None`.
    pub async fn migrate_down(&self, steps: Option<u32>) -> Result<(), StoreError> {
        let transaction = self.begin_migration().await?;
        Migrator::down(&transaction, steps).await?;
        Ok(transaction.commit().await?)
    }

    async fn begin_migration(&self) -> Result<DatabaseTransaction, StoreError> {
        let mode = Some(SqliteTransactionMode::Immediate);
        let options = TransactionOptions {
            sqlite_transaction_mode: mode,
            ..TransactionOptions::default()
        };
        let transaction = self.writes.begin_with_options(options).await?;
        if self.backend() == DatabaseBackend::Postgres {
            transaction
                .execute_unprepared("SET LOCAL statement_timeout = 0")
                .await?;
            transaction
                .execute_unprepared(&format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
                .await?;
        }
        Ok(transaction)
    }

    /// How many migrations this program knows and the database lacks.
    pub async fn pending_migrations(&self) -> Result<usize, StoreError> {
        Ok(Migrator::get_pending_migrations(&self.writes).await?.len())
    }

    /// Asks the database whether it is there.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.reads.execute_unprepared("SELECT 1").await?;
        Ok(())
    }

    #[must_use]
    pub fn numbers(&self) -> &PaymentNumbers {
        &self.numbers
    }

    #[must_use]
    pub fn backend_name(&self) -> &'static str {
        match self.backend() {
            DatabaseBackend::Postgres => "postgresql",
            _ => "sqlite",
        }
    }

    /// Whether all writes of the installation queue behind each other (SQLite).
    #[must_use]
    pub fn has_one_writer(&self) -> bool {
        self.backend() == DatabaseBackend::Sqlite
    }

    pub(crate) fn backend(&self) -> DatabaseBackend {
        self.writes.get_database_backend()
    }

    pub async fn close(self) -> Result<(), StoreError> {
        self.writes.close().await?;
        Ok(self.reads.close().await?)
    }
}

async fn connect_sqlite(options: &DatabaseOptions, connections: u32) -> Result<DatabaseConnection, StoreError> {
    let mut connect = ConnectOptions::new(&options.url);
    connect
        .max_connections(connections)
        .acquire_timeout(options.acquire_timeout)
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .map_sqlx_sqlite_opts(|sqlite| {
            sqlite
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                // FULL: a commit that was answered is on the disk, also after a power cut.
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(true)
                .busy_timeout(SQLITE_BUSY_TIMEOUT)
        })
        .map_sqlx_sqlite_pool_opts(|pool| {
            pool.after_release(|connection, _| Box::pin(is_outside_transactions(connection)))
        });
    Ok(Database::connect(connect).await?)
}

/// SQLite ends a transaction by itself when the disk is full or cannot be written. The driver, whose own rollback then
/// fails, goes on counting it, and every later commit would only be that of a savepoint: answered, and never durable.
async fn is_outside_transactions(connection: &mut SqliteConnection) -> Result<bool, sea_orm::sqlx::Error> {
    // Behind the rollback that is on its way.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

async fn connect_postgres(options: &DatabaseOptions, session: &Arc<str>) -> Result<DatabaseConnection, StoreError> {
    if let Some(schema) = &options.schema {
        make_schema(options, schema).await?;
    }
    let mut connect = ConnectOptions::new(&options.url);
    let session = session.to_string();
    connect
        .max_connections(options.connections_max)
        .acquire_timeout(options.acquire_timeout)
        .connect_timeout(options.acquire_timeout)
        .test_before_acquire_if_idle_for(IDLE_BEFORE_TEST)
        .set_application_name("tollgate")
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .map_sqlx_postgres_pool_opts(move |pool| {
            let session = session.clone();
            pool.after_connect(move |connection, _| {
                let session = session.clone();
                Box::pin(async move { connection.execute(AssertSqlSafe(session)).await.map(|_| ()) })
            })
            .after_release(|connection, _| Box::pin(answers_in_time(connection)))
        });
    Ok(Database::connect(connect).await?)
}

/// What each connection is told when it is made. By statement, not as start-up options: poolers refuse those.
fn session_settings(options: &DatabaseOptions) -> String {
    // An answered payment is a durable one, whatever the server's default is.
    let durable = "SELECT set_config('synchronous_commit', 'on', false)
                   WHERE current_setting('synchronous_commit') = 'off';";
    let mut settings = format!(
        "{durable} SET statement_timeout = {}; SET idle_in_transaction_session_timeout = {};",
        options.statement_timeout.as_millis(),
        IDLE_IN_TRANSACTION.as_millis(),
    );
    if let Some(schema) = &options.schema {
        settings.push_str(&format!(" SET search_path = {};", quoted(schema)));
    }
    settings
}

/// A connection whose other end is gone must not hold its place in the pool until TCP gives up, minutes later.
pub(crate) async fn answers_in_time(connection: &mut PgConnection) -> Result<bool, sea_orm::sqlx::Error> {
    match tokio::time::timeout(PING_TIMEOUT, connection.ping()).await {
        Ok(answer) => answer.map(|()| true),
        Err(_) => Err(sea_orm::sqlx::Error::PoolTimedOut),
    }
}

async fn make_schema(options: &DatabaseOptions, schema: &str) -> Result<(), StoreError> {
    let mut connect = ConnectOptions::new(&options.url);
    connect
        .max_connections(1)
        .acquire_timeout(options.acquire_timeout)
        .sqlx_logging(false);
    let connection = Database::connect(connect).await?;
    // Asked first: a user who may use the schema may not be one who may make it.
    let sql = "SELECT 1 FROM pg_namespace WHERE nspname = $1";
    let statement = Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, [schema.into()]);
    if connection.query_one_raw(statement).await?.is_none() {
        connection
            .execute_unprepared(&format!("CREATE SCHEMA IF NOT EXISTS {}", quoted(schema)))
            .await?;
    }
    connection.close().await?;
    Ok(())
}

fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use e2e::{Backend, TestDatabase};

    /// A full disk makes SQLite end a transaction by itself. Whoever has the connection next must not be told "committed"
    /// by a savepoint within a transaction that nobody ends.
    #[tokio::test]
    async fn after_a_full_disk_what_is_committed_is_committed() {
        let database = TestDatabase::new(Backend::Sqlite).await;
        let store = Store::connect(&DatabaseOptions {
            url: database.url().to_owned(),
            schema: None,
            connections_max: 1,
            acquire_timeout: Duration::from_secs(2),
            statement_timeout: Duration::from_secs(2),
        })
        .await
        .unwrap();
        let writes = &store.writes;
        writes.execute_unprepared("CREATE TABLE t (n BLOB)").await.unwrap();
        writes.execute_unprepared("PRAGMA max_page_count = 2").await.unwrap();
        let full = writes.begin().await.unwrap();
        let refused = full
            .execute_unprepared("INSERT INTO t VALUES (zeroblob(1000000))")
            .await;
        assert!(refused.unwrap_err().to_string().contains("full"));
        drop(full);
        writes
            .execute_unprepared("PRAGMA max_page_count = 100000")
            .await
            .unwrap();
        let given_up = writes.begin().await.unwrap();
        given_up.execute_unprepared("INSERT INTO t VALUES (1)").await.unwrap();
        given_up.rollback().await.unwrap();
        let committed = writes.begin().await.unwrap();
        committed.execute_unprepared("INSERT INTO t VALUES (2)").await.unwrap();
        committed.commit().await.unwrap();
        assert_eq!(
            database.number("SELECT count(*) FROM t").await,
            1,
            "another connection sees it"
        );
    }
}
