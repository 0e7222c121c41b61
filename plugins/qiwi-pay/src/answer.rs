//! What QIWI PAY answers and calls back with (§1.2): objects whose numbers may be texts and whose texts may be missing.
//! Values are kept as they were written, so that amounts stay exact and signatures can be checked over them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use plugin_sdk::connector::{Facts, IssuedToken};
use plugin_sdk::{Currency, Money, Secret};
use serde_json::value::RawValue;

/// One JSON object: an answer, a callback, or an element of the status list.
pub struct Answer<'a> {
    members: BTreeMap<String, &'a RawValue>,
}

/// §2: what a transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TxnType {
    Sale,
    Auth,
    Refund,
    Reversal,
    Payout,
    Other,
}

/// §2: how far a transaction came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TxnStatus {
    Init,
    Declined,
    Authorized,
    /// Captured, reconciled or settled: the money is the merchant's.
    Completed,
    Unknown,
}

impl<'a> Answer<'a> {
    pub fn read(body: &'a [u8]) -> Option<Self> {
        let members = serde_json::from_slice(body).ok()?;
        Some(Self { members })
    }

    fn of(raw: &'a RawValue) -> Option<Self> {
        let members = serde_json::from_str(raw.get()).ok()?;
        Some(Self { members })
    }

    /// A member as it was written, without its quotes; `None` when it is missing, null, empty or nested.
    pub fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        let raw = self.members.get(name)?.get();
        match raw.as_bytes().first()? {
            b'"' => {
                let text: String = serde_json::from_str(raw).ok()?;
                Some(Cow::Owned(text)).filter(|text: &Cow<'_, str>| !text.is_empty())
            }
            b'{' | b'[' | b'n' => None,
            _ => Some(Cow::Borrowed(raw)),
        }
    }

    fn owned(&self, name: &str) -> Option<String> {
        self.text(name).map(Cow::into_owned)
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    /// Elements of a list of objects; what is none is passed over.
    pub fn list(&self, name: &str) -> Option<Vec<Answer<'a>>> {
        let raw: Vec<&'a RawValue> = serde_json::from_str(self.members.get(name)?.get()).ok()?;
        Some(raw.into_iter().filter_map(Self::of).collect())
    }

    /// `None` when there is none that can be read: then nothing is known of the outcome.
    pub fn error_code(&self) -> Option<i64> {
        self.number("error_code")
    }

    pub fn error_message(&self) -> Option<String> {
        self.owned("error_message")
    }

    pub fn txn_id(&self) -> Option<String> {
        self.number("txn_id").map(|id| id.to_string())
    }

    pub fn order_id(&self) -> Option<String> {
        self.owned("order_id")
    }

    pub fn txn_type(&self) -> TxnType {
        match self.number("txn_type") {
            // 5, 6 and 7 are what recurring payments used to be.
            Some(1 | 5 | 6) => TxnType::Sale,
            Some(2 | 7) => TxnType::Auth,
            Some(3) => TxnType::Refund,
            Some(4) => TxnType::Reversal,
            Some(8) => TxnType::Payout,
            _ => TxnType::Other,
        }
    }

    pub fn txn_status(&self) -> TxnStatus {
        match self.number("txn_status") {
            Some(0) => TxnStatus::Init,
            Some(1) => TxnStatus::Declined,
            Some(2) => TxnStatus::Authorized,
            Some(3..=5) => TxnStatus::Completed,
            _ => TxnStatus::Unknown,
        }
    }

    pub fn at(&self) -> Option<DateTime<Utc>> {
        time(&self.text("txn_date")?)
    }

    /// In the currency that the answer names, else in the payment's.
    pub fn amount(&self, payments: Option<Currency>) -> Option<Money> {
        let named = self.number("currency").and_then(|code| u16::try_from(code).ok());
        let currency = named.and_then(Currency::from_numeric).or(payments)?;
        Money::parse(&self.text("amount")?, currency).ok()
    }

    pub fn facts(&self) -> Facts {
        let more = ["eci", "card_name", "card_bank", "is_test", "request_id", "cheque"];
        let more = more.into_iter().filter_map(|name| {
            // D-24: spaces of the holder's name may arrive as pluses.
            let value = self.text(name)?.replace('+', " ");
            Some((name.to_owned(), value))
        });
        Facts {
            masked_pan: self.owned("pan").filter(|pan| is_masked(pan)),
            card_issuer: self.owned("issuer_name"),
            card_country: self.owned("issuer_country"),
            auth_code: self.owned("auth_code"),
            receipt_url: self.owned("cheque_link"),
            more: more.collect(),
            ..Facts::default()
        }
    }

    pub fn token(&self, customer: Option<&str>) -> Option<IssuedToken> {
        Some(IssuedToken {
            token: Secret::new(self.text("card_token")?),
            customer: customer.map(str::to_owned),
            masked_pan: self.owned("pan").filter(|pan| is_masked(pan)),
            expires_at: self.text("card_token_expire").and_then(|text| time(&text)),
        })
    }
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc())
}

/// Whatever the network calls a mask, a whole number is never kept.
fn is_masked(pan: &str) -> bool {
    pan.contains('*') && pan.bytes().filter(u8::is_ascii_digit).count() <= 10
}
