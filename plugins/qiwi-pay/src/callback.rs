//! Callbacks (§7). Their signature covers the transaction, its status and its amount, but not the order: a callback is
//! bound to a payment by the address that it comes to, which carries the payment's id and a proof made with the secret
//! key. What is not bound, and what is told of captures, reversals and refunds (they carry no id of ours), is asked for
//! before it is booked, where the server API is there to ask.

use plugin_sdk::connector::{Notification, NotificationError, NotificationRequest, Report, State, StepKind, Subject};
use plugin_sdk::{Currency, Money, PaymentId, RawAnswer};
use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::answer::{Answer, TxnStatus, TxnType};
use crate::connection::QiwiPayConnection;
use crate::purchase::{URL_MAX, created};
use crate::sign;
use crate::steps::stepped;

/// Parameters of our own in the callback's address.
const PAYMENT: &str = "payment";
const SAVE: &str = "save";
const PROOF: &str = "proof";
/// Digits of the proof: 128 bits of the signature.
const PROOF_DIGITS: usize = 32;
/// Amounts on the wire have at most this many decimal places.
const PLACES: usize = 2;

/// The connection's address with the payment's id and the proof of it; without them when that would be too long, and
/// none when even so.
pub fn url(connection: &QiwiPayConnection, notify_url: &str, payment: PaymentId, save: bool) -> Option<String> {
    let proof = proof(connection, &payment.to_string(), save);
    let separator = if notify_url.contains('?') { '&' } else { '?' };
    let save = if save { "&save=1" } else { "" };
    let bound = format!("{notify_url}{separator}{PAYMENT}={payment}{save}&{PROOF}={proof}");
    [bound, notify_url.to_owned()]
        .into_iter()
        .find(|url| url.chars().count() <= URL_MAX)
}

fn proof(connection: &QiwiPayConnection, payment: &str, save: bool) -> String {
    let mut proof = sign::sign(connection.secret(), &format!("callback|{payment}|{save}"));
    proof.truncate(PROOF_DIGITS);
    proof
}

/// What the address of a callback proves.
struct Bound {
    payment: PaymentId,
    save: bool,
}

fn bound(connection: &QiwiPayConnection, query: &str) -> Result<Option<Bound>, NotificationError> {
    let find = |name: &str| {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.into_owned())
    };
    let Some(payment) = find(PAYMENT) else { return Ok(None) };
    let save = find(SAVE).is_some();
    let expected = proof(connection, &payment, save);
    let given = find(PROOF).unwrap_or_default();
    let same = aws_lc_rs::constant_time::verify_slices_are_equal(expected.as_bytes(), given.as_bytes());
    match (same, payment.parse()) {
        (Ok(()), Ok(payment)) => Ok(Some(Bound { payment, save })),
        _ => Err(forged()),
    }
}

pub fn parse(
    connection: &QiwiPayConnection,
    request: &NotificationRequest<'_>,
) -> Result<Notification, NotificationError> {
    let form = form(request);
    let body = form.as_deref().unwrap_or(request.body);
    let answer = Answer::read(body).ok_or_else(|| malformed("the body is neither a JSON object nor a form"))?;
    if !is_signed(connection, &answer) {
        return Err(forged());
    }
    let bound = bound(connection, request.query)?;
    let named = answer.order_id().and_then(|order| order.parse::<PaymentId>().ok());
    if let (Some(bound), Some(named)) = (&bound, named)
        && bound.payment != named
    {
        return Err(forged());
    }
    let is_bound = bound.is_some();
    let save = bound.as_ref().is_some_and(|bound| bound.save);
    let txn_id = answer.txn_id().ok_or_else(|| malformed("txn_id is missing"))?;
    let subject = match (bound.map(|bound| bound.payment).or(named), answer.txn_type()) {
        (Some(payment), _) => Subject::Payment(payment),
        (None, TxnType::Sale | TxnType::Auth | TxnType::Payout) => Subject::NetworkId(txn_id.clone()),
        (None, _) => Subject::Nothing,
    };
    let reports = reports(&answer, save)?;
    let later = reports
        .iter()
        .any(|report| !matches!(report.kind, StepKind::Create | StepKind::Payout));
    Ok(Notification {
        id: Some(id(&answer, &txn_id)),
        subject,
        reports,
        must_confirm: connection.config().api && (later || !is_bound),
        answer: RawAnswer {
            status: 200,
            content_type: None,
            headers: Vec::new(),
            body: String::new(),
        },
    })
}

/// §7: what a callback that comes again has in common with the one before.
fn id(answer: &Answer<'_>, txn_id: &str) -> String {
    let text = |name| answer.text(name).unwrap_or_default();
    format!("{txn_id}/{}/{}", text("txn_type"), text("txn_status"))
}

/// Fields that came as a form, or in the address, as the object that they would have been.
fn form(request: &NotificationRequest<'_>) -> Option<Vec<u8>> {
    let is_form = request
        .header("content-type")
        .is_some_and(|kind| kind.contains("form-urlencoded"));
    let fields = if is_form {
        request.body
    } else if request.body.is_empty() {
        request.query.as_bytes()
    } else {
        return None;
    };
    let pairs = form_urlencoded::parse(fields);
    let object: Map<String, Value> = pairs.map(|(name, value)| (name.into_owned(), value.into())).collect();
    serde_json::to_vec(&object).ok()
}

/// §7.2, D-10: over the amount as it is written, then with two decimals.
fn is_signed(connection: &QiwiPayConnection, answer: &Answer<'_>) -> bool {
    let Some(sign) = answer.text("sign") else { return false };
    let covered = |amount: Option<&str>| {
        let texts = [
            "currency",
            "email",
            "error_code",
            "ip",
            "txn_id",
            "txn_status",
            "txn_type",
        ];
        let texts = texts.map(|name| (name, answer.text(name)));
        let text = |name: &str| match name {
            "amount" => amount,
            _ => texts
                .iter()
                .find(|(known, _)| *known == name)
                .and_then(|(_, text)| text.as_deref()),
        };
        sign::callback_message(text)
    };
    let amount = answer.text("amount");
    let written = sign::verify(connection.secret(), &covered(amount.as_deref()), &sign);
    let padded = amount.as_deref().and_then(two_decimals);
    written || padded.is_some_and(|amount| sign::verify(connection.secret(), &covered(Some(&amount)), &sign))
}

fn two_decimals(amount: &str) -> Option<String> {
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let short = !whole.is_empty() && digits(whole) && digits(fraction) && fraction.len() <= PLACES;
    short.then(|| format!("{whole}.{fraction:0<PLACES$}"))
}

fn reports(answer: &Answer<'_>, save: bool) -> Result<Vec<Report>, NotificationError> {
    let code = answer.error_code().unwrap_or(0);
    let nothing = Money::from_minor(0, Currency::RUB);
    let create = |kind| created(answer, code, kind, nothing);
    let step = |kind| stepped(answer, code, kind, nothing);
    let read = match answer.txn_type() {
        TxnType::Sale => create(StepKind::Create).map(|report| vec![report]),
        TxnType::Payout => create(StepKind::Payout).map(|report| vec![report]),
        TxnType::Refund => step(StepKind::Refund).map(|report| vec![report]),
        TxnType::Reversal => step(StepKind::Reversal).map(|report| vec![report]),
        TxnType::Auth => create(StepKind::Create).map(|held| {
            // What is captured was held before, whether or not that was told.
            let captured = answer.txn_status() == TxnStatus::Completed;
            let capture = Report {
                network_id: held.network_id.clone(),
                at: held.at,
                ..Report::new(StepKind::Capture, State::Succeeded)
            };
            let capture = captured.then_some(capture);
            [Some(held), capture].into_iter().flatten().collect()
        }),
        TxnType::Other => Ok(Vec::new()),
    };
    // A signed callback that says that nothing is known yet: nothing to report.
    let mut reports = read.unwrap_or_default();
    if save && let Some(report) = reports.first_mut() {
        report.token = answer.token(None);
    }
    Ok(reports)
}

fn forged() -> NotificationError {
    NotificationError::Forged(refusal(403))
}

fn malformed(message: &str) -> NotificationError {
    NotificationError::Malformed {
        message: message.to_owned(),
        answer: refusal(400),
    }
}

fn refusal(status: u16) -> RawAnswer {
    RawAnswer {
        status,
        content_type: None,
        headers: Vec::new(),
        body: String::new(),
    }
}
