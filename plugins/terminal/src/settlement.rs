//! The daily settlement file (`protocols/terminal.md` §9.9): a row per successful payment, then the total.

mod file_name;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashSet;

use chrono::{Days, NaiveDate, NaiveTime};
use encoding_rs::WINDOWS_1251;
use plugin_sdk::{Money, PaymentKey, Settlement, SettlementError, SettlementPeriod, SettlementRow};

use crate::moscow;
use crate::parse::{is_key, normalise_account};
use crate::profile::{ACCOUNT_MAX, Service};
use file_name::FileName;

/// Rows of a file.
const ROWS_MAX: usize = 1_000_000;
/// Bytes of a file: a million rows with accounts of ordinary length.
const BYTES_MAX: usize = 128 * 1024 * 1024;

const BYTE_ORDER_MARK: char = '\u{FEFF}';

/// First field of the last row.
const TOTAL: &str = "Total:";

pub fn read(service: &Service, file_name: &str, bytes: &[u8]) -> Result<Settlement, SettlementError> {
    if bytes.len() > BYTES_MAX {
        return refuse_file(format!(
            "the file has more than {BYTES_MAX} bytes; ask QIWI for smaller files"
        ));
    }
    let name = FileName::read(file_name)?;
    check_service(service, name.as_ref())?;
    let text = decode(bytes);
    let mut reader = Reader::new(service);
    for (number, line) in (1_u32..).zip(lines(&text)) {
        reader.line(number, line)?;
    }
    reader.finish(name.map(|name| name.day))
}

fn refuse_file<T>(message: impl Into<String>) -> Result<T, SettlementError> {
    Err(SettlementError::File(message.into()))
}

fn refuse_line<T>(line: u32, message: impl Into<String>) -> Result<T, SettlementError> {
    Err(SettlementError::Line {
        line,
        message: message.into(),
    })
}

fn check_service(service: &Service, name: Option<&FileName<'_>>) -> Result<(), SettlementError> {
    match (name, &service.registry_service_id) {
        (Some(name), Some(own)) if name.service_id != own => refuse_file(format!(
            "the file is of service {}, this connection of service {own}; give it to the connection it belongs to, \
             or correct registry.service_id",
            name.service_id
        )),
        _ => Ok(()),
    }
}

fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)),
        Err(_) => WINDOWS_1251.decode_without_bom_handling(bytes).0,
    }
}

/// Lines that end in CR LF, LF or CR alone (§13 #18).
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n')
        .flat_map(|piece| piece.strip_suffix('\r').unwrap_or(piece).split('\r'))
}

/// What was read so far.
struct Reader<'a> {
    service: &'a Service,
    rows: Vec<SettlementRow>,
    keys: HashSet<&'a str>,
    /// First and last Moscow day of the rows.
    days: Option<(NaiveDate, NaiveDate)>,
    sum: Money,
    total_seen: bool,
}

impl<'a> Reader<'a> {
    fn new(service: &'a Service) -> Self {
        let sum = Money::from_minor(0, service.own_currency);
        Self {
            service,
            rows: Vec::new(),
            keys: HashSet::new(),
            days: None,
            sum,
            total_seen: false,
        }
    }

    fn line(&mut self, number: u32, line: &'a str) -> Result<(), SettlementError> {
        if line.trim().is_empty() {
            return Ok(());
        }
        if self.total_seen {
            return refuse_line(number, "something follows the total; the total must be the last row");
        }
        if !line.contains('\t') {
            // Some mailed files begin with the addressee (§9.9).
            return if self.rows.is_empty() {
                Ok(())
            } else {
                refuse_line(number, "a row must have 5 fields with TABs between them")
            };
        }
        let fields: Vec<&str> = line.split('\t').map(str::trim).collect();
        match fields.as_slice() {
            [TOTAL, count, sum] => self.total(number, count, sum),
            [TOTAL, ..] => refuse_line(
                number,
                "the total must have 3 fields: Total:, number of payments, amount",
            ),
            [key, date, time, account, sum] => self.row(number, key, date, time, account, sum),
            _ => refuse_line(
                number,
                "a row must have 5 fields with TABs between them: txn_id, date, time, account, sum",
            ),
        }
    }

    fn row(
        &mut self,
        line: u32,
        key: &'a str,
        date: &str,
        time: &str,
        account: &str,
        sum: &str,
    ) -> Result<(), SettlementError> {
        if self.rows.len() == ROWS_MAX {
            return refuse_line(
                line,
                format!("the file has more than {ROWS_MAX} payments; ask QIWI for smaller files"),
            );
        }
        if !is_key(key) {
            return refuse_line(line, "the first field is not a txn_id; it must be 1 to 20 digits");
        }
        if !self.keys.insert(key) {
            return refuse_line(
                line,
                format!("payment {key} is in the file twice; ask QIWI for a corrected file"),
            );
        }
        let Some(day) = read_day(date) else {
            return refuse_line(
                line,
                "the second field is not a date; it must be DD.MM.YYYY or YYYY-MM-DD",
            );
        };
        let Some(booked_at) = read_time(time).and_then(|time| moscow::to_utc(day.and_time(time))) else {
            return refuse_line(line, "the third field is not a time; it must be HH:MM:SS");
        };
        let account = self.account(line, account)?;
        let amount = self.amount(line, sum)?;
        self.sum = self
            .sum
            .checked_add(amount)
            .or_else(|error| refuse_line(line, error.to_string()))?;
        self.days = Some(
            self.days
                .map_or((day, day), |(first, last)| (first.min(day), last.max(day))),
        );
        self.rows.push(SettlementRow {
            line,
            key: PaymentKey::single(key),
            booked_at,
            account,
            amount,
        });
        Ok(())
    }

    /// In the form in which requests' accounts are kept, since they will be compared.
    fn account(&self, line: u32, text: &str) -> Result<String, SettlementError> {
        normalise_account(&self.service.account, text)
            .filter(|account| {
                account.chars().count() <= usize::from(ACCOUNT_MAX) && !account.chars().any(char::is_control)
            })
            .map_or_else(
                || {
                    refuse_line(
                        line,
                        format!("the fourth field is not an account of 1 to {ACCOUNT_MAX} characters"),
                    )
                },
                Ok,
            )
    }

    fn amount(&self, line: u32, text: &str) -> Result<Money, SettlementError> {
        match Money::parse(text, self.service.own_currency) {
            Ok(amount) if amount.minor() >= 0 => Ok(amount),
            Ok(_) => refuse_line(line, "the amount is negative; the file lists payments only"),
            Err(error) => refuse_line(line, error.to_string()),
        }
    }

    fn total(&mut self, line: u32, count: &str, sum: &str) -> Result<(), SettlementError> {
        let sum = self.amount(line, sum)?;
        if count.parse() != Ok(self.rows.len()) || sum != self.sum {
            let (rows, own) = (self.rows.len(), self.sum);
            let message = format!(
                "the total says {} payments of {sum}, the rows are {rows} of {own}; ask QIWI for the file again",
                count.chars().take(20).collect::<String>()
            );
            return refuse_line(line, message);
        }
        self.total_seen = true;
        Ok(())
    }

    fn finish(self, named_day: Option<NaiveDate>) -> Result<Settlement, SettlementError> {
        if !self.total_seen {
            return refuse_file("the file has no Total: row, so it may have been cut off; ask QIWI for it again");
        }
        let Some((first, last)) = self.days.or_else(|| named_day.map(|day| (day, day))) else {
            return refuse_file(
                "the file has no payments and its name no day; name it QIWI_<service id>_<YYYYMMDD>1.csv",
            );
        };
        let until = last.checked_add_days(Days::new(1)).and_then(moscow::start_of);
        let Some((from, until)) = moscow::start_of(first).zip(until) else {
            return refuse_file("the file's days are out of range; correct its dates");
        };
        Ok(Settlement {
            period: SettlementPeriod { from, until },
            rows: self.rows,
            total: self.sum,
        })
    }
}

fn read_day(text: &str) -> Option<NaiveDate> {
    let separator = if text.contains('.') { '.' } else { '-' };
    let mut parts = text.split(separator);
    let (first, month, last) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    if separator == '.' {
        moscow::read_date(last, month, first)
    } else {
        moscow::read_date(first, month, last)
    }
}

fn read_time(text: &str) -> Option<NaiveTime> {
    let (hour, rest) = text.split_once(':')?;
    let (minute, second) = rest.split_once(':')?;
    moscow::read_time(hour, minute, second)
}
