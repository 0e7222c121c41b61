//! What happened lately, summed up for people who look. Every question reads a bounded number of rows by an index, however
//! many there are; what it could not reach it says.

use chrono::{DateTime, Duration, Utc};
use plugin_sdk::{EndpointId, MerchantId, PaymentId};
use sea_orm::{ConnectionTrait, DatabaseBackend, QueryResult, Statement, Value};

use crate::bigint::bigint;
use crate::merchants::read_id;
use crate::{Store, StoreError};

/// Payments that one sum is made of at most, the newest.
pub const COUNTED_MAX: u64 = 50_000;
/// Exchanges whose durations are looked at, the newest.
const TIMED_MAX: u64 = 2_000;
/// Deliveries of one endpoint that are counted.
const WAITING_MAX: i64 = 1_000;
/// Endpoints whose backlog is told.
const ENDPOINTS_MAX: i64 = 500;
/// Payments in doubt that are counted.
const DOUBTS_MAX: i64 = 1_000;
/// Rows of what guards refused that are summed up over all merchants.
const REFUSALS_MAX: i64 = 50_000;
const TROUBLES_MAX: i64 = 100;
/// Ids are made by the clock of whichever node it was; they are trusted to so much.
const CLOCKS_APART: Duration = Duration::minutes(5);
/// Amounts are summed up in two halves, or a few enormous ones would be more than the database can count.
const HALF: i128 = 1_000_000_000;

/// Whose rows are asked for. All of the installation are for operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    Merchant(MerchantId),
    Installation,
}

/// From `from` on and before `until`, cut into pieces of the same length.
#[derive(Debug, Clone, Copy)]
pub struct TrafficSpan {
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
    pub piece: Duration,
}

/// Payments that are alike: of one owner, currency, status and piece of time.
#[derive(Debug, Clone, PartialEq)]
pub struct TrafficSum {
    /// Id of the connection; over the whole installation, of the merchant.
    pub owner: String,
    pub currency: String,
    pub status: String,
    pub piece: usize,
    pub payments: u64,
    pub minor: i128,
    pub oldest: DateTime<Utc>,
}

/// What one endpoint waits for.
#[derive(Debug, Clone, PartialEq)]
pub struct Backlog {
    pub merchant_id: MerchantId,
    pub endpoint_id: EndpointId,
    pub url: String,
    pub status: String,
    /// At most a thousand are counted.
    pub waiting: u64,
    /// Of those that were counted.
    pub oldest: DateTime<Utc>,
    pub attempts: i32,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Doubts {
    pub merchant_id: MerchantId,
    /// At most a thousand are counted.
    pub count: u64,
    pub oldest: DateTime<Utc>,
}

/// What guards refused to one merchant.
#[derive(Debug, Clone, PartialEq)]
pub struct RefusalSum {
    pub merchant_id: MerchantId,
    pub level: String,
    pub reason: String,
    pub count: u64,
}

/// A published revision that fails.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishedTrouble {
    pub merchant_id: MerchantId,
    pub revision: i32,
    pub failures: u64,
    pub message: String,
    pub last_at: DateTime<Utc>,
}

/// The smallest id that a payment of this moment can have.
pub(crate) fn first_id(at: DateTime<Utc>) -> String {
    let earlier = (at - CLOCKS_APART).timestamp_millis();
    PaymentId::first_at(u64::try_from(earlier).unwrap_or(0)).to_string()
}

/// An id that no payment of before this moment reaches.
pub(crate) fn past_id(at: DateTime<Utc>) -> String {
    let later = (at + CLOCKS_APART).timestamp_millis();
    PaymentId::first_at(u64::try_from(later).unwrap_or(0)).to_string()
}

impl Scope {
    /// A condition on a merchant's column, with its parameter as the next of `values`.
    fn condition(self, column: &str, values: &mut Vec<Value>) -> String {
        match self {
            Self::Merchant(id) => {
                values.push(id.to_string().into());
                format!("{column} = ${}", values.len())
            }
            Self::Installation => "1 = 1".to_owned(),
        }
    }
}

impl Store {
    /// The newest [`COUNTED_MAX`] payments of a span, summed up.
    pub async fn traffic(&self, scope: Scope, span: TrafficSpan) -> Result<Vec<TrafficSum>, StoreError> {
        let seconds = span.piece.num_seconds().max(1);
        let mut values: Vec<Value> = vec![
            span.from.into(),
            span.until.into(),
            first_id(span.from).into(),
            past_id(span.until).into(),
            bigint(COUNTED_MAX).into(),
            seconds.into(),
        ];
        let mine = scope.condition("merchant_id", &mut values);
        let owner = match scope {
            Scope::Merchant(_) => "connection_id",
            Scope::Installation => "merchant_id",
        };
        // PostgreSQL reckons differences of times in `numeric`, which is slow: it is asked for each piece, not each payment.
        let (cut, piece) = match self.backend() {
            DatabaseBackend::Postgres => (
                "date_bin(make_interval(secs => CAST($6 AS double precision)), created_at, CAST($1 AS timestamptz))",
                "CAST(FLOOR(EXTRACT(EPOCH FROM (cut - CAST($1 AS timestamptz))) / $6) AS bigint)",
            ),
            _ => (
                "CAST((julianday(created_at) - julianday($1)) * 86400 / $6 AS INTEGER)",
                "cut",
            ),
        };
        let sql = format!(
            "SELECT owner, currency, status, {piece} AS piece, COUNT(*) AS payments,
                    CAST(SUM(amount_minor / {HALF}) AS bigint) AS high,
                    CAST(SUM(amount_minor % {HALF}) AS bigint) AS low, MIN(created_at) AS oldest
             FROM (
                 SELECT {owner} AS owner, currency, status, amount_minor, created_at, {cut} AS cut
                 FROM payments
                 WHERE {mine} AND id >= $3 AND id < $4 AND created_at >= $1 AND created_at < $2
                 ORDER BY id DESC LIMIT $5) newest
             GROUP BY owner, currency, status, cut"
        );
        let rows = self.ask(sql, values).await?;
        rows.iter().map(TrafficSum::read).collect()
    }

    /// How long networks waited for us, in microseconds, by owner as in [`TrafficSum`]: of the newest exchanges since a
    /// moment.
    pub async fn answer_times(
        &self,
        scope: Scope,
        since: DateTime<Utc>,
    ) -> Result<Vec<(Option<String>, i64)>, StoreError> {
        let mut values: Vec<Value> = vec![since.into(), bigint(TIMED_MAX).into()];
        let mine = scope.condition("merchant_id", &mut values);
        let owner = match scope {
            Scope::Merchant(_) => "connection_id",
            Scope::Installation => "merchant_id",
        };
        // The direction is asked of the newest alone: a log that holds one direction only is not searched for the other.
        let sql = format!(
            "SELECT owner, duration_us FROM (
                 SELECT {owner} AS owner, duration_us, direction, created_at FROM exchanges
                 WHERE {mine} ORDER BY id DESC LIMIT $2) newest
             WHERE direction = 'in' AND created_at >= $1"
        );
        let rows = self.ask(sql, values).await?;
        rows.iter()
            .map(|row| Ok((row.try_get("", "owner")?, row.try_get("", "duration_us")?)))
            .collect()
    }

    /// Endpoints that something waits for, whether it is due or not.
    pub async fn backlogs(&self, scope: Scope) -> Result<Vec<Backlog>, StoreError> {
        let mut values: Vec<Value> = vec![WAITING_MAX.into(), ENDPOINTS_MAX.into()];
        let mine = scope.condition("e.merchant_id", &mut values);
        let first = "FROM deliveries d WHERE d.endpoint_id = e.id AND d.status = 'pending' ORDER BY d.due_at LIMIT $1";
        let sql = format!(
            "SELECT e.id, e.merchant_id, e.url, e.status,
                    (SELECT COUNT(*) FROM (SELECT d.id {first}) waiting) AS waiting,
                    (SELECT MIN(created_at) FROM (SELECT d.created_at {first}) waiting) AS oldest,
                    (SELECT MAX(attempts) FROM (SELECT d.attempts {first}) waiting) AS attempts
             FROM webhook_endpoints e
             WHERE {mine} AND e.status <> 'deleted' AND EXISTS (
                 SELECT 1 FROM deliveries d WHERE d.endpoint_id = e.id AND d.status = 'pending')
             ORDER BY e.id LIMIT $2"
        );
        let rows = self.ask(sql, values).await?;
        rows.iter().map(Backlog::read).collect()
    }

    /// Payments of which it is not known whether the network executed them, by merchant.
    pub async fn doubts(&self, scope: Scope) -> Result<Vec<Doubts>, StoreError> {
        let mut values: Vec<Value> = vec![DOUBTS_MAX.into()];
        let mine = scope.condition("merchant_id", &mut values);
        let sql = format!(
            "SELECT merchant_id, COUNT(*) AS count, MIN(created_at) AS oldest
             FROM (SELECT merchant_id, created_at FROM payments WHERE {mine} AND status = 'in_doubt'
                   ORDER BY merchant_id, id LIMIT $1) doubtful
             GROUP BY merchant_id"
        );
        let rows = self.ask(sql, values).await?;
        rows.iter()
            .map(|row| {
                Ok(Doubts {
                    merchant_id: read_id(&row.try_get::<String>("", "merchant_id")?)?,
                    count: count(row, "count")?,
                    oldest: row.try_get("", "oldest")?,
                })
            })
            .collect()
    }

    /// What guards refused since a minute (counted from 1970).
    pub async fn refusals(&self, scope: Scope, minute: i64) -> Result<Vec<RefusalSum>, StoreError> {
        let mut values: Vec<Value> = vec![minute.into(), REFUSALS_MAX.into()];
        let mine = scope.condition("merchant_id", &mut values);
        let sql = format!(
            "SELECT merchant_id, level, reason, CAST(SUM(count) AS bigint) AS count
             FROM (SELECT merchant_id, level, reason, count FROM guard_refusals WHERE {mine} AND minute >= $1
                   ORDER BY minute DESC LIMIT $2) latest
             GROUP BY merchant_id, level, reason"
        );
        let rows = self.ask(sql, values).await?;
        rows.iter()
            .map(|row| {
                Ok(RefusalSum {
                    merchant_id: read_id(&row.try_get::<String>("", "merchant_id")?)?,
                    level: row.try_get("", "level")?,
                    reason: row.try_get("", "reason")?,
                    count: count(row, "count")?,
                })
            })
            .collect()
    }

    /// Published revisions that fail, the latest failure first.
    pub async fn published_troubles(&self, scope: Scope) -> Result<Vec<PublishedTrouble>, StoreError> {
        let mut values: Vec<Value> = vec![TROUBLES_MAX.into()];
        let mine = scope.condition("m.id", &mut values);
        let sql = format!(
            "SELECT t.merchant_id, t.revision, t.failures, t.message, t.last_at
             FROM rule_troubles t JOIN merchants m ON m.id = t.merchant_id AND m.published_rules = t.revision
             WHERE {mine} AND m.status <> 'deleted' ORDER BY t.last_at DESC LIMIT $1"
        );
        let rows = self.ask(sql, values).await?;
        rows.iter()
            .map(|row| {
                Ok(PublishedTrouble {
                    merchant_id: read_id(&row.try_get::<String>("", "merchant_id")?)?,
                    revision: row.try_get("", "revision")?,
                    failures: count(row, "failures")?,
                    message: row.try_get("", "message")?,
                    last_at: row.try_get("", "last_at")?,
                })
            })
            .collect()
    }

    pub(crate) async fn ask(&self, sql: String, values: Vec<Value>) -> Result<Vec<QueryResult>, StoreError> {
        let statement = Statement::from_sql_and_values(self.backend(), sql, values);
        Ok(self.reads.query_all_raw(statement).await?)
    }
}

/// A figure that counts something.
pub(crate) fn count(row: &QueryResult, column: &str) -> Result<u64, StoreError> {
    Ok(u64::try_from(row.try_get::<i64>("", column)?).unwrap_or(0))
}

impl TrafficSum {
    fn read(row: &QueryResult) -> Result<Self, StoreError> {
        let (high, low): (i64, i64) = (row.try_get("", "high")?, row.try_get("", "low")?);
        Ok(Self {
            owner: row.try_get("", "owner")?,
            currency: row.try_get("", "currency")?,
            status: row.try_get("", "status")?,
            piece: usize::try_from(row.try_get::<i64>("", "piece")?).unwrap_or(0),
            payments: count(row, "payments")?,
            minor: i128::from(high) * HALF + i128::from(low),
            oldest: row.try_get("", "oldest")?,
        })
    }
}

impl Backlog {
    fn read(row: &QueryResult) -> Result<Self, StoreError> {
        Ok(Self {
            merchant_id: read_id(&row.try_get::<String>("", "merchant_id")?)?,
            endpoint_id: read_id(&row.try_get::<String>("", "id")?)?,
            url: row.try_get("", "url")?,
            status: row.try_get("", "status")?,
            waiting: count(row, "waiting")?,
            oldest: row.try_get("", "oldest")?,
            attempts: row.try_get("", "attempts")?,
        })
    }
}
