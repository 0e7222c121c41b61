//! Bills (§5.1 to §5.3): paid on QIWI's form. The bill has the payment's id; what the payer does on the form is a
//! payment of its own, and of several attempts at most one succeeds.

use plugin_sdk::connector::{ConnectorError, Context, NextAction, PaymentOrder, Report, State, StepKind};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::api::{Call, segment};
use crate::cheque::cheque;
use crate::config::Site;
use crate::connection::is_two_step;
use crate::kept::{Kept, Via};
use crate::options::PayinOptions;
use crate::payments::{self, Payment, customer, flags};
use crate::reasons;
use crate::wire::{self, Amount, Flags, Outcome, Status, Text, amount, cut, owned, put};

/// §5.1: characters of a comment; the table of the form's link says 255.
const COMMENT_MAX: usize = 255;
/// §5.4: characters of a callback's address.
const CALLBACK_MAX: usize = 256;

#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Bill {
    pub bill_id: Option<Text>,
    pub invoice_uid: Option<Text>,
    pub amount: Option<Amount>,
    pub status: Option<Status>,
    pub flags: Flags,
    pub pay_url: Option<Text>,
    /// Attempts, in the answer about the bill's status.
    pub payments: Option<Vec<Payment>>,
}

pub async fn create(
    site: &Site,
    context: &Context<'_>,
    order: &PaymentOrder,
    allowed: &[String],
) -> Result<Report, ConnectorError> {
    let options = PayinOptions::of(&order.options)?;
    let callback = callback(site, order.notify_url.as_deref());
    let body = request(site, order, &options, allowed, callback.as_deref())?;
    let path = format!("/bills/{}", segment(&order.payment.to_string()));
    let bill: Bill = Call::put(site, path, &body).ask(context).await?;
    let kept = Kept {
        via: Some(Via::Bill),
        two_step: Some(is_two_step(order)),
        callback,
        ..Kept::default()
    };
    if wire::money(bill.amount.as_ref()) != Some(order.amount) {
        // A stored object wins over a new body (§10): this bill is not the one that was ordered.
        return Err(ConnectorError::Uncertain(plugin_sdk::connector::NetworkFault::new(
            "the bill of this id has another amount",
        )));
    }
    let mut report = report(site, &bill, &kept);
    if let State::RequiresAction(NextAction::Redirect { url }) = &mut report.state {
        *url = with_wishes(url, order.success_url.as_deref(), &options);
    }
    Ok(report)
}

fn request(
    site: &Site,
    order: &PaymentOrder,
    options: &PayinOptions,
    allowed: &[String],
    callback: Option<&str>,
) -> Result<Value, ConnectorError> {
    let expires = order.expires_at.unwrap_or(order.step.at + site.bill_life);
    let mut body = json!({
        "amount": amount(order.amount)?,
        "expirationDateTime": wire::written(expires),
    });
    put(
        &mut body,
        "comment",
        order.description.as_deref().map(|text| cut(text, COMMENT_MAX)),
    );
    let methods: Result<Vec<&str>, _> = allowed.iter().map(|name| form_method(name)).collect();
    let methods = methods?;
    put(
        &mut body,
        "billPaymentMethodsType",
        (!methods.is_empty()).then_some(methods),
    );
    put(&mut body, "flags", flags(order)?);
    let (customer, address) = customer(&order.customer);
    put(&mut body, "customer", customer);
    put(&mut body, "address", address);
    put(&mut body, "receiverData", options.receiver());
    put(&mut body, "customFields", options.custom_fields(callback));
    put(&mut body, "cheque", order.receipt.as_ref().map(cheque).transpose()?);
    if !order.splits.is_empty() {
        put(&mut body, "splits", Some(wire::splits(&order.splits, order.amount)?));
    }
    Ok(body)
}

fn form_method(name: &str) -> Result<&'static str, ConnectorError> {
    match name.to_ascii_lowercase().as_str() {
        "card" => Ok("CARD"),
        "sbp" => Ok("SBP"),
        "qiwi_wallet" => Ok("QIWI_WALLET"),
        _ => Err(ConnectorError::invalid(format!(
            "method.allowed: '{name}' is not on Payin's form; it has card and sbp"
        ))),
    }
}

/// Where notifications of one payment go: an address that QIWI takes (§11.1: https, at most 256 characters). An address
/// without TLS is told only to a simulator.
pub fn callback(site: &Site, notify_url: Option<&str>) -> Option<String> {
    let url = notify_url?;
    let takes = url.starts_with("https://") || (site.plain && url.starts_with("http://"));
    (takes && url.chars().count() <= CALLBACK_MAX).then(|| url.to_owned())
}

/// §7: what the merchant may append to the form's address.
fn with_wishes(url: &str, success_url: Option<&str>, options: &PayinOptions) -> String {
    let Ok(mut form) = Url::parse(url) else {
        return url.to_owned();
    };
    if let Some(success_url) = success_url {
        form.query_pairs_mut().append_pair("successUrl", success_url);
    }
    if let Some(lang) = options.lang {
        form.query_pairs_mut().append_pair("lang", lang.as_str());
    }
    form.into()
}

/// The bill with its attempts, as the payment that it is for the gateway.
pub fn report(site: &Site, bill: &Bill, kept: &Kept) -> Report {
    let attempts = bill.payments.as_deref().unwrap_or_default();
    let paid = attempts
        .iter()
        .find(|attempt| wire::outcome(attempt.status.as_ref()) == Outcome::Done);
    let two_step = kept.two_step.unwrap_or_else(|| !wire::has_flag(&bill.flags, "SALE"));
    let kept = Kept {
        via: Some(Via::Bill),
        two_step: Some(two_step),
        ..kept.clone()
    };
    if let Some(paid) = paid {
        return payments::report(site, paid, &kept);
    }
    let waits = attempts
        .iter()
        .any(|attempt| wire::outcome(attempt.status.as_ref()) == Outcome::Waiting);
    let status = bill.status.as_ref().and_then(|status| status.value.as_ref());
    let state = match status.map_or("", Text::as_str) {
        // D-20. An attempt that is under way may still succeed.
        "EXPIRED" | "REJECTED" if !waits => State::Expired,
        "CREATED" | "WAITING" => match owned(bill.pay_url.as_ref()) {
            Some(url) => State::RequiresAction(NextAction::Redirect { url }),
            None => State::Pending,
        },
        _ => State::Pending,
    };
    let mut report = Report::new(StepKind::Create, state);
    report.keep = Some(kept.value());
    let refused = attempts
        .iter()
        .find(|attempt| wire::outcome(attempt.status.as_ref()) == Outcome::Refused);
    if let Some(refused) = refused {
        note_attempt(&mut report, refused.status.as_ref());
    }
    if let Some(invoice) = owned(bill.invoice_uid.as_ref()) {
        report.facts.more.insert("invoice_uid".to_owned(), invoice);
    }
    report
}

/// A failed attempt leaves the bill open (§8.2): worth knowing, and no end.
pub fn note_attempt(report: &mut Report, status: Option<&Status>) {
    let decline = reasons::decline(status);
    report.facts.more.insert("last_attempt".to_owned(), decline.to_string());
}

/// The bill with its attempts. Servers that leave them out of the status are asked for them.
pub async fn find(site: &Site, context: &Context<'_>, id: &str) -> Result<Option<Bill>, ConnectorError> {
    let path = format!("/bills/{}", segment(id));
    let Some(mut bill) = Call::get(site, format!("{path}/details")).find::<Bill>(context).await? else {
        return Ok(None);
    };
    let is_paid = bill.status.as_ref().and_then(|status| status.value.as_ref());
    let is_paid = is_paid.is_some_and(|value| value.as_str() == "PAID");
    if is_paid && bill.payments.as_ref().is_none_or(Vec::is_empty) {
        bill.payments = Some(Call::get(site, path).list(context).await?);
    }
    Ok(Some(bill))
}
