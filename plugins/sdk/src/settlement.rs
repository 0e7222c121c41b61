use chrono::{DateTime, Utc};

use crate::{Money, PaymentKey};

/// A settlement file as the network sent it: every payment that it counts as done in a period.
#[derive(Debug, Clone, PartialEq)]
pub struct Settlement {
    /// The moments that the file speaks of. Payments of ours booked in it and not in the file are a discrepancy.
    pub period: SettlementPeriod,
    pub rows: Vec<SettlementRow>,
    /// Sum of all rows; already checked against the file's own total.
    pub total: Money,
}

/// Half-open: `from` is in it, `until` is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettlementPeriod {
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SettlementRow {
    /// Line of the file, counted from 1.
    pub line: u32,
    pub key: PaymentKey,
    pub booked_at: DateTime<Utc>,
    pub account: String,
    pub amount: Money,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettlementError {
    #[error("this plugin's network sends no settlement files")]
    NotSupported,
    #[error("line {line}: {message}")]
    Line { line: u32, message: String },
    #[error("{0}")]
    File(String),
}
