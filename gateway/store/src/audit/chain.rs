//! The hash over each entry and the one before it.

use aws_lc_rs::digest::{Context, SHA256};
use chrono::{DateTime, SecondsFormat, Utc};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::Value;

use crate::entities::audit;
use crate::{Store, StoreError};

/// Entries that are read at once.
const BATCH: u64 = 1_000;

/// What looking through the trail found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChainReport {
    /// Entries that stand in the chain.
    pub entries: u64,
    /// Entries from before there was a chain: nothing proves them.
    pub unchained: u64,
    /// The hash of the newest entry. Kept elsewhere, it proves later that nothing up to it was changed.
    pub head: Option<String>,
    /// The first thing that is wrong.
    pub broken: Option<String>,
    /// Whether the hash that was asked for stands in the chain.
    pub noted_found: bool,
}

/// Over every part with its length, so that no two entries read the same.
pub fn hash(row: &audit::Model, before: Option<&str>) -> String {
    let mut context = Context::new(&SHA256);
    let number = row.number.map(|number| number.to_string());
    let (old, new) = (row.before.as_ref().map(canonical), row.after.as_ref().map(canonical));
    let at = moment(row.created_at);
    let parts = [
        before,
        number.as_deref(),
        Some(row.id.as_str()),
        row.merchant_id.as_deref(),
        Some(row.actor.as_str()),
        Some(row.action.as_str()),
        Some(row.subject.as_str()),
        old.as_deref(),
        new.as_deref(),
        row.address.as_deref(),
        row.request_id.as_deref(),
        Some(at.as_str()),
    ];
    for part in parts {
        match part {
            None => context.update(b"-"),
            Some(part) => {
                context.update(format!("+{}:", part.len()).as_bytes());
                context.update(part.as_bytes());
            }
        }
    }
    let digest = context.finish();
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Independent of the order of keys, which a database may change.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| name.as_str());
            let members: Vec<String> = members
                .into_iter()
                .map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), canonical(value)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(canonical).collect();
            format!("[{}]", items.join(","))
        }
        other => other.to_string(),
    }
}

impl Store {
    /// Looks through the whole trail. `noted` is a hash that somebody kept.
    pub async fn verify_audit(&self, noted: Option<&str>) -> Result<ChainReport, StoreError> {
        let mut report = ChainReport::default();
        let newest = self.newest_number().await?;
        let mut number = 0;
        let mut last: Option<String> = None;
        while report.broken.is_none() {
            let rows = audit::Entity::find()
                .filter(audit::Column::Number.gt(number))
                .order_by_asc(audit::Column::Number)
                .limit(BATCH)
                .all(&self.reads)
                .await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                number += 1;
                let right = hash(&row, last.as_deref());
                report.broken = match (row.number, row.hash.as_deref()) {
                    (Some(found), _) if found != number => Some(format!("entry number {number} is missing")),
                    (_, Some(kept)) if kept == right => None,
                    _ => Some(format!("entry number {number} ({}) is not what was written", row.id)),
                };
                if report.broken.is_some() {
                    break;
                }
                report.noted_found |= noted == Some(right.as_str());
                last = Some(right);
            }
        }
        report.entries = u64::try_from(number).unwrap_or_default();
        if report.broken.is_none() && number < newest {
            report.broken = Some(format!(
                "the newest entries are missing: {number} of {newest} are there"
            ));
        }
        report.head = last;
        report.unchained = self.unchained().await?;
        Ok(report)
    }

    async fn newest_number(&self) -> Result<i64, StoreError> {
        use sea_orm::{ConnectionTrait, Statement};
        let statement =
            Statement::from_string(self.backend(), "SELECT value FROM counters WHERE name = 'audit_number'");
        let row = self.reads.query_one_raw(statement).await?;
        Ok(row
            .ok_or(StoreError::NotFound("counter audit_number"))?
            .try_get_by_index(0)?)
    }

    async fn unchained(&self) -> Result<u64, StoreError> {
        use sea_orm::PaginatorTrait;
        Ok(audit::Entity::find()
            .filter(audit::Column::Number.is_null())
            .count(&self.reads)
            .await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_order_of_keys_does_not_matter() {
        let one = canonical(&json!({"b": [1, {"y": null, "x": "\""}], "a": true}));
        assert_eq!(one, r#"{"a":true,"b":[1,{"x":"\"","y":null}]}"#);
    }
}
