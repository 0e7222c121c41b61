//! What QIWI keeps, and how its answers show it (§5).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::bank::Card;
use super::money::Sum;
use super::stamp;

pub struct Bill {
    pub id: String,
    pub invoice: String,
    /// Absent of a bill that checks a card.
    pub amount: Option<Sum>,
    pub created: DateTime<Utc>,
    pub changed: DateTime<Utc>,
    pub expires: DateTime<Utc>,
    pub state: BillState,
    pub flags: Vec<String>,
    pub methods: Vec<String>,
    pub comment: Option<String>,
    pub custom: BTreeMap<String, String>,
    pub customer: Value,
    pub splits: Vec<Split>,
    pub has_cheque: bool,
    /// Newest last.
    pub attempts: Vec<String>,
    /// How it was made, as its payments say.
    pub made_by: &'static str,
    pub body: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BillState {
    Created,
    Paid,
    Expired,
}

impl BillState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Paid => "PAID",
            Self::Expired => "EXPIRED",
        }
    }
}

impl Bill {
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|known| known == flag)
    }

    pub fn json(&self, base_url: &str, test_mode: bool) -> Value {
        let form = if self.has("CHECK_CARD") {
            "/validation/card"
        } else {
            "/form"
        };
        let mut bill = json!({
            "billId": self.id,
            "invoiceUid": self.invoice,
            "amount": match &self.amount {
                Some(amount) => amount.in_answer(),
                None => json!({ "currency": "RUB", "value": "0.00" }),
            },
            "creationDateTime": stamp::date(self.created),
            "expirationDateTime": stamp::date(self.expires),
            "status": { "value": self.state.as_str(), "changedDateTime": stamp::date(self.changed) },
            "payUrl": format!("{base_url}{form}?invoiceUid={}", self.invoice),
        });
        add(&mut bill, "comment", self.comment.clone());
        add_fields(&mut bill, &self.custom);
        add_flags(&mut bill, &self.flags, test_mode);
        if !self.splits.is_empty() {
            add(&mut bill, "splits", Some(splits(&self.splits, Sum::in_answer)));
        }
        bill
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    Waiting,
    Completed,
    Declined { reason: String, ps_code: Option<String> },
}

impl State {
    pub fn declined(reason: &str) -> Self {
        Self::Declined {
            reason: reason.to_owned(),
            ps_code: None,
        }
    }

    /// As answers say it, §8.1.
    pub fn json(&self, changed: DateTime<Utc>) -> Value {
        let mut status = json!({ "changedDateTime": stamp::date(changed) });
        let value = match self {
            Self::Waiting => "WAITING",
            Self::Completed => "COMPLETED",
            Self::Declined { reason, ps_code } => {
                add(&mut status, "reason", Some(reason.clone()));
                add(&mut status, "psErrorCode", ps_code.clone());
                "DECLINED"
            }
        };
        add(&mut status, "value", Some(value));
        status
    }
}

pub enum How {
    Card { card: Card, token: Option<String> },
    Sbp { phone: String, qr: String },
}

pub struct Payment {
    pub id: String,
    pub bill_id: String,
    pub created: DateTime<Utc>,
    pub changed: DateTime<Utc>,
    pub amount: Sum,
    pub captured: i64,
    pub refunded: i64,
    pub one_step: bool,
    pub how: How,
    pub state: State,
    /// The request to the issuer's page, until it is answered or too late.
    pub three_ds: Option<(String, DateTime<Utc>)>,
    /// When a slow bank answers.
    pub decided_at: Option<DateTime<Utc>>,
    /// What the bank is going to say, if it is no.
    pub refused: Option<(String, String)>,
    pub callback: Option<String>,
    pub comment: Option<String>,
    pub custom: BTreeMap<String, String>,
    pub customer: Value,
    pub device: Value,
    pub flags: Vec<String>,
    pub splits: Vec<Split>,
    pub cheque: Option<u64>,
    /// For whom the card is to be stored.
    pub bind: Option<String>,
    pub token: Option<StoredCard>,
    pub hold_until: Option<DateTime<Utc>>,
    pub captures: BTreeMap<String, Step>,
    /// Oldest first.
    pub refunds: Vec<Step>,
    pub payouts: BTreeMap<String, Payout>,
    pub body: Vec<u8>,
}

impl Payment {
    pub fn captured_already(&self) -> bool {
        self.captures.values().any(|capture| capture.state == State::Completed)
    }

    pub fn is_held(&self) -> bool {
        self.state == State::Completed && !self.one_step && !self.captured_already()
    }

    pub fn json(&self, base_url: &str, test_mode: bool) -> Value {
        let mut payment = json!({
            "paymentId": self.id,
            "billId": self.bill_id,
            "createdDateTime": stamp::date(self.created),
            "amount": self.amount.in_answer(),
            "capturedAmount": self.amount.of(self.captured).in_answer(),
            "refundedAmount": self.amount.of(self.refunded).in_answer(),
            "paymentMethod": self.method(test_mode),
            "status": self.state.json(self.changed),
            "customer": self.customer,
            "deviceData": self.device,
        });
        if let (Some((pareq, _)), State::Waiting) = (&self.three_ds, &self.state) {
            let acs = format!("{base_url}/sandbox/payin/acs");
            add(
                &mut payment,
                "requirements",
                Some(json!({ "threeDS": { "pareq": pareq, "acsUrl": acs } })),
            );
        }
        add(&mut payment, "createdToken", self.token.as_ref().map(StoredCard::json));
        add(&mut payment, "paymentCardInfo", self.card_info());
        add(&mut payment, "callbackUrl", self.callback.clone());
        add(&mut payment, "comment", self.comment.clone());
        add_fields(&mut payment, &self.custom);
        add_flags(&mut payment, &self.flags, test_mode);
        if !self.splits.is_empty() {
            add(
                &mut payment,
                "paymentSplits",
                Some(splits(&self.splits, Sum::in_answer)),
            );
        }
        add(&mut payment, "chequeData", self.cheque.map(cheque));
        payment
    }

    fn method(&self, test_mode: bool) -> Value {
        match &self.how {
            How::Card { card, token } => {
                let mut method = json!({
                    "type": if token.is_some() { "TOKEN" } else { "CARD" },
                    "maskedPan": card.masked(),
                });
                add(&mut method, "paymentToken", token.clone());
                if self.state == State::Completed {
                    let (rrn, auth_code) = self.references(test_mode);
                    add(&mut method, "rrn", Some(rrn));
                    add(&mut method, "authCode", Some(auth_code));
                }
                method
            }
            How::Sbp { phone, .. } => json!({ "type": "SBP", "phone": phone }),
        }
    }

    /// §4.8: fixed in test mode, twelve digits in production.
    pub fn references(&self, test_mode: bool) -> (String, String) {
        if test_mode {
            return ("123".to_owned(), "181218".to_owned());
        }
        let seconds = self.created.timestamp().unsigned_abs();
        (
            format!("{:012}", seconds % 1_000_000_000_000),
            format!("{:06}", seconds % 1_000_000),
        )
    }

    pub fn card_info(&self) -> Option<Value> {
        match &self.how {
            How::Card { card, .. } => Some(card_info(card, "643")),
            How::Sbp { .. } => None,
        }
    }
}

pub fn card_info(card: &Card, country: &str) -> Value {
    json!({
        "issuingCountry": country,
        "issuingBank": "Sandbox Bank",
        "paymentSystem": card.system(),
        "fundingSource": "UNKNOWN",
        "paymentSystemProduct": "Unknown",
    })
}

/// A capture or a refund.
pub struct Step {
    pub id: String,
    pub created: DateTime<Utc>,
    pub changed: DateTime<Utc>,
    pub amount: Sum,
    pub state: State,
    pub reversal: bool,
    /// A postponed refund is executed then.
    pub executed_at: Option<DateTime<Utc>>,
    pub callback: Option<String>,
    pub splits: Vec<Split>,
    pub cheque: Option<u64>,
    pub body: Vec<u8>,
}

impl Step {
    pub fn json(&self, id_name: &str, test_mode: bool) -> Value {
        let mut step = json!({
            id_name: self.id,
            "createdDateTime": stamp::date(self.created),
            "amount": self.amount.in_answer(),
            "status": self.state.json(self.changed),
        });
        let flags: Vec<String> = self.reversal.then(|| "REVERSAL".to_owned()).into_iter().collect();
        add_flags(&mut step, &flags, test_mode);
        if !self.splits.is_empty() {
            add(&mut step, "refundSplits", Some(splits(&self.splits, Sum::in_answer)));
        }
        add(&mut step, "chequeData", self.cheque.map(cheque));
        step
    }
}

pub struct Payout {
    pub id: String,
    pub created: DateTime<Utc>,
    pub changed: DateTime<Utc>,
    pub amount: Sum,
    pub state: PayoutState,
    pub receiver: Value,
    pub comment: Option<String>,
    pub callback: Option<String>,
    pub splits: Vec<Split>,
    pub decided_at: Option<DateTime<Utc>>,
    pub body: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayoutState {
    Init,
    Waiting,
    Completed,
    Declined,
}

impl PayoutState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Init => "INIT",
            Self::Waiting => "WAITING",
            Self::Completed => "COMPLETED",
            Self::Declined => "DECLINED",
        }
    }
}

impl Payout {
    /// D-10: without its id.
    pub fn json(&self, test_mode: bool) -> Value {
        let mut payout = json!({
            "createdDateTime": stamp::date(self.created),
            "amount": self.amount.in_answer(),
            "status": { "value": self.state.as_str(), "changedDateTime": stamp::date(self.changed) },
            "receiverData": self.receiver,
        });
        if let (PayoutState::Declined, Some(status)) = (self.state, payout.get_mut("status")) {
            add(status, "reason", Some("DECLINED_BY_PAYOUT_GATEWAY"));
        }
        add(&mut payout, "comment", self.comment.clone());
        add(&mut payout, "callbackUrl", self.callback.clone());
        add_flags(&mut payout, &[], test_mode);
        if !self.splits.is_empty() {
            add(&mut payout, "payoutSplits", Some(splits(&self.splits, Sum::in_answer)));
        }
        payout
    }
}

pub struct Qr {
    pub id: String,
    pub amount: Option<Sum>,
    pub kind: String,
    pub ttl: i64,
    pub image: Option<(u64, u64)>,
    pub payload: String,
    pub state: QrState,
    pub purpose: Option<String>,
    pub redirect: Option<String>,
    pub token_purpose: Option<String>,
    pub token_account: Option<String>,
    pub token: Option<String>,
    pub created: DateTime<Utc>,
    pub payment: Option<String>,
    /// When a payment by a stored account is done.
    pub decided_at: Option<DateTime<Utc>>,
    pub body: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QrState {
    Created,
    Payed,
    Declined,
    Expired,
    InitPaymentByToken,
}

impl QrState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Payed => "PAYED",
            Self::Declined => "DECLINED",
            Self::Expired => "EXPIRED",
            Self::InitPaymentByToken => "INIT_PAYMENT_BY_TOKEN",
        }
    }
}

/// One white pixel: the simulator draws no codes, it only answers where QIWI does.
const PICTURE: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=";

impl Qr {
    pub fn json(&self, created: bool) -> Value {
        let by_token = self.state == QrState::InitPaymentByToken;
        let mut code = json!({
            "type": self.kind,
            "ttl": self.ttl,
            "payload": if by_token { "" } else { self.payload.as_str() },
            "status": self.state.as_str(),
        });
        if let (Some((width, height)), true) = (self.image, created) {
            let image = json!({ "mediaType": "image/png", "width": width, "height": height, "content": PICTURE });
            add(&mut code, "image", Some(image));
        }
        let mut qr = json!({ "qrCodeUid": self.id, "qrCode": code, "createdOn": stamp::date(self.created) });
        add(&mut qr, "amount", self.amount.as_ref().map(Sum::in_answer));
        add(&mut qr, "paymentPurpose", self.purpose.clone());
        add(&mut qr, "redirectUrl", self.redirect.clone());
        add(&mut qr, "tokenizationPurpose", self.token_purpose.clone());
        if self.token_account.is_some() {
            add(&mut qr, "flags", Some(json!(["CREATE_TOKEN"])));
        }
        if let Some(token) = &self.token {
            let token = json!({ "status": "CREATED", "value": token, "expiredDate": TOKEN_EXPIRES });
            add(&mut qr, "token", Some(token));
        }
        if let Some(payment) = &self.payment {
            let payment = json!({ "paymentUid": payment, "paymentStatus": "COMPLETED" });
            add(&mut qr, "payment", Some(payment));
        }
        qr
    }
}

/// Until when tokens serve.
pub const TOKEN_EXPIRES: &str = "2030-03-01T00:00:00+03:00";

#[derive(Debug, Clone)]
pub struct StoredCard {
    pub token: String,
    pub account: String,
    pub card: Card,
    pub alive: bool,
}

impl StoredCard {
    pub fn json(&self) -> Value {
        json!({
            "token": self.token,
            "name": self.card.masked(),
            "expiredDate": TOKEN_EXPIRES,
            "account": self.account,
        })
    }
}

pub struct Check {
    pub id: String,
    pub card: Card,
    pub at: DateTime<Utc>,
    pub state: CheckState,
    pub valid: bool,
    pub three_ds: Option<(String, DateTime<Utc>)>,
    pub with_three_ds: &'static str,
    pub account: Option<String>,
    pub token: Option<StoredCard>,
    pub decided_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckState {
    Init,
    Waiting3ds,
    Success,
    Error,
}

impl Check {
    pub fn json(&self, base_url: &str) -> Value {
        let status = match self.state {
            CheckState::Init => "INIT",
            CheckState::Waiting3ds => "WAITING_3DS",
            CheckState::Success => "SUCCESS",
            CheckState::Error => "ERROR",
        };
        let mut check = json!({ "requestUid": self.id, "status": status });
        if let (CheckState::Waiting3ds, Some((pareq, _))) = (self.state, &self.three_ds) {
            let acs = format!("{base_url}/sandbox/payin/acs");
            add(
                &mut check,
                "requirements",
                Some(json!({ "pareq": pareq, "acsUrl": acs })),
            );
        }
        if self.state == CheckState::Success {
            add(&mut check, "isValidCard", Some(self.valid));
            add(&mut check, "threeDsStatus", Some(self.with_three_ds));
            add(&mut check, "checkOperationDate", Some(stamp::date(self.at)));
            add(&mut check, "cardInfo", Some(card_info(&self.card, "RUS")));
            add(&mut check, "createdToken", self.token.as_ref().map(StoredCard::json));
        }
        check
    }
}

#[derive(Debug, Clone)]
pub struct Split {
    pub site: String,
    pub amount: Sum,
    pub order_id: Option<String>,
    pub comment: Option<String>,
}

pub fn splits(items: &[Split], write: fn(&Sum) -> Value) -> Value {
    let items = items.iter().map(|split| {
        let mut item = json!({
            "type": "MERCHANT_DETAILS",
            "siteUid": split.site,
            "splitAmount": write(&split.amount),
            "splitCommissions": { "merchantCms": write(&split.amount.of(0)), "userCms": null },
        });
        add(&mut item, "orderId", split.order_id.clone());
        add(&mut item, "comment", split.comment.clone());
        item
    });
    Value::Array(items.collect())
}

pub fn cheque(id: u64) -> Value {
    json!({ "id": id, "url": format!("https://cheques.qiwi.com/cheques/receipt/{id:032x}") })
}

pub fn add(object: &mut Value, name: &str, value: Option<impl Into<Value>>) {
    if let (Some(object), Some(value)) = (object.as_object_mut(), value) {
        object.insert(name.to_owned(), value.into());
    }
}

fn add_fields(object: &mut Value, custom: &BTreeMap<String, String>) {
    if !custom.is_empty() {
        let fields: Map<String, Value> = custom
            .iter()
            .map(|(name, text)| (name.clone(), Value::String(text.clone())))
            .collect();
        add(object, "customFields", Some(Value::Object(fields)));
    }
}

fn add_flags(object: &mut Value, flags: &[String], test_mode: bool) {
    let mut shown = flags.to_vec();
    if test_mode {
        shown.push("TEST".to_owned());
    }
    if !shown.is_empty() {
        add(object, "flags", Some(json!(shown)));
    }
}
