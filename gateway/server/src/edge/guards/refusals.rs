//! What guards refused, counted by merchant, subject and reason, and told to that merchant.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use plugin_sdk::{Clock, MerchantId};
use store::{GuardRefusals, Store};
use tokio::sync::watch;

use super::{Level, Reason};

/// How often counts are written down.
const WRITTEN_EVERY: Duration = Duration::from_secs(1);
/// How often old counts are forgotten.
const FORGOTTEN_EVERY: Duration = Duration::from_secs(600);
/// Counts are kept for two days.
const KEPT_MINUTES: i64 = 2 * 24 * 60;
/// Minutes that are forgotten with one statement.
const FORGOTTEN_AT_ONCE: u64 = 120;
/// Kinds of refusals that a node counts at once. Beyond it they are in the metrics only.
const KINDS_MAX: usize = 50_000;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    merchant: MerchantId,
    level: Level,
    subject: String,
    reason: Reason,
    minute: i64,
}

/// One for each node; cheap to clone.
#[derive(Clone)]
pub struct Refusals {
    store: Store,
    clock: Arc<dyn Clock>,
    counts: Arc<Mutex<HashMap<Kind, i64>>>,
}

impl Refusals {
    #[must_use]
    pub fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            counts: Arc::default(),
        }
    }

    /// `subject`: name of the connection or id of the key; empty for the merchant itself.
    pub fn count(&self, merchant: MerchantId, level: Level, subject: &str, reason: Reason) {
        metrics::counter!("tollgate_refused_total", "guard" => reason.as_str()).increment(1);
        let kind = Kind {
            merchant,
            level,
            subject: subject.to_owned(),
            reason,
            minute: minute_of(self.clock.now()),
        };
        let mut counts = self.counts();
        let crowded = counts.len() >= KINDS_MAX;
        match counts.get_mut(&kind) {
            Some(count) => *count += 1,
            None if crowded => {}
            None => drop(counts.insert(kind, 1)),
        }
    }

    /// What was refused to a merchant from `since` on, by all nodes; the latest of this node are among them.
    pub async fn since(
        &self,
        merchant: MerchantId,
        since: DateTime<Utc>,
    ) -> Result<Vec<GuardRefusals>, store::StoreError> {
        // What is not written yet is written first, so that nobody counts it twice or not at all.
        self.write_down().await?;
        self.store.guard_refusals(merchant, minute_of(since)).await
    }

    /// Runs for as long as the node does.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut forgotten = std::time::Instant::now();
        loop {
            tokio::select! {
                () = tokio::time::sleep(WRITTEN_EVERY) => {}
                _ = stop.changed() => {
                    drop(self.write_down().await);
                    return;
                }
            }
            if let Err(error) = self.write_down().await {
                tracing::debug!(%error, "refusals cannot be written down yet");
            }
            if forgotten.elapsed() >= FORGOTTEN_EVERY {
                forgotten = std::time::Instant::now();
                self.forget().await;
            }
        }
    }

    async fn write_down(&self) -> Result<(), store::StoreError> {
        let counts = std::mem::take(&mut *self.counts());
        if counts.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = counts.iter().map(|(kind, count)| kind.row(*count)).collect();
        let written = self.store.add_guard_refusals(&rows).await;
        if written.is_err() {
            let mut now = self.counts();
            for (kind, count) in counts {
                if now.len() < KINDS_MAX {
                    *now.entry(kind).or_default() += count;
                }
            }
        }
        written
    }

    async fn forget(&self) {
        let before = minute_of(self.clock.now()) - KEPT_MINUTES;
        while let Ok(true) = self.store.forget_guard_refusals(before, FORGOTTEN_AT_ONCE).await {}
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<Kind, i64>> {
        // A map of numbers is whole, whoever panicked beside it.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kind {
    fn row(&self, count: i64) -> GuardRefusals {
        GuardRefusals {
            merchant_id: self.merchant,
            level: self.level.as_str().to_owned(),
            subject: self.subject.clone(),
            reason: self.reason.as_str().to_owned(),
            minute: self.minute,
            count,
        }
    }
}

fn minute_of(moment: DateTime<Utc>) -> i64 {
    moment.timestamp().div_euclid(60)
}
