use plugin_sdk::connector::ConnectorError;
use plugin_sdk::{MoneyError, Reason};
use store::{PaymentStatus, StoreError};

use crate::access::sealing::SealingError;

/// Why a request of a merchant's system comes to nothing. What a network said is not an error: it is in the payment.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    #[error("{field}: {message}")]
    Field { field: String, message: String },
    /// No connection takes it.
    #[error("{0}")]
    NoRoute(String),
    #[error("the rules refuse this payment: {}", .comment.as_deref().unwrap_or(.reason.as_str()))]
    RefusedByRules { reason: Reason, comment: Option<String> },
    #[error("the rules cannot decide now; try again in a moment")]
    RulesLater,
    #[error("a payment that is {} cannot be {action}", .status.as_str())]
    WrongState {
        status: PaymentStatus,
        action: &'static str,
    },
    #[error("the connection of this payment is not there any more, or its config cannot be used")]
    ConnectionGone,
    #[error("the key was used for another request; use a new key for a new request")]
    KeyReused,
    #[error("the first request with this key is still at work; ask again in a moment")]
    KeyInFlight,
    #[error("the payment changes too quickly; try again")]
    Overtaken,
    /// Of requests that store nothing, such as a balance.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    #[error(transparent)]
    Money(#[from] MoneyError),
    #[error(transparent)]
    Sealing(#[from] SealingError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OrderError {
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Field {
            field: field.into(),
            message: message.into(),
        }
    }
}
