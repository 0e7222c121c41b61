use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use plugin_sdk::{ConnectionId, MerchantId, PaymentId};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement};

use crate::bigint::bigint;
use crate::entities::exchanges;
use crate::{Cursor, Page, Store, StoreError};

/// One HTTP request with its answer, masked by whoever made it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewExchange {
    pub request_id: String,
    pub merchant_id: Option<MerchantId>,
    pub connection_id: Option<ConnectionId>,
    pub payment_id: Option<PaymentId>,
    /// `in` or `out`.
    pub direction: &'static str,
    pub peer: String,
    pub method: String,
    pub url: String,
    pub request_headers: BTreeMap<String, String>,
    pub request_body: String,
    pub status: u16,
    pub response_body: String,
    pub duration_us: i64,
    pub created_at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    pub id: i64,
    pub request_id: String,
    pub connection_id: Option<String>,
    pub payment_id: Option<String>,
    pub direction: String,
    pub peer: String,
    pub method: String,
    pub url: String,
    pub request_headers: serde_json::Value,
    pub request_body: String,
    pub status: i32,
    pub response_body: String,
    pub duration_us: i64,
    pub created_at: DateTime<Utc>,
}

/// Absent means any.
#[derive(Debug, Clone, Default)]
pub struct ExchangeFilter {
    pub payment_id: Option<PaymentId>,
    pub connection_id: Option<ConnectionId>,
}

impl Store {
    /// Newest first.
    pub async fn exchanges(
        &self,
        merchant: MerchantId,
        filter: &ExchangeFilter,
        cursor: &Cursor,
    ) -> Result<Page<Exchange>, StoreError> {
        let mut query = exchanges::Entity::find()
            .filter(exchanges::Column::MerchantId.eq(merchant.to_string()))
            .order_by_desc(exchanges::Column::Id)
            .limit(cursor.limit + 1);
        if let Some(payment) = filter.payment_id {
            query = query.filter(exchanges::Column::PaymentId.eq(payment.to_string()));
        }
        if let Some(connection) = filter.connection_id {
            query = query.filter(exchanges::Column::ConnectionId.eq(connection.to_string()));
        }
        if let Some(after) = cursor.after.as_deref().and_then(|after| after.parse::<i64>().ok()) {
            query = query.filter(exchanges::Column::Id.lt(after));
        }
        let rows = query.all(&self.reads).await?;
        Page::of(
            rows,
            cursor.limit,
            |row| row.id.to_string(),
            |row| Ok(Exchange::read(row)),
        )
    }

    /// Deletes up to `limit` of the oldest exchanges, if they are from before `until`. Returns how many went.
    pub async fn delete_exchanges_before(&self, until: DateTime<Utc>, limit: u64) -> Result<u64, StoreError> {
        // The numbers of exchanges grow with time, so the oldest are found without an index on the moment.
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "DELETE FROM exchanges WHERE id IN (SELECT id FROM exchanges ORDER BY id LIMIT $1) AND created_at < $2",
            [bigint(limit).into(), until.into()],
        );
        Ok(self.writes.execute_raw(statement).await?.rows_affected())
    }

    /// Deletes up to `limit` registrations of checks that nobody paid. Returns how many went.
    pub async fn delete_registrations_before(&self, until: DateTime<Utc>, limit: u64) -> Result<u64, StoreError> {
        let sql = "
            DELETE FROM registrations WHERE (connection_id, key1, key2) IN (
                SELECT connection_id, key1, key2 FROM registrations WHERE created_at < $1
                ORDER BY created_at LIMIT $2)";
        let limit = bigint(limit);
        let statement = Statement::from_sql_and_values(self.backend(), sql, [until.into(), limit.into()]);
        Ok(self.writes.execute_raw(statement).await?.rows_affected())
    }
}

impl NewExchange {
    pub(crate) fn row(self) -> exchanges::Model {
        exchanges::Model {
            id: 0,
            request_id: self.request_id,
            merchant_id: self.merchant_id.map(|id| id.to_string()),
            connection_id: self.connection_id.map(|id| id.to_string()),
            payment_id: self.payment_id.map(|id| id.to_string()),
            direction: self.direction.to_owned(),
            peer: self.peer,
            method: self.method,
            url: self.url,
            request_headers: serde_json::json!(self.request_headers),
            request_body: self.request_body,
            status: i32::from(self.status),
            response_body: self.response_body,
            duration_us: self.duration_us,
            created_at: self.created_at,
        }
    }
}

impl Exchange {
    fn read(row: exchanges::Model) -> Self {
        Self {
            id: row.id,
            request_id: row.request_id,
            connection_id: row.connection_id,
            payment_id: row.payment_id,
            direction: row.direction,
            peer: row.peer,
            method: row.method,
            url: row.url,
            request_headers: row.request_headers,
            request_body: row.request_body,
            status: row.status,
            response_body: row.response_body,
            duration_us: row.duration_us,
            created_at: row.created_at,
        }
    }
}
