//! What QIWI tells by itself (§11). The signature covers an id, a date and an amount, but not the status; so each is
//! read, and then confirmed by asking (§6).

use plugin_sdk::connector::{Notification, NotificationError, NotificationRequest, Report, State, StepKind, Subject};
use plugin_sdk::{OperationId, PaymentId, RawAnswer};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::bills::note_attempt;
use crate::config::Site;
use crate::kept::Kept;
use crate::payments::{self, Payment};
use crate::signing::is_signed;
use crate::steps::{self, Done};
use crate::wire::{self, Amount, Outcome, Status, Text, owned};

/// §11.1: they have a few KiB.
const BODY_BYTES_MAX: usize = 64 * 1_024;
const SIGNATURE: &str = "signature";
/// Tokens of cards and accounts; a TOKEN notification is one object of that name.
pub const SENSITIVE: &[&str] = &[
    "tokenData",
    "createdToken",
    "paymentToken",
    "token",
    "cardHolder",
    "cardExpireDate",
];

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: Option<Text>,
    payment: Option<Box<RawValue>>,
    capture: Option<Box<RawValue>>,
    refund: Option<Box<RawValue>>,
    payout: Option<Box<RawValue>>,
    #[serde(rename = "checkPaymentMethod")]
    check: Option<Box<RawValue>>,
    token: Option<Box<RawValue>>,
}

/// What the signature covers, and what says which payment is meant.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Told {
    payment_id: Option<Text>,
    bill_id: Option<Text>,
    capture_id: Option<Text>,
    refund_id: Option<Text>,
    payout_id: Option<Text>,
    qr_code_uid: Option<Text>,
    request_uid: Option<Text>,
    created_date_time: Option<Text>,
    check_operation_date: Option<Text>,
    amount: Option<Amount>,
    status: Option<Status>,
    merchant_site_uid: Option<Text>,
    account: Option<Text>,
    tokenization_source: Option<Source>,
}

/// Of a card check the status is a bare word.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Checked {
    request_uid: Option<Text>,
    check_operation_date: Option<Text>,
    merchant_site_uid: Option<Text>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Source {
    uid: Option<Text>,
}

/// A notification of a kind that is known, read.
struct Read {
    subject: Subject,
    reports: Vec<Report>,
    /// Of the operation, for the log.
    id: Option<String>,
}

pub fn read(site: &Site, request: &NotificationRequest<'_>) -> Result<Notification, NotificationError> {
    let key = site
        .config
        .notification_key
        .as_ref()
        .ok_or(NotificationError::NotSupported)?;
    if request.body.len() > BODY_BYTES_MAX {
        return Err(malformed("it is too long"));
    }
    let envelope: Envelope =
        serde_json::from_slice(request.body).map_err(|_| malformed("it is no JSON of the protocol"))?;
    let kind = owned(envelope.kind.as_ref()).unwrap_or_default();
    let Some((told, raw)) = told(&envelope, &kind)? else {
        // The withdrawn BILL (§11.9), or a kind that is new: nothing is done, so nothing has to be proven.
        return Ok(acknowledged(None, Subject::Nothing, Vec::new()));
    };
    let message = message(&kind, &told).ok_or_else(|| malformed("a field that the signature covers is missing"))?;
    let signature = request.header(SIGNATURE).unwrap_or_default();
    if !is_signed(key, &message, signature, site.config.accept_base64_signature) {
        return Err(NotificationError::Forged(answer(403)));
    }
    let of_this_site = told
        .merchant_site_uid
        .as_ref()
        .is_none_or(|uid| uid.as_str() == site.config.site_id);
    if !of_this_site {
        // The key is the account's: its other sites sign with it as well.
        return Ok(acknowledged(None, Subject::Nothing, Vec::new()));
    }
    let read = understand(site, &kind, &told, raw)?;
    Ok(acknowledged(
        read.id.map(|id| format!("{kind} {id}")),
        read.subject,
        read.reports,
    ))
}

fn acknowledged(id: Option<String>, subject: Subject, reports: Vec<Report>) -> Notification {
    Notification {
        id,
        subject,
        reports,
        must_confirm: true,
        answer: answer(200),
    }
}

/// §11.1: anything but 200 is sent again; bodies are ignored.
fn answer(status: u16) -> RawAnswer {
    RawAnswer {
        status,
        content_type: None,
        headers: Vec::new(),
        body: String::new(),
    }
}

fn malformed(message: &str) -> NotificationError {
    NotificationError::Malformed {
        message: message.to_owned(),
        answer: answer(400),
    }
}

/// The object of this kind, with its text.
fn told<'a>(envelope: &'a Envelope, kind: &str) -> Result<Option<(Told, &'a RawValue)>, NotificationError> {
    let raw = match kind {
        "PAYMENT" => &envelope.payment,
        "CAPTURE" => &envelope.capture,
        "REFUND" => &envelope.refund,
        "PAYOUT" => &envelope.payout,
        "TOKEN" => &envelope.token,
        "CHECK_CARD" => &envelope.check,
        _ => return Ok(None),
    };
    let raw = raw
        .as_deref()
        .ok_or_else(|| malformed("the object of its type is missing"))?;
    let told = if kind == "CHECK_CARD" {
        let checked: Checked = object(raw)?;
        Told {
            request_uid: checked.request_uid,
            check_operation_date: checked.check_operation_date,
            merchant_site_uid: checked.merchant_site_uid,
            ..Told::default()
        }
    } else {
        object(raw)?
    };
    Ok(Some((told, raw)))
}

fn object<T: DeserializeOwned>(raw: &RawValue) -> Result<T, NotificationError> {
    serde_json::from_str(raw.get()).map_err(|_| malformed("the object of its type cannot be read"))
}

/// §11.2: dates as they stand in the text; amounts with exactly two decimals, whatever the text shows.
fn message(kind: &str, told: &Told) -> Option<String> {
    let money = || Some(told.amount.as_ref()?.money()?.decimal());
    let created = || Some(told.created_date_time.as_ref()?.0.clone());
    let of = |id: &Option<Text>| Some(id.as_ref()?.0.clone());
    let status = told.status.as_ref();
    let parts = match kind {
        "PAYMENT" => vec![of(&told.payment_id)?, created()?, money()?],
        "CAPTURE" => vec![of(&told.capture_id)?, created()?, money()?],
        "REFUND" => vec![of(&told.refund_id)?, created()?, money()?],
        "PAYOUT" => vec![of(&told.payout_id)?, created()?, money()?],
        "CHECK_CARD" => vec![of(&told.request_uid)?, of(&told.check_operation_date)?],
        _ => vec![
            of(&told.merchant_site_uid)?,
            of(&told.account)?,
            of(&status?.value)?,
            of(&status?.changed_date_time)?,
        ],
    };
    Some(parts.join("|"))
}

fn understand(site: &Site, kind: &str, told: &Told, raw: &RawValue) -> Result<Read, NotificationError> {
    let id = |id: &Option<Text>| owned(id.as_ref());
    Ok(match kind {
        "PAYMENT" => Read {
            subject: subject(told),
            reports: vec![payment(site, told, &object(raw)?)],
            id: id(&told.payment_id),
        },
        "CAPTURE" => Read {
            subject: subject(told),
            reports: vec![step(&object(raw)?, StepKind::Capture, told.capture_id.as_ref())],
            id: id(&told.capture_id),
        },
        "REFUND" => {
            let done: Done = object(raw)?;
            let released = wire::has_flag(&done.flags, "REVERSAL");
            let kind = if released { StepKind::Reversal } else { StepKind::Refund };
            Read {
                subject: subject(told),
                reports: vec![step(&done, kind, told.refund_id.as_ref())],
                id: id(&told.refund_id),
            }
        }
        "PAYOUT" => Read {
            subject: ours(told.payout_id.as_ref()).unwrap_or(Subject::Nothing),
            reports: vec![payout(&object(raw)?, told)],
            id: id(&told.payout_id),
        },
        "TOKEN" => {
            let source = told.tokenization_source.as_ref().and_then(|source| source.uid.as_ref());
            Read {
                subject: ours(source).unwrap_or(Subject::Nothing),
                reports: Vec::new(),
                id: source.map(|source| source.0.clone()),
            }
        }
        // The gateway makes no checks; whoever does asks with `card_check`.
        _ => Read {
            subject: Subject::Nothing,
            reports: Vec::new(),
            id: id(&told.request_uid),
        },
    })
}

/// Ours is the bill, the payment or the QR code, whichever was made.
fn subject(told: &Told) -> Subject {
    ours(told.bill_id.as_ref())
        .or_else(|| ours(told.payment_id.as_ref()))
        .or_else(|| ours(told.qr_code_uid.as_ref()))
        .or_else(|| owned(told.payment_id.as_ref()).map(Subject::NetworkId))
        .unwrap_or(Subject::Nothing)
}

fn ours(id: Option<&Text>) -> Option<Subject> {
    let id = id?.as_str().parse::<PaymentId>().ok()?;
    Some(Subject::Payment(id))
}

/// Of a bill a failed attempt is not the end: the payer may try again.
fn payment(site: &Site, told: &Told, payment: &Payment) -> Report {
    let attempt = ours(told.bill_id.as_ref()).is_some() && ours(told.payment_id.as_ref()).is_none();
    if attempt && wire::outcome(told.status.as_ref()) == Outcome::Refused {
        let mut report = Report::new(StepKind::Create, State::Pending);
        note_attempt(&mut report, told.status.as_ref());
        return report;
    }
    let mut report = payments::report(site, payment, &Kept::default());
    report.keep = None;
    report
}

fn step(done: &Done, kind: StepKind, id: Option<&Text>) -> Report {
    let mut report = steps::report(done, kind);
    report.network_id = owned(id);
    report.operation = id.and_then(|id| id.as_str().parse::<OperationId>().ok());
    report
}

fn payout(done: &Done, told: &Told) -> Report {
    let mut report = steps::report(done, StepKind::Payout);
    report.network_id = owned(told.payout_id.as_ref());
    report
}
