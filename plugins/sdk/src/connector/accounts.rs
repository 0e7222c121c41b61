//! What a network that keeps money for the merchant can tell about it: balances, history, statistics, cards.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Currency, Money, Secret};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balance {
    /// The network's name of the account.
    pub account: String,
    pub title: String,
    pub amount: Money,
}

/// What a transfer would cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    pub amount: Money,
    pub fee: Money,
    pub total: Money,
}

/// A page of a network's own history.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HistoryQuery {
    /// 1 to 50.
    pub limit: u16,
    pub direction: Option<Direction>,
    pub from: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
    /// Names of the network's accounts; empty means all.
    pub accounts: Vec<String>,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    In,
    Out,
    /// By the network's card.
    Card,
}

#[derive(Debug, Clone, PartialEq)]
pub struct HistoryPage {
    pub entries: Vec<HistoryEntry>,
    pub next: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEntry {
    pub network_id: String,
    /// Our number, when we started it.
    pub number: Option<u64>,
    pub direction: Direction,
    pub state: EntryState,
    pub code: Option<String>,
    pub message: Option<String>,
    /// The other side.
    pub account: String,
    pub amount: Money,
    pub fee: Money,
    pub total: Money,
    pub comment: Option<String>,
    pub at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryState {
    Pending,
    Succeeded,
    Failed,
}

/// Sums over a span, one for each currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statistics {
    pub incoming: Vec<Money>,
    pub outgoing: Vec<Money>,
}

/// A document for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub content_type: String,
    pub bytes: Vec<u8>,
}

/// A virtual card of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualCard {
    /// The network's id.
    pub id: String,
    pub alias: Option<String>,
    pub masked_pan: Option<String>,
    /// The network's own word.
    pub status: String,
    pub is_active: bool,
    pub expires_at: Option<DateTime<Utc>>,
    pub currency: Option<Currency>,
}

/// What its holder needs to pay with it. Passed on, never kept.
#[derive(Clone)]
pub struct CardRequisites {
    pub pan: Secret,
    pub cvv: Secret,
    pub expiry_month: u8,
    pub expiry_year: u16,
}
