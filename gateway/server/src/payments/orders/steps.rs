//! Steps on a payment that is there: capture, reversal, refund, and the end of an authentication.

use plugin_sdk::connector::{
    Capability, CaptureOrder, ConnectorError, FinishOrder, NetworkFault, Report, ReturnOrder, StepKind,
};
use plugin_sdk::{Money, PaymentId};
use store::{KeyClaim, OperationStatus, OrderChange, OrderOperation, OrderState, OrderWritten, PaymentStatus};

use super::create::settle;
use super::request::{self, CaptureRequest, ReturnRequest};
use super::settle::{Settled, Settling, later_than};
use super::{Answer, OVERTAKEN_MAX, OrderError, Orders, RequestKey, payment_ref, step_of};
use crate::tenancy::{BoundConnection, BoundTenant};

const OK: u16 = 200;
const CREATED: u16 = 201;

/// What is to be done.
enum Work<'a> {
    Capture(&'a CaptureRequest),
    Reverse(&'a ReturnRequest),
    Refund(&'a ReturnRequest),
}

impl Work<'_> {
    const fn kind(&self) -> StepKind {
        match self {
            Self::Capture(_) => StepKind::Capture,
            Self::Reverse(_) => StepKind::Reversal,
            Self::Refund(_) => StepKind::Refund,
        }
    }

    const fn wanted(&self) -> Option<Money> {
        match self {
            Self::Capture(request) => request.amount,
            Self::Reverse(request) | Self::Refund(request) => request.amount,
        }
    }

    const fn done(&self) -> &'static str {
        match self {
            Self::Capture(_) => "captured",
            Self::Reverse(_) => "reversed",
            Self::Refund(_) => "refunded",
        }
    }
}

impl Orders {
    /// Takes what is held, or a part of it.
    pub async fn capture(
        &self,
        tenant: &BoundTenant,
        payment: PaymentId,
        request: &CaptureRequest,
        key: Option<&RequestKey>,
    ) -> Result<Answer, OrderError> {
        request::check_receipt(request.receipt.as_ref())?;
        self.step(tenant, payment, &Work::Capture(request), key).await
    }

    /// Releases what is held, or a part of it.
    pub async fn reverse(
        &self,
        tenant: &BoundTenant,
        payment: PaymentId,
        request: &ReturnRequest,
        key: Option<&RequestKey>,
    ) -> Result<Answer, OrderError> {
        request::check_receipt(request.receipt.as_ref())?;
        self.step(tenant, payment, &Work::Reverse(request), key).await
    }

    /// Gives back what was captured, or a part of it. The answer is the refund.
    pub async fn refund(
        &self,
        tenant: &BoundTenant,
        payment: PaymentId,
        request: &ReturnRequest,
        key: Option<&RequestKey>,
    ) -> Result<Answer, OrderError> {
        request::check_receipt(request.receipt.as_ref())?;
        self.step(tenant, payment, &Work::Refund(request), key).await
    }

    async fn step(
        &self,
        tenant: &BoundTenant,
        payment: PaymentId,
        work: &Work<'_>,
        key: Option<&RequestKey>,
    ) -> Result<Answer, OrderError> {
        if let Some(answer) = self.known(tenant, key).await? {
            return Ok(answer);
        }
        let number = self.parts.store.numbers().next().await?;
        for _ in 0..OVERTAKEN_MAX {
            let mut state = self.parts.store.order(tenant.merchant.id, payment).await?;
            let connection = Self::connection_of(tenant, &state)?;
            let amount = match allowed(&state, connection, work) {
                Ok(amount) => amount,
                // It may be the first request with this key that left nothing to do.
                Err(refused) => return self.known(tenant, key).await?.ok_or(refused),
            };
            let operation = self.intent(work.kind(), connection, number, amount);
            let claimed = key.map(|key| KeyClaim {
                payment: Some(payment),
                operation: Some(operation.id),
                ..self.claim(tenant.merchant.id, key)
            });
            state.order.updated_at = later_than(state.order.updated_at, self.now());
            let change = OrderChange {
                operations: vec![operation.clone()],
                claim: claimed,
                ..OrderChange::default()
            };
            match self.parts.store.change_order(&state.order, change).await? {
                OrderWritten::Overtaken => continue,
                OrderWritten::Known(known) => return self.repeated(tenant, key, known).await,
                OrderWritten::Done | OrderWritten::AnsweredBefore => {}
            }
            // What was seen before the intent is what the network is told of: the intent itself moved nothing.
            let result = self.ask_step(connection, &state, &operation, work).await;
            let change = |settling: &mut Settling| Ok(settle(settling, &operation, result.as_ref()));
            let status = if work.kind() == StepKind::Refund { CREATED } else { OK };
            let seen = Some(with_intent(state, operation.clone()));
            let written = self.write_answering(tenant, payment, seen, key, status, change).await?;
            return self.heard(tenant, key, status, written).await;
        }
        Err(OrderError::Overtaken)
    }

    async fn ask_step(
        &self,
        connection: &BoundConnection,
        state: &OrderState,
        operation: &OrderOperation,
        work: &Work<'_>,
    ) -> Result<Report, ConnectorError> {
        let (outbound, client) = self.reach(connection, Some(state.order.payment.id))?;
        let context = self.context(&client);
        let reference = payment_ref(state);
        let payment = reference.map_err(|error| ConnectorError::invalid(error.to_string()))?;
        let step = step_of(operation);
        let giving_back = |request: &ReturnRequest| ReturnOrder {
            step,
            payment: payment.clone(),
            amount: operation.amount,
            receipt: request.receipt.clone(),
            splits: request::splits(&request.splits),
        };
        match work {
            Work::Capture(request) => {
                let order = CaptureOrder {
                    step,
                    payment: payment.clone(),
                    amount: operation.amount,
                    receipt: request.receipt.clone(),
                };
                self.in_time(outbound.capture(&context, &order)).await
            }
            Work::Reverse(request) => self.in_time(outbound.reverse(&context, &giving_back(request))).await,
            Work::Refund(request) => self.in_time(outbound.refund(&context, &giving_back(request))).await,
        }
    }

    /// Ends an authentication with what the payer's browser brought back.
    pub async fn finish(
        &self,
        tenant: &BoundTenant,
        payment: PaymentId,
        posted: Vec<(String, String)>,
    ) -> Result<OrderState, OrderError> {
        let state = self.parts.store.order(tenant.merchant.id, payment).await?;
        let open = state
            .operations
            .iter()
            .rev()
            .find(|operation| operation.kind == StepKind::Create);
        let Some(operation) = open
            .filter(|_| state.order.payment.status == PaymentStatus::RequiresAction)
            .cloned()
        else {
            // A browser that comes twice sees what became of it.
            return Ok(state);
        };
        let connection = Self::connection_of(tenant, &state)?;
        let result = self.ask_finish(connection, &state, &operation, posted).await;
        let change = |settling: &mut Settling| Ok(settle(settling, &operation, result.as_ref()));
        self.write(tenant, payment, change).await
    }

    async fn ask_finish(
        &self,
        connection: &BoundConnection,
        state: &OrderState,
        operation: &OrderOperation,
        posted: Vec<(String, String)>,
    ) -> Result<Report, ConnectorError> {
        let (outbound, client) = self.reach(connection, Some(state.order.payment.id))?;
        let reference = payment_ref(state);
        let order = FinishOrder {
            step: step_of(operation),
            payment: reference.map_err(|error| ConnectorError::invalid(error.to_string()))?,
            posted,
        };
        let result = self.in_time(outbound.finish(&self.context(&client), &order)).await;
        // The payment itself is at the network already: an attempt to go on that never got there leaves it as it was.
        result.map_err(|error| match error {
            ConnectorError::Unavailable(fault) => ConnectorError::Uncertain(fault),
            other => other,
        })
    }

    /// Asks the network what became of a payment, now.
    pub async fn refresh(&self, tenant: &BoundTenant, payment: PaymentId) -> Result<OrderState, OrderError> {
        let state = self.parts.store.order(tenant.merchant.id, payment).await?;
        let connection = Self::connection_of(tenant, &state)?;
        let reports = self.ask_status(connection, &state).await;
        let timeout = chrono::Duration::from_std(self.parts.operation_timeout).unwrap_or_default();
        self.write(tenant, payment, |settling| {
            let mut settled = Settled::default();
            match &reports {
                Ok(reports) => {
                    for report in reports {
                        settled.merge(settling.report(report.clone()));
                    }
                }
                Err(error) => tracing::info!(%payment, %error, "the network did not say what became of a payment"),
            }
            abandoned_becomes_doubt(settling, self.now() - timeout, &mut settled);
            // What is still open is asked again, a little later each time.
            let open: Vec<_> = (settling.state.operations.iter())
                .filter(|operation| !operation.status.is_final() && operation.check_at.is_some())
                .map(|operation| operation.id)
                .collect();
            for operation in open {
                settling.ask_again(operation);
            }
            Ok(settled)
        })
        .await
    }

    async fn ask_status(
        &self,
        connection: &BoundConnection,
        state: &OrderState,
    ) -> Result<Vec<Report>, ConnectorError> {
        let (outbound, client) = self.reach(connection, Some(state.order.payment.id))?;
        let question = super::status_question(state);
        let question = question.map_err(|error| ConnectorError::invalid(error.to_string()))?;
        self.in_time(outbound.status(&self.context(&client), &question)).await
    }
}

/// An intent from before `until` whose node died: the network may have heard of it.
fn abandoned_becomes_doubt(settling: &mut Settling, until: chrono::DateTime<chrono::Utc>, settled: &mut Settled) {
    let abandoned: Vec<_> = (settling.state.operations.iter().enumerate())
        .filter(|(_, operation)| operation.status == OperationStatus::Pending && operation.created_at <= until)
        .map(|(at, _)| at)
        .collect();
    let fault = NetworkFault::new("the gateway stopped before the network's answer was stored");
    for at in abandoned {
        settled.merge(settling.in_doubt(at, &fault));
    }
}

/// The payment when its intent is stored, as it would be read.
fn with_intent(mut state: OrderState, operation: OrderOperation) -> OrderState {
    state.order.version += 1;
    state.operations.push(operation);
    state
        .operations
        .sort_by_key(|operation| (operation.created_at, operation.number));
    state
}

/// How much the step moves, if the payment and its connection allow it. Steps that are still open count as done: money
/// that may be on its way is not promised twice.
fn allowed(state: &OrderState, connection: &BoundConnection, work: &Work<'_>) -> Result<Money, OrderError> {
    let order = &state.order;
    let amounts = super::settle::amounts(state);
    let wrong_state = OrderError::WrongState {
        status: order.payment.status,
        action: work.done(),
    };
    let open = |kinds: &[StepKind]| {
        let open = state
            .operations
            .iter()
            .filter(|known| kinds.contains(&known.kind) && !known.status.is_final());
        open.map(|operation| operation.amount.minor()).sum::<i64>()
    };
    let (rest, open, whole, part) = match work {
        Work::Capture(_) => (
            amounts.capturable()?,
            open(&[StepKind::Capture, StepKind::Reversal]),
            Capability::ManualCapture,
            Capability::PartialCapture,
        ),
        // A network may take back a sale on the same day, before it is settled.
        Work::Reverse(_) => (
            if amounts.capturable()?.minor() > 0 {
                amounts.capturable()?
            } else {
                amounts.refundable()?
            },
            open(&[StepKind::Capture, StepKind::Reversal, StepKind::Refund]),
            Capability::Reversal,
            Capability::PartialReversal,
        ),
        Work::Refund(_) => (
            amounts.refundable()?,
            open(&[StepKind::Refund, StepKind::Reversal]),
            Capability::Refund,
            Capability::PartialRefund,
        ),
    };
    let rest = Money::from_minor(rest.minor() - open, rest.currency());
    if rest.minor() <= 0 {
        return Err(wrong_state);
    }
    let amount = work.wanted().unwrap_or(rest);
    request::check_amount("amount", amount)?;
    if rest.checked_sub(amount)?.minor() < 0 {
        return Err(OrderError::field(
            "amount",
            format!("is more than the {rest} that can be {}", work.done()),
        ));
    }
    let has = connection
        .outbound()
        .map_or(&[][..], |outbound| outbound.capabilities());
    let needed = if amount == rest { whole } else { part };
    if has.contains(&needed) {
        return Ok(amount);
    }
    Err(OrderError::field(
        "amount",
        format!("this connection has no {}", needed.as_str()),
    ))
}
