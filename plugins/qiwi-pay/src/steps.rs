//! Steps on a payment that is there (§6.1 to §6.4).

use chrono::Duration;
use plugin_sdk::Money;
use plugin_sdk::connector::{
    CaptureOrder, ConnectorError, Context, DeclineReason, FinishOrder, NetworkFault, Report, ReturnOrder, State,
    StepKind,
};

use crate::answer::{Answer, TxnStatus, TxnType};
use crate::avia::IndustryData;
use crate::cheque::{self, Entrance};
use crate::config::SafeDeal;
use crate::connection::{Kept, QiwiPayConnection, is_repeat, read};
use crate::deal::{self, Deal};
use crate::parameters::{Opcode, Parameters, wrong};
use crate::{errors, purchase};

/// §6.2: a capture whose answer was lost is not repeated earlier.
pub const CAPTURE_REPEAT: Duration = Duration::minutes(3);
/// §6.1, in characters.
const PARES_MAX: usize = 4096;

/// The two ways back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Return {
    Reversal,
    Refund,
}

impl Return {
    const fn opcode(self) -> Opcode {
        match self {
            Self::Reversal => Opcode::Reversal,
            Self::Refund => Opcode::Refund,
        }
    }

    const fn kind(self) -> StepKind {
        match self {
            Self::Reversal => StepKind::Reversal,
            Self::Refund => StepKind::Refund,
        }
    }

    const fn txn_type(self) -> TxnType {
        match self {
            Self::Reversal => TxnType::Reversal,
            Self::Refund => TxnType::Refund,
        }
    }
}

impl QiwiPayConnection {
    pub(crate) async fn finish_three_ds(
        &self,
        context: &Context<'_>,
        order: &FinishOrder,
    ) -> Result<Report, ConnectorError> {
        let pares = order.posted.iter().find(|(name, _)| name.eq_ignore_ascii_case("pares"));
        let pares = pares.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty());
        let pares = pares.ok_or_else(|| wrong("PaRes", "the issuer's page posts it; it is missing"))?;
        let mut parameters = self.step(Opcode::FinishThreeDs, order.payment.network_id.as_deref())?;
        parameters.put_within("pares", Some(pares), PARES_MAX)?;
        let response = self.ask(context, &parameters).await?;
        let (answer, code) = read(&response)?;
        let report = purchase::created(&answer, code, StepKind::Create, order.payment.amount);
        let report = report.map_err(|error| match error {
            // It was finished before, by a browser that came twice: how it ended is not said here.
            ConnectorError::Declined(no) if no.reason == DeclineReason::WrongState => {
                ConnectorError::Uncertain(NetworkFault {
                    code: no.code,
                    ..NetworkFault::new(no.message)
                })
            }
            other => other,
        })?;
        Ok(Report {
            token: Kept::read(&order.payment.kept).token(&answer),
            ..report.of(order.step.operation)
        })
    }

    /// As [`capture`](plugin_sdk::connector::OutboundConnection::capture), with the flight data that were missing when
    /// the money was held (§9).
    pub async fn capture_with_flight_data(
        &self,
        context: &Context<'_>,
        order: &CaptureOrder,
        data: &IndustryData,
    ) -> Result<Report, ConnectorError> {
        self.capture_hold(context, order, Some(data)).await
    }

    pub(crate) async fn capture_hold(
        &self,
        context: &Context<'_>,
        order: &CaptureOrder,
        data: Option<&IndustryData>,
    ) -> Result<Report, ConnectorError> {
        if order.amount != order.payment.capturable {
            let message = "QIWI PAY captures the whole hold; reverse what is not to be taken first";
            return Err(wrong("amount", message));
        }
        let mut parameters = self.step(Opcode::Capture, order.payment.network_id.as_deref())?;
        cheque::put(&mut parameters, order.receipt.as_ref(), Entrance::Api)?;
        if let Some(data) = data {
            parameters.put_nested("industry_data", data.json()?);
        }
        if let Some(deal) = Kept::read(&order.payment.kept).deal {
            let rest = self.rest_of_deal(context, order, &deal).await?;
            rest.put(&mut parameters, self.config().safe_deal_field)?;
        }
        if is_repeat(context, &order.step)
            && let Some(done) = self.captured_before(context, order).await?
        {
            return Ok(done);
        }
        let response = self.ask(context, &parameters).await?;
        let (answer, code) = read(&response)?;
        stepped(&answer, code, StepKind::Capture, order.amount).map(|report| report.of(order.step.operation))
    }

    /// The sub-sums that are left; what was reversed of a hold is known to the network alone.
    async fn rest_of_deal(
        &self,
        context: &Context<'_>,
        order: &CaptureOrder,
        deal: &Deal,
    ) -> Result<Deal, ConnectorError> {
        if order.payment.capturable == order.payment.amount {
            return Ok(deal.clone());
        }
        let response = self.ask_list(context, order.payment.id).await?;
        let (answer, code) = read(&response)?;
        if code != 0 {
            return Err(errors::of_code(&answer, code));
        }
        let field = self.config().safe_deal_field.as_str();
        let elements = answer.list("transactions").unwrap_or_default();
        let reversed = elements.iter().filter(|element| is_done(element, TxnType::Reversal));
        let reversed: Vec<_> = reversed
            .filter_map(|element| deal::sums(&element.text(field)?, order.amount))
            .collect();
        let rest = deal.less(&reversed)?;
        if rest.payout.checked_add(rest.commission).ok() != Some(order.amount) {
            let fault = NetworkFault::new("the network's sub-sums do not add up to what is held; look at its list");
            return Err(ConnectorError::Unavailable(fault));
        }
        Ok(rest)
    }

    async fn captured_before(
        &self,
        context: &Context<'_>,
        order: &CaptureOrder,
    ) -> Result<Option<Report>, ConnectorError> {
        let response = self.ask_list(context, order.payment.id).await?;
        let (answer, code) = read(&response)?;
        if code != 0 {
            return Err(errors::of_code(&answer, code));
        }
        let elements = answer.list("transactions").unwrap_or_default();
        let same = |element: &&Answer<'_>| element.txn_id() == order.payment.network_id;
        let Some(hold) = elements.iter().find(same) else {
            return Ok(None);
        };
        if is_done(hold, TxnType::Auth) {
            let report = Report::new(StepKind::Capture, State::Succeeded).of(order.step.operation);
            return Ok(Some(Report {
                network_id: order.payment.network_id.clone(),
                ..report
            }));
        }
        if context.clock.now() - order.step.at < CAPTURE_REPEAT {
            let fault = NetworkFault::new("a capture may be repeated three minutes after it was first sent");
            return Err(ConnectorError::Uncertain(fault));
        }
        Ok(None)
    }

    pub(crate) async fn give_back(
        &self,
        context: &Context<'_>,
        order: &ReturnOrder,
        way: Return,
    ) -> Result<Report, ConnectorError> {
        let config = self.config();
        let mut parameters = self.step(way.opcode(), order.payment.network_id.as_deref())?;
        parameters.put_amount(order.amount)?;
        cheque::put(&mut parameters, order.receipt.as_ref(), Entrance::Api)?;
        match Kept::read(&order.payment.kept).deal {
            Some(deal) => {
                let part = deal.returned(config.safe_deal, &order.splits, order.amount)?;
                part.put(&mut parameters, config.safe_deal_field)?;
            }
            None if order.splits.is_empty() || config.safe_deal == SafeDeal::Off => {}
            None => return Err(wrong("splits", "the payment is no safe deal")),
        }
        if is_repeat(context, &order.step)
            && let Some(done) = self.returned_before(context, order, way).await?
        {
            return Ok(done);
        }
        let response = self.ask(context, &parameters).await?;
        let (answer, code) = read(&response)?;
        stepped(&answer, code, way.kind(), order.amount).map(|report| report.of(order.step.operation))
    }

    /// §14: the network has no ids of ours for returns, so before one is repeated its list is compared with the sums
    /// that are known.
    async fn returned_before(
        &self,
        context: &Context<'_>,
        order: &ReturnOrder,
        way: Return,
    ) -> Result<Option<Report>, ConnectorError> {
        let response = self.ask_list(context, order.payment.id).await?;
        let (answer, code) = read(&response)?;
        if code != 0 {
            return Err(errors::of_code(&answer, code));
        }
        let elements = answer.list("transactions").unwrap_or_default();
        let is_return = |element: &&Answer<'_>| {
            let kind = matches!(element.txn_type(), TxnType::Reversal | TxnType::Refund);
            kind && element.txn_status() != TxnStatus::Declined
        };
        let currency = order.amount.currency();
        let returned = elements
            .iter()
            .filter(is_return)
            .map(|element| element.amount(Some(currency)));
        let returned = returned.map(|amount| amount.map(Money::minor)).sum::<Option<i64>>();
        let payment = &order.payment;
        let known = payment.amount.minor() - payment.capturable.minor() - payment.refundable.minor();
        match returned.map(|returned| returned - known) {
            Some(0) => Ok(None),
            Some(extra) if extra == order.amount.minor() => {
                let same = |element: &&Answer<'_>| {
                    element.txn_type() == way.txn_type() && element.amount(Some(currency)) == Some(order.amount)
                };
                let done = elements.iter().filter(is_return).rfind(same);
                done.map(|element| stepped(element, 0, way.kind(), order.amount))
                    .transpose()
                    .map(|report| report.map(|report| report.of(order.step.operation)))
            }
            _ => {
                let message = "what the network gave back differs from what is known here; it is not repeated";
                Err(ConnectorError::Uncertain(NetworkFault::new(message)))
            }
        }
    }

    fn step(&self, opcode: Opcode, txn_id: Option<&str>) -> Result<Parameters, ConnectorError> {
        let mut parameters = Parameters::new(opcode, self.config().merchant_site);
        parameters.put_txn(txn_id)?;
        Ok(parameters)
    }
}

pub fn is_done(element: &Answer<'_>, kind: TxnType) -> bool {
    element.txn_type() == kind && element.txn_status() == TxnStatus::Completed
}

/// What an answer says of a capture, a reversal or a refund.
pub fn stepped(answer: &Answer<'_>, code: i64, kind: StepKind, asked: Money) -> Result<Report, ConnectorError> {
    let state = match answer.txn_status() {
        TxnStatus::Declined => State::Declined(errors::decline(answer, code)),
        _ if code != 0 => return Err(errors::of_code(answer, code)),
        TxnStatus::Completed => State::Succeeded,
        TxnStatus::Init | TxnStatus::Authorized => State::Pending,
        TxnStatus::Unknown => {
            let fault = NetworkFault::new("the answer's txn_status is not known");
            return Err(ConnectorError::Uncertain(fault));
        }
    };
    // A hold's own amount is not what a capture of the rest of it took.
    let told = answer
        .amount(Some(asked.currency()))
        .filter(|_| kind != StepKind::Capture);
    Ok(Report {
        network_id: answer.txn_id(),
        at: answer.at(),
        amount: told,
        ..Report::new(kind, state)
    })
}
