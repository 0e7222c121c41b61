//! Asking where a payment goes, and what leaves of an event about it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use plugin_sdk::{ConnectionId, DecisionId, Reason};
use rules::{CallContext, Handler, Input, Outcome, Payment};
use store::{NewDecision, NewEvent};

use super::{DecisionRecord, Rules, broken, event_input, event_limits, seed, shape};
use crate::payments::account::Verdict;
use crate::payments::shadow::ShadowJob;
use crate::tenancy::BoundTenant;

/// Where the rules send a payment.
pub enum Routing {
    /// The merchant has no `route`.
    Unsaid,
    /// Names of connections in the order in which they are tried.
    To(Vec<String>),
    Refused {
        reason: Reason,
        comment: Option<String>,
    },
    /// The rule could not say, or said "later".
    Later,
}

/// What was decided, with the record of it.
pub struct Routed {
    pub routing: Routing,
    pub revision: Option<i32>,
    decision: Option<Arc<DecisionRecord>>,
}

impl Rules {
    /// Which connection takes this payment, and what to fall back to?
    pub async fn route(&self, tenant: &BoundTenant, payment: Payment, now: DateTime<Utc>) -> Routed {
        let unsaid = Routed {
            routing: Routing::Unsaid,
            revision: None,
            decision: None,
        };
        let Some(revision) = tenant.rules.revision_for(known_by(&payment)) else {
            return unsaid;
        };
        if !revision.may_have(Handler::Route) {
            return unsaid;
        }
        let key = payment.id.clone().unwrap_or_default();
        let account = payment.account.clone().unwrap_or_default();
        let context = CallContext {
            now,
            seed: seed(&[&key, "", &account]),
        };
        let made = self
            .ask(tenant, revision, Input::Route(payment), context, &tenant.rules.limits)
            .await;
        (self.canaries).observe(&tenant.rules, revision.number, &made.decision.outcome);
        let routing = match made.decision.outcome.clone() {
            Outcome::NoHandler => return unsaid,
            Outcome::Route { connection, fallbacks } => {
                Routing::To(std::iter::once(connection).chain(fallbacks).collect())
            }
            Outcome::Reject { reason, comment } => Routing::Refused { reason, comment },
            Outcome::RetryLater { .. } => Routing::Later,
            // A broken route never routes; only what it means for the caller is the operator's to say.
            outcome => match broken(&outcome, tenant.rules.settings.on_broken_rule) {
                Verdict::Refused(refusal) if refusal.reason.is_final() => Routing::Refused {
                    reason: refusal.reason,
                    comment: None,
                },
                Verdict::Refused(_) | Verdict::Accepted { .. } => Routing::Later,
            },
        };
        Routed {
            routing,
            revision: Some(revision.number),
            decision: Some(Arc::new(made)),
        }
    }

    /// The row of a routing that is to be stored with its payment.
    pub fn kept_route(&self, tenant: &BoundTenant, connection: ConnectionId, routed: &Routed) -> Option<NewDecision> {
        let record = routed.decision.as_ref();
        let record = record.filter(|_| self.kept != crate::payments::DecisionsKept::None)?;
        let decision = &record.decision;
        let account = match record.input.as_ref() {
            Input::Route(payment) => payment.account.clone(),
            _ => None,
        };
        Some(NewDecision {
            id: DecisionId::generate(),
            merchant_id: tenant.merchant.id,
            connection_id: connection,
            payment_id: None,
            revision: routed.revision.unwrap_or_default(),
            handler: Handler::Route.as_str(),
            command: "create",
            account: account.unwrap_or_default(),
            outcome: decision.outcome.as_str(),
            reason: None,
            steps: decision.steps,
            duration_us: u64::try_from(decision.duration.as_micros()).unwrap_or(u64::MAX),
            created_at: record.context.now,
            record: Arc::clone(record) as Arc<dyn store::Record>,
        })
    }

    /// What the merchant's shadow looks at, once the answer has left.
    pub fn shadowed_route(
        &self,
        tenant: &BoundTenant,
        decision: Option<DecisionId>,
        routed: &Routed,
    ) -> Option<ShadowJob> {
        let (shadow, record) = (tenant.rules.shadow.as_ref()?, routed.decision.as_ref()?);
        Some(ShadowJob {
            shadow: Arc::clone(shadow),
            limits: tenant.rules.limits,
            record: Arc::clone(record),
            decision,
            account: match record.input.as_ref() {
                Input::Route(payment) => known_by(payment).unwrap_or_default().to_owned(),
                _ => String::new(),
            },
        })
    }

    /// Lets the script drop or annotate the deliveries of an event about an order. One that fails changes nothing.
    pub async fn shape_order_event(&self, tenant: &BoundTenant, event: &mut NewEvent, view: Payment) {
        let Some(revision) = tenant.rules.revision_for(known_by(&view)) else {
            return;
        };
        if event.deliveries.is_empty() || !revision.may_have(Handler::Event) {
            return;
        }
        let context = CallContext {
            now: event.created_at,
            seed: seed(&[&event.id.to_string(), "", ""]),
        };
        let input = event_input(event, view);
        let made = self.ask(tenant, revision, input, context, &event_limits(tenant)).await;
        shape(event, made.decision.outcome);
    }
}

/// What tells payments of one payer from those of others: the account, else the order.
fn known_by(payment: &Payment) -> Option<&str> {
    payment.account.as_deref().or(payment.order_id.as_deref())
}
