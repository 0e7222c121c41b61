//! What a handler is asked. Everything here is stored with a decision and read again for a replay.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use plugin_sdk::{Currency, Money};
use serde::{Deserialize, Serialize};

/// One question to one handler of a script.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "handler", content = "request", rename_all = "snake_case")]
pub enum Input {
    /// May this account be paid? Asked at `getInfo`, at `check`, and before a `pay` is accepted.
    Check(CheckRequest),
    /// Which connection takes this payment, and what to fall back to?
    Route(Payment),
    /// What does the payer pay on top of the amount?
    Fee(Payment),
    /// Does this event leave for the merchant's webhooks, and with which notes?
    Event(Event),
}

impl Input {
    #[must_use]
    pub const fn handler(&self) -> Handler {
        match self {
            Self::Check(_) => Handler::Check,
            Self::Route(_) => Handler::Route,
            Self::Fee(_) => Handler::Fee,
            Self::Event(_) => Handler::Event,
        }
    }

    pub(crate) const fn payment(&self) -> Option<&Payment> {
        match self {
            Self::Check(_) => None,
            Self::Route(payment) | Self::Fee(payment) => Some(payment),
            Self::Event(event) => event.payment.as_ref(),
        }
    }

    /// The currency that sums are told in.
    pub(crate) fn currency(&self) -> Option<Currency> {
        match self {
            Self::Check(request) => request.amount.map(Money::currency),
            _ => self.payment().map(|payment| payment.amount.currency()),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Handler {
    Check,
    Route,
    Fee,
    Event,
}

impl Handler {
    pub const ALL: [Self; 4] = [Self::Check, Self::Route, Self::Fee, Self::Event];

    /// Its name in the script: `check` is `rules.check`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Route => "route",
            Self::Fee => "fee",
            Self::Event => "event",
        }
    }

    /// What it may answer, for messages.
    pub(crate) const fn answers(self) -> &'static str {
        match self {
            Self::Check => "accept(), reject(…) or retry_later()",
            Self::Route => "route(…), reject(…) or retry_later()",
            Self::Fee => "fee(…) or no_fee()",
            Self::Event => "deliver(), drop() or annotate{…}",
        }
    }
}

/// What the network wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    Info,
    Check,
    Pay,
}

impl Command {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Check => "check",
            Self::Pay => "pay",
        }
    }
}

/// One question to a script's `check` handler.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckRequest {
    pub command: Command,
    pub account: String,
    #[serde(default)]
    pub amount: Option<Money>,
    /// The payment's identifier at its network: text, however numeric it looks.
    #[serde(default)]
    pub txn_id: Option<String>,
    #[serde(default)]
    pub service: Option<String>,
    /// When the network says the payment happened; else when the request arrived.
    pub at: DateTime<Utc>,
    /// Every other parameter, by name.
    #[serde(default)]
    pub extras: BTreeMap<String, String>,
}

/// What a script sees of a payment. What is not known is absent, and nil in the script.
///
/// It says nothing of the network's command: a fee that is shown at a check has to be the fee of the payment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Payment {
    pub amount: Money,
    /// The gateway's own identifier, once there is one.
    #[serde(default)]
    pub id: Option<String>,
    /// How it is paid: `card`, `sbp`, `wallet`, `cash`.
    #[serde(default)]
    pub method: Option<String>,
    #[serde(default)]
    pub account: Option<String>,
    /// The merchant's order.
    #[serde(default)]
    pub order_id: Option<String>,
    /// The identifier at the network.
    #[serde(default)]
    pub txn_id: Option<String>,
    /// The payer's or the card's country, as the caller names it.
    #[serde(default)]
    pub country: Option<String>,
    /// The first six to eight digits of the card: all that a script gets of it, but for the last four.
    #[serde(default)]
    pub bin: Option<String>,
    #[serde(default)]
    pub last_four: Option<String>,
    #[serde(default)]
    pub service: Option<String>,
    /// The connection that it came in by or went out by.
    #[serde(default)]
    pub connection: Option<String>,
    #[serde(default)]
    pub status: Option<String>,
    pub at: DateTime<Utc>,
    #[serde(default)]
    pub extras: BTreeMap<String, String>,
}

impl Payment {
    /// A payment of which nothing else is known.
    #[must_use]
    pub const fn new(amount: Money, at: DateTime<Utc>) -> Self {
        Self {
            amount,
            id: None,
            method: None,
            account: None,
            order_id: None,
            txn_id: None,
            country: None,
            bin: None,
            last_four: None,
            service: None,
            connection: None,
            status: None,
            at,
            extras: BTreeMap::new(),
        }
    }
}

/// An event that is about to leave for the merchant's webhooks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    #[serde(default)]
    pub id: Option<String>,
    /// `payment.succeeded`.
    #[serde(rename = "type")]
    pub event_type: String,
    #[serde(default)]
    pub payment: Option<Payment>,
    /// The event's own data, as its receiver would get it.
    #[serde(default)]
    pub data: serde_json::Value,
    pub at: DateTime<Utc>,
}
