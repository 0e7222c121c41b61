use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::HttpFailure;

/// Why an operation did not come to its end. Which of the four it is decides what the gateway does next, so a connector
/// that is not sure says [`Uncertain`](Self::Uncertain).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectorError {
    /// The network looked at it and said no; final.
    #[error("declined: {0}")]
    Declined(Decline),
    /// Our request is wrong, or the connection's config is; nothing was executed and repeating it changes nothing.
    #[error("refused: {0}")]
    Invalid(NetworkFault),
    /// Certainly not executed: it may be tried elsewhere, or again later.
    #[error("unavailable: {0}")]
    Unavailable(NetworkFault),
    /// It may have been executed. Never tried elsewhere; the network is asked until it says what became of it.
    #[error("uncertain: {0}")]
    Uncertain(NetworkFault),
}

impl ConnectorError {
    /// An operation that this plugin, or this connection of it, does not have.
    #[must_use]
    pub fn unsupported(operation: &str) -> Self {
        Self::Invalid(NetworkFault::new(format!("this connection has no {operation}")))
    }

    /// Our own side of the contract cannot be kept: a value that the network would not take.
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(NetworkFault::new(message))
    }
}

/// A request whose answer never came is uncertain; one that never left is not. For a question that changes nothing at
/// the network both are harmless, and a connector may map them as it likes.
impl From<HttpFailure> for ConnectorError {
    fn from(failure: HttpFailure) -> Self {
        let fault = NetworkFault::new(failure.to_string());
        match failure {
            HttpFailure::NotSent(_) => Self::Unavailable(fault),
            HttpFailure::NoAnswer(_) => Self::Uncertain(fault),
        }
    }
}

/// What the network said, in its own words, for the people who will call it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkFault {
    /// The network's own code, whatever its form.
    pub code: Option<String>,
    pub message: String,
    /// The part of our request that it complains of.
    pub field: Option<String>,
    /// When the network said how long to stay away.
    pub retry_after: Option<Duration>,
}

impl NetworkFault {
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ..Self::default()
        }
    }

    #[must_use]
    pub fn coded(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: Some(code.into()),
            message: message.into(),
            ..Self::default()
        }
    }
}

impl std::fmt::Display for NetworkFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.code {
            Some(code) => write!(f, "{} ({code})", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// A final no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decline {
    pub reason: DeclineReason,
    /// The network's own code and words.
    pub code: Option<String>,
    pub message: String,
    /// Whether another connection may be tried: this network's no is not the issuer's.
    pub try_elsewhere: bool,
}

impl std::fmt::Display for Decline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.reason.as_str(), self.message)
    }
}

/// Why a network declined, in words that hold for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeclineReason {
    InsufficientFunds,
    LimitExceeded,
    AmountInvalid,
    CardInvalid,
    CardExpired,
    /// 3-D Secure was not passed, or a code was wrong.
    AuthenticationFailed,
    /// The payer did not finish in time.
    PayerTimedOut,
    /// The payer said no.
    PayerCanceled,
    /// A security service, the network's or the issuer's.
    Suspicious,
    /// The issuer, without a reason.
    IssuerDeclined,
    /// This instrument must not be tried again.
    DoNotRetry,
    RecipientInvalid,
    NotPermitted,
    /// The state of the payment does not allow it: captured already, reversed, too late.
    WrongState,
    NetworkError,
    Other,
}

impl DeclineReason {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InsufficientFunds => "insufficient_funds",
            Self::LimitExceeded => "limit_exceeded",
            Self::AmountInvalid => "amount_invalid",
            Self::CardInvalid => "card_invalid",
            Self::CardExpired => "card_expired",
            Self::AuthenticationFailed => "authentication_failed",
            Self::PayerTimedOut => "payer_timed_out",
            Self::PayerCanceled => "payer_canceled",
            Self::Suspicious => "suspicious",
            Self::IssuerDeclined => "issuer_declined",
            Self::DoNotRetry => "do_not_retry",
            Self::RecipientInvalid => "recipient_invalid",
            Self::NotPermitted => "not_permitted",
            Self::WrongState => "wrong_state",
            Self::NetworkError => "network_error",
            Self::Other => "other",
        }
    }
}
