use std::sync::Arc;
use std::time::{Duration, Instant};

use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::postgres::{PgArguments, PgPool, PgRow};
use sea_orm::sqlx::{self, AssertSqlSafe, Connection as _, Executor as _, PgConnection, Postgres};
use sea_orm::{DatabaseBackend, DatabaseConnection, DbErr, RuntimeErr};

use crate::{Store, StoreError, connect};

/// A connection that was idle for longer goes back to the pool, which knows how to ask whether it still answers.
const IDLE_MAX: Duration = Duration::from_secs(1);
/// Kept for longer, a connection would hold a server that is being drained.
const KEPT_MAX: Duration = Duration::from_secs(600);

/// What a connection is told that only inserts: such a statement has one way to be done, and to plan it anew for each group
/// of rows would take as long as to do it.
const PLANNED_ONCE: &str = " SET plan_cache_mode = force_generic_plan;";

/// And one that looks up keys and nothing else: each is one probe of an index, however small the planner believes the table
/// to be when it makes the plan that stays.
const ALWAYS_BY_INDEX: &str =
    " SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_bitmapscan = off;";

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
                session: None,
                kept: None,
            }),
            _ => Self::Sqlite(connection.clone()),
        }
    }
}

impl Store {
    /// A link for looking keys up whose connection belongs to the caller's runtime: one of the pool answers to the thread
    /// that happened to open it.
    pub(crate) fn looking_link(&self) -> Link {
        self.link_with(&self.reads, ALWAYS_BY_INDEX)
    }

    /// A link of its own for inserts and nothing else.
    pub(crate) fn inserting_link(&self) -> Link {
        self.link_with(&self.writes, PLANNED_ONCE)
    }

    fn link_with(&self, connection: &DatabaseConnection, further: &str) -> Link {
        let mut link = Link::of(connection);
        if let Link::Postgres(lane) = &mut link {
            lane.session = self
                .session
                .as_deref()
                .map(|session| format!("{session}{further}").into());
        }
        link
    }
}

/// A PostgreSQL connection that its worker keeps from statement to statement. Given back to the pool after each, it
/// would be asked twice whether it still answers: two more round trips.
pub(crate) struct Lane {
    pool: PgPool,
    /// What a connection of its own, outside of the pool, is told when it is made.
    session: Option<Arc<str>>,
    kept: Option<Kept>,
}

struct Kept {
    connection: Held,
    since: Instant,
    used: Instant,
}

enum Held {
    Pooled(PoolConnection<Postgres>),
    Own(Box<PgConnection>),
}

impl Lane {
    /// One statement, which is its own transaction. If the future is dropped, the connection goes back to the pool,
    /// which closes it unless it still answers.
    pub(crate) async fn fetch(
        &mut self,
        sql: impl Into<String>,
        arguments: PgArguments,
    ) -> Result<Vec<PgRow>, StoreError> {
        let mut kept = match still_good(self.kept.take()).await {
            Some(kept) => kept,
            None => Kept::new(self.hold().await.map_err(wrapped)?),
        };
        let rows = sqlx::query_with(AssertSqlSafe(sql.into()), arguments)
            .fetch_all(kept.connection.get())
            .await;
        // A statement that the server refused says nothing against the connection.
        if !matches!(&rows, Err(error) if error.as_database_error().is_none()) {
            kept.used = Instant::now();
            self.kept = Some(kept);
        }
        rows.map_err(wrapped)
    }

    async fn hold(&self) -> Result<Held, sqlx::Error> {
        let Some(session) = &self.session else {
            return Ok(Held::Pooled(self.pool.acquire().await?));
        };
        let opened = async {
            let mut connection = PgConnection::connect_with(&self.pool.connect_options()).await?;
            connection.execute(AssertSqlSafe(session.to_string())).await?;
            Ok(Held::Own(Box::new(connection)))
        };
        tokio::time::timeout(self.pool.options().get_acquire_timeout(), opened)
            .await
            .map_err(|_| sqlx::Error::PoolTimedOut)?
    }
}

impl Held {
    fn get(&mut self) -> &mut PgConnection {
        match self {
            Self::Pooled(connection) => connection,
            Self::Own(connection) => connection,
        }
    }
}

impl Kept {
    fn new(connection: Held) -> Self {
        let now = Instant::now();
        Self {
            connection,
            since: now,
            used: now,
        }
    }
}

/// A connection that may be used once more. One of the pool goes back when it was idle: the pool asks it.
async fn still_good(kept: Option<Kept>) -> Option<Kept> {
    let mut kept = kept.filter(|kept| kept.since.elapsed() < KEPT_MAX)?;
    if kept.used.elapsed() < IDLE_MAX {
        return Some(kept);
    }
    match &mut kept.connection {
        Held::Pooled(_) => None,
        Held::Own(connection) => connect::answers_in_time(connection).await.is_ok().then_some(kept),
    }
}

fn wrapped(error: sqlx::Error) -> StoreError {
    DbErr::Query(RuntimeErr::SqlxError(Arc::new(error))).into()
}
