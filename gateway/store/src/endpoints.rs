use chrono::{DateTime, Utc};
use plugin_sdk::{EndpointId, MerchantId};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    TransactionTrait,
};
use serde::{Deserialize, Serialize};

use crate::entities::webhook_endpoints as rows;
use crate::merchants::{read_id, touch_merchant};
use crate::{Store, StoreError};

/// Where a merchant wants its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub id: EndpointId,
    pub merchant_id: MerchantId,
    pub url: String,
    pub format: EndpointFormat,
    /// IANA zone of the moments in the container's body.
    pub time_zone: String,
    pub secret_sealed: String,
    /// Signs beside the new secret until then, so that the merchant can change its own copy at leisure.
    pub previous_secret: Option<(String, DateTime<Utc>)>,
    /// Event types wanted; empty means all.
    pub event_types: Vec<String>,
    pub status: EndpointStatus,
    /// Deliveries on their way to this endpoint at once.
    pub max_in_flight: u32,
    pub retry_schedule: RetrySchedule,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndpointFormat {
    /// Standard Webhooks: signed, with the event as body.
    Standard,
    /// The body of the seed container, unsigned, for those who migrate.
    Container,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndpointStatus {
    Active,
    /// Deliveries wait until it is active again.
    Paused,
    Deleted,
}

/// When a delivery that failed is tried again. There is no last attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetrySchedule {
    /// Pause after the first failure, in seconds.
    pub first_s: u32,
    /// Each further pause is this many times the one before.
    pub factor: u32,
    /// No pause is longer, in seconds.
    pub max_s: u32,
    /// A pause is shortened by up to this many percent, so that what failed together does not return together.
    pub jitter_percent: u32,
}

impl Default for RetrySchedule {
    fn default() -> Self {
        Self {
            first_s: 10,
            factor: 2,
            max_s: 3_600,
            jitter_percent: 20,
        }
    }
}

#[derive(Debug, Clone)]
pub struct NewEndpoint {
    pub url: String,
    pub format: EndpointFormat,
    pub time_zone: String,
    pub secret_sealed: String,
    pub event_types: Vec<String>,
    pub max_in_flight: u32,
    pub retry_schedule: RetrySchedule,
}

/// Absent means unchanged.
#[derive(Debug, Clone, Default)]
pub struct EndpointChange {
    pub url: Option<String>,
    pub time_zone: Option<String>,
    pub event_types: Option<Vec<String>>,
    pub status: Option<EndpointStatus>,
    pub max_in_flight: Option<u32>,
    pub retry_schedule: Option<RetrySchedule>,
    /// The new secret, and until when the present one signs too.
    pub rotate_secret: Option<(String, DateTime<Utc>)>,
}

impl EndpointFormat {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Container => "container",
        }
    }
}

impl EndpointStatus {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Deleted => "deleted",
        }
    }
}

impl Store {
    pub async fn create_endpoint(
        &self,
        merchant: MerchantId,
        new: NewEndpoint,
        now: DateTime<Utc>,
    ) -> Result<Endpoint, StoreError> {
        let transaction = self.writes.begin().await?;
        touch_merchant(&transaction, merchant).await?;
        let row = rows::ActiveModel {
            id: Set(EndpointId::generate().to_string()),
            merchant_id: Set(merchant.to_string()),
            url: Set(new.url),
            format: Set(new.format.as_str().to_owned()),
            time_zone: Set(new.time_zone),
            secret_sealed: Set(new.secret_sealed),
            previous_secret_sealed: Set(None),
            previous_secret_until: Set(None),
            event_types: Set(new.event_types.into()),
            status: Set(EndpointStatus::Active.as_str().to_owned()),
            max_in_flight: Set(to_column(new.max_in_flight)),
            retry_schedule: Set(to_json(&new.retry_schedule)?),
            created_at: Set(now),
            updated_at: Set(now),
        };
        let row = row.insert(&transaction).await?;
        transaction.commit().await?;
        Endpoint::read(row)
    }

    pub async fn endpoints(&self, merchant: MerchantId) -> Result<Vec<Endpoint>, StoreError> {
        of_merchant(&self.reads, merchant).await
    }

    pub async fn endpoint(&self, merchant: MerchantId, id: EndpointId) -> Result<Endpoint, StoreError> {
        let row = find(merchant, id).one(&self.reads).await?;
        Endpoint::read(row.ok_or(StoreError::NotFound("this webhook endpoint"))?)
    }

    pub async fn change_endpoint(
        &self,
        merchant: MerchantId,
        id: EndpointId,
        change: EndpointChange,
        now: DateTime<Utc>,
    ) -> Result<Endpoint, StoreError> {
        let transaction = self.writes.begin().await?;
        touch_merchant(&transaction, merchant).await?;
        let row = find(merchant, id).one(&transaction).await?;
        let row = row.ok_or(StoreError::NotFound("this webhook endpoint"))?;
        let present_secret = row.secret_sealed.clone();
        let mut row = row.into_active_model();
        if let Some(url) = change.url {
            row.url = Set(url);
        }
        if let Some(time_zone) = change.time_zone {
            row.time_zone = Set(time_zone);
        }
        if let Some(event_types) = change.event_types {
            row.event_types = Set(event_types.into());
        }
        if let Some(status) = change.status {
            row.status = Set(status.as_str().to_owned());
        }
        if let Some(max_in_flight) = change.max_in_flight {
            row.max_in_flight = Set(to_column(max_in_flight));
        }
        if let Some(schedule) = change.retry_schedule {
            row.retry_schedule = Set(to_json(&schedule)?);
        }
        if let Some((secret, until)) = change.rotate_secret {
            row.secret_sealed = Set(secret);
            row.previous_secret_sealed = Set(Some(present_secret));
            row.previous_secret_until = Set(Some(until));
        }
        row.updated_at = Set(now);
        let row = row.update(&transaction).await?;
        transaction.commit().await?;
        let endpoint = Endpoint::read(row)?;
        if endpoint.status == EndpointStatus::Deleted {
            self.cancel_undeliverable().await?;
        }
        Ok(endpoint)
    }
}

/// Nobody is left to tell.
pub(crate) async fn delete_all(
    connection: &impl ConnectionTrait,
    merchant: MerchantId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    use sea_orm::sea_query::Expr;
    rows::Entity::update_many()
        .col_expr(rows::Column::Status, Expr::value(EndpointStatus::Deleted.as_str()))
        .col_expr(rows::Column::UpdatedAt, Expr::value(now))
        .filter(rows::Column::MerchantId.eq(merchant.to_string()))
        .exec(connection)
        .await?;
    Ok(())
}

fn find(merchant: MerchantId, id: EndpointId) -> sea_orm::Select<rows::Entity> {
    rows::Entity::find_by_id(id.to_string())
        .filter(rows::Column::MerchantId.eq(merchant.to_string()))
        .filter(rows::Column::Status.ne(EndpointStatus::Deleted.as_str()))
}

pub(crate) async fn of_merchant(
    connection: &impl ConnectionTrait,
    merchant: MerchantId,
) -> Result<Vec<Endpoint>, StoreError> {
    let rows = rows::Entity::find()
        .filter(rows::Column::MerchantId.eq(merchant.to_string()))
        .filter(rows::Column::Status.ne(EndpointStatus::Deleted.as_str()))
        .order_by_asc(rows::Column::Id)
        .all(connection)
        .await?;
    rows.into_iter().map(Endpoint::read).collect()
}

fn to_column(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn to_json<T: Serialize>(value: &T) -> Result<serde_json::Value, StoreError> {
    serde_json::to_value(value).map_err(|error| StoreError::Corrupt(error.to_string()))
}

fn read_word<T: serde::de::DeserializeOwned>(word: String) -> Result<T, StoreError> {
    read_json(serde_json::Value::String(word))
}

fn read_json<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> Result<T, StoreError> {
    serde_json::from_value(value).map_err(|error| StoreError::Corrupt(error.to_string()))
}

impl Endpoint {
    pub(crate) fn read(row: rows::Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: read_id(&row.id)?,
            merchant_id: read_id(&row.merchant_id)?,
            url: row.url,
            format: read_word(row.format)?,
            time_zone: row.time_zone,
            secret_sealed: row.secret_sealed,
            previous_secret: row.previous_secret_sealed.zip(row.previous_secret_until),
            event_types: read_json(row.event_types)?,
            status: read_word(row.status)?,
            max_in_flight: u32::try_from(row.max_in_flight).unwrap_or(1).max(1),
            retry_schedule: read_json(row.retry_schedule)?,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}
