//! A fresh database for each test, on either back end.

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, QueryResult, Statement};
use tempfile::TempDir;

use crate::postgres;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

pub struct TestDatabase {
    url: String,
    backend: Backend,
    keep: Keep,
}

/// What goes when the test is over.
enum Keep {
    Folder(TempDir),
    Database { server: String, name: String },
}

impl TestDatabase {
    pub async fn new(backend: Backend) -> Self {
        match backend {
            Backend::Sqlite => Self::sqlite_in(&std::env::temp_dir()),
            Backend::Postgres => Self::on_server(postgres::shared()).await,
        }
    }

    /// A file in a folder of this one.
    #[must_use]
    pub fn sqlite_in(parent: &std::path::Path) -> Self {
        let folder = tempfile::Builder::new().prefix("tollgate-sqlite-").tempdir_in(parent);
        let folder = folder.unwrap();
        let url = format!("sqlite://{}", folder.path().join("tollgate.db").display());
        Self {
            url,
            backend: Backend::Sqlite,
            keep: Keep::Folder(folder),
        }
    }

    /// On a server of the test's own, which it may hurt.
    pub async fn on_server(server: &str) -> Self {
        let name = format!("test_{:016x}", rand::random::<u64>());
        execute_on(server, &format!("CREATE DATABASE {name}")).await;
        let keep = Keep::Database {
            server: server.to_owned(),
            name: name.clone(),
        };
        Self {
            url: format!("{server}/{name}"),
            backend: Backend::Postgres,
            keep,
        }
    }

    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    #[must_use]
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// Name of the database on its server, or path of its file.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.keep {
            Keep::Folder(folder) => folder.path().join("tollgate.db").display().to_string(),
            Keep::Database { name, .. } => name.clone(),
        }
    }

    /// A connection beside the gateway's own, to look with.
    pub async fn connect(&self) -> DatabaseConnection {
        let mut options = ConnectOptions::new(&self.url);
        options.max_connections(1).sqlx_logging(false);
        Database::connect(options).await.unwrap()
    }

    pub async fn rows(&self, sql: &str) -> Vec<QueryResult> {
        let connection = self.connect().await;
        let statement = Statement::from_string(connection.get_database_backend(), sql);
        let rows = connection.query_all_raw(statement).await.unwrap();
        connection.close().await.unwrap();
        rows
    }

    /// The one whole number that a query gives.
    pub async fn number(&self, sql: &str) -> i64 {
        self.rows(sql).await[0].try_get_by_index(0).unwrap()
    }

    /// The first column of all rows, as texts.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        self.rows(sql)
            .await
            .iter()
            .map(|row| row.try_get_by_index(0).unwrap())
            .collect()
    }

    pub async fn execute(&self, sql: &str) {
        self.try_execute(sql).await.unwrap();
    }

    /// What the database says when it does not want to.
    pub async fn try_execute(&self, sql: &str) -> Result<(), String> {
        let connection = self.connect().await;
        let done = connection.execute_unprepared(sql).await;
        connection.close().await.unwrap();
        done.map(|_| ()).map_err(|error| error.to_string())
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Keep::Database { server, name } = &self.keep else {
            return;
        };
        let (server, sql) = (server.clone(), format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        // The test's own runtime may be gone already.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let forgotten = tokio::time::timeout(std::time::Duration::from_secs(10), try_execute_on(&server, &sql));
                // A test that took its server away needs no further cleaning.
                let _ = forgotten.await;
            });
        });
        let _ = dropped.join();
    }
}

async fn execute_on(server: &str, sql: &str) {
    try_execute_on(server, sql).await.unwrap();
}

async fn try_execute_on(server: &str, sql: &str) -> Result<(), sea_orm::DbErr> {
    let mut options = ConnectOptions::new(format!("{server}/postgres"));
    options.max_connections(1).sqlx_logging(false);
    let connection = Database::connect(options).await?;
    connection.execute_unprepared(sql).await?;
    connection.close().await
}
