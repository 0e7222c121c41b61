use chrono::{DateTime, Utc};
use plugin_sdk::{EventId, MerchantId, PaymentId};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, TransactionTrait};
use serde_json::Value;

use crate::bulk::{self, OnConflict};
use crate::entities::{deliveries, events};
use crate::merchants::read_id;
use crate::{Cursor, NewDelivery, Page, Store, StoreError};

/// A fact that happened. Written in the same transaction as the fact, with its deliveries.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub id: EventId,
    pub merchant_id: MerchantId,
    /// `payment.succeeded` and the like.
    pub event_type: String,
    pub payment_id: Option<PaymentId>,
    pub payload: Value,
    pub created_at: DateTime<Utc>,
}

#[derive(Debug, Clone)]
pub struct NewEvent {
    pub id: EventId,
    pub merchant_id: MerchantId,
    pub event_type: &'static str,
    pub payment_id: Option<PaymentId>,
    pub payload: Value,
    pub created_at: DateTime<Utc>,
    /// One for each endpoint that wants it.
    pub deliveries: Vec<NewDelivery>,
}

impl Store {
    /// Writes an event that belongs to no payment, with its deliveries.
    pub async fn create_event(&self, new: NewEvent) -> Result<(), StoreError> {
        let (event, deliveries) = new.rows();
        let transaction = self.writes.begin().await?;
        bulk::insert::<events::Entity, _>(&transaction, &[event], OnConflict::Fail, None).await?;
        bulk::insert::<deliveries::Entity, _>(&transaction, &deliveries, OnConflict::Fail, None).await?;
        Ok(transaction.commit().await?)
    }

    /// Newest first.
    pub async fn events(&self, merchant: MerchantId, cursor: &Cursor) -> Result<Page<Event>, StoreError> {
        let mut query = events::Entity::find()
            .filter(events::Column::MerchantId.eq(merchant.to_string()))
            .order_by_desc(events::Column::Id)
            .limit(cursor.limit + 1);
        if let Some(after) = &cursor.after {
            query = query.filter(events::Column::Id.lt(after));
        }
        Page::of(
            query.all(&self.reads).await?,
            cursor.limit,
            |row| row.id.clone(),
            Event::read,
        )
    }

    pub async fn events_of_payment(&self, merchant: MerchantId, payment: PaymentId) -> Result<Vec<Event>, StoreError> {
        let rows = events::Entity::find()
            .filter(events::Column::MerchantId.eq(merchant.to_string()))
            .filter(events::Column::PaymentId.eq(payment.to_string()))
            .order_by_asc(events::Column::Id)
            .all(&self.reads)
            .await?;
        rows.into_iter().map(Event::read).collect()
    }
}

impl Event {
    pub(crate) fn read(row: events::Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: read_id(&row.id)?,
            merchant_id: read_id(&row.merchant_id)?,
            event_type: row.event_type,
            payment_id: row.payment_id.as_deref().map(read_id).transpose()?,
            payload: row.payload,
            created_at: row.created_at,
        })
    }
}

impl NewEvent {
    pub(crate) fn rows(self) -> (events::Model, Vec<deliveries::Model>) {
        let deliveries = self
            .deliveries
            .iter()
            .map(|delivery| delivery.row(self.merchant_id, self.id, self.payment_id, self.created_at))
            .collect();
        let event = events::Model {
            id: self.id.to_string(),
            merchant_id: self.merchant_id.to_string(),
            event_type: self.event_type.to_owned(),
            payment_id: self.payment_id.map(|id| id.to_string()),
            payload: self.payload,
            created_at: self.created_at,
        };
        (event, deliveries)
    }
}
