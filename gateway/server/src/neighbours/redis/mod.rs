//! Redis: what nodes share beside the database, to be quicker or to count together, never to remember.
//!
//! Every command has a time limit. After a few failures in a row nobody waits for Redis any more, until a probe in the
//! background finds it well again. Whoever asks must therefore know an answer of their own.

mod keeper;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{Client, FromRedisValue, IntoConnectionInfo};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;

/// Largest number of keys and arguments of one call: a script takes its time from everybody else's.
const CALL_PARTS_MAX: usize = 8_000;

#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// `redis://` or `rediss://`; may hold a password.
    pub url: SecretString,
    /// What every key begins with.
    pub prefix: String,
    /// How long a command may take.
    pub timeout: Duration,
    /// How long it may take to connect, and to be greeted.
    pub connect_timeout: Duration,
    /// Failures in a row after which nobody waits for Redis any more.
    pub failures_max: u32,
    /// How often an absent Redis is looked for.
    pub probe_pause: Duration,
}

/// Why there is no answer. Each of them means: do without.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedisError {
    /// The URL is not told: it may hold a password.
    #[error("is not a URL of Redis; write redis://user:password@host:6379/0, or rediss://… for TLS")]
    Url,
    /// Nobody was asked, and no time was spent.
    #[error("Redis is away")]
    Away,
    #[error("Redis did not answer within {0:?}")]
    TimedOut(Duration),
    #[error("{0}")]
    Failed(String),
    #[error("{0} keys and arguments are more than a call of a script may have")]
    TooMuch(usize),
}

/// A script that Redis runs in one step, known to it by its hash; loaded when Redis does not know it (any more).
pub struct Script(redis::Script);

impl Script {
    #[must_use]
    pub fn new(source: &str) -> Self {
        Self(redis::Script::new(source))
    }
}

/// The node's way to Redis; cheap to clone. Does nothing before [`Redis::keep`] runs.
#[derive(Clone)]
pub struct Redis {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    prefix: String,
    timeout: Duration,
    connect_timeout: Duration,
    failures_max: u32,
    probe_pause: Duration,
    /// The connection that works; `None` while nobody waits for Redis.
    line: watch::Sender<Option<Arc<Line>>>,
}

/// One unbroken connection. Whatever happened to Redis before it began is not known.
struct Line {
    connection: MultiplexedConnection,
    /// Redis's clock when the connection began, in microseconds since 1970.
    since_us: i64,
    began: Instant,
    failures_in_a_row: AtomicU32,
}

impl Redis {
    /// Connects to nobody yet.
    pub fn new(options: RedisOptions) -> Result<Self, RedisError> {
        let url = |_| RedisError::Url;
        let info = options.url.expose_secret().into_connection_info().map_err(url)?;
        if matches!(info.addr(), redis::ConnectionAddr::TcpTls { .. }) {
            // Whoever was first chose the same one: the process has no other.
            drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        }
        Ok(Self {
            shared: Arc::new(Shared {
                client: Client::open(info).map_err(url)?,
                prefix: options.prefix,
                timeout: options.timeout,
                connect_timeout: options.connect_timeout,
                failures_max: options.failures_max,
                probe_pause: options.probe_pause,
                line: watch::Sender::new(None),
            }),
        })
    }

    /// A key of ours. Keys with the same `owner` (a merchant, a connection) live in the same slot of a cluster, so one
    /// script can take several of them.
    #[must_use]
    pub fn key(&self, owner: &str, name: &str) -> String {
        format!("{}:{{{owner}}}:{name}", self.shared.prefix)
    }

    /// The connection as it is now; `None` while Redis is away.
    #[must_use]
    pub fn session(&self) -> Option<Session> {
        let line = self.shared.line.borrow().clone();
        line.map(|line| Session {
            shared: Arc::clone(&self.shared),
            line,
        })
    }

    /// Whether Redis is asked at all now.
    #[must_use]
    pub fn answers(&self) -> bool {
        self.shared.line.borrow().is_some()
    }

    /// Waits until Redis is asked again.
    pub async fn answering(&self) -> Session {
        let mut lines = self.shared.line.subscribe();
        loop {
            if let Some(session) = self.session() {
                return session;
            }
            // The sender is ours, so it is still there.
            let _ = lines.changed().await;
        }
    }

    /// Runs a script in one round trip; without waiting, when Redis is away.
    pub async fn call<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[String],
        arguments: &[String],
    ) -> Result<T, RedisError> {
        let session = self.session().ok_or(RedisError::Away)?;
        session.call(script, keys, arguments).await
    }
}

/// One unbroken connection, for what must not be spread over two of them.
#[derive(Clone)]
pub struct Session {
    shared: Arc<Shared>,
    line: Arc<Line>,
}

impl Session {
    /// How long the connection has been unbroken.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.line.began.elapsed()
    }

    /// Redis's clock when the connection began, in microseconds since 1970.
    #[must_use]
    pub fn since_us(&self) -> i64 {
        self.line.since_us
    }

    /// Runs a script in one round trip.
    pub async fn call<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[String],
        arguments: &[String],
    ) -> Result<T, RedisError> {
        let parts = keys.len() + arguments.len();
        if parts > CALL_PARTS_MAX {
            return Err(RedisError::TooMuch(parts));
        }
        let mut call = script.0.prepare_invoke();
        for key in keys {
            call.key(key);
        }
        for argument in arguments {
            call.arg(argument);
        }
        let mut connection = self.line.connection.clone();
        self.bounded(call.invoke_async(&mut connection)).await
    }

    /// Whether Redis answers at all.
    async fn ping(&self) -> Result<(), RedisError> {
        let mut connection = self.line.connection.clone();
        let ping = redis::cmd("PING");
        self.bounded(ping.query_async(&mut connection)).await
    }

    async fn bounded<T>(&self, asked: impl Future<Output = redis::RedisResult<T>>) -> Result<T, RedisError> {
        let started = Instant::now();
        let answered = tokio::time::timeout(self.shared.timeout, asked).await;
        metrics::histogram!("tollgate_redis_seconds").record(started.elapsed().as_secs_f64());
        match answered {
            Ok(Ok(answer)) => {
                self.line.failures_in_a_row.store(0, Ordering::Relaxed);
                Ok(answer)
            }
            Ok(Err(error)) => {
                metrics::counter!("tollgate_redis_failures_total", "kind" => "error").increment(1);
                let broken = error.is_unrecoverable_error() || error.is_connection_dropped();
                let error = RedisError::Failed(error.to_string());
                self.failed(&error, broken);
                Err(error)
            }
            Err(_) => {
                metrics::counter!("tollgate_redis_failures_total", "kind" => "timeout").increment(1);
                let error = RedisError::TimedOut(self.shared.timeout);
                self.failed(&error, false);
                Err(error)
            }
        }
    }

    /// Gives the connection up when it is broken, or when it failed often enough.
    fn failed(&self, error: &RedisError, broken: bool) {
        let failures = self.line.failures_in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
        if broken || failures >= self.shared.failures_max {
            self.shared.give_up(&self.line, error);
        }
    }
}

impl Shared {
    /// The first who finds out says so; the others have nothing to add.
    fn give_up(&self, line: &Arc<Line>, error: &RedisError) {
        let was_ours = self.line.send_if_modified(|current| {
            let ours = current.as_ref().is_some_and(|current| Arc::ptr_eq(current, line));
            if ours {
                *current = None;
            }
            ours
        });
        if was_ours {
            metrics::gauge!("tollgate_redis_up").set(0);
            tracing::warn!(%error, "Redis is away; the node goes on without it");
        }
    }
}
