//! Keeps each merchant's decisions to the newest so many.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use plugin_sdk::MerchantId;
use sea_orm::{ConnectionTrait, EntityTrait, QueryOrder, QuerySelect, Statement};

use crate::entities::decisions;
use crate::merchants::read_id;
use crate::overview::count;
use crate::{Store, StoreError};

/// A merchant may have a twentieth more before any of them go: finding those that go reads all that stay.
const SLACK_PARTS: u64 = 20;
/// How long counts are carried on before all is counted anew: rows may come late, and other nodes delete them too.
const RECOUNT_AFTER: Duration = Duration::from_secs(60 * 60);

/// Counts as decisions come, so that a sweep costs what is new and not what is kept.
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
    /// The newest decision that is counted; empty where there was none.
    newest: String,
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
    pub async fn sweep(&mut self) -> Result<u64, StoreError> {
        let carried = self.counted.take();
        let mut counted = match carried.filter(|counted| counted.at.elapsed() < RECOUNT_AFTER) {
            Some(counted) => self.store.count_further(counted).await?,
            None => self.store.count_all(self.most() + 1).await?,
        };
        let over = counted.held.iter().filter(|(_, held)| **held > self.most());
        let over: Vec<_> = over.map(|(merchant, _)| *merchant).collect();
        let mut deleted = 0;
        for merchant in over {
            deleted += self.delete_beyond(merchant).await?;
            counted.held.insert(merchant, self.rows);
        }
        self.counted = Some(counted);
        Ok(deleted)
    }

    fn most(&self) -> u64 {
        self.rows.saturating_add(self.rows / SLACK_PARTS)
    }

    async fn delete_beyond(&self, merchant: MerchantId) -> Result<u64, StoreError> {
        let mut deleted = 0;
        loop {
            let gone = self
                .store
                .delete_decisions_beyond(merchant, self.rows, self.chunk)
                .await?;
            deleted += gone;
            if gone < self.chunk {
                return Ok(deleted);
            }
        }
    }
}

impl Store {
    /// Counts each merchant's decisions up to `most` of them.
    async fn count_all(&self, most: u64) -> Result<Counted, StoreError> {
        // Before the counts: what comes meanwhile is rather counted twice than never.
        let newest: Option<String> = decisions::Entity::find()
            .select_only()
            .column(decisions::Column::Id)
            .order_by_desc(decisions::Column::Id)
            .into_tuple()
            .one(&self.reads)
            .await?;
        let mut counted = Counted {
            at: Instant::now(),
            newest: newest.unwrap_or_default(),
            held: HashMap::new(),
        };
        let mut merchant = self.merchant_with_decisions(None).await?;
        while let Some(id) = merchant {
            counted.held.insert(id, self.count_decisions(id, most).await?);
            merchant = self.merchant_with_decisions(Some(id)).await?;
        }
        Ok(counted)
    }

    async fn count_decisions(&self, merchant: MerchantId, most: u64) -> Result<u64, StoreError> {
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "SELECT count(*) AS held FROM (SELECT 1 FROM decisions WHERE merchant_id = $1 LIMIT $2) AS known",
            [
                merchant.to_string().into(),
                i64::try_from(most).unwrap_or(i64::MAX).into(),
            ],
        );
        let row = self.reads.query_one_raw(statement).await?;
        row.map_or(Ok(0), |row| count(&row, "held"))
    }

    async fn count_further(&self, mut counted: Counted) -> Result<Counted, StoreError> {
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "SELECT merchant_id, count(*) AS decisions, max(id) AS newest FROM decisions WHERE id > $1 GROUP BY merchant_id",
            [counted.newest.clone().into()],
        );
        for row in self.reads.query_all_raw(statement).await? {
            let merchant = read_id(&row.try_get::<String>("", "merchant_id")?)?;
            let held = counted.held.entry(merchant).or_default();
            *held = held.saturating_add(count(&row, "decisions")?);
            counted.newest = counted.newest.max(row.try_get("", "newest")?);
        }
        Ok(counted)
    }
}
