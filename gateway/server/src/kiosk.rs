//! Plays a terminal: what one asks, for the command line and for the terminal lab.

use chrono::{DateTime, Duration, Utc};

/// Moscow is three hours ahead of UTC; the network writes its moments so.
const MOSCOW_HOURS: i64 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    Info,
    Check,
    Pay,
}

impl Command {
    /// As it is written on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "getInfo",
            Self::Check => "check",
            Self::Pay => "pay",
        }
    }
}

/// One request of a terminal.
#[derive(Debug, Clone)]
pub struct Move {
    pub command: Command,
    /// The network's id of the payment; drawn from the clock when absent.
    pub txn_id: Option<String>,
    pub account: String,
    /// With two decimals.
    pub sum: String,
    /// Absent as in variant A of the protocol.
    pub currency: Option<String>,
    pub more: Vec<(String, String)>,
}

impl Move {
    /// The parameters, in the order in which the network sends them.
    #[must_use]
    pub fn parameters(&self, now: DateTime<Utc>) -> Vec<(String, String)> {
        let mut parameters = vec![("command".to_owned(), self.command.as_str().to_owned())];
        if self.command != Command::Info {
            let txn_id = self
                .txn_id
                .clone()
                .unwrap_or_else(|| now.timestamp_millis().to_string());
            parameters.push(("txn_id".to_owned(), txn_id));
        }
        if self.command == Command::Pay {
            let moscow = now + Duration::hours(MOSCOW_HOURS);
            parameters.push(("txn_date".to_owned(), moscow.format("%Y%m%d%H%M%S").to_string()));
        }
        parameters.push(("account".to_owned(), self.account.clone()));
        if let Some(currency) = &self.currency {
            parameters.push(("ccy".to_owned(), currency.clone()));
        }
        parameters.push(("sum".to_owned(), self.sum.clone()));
        parameters.extend(self.more.iter().cloned());
        parameters
    }
}
