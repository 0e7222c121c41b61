//! Deletes what is kept for a time only.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Duration as Days, Utc};
use plugin_sdk::Clock;
use store::{DecisionShare, Store, StoreError};
use tokio::sync::watch;

const INTERVAL: Duration = Duration::from_secs(60);
/// Rows of one statement, so that no lock is held for long.
const CHUNK: u64 = 5_000;

pub struct Retention {
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub exchange_days: u32,
    pub registration_days: u32,
    /// Keys of requests; at least a week, so that a request may be repeated for so long.
    pub key_days: u32,
    pub decision_days: u32,
    /// Of each merchant.
    pub decision_rows: u64,
}

impl Retention {
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut share = DecisionShare::new(self.store.clone(), self.decision_rows, CHUNK);
        loop {
            if let Err(error) = self.sweep(&mut share).await {
                tracing::warn!(%error, "old records cannot be deleted; trying again later");
            }
            tokio::select! {
                () = tokio::time::sleep(INTERVAL) => {}
                _ = stop.changed() => return,
            }
        }
    }

    async fn sweep(&self, share: &mut DecisionShare) -> Result<(), StoreError> {
        let now = self.clock.now();
        let exchanges_until = now - Days::days(i64::from(self.exchange_days));
        let mut deleted = 0;
        loop {
            let gone = self.store.delete_exchanges_before(exchanges_until, CHUNK).await?;
            deleted += gone;
            if gone < CHUNK {
                break;
            }
        }
        let registrations_until = now - Days::days(i64::from(self.registration_days));
        let mut registrations = 0;
        loop {
            let gone = self
                .store
                .delete_registrations_before(registrations_until, CHUNK)
                .await?;
            registrations += gone;
            if gone < CHUNK {
                break;
            }
        }
        let keys_until = now - Days::days(i64::from(self.key_days));
        while self.store.delete_keys_before(keys_until, CHUNK).await? == CHUNK {}
        let decisions = self.delete_old_decisions(now).await? + share.sweep(now).await?;
        while self.store.cancel_undeliverable().await? > 0 {}
        if deleted + registrations + decisions > 0 {
            tracing::info!(exchanges = deleted, registrations, decisions, "old records deleted");
        }
        Ok(())
    }

    async fn delete_old_decisions(&self, now: DateTime<Utc>) -> Result<u64, StoreError> {
        let until = now - Days::days(i64::from(self.decision_days));
        let mut deleted = 0;
        loop {
            let gone = self.store.delete_decisions_before(until, CHUNK).await?;
            deleted += gone;
            if gone < CHUNK {
                break;
            }
        }
        Ok(deleted)
    }
}
