use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Access, ConfigError, Money, Reason, Settlement, SettlementError};

/// A protocol in which the network calls us.
pub trait InboundProtocol: Send + Sync {
    /// Reads a connection's config once; the result serves its requests until the config changes.
    fn bind(&self, config: &Value) -> Result<Box<dyn InboundConnection>, ConfigError>;

    /// Connections that the network opens at once by its document: fewer would look to it like a gateway in trouble.
    fn connections_min(&self) -> u32 {
        0
    }
}

/// The protocol as one connection speaks it. Every method is pure: no I/O, no clock, no state.
pub trait InboundConnection: Send + Sync {
    fn access(&self) -> &Access;

    /// Any bytes in; a request out, with the objections that the protocol or the connection's profile has to it.
    fn parse(&self, raw: &RawRequest<'_>) -> NetworkRequest;

    /// The answer as the network wants to read it.
    fn render(&self, request: &NetworkRequest, answer: &NetworkAnswer) -> RawAnswer;

    /// The answer to a caller who failed to prove itself; no business answer may leak in it.
    fn render_unauthorized(&self) -> RawAnswer;

    /// An HTTP endpoint of the merchant that knows which accounts exist, if the profile names one.
    fn account_check_url(&self) -> Option<&str> {
        None
    }

    /// Whether a `pay` is refused unless its `check` was registered before.
    fn requires_check(&self) -> bool {
        false
    }

    /// Whether a `check` registers the payment (and so binds the account of the later `pay`).
    fn check_registers(&self) -> bool {
        false
    }

    /// Reads a settlement file that the network sent, with the file's name.
    fn read_settlement(&self, _file_name: &str, _bytes: &[u8]) -> Result<Settlement, SettlementError> {
        Err(SettlementError::NotSupported)
    }
}

/// One HTTP request as it arrived, before anything was understood.
#[derive(Debug, Clone, Copy)]
pub struct RawRequest<'a> {
    /// Upper case: `GET`, `POST`.
    pub method: &'a str,
    /// Everything after `?`, still percent-encoded.
    pub query: &'a str,
    pub content_type: Option<&'a str>,
    pub body: &'a [u8],
}

/// One HTTP answer, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawAnswer {
    pub status: u16,
    pub content_type: Option<&'static str>,
    /// Further headers, such as `WWW-Authenticate`.
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
    /// May this account be paid? Nothing is registered.
    Info,
    /// May this payment follow? At most registered.
    Check,
    /// Credit it.
    Pay,
    /// Not a command of this protocol; always comes with a syntax objection.
    Unknown,
}

impl Command {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Check => "check",
            Self::Pay => "pay",
            Self::Unknown => "unknown",
        }
    }
}

/// What identifies a payment at its network. A pair of texts: most networks use one number (then the second part is
/// empty), some a system code and a number. Text, because leading zeros count and 20 digits overflow 64 bits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PaymentKey {
    pub key1: String,
    pub key2: String,
}

impl PaymentKey {
    #[must_use]
    pub fn single(key: impl Into<String>) -> Self {
        Self {
            key1: key.into(),
            key2: String::new(),
        }
    }
}

impl fmt::Display for PaymentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key2.is_empty() {
            f.write_str(&self.key1)
        } else {
            write!(f, "{}/{}", self.key1, self.key2)
        }
    }
}

/// The network's own accounting moment of a payment: as given, and as an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    pub text: String,
    pub at: DateTime<Utc>,
}

/// What a network asked, in the gateway's words.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkRequest {
    pub command: Command,
    /// `None` when the command carries none, or when it is missing or malformed.
    pub key: Option<PaymentKey>,
    /// The key as it will be echoed, however wrong it was.
    pub key_echo: String,
    /// Trimmed and normalised.
    pub account: Option<String>,
    /// In the currency that was sent, else in the connection's own.
    pub amount: Option<Money>,
    /// The currency exactly as it was sent (`RUB`, `643`), to be echoed.
    pub currency_text: Option<String>,
    /// Which of the merchant's services is meant, when one connection serves several.
    pub service: Option<String>,
    pub booking: Option<Booking>,
    /// Every other parameter, by name.
    pub extras: BTreeMap<String, String>,
    pub objections: Objections,
}

/// What the protocol and the connection's profile object to, in the three moments of the order of acceptance:
/// repeat lookup → `syntax` → state of the service → `account` → account lookup → `terms` → credit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Objections {
    pub syntax: Option<Refusal>,
    pub account: Option<Refusal>,
    pub terms: Option<Refusal>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub reason: Reason,
    /// Text for the payer; `None` lets the protocol use its own words.
    pub comment: Option<String>,
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self { reason, comment: None }
    }
}

/// A named text for the payer's screen or receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    pub name: String,
    pub value: String,
}

/// What the gateway answers, in its own words.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkAnswer {
    /// `None` when accepted.
    pub refusal: Option<Refusal>,
    /// Text of an acceptance; `None` lets the protocol use its own words.
    pub comment: Option<String>,
    pub fields: Vec<Field>,
    /// The gateway's own decimal number of the payment: on a credited `pay`, and on a `check` of a credited payment.
    pub number: Option<u64>,
}

impl NetworkAnswer {
    #[must_use]
    pub fn refused(refusal: impl Into<Refusal>) -> Self {
        Self {
            refusal: Some(refusal.into()),
            comment: None,
            fields: Vec::new(),
            number: None,
        }
    }

    #[must_use]
    pub fn accepted() -> Self {
        Self {
            refusal: None,
            comment: None,
            fields: Vec::new(),
            number: None,
        }
    }

    #[must_use]
    pub fn with_number(self, number: u64) -> Self {
        Self {
            number: Some(number),
            ..self
        }
    }
}
