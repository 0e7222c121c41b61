use chrono::{DateTime, Utc};
use plugin_sdk::{DecisionId, MerchantId, ReplayId};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, TransactionTrait,
};
use serde_json::Value;

use crate::bigint::bigint;
use crate::entities::{decisions, rule_replays};
use crate::merchants::read_id;
use crate::{Cursor, Page, Store, StoreError, StoredDecision};

/// Handlers whose decisions can be made again.
const REPLAYED: [&str; 3] = ["check", "fee", "route"];

/// Which decisions a replay goes over: the newest `last` of those in the span.
#[derive(Debug, Clone, Default)]
pub struct ReplaySpan {
    pub last: u64,
    pub from: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayStatus {
    Running,
    Done,
    Failed,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    pub id: ReplayId,
    /// What was replayed, in the caller's words.
    pub target: Value,
    pub status: ReplayStatus,
    pub total: u64,
    pub done: u64,
    pub report: Option<Value>,
    pub error: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A replay that is about to start.
#[derive(Debug, Clone)]
pub struct NewReplay {
    pub target: Value,
    pub total: u64,
    /// Whoever has not told of progress until then has died.
    pub lease_until: DateTime<Utc>,
}

impl ReplayStatus {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    fn read(text: &str) -> Result<Self, StoreError> {
        match text {
            "running" => Ok(Self::Running),
            "done" => Ok(Self::Done),
            "failed" => Ok(Self::Failed),
            other => Err(StoreError::Corrupt(format!("replay status '{other}'"))),
        }
    }
}

impl ReplaySpan {
    fn condition(&self, merchant: MerchantId) -> Condition {
        use decisions::Column;
        Condition::all()
            .add(Column::MerchantId.eq(merchant.to_string()))
            .add(Column::Handler.is_in(REPLAYED))
            .add_option(self.from.map(|from| Column::CreatedAt.gte(from)))
            .add_option(self.until.map(|until| Column::CreatedAt.lt(until)))
    }
}

impl Store {
    /// How many decisions the span holds, and the newest of them.
    pub async fn replay_extent(
        &self,
        merchant: MerchantId,
        span: &ReplaySpan,
    ) -> Result<(u64, Option<DecisionId>), StoreError> {
        let ids: Vec<String> = decisions::Entity::find()
            .select_only()
            .column(decisions::Column::Id)
            .filter(span.condition(merchant))
            .order_by_desc(decisions::Column::Id)
            .limit(span.last)
            .into_tuple()
            .all(&self.reads)
            .await?;
        let newest = ids.first().map(|id| read_id(id)).transpose()?;
        Ok((u64::try_from(ids.len()).unwrap_or(u64::MAX), newest))
    }

    /// Decisions of the span, newest first: `newest` and older ones, or those before `before`.
    pub async fn decisions_to_replay(
        &self,
        merchant: MerchantId,
        span: &ReplaySpan,
        newest: DecisionId,
        before: Option<DecisionId>,
        limit: u64,
    ) -> Result<Vec<StoredDecision>, StoreError> {
        use decisions::Column;
        let place = match before {
            Some(before) => Column::Id.lt(before.to_string()),
            None => Column::Id.lte(newest.to_string()),
        };
        let rows = decisions::Entity::find()
            .filter(span.condition(merchant))
            .filter(place)
            .order_by_desc(Column::Id)
            .limit(limit)
            .all(&self.reads)
            .await?;
        rows.into_iter().map(StoredDecision::read).collect()
    }

    /// Starts a replay, one at a time for each merchant.
    pub async fn create_replay(
        &self,
        merchant: MerchantId,
        new: NewReplay,
        now: DateTime<Utc>,
    ) -> Result<Replay, StoreError> {
        let transaction = self.writes.begin().await?;
        rule_replays::Entity::update_many()
            .col_expr(rule_replays::Column::Status, Expr::value(ReplayStatus::Failed.as_str()))
            .col_expr(
                rule_replays::Column::Error,
                Expr::value("the node that ran it went away"),
            )
            .filter(rule_replays::Column::MerchantId.eq(merchant.to_string()))
            .filter(rule_replays::Column::Status.eq(ReplayStatus::Running.as_str()))
            .filter(rule_replays::Column::LeaseUntil.lt(now))
            .exec(&transaction)
            .await?;
        let row = rule_replays::ActiveModel {
            id: Set(ReplayId::generate().to_string()),
            merchant_id: Set(merchant.to_string()),
            target: Set(new.target),
            status: Set(ReplayStatus::Running.as_str().to_owned()),
            total: Set(bigint(new.total)),
            done: Set(0),
            report: Set(None),
            error: Set(None),
            lease_until: Set(new.lease_until),
            created_at: Set(now),
            updated_at: Set(now),
        };
        let row = row.insert(&transaction).await;
        let row = row.map_err(|error| StoreError::or_exists(error, "a running replay of this merchant"))?;
        transaction.commit().await?;
        Replay::read(row)
    }

    /// Tells how far a replay is. `false` when it is not running any more: somebody took it for dead.
    pub async fn replay_progressed(
        &self,
        merchant: MerchantId,
        id: ReplayId,
        done: u64,
        lease_until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let changed = running(merchant, id)
            .col_expr(rule_replays::Column::Done, Expr::value(bigint(done)))
            .col_expr(rule_replays::Column::LeaseUntil, Expr::value(lease_until))
            .col_expr(rule_replays::Column::UpdatedAt, Expr::value(now))
            .exec(&self.writes)
            .await?;
        Ok(changed.rows_affected > 0)
    }

    /// Ends a replay with what it found, or with why it found nothing.
    pub async fn finish_replay(
        &self,
        merchant: MerchantId,
        id: ReplayId,
        found: Result<Value, String>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        use rule_replays::Column;
        let ended = running(merchant, id).col_expr(Column::UpdatedAt, Expr::value(now));
        let ended = match found {
            Ok(report) => ended
                .col_expr(Column::Status, Expr::value(ReplayStatus::Done.as_str()))
                .col_expr(Column::Report, Expr::value(report))
                .col_expr(Column::Done, Expr::col(Column::Total)),
            Err(error) => ended
                .col_expr(Column::Status, Expr::value(ReplayStatus::Failed.as_str()))
                .col_expr(Column::Error, Expr::value(error)),
        };
        ended.exec(&self.writes).await?;
        Ok(())
    }

    pub async fn replay(&self, merchant: MerchantId, id: ReplayId) -> Result<Replay, StoreError> {
        let row = rule_replays::Entity::find_by_id(id.to_string())
            .filter(rule_replays::Column::MerchantId.eq(merchant.to_string()))
            .one(&self.reads)
            .await?;
        Replay::read(row.ok_or(StoreError::NotFound("this replay"))?)
    }

    /// Newest first.
    pub async fn replays(&self, merchant: MerchantId, cursor: &Cursor) -> Result<Page<Replay>, StoreError> {
        let mut query = rule_replays::Entity::find()
            .filter(rule_replays::Column::MerchantId.eq(merchant.to_string()))
            .order_by_desc(rule_replays::Column::Id)
            .limit(cursor.limit + 1);
        if let Some(after) = &cursor.after {
            query = query.filter(rule_replays::Column::Id.lt(after));
        }
        Page::of(
            query.all(&self.reads).await?,
            cursor.limit,
            |row| row.id.clone(),
            Replay::read,
        )
    }
}

fn running(merchant: MerchantId, id: ReplayId) -> sea_orm::UpdateMany<rule_replays::Entity> {
    rule_replays::Entity::update_many()
        .filter(rule_replays::Column::Id.eq(id.to_string()))
        .filter(rule_replays::Column::MerchantId.eq(merchant.to_string()))
        .filter(rule_replays::Column::Status.eq(ReplayStatus::Running.as_str()))
}

impl Replay {
    fn read(row: rule_replays::Model) -> Result<Self, StoreError> {
        let number = |count: i64| u64::try_from(count).unwrap_or(0);
        Ok(Self {
            id: read_id(&row.id)?,
            target: row.target,
            status: ReplayStatus::read(&row.status)?,
            total: number(row.total),
            done: number(row.done),
            report: row.report,
            error: row.error,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}
