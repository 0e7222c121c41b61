//! Asking the merchant's rules.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use moka::sync::Cache;
use plugin_sdk::{Command, EventId, MerchantId, NetworkRequest, Reason, Refusal};
use rules::{CallContext, CheckRequest, Decision, Engine, Outcome};
use serde_json::{Value, json};
use store::{LogWriter, NewEvent};

use crate::events;
use crate::payments::account::Verdict;
use crate::tenancy::{BoundRules, BoundTenant};

/// A script that fails on every call tells its merchant this often, not every time.
const FAILURE_EVENT_PAUSE: Duration = Duration::from_secs(60);
/// (Merchant, revision) pairs whose failures are remembered.
const FAILURES_REMEMBERED: u64 = 10_000;

/// The rules of all merchants, as the payment core asks them.
#[derive(Clone)]
pub struct Rules {
    engine: Engine,
    log: LogWriter,
    told: Cache<(MerchantId, i32), ()>,
}

/// What the rules said, and the record of it.
pub struct Ruling {
    /// `None` when the script has no `check`.
    pub verdict: Option<Verdict>,
    pub record: Value,
    pub revision: i32,
}

impl Rules {
    pub fn new(engine: Engine, log: LogWriter) -> Self {
        let told = Cache::builder()
            .max_capacity(FAILURES_REMEMBERED)
            .time_to_live(FAILURE_EVENT_PAUSE)
            .build();
        Self { engine, log, told }
    }

    /// `None` when the merchant has no script.
    pub async fn ask(&self, tenant: &BoundTenant, request: &NetworkRequest, now: DateTime<Utc>) -> Option<Ruling> {
        let bound = tenant.rules.as_ref()?;
        let program = match &bound.program {
            Ok(program) => Arc::clone(program),
            Err(error) => {
                self.tell_failure(tenant, bound, error, None, now);
                let record = json!({ "outcome": "failed", "error": error });
                return Some(Ruling {
                    verdict: Some(retry_later(None)),
                    record,
                    revision: bound.revision,
                });
            }
        };
        let decision = self
            .engine
            .check(&program, &check_request(request, now), &context(request, now))
            .await;
        if let Outcome::Failed(error) = &decision.outcome {
            self.tell_failure(tenant, bound, &error.to_string(), error.line, now);
        }
        metrics::histogram!("tollgate_decision_seconds").record(decision.duration.as_secs_f64());
        let record = record(&decision);
        Some(Ruling {
            verdict: verdict(decision),
            record,
            revision: bound.revision,
        })
    }

    fn tell_failure(
        &self,
        tenant: &BoundTenant,
        bound: &BoundRules,
        error: &str,
        line: Option<u32>,
        now: DateTime<Utc>,
    ) {
        metrics::counter!("tollgate_rule_failures_total").increment(1);
        let key = (tenant.merchant.id, bound.revision);
        if self.told.contains_key(&key) {
            return;
        }
        self.told.insert(key, ());
        tracing::warn!(merchant = %tenant.merchant.id, revision = bound.revision, error, "a rule failed");
        let event = NewEvent {
            id: EventId::generate(),
            merchant_id: tenant.merchant.id,
            event_type: events::RULES_FAILED,
            payment_id: None,
            payload: json!({ "revision": bound.revision, "message": error, "line": line }),
            created_at: now,
            deliveries: events::deliveries_for(&tenant.endpoints, events::RULES_FAILED),
        };
        if self.log.event(event).is_err() {
            tracing::warn!(merchant = %tenant.merchant.id, "the event of a failed rule was dropped: too much waits");
        }
    }
}

fn check_request(request: &NetworkRequest, now: DateTime<Utc>) -> CheckRequest {
    CheckRequest {
        command: match request.command {
            Command::Pay => rules::Command::Pay,
            Command::Check => rules::Command::Check,
            Command::Info | Command::Unknown => rules::Command::Info,
        },
        account: request.account.clone().unwrap_or_default(),
        amount: request.amount,
        txn_id: request.key.as_ref().map(ToString::to_string),
        service: request.service.clone(),
        at: request.booking.as_ref().map_or(now, |booking| booking.at),
        extras: request.extras.clone(),
    }
}

/// The same request draws the same lot, so a repeat or a replay cannot fall to the other side of a split.
fn context(request: &NetworkRequest, now: DateTime<Utc>) -> CallContext {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    request.key_echo.hash(&mut hasher);
    request.account.hash(&mut hasher);
    CallContext {
        now,
        seed: hasher.finish(),
    }
}

fn verdict(decision: Decision) -> Option<Verdict> {
    match decision.outcome {
        Outcome::NoHandler => None,
        Outcome::Accept { comment, fields } => Some(Verdict::Accepted { comment, fields }),
        Outcome::Reject { reason, comment } => Some(Verdict::Refused(Refusal { reason, comment })),
        Outcome::RetryLater { comment } => Some(retry_later(comment)),
        // Never an accept. The payer must not read a script's error text.
        Outcome::Failed(_) => Some(retry_later(None)),
        // The engine lets no handler answer with another's verb.
        Outcome::Route { .. }
        | Outcome::Fee { .. }
        | Outcome::NoFee
        | Outcome::Deliver
        | Outcome::Drop
        | Outcome::Annotate { .. } => Some(retry_later(None)),
    }
}

fn retry_later(comment: Option<String>) -> Verdict {
    Verdict::Refused(Refusal {
        reason: Reason::Temporary,
        comment,
    })
}

fn record(decision: &Decision) -> Value {
    let (reason, error) = match &decision.outcome {
        Outcome::Reject { reason, .. } => (Some(reason.as_str()), None),
        Outcome::Failed(error) => (None, Some(error.to_string())),
        _ => (None, None),
    };
    let log: Vec<_> = decision.log.iter().map(|line| line.text.clone()).collect();
    json!({
        "outcome": decision.outcome.as_str(),
        "reason": reason,
        "error": error,
        "steps": decision.steps,
        "duration_us": u64::try_from(decision.duration.as_micros()).unwrap_or(u64::MAX),
        "log": log,
    })
}
