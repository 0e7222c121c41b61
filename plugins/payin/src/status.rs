//! What became of a payment and of each of its steps. Questions only.

use plugin_sdk::OperationId;
use plugin_sdk::connector::{
    ConnectorError, Context, KnownStep, NetworkFault, PaymentRef, Report, State, StatusQuestion, StepKind,
};

use crate::api::{Call, segment};
use crate::config::Site;
use crate::kept::{Kept, Via};
use crate::payments::{self, Payment};
use crate::steps::{self, Done};
use crate::wire::{self, owned};
use crate::{bills, payouts, qr};

/// What was found under the payment's id.
struct Found {
    create: Report,
    /// The network's payment, once there is one: captures and refunds hang on it.
    payment: Option<Payment>,
}

pub async fn of(site: &Site, context: &Context<'_>, question: &StatusQuestion) -> Result<Vec<Report>, ConnectorError> {
    let kept = Kept::of(&question.payment);
    if question.steps.iter().any(|step| step.kind == StepKind::Payout) || kept.via == Some(Via::Payout) {
        return payout(site, context, question, &kept).await;
    }
    let Some(found) = look(site, context, &question.payment, &kept).await? else {
        return Ok(vec![Report::new(StepKind::Create, State::NotFound)]);
    };
    let mut reports = vec![found.create];
    if let Some(payment) = found.payment {
        let told = Told::ask(site, context, question, &payment).await?;
        reports.extend(told.in_order());
    }
    Ok(reports)
}

async fn payout(
    site: &Site,
    context: &Context<'_>,
    question: &StatusQuestion,
    kept: &Kept,
) -> Result<Vec<Report>, ConnectorError> {
    let Some(source) = &kept.source else {
        return Err(ConnectorError::Unavailable(NetworkFault::new(
            "which payment this paid out of is not known, and Payin shows payouts under it only; look in the cabinet",
        )));
    };
    let report = payouts::status(site, context, source, &question.payment.id.to_string()).await?;
    Ok(vec![report])
}

/// A payment whose answer was lost may be any of the three; ids do not overlap between them.
async fn look(
    site: &Site,
    context: &Context<'_>,
    payment: &PaymentRef,
    kept: &Kept,
) -> Result<Option<Found>, ConnectorError> {
    let id = payment.id.to_string();
    let may_be = |via: Via| kept.via.is_none_or(|known| known == via);
    if may_be(Via::Payment)
        && let Some(found) = payments::find(site, context, &id).await?
    {
        let kept = with_via(kept, Via::Payment);
        return Ok(Some(Found {
            create: payments::report(site, &found, &kept),
            payment: Some(found),
        }));
    }
    if may_be(Via::Bill)
        && let Some(bill) = bills::find(site, context, &id).await?
    {
        let create = bills::report(site, &bill, kept);
        let payment = of_attempts(&bill, create.network_id.as_deref());
        return Ok(Some(Found { create, payment }));
    }
    if may_be(Via::Qr)
        && (site.config.sbp || kept.via.is_some())
        && let Some(found) = qr::find(site, context, &id).await?
    {
        let create = qr::report(&found, &with_via(kept, Via::Qr), None);
        let payment = match &create.network_id {
            Some(id) => payments::find(site, context, id).await?,
            None => None,
        };
        return Ok(Some(Found { create, payment }));
    }
    Ok(None)
}

fn with_via(kept: &Kept, via: Via) -> Kept {
    Kept {
        via: Some(via),
        ..kept.clone()
    }
}

fn of_attempts(bill: &bills::Bill, network_id: Option<&str>) -> Option<Payment> {
    let attempts = bill.payments.iter().flatten();
    let same = |attempt: &&Payment| attempt.payment_id.as_ref().map(wire::Text::as_str) == network_id;
    network_id.and_then(|_| attempts.clone().find(same)).cloned()
}

/// Reports of the steps after the first.
#[derive(Default)]
struct Told {
    captures: Vec<Report>,
    returns: Vec<Report>,
}

impl Told {
    async fn ask(
        site: &Site,
        context: &Context<'_>,
        question: &StatusQuestion,
        payment: &Payment,
    ) -> Result<Self, ConnectorError> {
        let Some(id) = owned(payment.payment_id.as_ref()) else {
            return Ok(Self::default());
        };
        let path = format!("/payments/{}", segment(&id));
        let mut told = Self::default();
        told.captures(site, context, question, payment, &path).await?;
        told.returns(site, context, question, payment, &path).await?;
        Ok(told)
    }

    async fn captures(
        &mut self,
        site: &Site,
        context: &Context<'_>,
        question: &StatusQuestion,
        payment: &Payment,
        path: &str,
    ) -> Result<(), ConnectorError> {
        for step in open(question, &[StepKind::Capture]) {
            let call = Call::get(site, format!("{path}/captures/{}", step.step.operation));
            let found: Option<Done> = call.find(context).await?;
            self.captures.push(of_step(step, found.as_ref()));
        }
        let known = self.captures.iter().any(|report| report.state == State::Succeeded);
        let created = question
            .steps
            .iter()
            .any(|step| step.kind == StepKind::Create && step.is_final);
        let news = !created || question.payment.capturable.minor() > 0;
        if !known && news && payment.captured_minor() > 0 && two_step(question, payment) {
            // §13: nobody captured in time, so the network did.
            let mut captured = Report::new(StepKind::Capture, State::Succeeded);
            captured.amount = wire::money(payment.captured_amount.as_ref());
            self.captures.push(captured);
        }
        Ok(())
    }

    async fn returns(
        &mut self,
        site: &Site,
        context: &Context<'_>,
        question: &StatusQuestion,
        payment: &Payment,
        path: &str,
    ) -> Result<(), ConnectorError> {
        let open: Vec<_> = open(question, &[StepKind::Refund, StepKind::Reversal]).collect();
        let gave_back = wire::money(payment.refunded_amount.as_ref()).is_some_and(|amount| amount.minor() > 0);
        if open.is_empty() && !gave_back {
            return Ok(());
        }
        let list: Vec<Done> = Call::get(site, format!("{path}/refunds")).list(context).await?;
        for done in &list {
            let id = owned(done.refund_id.as_ref()).and_then(|id| id.parse::<OperationId>().ok());
            let known = question.steps.iter().find(|step| Some(step.step.operation) == id);
            let by_person = if wire::has_flag(&done.flags, "REVERSAL") {
                StepKind::Reversal
            } else {
                StepKind::Refund
            };
            self.returns.push(match known {
                Some(step) => of_step(step, Some(done)),
                None => steps::report(done, by_person),
            });
        }
        for step in open {
            if self
                .returns
                .iter()
                .all(|report| report.operation != Some(step.step.operation))
            {
                let call = Call::get(site, format!("{path}/refunds/{}", step.step.operation));
                let found: Option<Done> = call.find(context).await?;
                self.returns.push(of_step(step, found.as_ref()));
            }
        }
        Ok(())
    }

    /// As money moves: what was released of a hold, what was taken, what was given back.
    fn in_order(self) -> impl Iterator<Item = Report> {
        let (released, refunded): (Vec<_>, Vec<_>) =
            (self.returns.into_iter()).partition(|report| report.kind == StepKind::Reversal);
        released.into_iter().chain(self.captures).chain(refunded)
    }
}

fn two_step(question: &StatusQuestion, payment: &Payment) -> bool {
    Kept::of(&question.payment)
        .two_step
        .unwrap_or_else(|| !payment.is_one_step())
}

fn open<'a>(question: &'a StatusQuestion, kinds: &'a [StepKind]) -> impl Iterator<Item = &'a KnownStep> {
    let steps = question.steps.iter();
    steps.filter(|step| !step.is_final && kinds.contains(&step.kind))
}

fn of_step(step: &KnownStep, done: Option<&Done>) -> Report {
    match done {
        Some(done) => steps::report(done, step.kind).of(step.step.operation),
        None => Report::new(step.kind, State::NotFound).of(step.step.operation),
    }
}
