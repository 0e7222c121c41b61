use std::collections::HashMap;

use chrono::{DateTime, Utc};
use plugin_sdk::MerchantId;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::entities::rule_troubles;
use crate::{Store, StoreError};

/// Revisions of one merchant whose trouble is told at once.
const TROUBLES_MAX: u64 = 100;

/// One call of a revision that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleFailure {
    pub merchant_id: MerchantId,
    pub revision: i32,
    /// `runtime`, `step_limit` and the like.
    pub kind: &'static str,
    pub message: String,
    pub line: Option<u32>,
    pub at: DateTime<Utc>,
}

/// How often a revision failed since it was published last, and how it failed last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleTrouble {
    pub revision: i32,
    pub failures: u64,
    pub kind: String,
    pub message: String,
    pub line: Option<u32>,
    pub since: DateTime<Utc>,
    pub last_at: DateTime<Utc>,
}

/// Nodes write side by side: counts add up, and the latest failure is the one that is told.
pub(crate) const ADD_UP: &str = "(merchant_id, revision) DO UPDATE SET
     failures = rule_troubles.failures + excluded.failures, kind = excluded.kind, message = excluded.message,
     line = excluded.line, last_at = excluded.last_at";

impl Store {
    /// Revisions that failed, the latest failure first.
    pub async fn rule_troubles(&self, merchant: MerchantId) -> Result<Vec<RuleTrouble>, StoreError> {
        let rows = rule_troubles::Entity::find()
            .filter(rule_troubles::Column::MerchantId.eq(merchant.to_string()))
            .order_by_desc(rule_troubles::Column::LastAt)
            .limit(TROUBLES_MAX)
            .all(&self.reads)
            .await?;
        Ok(rows.into_iter().map(RuleTrouble::read).collect())
    }
}

/// One row for each revision, however often it failed in the group.
pub(crate) fn rows(failures: impl IntoIterator<Item = RuleFailure>) -> Vec<rule_troubles::Model> {
    let mut rows: HashMap<(MerchantId, i32), rule_troubles::Model> = HashMap::new();
    for failure in failures {
        let key = (failure.merchant_id, failure.revision);
        match rows.get_mut(&key) {
            None => {
                rows.insert(key, failure.row());
            }
            Some(row) => {
                row.failures += 1;
                row.kind = failure.kind.to_owned();
                row.message = failure.message;
                row.line = failure.line.and_then(|line| i32::try_from(line).ok());
                row.last_at = failure.at;
            }
        }
    }
    let mut rows: Vec<_> = rows.into_values().collect();
    // Nodes take the rows in one order, or they would wait for each other.
    rows.sort_by(|a, b| (&a.merchant_id, a.revision).cmp(&(&b.merchant_id, b.revision)));
    rows
}

impl RuleFailure {
    fn row(self) -> rule_troubles::Model {
        rule_troubles::Model {
            merchant_id: self.merchant_id.to_string(),
            revision: self.revision,
            failures: 1,
            kind: self.kind.to_owned(),
            message: self.message,
            line: self.line.and_then(|line| i32::try_from(line).ok()),
            since: self.at,
            last_at: self.at,
        }
    }
}

impl RuleTrouble {
    fn read(row: rule_troubles::Model) -> Self {
        Self {
            revision: row.revision,
            failures: u64::try_from(row.failures).unwrap_or(0),
            kind: row.kind,
            message: row.message,
            line: row.line.and_then(|line| u32::try_from(line).ok()),
            since: row.since,
            last_at: row.last_at,
        }
    }
}
