//! A new payment, or a payout: which connections, the and one try after the other.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use plugin_sdk::connector::{
    Capability, CaptureMode, ConnectorError, PaymentMethod, PaymentOrder, PayoutOrder, PayoutTarget, Report, StepKind,
};
use plugin_sdk::{ConnectionId, Money, PaymentId, PaymentKey, Secret};
use store::{
    IdempotencyKey, KeyAnswer, NewOrder, NewPayment, OrderDirection, OrderOperation, OrderState, OrderWritten,
    PaymentStatus,
};

use super::progress::{self, Details, RouteStep};
use super::request::{self, NewPaymentRequest, NewPayoutRequest};
use super::settle::{Settled, Settling};
use super::{Answer, OrderError, Orders, RequestKey, payment_ref, step_of, view};
use crate::masking;
use crate::payments::decision::{Routed, Routing};
use crate::tenancy::{BoundConnection, BoundTenant};

const CREATED: u16 = 201;

/// What the two kinds of new payments have in common.
struct Plan<'a> {
    amount: Money,
    capture: CaptureMode,
    direction: OrderDirection,
    kind: StepKind,
    method: &'static str,
    order_id: Option<String>,
    account: String,
    details: Details,
    expires_at: Option<DateTime<Utc>>,
    needs: Vec<Capability>,
    /// Connections that may take it, when something else than the rules says so.
    named: Option<&'a str>,
    bound_to: Option<ConnectionId>,
    seen: rules::Payment,
}

/// The order in a connector's words, for one connection.
enum Ask<'a> {
    Payment {
        request: &'a NewPaymentRequest,
        method: PaymentMethod,
    },
    Payout {
        request: &'a NewPayoutRequest,
        target: PayoutTarget,
        source: Option<Box<OrderState>>,
    },
}

impl Orders {
    /// Makes a payment. Whatever the network says of it, the answer is the payment.
    pub async fn create_payment(
        &self,
        tenant: &BoundTenant,
        request: &NewPaymentRequest,
        key: Option<&RequestKey>,
    ) -> Result<Answer, OrderError> {
        if let Some(answer) = self.known(tenant, key).await? {
            return Ok(answer);
        }
        request.check(self.now())?;
        let (token, bound_to) = match &request.method {
            request::MethodRequest::Token { token } => self
                .opened_token(tenant, *token)
                .await
                .map(|(secret, at)| (Some(secret), Some(at)))?,
            _ => (None, None),
        };
        let plan = Plan {
            amount: request.amount,
            capture: request.capture,
            direction: OrderDirection::In,
            kind: StepKind::Create,
            method: request.method.as_str(),
            order_id: request.order_id.clone(),
            account: request.customer.id.clone().unwrap_or_default(),
            details: request.details(),
            expires_at: request.expires_at,
            needs: request.needs(),
            named: request.connection.as_deref(),
            bound_to,
            seen: self.seen_by_rules(request),
        };
        let ask = Ask::Payment {
            request,
            method: request.method.for_connector(token)?,
        };
        self.make(tenant, plan, ask, key).await
    }

    /// Sends money.
    pub async fn create_payout(
        &self,
        tenant: &BoundTenant,
        request: &NewPayoutRequest,
        key: Option<&RequestKey>,
    ) -> Result<Answer, OrderError> {
        if let Some(answer) = self.known(tenant, key).await? {
            return Ok(answer);
        }
        request.check()?;
        let source = match request.source_payment {
            Some(payment) => Some(Box::new(self.parts.store.order(tenant.merchant.id, payment).await?)),
            None => None,
        };
        let (token, at_token) = match &request.recipient {
            request::RecipientRequest::Token { token } => self
                .opened_token(tenant, *token)
                .await
                .map(|(secret, at)| (Some(secret), Some(at)))?,
            _ => (None, None),
        };
        let mut needs = vec![Capability::Payout];
        if !request.splits.is_empty() {
            needs.push(Capability::Split);
        }
        let details = Details {
            description: request.description.as_deref().map(masking::text),
            metadata: request.metadata.clone(),
            options: request.options.clone(),
            recipient: Some(request.recipient.masked()),
            source: source.as_ref().map(|source| {
                let order = &source.order;
                order.network_id.clone().unwrap_or_else(|| order.payment.id.to_string())
            }),
            ..Details::default()
        };
        let now = self.now();
        let plan = Plan {
            amount: request.amount,
            capture: CaptureMode::Automatic,
            direction: OrderDirection::Out,
            kind: StepKind::Payout,
            method: request.recipient.as_str(),
            order_id: request.order_id.clone(),
            account: request.recipient.masked(),
            details,
            expires_at: None,
            needs,
            named: request.connection.as_deref(),
            bound_to: at_token.or(source.as_ref().map(|source| source.order.payment.connection_id)),
            seen: rules::Payment {
                method: Some("payout".to_owned()),
                account: Some(request.recipient.masked()),
                order_id: request.order_id.clone(),
                extras: request.metadata.clone(),
                ..rules::Payment::new(request.amount, now)
            },
        };
        let ask = Ask::Payout {
            request,
            target: request.recipient.for_connector(token)?,
            source,
        };
        self.make(tenant, plan, ask, key).await
    }

    async fn make(
        &self,
        tenant: &BoundTenant,
        mut plan: Plan<'_>,
        ask: Ask<'_>,
        key: Option<&RequestKey>,
    ) -> Result<Answer, OrderError> {
        let payment = PaymentId::generate();
        plan.seen.id = Some(payment.to_string());
        let (connections, routed) = self.connections_for(tenant, &plan).await?;
        let Some((first, others)) = connections.split_first() else {
            return Err(OrderError::NoRoute("no connection takes this payment".to_owned()));
        };
        for connection in &connections {
            ask.check_options(connection)?;
        }
        let revision = routed.as_ref().and_then(|routed| routed.revision);
        let decision = routed
            .as_ref()
            .and_then(|routed| self.rules.kept_route(tenant, first.row.id, routed));
        let stored = decision.as_ref().map(|decision| decision.id);
        let shadowed = routed.and_then(|routed| self.rules.shadowed_route(tenant, stored, &routed));
        let (now, numbers) = (self.now(), self.parts.store.numbers());
        let mut operation = self.intent(plan.kind, first, numbers.next().await?, plan.amount);
        operation.rule_revision = revision;
        let new = NewOrder {
            payment: new_payment(tenant, first, &plan, payment, numbers.next().await?, now),
            order_id: plan.order_id,
            direction: plan.direction,
            capture: plan.capture,
            method: plan.method.to_owned(),
            details: progress::write(&plan.details),
            route: progress::write(&[RouteStep {
                connection: first.row.slug.clone(),
                operation: operation.id,
                at: now,
                outcome: "tried".to_owned(),
            }]),
            expires_at: plan.expires_at,
            operation,
            decisions: decision.into_iter().collect(),
        };
        let claimed = key.map(|key| store::KeyClaim {
            payment: Some(payment),
            ..self.claim(tenant.merchant.id, key)
        });
        if let OrderWritten::Known(known) = self.parts.store.create_order(new, claimed).await? {
            return self.repeated(tenant, key, known).await;
        }
        let written = self.try_in_turn(tenant, payment, first, others, &ask, key).await?;
        self.parts.shadows.hand_over(shadowed.into_iter().collect());
        self.heard(tenant, key, CREATED, written).await
    }

    /// Tries one connection after the other, for as long as it is certain that nothing happened at the one before.
    async fn try_in_turn(
        &self,
        tenant: &BoundTenant,
        payment: PaymentId,
        first: &Arc<BoundConnection>,
        others: &[Arc<BoundConnection>],
        ask: &Ask<'_>,
        key: Option<&RequestKey>,
    ) -> Result<(OrderState, bool), OrderError> {
        let (mut connection, mut others) = (first, others.iter());
        loop {
            let state = self.parts.store.order(tenant.merchant.id, payment).await?;
            let Some(operation) = state.operations.last().cloned() else {
                return Err(OrderError::ConnectionGone);
            };
            let result = self.send(tenant, connection, &state, &operation, ask).await;
            let next = match &result {
                Err(error) if may_fail_over(error) => others.next(),
                _ => None,
            };
            let (Some(next), Err(error)) = (next, &result) else {
                let change = |settling: &mut Settling| Ok(settle(settling, &operation, result.as_ref()));
                return self
                    .write_answering(tenant, payment, Some(state), key, CREATED, change)
                    .await;
            };
            let number = self.parts.store.numbers().next().await?;
            let retry = self.intent(operation.kind, next, number, operation.amount);
            let change = |settling: &mut Settling| {
                settling.fail_over(operation.id, error, retry.clone(), &next.row.slug);
                if settling.position(retry.id).is_some() {
                    settling.state.order.payment.channel.clone_from(&next.row.plugin);
                }
                Ok(Settled {
                    changed: true,
                    ..Settled::default()
                })
            };
            let state = self.write(tenant, payment, change).await?;
            if state.operations.iter().all(|known| known.id != retry.id) {
                return self
                    .write_answering(tenant, payment, None, key, CREATED, |_| Ok(Settled::default()))
                    .await;
            }
            tracing::info!(%payment, from = connection.row.slug, to = next.row.slug, %error, "failing over");
            metrics::counter!("tollgate_failovers_total").increment(1);
            connection = next;
        }
    }

    async fn send(
        &self,
        tenant: &BoundTenant,
        connection: &BoundConnection,
        state: &OrderState,
        operation: &OrderOperation,
        ask: &Ask<'_>,
    ) -> Result<Report, ConnectorError> {
        let (outbound, client) = self.reach(connection, Some(state.order.payment.id))?;
        let context = self.context(&client);
        let (payment, number) = (state.order.payment.id, state.order.payment.number);
        let number = u64::try_from(number).unwrap_or_default();
        match ask {
            Ask::Payment { request, method } => {
                let order = PaymentOrder {
                    step: step_of(operation),
                    payment,
                    number,
                    amount: request.amount,
                    capture: request.capture,
                    order_id: request.order_id.clone(),
                    description: request.description.clone(),
                    method: method.clone(),
                    stored_credential: request.stored_credential,
                    save_method: request.save_method,
                    customer: request.customer(),
                    success_url: request.success_url.clone(),
                    failure_url: request.failure_url.clone(),
                    notify_url: self.notify_url(tenant, connection),
                    expires_at: request.expires_at,
                    receipt: request.receipt.clone(),
                    splits: request::splits(&request.splits),
                    options: request.options.clone(),
                };
                self.in_time(outbound.create(&context, &order)).await
            }
            Ask::Payout {
                request,
                target,
                source,
            } => {
                let source = source.as_deref().map(payment_ref).transpose();
                let order = PayoutOrder {
                    step: step_of(operation),
                    payment,
                    number,
                    amount: request.amount,
                    target: target.clone(),
                    order_id: request.order_id.clone(),
                    description: request.description.clone(),
                    source: source.map_err(|error| ConnectorError::invalid(error.to_string()))?,
                    notify_url: self.notify_url(tenant, connection),
                    splits: request::splits(&request.splits),
                    options: request.options.clone(),
                };
                self.in_time(outbound.payout(&context, &order)).await
            }
        }
    }

    /// Connections that may take the payment, in the order in which they are tried.
    async fn connections_for(
        &self,
        tenant: &BoundTenant,
        plan: &Plan<'_>,
    ) -> Result<(Vec<Arc<BoundConnection>>, Option<Routed>), OrderError> {
        let takes = |connection: &Arc<BoundConnection>| {
            let able = connection.outbound().is_some_and(|outbound| {
                let has = outbound.capabilities();
                plan.needs.iter().all(|needed| has.contains(needed))
            });
            let bound = plan.bound_to.is_none_or(|id| id == connection.row.id);
            able && bound && tenant.takes_payments(connection)
        };
        let unable = |name: &str| {
            OrderError::NoRoute(format!(
                "connection '{name}' is not there, is suspended, or cannot do this: {:?}",
                plan.needs
            ))
        };
        if let Some(name) = plan.named {
            let connection = tenant.connections.get(name).filter(|connection| takes(connection));
            return Ok((vec![Arc::clone(connection.ok_or_else(|| unable(name))?)], None));
        }
        let routed = self.rules.route(tenant, plan.seen.clone(), self.now()).await;
        match &routed.routing {
            Routing::To(names) => {
                let found: Vec<_> = names.iter().filter_map(|name| tenant.connections.get(name)).collect();
                let able: Vec<_> = found
                    .into_iter()
                    .filter(|connection| takes(connection))
                    .cloned()
                    .collect();
                if able.is_empty() {
                    return Err(unable(&names.join("', '")));
                }
                Ok((able, Some(routed)))
            }
            Routing::Refused { reason, comment } => Err(OrderError::RefusedByRules {
                reason: *reason,
                comment: comment.clone(),
            }),
            Routing::Later => Err(OrderError::RulesLater),
            Routing::Unsaid => {
                let able: Vec<_> = tenant
                    .connections
                    .values()
                    .filter(|connection| takes(connection))
                    .cloned()
                    .collect();
                match able.len() {
                    1 => Ok((able, None)),
                    0 => Err(OrderError::NoRoute(format!(
                        "no connection of this merchant can do this: {:?}",
                        plan.needs
                    ))),
                    _ => Err(OrderError::NoRoute(
                        "several connections can do this: name one as `connection`, or let rules.route choose"
                            .to_owned(),
                    )),
                }
            }
        }
    }

    fn seen_by_rules(&self, request: &NewPaymentRequest) -> rules::Payment {
        let ends = request.method.card_ends();
        let (bin, last_four) = ends.unzip();
        rules::Payment {
            method: Some(request.method.as_str().to_owned()),
            account: request.customer.id.clone(),
            order_id: request.order_id.clone(),
            country: request.customer.country.clone(),
            bin,
            last_four,
            extras: request.metadata.clone(),
            ..rules::Payment::new(request.amount, self.now())
        }
    }

    async fn opened_token(
        &self,
        tenant: &BoundTenant,
        id: plugin_sdk::TokenId,
    ) -> Result<(Secret, ConnectionId), OrderError> {
        let (token, secret) = self.token(tenant, id).await?;
        Ok((secret, token.connection_id))
    }

    /// The answer of a request that was made before with this key.
    pub(super) async fn known(
        &self,
        tenant: &BoundTenant,
        key: Option<&RequestKey>,
    ) -> Result<Option<Answer>, OrderError> {
        let Some(asked) = key else { return Ok(None) };
        match self.parts.store.idempotency_key(tenant.merchant.id, &asked.key).await? {
            Some(known) => self.repeated(tenant, key, known).await.map(Some),
            None => Ok(None),
        }
    }

    /// Does something once that makes no payment, and keeps the answer under the request's key. When the network may have
    /// done it and did not say so, the key stays taken: repeating it would be a second try.
    pub async fn once(
        &self,
        tenant: &BoundTenant,
        key: &RequestKey,
        work: impl AsyncFnOnce() -> Result<(u16, serde_json::Value), OrderError>,
    ) -> Result<Answer, OrderError> {
        let merchant = tenant.merchant.id;
        if let Some(known) = self.parts.store.claim_key(self.claim(merchant, key)).await? {
            return self.repeated(tenant, Some(key), known).await;
        }
        let (status, body) = match work().await {
            Ok(done) => done,
            Err(error @ OrderError::Connector(ConnectorError::Uncertain(_))) => return Err(error),
            Err(error) => {
                self.parts.store.release_key(merchant, &key.key).await?;
                return Err(error);
            }
        };
        let answer = Answer::new(status, &body);
        let stored = KeyAnswer {
            merchant,
            key: key.key.clone(),
            status,
            body: answer.body.clone(),
        };
        self.parts.store.answer_key(&stored).await?;
        Ok(answer)
    }

    /// A key that is there already: the same request gets the same bytes, another one is refused. When the node that was
    /// at work died, whoever repeats the request is told what became of its payment.
    pub(super) async fn repeated(
        &self,
        tenant: &BoundTenant,
        key: Option<&RequestKey>,
        known: IdempotencyKey,
    ) -> Result<Answer, OrderError> {
        let Some(key) = key.filter(|key| key.hash == known.request_hash) else {
            return Err(OrderError::KeyReused);
        };
        if let Some((status, body)) = known.answer {
            return Ok(Answer {
                status,
                body,
                repeated: true,
            });
        }
        let Some(payment) = known.payment.filter(|_| self.now() >= known.lease_until) else {
            return Err(OrderError::KeyInFlight);
        };
        let state = self.parts.store.order(tenant.merchant.id, payment).await?;
        let answer = Answer::new(CREATED, &view::payment(&state, tenant));
        let stored = KeyAnswer {
            merchant: tenant.merchant.id,
            key: key.key.clone(),
            status: answer.status,
            body: answer.body,
        };
        self.parts.store.answer_key(&stored).await?;
        // Somebody else may have answered it meanwhile: what is stored is what counts.
        let known = self.parts.store.idempotency_key(tenant.merchant.id, &key.key).await?;
        let (status, body) = known.and_then(|known| known.answer).ok_or(OrderError::KeyInFlight)?;
        Ok(Answer {
            status,
            body,
            repeated: true,
        })
    }
}

impl Ask<'_> {
    fn check_options(&self, connection: &BoundConnection) -> Result<(), OrderError> {
        let options = match self {
            Self::Payment { request, .. } => &request.options,
            Self::Payout { request, .. } => &request.options,
        };
        let Some(outbound) = connection.outbound() else {
            return Ok(());
        };
        let checked = outbound.check_options(options);
        checked.map_err(|error| OrderError::field(format!("options.{}", error.key), error.message))
    }
}

/// Only what certainly did nothing may be tried elsewhere.
fn may_fail_over(error: &ConnectorError) -> bool {
    match error {
        ConnectorError::Unavailable(_) => true,
        ConnectorError::Declined(decline) => decline.try_elsewhere,
        ConnectorError::Invalid(_) | ConnectorError::Uncertain(_) => false,
    }
}

/// Applies the network's word on one operation, or that there was none.
pub(super) fn settle(
    settling: &mut Settling,
    operation: &OrderOperation,
    result: Result<&Report, &ConnectorError>,
) -> Settled {
    match result {
        Ok(report) => settling.report(report.clone().of(operation.id)),
        Err(error) => settling.failure(operation.id, error),
    }
}

fn new_payment(
    tenant: &BoundTenant,
    connection: &BoundConnection,
    plan: &Plan<'_>,
    id: PaymentId,
    number: i64,
    now: DateTime<Utc>,
) -> NewPayment {
    NewPayment {
        id,
        merchant_id: tenant.merchant.id,
        connection_id: connection.row.id,
        channel: connection.row.plugin.clone(),
        // Never a network's: those have ids of their own.
        key: PaymentKey::single(id.to_string()),
        number,
        account: plan.account.clone(),
        amount: plan.amount,
        fee: None,
        currency_text: None,
        service: None,
        status: PaymentStatus::Created,
        reason: None,
        answer: String::new(),
        booking: None,
        booking_suspect: false,
        extras: plan.details.metadata.clone(),
        received_at: now,
        created_at: now,
    }
}
