//! Captures, reversals and refunds (§5.7 to §5.12).

use plugin_sdk::OperationId;
use plugin_sdk::connector::{
    CaptureOrder, ConnectorError, Context, HttpMethod, PaymentRef, Report, ReturnOrder, State, StepKind,
};
use serde::Deserialize;
use serde_json::json;

use crate::api::{Call, segment};
use crate::cheque::cheque;
use crate::config::Site;
use crate::connection::PayinConnection;
use crate::kept::{Kept, Via};
use crate::reasons;
use crate::wire::{self, Amount, ChequeData, Flags, Outcome, Status, Text, amount, owned, put};
use crate::{bills, qr};

/// A capture or a refund.
#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Done {
    #[serde(alias = "captureId", alias = "payoutId")]
    pub refund_id: Option<Text>,
    pub amount: Option<Amount>,
    pub status: Option<Status>,
    pub flags: Flags,
    pub cheque_data: Option<ChequeData>,
}

/// There is no amount on the wire: all that is held is taken.
pub async fn capture(site: &Site, context: &Context<'_>, order: &CaptureOrder) -> Result<Report, ConnectorError> {
    if order.amount != order.payment.capturable {
        return Err(ConnectorError::invalid(format!(
            "amount: Payin captures all that is held, {}; release the difference first",
            order.payment.capturable
        )));
    }
    if order.receipt.is_some() {
        return Err(ConnectorError::invalid(
            "receipt: Payin takes it with the payment, not with the capture",
        ));
    }
    let payment = at_network(site, context, &order.payment).await?;
    let mut body = json!({});
    put(&mut body, "callbackUrl", Kept::of(&order.payment).callback);
    let path = format!("/payments/{}/captures/{}", segment(&payment), order.step.operation);
    let done: Done = Call::put(site, path, &body).ask(context).await?;
    Ok(report(&done, StepKind::Capture).of(order.step.operation))
}

/// A refund and a reversal are one request: what it does depends on whether the money was taken.
pub async fn give_back(
    site: &Site,
    context: &Context<'_>,
    order: &ReturnOrder,
    kind: StepKind,
) -> Result<Report, ConnectorError> {
    let payment = at_network(site, context, &order.payment).await?;
    let mut body = json!({ "amount": amount(order.amount)? });
    put(&mut body, "callbackUrl", Kept::of(&order.payment).callback);
    put(&mut body, "cheque", order.receipt.as_ref().map(cheque).transpose()?);
    if !order.splits.is_empty() {
        put(
            &mut body,
            "refundSplits",
            Some(wire::splits(&order.splits, order.amount)?),
        );
    }
    let path = format!("/payments/{}/refunds/{}", segment(&payment), order.step.operation);
    let done: Done = Call::put(site, path, &body).ask(context).await?;
    Ok(report(&done, kind).of(order.step.operation))
}

pub fn report(done: &Done, kind: StepKind) -> Report {
    let status = done.status.as_ref();
    let state = match wire::outcome(status) {
        Outcome::Done => State::Succeeded,
        Outcome::Refused => State::Declined(reasons::decline(status)),
        Outcome::Waiting | Outcome::Init | Outcome::Unknown => State::Pending,
    };
    let mut report = Report::new(kind, state);
    report.amount = wire::money(done.amount.as_ref());
    report.network_id = owned(done.refund_id.as_ref());
    report.at = wire::time(status.and_then(|status| status.changed_date_time.as_ref()));
    report.facts = wire::facts(None, None, done.cheque_data.as_ref());
    report
}

/// The network's id of the payment. What was paid on a form or by QR code has one of its own, which may not have been
/// told yet.
async fn at_network(site: &Site, context: &Context<'_>, payment: &PaymentRef) -> Result<String, ConnectorError> {
    if let Some(id) = &payment.network_id {
        return Ok(id.clone());
    }
    let (id, kept) = (payment.id.to_string(), Kept::of(payment));
    let found = match kept.via {
        Some(Via::Bill) | None => bills::find(site, context, &id)
            .await
            .map_err(before_sending)?
            .and_then(|bill| bills::report(site, &bill, &kept).network_id),
        Some(Via::Qr) => qr::find(site, context, &id)
            .await
            .map_err(before_sending)?
            .and_then(|qr| qr::report(&qr, &kept, None).network_id),
        Some(Via::Payment | Via::Payout) => None,
    };
    match (found, kept.via) {
        (Some(id), _) => Ok(id),
        (None, Some(Via::Payment) | None) => Ok(id),
        (None, _) => Err(ConnectorError::invalid(
            "the network does not know of a payment yet; ask for its status",
        )),
    }
}

/// A question came to no answer; the step itself was not sent.
fn before_sending(error: ConnectorError) -> ConnectorError {
    match error {
        ConnectorError::Uncertain(fault) => ConnectorError::Unavailable(fault),
        other => other,
    }
}

impl PayinConnection {
    /// §5.12: withdraws a refund that the network has postponed. Only for sites with postponed refunds; one that was
    /// executed already is refused as [`ConnectorError::Declined`].
    pub async fn decline_refund(
        &self,
        context: &Context<'_>,
        payment: &PaymentRef,
        refund: OperationId,
    ) -> Result<Report, ConnectorError> {
        let payment = at_network(&self.site, context, payment).await?;
        let path = format!("/payments/{}/refunds/{refund}/decline", segment(&payment));
        let call = Call::new(&self.site, HttpMethod::Post, path, None);
        let done: Done = call.ask(context).await?;
        Ok(report(&done, StepKind::Refund).of(refund))
    }
}
