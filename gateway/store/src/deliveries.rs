use std::collections::HashMap;

use chrono::{DateTime, Utc};
use plugin_sdk::{DeliveryId, EndpointId, EventId, MerchantId, PaymentId};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseBackend, DatabaseTransaction, EntityTrait, FromQueryResult,
    QueryFilter, QueryOrder, QuerySelect, Statement, TransactionTrait,
};
use serde::Serialize;

use crate::bulk::{self, OnConflict};
use crate::endpoints::Endpoint;
use crate::entities::{deliveries, delivery_attempts, events, webhook_endpoints};
use crate::events::Event;
use crate::merchants::read_id;
use crate::{Cursor, NewDelivery, Page, Store, StoreError};

/// Deliveries that one statement cancels at most.
const CANCELLED_AT_ONCE: i64 = 5_000;
/// What a claim's transaction is told. Before the first statistics, or with old ones, a plan would read all that waits to
/// take the oldest few.
const ALWAYS_BY_INDEX: &str = "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; \
    SET LOCAL enable_sort = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off";
/// Events that one call of "resend all" adds deliveries for at most.
const RESEND_EVENTS_MAX: u64 = 10_000;

/// An event on its way to one endpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    pub id: DeliveryId,
    pub merchant_id: MerchantId,
    pub endpoint_id: EndpointId,
    pub event_id: EventId,
    pub payment_id: Option<PaymentId>,
    pub status: DeliveryStatus,
    pub attempts: i32,
    pub due_at: DateTime<Utc>,
    pub delivered_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    pub endpoint_id: Option<EndpointId>,
    pub payment_id: Option<PaymentId>,
    pub status: Option<DeliveryStatus>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryStatus {
    Pending,
    Delivered,
    /// Its endpoint was deleted before it arrived.
    Cancelled,
}

impl DeliveryStatus {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Cancelled => "cancelled",
        }
    }

    pub fn read(text: &str) -> Result<Self, StoreError> {
        match text {
            "pending" => Ok(Self::Pending),
            "delivered" => Ok(Self::Delivered),
            "cancelled" => Ok(Self::Cancelled),
            other => Err(StoreError::Corrupt(format!("delivery status '{other}'"))),
        }
    }
}

/// An active endpoint with deliveries that are due.
pub type WaitingEndpoint = Endpoint;

/// What a node asks for when it takes deliveries of an endpoint.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// Unlike any other node's.
    pub node: &'a str,
    pub now: DateTime<Utc>,
    pub lease_until: DateTime<Utc>,
    /// How many may be leased to this node while no other one has any of this endpoint. It still sends only the
    /// endpoint's `max_in_flight` of them at once.
    pub ahead: u32,
}

/// A delivery that this node may attempt until its lease ends.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedDelivery {
    pub delivery: Delivery,
    pub event: Event,
    pub lease_until: DateTime<Utc>,
}

/// One attempt, as it went.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptRecord {
    pub delivery: DeliveryId,
    pub merchant: MerchantId,
    /// Counts from 1 within the delivery.
    pub number: i32,
    /// HTTP status; `None` when no answer came.
    pub status: Option<u16>,
    pub error: Option<String>,
    /// The head of the answer's body.
    pub answer: String,
    pub duration_ms: i64,
    pub at: DateTime<Utc>,
    pub next: NextStep,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    Delivered,
    RetryAt(DateTime<Utc>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryAttempt {
    pub number: i32,
    pub status: Option<i32>,
    pub error: Option<String>,
    pub answer: String,
    pub duration_ms: i64,
    pub at: DateTime<Utc>,
}

impl Store {
    /// Active endpoints that something is due for. Costs one probe for each endpoint with waiting deliveries,
    /// however many wait there.
    pub async fn waiting_endpoints(&self, now: DateTime<Utc>) -> Result<Vec<WaitingEndpoint>, StoreError> {
        let sql = "
            WITH RECURSIVE waiting(endpoint_id) AS (
                SELECT min(endpoint_id) FROM deliveries WHERE status = 'pending'
                UNION ALL
                SELECT (SELECT min(d.endpoint_id) FROM deliveries d
                        WHERE d.status = 'pending' AND d.endpoint_id > waiting.endpoint_id)
                FROM waiting WHERE waiting.endpoint_id IS NOT NULL
            )
            SELECT e.* FROM waiting JOIN webhook_endpoints e ON e.id = waiting.endpoint_id
            WHERE e.status = 'active' AND EXISTS (
                SELECT 1 FROM deliveries d
                WHERE d.endpoint_id = e.id AND d.status = 'pending' AND d.due_at <= $1
            )";
        let statement = Statement::from_sql_and_values(self.backend(), sql, [now.into()]);
        let rows = self.reads.query_all_raw(statement).await?;
        let endpoints = rows.iter().filter_map(|row| {
            let read = webhook_endpoints::Model::from_query_result(row, "").map_err(StoreError::from);
            let read = read.and_then(Endpoint::read);
            // One row that cannot be read must not keep everybody else's webhooks.
            read.inspect_err(|error| tracing::error!(%error, "a webhook endpoint cannot be read"))
                .ok()
        });
        Ok(endpoints.collect())
    }

    /// Takes due deliveries of one endpoint, oldest due first, so many that not more than the endpoint's
    /// `max_in_flight` are on their way over all nodes: a node takes ahead what it will send next only where it is
    /// alone. Later deliveries of a payment wait for earlier ones.
    pub async fn claim_deliveries(
        &self,
        endpoint: &Endpoint,
        claim: &Claim<'_>,
    ) -> Result<Vec<ClaimedDelivery>, StoreError> {
        let skip_locked = match self.backend() {
            DatabaseBackend::Postgres => "FOR UPDATE OF d SKIP LOCKED",
            _ => "",
        };
        // Materialized: a plan that asked the inner query once for each row would take more than its limit. And nothing but
        // the payment leads to its earlier deliveries: by the endpoint, each row would be compared with all that wait.
        let sql = format!(
            "WITH due AS MATERIALIZED (
                SELECT d.id FROM deliveries d
                WHERE d.endpoint_id = $2 AND d.status = 'pending' AND d.due_at <= $3
                  AND NOT EXISTS (
                      SELECT 1 FROM deliveries earlier
                      WHERE earlier.payment_id = d.payment_id AND (earlier.endpoint_id || '') = d.endpoint_id
                        AND (earlier.status || '') = 'pending' AND (earlier.id || '') < d.id)
                ORDER BY d.due_at, d.id
                LIMIT (SELECT CASE
                           WHEN count(*) FILTER (WHERE l.leased_by IS DISTINCT FROM $5) = 0 AND count(*) < $6
                               THEN $6 - count(*)
                           WHEN count(*) < $4 THEN $4 - count(*)
                           ELSE 0 END
                       FROM deliveries l WHERE l.endpoint_id = $2 AND l.leased_until > $3)
                {skip_locked}
            )
            UPDATE deliveries SET leased_until = $1, due_at = $1, leased_by = $5
            WHERE id IN (SELECT id FROM due) RETURNING *"
        );
        let values = [
            claim.lease_until.into(),
            endpoint.id.to_string().into(),
            claim.now.into(),
            i64::from(endpoint.max_in_flight).into(),
            claim.node.into(),
            i64::from(claim.ahead.max(endpoint.max_in_flight)).into(),
        ];
        let transaction = self.writes.begin().await?;
        if !is_alone_at(&transaction, endpoint.id).await? {
            // Another node claims there at this moment; it is sent all the same.
            transaction.rollback().await?;
            return Ok(Vec::new());
        }
        let statement = Statement::from_sql_and_values(self.backend(), sql, values);
        let rows = transaction.query_all_raw(statement).await?;
        transaction.commit().await?;
        let mut claimed: Vec<_> = rows
            .iter()
            .map(|row| Delivery::read(deliveries::Model::from_query_result(row, "")?))
            .collect::<Result<_, StoreError>>()?;
        claimed.sort_by_key(|delivery| delivery.id);
        self.with_events(endpoint.merchant_id, claimed, claim.lease_until).await
    }

    /// Makes a delivery due again that this node took and did not attempt.
    pub async fn give_back_delivery(&self, claimed: &Delivery, node: &str) -> Result<(), StoreError> {
        use sea_orm::sea_query::Expr;
        deliveries::Entity::update_many()
            .col_expr(deliveries::Column::DueAt, Expr::value(claimed.created_at))
            .col_expr(deliveries::Column::LeasedUntil, Expr::value(None::<DateTime<Utc>>))
            .filter(deliveries::Column::Id.eq(claimed.id.to_string()))
            .filter(deliveries::Column::MerchantId.eq(claimed.merchant_id.to_string()))
            .filter(deliveries::Column::LeasedBy.eq(node))
            .filter(deliveries::Column::Status.eq(DeliveryStatus::Pending.as_str()))
            .exec(&self.writes)
            .await?;
        Ok(())
    }

    async fn with_events(
        &self,
        merchant: MerchantId,
        claimed: Vec<Delivery>,
        lease_until: DateTime<Utc>,
    ) -> Result<Vec<ClaimedDelivery>, StoreError> {
        if claimed.is_empty() {
            return Ok(Vec::new());
        }
        let rows = events::Entity::find()
            .filter(events::Column::MerchantId.eq(merchant.to_string()))
            .filter(events::Column::Id.is_in(claimed.iter().map(|delivery| delivery.event_id.to_string())))
            .all(&self.reads)
            .await?;
        let events = rows
            .into_iter()
            .map(|row| Event::read(row).map(|event| (event.id, event)));
        let events: HashMap<EventId, Event> = events.collect::<Result<_, StoreError>>()?;
        let with_events = claimed.into_iter().filter_map(|delivery| {
            let event = events.get(&delivery.event_id).cloned();
            if event.is_none() {
                tracing::error!(delivery = %delivery.id, "a delivery without its event cannot be sent");
            }
            event.map(|event| ClaimedDelivery {
                delivery,
                event,
                lease_until,
            })
        });
        Ok(with_events.collect())
    }

    /// Stores how attempts went and gives their deliveries back, all in one transaction.
    pub async fn record_attempts(&self, attempts: &[AttemptRecord]) -> Result<(), StoreError> {
        if attempts.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = attempts.iter().map(AttemptRow::of).collect();
        let sql = match self.backend() {
            DatabaseBackend::Postgres => {
                "UPDATE deliveries d SET status = r.status, attempts = r.number, due_at = r.due_at, leased_until = NULL,
                     delivered_at = r.delivered_at
                 FROM json_to_recordset(CAST($1 AS json))
                     AS r(delivery_id text, status text, number int, due_at timestamptz, delivered_at timestamptz)
                 WHERE d.id = r.delivery_id AND d.status = 'pending'"
            }
            _ => {
                "UPDATE deliveries SET status = json_extract(r.value, '$.status'),
                     attempts = json_extract(r.value, '$.number'), due_at = json_extract(r.value, '$.due_at'),
                     leased_until = NULL, delivered_at = json_extract(r.value, '$.delivered_at')
                 FROM json_each($1) AS r
                 WHERE deliveries.id = json_extract(r.value, '$.delivery_id') AND deliveries.status = 'pending'"
            }
        };
        let transaction = self.writes.begin().await?;
        let statement = Statement::from_sql_and_values(self.backend(), sql, [bulk::json_parameter(&rows)?]);
        transaction.execute_raw(statement).await?;
        let rows: Vec<_> = attempts.iter().map(StoredAttempt::of).collect();
        bulk::insert::<delivery_attempts::Entity, _>(&transaction, &rows, OnConflict::Fail, None).await?;
        Ok(transaction.commit().await?)
    }

    /// Newest first.
    pub async fn deliveries(
        &self,
        merchant: MerchantId,
        filter: &DeliveryFilter,
        cursor: &Cursor,
    ) -> Result<Page<Delivery>, StoreError> {
        let mut query = deliveries::Entity::find()
            .filter(deliveries::Column::MerchantId.eq(merchant.to_string()))
            .order_by_desc(deliveries::Column::Id)
            .limit(cursor.limit + 1);
        if let Some(endpoint) = filter.endpoint_id {
            query = query.filter(deliveries::Column::EndpointId.eq(endpoint.to_string()));
        }
        if let Some(payment) = filter.payment_id {
            query = query.filter(deliveries::Column::PaymentId.eq(payment.to_string()));
        }
        if let Some(status) = filter.status {
            query = query.filter(deliveries::Column::Status.eq(status.as_str()));
        }
        if let Some(after) = &cursor.after {
            query = query.filter(deliveries::Column::Id.lt(after));
        }
        Page::of(
            query.all(&self.reads).await?,
            cursor.limit,
            |row| row.id.clone(),
            Delivery::read,
        )
    }

    /// Oldest first.
    pub async fn delivery_attempts(
        &self,
        merchant: MerchantId,
        delivery: DeliveryId,
    ) -> Result<Vec<DeliveryAttempt>, StoreError> {
        let rows = delivery_attempts::Entity::find()
            .filter(delivery_attempts::Column::MerchantId.eq(merchant.to_string()))
            .filter(delivery_attempts::Column::DeliveryId.eq(delivery.to_string()))
            .order_by_asc(delivery_attempts::Column::Id)
            .all(&self.reads)
            .await?;
        Ok(rows.into_iter().map(DeliveryAttempt::read).collect())
    }

    /// Makes a delivery due now, whether it arrived before or still waits.
    pub async fn resend_delivery(
        &self,
        merchant: MerchantId,
        delivery: DeliveryId,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let made_due = make_due(merchant, now)
            .filter(deliveries::Column::Id.eq(delivery.to_string()))
            .exec(&self.writes)
            .await?;
        if made_due.rows_affected > 0 {
            return Ok(());
        }
        let on_its_way = deliveries::Entity::find_by_id(delivery.to_string())
            .filter(deliveries::Column::MerchantId.eq(merchant.to_string()))
            .filter(deliveries::Column::Status.ne(DeliveryStatus::Cancelled.as_str()))
            .one(&self.writes)
            .await?;
        on_its_way.map(|_| ()).ok_or(StoreError::NotFound("this delivery"))
    }

    /// Cancels what waits for endpoints that are deleted, also what a node that had not heard of it yet added since.
    /// Returns how many were cancelled: at most a chunk, so that no statement takes long.
    pub async fn cancel_undeliverable(&self) -> Result<u64, StoreError> {
        let sql = "
            UPDATE deliveries SET status = 'cancelled', leased_until = NULL WHERE id IN (
                SELECT d.id FROM deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id
                WHERE d.status = 'pending' AND e.status = 'deleted' LIMIT $1)";
        let statement = Statement::from_sql_and_values(self.backend(), sql, [CANCELLED_AT_ONCE.into()]);
        Ok(self.writes.execute_raw(statement).await?.rows_affected())
    }

    /// Makes everything that happened since `since` due at the endpoint, also what it was never sent because it did
    /// not exist yet. Returns how many deliveries are due now.
    pub async fn resend_since(
        &self,
        endpoint: &Endpoint,
        since: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<u64, StoreError> {
        let transaction = self.writes.begin().await?;
        let again = make_due(endpoint.merchant_id, now)
            .filter(deliveries::Column::EndpointId.eq(endpoint.id.to_string()))
            .filter(deliveries::Column::CreatedAt.gte(since))
            .exec(&transaction)
            .await?;
        let missed = missed_events(&transaction, endpoint, since).await?;
        let rows: Vec<_> = missed
            .iter()
            .map(|event| {
                NewDelivery {
                    endpoint_id: endpoint.id,
                }
                .row(endpoint.merchant_id, event.id, event.payment_id, now)
            })
            .collect();
        bulk::insert::<deliveries::Entity, _>(&transaction, &rows, OnConflict::Fail, None).await?;
        transaction.commit().await?;
        Ok(again.rows_affected + u64::try_from(rows.len()).unwrap_or(u64::MAX))
    }
}

impl Endpoint {
    #[must_use]
    pub fn wants(&self, event_type: &str) -> bool {
        self.event_types.is_empty() || self.event_types.iter().any(|wanted| wanted == event_type)
    }
}

fn make_due(merchant: MerchantId, now: DateTime<Utc>) -> sea_orm::UpdateMany<deliveries::Entity> {
    use sea_orm::sea_query::Expr;
    deliveries::Entity::update_many()
        .col_expr(
            deliveries::Column::Status,
            Expr::value(DeliveryStatus::Pending.as_str()),
        )
        .col_expr(deliveries::Column::DueAt, Expr::value(now))
        .filter(deliveries::Column::MerchantId.eq(merchant.to_string()))
        .filter(deliveries::Column::Status.ne(DeliveryStatus::Cancelled.as_str()))
        // What is on its way now will be tried again by itself if it fails.
        .filter(
            Condition::any()
                .add(deliveries::Column::LeasedUntil.is_null())
                .add(deliveries::Column::LeasedUntil.lte(now)),
        )
}

/// Whether nobody else claims at this endpoint until this transaction ends: each node must see what the others have on
/// their way. SQLite has one writer anyway.
async fn is_alone_at(transaction: &DatabaseTransaction, endpoint: EndpointId) -> Result<bool, StoreError> {
    let backend = transaction.get_database_backend();
    if backend != DatabaseBackend::Postgres {
        return Ok(true);
    }
    transaction.execute_unprepared(ALWAYS_BY_INDEX).await?;
    let sql = "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))";
    let statement = Statement::from_sql_and_values(backend, sql, [endpoint.to_string().into()]);
    let row = transaction.query_one_raw(statement).await?;
    Ok(row.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or(false))
}

async fn missed_events(
    connection: &impl ConnectionTrait,
    endpoint: &Endpoint,
    since: DateTime<Utc>,
) -> Result<Vec<Event>, StoreError> {
    let had = sea_orm::sea_query::Query::select()
        .column(deliveries::Column::EventId)
        .from(deliveries::Entity)
        .and_where(deliveries::Column::EndpointId.eq(endpoint.id.to_string()))
        .to_owned();
    let rows = events::Entity::find()
        .filter(events::Column::MerchantId.eq(endpoint.merchant_id.to_string()))
        .filter(events::Column::CreatedAt.gte(since))
        .filter(events::Column::Id.not_in_subquery(had))
        .order_by_asc(events::Column::Id)
        .limit(RESEND_EVENTS_MAX);
    let rows = match endpoint.event_types.as_slice() {
        [] => rows,
        wanted => rows.filter(events::Column::EventType.is_in(wanted)),
    };
    let rows = rows.all(connection).await?;
    rows.into_iter().map(Event::read).collect()
}

#[derive(Serialize)]
struct AttemptRow {
    delivery_id: String,
    status: &'static str,
    number: i32,
    #[serde(serialize_with = "crate::moment::serialize")]
    due_at: DateTime<Utc>,
    #[serde(serialize_with = "crate::moment::serialize_option")]
    delivered_at: Option<DateTime<Utc>>,
}

impl AttemptRow {
    fn of(attempt: &AttemptRecord) -> Self {
        let (status, due_at, delivered_at) = match attempt.next {
            NextStep::Delivered => (DeliveryStatus::Delivered, attempt.at, Some(attempt.at)),
            NextStep::RetryAt(at) => (DeliveryStatus::Pending, at, None),
        };
        Self {
            delivery_id: attempt.delivery.to_string(),
            status: status.as_str(),
            number: attempt.number,
            due_at,
            delivered_at,
        }
    }
}

#[derive(Serialize)]
struct StoredAttempt {
    merchant_id: String,
    delivery_id: String,
    number: i32,
    status: Option<u16>,
    error: Option<String>,
    answer: String,
    duration_ms: i64,
    #[serde(serialize_with = "crate::moment::serialize")]
    created_at: DateTime<Utc>,
}

impl StoredAttempt {
    fn of(attempt: &AttemptRecord) -> Self {
        Self {
            merchant_id: attempt.merchant.to_string(),
            delivery_id: attempt.delivery.to_string(),
            number: attempt.number,
            status: attempt.status,
            error: attempt.error.clone(),
            answer: attempt.answer.clone(),
            duration_ms: attempt.duration_ms,
            created_at: attempt.at,
        }
    }
}

impl Delivery {
    fn read(row: deliveries::Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: read_id(&row.id)?,
            merchant_id: read_id(&row.merchant_id)?,
            endpoint_id: read_id(&row.endpoint_id)?,
            event_id: read_id(&row.event_id)?,
            payment_id: row.payment_id.as_deref().map(read_id).transpose()?,
            status: DeliveryStatus::read(&row.status)?,
            attempts: row.attempts,
            due_at: row.due_at,
            delivered_at: row.delivered_at,
            created_at: row.created_at,
        })
    }
}

impl DeliveryAttempt {
    fn read(row: delivery_attempts::Model) -> Self {
        Self {
            number: row.number,
            status: row.status,
            error: row.error,
            answer: row.answer,
            duration_ms: row.duration_ms,
            at: row.created_at,
        }
    }
}
