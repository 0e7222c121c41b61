//! How a network's request is answered, in the order of `protocols/terminal.md §9.5`:
//! repeat lookup → syntax → state of the service → account → account lookup → terms → credit.

mod judge;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use moka::sync::Cache;
use plugin_sdk::{
    Clock, Command, EventId, InboundConnection, NetworkAnswer, NetworkRequest, PaymentId, PaymentKey, RawAnswer,
    Reason, Refusal,
};
use serde_json::json;
use store::{
    KnownPayment, LogWriter, NewDecision, NewEvent, NewOperation, NewPayment, Payment, PaymentLookup, PaymentStatus,
    PaymentWrite, PaymentWriter, Registration, Store, StoreError, Wanted, WriteOutcome,
};
use tokio::sync::Notify;

use self::judge::Judged;
use crate::events;
use crate::masking;
use crate::payments::account::{AccountCheck, Verdict};
use crate::payments::canary::Canaries;
use crate::payments::decision::Rules;
use crate::payments::envelope::Envelope;
use crate::payments::facts::{self, Facts};
use crate::payments::host::Hosts;
use crate::payments::record::DecisionsKept;
use crate::payments::shadow::{ShadowJob, Shadows};
use crate::payments::velocity::{ExpectedPay, Velocities};
use crate::payments::{repeat, velocity};
use crate::tenancy::{BoundConnection, BoundTenant};

/// Repeats of one contradiction are told this often, not every time.
const CONTRADICTION_EVENT_PAUSE: Duration = Duration::from_secs(600);
/// Payments whose contradictions are remembered.
const CONTRADICTIONS_REMEMBERED: u64 = 10_000;

/// Answers networks' requests. One for each node; cheap to clone.
#[derive(Clone)]
pub struct Acceptance {
    store: Store,
    lookup: PaymentLookup,
    writer: PaymentWriter,
    log: LogWriter,
    rules: Rules,
    shadows: Shadows,
    account_check: AccountCheck,
    velocities: Velocities,
    clock: Arc<dyn Clock>,
    /// Wakes who sends webhooks when there is a new one.
    new_deliveries: Arc<Notify>,
    answer_timeout: Duration,
    /// Payments whose contradiction was told lately: a network repeats for 24 hours, a person needs to hear it once.
    told: Cache<PaymentId, ()>,
}

/// The parts that [`Acceptance`] is made of.
pub struct Parts {
    pub store: Store,
    pub lookup: PaymentLookup,
    pub writer: PaymentWriter,
    pub log: LogWriter,
    pub engine: rules::Engine,
    pub hosts: Hosts,
    pub decisions_kept: DecisionsKept,
    pub shadows: Shadows,
    pub canaries: Canaries,
    pub account_check: AccountCheck,
    pub velocities: Velocities,
    pub clock: Arc<dyn Clock>,
    pub new_deliveries: Arc<Notify>,
    pub answer_timeout: Duration,
}

/// One request of a network, resolved to its merchant and connection.
pub struct Call<'a> {
    pub tenant: &'a BoundTenant,
    pub connection: &'a BoundConnection,
    pub protocol: &'a dyn InboundConnection,
    pub request: &'a NetworkRequest,
    pub envelope: &'a dyn Envelope,
    pub received_at: DateTime<Utc>,
}

/// What leaves, and what of it is stored already.
pub struct Answered {
    pub answer: RawAnswer,
    pub payment: Option<PaymentId>,
    /// The exchange was committed with the payment; whoever logs must not log it again.
    pub exchange_stored: bool,
}

impl Acceptance {
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self {
            rules: Rules::new(
                parts.engine,
                parts.log.clone(),
                parts.hosts,
                parts.decisions_kept,
                parts.canaries,
            ),
            store: parts.store,
            lookup: parts.lookup,
            writer: parts.writer,
            log: parts.log,
            shadows: parts.shadows,
            account_check: parts.account_check,
            velocities: parts.velocities,
            clock: parts.clock,
            new_deliveries: parts.new_deliveries,
            answer_timeout: parts.answer_timeout,
            told: Cache::builder()
                .max_capacity(CONTRADICTIONS_REMEMBERED)
                .time_to_live(CONTRADICTION_EVENT_PAUSE)
                .build(),
        }
    }

    /// Answers within the time budget, whatever the database and the merchant's back end do.
    pub async fn answer(&self, call: &Call<'_>) -> Answered {
        match tokio::time::timeout(self.answer_timeout, self.dispatch(call)).await {
            Ok(Ok(answered)) => answered,
            Ok(Err(error)) => {
                tracing::warn!(%error, "a request could not be answered; the network is asked to come again");
                self.come_again(call, error)
            }
            Err(_) => {
                tracing::warn!("a request took too long; the network is asked to come again");
                self.come_again(call, StoreError::TimedOut)
            }
        }
    }

    async fn dispatch(&self, call: &Call<'_>) -> Result<Answered, StoreError> {
        // No answer leaves without its record. A pay's is committed with it.
        if call.request.command != Command::Pay {
            self.log.room().await?;
        }
        match call.request.command {
            Command::Info => Ok(self.info(call).await),
            Command::Check => self.check(call).await,
            Command::Pay => self.pay(call).await,
            Command::Unknown => {
                let refusal = call.request.objections.syntax.clone();
                Ok(plain(
                    call,
                    NetworkAnswer::refused(refusal.unwrap_or(Reason::InvalidRequest.into())),
                ))
            }
        }
    }

    /// The row may or may not be there: a `pay` that was handed to the writer is "being processed" until a repeat finds
    /// out; anything else simply failed for now.
    fn come_again(&self, call: &Call<'_>, error: StoreError) -> Answered {
        let in_flight = call.request.command == Command::Pay && !matches!(error, StoreError::Busy);
        let reason = if in_flight {
            Reason::InProgress
        } else {
            Reason::Temporary
        };
        plain(call, NetworkAnswer::refused(reason))
    }

    async fn info(&self, call: &Call<'_>) -> Answered {
        plain(call, answer_of(self.verdict(call).await))
    }

    async fn check(&self, call: &Call<'_>) -> Result<Answered, StoreError> {
        let Some(key) = &call.request.key else {
            return Ok(plain(call, answer_of(self.verdict(call).await)));
        };
        let known = self
            .lookup
            .find(call.connection.row.id, key.clone(), Wanted::Payment)
            .await?;
        if let Some(answered) = known.payment.and_then(|payment| check_of_known(call, &payment)) {
            return Ok(answered);
        }
        let answer = answer_of(self.verdict(call).await);
        if answer.refusal.is_none() && call.protocol.check_registers() {
            self.register(call, key).await?;
        }
        Ok(plain(call, answer))
    }

    async fn register(&self, call: &Call<'_>, key: &PaymentKey) -> Result<(), StoreError> {
        self.log.registration(Registration {
            connection_id: call.connection.row.id,
            merchant_id: call.tenant.merchant.id,
            key: key.clone(),
            account: call.request.account.clone().unwrap_or_default(),
            currency: call.request.amount.map(|amount| amount.currency().code().to_owned()),
            created_at: self.clock.now(),
        })?;
        if call.protocol.requires_check() {
            // The pay that follows at once, at whatever node, must find it.
            self.log.flush().await;
        }
        Ok(())
    }

    async fn pay(&self, call: &Call<'_>) -> Result<Answered, StoreError> {
        let Some(key) = &call.request.key else {
            let refusal = call.request.objections.syntax.clone();
            return Ok(plain(
                call,
                NetworkAnswer::refused(refusal.unwrap_or(Reason::InvalidRequest.into())),
            ));
        };
        let wanted = if call.protocol.check_registers() {
            Wanted::PaymentAndRegistration
        } else {
            Wanted::Payment
        };
        let known = self.lookup.find(call.connection.row.id, key.clone(), wanted).await?;
        if let Some(payment) = &known.payment {
            return Ok(self.repeated(call, payment));
        }
        let judged = match refusal_by_registration(call, &known) {
            Some(refusal) => Judged::refused(refusal),
            None => self.judge(call).await,
        };
        match (&judged.verdict, Facts::of(call.request)) {
            (Verdict::Refused(refusal), _) if !refusal.reason.is_final() => {
                let answer = NetworkAnswer::refused(refusal.clone());
                self.keep(judged.behind);
                Ok(plain(call, answer))
            }
            (_, Some(facts)) => self.settle(call, &facts, judged).await,
            // Nothing that could become a row; the same words give the same refusal every time.
            (Verdict::Refused(refusal), None) => Ok(plain(call, NetworkAnswer::refused(refusal.clone()))),
            (Verdict::Accepted { .. }, None) => Ok(plain(call, NetworkAnswer::refused(Reason::InvalidRequest))),
        }
    }

    /// The stored row alone decides; neither rules nor the account's present state are asked.
    fn repeated(&self, call: &Call<'_>, payment: &Payment) -> Answered {
        if payment.status == PaymentStatus::Succeeded && repeat::contradicts(call.request, payment) {
            self.tell_contradiction(call, payment);
            let answer = call.envelope.render(&NetworkAnswer::refused(Reason::InvalidRequest));
            return Answered {
                answer,
                payment: Some(payment.id),
                exchange_stored: false,
            };
        }
        replay(call, payment)
    }

    fn tell_contradiction(&self, call: &Call<'_>, payment: &Payment) {
        metrics::counter!("tollgate_contradictions_total").increment(1);
        tracing::warn!(payment = %payment.id, "a pay contradicts the payment of its key; nothing was credited");
        if self.told.contains_key(&payment.id) {
            return;
        }
        let event_type = events::PAYMENT_CONTRADICTED;
        // After the event of the payment, whatever this node's clock says.
        let moment = self
            .clock
            .now()
            .max(payment.created_at + chrono::Duration::milliseconds(1));
        let event = NewEvent {
            id: EventId::generate_at(moment),
            merchant_id: call.tenant.merchant.id,
            event_type,
            payment_id: Some(payment.id),
            payload: json!({
                "payment": events::payment_object(payment),
                "request": { "account": call.request.account, "amount": call.request.amount },
            }),
            created_at: moment,
            deliveries: events::deliveries_for(&call.tenant.endpoints, event_type),
        };
        match self.log.event(event) {
            Ok(()) => self.told.insert(payment.id, ()),
            Err(_) => {
                tracing::error!(payment = %payment.id, "the event of a contradiction was dropped: too much waits")
            }
        }
        self.new_deliveries.notify_one();
    }

    /// Makes the outcome of a `pay` durable, then answers. The unique key decides who of several racers made it.
    async fn settle(&self, call: &Call<'_>, facts: &Facts<'_>, judged: Judged) -> Result<Answered, StoreError> {
        let number = self.store.numbers().next().await?;
        let mut write = self.payment_write(call, facts, judged, number);
        self.shape_event(call, &write.payment, &mut write.event).await;
        let id = write.payment.id;
        let answer = write.answer.clone();
        let shadowed = std::mem::take(&mut write.shadowed);
        let somebody_wants_it = !write.event.deliveries.is_empty();
        let expected = self.velocities.expect(&write.payment, &write.velocity);
        let written = self.writer.write(write.into_store()).await;
        match Self::counted(expected, written).await? {
            WriteOutcome::Stored => {
                self.shadows.hand_over(shadowed);
                if somebody_wants_it {
                    self.new_deliveries.notify_one();
                }
                Ok(Answered {
                    answer,
                    payment: Some(id),
                    exchange_stored: true,
                })
            }
            WriteOutcome::Existing(winner) => Ok(self.repeated(call, &winner)),
        }
    }

    /// Velocities hear what became of a payment before anybody else does.
    async fn counted(
        expected: ExpectedPay,
        written: Result<WriteOutcome, StoreError>,
    ) -> Result<WriteOutcome, StoreError> {
        match &written {
            Ok(WriteOutcome::Stored) => expected.stored().await,
            Ok(WriteOutcome::Existing(_)) | Err(StoreError::Busy) => expected.not_stored(),
            Err(_) => drop(expected),
        }
        written
    }

    fn payment_write(&self, call: &Call<'_>, facts: &Facts<'_>, judged: Judged, number: i64) -> PreparedWrite {
        let now = self.clock.now();
        let (status, reason) = match &judged.verdict {
            Verdict::Accepted { .. } => (PaymentStatus::Succeeded, None),
            Verdict::Refused(refusal) => (PaymentStatus::Declined, Some(refusal.reason)),
        };
        let mut network_answer = answer_of(judged.verdict);
        if status == PaymentStatus::Succeeded {
            network_answer.number = u64::try_from(number).ok();
        }
        let answer = call.envelope.render(&network_answer);
        let request = call.request;
        let payment = NewPayment {
            id: PaymentId::generate(),
            merchant_id: call.tenant.merchant.id,
            connection_id: call.connection.row.id,
            channel: call.connection.row.plugin.clone(),
            key: facts.key.clone(),
            number,
            account: facts.account.to_owned(),
            amount: facts.amount,
            fee: judged.fee,
            currency_text: request.currency_text.clone(),
            service: request.service.clone(),
            status,
            reason,
            answer: answer.body.clone(),
            booking: request.booking.clone(),
            booking_suspect: facts::is_suspect(request.booking.as_ref(), call.received_at),
            // A network has no business to send card data; if it does, it is not kept.
            extras: masking::parameters(&request.extras),
            received_at: call.received_at,
            created_at: now,
        };
        let event = payment_event(call.tenant, &payment);
        let (rule_revision, decision) = judged.ruling.unzip();
        let operation = NewOperation {
            kind: Command::Pay.as_str(),
            rule_revision,
            decision,
        };
        let exchange = call.envelope.exchange(&answer, Some(payment.id));
        PreparedWrite {
            payment,
            operation,
            event,
            exchange,
            decisions: judged.behind.decisions,
            shadowed: judged.behind.shadowed,
            answer,
            velocity: velocity::marks(call.tenant.merchant.id, judged.velocity_keys.iter().map(String::as_str)),
        }
    }
}

/// A write with the answer that leaves once it is durable.
struct PreparedWrite {
    payment: NewPayment,
    operation: NewOperation,
    event: NewEvent,
    exchange: store::NewExchange,
    decisions: Vec<NewDecision>,
    shadowed: Vec<ShadowJob>,
    answer: RawAnswer,
    velocity: Vec<store::VelocityMark>,
}

impl PreparedWrite {
    fn into_store(self) -> PaymentWrite {
        PaymentWrite {
            payment: self.payment,
            operation: self.operation,
            event: self.event,
            exchange: self.exchange,
            velocity: self.velocity,
            decisions: self.decisions,
        }
    }
}

fn payment_event(tenant: &BoundTenant, payment: &NewPayment) -> NewEvent {
    let event_type = match payment.status {
        PaymentStatus::Succeeded => events::PAYMENT_SUCCEEDED,
        _ => events::PAYMENT_DECLINED,
    };
    NewEvent {
        id: EventId::generate_at(payment.created_at),
        merchant_id: payment.merchant_id,
        event_type,
        payment_id: Some(payment.id),
        payload: events::new_payment_object(payment),
        created_at: payment.created_at,
        deliveries: events::deliveries_for(&tenant.endpoints, event_type),
    }
}

/// An answer that no payment was made or changed for.
fn plain(call: &Call<'_>, answer: NetworkAnswer) -> Answered {
    Answered {
        answer: call.envelope.render(&answer),
        payment: None,
        exchange_stored: false,
    }
}

fn answer_of(verdict: Verdict) -> NetworkAnswer {
    match verdict {
        Verdict::Accepted { comment, fields } => NetworkAnswer {
            comment,
            fields,
            ..NetworkAnswer::accepted()
        },
        Verdict::Refused(refusal) => NetworkAnswer::refused(refusal),
    }
}

/// The stored bytes once more.
fn replay(call: &Call<'_>, payment: &Payment) -> Answered {
    let shape = call.envelope.render(&NetworkAnswer::accepted());
    let answer = RawAnswer {
        body: payment.answer.clone(),
        ..shape
    };
    Answered {
        answer,
        payment: Some(payment.id),
        exchange_stored: false,
    }
}

/// The answer to a `check` under the key of a payment; `None` when the protocol does not tie the two.
fn check_of_known(call: &Call<'_>, payment: &Payment) -> Option<Answered> {
    if repeat::checks_another_account(call.request, payment) {
        let contradiction = || plain(call, NetworkAnswer::refused(Reason::InvalidRequest));
        return call.protocol.check_registers().then(contradiction);
    }
    let answer = match payment.reason {
        None => NetworkAnswer {
            number: u64::try_from(payment.number).ok(),
            ..NetworkAnswer::accepted()
        },
        Some(reason) => NetworkAnswer::refused(reason),
    };
    let answer = call.envelope.render(&answer);
    Some(Answered {
        answer,
        payment: Some(payment.id),
        exchange_stored: false,
    })
}

/// Why a `pay` is refused because of what its `check` was, or was not.
fn refusal_by_registration(call: &Call<'_>, known: &KnownPayment) -> Option<Refusal> {
    match &known.registration {
        Some(registration) if repeat::differs_from_registration(call.request, registration) => {
            Some(Reason::InvalidRequest.into())
        }
        None if call.protocol.requires_check() => Some(Reason::InvalidRequest.into()),
        _ => None,
    }
}
