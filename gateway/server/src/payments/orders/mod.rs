//! Payments that merchants' systems make: route, intent, the network's word, and what follows from it.
//!
//! Before anything is sent, the payment and its operation are stored as an intent; after the network's word they are
//! brought up to date in one transaction with the events that tell of it and the answer that the caller gets. A crash in
//! between leaves an operation that [`recovery`] settles by asking the network.

mod accounts;
mod create;
mod error;
mod notify;
pub mod progress;
pub mod recovery;
mod request;
mod settle;
#[cfg(test)]
mod settle_tests;
mod steps;
mod tokens;
pub mod view;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use plugin_sdk::connector::{
    ConnectorError, Context, IssuedToken, KnownStep, NetworkFault, OutboundConnection, PaymentRef, StatusQuestion,
    Step, StepKind,
};
use plugin_sdk::{Clock, EventId, MerchantId, Money, OperationId, PaymentId, TokenId};
use secrecy::SecretString;
use serde_json::Value;
use store::{
    KeyAnswer, KeyClaim, LogWriter, NewEvent, NewPaymentToken, OperationStatus, OrderChange, OrderOperation,
    OrderState, OrderWritten, Store,
};
use tokio::sync::Notify;

use crate::access::sealing::Sealer;
use crate::edge::upstream::{UpstreamClient, Upstreams};
use crate::events;
use crate::payments::canary::Canaries;
use crate::payments::decision::Rules;
use crate::payments::host::Hosts;
use crate::payments::record::DecisionsKept;
use crate::payments::shadow::Shadows;
use crate::tenancy::{BoundConnection, BoundTenant, Directory};

pub use error::OrderError;
pub use notify::{Notified, Refusal};
pub use request::{
    CaptureRequest, MethodRequest, NewPaymentRequest, NewPayoutRequest, RecipientRequest, ReturnRequest,
};
use settle::{Settled, Settling};

/// A change that was overtaken by another is made again this often.
const OVERTAKEN_MAX: u32 = 8;

/// Makes payments at networks. One for each node; cheap to clone.
#[derive(Clone)]
pub struct Orders {
    parts: Arc<Parts>,
    rules: Rules,
}

/// The parts that [`Orders`] is made of.
pub struct Parts {
    pub store: Store,
    pub directory: Directory,
    pub upstreams: Upstreams,
    pub engine: rules::Engine,
    pub hosts: Hosts,
    pub log: LogWriter,
    pub decisions_kept: DecisionsKept,
    pub shadows: Shadows,
    pub canaries: Canaries,
    pub sealer: Arc<Sealer>,
    pub clock: Arc<dyn Clock>,
    /// Wakes who sends webhooks when there is a new one.
    pub new_deliveries: Arc<Notify>,
    /// How long one operation may take, whatever its connector does.
    pub operation_timeout: Duration,
    /// Where networks reach our public listener; without it they cannot be told where to notify us.
    pub public_url: Option<String>,
}

/// A request's key, with the hash of the request.
#[derive(Debug, Clone)]
pub struct RequestKey {
    pub key: String,
    pub hash: String,
}

/// What the caller is answered: of a repeat, byte for byte what the first one was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: String,
    pub repeated: bool,
}

impl Answer {
    fn new(status: u16, body: &Value) -> Self {
        Self {
            status,
            body: body.to_string(),
            repeated: false,
        }
    }
}

impl Orders {
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let rules = Rules::new(
            parts.engine.clone(),
            parts.log.clone(),
            parts.hosts.clone(),
            parts.decisions_kept,
            parts.canaries.clone(),
        );
        Self {
            parts: Arc::new(parts),
            rules,
        }
    }

    fn now(&self) -> DateTime<Utc> {
        self.parts.clock.now()
    }

    /// When an operation that starts now is given up.
    fn deadline(&self) -> DateTime<Utc> {
        self.now() + chrono::Duration::from_std(self.parts.operation_timeout).unwrap_or_default()
    }

    /// An operation that the network does not know may still be on its way to it for so long.
    fn on_its_way(&self) -> chrono::Duration {
        chrono::Duration::from_std(self.parts.operation_timeout * 6 / 5).unwrap_or_default()
    }

    /// Whatever a connector does, its operation ends in time; what became of it is then not known.
    async fn in_time<T>(&self, work: impl Future<Output = Result<T, ConnectorError>>) -> Result<T, ConnectorError> {
        let timeout = self.parts.operation_timeout;
        match tokio::time::timeout(timeout, work).await {
            Ok(done) => done,
            Err(_) => {
                let message = format!("the network did not answer within {} s", timeout.as_secs());
                Err(ConnectorError::Uncertain(NetworkFault::new(message)))
            }
        }
    }

    fn claim(&self, merchant: MerchantId, key: &RequestKey) -> KeyClaim {
        KeyClaim {
            merchant,
            key: key.key.clone(),
            request_hash: key.hash.clone(),
            payment: None,
            operation: None,
            lease_until: self.deadline(),
            now: self.now(),
        }
    }

    /// A new operation's row, due to be looked after should this node not live to see its end.
    fn intent(&self, kind: StepKind, connection: &BoundConnection, number: i64, amount: Money) -> OrderOperation {
        let now = self.now();
        OrderOperation {
            id: OperationId::generate(),
            kind,
            status: OperationStatus::Pending,
            connection_id: connection.row.id,
            number,
            amount,
            network_id: None,
            fault: None,
            rule_revision: None,
            tries: 0,
            check_at: Some(self.deadline()),
            created_at: now,
            updated_at: now,
        }
    }

    /// The connection that has this id, if the merchant still has it.
    fn connection_of<'a>(tenant: &'a BoundTenant, state: &OrderState) -> Result<&'a Arc<BoundConnection>, OrderError> {
        let id = state.order.payment.connection_id;
        let found = tenant.connections.values().find(|connection| connection.row.id == id);
        found.ok_or(OrderError::ConnectionGone)
    }

    fn client<'a>(
        &'a self,
        connection: &BoundConnection,
        payment: Option<PaymentId>,
    ) -> Result<UpstreamClient<'a>, ConnectorError> {
        (self.parts.upstreams.client(&connection.row, payment)).map_err(ConnectorError::from)
    }

    /// The way to a connection's network, for one operation.
    fn reach<'a>(
        &'a self,
        connection: &'a BoundConnection,
        payment: Option<PaymentId>,
    ) -> Result<(&'a dyn OutboundConnection, UpstreamClient<'a>), ConnectorError> {
        let outbound = connection.outbound();
        let outbound = outbound.ok_or_else(|| ConnectorError::invalid("the connection cannot be used"))?;
        Ok((outbound, self.client(connection, payment)?))
    }

    fn context<'a>(&'a self, client: &'a UpstreamClient<'_>) -> Context<'a> {
        Context {
            http: client,
            clock: self.parts.clock.as_ref(),
        }
    }

    /// Where a connection's network sends its notifications.
    fn notify_url(&self, tenant: &BoundTenant, connection: &BoundConnection) -> Option<String> {
        let base = self.parts.public_url.as_deref()?.trim_end_matches('/');
        Some(format!("{base}/in/{}/{}", tenant.merchant.slug, connection.row.slug))
    }

    /// The same for a change that answers no request.
    async fn write<F>(&self, tenant: &BoundTenant, payment: PaymentId, change: F) -> Result<OrderState, OrderError>
    where
        F: Fn(&mut Settling) -> Result<Settled, OrderError>,
    {
        Ok(self.write_answering(tenant, payment, None, None, 0, change).await?.0)
    }

    /// What the caller hears: the payment, unless a repeat was told of it before, because this node took so long, or the
    /// other one's clock is ahead. What is stored is what counts.
    async fn heard(
        &self,
        tenant: &BoundTenant,
        key: Option<&RequestKey>,
        status: u16,
        (state, answered_before): (OrderState, bool),
    ) -> Result<Answer, OrderError> {
        if answered_before {
            return self.known(tenant, key).await?.ok_or(OrderError::KeyInFlight);
        }
        Ok(Answer::new(status, &view::payment(&state, tenant)))
    }

    /// Applies `change` to the payment as it is now, and stores what came of it with the answer to the request that
    /// `key` names; and whether that had been answered before. Of two that change a payment at once the slower looks
    /// again. `seen` is the payment as the caller knows it, which spares reading it where nobody changed it since.
    async fn write_answering<F>(
        &self,
        tenant: &BoundTenant,
        payment: PaymentId,
        mut seen: Option<OrderState>,
        key: Option<&RequestKey>,
        answer_status: u16,
        change: F,
    ) -> Result<(OrderState, bool), OrderError>
    where
        F: Fn(&mut Settling) -> Result<Settled, OrderError>,
    {
        for _ in 0..OVERTAKEN_MAX {
            let is_read_now = seen.is_none();
            let before = match seen.take() {
                Some(seen) => seen,
                None => self.parts.store.order(tenant.merchant.id, payment).await?,
            };
            let known = before.operations.clone();
            let mut settling = Settling::of(before, self.now(), self.on_its_way())?;
            let settled = change(&mut settling)?;
            let after = settling.done();
            let answer = key.map(|key| KeyAnswer {
                merchant: tenant.merchant.id,
                key: key.key.clone(),
                status: answer_status,
                body: view::payment(&after, tenant).to_string(),
            });
            let operations = changed_operations(&known, &after.operations);
            if !settled.changed && operations.is_empty() && answer.is_none() {
                if is_read_now {
                    return Ok((after, false));
                }
                continue;
            }
            let change = OrderChange {
                operations,
                events: self.events(tenant, &after, &settled).await,
                tokens: self.new_tokens(&after, settled.tokens)?,
                claim: None,
                answer,
            };
            let written = self.parts.store.change_order(&after.order, change).await?;
            if matches!(written, OrderWritten::Done | OrderWritten::AnsweredBefore) {
                self.parts.new_deliveries.notify_one();
                return Ok((after, written == OrderWritten::AnsweredBefore));
            }
        }
        Err(OrderError::Overtaken)
    }

    async fn events(&self, tenant: &BoundTenant, state: &OrderState, settled: &Settled) -> Vec<NewEvent> {
        let mut made = Vec::with_capacity(settled.events.len());
        // Not the clock's word: it may be behind that of the node that told of the payment before.
        let moment = state.order.updated_at;
        for (event_type, operation) in &settled.events {
            let mut event = NewEvent {
                id: EventId::generate_at(moment),
                merchant_id: tenant.merchant.id,
                event_type,
                payment_id: Some(state.order.payment.id),
                payload: view::event(state, tenant, *operation),
                created_at: moment,
                deliveries: events::deliveries_for(&tenant.endpoints, event_type),
            };
            let seen = view::for_rules(state, tenant);
            self.rules.shape_order_event(tenant, &mut event, seen).await;
            made.push(event);
        }
        made
    }

    fn new_tokens(&self, state: &OrderState, issued: Vec<IssuedToken>) -> Result<Vec<NewPaymentToken>, OrderError> {
        let payment = &state.order.payment;
        let sealed = issued.into_iter().map(|issued| {
            let secret = SecretString::from(issued.token.expose());
            Ok(NewPaymentToken {
                id: TokenId::generate(),
                merchant_id: payment.merchant_id,
                connection_id: payment.connection_id,
                customer: issued.customer,
                token_sealed: self.parts.sealer.seal(&token_place(payment.merchant_id), &secret)?,
                masked_pan: issued.masked_pan,
                expires_at: issued.expires_at,
                payment_id: Some(payment.id),
                created_at: self.now(),
            })
        });
        sealed.collect()
    }
}

/// Where tokens of a merchant's payers belong.
fn token_place(merchant: MerchantId) -> String {
    format!("payment_token/{merchant}")
}

/// Operations that are new or differ from what was read.
fn changed_operations(before: &[OrderOperation], after: &[OrderOperation]) -> Vec<OrderOperation> {
    let changed = after.iter().filter(|operation| !before.contains(operation));
    changed.cloned().collect()
}

/// What a connector needs to know of a payment.
fn payment_ref(state: &OrderState) -> Result<PaymentRef, OrderError> {
    let order = &state.order;
    let amounts = settle::amounts(state);
    let progress: progress::Progress = progress::read(&order.progress)?;
    let details: progress::Details = progress::read(&order.details)?;
    let kept = match details.source {
        Some(source) if progress.kept.is_null() => serde_json::json!({ "source": source }),
        _ => progress.kept,
    };
    Ok(PaymentRef {
        id: order.payment.id,
        number: u64::try_from(order.payment.number).unwrap_or_default(),
        network_id: order.network_id.clone(),
        amount: order.payment.amount,
        capturable: amounts.capturable()?,
        refundable: amounts.refundable()?,
        created_at: order.payment.created_at,
        kept,
    })
}

fn step_of(operation: &OrderOperation) -> Step {
    Step {
        operation: operation.id,
        number: u64::try_from(operation.number).unwrap_or_default(),
        at: operation.created_at,
    }
}

/// The question what became of a payment, with the steps that its present connection made.
fn status_question(state: &OrderState) -> Result<StatusQuestion, OrderError> {
    let connection = state.order.payment.connection_id;
    let steps = state
        .operations
        .iter()
        .filter(|operation| operation.connection_id == connection);
    Ok(StatusQuestion {
        payment: payment_ref(state)?,
        steps: steps
            .map(|operation| KnownStep {
                step: step_of(operation),
                kind: operation.kind,
                amount: operation.amount,
                network_id: operation.network_id.clone(),
                is_final: operation.status.is_final(),
            })
            .collect(),
    })
}
