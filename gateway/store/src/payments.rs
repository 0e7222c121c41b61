use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use plugin_sdk::{
    Booking, ConnectionId, Currency, DeliveryId, EndpointId, EventId, MerchantId, Money, OperationId, PaymentId,
    PaymentKey, Reason,
};
use sea_orm::sea_query::{Expr, IntoCondition};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::Value;

use crate::entities::{deliveries, operations, orders, payments};
use crate::merchants::read_id;
use crate::overview::{first_id, past_id};
use crate::{Cursor, DeliveryStatus, Page, Store, StoreError};

/// What nearly all payments come to.
const COMMON: [PaymentStatus; 2] = [PaymentStatus::Succeeded, PaymentStatus::Declined];
/// All but [`COMMON`], to the word as in the index `payments_uncommon`.
const UNCOMMON: &str = "status NOT IN ('succeeded', 'declined')";

/// Payments that one name of an order leads to, at most.
const NAMED_MAX: u64 = 1_000;

/// Money that was meant to move once.
#[derive(Debug, Clone, PartialEq)]
pub struct Payment {
    pub id: PaymentId,
    pub merchant_id: MerchantId,
    pub connection_id: ConnectionId,
    /// Which kind of network it came by: `terminal`.
    pub channel: String,
    pub key: PaymentKey,
    /// Our number of it towards the network.
    pub number: i64,
    pub account: String,
    pub amount: Money,
    /// What the payer pays on top, in the amount's currency.
    pub fee: Option<Money>,
    pub currency_text: Option<String>,
    pub service: Option<String>,
    pub status: PaymentStatus,
    /// Why it was declined.
    pub reason: Option<Reason>,
    /// The body that the network was answered with.
    pub answer: String,
    pub booking: Option<Booking>,
    pub booking_suspect: bool,
    pub extras: BTreeMap<String, String>,
    pub received_at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
}

/// Where a payment stands. A terminal's is succeeded or declined from the first moment on; the others are of payments
/// that merchants' systems make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PaymentStatus {
    /// The intent is stored; nothing is known yet.
    Created,
    /// The payer must do something.
    RequiresAction,
    /// The network has it and is not done.
    Processing,
    /// Held, nothing captured.
    Authorized,
    /// A part of what was held is captured, the rest still held.
    PartiallyCaptured,
    /// Credited, or everything captured that will be.
    Succeeded,
    PartiallyRefunded,
    /// All that was captured was given back.
    Refunded,
    /// The whole hold was released.
    Reversed,
    /// Refused for ever.
    Declined,
    /// Nobody paid in time.
    Expired,
    /// Certainly not executed: our side of it, or the network's, could not.
    Failed,
    /// Whether the network executed it is not known yet.
    InDoubt,
}

impl PaymentStatus {
    pub const ALL: [Self; 13] = [
        Self::Created,
        Self::RequiresAction,
        Self::Processing,
        Self::Authorized,
        Self::PartiallyCaptured,
        Self::Succeeded,
        Self::PartiallyRefunded,
        Self::Refunded,
        Self::Reversed,
        Self::Declined,
        Self::Expired,
        Self::Failed,
        Self::InDoubt,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::RequiresAction => "requires_action",
            Self::Processing => "processing",
            Self::Authorized => "authorized",
            Self::PartiallyCaptured => "partially_captured",
            Self::Succeeded => "succeeded",
            Self::PartiallyRefunded => "partially_refunded",
            Self::Refunded => "refunded",
            Self::Reversed => "reversed",
            Self::Declined => "declined",
            Self::Expired => "expired",
            Self::Failed => "failed",
            Self::InDoubt => "in_doubt",
        }
    }

    pub fn read(text: &str) -> Result<Self, StoreError> {
        let found = Self::ALL.into_iter().find(|status| status.as_str() == text);
        found.ok_or_else(|| StoreError::Corrupt(format!("payment status '{text}'")))
    }
}

/// One step on a payment.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    pub id: OperationId,
    pub payment_id: PaymentId,
    pub kind: String,
    /// `succeeded`, `declined`; of operations upstream also what [`crate::OperationStatus`] has.
    pub status: String,
    pub reason: Option<String>,
    pub rule_revision: Option<i32>,
    /// What the rules answered, with steps, duration and log.
    pub decision: Option<Value>,
    pub created_at: DateTime<Utc>,
}

#[derive(Debug, Clone)]
pub struct NewPayment {
    pub id: PaymentId,
    pub merchant_id: MerchantId,
    pub connection_id: ConnectionId,
    pub channel: String,
    pub key: PaymentKey,
    pub number: i64,
    pub account: String,
    pub amount: Money,
    /// What the payer pays on top, in the amount's currency.
    pub fee: Option<Money>,
    pub currency_text: Option<String>,
    pub service: Option<String>,
    pub status: PaymentStatus,
    pub reason: Option<Reason>,
    pub answer: String,
    pub booking: Option<Booking>,
    pub booking_suspect: bool,
    pub extras: BTreeMap<String, String>,
    pub received_at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
}

#[derive(Debug, Clone)]
pub struct NewOperation {
    pub kind: &'static str,
    pub rule_revision: Option<i32>,
    pub decision: Option<Value>,
}

/// An event's way to one endpoint, due at once.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    pub endpoint_id: EndpointId,
}

/// Absent means any. `search` matches any identifier: our id, our number, the network's key, the account.
#[derive(Debug, Clone, Default)]
pub struct PaymentFilter {
    pub connection_id: Option<ConnectionId>,
    pub status: Option<PaymentStatus>,
    pub search: Option<String>,
    pub created_from: Option<DateTime<Utc>>,
    pub created_until: Option<DateTime<Utc>>,
}

impl Store {
    pub async fn payment(&self, merchant: MerchantId, id: PaymentId) -> Result<Payment, StoreError> {
        let row = payments::Entity::find_by_id(id.to_string())
            .filter(payments::Column::MerchantId.eq(merchant.to_string()))
            .one(&self.reads)
            .await?;
        Payment::read(row.ok_or(StoreError::NotFound("this payment"))?)
    }

    /// Newest first.
    pub async fn payments(
        &self,
        merchant: MerchantId,
        filter: &PaymentFilter,
        cursor: &Cursor,
    ) -> Result<Page<Payment>, StoreError> {
        let page = |ways: Condition| {
            let mut query = payments::Entity::find()
                .filter(payments::Column::MerchantId.eq(merchant.to_string()))
                .filter(ways)
                .filter(filter.condition())
                .order_by_desc(payments::Column::Id)
                .limit(cursor.limit + 1);
            if let Some(after) = &cursor.after {
                query = query.filter(payments::Column::Id.lt(after));
            }
            query
        };
        let mut rows = Vec::new();
        match &filter.search {
            None => rows = page(Condition::all()).all(&self.reads).await?,
            // One question for each way to call a payment: of them together no index knows an answer.
            Some(search) => {
                for way in self.ways_to(merchant, search).await? {
                    rows.extend(page(way).all(&self.reads).await?);
                }
                rows.sort_by(|a, b| b.id.cmp(&a.id));
                rows.dedup_by(|a, b| a.id == b.id);
            }
        }
        Page::of(rows, cursor.limit, |row| row.id.clone(), Payment::read)
    }

    /// The ways in which a text can name payments of a merchant.
    async fn ways_to(&self, merchant: MerchantId, search: &str) -> Result<Vec<Condition>, StoreError> {
        use payments::Column;
        let mut ways = vec![Column::Account.eq(search).into_condition()];
        // Found first, by the indexes that know them: beside a merchant's filter some plans would rather read all of it.
        let mut named = self.payments_of_key(merchant, search).await?;
        for column in [orders::Column::OrderId, orders::Column::NetworkId] {
            named.extend(self.payments_of_order(merchant, column, search).await?);
        }
        if search.parse::<PaymentId>().is_ok() {
            named.push(search.to_owned());
        }
        if !named.is_empty() {
            ways.push(Column::Id.is_in(named).into_condition());
        }
        if let Ok(number) = search.parse::<i64>() {
            ways.push(Column::Number.eq(number).into_condition());
        }
        Ok(ways)
    }

    /// Payments whose order the merchant, or the network, calls so.
    async fn payments_of_order(
        &self,
        merchant: MerchantId,
        column: orders::Column,
        name: &str,
    ) -> Result<Vec<String>, StoreError> {
        Ok(orders::Entity::find()
            .select_only()
            .column(orders::Column::PaymentId)
            .filter(orders::Column::MerchantId.eq(merchant.to_string()))
            .filter(column.eq(name))
            .limit(NAMED_MAX)
            .into_tuple()
            .all(&self.reads)
            .await?)
    }

    pub async fn operations(&self, merchant: MerchantId, payment: PaymentId) -> Result<Vec<Operation>, StoreError> {
        let rows = operations::Entity::find()
            .filter(operations::Column::MerchantId.eq(merchant.to_string()))
            .filter(operations::Column::PaymentId.eq(payment.to_string()))
            .order_by_asc(operations::Column::Id)
            .all(&self.reads)
            .await?;
        rows.into_iter().map(Operation::read).collect()
    }
}

impl PaymentFilter {
    fn condition(&self) -> Condition {
        let mut condition = Condition::all();
        if let Some(connection) = self.connection_id {
            condition = condition.add(payments::Column::ConnectionId.eq(connection.to_string()));
        }
        if let Some(status) = self.status {
            condition = condition.add(payments::Column::Status.eq(status.as_str()));
            if !COMMON.contains(&status) {
                // In the words of the index that holds only these.
                condition = condition.add(Expr::cust(UNCOMMON));
            }
        }
        // Ids sort by the moment they were made at, and there is an index on them.
        if let Some(from) = self.created_from {
            condition = condition.add(payments::Column::CreatedAt.gte(from));
            condition = condition.add(payments::Column::Id.gte(first_id(from)));
        }
        if let Some(until) = self.created_until {
            condition = condition.add(payments::Column::CreatedAt.lt(until));
            condition = condition.add(payments::Column::Id.lt(past_id(until)));
        }
        condition
    }
}

impl Payment {
    pub(crate) fn read(row: payments::Model) -> Result<Self, StoreError> {
        let currency = read_currency(&row.currency)?;
        let booking = row
            .booked_text
            .zip(row.booked_at)
            .map(|(text, at)| Booking { text, at });
        let reason = row.reason.map(|reason| read_reason(&reason)).transpose()?;
        Ok(Self {
            id: read_id(&row.id)?,
            merchant_id: read_id(&row.merchant_id)?,
            connection_id: read_id(&row.connection_id)?,
            channel: row.channel,
            key: PaymentKey {
                key1: row.key1,
                key2: row.key2,
            },
            number: row.number,
            account: row.account,
            amount: Money::from_minor(row.amount_minor, currency),
            fee: row.fee_minor.map(|minor| Money::from_minor(minor, currency)),
            currency_text: row.currency_text,
            service: row.service,
            status: PaymentStatus::read(&row.status)?,
            reason,
            answer: row.answer,
            booking,
            booking_suspect: row.booking_suspect,
            extras: serde_json::from_value(row.extras).map_err(|error| StoreError::Corrupt(error.to_string()))?,
            received_at: row.received_at,
            created_at: row.created_at,
        })
    }
}

impl Operation {
    fn read(row: operations::Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: read_id(&row.id)?,
            payment_id: read_id(&row.payment_id)?,
            kind: row.kind,
            status: row.status,
            reason: row.reason,
            rule_revision: row.rule_revision,
            decision: row.decision,
            created_at: row.created_at,
        })
    }
}

pub(crate) fn read_currency(code: &str) -> Result<Currency, StoreError> {
    Currency::from_code(code).ok_or_else(|| StoreError::Corrupt(format!("currency '{code}'")))
}

pub(crate) fn read_reason(text: &str) -> Result<Reason, StoreError> {
    text.parse()
        .map_err(|error: plugin_sdk::UnknownReason| StoreError::Corrupt(error.to_string()))
}

impl NewPayment {
    pub(crate) fn row(&self) -> payments::Model {
        payments::Model {
            id: self.id.to_string(),
            merchant_id: self.merchant_id.to_string(),
            connection_id: self.connection_id.to_string(),
            channel: self.channel.clone(),
            key1: self.key.key1.clone(),
            key2: self.key.key2.clone(),
            number: self.number,
            account: self.account.clone(),
            amount_minor: self.amount.minor(),
            currency: self.amount.currency().code().to_owned(),
            exponent: i32::try_from(self.amount.exponent()).unwrap_or(0),
            fee_minor: self.fee.map(Money::minor),
            currency_text: self.currency_text.clone(),
            service: self.service.clone(),
            status: self.status.as_str().to_owned(),
            reason: self.reason.map(|reason| reason.as_str().to_owned()),
            answer: self.answer.clone(),
            booked_text: self.booking.as_ref().map(|booking| booking.text.clone()),
            booked_at: self.booking.as_ref().map(|booking| booking.at),
            booking_suspect: self.booking_suspect,
            extras: serde_json::json!(self.extras),
            received_at: self.received_at,
            created_at: self.created_at,
        }
    }

    pub(crate) fn operation_row(&self, operation: NewOperation) -> operations::Model {
        operations::Model {
            id: OperationId::generate().to_string(),
            merchant_id: self.merchant_id.to_string(),
            payment_id: self.id.to_string(),
            kind: operation.kind.to_owned(),
            status: self.status.as_str().to_owned(),
            reason: self.reason.map(|reason| reason.as_str().to_owned()),
            rule_revision: operation.rule_revision,
            decision: operation.decision,
            created_at: self.created_at,
        }
    }
}

impl NewDelivery {
    pub(crate) fn row(
        &self,
        merchant: MerchantId,
        event: EventId,
        payment: Option<PaymentId>,
        now: DateTime<Utc>,
    ) -> deliveries::Model {
        deliveries::Model {
            // Deliveries of a payment are sent in the order of their ids.
            id: DeliveryId::generate_at(now).to_string(),
            merchant_id: merchant.to_string(),
            endpoint_id: self.endpoint_id.to_string(),
            event_id: event.to_string(),
            payment_id: payment.map(|id| id.to_string()),
            status: DeliveryStatus::Pending.as_str().to_owned(),
            attempts: 0,
            due_at: now,
            leased_until: None,
            leased_by: None,
            delivered_at: None,
            created_at: now,
        }
    }
}
