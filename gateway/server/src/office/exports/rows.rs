//! Rows as lines of a CSV file.

use std::collections::HashMap;

use chrono::{DateTime, SecondsFormat, Utc};
use csv::{Terminator, WriterBuilder};
use plugin_sdk::MerchantId;
use store::{AuditEntry, Connection, Cursor, Payment, PaymentFilter, Store, StoreError};

use super::ExportRequest;

/// So that spreadsheets take the file for UTF-8.
const BYTE_ORDER_MARK: &str = "\u{feff}";
/// A spreadsheet takes a text that starts so for a formula, and runs it.
const FORMULA_STARTS: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\n'];

const PAYMENT_COLUMNS: [&str; 13] = [
    "id",
    "created_at",
    "status",
    "reason",
    "amount",
    "currency",
    "fee",
    "account",
    "service",
    "network_id",
    "number",
    "connection",
    "booked_at",
];
const AUDIT_COLUMNS: [&str; 10] = [
    "number",
    "created_at",
    "actor",
    "action",
    "subject",
    "before",
    "after",
    "address",
    "request_id",
    "hash",
];

/// What is written, and of whom.
pub struct Sheet {
    merchant: MerchantId,
    source: Source,
}

enum Source {
    Payments {
        filter: Box<PaymentFilter>,
        connections: HashMap<String, String>,
    },
    Audit {
        from: Option<DateTime<Utc>>,
        until: Option<DateTime<Utc>>,
    },
}

/// Some lines of the file.
pub struct Piece {
    pub text: String,
    pub rows: u64,
    /// Id of the last row that was looked at.
    pub last: Option<String>,
    pub more: bool,
}

impl Sheet {
    pub fn payments(merchant: MerchantId, filter: PaymentFilter, connections: Vec<Connection>) -> Self {
        let names = connections
            .into_iter()
            .map(|connection| (connection.id.to_string(), connection.slug));
        Self {
            merchant,
            source: Source::Payments {
                filter: Box::new(filter),
                connections: names.collect(),
            },
        }
    }

    pub fn audit(merchant: MerchantId, request: &ExportRequest) -> Self {
        Self {
            merchant,
            source: Source::Audit {
                from: request.created_from,
                until: request.created_until,
            },
        }
    }

    pub fn head(&self) -> Result<String, StoreError> {
        let columns: &[&str] = match self.source {
            Source::Payments { .. } => &PAYMENT_COLUMNS,
            Source::Audit { .. } => &AUDIT_COLUMNS,
        };
        let line = lines([columns.iter().map(|column| (*column).to_owned()).collect::<Vec<_>>()])?;
        Ok(format!("{BYTE_ORDER_MARK}{line}"))
    }

    pub async fn piece(&self, store: &Store, cursor: &Cursor) -> Result<Piece, StoreError> {
        match &self.source {
            Source::Payments { filter, connections } => {
                let page = store.payments(self.merchant, filter, cursor).await?;
                let rows = page.items.iter().map(|payment| of_payment(payment, connections));
                Ok(Piece {
                    text: lines(rows)?,
                    rows: u64::try_from(page.items.len()).unwrap_or(u64::MAX),
                    last: page.items.last().map(|payment| payment.id.to_string()),
                    more: page.next.is_some(),
                })
            }
            Source::Audit { from, until } => {
                let page = store.audit(self.merchant, cursor).await?;
                let last = page.items.last();
                // Newest first: behind the first one that is too old there is nothing.
                let over = last.is_some_and(|entry| from.is_some_and(|from| entry.created_at < from));
                let wanted = |entry: &&AuditEntry| {
                    from.is_none_or(|from| entry.created_at >= from)
                        && until.is_none_or(|until| entry.created_at < until)
                };
                let kept: Vec<_> = page.items.iter().filter(wanted).map(of_entry).collect();
                Ok(Piece {
                    rows: u64::try_from(kept.len()).unwrap_or(u64::MAX),
                    text: lines(kept)?,
                    last: last.map(|entry| entry.id.to_string()),
                    more: page.next.is_some() && !over,
                })
            }
        }
    }
}

fn lines(rows: impl IntoIterator<Item = Vec<String>>) -> Result<String, StoreError> {
    let mut writer = WriterBuilder::new()
        .terminator(Terminator::CRLF)
        .from_writer(Vec::new());
    let unwritable = |error: String| StoreError::Corrupt(format!("a row cannot be written: {error}"));
    for row in rows {
        writer
            .write_record(row)
            .map_err(|error| unwritable(error.to_string()))?;
    }
    let bytes = writer.into_inner().map_err(|error| unwritable(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| unwritable(error.to_string()))
}

fn of_payment(payment: &Payment, connections: &HashMap<String, String>) -> Vec<String> {
    let connection = payment.connection_id.to_string();
    vec![
        payment.id.to_string(),
        moment(&payment.created_at),
        payment.status.as_str().to_owned(),
        payment
            .reason
            .map(|reason| reason.as_str().to_owned())
            .unwrap_or_default(),
        payment.amount.decimal(),
        payment.amount.currency().code().to_owned(),
        payment.fee.map(plugin_sdk::Money::decimal).unwrap_or_default(),
        safe(&payment.account),
        safe(payment.service.as_deref().unwrap_or_default()),
        safe(&payment.key.to_string()),
        payment.number.to_string(),
        safe(connections.get(&connection).unwrap_or(&connection)),
        payment
            .booking
            .as_ref()
            .map(|booking| moment(&booking.at))
            .unwrap_or_default(),
    ]
}

fn of_entry(entry: &AuditEntry) -> Vec<String> {
    let json =
        |value: &Option<serde_json::Value>| value.as_ref().map(|value| safe(&value.to_string())).unwrap_or_default();
    vec![
        entry.number.map(|number| number.to_string()).unwrap_or_default(),
        moment(&entry.created_at),
        safe(&entry.actor),
        safe(&entry.action),
        safe(&entry.subject),
        json(&entry.before),
        json(&entry.after),
        safe(entry.address.as_deref().unwrap_or_default()),
        safe(entry.request_id.as_deref().unwrap_or_default()),
        entry.hash.clone().unwrap_or_default(),
    ]
}

fn moment(at: &DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// What others wrote, as a text and nothing else: an apostrophe keeps a spreadsheet from running it.
fn safe(text: &str) -> String {
    if text.starts_with(FORMULA_STARTS) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("=1+1", "'=1+1")]
    #[case("+79123456789", "'+79123456789")]
    #[case("@SUM(A1)", "'@SUM(A1)")]
    #[case("\t=1", "'\t=1")]
    #[case("9123456789", "9123456789")]
    #[case("", "")]
    fn a_text_stays_a_text(#[case] text: &str, #[case] written: &str) {
        assert_eq!(safe(text), written);
    }

    #[test]
    fn quotes_and_line_ends_stay_in_their_field() {
        let row = vec!["a\"b".to_owned(), "c,d".to_owned(), "e\nf".to_owned()];
        assert_eq!(lines([row]).unwrap(), "\"a\"\"b\",\"c,d\",\"e\nf\"\r\n");
    }
}
