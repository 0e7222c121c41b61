//! Deletes what is kept for a time only.

use std::sync::Arc;
use std::time::Duration;

use chrono::Duration as Days;
use plugin_sdk::Clock;
use store::{DecisionShare, Store, StoreError, delete_in_chunks};
use tokio::sync::watch;

const INTERVAL: Duration = Duration::from_secs(60);
/// Rows of one statement: a few hundredths of a second, in which SQLite writes nothing else.
const CHUNK: u64 = 1_000;

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
            let sweep = async {
                if let Err(error) = self.sweep(&mut share).await {
                    tracing::warn!(%error, "old records cannot be deleted; trying again later");
                }
                tokio::time::sleep(INTERVAL).await;
            };
            // A sweep may take long, and whatever it had not deleted yet the next start does.
            tokio::select! {
                () = sweep => {}
                _ = stop.changed() => return,
            }
        }
    }

    async fn sweep(&self, share: &mut DecisionShare) -> Result<(), StoreError> {
        let (store, now) = (&self.store, self.clock.now());
        let before = |days: u32| now - Days::days(i64::from(days));
        let until = before(self.exchange_days);
        let exchanges = delete_in_chunks(CHUNK, |rows| store.delete_exchanges_before(until, rows)).await?;
        let until = before(self.registration_days);
        let registrations = delete_in_chunks(CHUNK, |rows| store.delete_registrations_before(until, rows)).await?;
        let until = before(self.key_days);
        delete_in_chunks(CHUNK, |rows| store.delete_keys_before(until, rows)).await?;
        let until = before(self.decision_days);
        let old = delete_in_chunks(CHUNK, |rows| store.delete_decisions_before(until, rows)).await?;
        let decisions = old + share.sweep(now).await?;
        while store.cancel_undeliverable().await? > 0 {}
        if exchanges + registrations + decisions > 0 {
            tracing::info!(exchanges, registrations, decisions, "old records deleted");
        }
        Ok(())
    }
}
