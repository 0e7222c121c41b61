//! Asking the merchant's rules.

mod route;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use chrono::{DateTime, Utc};
use plugin_sdk::{Command, DecisionId, Field, Money, NetworkRequest, Reason, Refusal};
use rules::{
    CallContext, CallLimits, CheckRequest, Decision, Engine, ErrorKind, Event, Handler, HostQuestion, Input, Note,
    Outcome, Payment, ScriptError, Surroundings,
};
use serde_json::{Value, json};
use store::{LogWriter, NewEvent};

use crate::payments::account::Verdict;
use crate::payments::canary::Canaries;
use crate::payments::failures::Failures;
use crate::payments::host::Hosts;
use crate::payments::record::{self, DecisionRecord, DecisionsKept};
use crate::payments::shadow::{Behind, ShadowJob};
use crate::tenancy::{BoundConnection, BoundRevision, BoundTenant, OnBrokenRule};

pub use route::{Routed, Routing};

/// A payment is not committed before its event was looked at, so an `event` handler gets this long at most.
const EVENT_TIME_MAX: Duration = Duration::from_millis(500);
/// Names of the fields that tell the payer what the payment costs.
const FEE_FIELD: &str = "fee";
const FEE_TEXT_FIELD: &str = "fee_text";
/// Where the notes of an `event` handler stand in the event.
const NOTES: &str = "notes";
/// What the seed of a decision is made under. It never changes: stored decisions depend on it.
const SEED_SCHEME: &[u8] = b"tollgate decision seed 1";

/// The rules of all merchants, as the payment core asks them.
#[derive(Clone)]
pub struct Rules {
    engine: Engine,
    hosts: Hosts,
    failures: Failures,
    kept: DecisionsKept,
    canaries: Canaries,
}

/// What is asked, and for whom.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub tenant: &'a BoundTenant,
    pub connection: &'a BoundConnection,
    pub request: &'a NetworkRequest,
    pub now: DateTime<Utc>,
}

impl Asked<'_> {
    fn revision(&self) -> Option<&Arc<BoundRevision>> {
        self.tenant.rules.revision_for(self.request.account.as_deref())
    }
}

/// What the rules said, and the record of it.
pub struct Ruling {
    /// `None` when the script has no `check`.
    pub verdict: Option<Verdict>,
    /// What the operation keeps of it, for as long as there is a payment.
    pub summary: Value,
    pub revision: i32,
    /// Keys whose velocity the script asked for: a pay is counted under them.
    pub velocity_keys: Vec<String>,
}

/// What the payer pays on top of the amount.
pub enum Fee {
    None,
    Of {
        amount: Money,
        text: Option<String>,
    },
    /// The rule is broken, and that means no.
    Refused(Refusal),
}

impl Rules {
    pub fn new(engine: Engine, log: LogWriter, hosts: Hosts, kept: DecisionsKept, canaries: Canaries) -> Self {
        Self {
            engine,
            hosts,
            failures: Failures::new(log),
            kept,
            canaries,
        }
    }

    /// May this account be paid? `None` when the merchant has no script.
    pub async fn check(&self, asked: &Asked<'_>, behind: &mut Behind) -> Option<Ruling> {
        let input = || Input::Check(check_request(asked));
        let Some(revision) = asked.revision() else {
            not_asked(asked, input, behind);
            return None;
        };
        let made = (self.decide(asked, revision, input(), &asked.tenant.rules.limits)).await?;
        metrics::histogram!("tollgate_decision_seconds").record(made.decision.duration.as_secs_f64());
        (self.canaries).observe(&asked.tenant.rules, revision.number, &made.decision.outcome);
        // Only a pay makes an operation that keeps it.
        let pays = asked.request.command == Command::Pay;
        let mut summary = if pays { summary(&made.decision) } else { Value::Null };
        let outcome = made.decision.outcome.clone();
        let velocity_keys = velocity_keys(&made.decision);
        let stored = self.leave(asked, revision, made, behind);
        if let (Some(id), Value::Object(summary)) = (stored, &mut summary) {
            summary.insert("id".to_owned(), json!(id));
        }
        Some(Ruling {
            summary,
            velocity_keys,
            verdict: verdict(outcome, asked.tenant.rules.settings.on_broken_rule),
            revision: revision.number,
        })
    }

    /// What does the payer pay on top? Asked for accounts that may be paid, once there is an amount.
    pub async fn fee(&self, asked: &Asked<'_>, behind: &mut Behind) -> Fee {
        let Some(amount) = asked.request.amount else {
            return Fee::None;
        };
        let input = || Input::Fee(payment(asked, amount));
        let Some(revision) = (asked.revision()).filter(|revision| revision.may_have(Handler::Fee)) else {
            not_asked(asked, input, behind);
            return Fee::None;
        };
        let Some(made) = self.decide(asked, revision, input(), &asked.tenant.rules.limits).await else {
            return Fee::None;
        };
        let fee = match made.decision.outcome.clone() {
            Outcome::NoHandler => {
                shadow(asked, &Arc::new(made), None, behind);
                return Fee::None;
            }
            Outcome::Fee { amount, text } => Fee::Of { amount, text },
            Outcome::NoFee => Fee::None,
            outcome => match broken(&outcome, asked.tenant.rules.settings.on_broken_rule) {
                Verdict::Accepted { .. } => Fee::None,
                Verdict::Refused(refusal) => Fee::Refused(refusal),
            },
        };
        self.leave(asked, revision, made, behind);
        fee
    }

    /// Whether anybody waits for this event, and the script may have something to say about it.
    pub fn shapes_event(&self, asked: &Asked<'_>, event: &NewEvent) -> bool {
        !event.deliveries.is_empty()
            && asked
                .revision()
                .is_some_and(|revision| revision.may_have(Handler::Event))
    }

    /// Lets the script drop or annotate the deliveries of an event. One that fails changes nothing.
    pub async fn shape_event(&self, asked: &Asked<'_>, event: &mut NewEvent, view: Payment) {
        let Some(revision) = asked.revision() else {
            return;
        };
        let input = event_input(event, view);
        let made = self.decide(asked, revision, input, &event_limits(asked.tenant)).await;
        if let Some(made) = made {
            shape(event, made.decision.outcome);
        }
    }

    /// Runs one handler, and tells the merchant when it fails. `None` when the script is known not to have it.
    async fn decide(
        &self,
        asked: &Asked<'_>,
        revision: &BoundRevision,
        input: Input,
        limits: &CallLimits,
    ) -> Option<DecisionRecord> {
        let handler = input.handler();
        if handler != Handler::Check && !revision.may_have(handler) {
            return None;
        }
        Some(self.ask(asked.tenant, revision, input, context(asked), limits).await)
    }

    /// Runs the handler that the input is for, and tells the merchant when it fails.
    async fn ask(
        &self,
        tenant: &BoundTenant,
        revision: &BoundRevision,
        input: Input,
        context: CallContext,
        limits: &CallLimits,
    ) -> DecisionRecord {
        let (handler, input) = (input.handler(), Arc::new(input));
        let decision = match &revision.program {
            Ok(program) => {
                let host = self.hosts.of(
                    tenant.merchant.id,
                    &tenant.connections,
                    &tenant.rules.settings.http_hosts,
                    &tenant.rules.secrets,
                );
                let surroundings = Surroundings {
                    host: &host,
                    limits: Some(limits),
                    allowance: Some(&tenant.rules.allowance),
                    breaker: Some(&revision.breaker),
                };
                self.engine.run(program, &input, &context, &surroundings).await
            }
            Err(message) => not_compiled(message),
        };
        match &decision.outcome {
            Outcome::Failed(error) => self.failures.tell(tenant, revision.number, error, context.now),
            Outcome::NoHandler => revision.remember_lacking(handler),
            _ => {}
        }
        DecisionRecord {
            input,
            context,
            decision,
            masked: false,
        }
    }

    /// Leaves a decision to be stored, if it is one of those that are kept, and to the shadow. Gives its id if stored.
    fn leave(
        &self,
        asked: &Asked<'_>,
        revision: &BoundRevision,
        made: DecisionRecord,
        behind: &mut Behind,
    ) -> Option<DecisionId> {
        let made = Arc::new(made);
        let keeps = self.kept.keeps(asked.request.command, &made.decision.outcome);
        let row = keeps.then(|| record::row(asked, revision.number, Arc::clone(&made)));
        let id = row.as_ref().map(|row| row.id);
        behind.decisions.extend(row);
        shadow(asked, &made, id, behind);
        id
    }
}

/// What an `event` handler is asked.
fn event_input(event: &NewEvent, view: Payment) -> Input {
    Input::Event(Event {
        id: Some(event.id.to_string()),
        event_type: event.event_type.to_owned(),
        payment: Some(view),
        data: event.payload.clone(),
        at: event.created_at,
    })
}

fn event_limits(tenant: &BoundTenant) -> CallLimits {
    let mut limits = tenant.rules.limits;
    limits.decision = limits.decision.min(EVENT_TIME_MAX);
    limits
}

/// What an `event` handler answered. One that failed changes nothing.
fn shape(event: &mut NewEvent, outcome: Outcome) {
    match outcome {
        Outcome::Drop => event.deliveries.clear(),
        Outcome::Annotate { notes } => annotate(&mut event.payload, notes),
        _ => {}
    }
}

/// Leaves a decision to the merchant's shadow, if there is one.
fn shadow(asked: &Asked<'_>, made: &Arc<DecisionRecord>, decision: Option<DecisionId>, behind: &mut Behind) {
    behind
        .shadowed
        .extend(asked.tenant.rules.shadow.as_ref().map(|shadow| ShadowJob {
            shadow: Arc::clone(shadow),
            limits: asked.tenant.rules.limits,
            record: Arc::clone(made),
            decision,
            account: asked.request.account.clone().unwrap_or_default(),
        }));
}

/// What nobody answered for lack of a handler; the script in the shadow may have one.
fn not_asked(asked: &Asked<'_>, input: impl FnOnce() -> Input, behind: &mut Behind) {
    if asked.tenant.rules.shadow.is_none() {
        return;
    }
    let made = DecisionRecord {
        input: Arc::new(input()),
        context: context(asked),
        decision: Decision {
            outcome: Outcome::NoHandler,
            ..not_compiled("")
        },
        masked: false,
    };
    shadow(asked, &Arc::new(made), None, behind);
}

/// The decision of a revision that this version cannot compile any more.
fn not_compiled(message: &str) -> Decision {
    Decision::not_run(ScriptError {
        kind: ErrorKind::Runtime,
        message: message.to_owned(),
        line: None,
        traceback: Vec::new(),
    })
}

fn check_request(asked: &Asked<'_>) -> CheckRequest {
    let request = asked.request;
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
        at: moment(asked),
        extras: request.extras.clone(),
    }
}

/// The payment as its network tells of it: the same at a check as at the pay that follows.
pub fn payment(asked: &Asked<'_>, amount: Money) -> Payment {
    let request = asked.request;
    Payment {
        account: request.account.clone(),
        txn_id: request.key.as_ref().map(ToString::to_string),
        service: request.service.clone(),
        connection: Some(asked.connection.row.slug.clone()),
        extras: request.extras.clone(),
        ..Payment::new(amount, moment(asked))
    }
}

fn moment(asked: &Asked<'_>) -> DateTime<Utc> {
    asked.request.booking.as_ref().map_or(asked.now, |booking| booking.at)
}

fn context(asked: &Asked<'_>) -> CallContext {
    let key = match &asked.request.key {
        Some(key) => [key.key1.as_str(), key.key2.as_str()],
        None => [asked.request.key_echo.as_str(), ""],
    };
    let account = asked.request.account.as_deref().unwrap_or_default();
    CallContext {
        now: asked.now,
        seed: seed(&[key[0], key[1], account]),
    }
}

/// The first eight bytes of the SHA-256 of the scheme's name and the parts, each part behind its length. The same
/// request draws the same lot, so a repeat or a replay cannot fall to the other side of a split.
fn seed(parts: &[&str]) -> u64 {
    let mut hash = Context::new(&SHA256);
    hash.update(SEED_SCHEME);
    for part in parts {
        hash.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let first = hash.finish().as_ref().first_chunk().copied();
    u64::from_be_bytes(first.unwrap_or_default())
}

fn velocity_keys(decision: &Decision) -> Vec<String> {
    let keys = decision.calls.iter().filter_map(|call| match &call.question {
        HostQuestion::Velocity { key, .. } => Some(key.clone()),
        HostQuestion::ListGet { .. } | HostQuestion::Health { .. } | HostQuestion::Http(_) => None,
    });
    keys.collect()
}

fn verdict(outcome: Outcome, on_broken: OnBrokenRule) -> Option<Verdict> {
    match outcome {
        Outcome::NoHandler => None,
        Outcome::Accept { comment, fields } => Some(Verdict::Accepted { comment, fields }),
        Outcome::Reject { reason, comment } => Some(Verdict::Refused(Refusal { reason, comment })),
        Outcome::RetryLater { comment } => Some(Verdict::Refused(Refusal {
            reason: Reason::Temporary,
            comment,
        })),
        outcome => Some(broken(&outcome, on_broken)),
    }
}

/// What a call without a usable answer means. The payer must not read a script's error text. What the script's
/// surroundings did to it may pass, so it is never final.
fn broken(outcome: &Outcome, on_broken: OnBrokenRule) -> Verdict {
    let is_the_scripts = match outcome {
        Outcome::Failed(error) => error.kind.is_the_scripts() || error.kind == ErrorKind::Suspended,
        // The engine lets no handler answer with another's verb.
        _ => true,
    };
    match on_broken {
        OnBrokenRule::Accept if is_the_scripts => Verdict::yes(),
        OnBrokenRule::Reject if is_the_scripts => Verdict::Refused(Reason::Forbidden.into()),
        _ => Verdict::Refused(Reason::Temporary.into()),
    }
}

/// Shows the fee to the payer. A field of the script's own with that name gives way: what is shown is what is stored.
pub fn show_fee(fields: &mut Vec<Field>, amount: Money, text: Option<String>) {
    fields.retain(|field| field.name != FEE_FIELD && field.name != FEE_TEXT_FIELD);
    let field = |name: &str, value| Field {
        name: name.to_owned(),
        value,
    };
    fields.push(field(FEE_FIELD, amount.to_string()));
    fields.extend(text.map(|text| field(FEE_TEXT_FIELD, text)));
}

fn annotate(payload: &mut Value, notes: BTreeMap<String, Note>) {
    if let Value::Object(payload) = payload {
        payload.insert(NOTES.to_owned(), json!(notes));
    }
}

fn summary(decision: &Decision) -> Value {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Stored decisions are replayed with this number years later.
    #[test]
    fn the_seed_of_a_request_never_changes() {
        assert_eq!(seed(&["1234567", "", "4957835959"]), 4_593_239_412_857_835_698);
        assert_ne!(seed(&["a", "b"]), seed(&["ab", ""]));
    }

    #[test]
    fn what_passes_by_itself_is_never_final() {
        let failed = |kind| {
            Outcome::Failed(ScriptError {
                kind,
                message: String::new(),
                line: None,
                traceback: Vec::new(),
            })
        };
        let reason = |kind, on_broken| match broken(&failed(kind), on_broken) {
            Verdict::Accepted { .. } => None,
            Verdict::Refused(refusal) => Some(refusal.reason),
        };
        for kind in [
            ErrorKind::Busy,
            ErrorKind::HostUnavailable,
            ErrorKind::HostTimeout,
            ErrorKind::Internal,
        ] {
            for on_broken in [OnBrokenRule::Retry, OnBrokenRule::Accept, OnBrokenRule::Reject] {
                assert_eq!(reason(kind, on_broken), Some(Reason::Temporary));
            }
        }
        for kind in [
            ErrorKind::Runtime,
            ErrorKind::StepLimit,
            ErrorKind::BadAnswer,
            ErrorKind::Suspended,
        ] {
            assert_eq!(reason(kind, OnBrokenRule::Retry), Some(Reason::Temporary));
            assert_eq!(reason(kind, OnBrokenRule::Reject), Some(Reason::Forbidden));
            assert_eq!(reason(kind, OnBrokenRule::Accept), None);
        }
    }
}
