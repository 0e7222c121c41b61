//! Which nodes are alive, as Redis knows it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use ulid::Ulid;

use crate::neighbours::{Redis, RedisError, Script};

/// How often a node says that it is alive.
const SAID_EVERY: Duration = Duration::from_millis(500);
/// Who has said nothing for this long, in milliseconds, is gone.
const GONE_AFTER_MS: u64 = 2_500;

static ALIVE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("alive.lua")));

/// One for each node; cheap to clone.
#[derive(Clone)]
pub struct Nodes {
    redis: Redis,
    name: Arc<str>,
    live: Arc<AtomicU32>,
}

impl Nodes {
    #[must_use]
    pub fn new(redis: Redis) -> Self {
        Self {
            redis,
            name: Ulid::generate().to_string().into(),
            live: Arc::new(AtomicU32::new(1)),
        }
    }

    /// This node's name among the others; another one after each start.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Nodes that were alive when Redis answered last: 1 at least.
    #[must_use]
    pub fn live(&self) -> u32 {
        self.live.load(Ordering::Relaxed)
    }

    /// Runs for as long as the node does.
    pub async fn keep(self) {
        let keys = [self.redis.key("nodes", "alive")];
        let arguments = [self.name.to_string(), GONE_AFTER_MS.to_string()];
        loop {
            let live: Result<u32, RedisError> = self.redis.call(&ALIVE, &keys, &arguments).await;
            if let Ok(live) = live {
                self.live.store(live.max(1), Ordering::Relaxed);
                metrics::gauge!("tollgate_nodes").set(live);
            }
            tokio::time::sleep(SAID_EVERY).await;
        }
    }
}
