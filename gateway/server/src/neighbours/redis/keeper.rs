//! Keeps a connection to Redis: makes it, watches over it, and looks for Redis while it is away.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use redis::AsyncConnectionConfig;

use super::{Line, Redis, RedisError, Session};

/// How often Redis is asked when nobody else asks it.
const PING_PAUSE: Duration = Duration::from_secs(1);
/// The same after a failure.
const PING_AGAIN_PAUSE: Duration = Duration::from_millis(10);
/// How long the key lives that a probe writes, in milliseconds.
const PROBE_KEY_MS: u64 = 10_000;
const MICROSECONDS: i64 = 1_000_000;

impl Redis {
    /// Runs for as long as the node does.
    pub async fn keep(self) {
        metrics::gauge!("tollgate_redis_up").set(0);
        let mut told = false;
        loop {
            match self.connect().await {
                Ok(line) => {
                    told = true;
                    metrics::gauge!("tollgate_redis_up").set(1);
                    tracing::info!("Redis answers");
                    self.shared.line.send_replace(Some(Arc::clone(&line)));
                    self.watch_over(line).await;
                }
                Err(error) => {
                    // Of one that went away, who noticed it has told.
                    if !told {
                        told = true;
                        tracing::warn!(%error, "Redis is away; the node starts without it");
                    }
                    tokio::time::sleep(self.shared.probe_pause).await;
                }
            }
        }
    }

    pub(super) async fn connect(&self) -> Result<Arc<Line>, RedisError> {
        let limit = self.shared.connect_timeout;
        let line = tokio::time::timeout(limit, self.connect_and_probe()).await;
        match line {
            Ok(line) => line
                .map(Arc::new)
                .map_err(|error| RedisError::Failed(error.to_string())),
            Err(_) => Err(RedisError::TimedOut(limit)),
        }
    }

    /// Redis is well when it takes a write: a replica, or one that is full, serves nobody here.
    async fn connect_and_probe(&self) -> redis::RedisResult<Line> {
        // The limits are set around whole calls, which may take several commands.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let mut connection = (self.shared.client)
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        let mut probe = redis::pipe();
        let key = self.key("node", "probe");
        probe.cmd("SET").arg(key).arg(1).arg("PX").arg(PROBE_KEY_MS).ignore();
        let ((seconds, micros),): ((i64, i64),) = probe.cmd("TIME").query_async(&mut connection).await?;
        Ok(Line {
            connection,
            since_us: seconds * MICROSECONDS + micros,
            began: Instant::now(),
            failures_in_a_row: AtomicU32::new(0),
        })
    }

    /// Returns when the connection is given up.
    async fn watch_over(&self, line: Arc<Line>) {
        let mut lines = self.shared.line.subscribe();
        let session = Session {
            shared: Arc::clone(&self.shared),
            line,
        };
        let pings = async {
            loop {
                // It takes a few to be sure, and one on a broken connection fails without waiting.
                let pause = if session.ping().await.is_ok() {
                    PING_PAUSE
                } else {
                    PING_AGAIN_PAUSE
                };
                tokio::time::sleep(pause).await;
            }
        };
        tokio::select! {
            _ = lines.wait_for(Option::is_none) => {}
            () = pings => {}
        }
    }
}
