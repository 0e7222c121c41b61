use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use plugin_sdk::{ConnectionId, DecisionId, MerchantId, PaymentId};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement};

use crate::bigint::bigint;
use crate::entities::decisions;
use crate::merchants::read_id;
use crate::overview::count;
use crate::{Cursor, Page, Store, StoreError};

/// All that it takes to decide once more. It is put into words when its row is written, so that no answer waits for it.
pub trait Record: fmt::Debug + Send + Sync {
    fn write(&self) -> String;
}

/// What the rules decided in one call of one handler.
#[derive(Debug, Clone)]
pub struct NewDecision {
    pub id: DecisionId,
    pub merchant_id: MerchantId,
    pub connection_id: ConnectionId,
    pub payment_id: Option<PaymentId>,
    pub revision: i32,
    /// `check` or `fee`.
    pub handler: &'static str,
    /// Of the network: `info`, `check` or `pay`.
    pub command: &'static str,
    pub account: String,
    pub outcome: &'static str,
    pub reason: Option<&'static str>,
    pub steps: u64,
    pub duration_us: u64,
    pub record: Arc<dyn Record>,
    pub created_at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDecision {
    pub id: DecisionId,
    pub connection_id: ConnectionId,
    pub payment_id: Option<PaymentId>,
    pub revision: i32,
    pub handler: String,
    pub command: String,
    pub account: String,
    pub outcome: String,
    pub reason: Option<String>,
    pub steps: u64,
    pub duration_us: u64,
    pub record: String,
    pub created_at: DateTime<Utc>,
}

/// How a revision has decided.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Behaviour {
    pub revision: i32,
    pub decisions: u64,
    /// How many ended in which way.
    pub outcomes: BTreeMap<String, u64>,
    /// Of all together.
    pub duration_us: u64,
}

/// Absent means any.
#[derive(Debug, Clone, Default)]
pub struct DecisionFilter {
    pub payment_id: Option<PaymentId>,
    pub revision: Option<i32>,
    pub handler: Option<String>,
    pub outcome: Option<String>,
    pub account: Option<String>,
    pub created_from: Option<DateTime<Utc>>,
    pub created_until: Option<DateTime<Utc>>,
}

impl Store {
    pub async fn decision(&self, merchant: MerchantId, id: DecisionId) -> Result<StoredDecision, StoreError> {
        let row = decisions::Entity::find_by_id(id.to_string())
            .filter(decisions::Column::MerchantId.eq(merchant.to_string()))
            .one(&self.reads)
            .await?;
        StoredDecision::read(row.ok_or(StoreError::NotFound("this decision"))?)
    }

    /// Newest first.
    pub async fn decisions(
        &self,
        merchant: MerchantId,
        filter: &DecisionFilter,
        cursor: &Cursor,
    ) -> Result<Page<StoredDecision>, StoreError> {
        let mut query = decisions::Entity::find()
            .filter(decisions::Column::MerchantId.eq(merchant.to_string()))
            .filter(filter.condition())
            .order_by_desc(decisions::Column::Id)
            .limit(cursor.limit + 1);
        if let Some(after) = &cursor.after {
            query = query.filter(decisions::Column::Id.lt(after));
        }
        Page::of(
            query.all(&self.reads).await?,
            cursor.limit,
            |row| row.id.clone(),
            StoredDecision::read,
        )
    }

    /// How each revision has decided among the merchant's newest decisions, newest revision first. Counts so many and no
    /// more, however many are stored.
    pub async fn behaviour(&self, merchant: MerchantId, newest: u32) -> Result<Vec<Behaviour>, StoreError> {
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "SELECT revision, outcome, COUNT(*) AS decisions, CAST(SUM(duration_us) AS BIGINT) AS duration_us
             FROM (SELECT revision, outcome, duration_us FROM decisions
                   WHERE merchant_id = $1 ORDER BY id DESC LIMIT $2) AS newest
             GROUP BY revision, outcome ORDER BY revision DESC",
            [merchant.to_string().into(), i64::from(newest).into()],
        );
        let mut found: Vec<Behaviour> = Vec::new();
        for row in self.reads.query_all_raw(statement).await? {
            let revision = row.try_get("", "revision")?;
            if found.last().is_none_or(|last| last.revision != revision) {
                found.push(Behaviour {
                    revision,
                    ..Behaviour::default()
                });
            }
            if let Some(last) = found.last_mut() {
                let decisions = count(&row, "decisions")?;
                last.decisions += decisions;
                last.duration_us += count(&row, "duration_us")?;
                last.outcomes.insert(row.try_get("", "outcome")?, decisions);
            }
        }
        Ok(found)
    }

    /// Deletes up to `limit` of the oldest decisions, if they are from before `until`. Returns how many went.
    pub async fn delete_decisions_before(&self, until: DateTime<Utc>, limit: u64) -> Result<u64, StoreError> {
        // Ids grow with time, so the oldest are found without an index on the moment.
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "DELETE FROM decisions WHERE id IN (SELECT id FROM decisions ORDER BY id LIMIT $1) AND created_at < $2",
            [bigint(limit).into(), until.into()],
        );
        Ok(self.writes.execute_raw(statement).await?.rows_affected())
    }

    /// The next merchant, in the order of ids, that has decisions; from the first one for `None`.
    pub(crate) async fn merchant_with_decisions(
        &self,
        after: Option<MerchantId>,
    ) -> Result<Option<MerchantId>, StoreError> {
        let after = after.map_or_else(String::new, |id| id.to_string());
        let merchant: Option<String> = decisions::Entity::find()
            .select_only()
            .column(decisions::Column::MerchantId)
            .filter(decisions::Column::MerchantId.gt(after))
            .order_by_asc(decisions::Column::MerchantId)
            .into_tuple()
            .one(&self.reads)
            .await?;
        merchant.as_deref().map(read_id).transpose()
    }
}

impl DecisionFilter {
    fn condition(&self) -> Condition {
        use decisions::Column;
        Condition::all()
            .add_option(self.payment_id.map(|id| Column::PaymentId.eq(id.to_string())))
            .add_option(self.revision.map(|revision| Column::Revision.eq(revision)))
            .add_option(self.handler.as_ref().map(|handler| Column::Handler.eq(handler)))
            .add_option(self.outcome.as_ref().map(|outcome| Column::Outcome.eq(outcome)))
            .add_option(self.account.as_ref().map(|account| Column::Account.eq(account)))
            .add_option(self.created_from.map(|from| Column::CreatedAt.gte(from)))
            .add_option(self.created_until.map(|until| Column::CreatedAt.lt(until)))
    }
}

impl NewDecision {
    pub(crate) fn row(&self) -> decisions::Model {
        decisions::Model {
            id: self.id.to_string(),
            merchant_id: self.merchant_id.to_string(),
            connection_id: self.connection_id.to_string(),
            payment_id: self.payment_id.map(|id| id.to_string()),
            revision: self.revision,
            handler: self.handler.to_owned(),
            command: self.command.to_owned(),
            account: self.account.clone(),
            outcome: self.outcome.to_owned(),
            reason: self.reason.map(str::to_owned),
            steps: bigint(self.steps),
            duration_us: bigint(self.duration_us),
            record: self.record.write(),
            created_at: self.created_at,
        }
    }
}

impl StoredDecision {
    pub(crate) fn read(row: decisions::Model) -> Result<Self, StoreError> {
        let number = |count: i64| u64::try_from(count).unwrap_or(0);
        Ok(Self {
            id: read_id(&row.id)?,
            connection_id: read_id(&row.connection_id)?,
            payment_id: row.payment_id.as_deref().map(read_id).transpose()?,
            revision: row.revision,
            handler: row.handler,
            command: row.command,
            account: row.account,
            outcome: row.outcome,
            reason: row.reason,
            steps: number(row.steps),
            duration_us: number(row.duration_us),
            record: row.record,
            created_at: row.created_at,
        })
    }
}
