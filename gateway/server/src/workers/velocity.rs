//! Sums up what velocities count as it ages, and forgets what no window reaches any longer.

use std::sync::Arc;
use std::time::Duration;

use plugin_sdk::Clock;
use store::{Store, StoreError};
use tokio::sync::watch;

const INTERVAL: Duration = Duration::from_secs(10);
/// Rows of one statement, so that payments, which share the database's one writer (SQLite), never wait long.
const CHUNK: u64 = 500;
/// Statements of one round; what is left waits for the next one.
const CHUNKS_PER_ROUND: u32 = 200;

pub struct VelocityRollUp {
    pub store: Store,
    pub clock: Arc<dyn Clock>,
}

impl VelocityRollUp {
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        loop {
            if let Err(error) = self.round(&stop).await {
                tracing::warn!(%error, "velocities cannot be summed up; they stay right, and are read more slowly");
            }
            tokio::select! {
                () = tokio::time::sleep(INTERVAL) => {}
                _ = stop.changed() => return,
            }
        }
    }

    async fn round(&self, stop: &watch::Receiver<bool>) -> Result<(), StoreError> {
        for _ in 0..CHUNKS_PER_ROUND {
            let more = self.store.roll_up_velocity(self.clock.now(), CHUNK).await?;
            if !more || *stop.borrow() {
                break;
            }
        }
        Ok(())
    }
}
