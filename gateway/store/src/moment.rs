//! How a moment is written in a batch: exactly as the database driver writes a bound one, so that SQLite, which
//! compares moments as texts, sees one spelling only.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serializer;

pub fn text(moment: &DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::AutoSi, false)
}

pub fn serialize<S: Serializer>(moment: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(moment))
}

pub fn serialize_option<S: Serializer>(moment: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    match moment {
        Some(moment) => serialize(moment, serializer),
        None => serializer.serialize_none(),
    }
}
