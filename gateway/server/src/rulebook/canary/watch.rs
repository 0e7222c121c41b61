//! Adds what this node counted to the rows that all nodes share, and withdraws what left its bounds.

use std::sync::Arc;
use std::time::Duration;

use plugin_sdk::{CanaryId, Clock, EventId, MerchantId};
use serde_json::{Value, json};
use store::{NewEvent, RuleCanary, Store, StoreError};
use tokio::sync::{Notify, watch};

use super::{CanaryBounds, OutOfBounds};
use crate::events;
use crate::payments::{Canaries, CanaryCounts};
use crate::rulebook::json_of;

/// With the time that nodes take to hear of a change, this keeps within a second.
const INTERVAL: Duration = Duration::from_millis(500);

pub struct CanaryWatch {
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub canaries: Canaries,
    pub new_deliveries: Arc<Notify>,
}

impl CanaryWatch {
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut last = false;
        while !last {
            tokio::select! {
                () = tokio::time::sleep(INTERVAL) => {}
                _ = stop.changed() => last = true,
            }
            for (canary, (merchant, counts)) in self.canaries.take() {
                if let Err(error) = self.add(merchant, canary, &counts).await {
                    tracing::warn!(%error, %canary, "what a canary did cannot be added; trying again");
                    self.canaries.put_back(canary, merchant, &counts);
                }
            }
        }
    }

    async fn add(&self, merchant: MerchantId, id: CanaryId, counts: &CanaryCounts) -> Result<(), StoreError> {
        let merge = |stored: Value| {
            let mut sum = read_counts(stored)?;
            sum.add(counts);
            json_of(&sum)
        };
        let added = (self.store.add_to_canary(merchant, id, merge, self.clock.now())).await?;
        let Some(canary) = added else { return Ok(()) };
        let bounds: CanaryBounds = serde_json::from_value(canary.bounds.clone()).map_err(corrupt)?;
        let sum = read_counts(canary.counts.clone())?;
        let Some(out) = bounds.judge(&sum) else { return Ok(()) };
        // What was counted is stored. Should this fail, whoever adds next judges again.
        if let Err(error) = self.withdraw(&canary, &out).await {
            tracing::warn!(%error, canary = %id, "a canary that left its bounds cannot be withdrawn yet");
        }
        Ok(())
    }

    async fn withdraw(&self, canary: &RuleCanary, out: &OutOfBounds) -> Result<(), StoreError> {
        let (merchant, now) = (canary.merchant_id, self.clock.now());
        let published = self.store.merchant(merchant).await?.published_rules;
        let reason = json!({
            "bound": out.bound, "limit": out.limit, "measured": out.measured, "counts": canary.counts,
        });
        let event = NewEvent {
            id: EventId::generate(),
            merchant_id: merchant,
            event_type: events::CANARY_WITHDRAWN,
            payment_id: None,
            payload: json!({
                "canary": canary.id, "revision": canary.revision, "published": published, "share_bp": canary.share_bp,
                "bound": out.bound, "limit": out.limit, "measured": out.measured, "counts": canary.counts,
            }),
            created_at: now,
            deliveries: events::deliveries_for(&self.store.endpoints(merchant).await?, events::CANARY_WITHDRAWN),
        };
        if (self.store.withdraw_canary(merchant, canary.id, reason, event, now)).await? {
            metrics::counter!("tollgate_canaries_withdrawn_total").increment(1);
            tracing::warn!(%merchant, revision = canary.revision, bound = out.bound, measured = out.measured,
                "a canary left its bounds and is withdrawn");
            self.new_deliveries.notify_one();
        }
        Ok(())
    }
}

fn read_counts(stored: Value) -> Result<CanaryCounts, StoreError> {
    serde_json::from_value(stored).map_err(corrupt)
}

fn corrupt(error: serde_json::Error) -> StoreError {
    StoreError::Corrupt(format!("a canary's row: {error}"))
}
