//! What a network tells: of each step, in whatever order, any number of times.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Decline;
use crate::{Money, OperationId, PaymentId, RawAnswer, Secret};

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    Create,
    Capture,
    Reversal,
    Refund,
    Payout,
}

impl StepKind {
    pub const ALL: [Self; 5] = [Self::Create, Self::Capture, Self::Reversal, Self::Refund, Self::Payout];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Capture => "capture",
            Self::Reversal => "reversal",
            Self::Refund => "refund",
            Self::Payout => "payout",
        }
    }
}

/// One step as the network sees it. The gateway applies each report once, however often and in whatever order it comes,
/// and whether it is an answer, a status or a notification.
#[derive(Clone)]
pub struct Report {
    pub kind: StepKind,
    /// Our id of the step when the network echoes it, or when the connector knows which one it is. `None` for the
    /// payment's own create, and for steps that the network made by itself, such as a capture when the time was over.
    pub operation: Option<OperationId>,
    pub state: State,
    /// What moved, where the network says so.
    pub amount: Option<Money>,
    /// The network's id of this step; of a create it is the payment's.
    pub network_id: Option<String>,
    /// When it happened at the network.
    pub at: Option<DateTime<Utc>>,
    pub facts: Facts,
    pub token: Option<IssuedToken>,
    /// When a hold ends by itself, and how.
    pub hold: Option<Hold>,
    /// What the connector wants back in [`super::PaymentRef::kept`]; `None` keeps what is there. No secrets.
    pub keep: Option<Value>,
}

impl Report {
    #[must_use]
    pub fn new(kind: StepKind, state: State) -> Self {
        Self {
            kind,
            operation: None,
            state,
            amount: None,
            network_id: None,
            at: None,
            facts: Facts::default(),
            token: None,
            hold: None,
            keep: None,
        }
    }

    #[must_use]
    pub fn of(self, operation: OperationId) -> Self {
        Self {
            operation: Some(operation),
            ..self
        }
    }

    #[must_use]
    pub fn with_network_id(self, id: impl Into<String>) -> Self {
        Self {
            network_id: Some(id.into()),
            ..self
        }
    }

    #[must_use]
    pub fn with_amount(self, amount: Money) -> Self {
        Self {
            amount: Some(amount),
            ..self
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The network has it and is not done.
    Pending,
    /// The payer must do something first.
    RequiresAction(NextAction),
    /// Held; only of a create.
    Authorized,
    /// Done: of a create, captured in one step.
    Succeeded,
    Declined(Decline),
    /// Nobody paid in time.
    Expired,
    /// The network has never seen it.
    NotFound,
}

/// What the payer has to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum NextAction {
    /// Send the browser there.
    Redirect { url: String },
    /// Let the browser post these fields there.
    PostForm { url: String, fields: Vec<(String, String)> },
    /// 3-D Secure 1: post `PaReq`, `MD` and `TermUrl` to the issuer; what comes back goes to
    /// [`super::OutboundConnection::finish`].
    ThreeDSecure {
        acs_url: String,
        pareq: String,
        md: Option<String>,
    },
    /// Show this code; `payload` is what it says.
    ShowQr { payload: String, image: Option<String> },
}

/// What a person who looks for this payment may want to know. Never a whole card number.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// First six and last four digits at most.
    pub masked_pan: Option<String>,
    pub card_scheme: Option<String>,
    pub card_issuer: Option<String>,
    /// ISO 3166-1, as the network writes it.
    pub card_country: Option<String>,
    /// Retrieval reference number.
    pub rrn: Option<String>,
    pub auth_code: Option<String>,
    pub receipt_url: Option<String>,
    /// Anything else worth keeping, by name.
    pub more: BTreeMap<String, String>,
}

/// A stored instrument at the network.
#[derive(Clone)]
pub struct IssuedToken {
    pub token: Secret,
    /// The merchant's id of the customer that it belongs to.
    pub customer: Option<String>,
    pub masked_pan: Option<String>,
    pub expires_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub until: DateTime<Utc>,
    pub then: HoldEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldEnd {
    Captured,
    Released,
}

/// A network's notification, its signature checked.
pub struct Notification {
    /// What the network calls this message, for the log.
    pub id: Option<String>,
    pub subject: Subject,
    pub reports: Vec<Report>,
    /// What is said is not proven (the signature does not cover it): ask for the status before money is booked.
    pub must_confirm: bool,
    /// What the network wants to read once everything is stored.
    pub answer: RawAnswer,
}

/// Which payment a notification is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    Payment(PaymentId),
    Number(u64),
    NetworkId(String),
    /// Nothing of ours, such as a test message or a top-up that nobody ordered; only acknowledged.
    Nothing,
}

/// A notification that is not acted upon, with the answer that its sender gets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotificationError {
    #[error("the signature is wrong or missing")]
    Forged(RawAnswer),
    #[error("it cannot be read: {message}")]
    Malformed { message: String, answer: RawAnswer },
    #[error("this connection takes no notifications")]
    NotSupported,
}
