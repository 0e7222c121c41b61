//! Keeps each merchant's decisions to the newest so many.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use plugin_sdk::{DecisionId, MerchantId};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement};

use crate::bigint::bigint;
use crate::entities::decisions;
use crate::merchants::read_id;
use crate::overview::count;
use crate::{Store, StoreError, chunks};

/// A merchant may have a twentieth more before any of them go: finding those that go reads all that stay.
const SLACK_PARTS: u64 = 20;
/// How long counts are carried on before all is counted anew: other nodes delete too.
const RECOUNT_AFTER: Duration = Duration::from_secs(60 * 60);
/// Decisions are counted when they are so old. Ids carry the clocks of the nodes, which differ, and rows may come late.
const SETTLED_AFTER: TimeDelta = TimeDelta::minutes(2);
/// Decisions that one look counts at most; the rest is counted by the next one.
const COUNTED_AT_ONCE: u64 = 1_000_000;

/// Counts decisions as they come, so that a sweep costs what is new and not what is kept.
pub struct DecisionShare {
    store: Store,
    /// Of each merchant.
    rows: u64,
    /// Rows that one statement deletes at most.
    chunk: u64,
    counted: Option<Counted>,
}

struct Counted {
    at: Instant,
    /// All decisions up to this id are counted.
    until: String,
    held: HashMap<MerchantId, u64>,
}

impl DecisionShare {
    pub fn new(store: Store, rows: u64, chunk: u64) -> Self {
        Self {
            store,
            rows,
            chunk,
            counted: None,
        }
    }

    /// Deletes the oldest decisions of merchants that have more than their share. Returns how many went.
    pub async fn sweep(&mut self, now: DateTime<Utc>) -> Result<u64, StoreError> {
        let settled = DecisionId::generate_at(now - SETTLED_AFTER).to_string();
        let known = (self.counted.take()).filter(|counted| counted.at.elapsed() < RECOUNT_AFTER);
        let mut counted = match known {
            Some(counted) => counted,
            None => {
                self.store
                    .count_all(settled.clone(), self.most().saturating_add(1))
                    .await?
            }
        };
        let further = self.store.count_further(&mut counted, settled).await;
        let deleted = match further {
            Ok(()) => self.delete_over(&mut counted).await,
            Err(error) => Err(error),
        };
        // What was counted stays counted, whatever failed behind it.
        self.counted = Some(counted);
        deleted
    }

    fn most(&self) -> u64 {
        self.rows.saturating_add(self.rows / SLACK_PARTS)
    }

    async fn delete_over(&self, counted: &mut Counted) -> Result<u64, StoreError> {
        let over = counted.held.iter().filter(|(_, held)| **held > self.most());
        let over: Vec<_> = over.map(|(merchant, _)| *merchant).collect();
        let mut deleted = 0;
        for merchant in over {
            deleted += self
                .store
                .delete_decisions_beyond(merchant, self.rows, self.chunk)
                .await?;
            counted.held.insert(merchant, self.rows);
        }
        Ok(deleted)
    }
}

impl Store {
    /// Counts each merchant's decisions up to `most` of them. What comes meanwhile is rather counted twice than never.
    async fn count_all(&self, until: String, most: u64) -> Result<Counted, StoreError> {
        let mut held = HashMap::new();
        let mut merchant = self.merchant_with_decisions(None).await?;
        while let Some(id) = merchant {
            held.insert(id, self.count_decisions(id, most).await?);
            merchant = self.merchant_with_decisions(Some(id)).await?;
        }
        let at = Instant::now();
        Ok(Counted { at, until, held })
    }

    async fn count_decisions(&self, merchant: MerchantId, most: u64) -> Result<u64, StoreError> {
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "SELECT count(*) AS held FROM (SELECT 1 FROM decisions WHERE merchant_id = $1 LIMIT $2) AS known",
            [merchant.to_string().into(), bigint(most).into()],
        );
        let row = self.reads.query_one_raw(statement).await?;
        row.map_or(Ok(0), |row| count(&row, "held"))
    }

    async fn count_further(&self, counted: &mut Counted, settled: String) -> Result<(), StoreError> {
        // The limit within also keeps SQLite from reading all that is stored, merchant by merchant.
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "SELECT merchant_id, count(*) AS decisions, max(id) AS newest FROM (
                 SELECT merchant_id, id FROM decisions WHERE id > $1 AND id <= $2 ORDER BY id LIMIT $3) AS fresh
             GROUP BY merchant_id",
            [
                counted.until.clone().into(),
                settled.clone().into(),
                bigint(COUNTED_AT_ONCE).into(),
            ],
        );
        let (mut total, mut newest) = (0_u64, String::new());
        for row in self.reads.query_all_raw(statement).await? {
            let merchant = read_id(&row.try_get::<String>("", "merchant_id")?)?;
            let decisions = count(&row, "decisions")?;
            let held = counted.held.entry(merchant).or_default();
            *held = held.saturating_add(decisions);
            total = total.saturating_add(decisions);
            newest = newest.max(row.try_get("", "newest")?);
        }
        let until = if total < COUNTED_AT_ONCE { settled } else { newest };
        counted.until = until.max(std::mem::take(&mut counted.until));
        Ok(())
    }

    /// Deletes a merchant's decisions beyond the newest `kept`, so many at once. Returns how many went.
    async fn delete_decisions_beyond(&self, merchant: MerchantId, kept: u64, at_once: u64) -> Result<u64, StoreError> {
        let Some(last) = self.first_decision_beyond(merchant, kept).await? else {
            return Ok(0);
        };
        // Where the chunk before ended: what it deleted stays in the index for a while, and is not read again and again.
        let mut from = String::new();
        let mut deleted = 0;
        loop {
            let began = Instant::now();
            let statement = Statement::from_sql_and_values(
                self.backend(),
                "DELETE FROM decisions WHERE id IN (
                     SELECT id FROM decisions WHERE merchant_id = $1 AND id > $2 AND id <= $3 ORDER BY id LIMIT $4)
                 RETURNING id",
                [
                    merchant.to_string().into(),
                    from.clone().into(),
                    last.clone().into(),
                    bigint(at_once).into(),
                ],
            );
            let rows = self.writes.query_all_raw(statement).await?;
            // Fewer than asked for may mean that another node deletes them too.
            if rows.is_empty() {
                return Ok(deleted);
            }
            for row in &rows {
                from = from.max(row.try_get("", "id")?);
                deleted += 1;
            }
            chunks::rest(began.elapsed()).await;
        }
    }

    /// The newest decision that is not among the newest `kept` of a merchant.
    async fn first_decision_beyond(&self, merchant: MerchantId, kept: u64) -> Result<Option<String>, StoreError> {
        let id = decisions::Entity::find()
            .select_only()
            .column(decisions::Column::Id)
            .filter(decisions::Column::MerchantId.eq(merchant.to_string()))
            .order_by_desc(decisions::Column::Id)
            .offset(kept)
            .limit(1)
            .into_tuple();
        Ok(id.one(&self.reads).await?)
    }
}
