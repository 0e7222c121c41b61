//! Dates as QIWI writes and reads them (§2).

use chrono::{DateTime, Datelike, Duration, NaiveDate, Utc};

/// Moscow is three hours ahead, all year.
fn moscow(at: DateTime<Utc>) -> DateTime<Utc> {
    at + Duration::hours(3)
}

pub fn date(at: DateTime<Utc>) -> String {
    moscow(at).format("%Y-%m-%dT%H:%M:%S+03:00").to_string()
}

pub fn with_micros(at: DateTime<Utc>) -> String {
    moscow(at).format("%Y-%m-%dT%H:%M:%S%.6f+03:00").to_string()
}

/// A date of a request; it must have its offset.
pub fn read(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc())
}

/// The day by which test operations are counted.
pub fn day(at: DateTime<Utc>) -> NaiveDate {
    moscow(at).date_naive()
}

/// Whether a card with `MM/YY` is over.
pub fn card_is_over(month: u32, year: i32, now: DateTime<Utc>) -> bool {
    let today = day(now);
    (year, month) < (today.year(), today.month())
}
