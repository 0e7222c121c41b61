//! Telling a merchant that its rules fail: an event now and then, and a count that never pauses.

use std::time::Duration;

use chrono::{DateTime, Utc};
use moka::sync::Cache;
use plugin_sdk::{EventId, MerchantId};
use rules::ScriptError;
use serde_json::json;
use store::{LogWriter, NewEvent, RuleFailure};

use crate::events;
use crate::tenancy::BoundTenant;

/// A script that fails on every call sends an event this often, not every time.
const EVENT_PAUSE: Duration = Duration::from_secs(60);
/// (Merchant, revision) pairs whose failures are remembered.
const REMEMBERED: u64 = 10_000;

#[derive(Clone)]
pub struct Failures {
    log: LogWriter,
    told: Cache<(MerchantId, i32), ()>,
}

impl Failures {
    pub fn new(log: LogWriter) -> Self {
        let told = Cache::builder()
            .max_capacity(REMEMBERED)
            .time_to_live(EVENT_PAUSE)
            .build();
        Self { log, told }
    }

    pub fn tell(&self, tenant: &BoundTenant, revision: i32, error: &ScriptError, now: DateTime<Utc>) {
        metrics::counter!("tollgate_rule_failures_total", "kind" => error.kind.as_str()).increment(1);
        let failure = RuleFailure {
            merchant_id: tenant.merchant.id,
            revision,
            kind: error.kind.as_str(),
            message: error.message.clone(),
            line: error.line,
            at: now,
        };
        if self.log.rule_failure(failure).is_err() {
            metrics::counter!("tollgate_rule_failures_uncounted_total").increment(1);
        }
        let key = (tenant.merchant.id, revision);
        if self.told.contains_key(&key) {
            return;
        }
        self.told.insert(key, ());
        tracing::warn!(merchant = %tenant.merchant.id, revision, %error, "a rule failed");
        let event = NewEvent {
            id: EventId::generate(),
            merchant_id: tenant.merchant.id,
            event_type: events::RULES_FAILED,
            payment_id: None,
            payload: json!({
                "revision": revision, "kind": error.kind, "message": error.message, "line": error.line,
            }),
            created_at: now,
            deliveries: events::deliveries_for(&tenant.endpoints, events::RULES_FAILED),
        };
        if self.log.event(event).is_err() {
            tracing::warn!(merchant = %tenant.merchant.id, "the event of a failed rule was dropped: too much waits");
        }
    }
}
