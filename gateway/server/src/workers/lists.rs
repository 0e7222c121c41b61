//! Gives up imports that nobody works on any longer, and deletes what lists no longer serve.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{Duration as Days, TimeDelta};
use plugin_sdk::Clock;
use store::{Store, StoreError};
use tokio::sync::watch;

use crate::lists::Imports;

const INTERVAL: Duration = Duration::from_secs(2);
/// What need not be soon is done every so many rounds.
const SLOW_ROUNDS: u32 = 30;
/// Lapsed imports that one round gives up.
const LAPSED_PER_ROUND: u64 = 100;
/// Nodes hear of changes within a second; those that were cut off for longer than half of this forget everything.
const CHANGES_KEPT: TimeDelta = TimeDelta::hours(1);
/// How long it can be read what became of an import.
const IMPORTS_KEPT_DAYS: i64 = 30;
/// Payments share the database's one writer (SQLite): no deletion shall keep them waiting for longer.
const CHUNK_TIME: Duration = Duration::from_millis(25);
/// Entries of the first deletion, of the smallest and of the largest.
const CHUNK: u64 = 1_000;
const CHUNK_MIN: u64 = 100;
const CHUNK_MAX: u64 = 20_000;

pub struct ListUpkeep {
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub imports: Imports,
}

impl ListUpkeep {
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        for round in 0_u32.. {
            if let Err(error) = self.round(round, &stop).await {
                tracing::warn!(%error, "lists cannot be tidied up; trying again later");
            }
            tokio::select! {
                () = tokio::time::sleep(INTERVAL) => {}
                _ = stop.changed() => return,
            }
        }
    }

    async fn round(&self, round: u32, stop: &watch::Receiver<bool>) -> Result<(), StoreError> {
        self.imports.give_up_lapsed(LAPSED_PER_ROUND).await?;
        if round.is_multiple_of(SLOW_ROUNDS) {
            let now = self.clock.now();
            self.store.drop_lists_of_deleted_merchants().await?;
            self.store
                .delete_list_records_before(now - CHANGES_KEPT, now - Days::days(IMPORTS_KEPT_DAYS))
                .await?;
        }
        self.delete_dropped(stop).await
    }

    async fn delete_dropped(&self, stop: &watch::Receiver<bool>) -> Result<(), StoreError> {
        let (mut cursor, mut chunk) = (None, CHUNK);
        while !*stop.borrow() {
            let began = Instant::now();
            cursor = self.store.delete_dropped_entries(cursor, chunk).await?;
            if cursor.is_none() {
                break;
            }
            let took = began.elapsed();
            let next = if took > CHUNK_TIME {
                chunk / 2
            } else {
                chunk + chunk / 2
            };
            chunk = next.clamp(CHUNK_MIN, CHUNK_MAX);
        }
        Ok(())
    }
}
