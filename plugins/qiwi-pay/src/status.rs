//! What became of a payment and of its steps (§6.6). Reversals and refunds carry no id of ours (§14): those that the
//! network has told its own id of are known by it; the others are matched by kind and amount with the steps whose end
//! is not known, oldest with oldest.

use chrono::{DateTime, Utc};
use plugin_sdk::connector::{
    ConnectorError, Context, Hold, HttpResponse, KnownStep, Report, State, StatusQuestion, StepKind,
};
use plugin_sdk::{Money, PaymentId};

use crate::answer::{Answer, TxnStatus, TxnType};
use crate::connection::{Kept, QiwiPayConnection, read};
use crate::errors;
use crate::parameters::{Opcode, Parameters};
use crate::purchase::{created, hold_until};
use crate::steps::{CAPTURE_REPEAT, is_done, stepped};

/// D-8.
const TRANSACTION_NOT_FOUND: i64 = 8022;
/// A payer who opened the page in time may still be typing.
const PAGE_GRACE: chrono::Duration = chrono::Duration::minutes(30);

pub fn hold(state: &State, at: Option<DateTime<Utc>>) -> Option<Hold> {
    at.filter(|_| *state == State::Authorized).map(hold_until)
}

impl QiwiPayConnection {
    /// The list of an order's transactions, by the number that we gave it.
    pub(crate) async fn ask_list(
        &self,
        context: &Context<'_>,
        payment: PaymentId,
    ) -> Result<HttpResponse, ConnectorError> {
        let mut parameters = Parameters::new(Opcode::Status, self.config().merchant_site);
        parameters.put("order_id", payment.to_string());
        self.ask(context, &parameters).await
    }

    /// What an earlier, interrupted call left at the network, if it left anything.
    pub(crate) async fn created_before(
        &self,
        context: &Context<'_>,
        payment: PaymentId,
        kind: StepKind,
    ) -> Result<Option<Report>, ConnectorError> {
        let response = self.ask_list(context, payment).await?;
        let (answer, code) = read(&response)?;
        match code {
            TRANSACTION_NOT_FOUND => return Ok(None),
            0 => {}
            code => return Err(errors::of_code(&answer, code)),
        }
        let elements = answer.list("transactions").unwrap_or_default();
        let Some(element) = main(&elements, kind) else {
            return Ok(None);
        };
        element_of(element, kind).map(Some)
    }

    pub(crate) async fn ask_status(
        &self,
        context: &Context<'_>,
        question: &StatusQuestion,
    ) -> Result<Vec<Report>, ConnectorError> {
        let response = self.ask_list(context, question.payment.id).await?;
        let (answer, code) = read(&response)?;
        let elements = match code {
            0 => answer.list("transactions").unwrap_or_default(),
            TRANSACTION_NOT_FOUND => Vec::new(),
            code => return Err(errors::of_code(&answer, code)),
        };
        reports(question, &elements, context.clock.now())
    }
}

fn kind_of(question: &StatusQuestion) -> StepKind {
    let payout = question.steps.iter().any(|step| step.kind == StepKind::Payout);
    if payout { StepKind::Payout } else { StepKind::Create }
}

/// The transaction that is the payment: of several tries the one that came furthest, of equals the last.
fn main<'l, 'a>(elements: &'l [Answer<'a>], kind: StepKind) -> Option<&'l Answer<'a>> {
    let is_payment = |element: &&Answer<'_>| match kind {
        StepKind::Payout => element.txn_type() == TxnType::Payout,
        _ => matches!(element.txn_type(), TxnType::Sale | TxnType::Auth),
    };
    elements
        .iter()
        .filter(is_payment)
        .max_by_key(|element| match element.txn_status() {
            TxnStatus::Completed => 4,
            TxnStatus::Authorized => 3,
            TxnStatus::Init => 2,
            TxnStatus::Unknown => 1,
            TxnStatus::Declined => 0,
        })
}

/// In the list a code stands beside each transaction; one that is not declined is what its status says.
fn element_of(element: &Answer<'_>, kind: StepKind) -> Result<Report, ConnectorError> {
    let code = match element.txn_status() {
        TxnStatus::Declined => element.error_code().unwrap_or(0),
        _ => 0,
    };
    created(element, code, kind, Money::from_minor(0, plugin_sdk::Currency::RUB))
}

fn reports(
    question: &StatusQuestion,
    elements: &[Answer<'_>],
    now: DateTime<Utc>,
) -> Result<Vec<Report>, ConnectorError> {
    let kind = kind_of(question);
    let step = question.steps.iter().rfind(|step| step.kind == kind);
    let Some(payment) = main(elements, kind) else {
        let state = unknown(question, now);
        let report = Report::new(kind, state);
        return Ok(vec![match step {
            Some(step) => report.of(step.step.operation),
            None => report,
        }]);
    };
    let mut reports = Vec::new();
    let mut created = element_of(payment, kind)?;
    created.operation = step.map(|step| step.step.operation);
    if question
        .payment
        .kept
        .get("deal")
        .is_some_and(|deal| deal.get("wallet").is_some())
    {
        created.hold = None;
    }
    reports.push(created);
    if kind == StepKind::Create {
        reports.extend(captures(question, payment, elements, now));
        reports.extend(returns(question, elements, StepKind::Reversal, TxnType::Reversal)?);
        reports.extend(returns(question, elements, StepKind::Refund, TxnType::Refund)?);
    }
    Ok(reports)
}

/// The page tells the network of a payment only when the payer pays.
fn unknown(question: &StatusQuestion, now: DateTime<Utc>) -> State {
    let kept = Kept::read(&question.payment.kept);
    if !kept.on_page {
        return State::NotFound;
    }
    match kept.expires_at {
        Some(until) if until + PAGE_GRACE < now => State::Expired,
        _ => State::Pending,
    }
}

/// A capture has the id of its hold (§2.1), and takes all that was not reversed (D-7).
fn captures(
    question: &StatusQuestion,
    payment: &Answer<'_>,
    elements: &[Answer<'_>],
    now: DateTime<Utc>,
) -> Vec<Report> {
    let known = || question.steps.iter().filter(|step| step.kind == StepKind::Capture);
    if is_done(payment, TxnType::Auth) {
        let open = known().find(|step| !step.is_final);
        let mine = open.or_else(|| known().find(|step| step.network_id == payment.txn_id()));
        let currency = question.payment.amount.currency();
        let reversed = elements.iter().filter(|element| is_done(element, TxnType::Reversal));
        let reversed = reversed
            .map(|element| element.amount(Some(currency)))
            .collect::<Option<Vec<_>>>();
        let taken = reversed
            .zip(payment.amount(Some(currency)))
            .and_then(|(reversed, held)| {
                let mut parts = reversed.into_iter();
                parts.try_fold(held, |rest, part| rest.checked_sub(part).ok())
            });
        return vec![Report {
            operation: mine.map(|step| step.step.operation),
            network_id: payment.txn_id(),
            amount: taken,
            ..Report::new(StepKind::Capture, State::Succeeded)
        }];
    }
    let open = known().filter(|step| !step.is_final);
    open.map(|step| {
        let may_come = now - step.step.at < CAPTURE_REPEAT;
        let state = if may_come { State::Pending } else { State::NotFound };
        Report::new(StepKind::Capture, state).of(step.step.operation)
    })
    .collect()
}

fn returns(
    question: &StatusQuestion,
    elements: &[Answer<'_>],
    kind: StepKind,
    txn_type: TxnType,
) -> Result<Vec<Report>, ConnectorError> {
    let currency = question.payment.amount.currency();
    let mut steps: Vec<&KnownStep> = question.steps.iter().filter(|step| step.kind == kind).collect();
    let told = elements.iter().filter(|element| element.txn_type() == txn_type);
    let mut unmatched = Vec::new();
    let mut reports = Vec::new();
    for element in told {
        let report = stepped(element, declined_code(element), kind, question.payment.amount)?;
        match steps
            .iter()
            .position(|step| step.network_id.is_some() && step.network_id == report.network_id)
        {
            Some(at) => reports.push(report.of(steps.remove(at).step.operation)),
            None => unmatched.push((report, element.amount(Some(currency)))),
        }
    }
    for (report, amount) in unmatched {
        let fits = |step: &&&KnownStep| {
            let same_time = report.at.is_none_or(|at| at + CLOCKS_APART >= step.step.at);
            step.network_id.is_none() && !step.is_final && amount == Some(step.amount) && same_time
        };
        let declined = matches!(report.state, State::Declined(_));
        match steps.iter().find(fits).map(|step| step.step.operation) {
            Some(operation) => {
                steps.retain(|step| step.step.operation != operation);
                reports.push(report.of(operation));
            }
            // A person made it at the network; or it is one that was given up: which one cannot be known.
            None if !declined => reports.push(report),
            None => {}
        }
    }
    let missing = steps
        .into_iter()
        .filter(|step| !step.is_final && step.network_id.is_none());
    reports.extend(missing.map(|step| Report::new(kind, State::NotFound).of(step.step.operation)));
    Ok(reports)
}

/// How far the network's clock may be behind ours.
const CLOCKS_APART: chrono::Duration = chrono::Duration::minutes(5);

fn declined_code(element: &Answer<'_>) -> i64 {
    match element.txn_status() {
        TxnStatus::Declined => element.error_code().unwrap_or(0),
        _ => 0,
    }
}
