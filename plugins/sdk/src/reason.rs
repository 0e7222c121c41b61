use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a network's request is not accepted, in words that every protocol can translate into its own code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Something of ours or of the merchant's is down; the same request may succeed later.
    Temporary,
    /// The account does not look like one of this merchant's.
    AccountFormat,
    /// The account looks right, but does not exist.
    AccountNotFound,
    /// The merchant does not take this payment.
    Forbidden,
    /// An additional parameter has a wrong value.
    ExtraInvalid,
    /// The exchange rate that the payer saw is no longer current.
    RateChanged,
    /// The account is closed or blocked.
    AccountInactive,
    /// The payment is being processed; ask again.
    InProgress,
    AmountTooSmall,
    AmountTooLarge,
    /// The account's state cannot be obtained, and asking again will not help.
    AccountUnverifiable,
    /// The request itself is wrong: a parameter is missing, malformed or contradicts an earlier request.
    InvalidRequest,
}

impl Reason {
    pub const ALL: [Self; 12] = [
        Self::Temporary,
        Self::AccountFormat,
        Self::AccountNotFound,
        Self::Forbidden,
        Self::ExtraInvalid,
        Self::RateChanged,
        Self::AccountInactive,
        Self::InProgress,
        Self::AmountTooSmall,
        Self::AmountTooLarge,
        Self::AccountUnverifiable,
        Self::InvalidRequest,
    ];

    /// Whether repeating the same request can only give the same answer.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Temporary | Self::InProgress)
    }

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Temporary => "temporary",
            Self::AccountFormat => "account_format",
            Self::AccountNotFound => "account_not_found",
            Self::Forbidden => "forbidden",
            Self::ExtraInvalid => "extra_invalid",
            Self::RateChanged => "rate_changed",
            Self::AccountInactive => "account_inactive",
            Self::InProgress => "in_progress",
            Self::AmountTooSmall => "amount_too_small",
            Self::AmountTooLarge => "amount_too_large",
            Self::AccountUnverifiable => "account_unverifiable",
            Self::InvalidRequest => "invalid_request",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a reason")]
pub struct UnknownReason(pub String);

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(text: &str) -> Result<Self, UnknownReason> {
        Self::ALL
            .into_iter()
            .find(|reason| reason.as_str() == text)
            .ok_or_else(|| UnknownReason(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_json_agree() {
        for reason in Reason::ALL {
            assert_eq!(reason.as_str().parse(), Ok(reason));
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
    }
}
