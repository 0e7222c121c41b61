//! How a canary and the published revision do, counted on one node until somebody takes it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use plugin_sdk::{CanaryId, MerchantId};
use rules::{ErrorKind, Outcome};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::tenancy::BoundRules;

/// Connections whose share is told apart; scripts may name routes without end.
const ROUTES_MAX: usize = 100;
const OTHER_ROUTES: &str = "other routes";

/// What the two revisions decided since the canary started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CanaryCounts {
    /// For the accounts of the canary.
    pub canary: ArmCounts,
    /// For all other accounts.
    pub published: ArmCounts,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ArmCounts {
    /// Calls that were decided, or failed by the script's own fault or by what it asked.
    pub decisions: u64,
    /// Those among them that failed.
    pub errors: u64,
    /// Those that ended in `reject`.
    pub refusals: u64,
    /// Those that named a connection, by connection.
    #[serde(default)]
    pub routes: BTreeMap<String, u64>,
}

impl ArmCounts {
    fn count(&mut self, outcome: &Outcome) {
        match outcome {
            // Of the surroundings, on both sides alike: it says nothing of a script.
            Outcome::Failed(error) if matches!(error.kind, ErrorKind::Busy | ErrorKind::Internal) => return,
            Outcome::Failed(_) => self.errors += 1,
            Outcome::Reject { .. } => self.refusals += 1,
            Outcome::Route { connection, .. } => self.count_route(connection, 1),
            _ => {}
        }
        self.decisions += 1;
    }

    fn count_route(&mut self, connection: &str, count: u64) {
        let known = self.routes.contains_key(connection) || self.routes.len() < ROUTES_MAX;
        let connection = if known { connection } else { OTHER_ROUTES };
        *self.routes.entry(connection.to_owned()).or_default() += count;
    }

    fn add(&mut self, more: &Self) {
        self.decisions += more.decisions;
        self.errors += more.errors;
        self.refusals += more.refusals;
        for (connection, count) in &more.routes {
            self.count_route(connection, *count);
        }
    }
}

impl CanaryCounts {
    pub fn add(&mut self, more: &Self) {
        self.canary.add(&more.canary);
        self.published.add(&more.published);
    }
}

/// The counts of all canaries on a node. Kept small: each is taken away about twice a second.
#[derive(Clone, Default)]
pub struct Canaries {
    counts: Arc<Mutex<Counted>>,
}

type Counted = HashMap<CanaryId, (MerchantId, CanaryCounts)>;

impl Canaries {
    /// Counts what one of the merchant's two revisions decided. Nothing without a canary.
    pub fn observe(&self, rules: &BoundRules, revision: i32, outcome: &Outcome) {
        let Some(canary) = &rules.canary else { return };
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, counts) = counts
            .entry(canary.id)
            .or_insert_with(|| (canary.merchant, CanaryCounts::default()));
        if revision == canary.revision.number {
            counts.canary.count(outcome);
        } else {
            counts.published.count(outcome);
        }
    }

    /// What was counted since this was asked last.
    #[must_use]
    pub fn take(&self) -> Counted {
        std::mem::take(&mut *self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts what could not be added to the rows after all.
    pub fn put_back(&self, canary: CanaryId, merchant: MerchantId, more: &CanaryCounts) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, counts) = counts
            .entry(canary)
            .or_insert_with(|| (merchant, CanaryCounts::default()));
        counts.add(more);
    }
}
