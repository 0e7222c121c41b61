//! Payouts of a safe deal (§5.17): out of a split payment, signed by the merchant's RSA key.

use plugin_sdk::Secret;
use plugin_sdk::connector::{ConnectorError, Context, HttpMethod, PayoutOrder, PayoutTarget, Report, State, StepKind};
use serde_json::{Value, json};

use crate::api::{Call, segment};
use crate::bills::callback;
use crate::config::Site;
use crate::connection::PayinConnection;
use crate::kept::{Kept, Via};
use crate::steps::{self, Done};
use crate::wire::{self, Outcome, amount, cut, put};

/// §5.17: characters of the recipient's names.
const NAME_MAX: usize = 64;
const COMMENT_MAX: usize = 255;

pub async fn create(site: &Site, context: &Context<'_>, order: &PayoutOrder) -> Result<Report, ConnectorError> {
    let Some(key) = &site.payout_key else {
        return Err(ConnectorError::unsupported("payouts; set payout_private_key"));
    };
    let source = order.source.as_ref();
    let source =
        source.ok_or_else(|| ConnectorError::invalid("source_payment: Payin pays out of a payment; name it"))?;
    let source = source.network_id.clone().unwrap_or_else(|| source.id.to_string());
    let mut body = json!({ "amount": amount(order.amount)?, "receiverData": receiver(&order.target)? });
    put(
        &mut body,
        "comment",
        order.description.as_deref().map(|text| cut(text, COMMENT_MAX)),
    );
    put(&mut body, "callbackUrl", callback(site, order.notify_url.as_deref()));
    if !order.splits.is_empty() {
        put(
            &mut body,
            "payoutSplits",
            Some(wire::splits(&order.splits, order.amount)?),
        );
    }
    let payout = order.payment.to_string();
    let mut call = Call::put(site, path(&source, &payout), &body);
    // Over exactly the bytes that leave.
    let signature = key.sign(call.body.as_deref().unwrap_or_default());
    call.digital_sign = Some(signature.ok_or_else(|| ConnectorError::invalid("the payout cannot be signed"))?);
    let mut done: Done = call.ask(context).await?;
    if wire::outcome(done.status.as_ref()) == Outcome::Init {
        done = complete(site, context, &source, &payout).await?;
    }
    let report = report(&done, &source, &payout);
    match report.state {
        State::Declined(decline) if decline.try_elsewhere => Err(ConnectorError::Declined(decline)),
        _ => Ok(report),
    }
}

/// The second stage, for sites that have two. To have ordered a payout is to want it, so it follows at once.
async fn complete(site: &Site, context: &Context<'_>, source: &str, payout: &str) -> Result<Done, ConnectorError> {
    let path = format!("{}/complete", path(source, payout));
    let call = Call::new(site, HttpMethod::Put, path, None);
    // The first stage was executed: nothing about the second makes that undone.
    call.ask(context)
        .await
        .map_err(|fault| match ConnectorError::from(fault) {
            ConnectorError::Unavailable(fault) | ConnectorError::Invalid(fault) => ConnectorError::Uncertain(fault),
            other => other,
        })
}

fn path(source: &str, payout: &str) -> String {
    format!("/payments/{}/payouts/{}", segment(source), segment(payout))
}

fn receiver(target: &PayoutTarget) -> Result<Value, ConnectorError> {
    match target {
        PayoutTarget::Card { pan, holder } => {
            let mut card = json!({ "type": "CARD", "pan": Secret::expose(pan) });
            if let Some(holder) = holder {
                let (first, last) = holder.trim().split_once(' ').unwrap_or((holder.trim(), ""));
                put(&mut card, "receiverFirstName", Some(cut(first, NAME_MAX)));
                let last = Some(cut(last.trim(), NAME_MAX)).filter(|last| !last.is_empty());
                put(&mut card, "receiverLastName", last);
            }
            Ok(card)
        }
        PayoutTarget::Phone { phone, bank } => {
            let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
            if !(11..=13).contains(&digits.len()) {
                return Err(ConnectorError::invalid(
                    "recipient.phone: write 11 to 13 digits, such as 79031234567",
                ));
            }
            Ok(json!({ "type": "SBP", "phone": digits, "bankMemberId": bank }))
        }
        PayoutTarget::Token(_) | PayoutTarget::Wallet(_) => Err(ConnectorError::invalid(
            "recipient: Payin pays out to a card, or to a phone at a bank",
        )),
    }
}

fn report(done: &Done, source: &str, payout: &str) -> Report {
    let mut report = steps::report(done, StepKind::Payout);
    // D-10: answers leave the id out.
    report.network_id = Some(payout.to_owned());
    let kept = Kept {
        via: Some(Via::Payout),
        source: Some(source.to_owned()),
        ..Kept::default()
    };
    report.keep = Some(kept.value());
    report
}

pub async fn status(site: &Site, context: &Context<'_>, source: &str, payout: &str) -> Result<Report, ConnectorError> {
    let found: Option<Done> = Call::get(site, path(source, payout)).find(context).await?;
    Ok(match found {
        Some(done) => report(&done, source, payout),
        None => Report::new(StepKind::Payout, State::NotFound),
    })
}

impl PayinConnection {
    /// §5.17: finishes a two-stage payout that was left in its first stage. `source` is the network's id of the
    /// purchase, `payout` that of the payout. [`payout`](plugin_sdk::connector::OutboundConnection::payout) does it by
    /// itself; this is for one that was interrupted.
    pub async fn complete_payout(
        &self,
        context: &Context<'_>,
        source: &str,
        payout: &str,
    ) -> Result<Report, ConnectorError> {
        let done = complete(&self.site, context, source, payout).await?;
        Ok(report(&done, source, payout))
    }
}
