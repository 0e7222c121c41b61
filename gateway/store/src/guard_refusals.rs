//! What guards refused, counted by minute: told to the merchant it concerns, then forgotten.

use plugin_sdk::MerchantId;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, FromQueryResult, QueryFilter, QuerySelect};

use crate::bigint::bigint;
use crate::bulk::{self, OnConflict};
use crate::entities::guard_refusals::{Column, Entity, Model};
use crate::{Store, StoreError};

/// Nodes write side by side: counts add up.
const ADD_UP: &str = "(merchant_id, minute, level, subject, reason) DO UPDATE SET
     count = guard_refusals.count + excluded.count";
/// Kinds of refusals of one merchant that are told at once.
const KINDS_MAX: u64 = 1_000;

/// How often a guard refused in one minute, or over several of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardRefusals {
    pub merchant_id: MerchantId,
    /// `merchant`, `connection`, `api_key` or `peer`: whose limit it was.
    pub level: String,
    /// Name of the connection, id of the key; empty for the merchant itself.
    pub subject: String,
    /// `rate`, `in_flight` and the like.
    pub reason: String,
    /// Minutes since 1970: the latest one.
    pub minute: i64,
    pub count: i64,
}

#[derive(FromQueryResult)]
struct Summed {
    level: String,
    subject: String,
    reason: String,
    minute: i64,
    count: i64,
}

impl Store {
    pub async fn add_guard_refusals(&self, refusals: &[GuardRefusals]) -> Result<(), StoreError> {
        let mut rows: Vec<Model> = refusals.iter().map(GuardRefusals::row).collect();
        // Nodes take the rows in one order, or they would wait for each other.
        rows.sort_by(|a, b| {
            let key = |row: &Model| {
                let Model {
                    merchant_id,
                    level,
                    subject,
                    reason,
                    ..
                } = row.clone();
                (merchant_id, row.minute, level, subject, reason)
            };
            key(a).cmp(&key(b))
        });
        bulk::insert::<Entity, _>(&self.writes, &rows, OnConflict::Update(ADD_UP), None).await?;
        Ok(())
    }

    /// What was refused to a merchant from `minute` on, summed up over the minutes.
    pub async fn guard_refusals(&self, merchant: MerchantId, minute: i64) -> Result<Vec<GuardRefusals>, StoreError> {
        let rows = Entity::find()
            .select_only()
            .column(Column::Level)
            .column(Column::Subject)
            .column(Column::Reason)
            .column_as(ColumnTrait::max(&Column::Minute), "minute")
            .column_as(ColumnTrait::sum(&Column::Count).cast_as("bigint"), "count")
            .filter(Column::MerchantId.eq(merchant.to_string()))
            .filter(Column::Minute.gte(minute))
            .group_by(Column::Level)
            .group_by(Column::Subject)
            .group_by(Column::Reason)
            .limit(KINDS_MAX)
            .into_model::<Summed>()
            .all(&self.reads)
            .await?;
        Ok(rows.into_iter().map(|row| row.of(merchant)).collect())
    }

    /// Forgets what was refused before `minute`; at most so many minutes at once. Whether there is more.
    pub async fn forget_guard_refusals(&self, minute: i64, at_once: u64) -> Result<bool, StoreError> {
        let oldest: Option<i64> = Entity::find()
            .select_only()
            .column_as(ColumnTrait::min(&Column::Minute), "minute")
            .into_tuple()
            .one(&self.reads)
            .await?
            .flatten();
        let Some(oldest) = oldest.filter(|oldest| *oldest < minute) else {
            return Ok(false);
        };
        let until = Ord::min(minute, oldest.saturating_add(bigint(at_once)));
        Entity::delete_many()
            .filter(Column::Minute.lt(until))
            .exec(&self.writes)
            .await?;
        Ok(until < minute)
    }
}

impl GuardRefusals {
    fn row(&self) -> Model {
        Model {
            merchant_id: self.merchant_id.to_string(),
            level: self.level.clone(),
            subject: self.subject.clone(),
            reason: self.reason.clone(),
            minute: self.minute,
            count: self.count,
        }
    }
}

impl Summed {
    fn of(self, merchant_id: MerchantId) -> GuardRefusals {
        GuardRefusals {
            merchant_id,
            level: self.level,
            subject: self.subject,
            reason: self.reason,
            minute: self.minute,
            count: self.count,
        }
    }
}
