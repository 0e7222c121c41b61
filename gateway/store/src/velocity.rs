//! How many succeeded pays a key had within a sliding window, and of how much money.
//!
//! A pay appends one row for each key that its decision asked for, in its own transaction: nodes never wait for each
//! other. As rows age, they are summed up over longer and longer spans, so the longest window over the busiest key
//! reads a few hundred rows. A window counts each span that reaches into it as a whole: never less than passed, and
//! more by what passed within one span before the window's start at most.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use plugin_sdk::{MerchantId, Money};
use sea_orm::{ConnectionTrait, DatabaseBackend, Statement, TransactionTrait};

use crate::bigint::bigint;
use crate::entities::velocity_marks;
use crate::payments::read_currency;
use crate::{NewPayment, PaymentStatus, PaymentWrite, Store, StoreError};

/// Lengths of spans in seconds (0: a single pay), each with the age in seconds from which rows are of this length.
const SPANS: [Span; 5] = [
    Span { seconds: 0, age: 0 },
    Span {
        seconds: 10,
        age: 2 * MINUTE,
    },
    Span {
        seconds: MINUTE,
        age: 15 * MINUTE,
    },
    Span {
        seconds: HOUR,
        age: 3 * HOUR,
    },
    Span {
        seconds: DAY,
        age: 8 * DAY,
    },
];
const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;
/// The longest window is 30 days; what is older than this is asked for by nobody.
const KEPT: i64 = 32 * DAY;
const MICROSECONDS: i64 = 1_000_000;
/// Names the lock under which one node sums up: "velocity" in ASCII.
const ROLL_UP_LOCK: i64 = 0x7665_6c6f_6369_7479;

struct Span {
    seconds: i64,
    age: i64,
}

/// A merchant's key as it is stored: its SHA-256, so that no account numbers pile up here.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VelocityKey(String);

impl VelocityKey {
    /// Letters, digits, hyphens and underscores.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    #[must_use]
    pub fn new(merchant: MerchantId, key: &str) -> Self {
        let mut hash = Context::new(&SHA256);
        // Of fixed length, so what is merchant and what is key cannot be shifted.
        hash.update(merchant.to_string().as_bytes());
        hash.update(key.as_bytes());
        Self(URL_SAFE_NO_PAD.encode(hash.finish()))
    }
}

/// A key under which a payment is counted. Written with the payment, if that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VelocityMark {
    pub key: VelocityKey,
}

/// What passed within one window.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VelocityTotals {
    /// Over all currencies.
    pub count: u64,
    /// One sum for each currency.
    pub sums: Vec<Money>,
}

/// What one pay added to a key, or several within a span of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VelocitySpan {
    /// In microseconds since 1970.
    pub starts_us: i64,
    /// 0 for a single pay.
    pub seconds: i64,
    pub count: u64,
    pub sum: Money,
    /// The id of a single pay's payment, so that nobody counts it twice; else empty.
    pub payment: String,
}

impl VelocitySpan {
    /// What a payment adds to each of its keys; `None` unless it succeeded.
    #[must_use]
    pub fn of(payment: &NewPayment) -> Option<Self> {
        (payment.status == PaymentStatus::Succeeded).then(|| Self {
            starts_us: payment.created_at.timestamp_micros(),
            seconds: 0,
            count: 1,
            sum: payment.amount,
            payment: payment.id.to_string(),
        })
    }

    /// A window that starts before this has something of the span in it.
    #[must_use]
    pub fn ends_us(&self) -> i64 {
        self.starts_us.saturating_add(self.seconds * MICROSECONDS)
    }
}

/// Totals of the windows that end at `now`, in their order, as [`Store::velocity`] finds them in the same spans. `None`
/// when a sum is beyond any money.
#[must_use]
pub fn velocity_totals(
    spans: &[VelocitySpan],
    windows: &[Duration],
    now: DateTime<Utc>,
) -> Option<Vec<VelocityTotals>> {
    let totals = windows.iter().map(|window| {
        let edge = window_edge(*window, now);
        let mut count = 0_u64;
        let mut sums = BTreeMap::new();
        for span in spans.iter().filter(|span| span.ends_us() > edge) {
            count = count.checked_add(span.count)?;
            let (currency, minor) = (span.sum.currency(), span.sum.minor());
            let (_, sum) = sums.entry(currency.code()).or_insert((currency, 0_i64));
            *sum = sum.checked_add(minor)?;
        }
        let sums = sums
            .into_values()
            .map(|(currency, sum)| Money::from_minor(sum, currency));
        Some(VelocityTotals {
            count,
            sums: sums.collect(),
        })
    });
    totals.collect()
}

/// Where a window starts, in microseconds since 1970; the edge itself is not in it.
#[must_use]
pub fn window_edge(window: Duration, now: DateTime<Utc>) -> i64 {
    let window = bigint(window.as_micros());
    now.timestamp_micros().saturating_sub(window)
}

impl Store {
    /// Everything that any window can reach of a key; `None` when it is in more than `limit` rows.
    pub async fn velocity_spans(
        &self,
        merchant: MerchantId,
        key: &VelocityKey,
        now: DateTime<Utc>,
        limit: usize,
    ) -> Result<Option<Vec<VelocitySpan>>, StoreError> {
        let sql = "SELECT seconds, starts_us, currency, payment_id, count, sum_minor FROM velocity_marks
            WHERE merchant_id = $1 AND key_hash = $2 AND starts_us > $3 LIMIT $4";
        let values = [
            merchant.to_string().into(),
            key.0.clone().into(),
            (now.timestamp_micros() - KEPT * MICROSECONDS).into(),
            bigint(limit).saturating_add(1).into(),
        ];
        let statement = Statement::from_sql_and_values(self.backend(), sql, values);
        let rows = self.reads.query_all_raw(statement).await?;
        if rows.len() > limit {
            return Ok(None);
        }
        let spans = rows.iter().map(|row| {
            let seconds: i32 = row.try_get_by_index(0)?;
            let currency: String = row.try_get_by_index(2)?;
            let (count, sum): (i64, i64) = (row.try_get_by_index(4)?, row.try_get_by_index(5)?);
            Ok(VelocitySpan {
                seconds: seconds.into(),
                starts_us: row.try_get_by_index(1)?,
                count: count.unsigned_abs(),
                sum: Money::from_minor(sum, read_currency(&currency)?),
                payment: row.try_get_by_index(3)?,
            })
        });
        spans.collect::<Result<Vec<_>, StoreError>>().map(Some)
    }

    /// Totals of the windows that end at `now`, in their order. What was stored by the clock of another node that goes
    /// ahead is counted, too.
    pub async fn velocity(
        &self,
        merchant: MerchantId,
        key: &VelocityKey,
        windows: &[Duration],
        now: DateTime<Utc>,
    ) -> Result<Vec<VelocityTotals>, StoreError> {
        let mut parts = Vec::new();
        let mut values = vec![merchant.to_string().into(), key.0.clone().into()];
        for (number, window) in windows.iter().enumerate() {
            values.push(window_edge(*window, now).into());
            let edge = values.len();
            for Span { seconds, .. } in SPANS {
                // A span that ends after the edge reaches into the window.
                parts.push(format!(
                    "SELECT {number} AS number, currency, count, sum_minor FROM velocity_marks
                     WHERE merchant_id = $1 AND key_hash = $2 AND seconds = {seconds}
                       AND starts_us > ${edge} - {}",
                    seconds * MICROSECONDS
                ));
            }
        }
        if parts.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT number, currency, CAST(SUM(count) AS BIGINT), CAST(SUM(sum_minor) AS BIGINT)
             FROM ({}) AS spans GROUP BY number, currency ORDER BY number, currency",
            parts.join(" UNION ALL ")
        );
        let statement = Statement::from_sql_and_values(self.backend(), sql, values);
        let mut totals = vec![VelocityTotals::default(); windows.len()];
        for row in self.reads.query_all_raw(statement).await? {
            let number: i32 = row.try_get_by_index(0)?;
            let currency: String = row.try_get_by_index(1)?;
            let (count, sum): (i64, i64) = (row.try_get_by_index(2)?, row.try_get_by_index(3)?);
            let currency = read_currency(&currency)?;
            if let Some(totals) = usize::try_from(number).ok().and_then(|number| totals.get_mut(number)) {
                totals.count += count.unsigned_abs();
                totals.sums.push(Money::from_minor(sum, currency));
            }
        }
        Ok(totals)
    }

    /// Sums up rows that are old enough, and deletes those that are too old: about `limit` rows of each length. Returns
    /// whether there may be more to do. Does nothing while another node is at it.
    pub async fn roll_up_velocity(&self, now: DateTime<Utc>, limit: u64) -> Result<bool, StoreError> {
        let mut more = false;
        for pair in SPANS.windows(2) {
            if let [fine, coarse] = pair {
                let rolled = self.roll_up(fine.seconds, coarse, now, limit).await?;
                more |= rolled >= limit;
            }
        }
        let until = now.timestamp_micros() - KEPT * MICROSECONDS;
        for Span { seconds, .. } in SPANS {
            more |= self.delete_marks(seconds, until, limit).await? >= limit;
        }
        Ok(more)
    }

    /// Each row goes and is counted in its span within one transaction, so every reader sees it once. Returns how many
    /// rows went.
    async fn roll_up(&self, fine: i64, coarse: &Span, now: DateTime<Utc>, limit: u64) -> Result<u64, StoreError> {
        let length = coarse.seconds * MICROSECONDS;
        // Only whole spans: none is coarser than its age allows.
        let old = now.timestamp_micros() - coarse.age * MICROSECONDS;
        let until = old - old.rem_euclid(length);
        let limit = bigint(limit);
        let transaction = self.writes.begin().await?;
        let backend = transaction.get_database_backend();
        let statement =
            |sql: String| Statement::from_sql_and_values(backend, sql, [fine.into(), until.into(), limit.into()]);
        let (old_rows, count) = (old_rows(backend), "COALESCE(SUM(rows), 0)");
        let rolled = if backend == DatabaseBackend::Postgres {
            if !self.has_roll_up_lock(&transaction).await? {
                return Ok(0);
            }
            let sql = format!(
                "WITH gone AS (DELETE FROM velocity_marks WHERE {old_rows} RETURNING *),
                 spans AS ({}),
                 summed AS ({} SELECT merchant_id, key_hash, seconds, starts_us, currency, '', count, sum_minor FROM spans
                     {ON_CONFLICT})
                 SELECT CAST({count} AS BIGINT) FROM spans",
                spans("gone", coarse.seconds, "COUNT(*) AS rows,"),
                INSERT
            );
            let row = transaction.query_one_raw(statement(sql)).await?;
            let rows: i64 = row.map_or(Ok(0), |row| row.try_get_by_index(0))?;
            rows.unsigned_abs()
        } else {
            let source = format!("(SELECT * FROM velocity_marks WHERE {old_rows})");
            let spans = spans(&source, coarse.seconds, "");
            let sum_up = format!(
                "{INSERT} SELECT merchant_id, key_hash, seconds, starts_us, currency, '', count, sum_minor FROM ({spans})
                 WHERE true {ON_CONFLICT}"
            );
            // Written first: from then on nobody else writes, so both statements mean the same rows.
            transaction.execute_raw(statement(sum_up)).await?;
            let delete = format!("DELETE FROM velocity_marks WHERE {old_rows}");
            transaction.execute_raw(statement(delete)).await?.rows_affected()
        };
        transaction.commit().await?;
        Ok(rolled)
    }

    async fn has_roll_up_lock(&self, transaction: &impl ConnectionTrait) -> Result<bool, StoreError> {
        let sql = format!("SELECT pg_try_advisory_xact_lock({ROLL_UP_LOCK})");
        let row = transaction
            .query_one_raw(Statement::from_string(DatabaseBackend::Postgres, sql))
            .await?;
        Ok(row.map_or(Ok(false), |row| row.try_get_by_index(0))?)
    }

    async fn delete_marks(&self, seconds: i64, until_us: i64, limit: u64) -> Result<u64, StoreError> {
        let limit = bigint(limit);
        let sql = format!("DELETE FROM velocity_marks WHERE {}", old_rows(self.backend()));
        let values = [seconds.into(), until_us.into(), limit.into()];
        let statement = Statement::from_sql_and_values(self.backend(), sql, values);
        Ok(self.writes.execute_raw(statement).await?.rows_affected())
    }
}

const INSERT: &str =
    "INSERT INTO velocity_marks (merchant_id, key_hash, seconds, starts_us, currency, payment_id, count, sum_minor)";
const ON_CONFLICT: &str = "ON CONFLICT (merchant_id, key_hash, seconds, starts_us, currency, payment_id) DO UPDATE
    SET count = velocity_marks.count + excluded.count, sum_minor = velocity_marks.sum_minor + excluded.sum_minor";

/// The oldest rows of length `$1` from before `$2`, `$3` of them at most.
fn old_rows(backend: DatabaseBackend) -> &'static str {
    match backend {
        DatabaseBackend::Postgres => {
            "ctid = ANY (ARRAY(SELECT ctid FROM velocity_marks WHERE seconds = $1 AND starts_us < $2
                 ORDER BY starts_us LIMIT $3 FOR UPDATE SKIP LOCKED))"
        }
        _ => {
            "rowid IN (SELECT rowid FROM velocity_marks WHERE seconds = $1 AND starts_us < $2
                 ORDER BY starts_us, rowid LIMIT $3)"
        }
    }
}

/// Rows of `source` summed up over spans of so many seconds.
fn spans(source: &str, seconds: i64, more: &str) -> String {
    let length = seconds * MICROSECONDS;
    format!(
        "SELECT merchant_id, key_hash, {seconds} AS seconds, starts_us / {length} * {length} AS starts_us, currency, {more}
             SUM(count) AS count, SUM(sum_minor) AS sum_minor
         FROM {source} AS fine GROUP BY merchant_id, key_hash, starts_us / {length}, currency"
    )
}

/// A key that was asked for several times is one mark. What did not succeed leaves none.
pub(crate) fn rows_of(write: &PaymentWrite) -> Vec<velocity_marks::Model> {
    let payment = &write.payment;
    if payment.status != PaymentStatus::Succeeded {
        return Vec::new();
    }
    let mut seen = HashSet::new();
    let marks = write.velocity.iter().filter(|mark| seen.insert(&mark.key));
    let rows = marks.map(|mark| velocity_marks::Model {
        merchant_id: payment.merchant_id.to_string(),
        key_hash: mark.key.0.clone(),
        seconds: 0,
        starts_us: payment.created_at.timestamp_micros(),
        currency: payment.amount.currency().code().to_owned(),
        payment_id: payment.id.to_string(),
        count: 1,
        sum_minor: payment.amount.minor(),
    });
    rows.collect()
}
