use std::collections::BTreeMap;

use plugin_sdk::{Field, Money, Reason};
use serde::{Deserialize, Serialize};

use crate::error::ScriptError;
use crate::input::Handler;

/// How a call ended. `Reject` and `RetryLater` answer `check` and `route`; the others answer one handler each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The script has no such handler: it does not object, and it has not looked.
    NoHandler,
    Accept {
        #[serde(default)]
        comment: Option<String>,
        #[serde(default)]
        fields: Vec<Field>,
    },
    Reject {
        reason: Reason,
        #[serde(default)]
        comment: Option<String>,
    },
    RetryLater {
        #[serde(default)]
        comment: Option<String>,
    },
    /// Names of connections, none twice, as the script wrote them: whether they exist is the caller's to check.
    Route {
        connection: String,
        #[serde(default)]
        fallbacks: Vec<String>,
    },
    /// In the payment's currency, and not negative.
    Fee {
        amount: Money,
        #[serde(default)]
        text: Option<String>,
    },
    NoFee,
    Deliver,
    Drop,
    Annotate {
        notes: BTreeMap<String, Note>,
    },
    /// No decision. Never an acceptance.
    Failed(ScriptError),
}

/// What a script adds to an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Note {
    Flag(bool),
    Whole(i64),
    Text(String),
    Money(Money),
}

impl Outcome {
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::NoHandler => "no_handler",
            Self::Accept { .. } => "accept",
            Self::Reject { .. } => "reject",
            Self::RetryLater { .. } => "retry_later",
            Self::Route { .. } => "route",
            Self::Fee { .. } => "fee",
            Self::NoFee => "no_fee",
            Self::Deliver => "deliver",
            Self::Drop => "drop",
            Self::Annotate { .. } => "annotate",
            Self::Failed(_) => "failed",
        }
    }

    /// Whether a handler may answer so.
    pub(crate) const fn suits(&self, handler: Handler) -> bool {
        match self {
            Self::Accept { .. } => matches!(handler, Handler::Check),
            Self::Reject { .. } | Self::RetryLater { .. } => matches!(handler, Handler::Check | Handler::Route),
            Self::Route { .. } => matches!(handler, Handler::Route),
            Self::Fee { .. } | Self::NoFee => matches!(handler, Handler::Fee),
            Self::Deliver | Self::Drop | Self::Annotate { .. } => matches!(handler, Handler::Event),
            Self::NoHandler | Self::Failed(_) => false,
        }
    }
}
