//! Payments that merchants' systems make. A payment has one row in `payments`, like a terminal's, and one in `orders`
//! that says what was asked and how far it is. Whoever changes it says which version it saw: of two that change at once,
//! one is told to look again.

use chrono::{DateTime, Utc};
use plugin_sdk::connector::{CaptureMode, StepKind};
use plugin_sdk::{ConnectionId, Currency, MerchantId, Money, OperationId, PaymentId};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseBackend, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect, Statement, TransactionTrait,
};
use serde_json::Value;

use crate::bigint::bigint;
use crate::bulk::{self, OnConflict as BulkConflict};
use crate::entities::{decisions, deliveries, events, order_operations, orders, payment_tokens, payments};
use crate::idempotency::{self, IdempotencyKey, KeyAnswer, KeyClaim};
use crate::merchants::read_id;
use crate::tokens::NewPaymentToken;
use crate::{NewDecision, NewEvent, NewPayment, Payment, Store, StoreError};

/// A payment that a merchant's system made.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    pub payment: Payment,
    /// The merchant's own number of it.
    pub order_id: Option<String>,
    pub direction: OrderDirection,
    pub capture: CaptureMode,
    /// How it is paid: `card`, `hosted_page`.
    pub method: String,
    pub authorized: Money,
    pub captured: Money,
    pub reversed: Money,
    pub refunded: Money,
    pub network_id: Option<String>,
    pub details: Value,
    pub progress: Value,
    pub route: Value,
    pub version: i64,
    pub expires_at: Option<DateTime<Utc>>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderDirection {
    /// From a payer.
    In,
    /// A payout.
    Out,
}

impl OrderDirection {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }

    fn read(text: &str) -> Result<Self, StoreError> {
        match text {
            "in" => Ok(Self::In),
            "out" => Ok(Self::Out),
            other => Err(StoreError::Corrupt(format!("direction '{other}'"))),
        }
    }
}

/// One step of such a payment at one connection.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderOperation {
    pub id: OperationId,
    pub kind: StepKind,
    pub status: OperationStatus,
    pub connection_id: ConnectionId,
    /// Unique and growing, for networks that want decimal ids.
    pub number: i64,
    pub amount: Money,
    pub network_id: Option<String>,
    /// What the network, or the way to it, said when it did not succeed.
    pub fault: Option<Value>,
    pub rule_revision: Option<i32>,
    /// How often the network was asked what became of it.
    pub tries: i32,
    /// When it is to be asked next; absent once it has come to its end.
    pub check_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperationStatus {
    /// The intent is stored; the network may or may not have heard of it.
    Pending,
    /// The network has it and is not done.
    Processing,
    Succeeded,
    /// The network said no.
    Declined,
    /// It was certainly not executed.
    Failed,
    /// Whether it was executed is not known; the network is asked until it says.
    InDoubt,
}

impl OperationStatus {
    pub const ALL: [Self; 6] = [
        Self::Pending,
        Self::Processing,
        Self::Succeeded,
        Self::Declined,
        Self::Failed,
        Self::InDoubt,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Succeeded => "succeeded",
            Self::Declined => "declined",
            Self::Failed => "failed",
            Self::InDoubt => "in_doubt",
        }
    }

    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Declined | Self::Failed)
    }

    fn read(text: &str) -> Result<Self, StoreError> {
        let found = Self::ALL.into_iter().find(|status| status.as_str() == text);
        found.ok_or_else(|| StoreError::Corrupt(format!("operation status '{text}'")))
    }
}

/// A payment with its operations, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderState {
    pub order: Order,
    pub operations: Vec<OrderOperation>,
}

/// A payment that is about to be stored, before anything is sent.
#[derive(Debug, Clone)]
pub struct NewOrder {
    pub payment: NewPayment,
    pub order_id: Option<String>,
    pub direction: OrderDirection,
    pub capture: CaptureMode,
    pub method: String,
    pub details: Value,
    pub route: Value,
    pub expires_at: Option<DateTime<Utc>>,
    /// The intent.
    pub operation: OrderOperation,
    pub decisions: Vec<NewDecision>,
}

/// What becomes true with one change of a payment, or not at all.
#[derive(Debug, Clone, Default)]
pub struct OrderChange {
    /// Written as they stand: new ones are inserted, known ones brought up to date.
    pub operations: Vec<OrderOperation>,
    pub events: Vec<NewEvent>,
    pub tokens: Vec<NewPaymentToken>,
    /// The request that makes this change.
    pub claim: Option<KeyClaim>,
    /// What that request is answered.
    pub answer: Option<KeyAnswer>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum OrderWritten {
    Done,
    /// Done; but the request's key had an answer already, and that one counts.
    AnsweredBefore,
    /// Somebody else changed the payment since it was read. Nothing was written.
    Overtaken,
    /// The request was made before. Nothing was written.
    Known(IdempotencyKey),
}

/// An operation whose time to be asked for has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueOperation {
    pub merchant_id: MerchantId,
    pub payment_id: PaymentId,
    pub operation_id: OperationId,
}

impl Store {
    /// Stores the intent of a payment with the key of its request.
    pub async fn create_order(&self, new: NewOrder, claim: Option<KeyClaim>) -> Result<OrderWritten, StoreError> {
        let transaction = self.writes.begin().await?;
        if let Some(claim) = claim
            && let Some(known) = idempotency::claim(&transaction, claim).await?
        {
            transaction.rollback().await?;
            return Ok(OrderWritten::Known(known));
        }
        let payment = new.payment.id;
        let (row, operation) = (new.row(), new.operation.row(new.payment.merchant_id, payment));
        payments::Entity::insert(new.payment.row().into_active_model())
            .exec_without_returning(&transaction)
            .await?;
        orders::Entity::insert(row.into_active_model())
            .exec_without_returning(&transaction)
            .await?;
        order_operations::Entity::insert(operation.into_active_model())
            .exec_without_returning(&transaction)
            .await?;
        let decisions: Vec<_> = (new.decisions.iter())
            .map(|decision| decisions::Model {
                payment_id: Some(payment.to_string()),
                ..decision.row()
            })
            .collect();
        bulk::insert::<decisions::Entity, _>(&transaction, &decisions, BulkConflict::Fail, None).await?;
        transaction.commit().await?;
        Ok(OrderWritten::Done)
    }

    /// Stores `order` over the version that was read, together with what follows from it.
    pub async fn change_order(&self, order: &Order, change: OrderChange) -> Result<OrderWritten, StoreError> {
        let transaction = self.writes.begin().await?;
        if let Some(claim) = change.claim
            && let Some(known) = idempotency::claim(&transaction, claim).await?
        {
            transaction.rollback().await?;
            return Ok(OrderWritten::Known(known));
        }
        if !update_order(&transaction, order).await? {
            transaction.rollback().await?;
            return Ok(OrderWritten::Overtaken);
        }
        let (merchant, payment) = (order.payment.merchant_id, order.payment.id);
        for operation in &change.operations {
            upsert_operation(&transaction, operation.row(merchant, payment)).await?;
        }
        let (events, deliveries): (Vec<_>, Vec<_>) = change.events.into_iter().map(NewEvent::rows).unzip();
        let deliveries: Vec<_> = deliveries.into_iter().flatten().collect();
        bulk::insert::<events::Entity, _>(&transaction, &events, BulkConflict::Fail, None).await?;
        bulk::insert::<deliveries::Entity, _>(&transaction, &deliveries, BulkConflict::Fail, None).await?;
        let tokens: Vec<_> = change.tokens.into_iter().map(NewPaymentToken::row).collect();
        bulk::insert::<payment_tokens::Entity, _>(&transaction, &tokens, BulkConflict::Skip, None).await?;
        let mut written = OrderWritten::Done;
        if let Some(answer) = change.answer
            && !idempotency::answer(&transaction, &answer).await?
        {
            written = OrderWritten::AnsweredBefore;
        }
        transaction.commit().await?;
        Ok(written)
    }

    /// A payment that a merchant's system made; a terminal's is not found. One statement, so all of it is of one version.
    pub async fn order(&self, merchant: MerchantId, payment: PaymentId) -> Result<OrderState, StoreError> {
        let rows = orders::Entity::find_by_id(payment.to_string())
            .filter(orders::Column::MerchantId.eq(merchant.to_string()))
            .find_also_related(payments::Entity)
            .find_also_related(order_operations::Entity)
            .order_by_asc(order_operations::Column::CreatedAt)
            .order_by_asc(order_operations::Column::Number)
            .all(&self.reads)
            .await?;
        let (mut found, mut steps) = (None, Vec::with_capacity(rows.len()));
        for (order, payment, step) in rows {
            found = found.or_else(|| payment.map(|payment| (order, payment)));
            steps.extend(step);
        }
        let (order, payment) = found.ok_or(StoreError::NotFound("this payment"))?;
        let payment = Payment::read(payment)?;
        let currency = payment.amount.currency();
        let operations = steps.into_iter().map(|row| OrderOperation::read(row, currency));
        Ok(OrderState {
            operations: operations.collect::<Result<_, _>>()?,
            order: Order::read(order, payment)?,
        })
    }

    /// What `orders` holds of these payments, for lists; terminals' payments have nothing there.
    pub async fn orders_of(
        &self,
        merchant: MerchantId,
        payments: Vec<Payment>,
    ) -> Result<Vec<(Payment, Option<Order>)>, StoreError> {
        let ids = payments.iter().map(|payment| payment.id.to_string());
        let rows = orders::Entity::find()
            .filter(orders::Column::MerchantId.eq(merchant.to_string()))
            .filter(orders::Column::PaymentId.is_in(ids))
            .all(&self.reads)
            .await?;
        let mut rows: std::collections::HashMap<_, _> =
            rows.into_iter().map(|row| (row.payment_id.clone(), row)).collect();
        let with_order = payments.into_iter().map(|payment| {
            let order = rows.remove(&payment.id.to_string());
            let order = order.map(|row| Order::read(row, payment.clone())).transpose()?;
            Ok((payment, order))
        });
        with_order.collect()
    }

    /// The payment that a connection's network knows by its own id.
    pub async fn order_by_network_id(
        &self,
        merchant: MerchantId,
        connection: ConnectionId,
        network_id: &str,
    ) -> Result<Option<PaymentId>, StoreError> {
        let sql = "
            SELECT o.payment_id FROM orders o JOIN payments p ON p.id = o.payment_id
            WHERE o.merchant_id = $1 AND o.network_id = $2 AND p.connection_id = $3 LIMIT 1";
        let values = [
            merchant.to_string().into(),
            network_id.into(),
            connection.to_string().into(),
        ];
        let row = (self.reads).query_one_raw(Statement::from_sql_and_values(self.backend(), sql, values));
        let id: Option<String> = row.await?.map(|row| row.try_get_by_index(0)).transpose()?;
        id.as_deref().map(read_id).transpose()
    }

    /// The payment of this number, if the connection has it or had a part in it.
    pub async fn order_by_number(&self, merchant: MerchantId, number: u64) -> Result<Option<PaymentId>, StoreError> {
        let number = bigint(number);
        let by_payment: Option<String> = payments::Entity::find()
            .select_only()
            .column(payments::Column::Id)
            .filter(payments::Column::MerchantId.eq(merchant.to_string()))
            .filter(payments::Column::Number.eq(number))
            .into_tuple()
            .one(&self.reads)
            .await?;
        by_payment.as_deref().map(read_id).transpose()
    }

    /// Takes up to `limit` operations that are due and keeps them from others until `lease_until`.
    pub async fn claim_due_operations(
        &self,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
        limit: u64,
    ) -> Result<Vec<DueOperation>, StoreError> {
        let skip = match self.backend() {
            DatabaseBackend::Postgres => "FOR UPDATE SKIP LOCKED",
            _ => "",
        };
        let sql = format!(
            "UPDATE operations SET check_at = $1 WHERE id IN (
                SELECT id FROM operations WHERE check_at IS NOT NULL AND check_at <= $2
                ORDER BY check_at LIMIT $3 {skip})
             RETURNING merchant_id, payment_id, id"
        );
        let limit = bigint(limit);
        let values = [lease_until.into(), now.into(), limit.into()];
        let rows = (self.writes).query_all_raw(Statement::from_sql_and_values(self.backend(), sql, values));
        let due = rows.await?.into_iter().map(|row| {
            let text = |at: usize| -> Result<String, StoreError> { Ok(row.try_get_by_index(at)?) };
            Ok(DueOperation {
                merchant_id: read_id(&text(0)?)?,
                payment_id: read_id(&text(1)?)?,
                operation_id: read_id(&text(2)?)?,
            })
        });
        due.collect()
    }

    /// The oldest operation that waits to be settled, for metrics: how many wait, and since when.
    pub async fn operations_in_doubt(&self) -> Result<(i64, Option<DateTime<Utc>>), StoreError> {
        let row: Option<(i64, Option<DateTime<Utc>>)> = order_operations::Entity::find()
            .select_only()
            .column_as(order_operations::Column::Id.count(), "waiting")
            .column_as(order_operations::Column::CreatedAt.min(), "oldest")
            .filter(order_operations::Column::CheckAt.is_not_null())
            .into_tuple()
            .one(&self.reads)
            .await?;
        Ok(row.unwrap_or((0, None)))
    }
}

/// Whether the version that was read is still the stored one, and so was replaced.
async fn update_order(transaction: &DatabaseTransaction, order: &Order) -> Result<bool, StoreError> {
    use orders::Column;
    let updated = orders::Entity::update_many()
        .col_expr(Column::AuthorizedMinor, Expr::value(order.authorized.minor()))
        .col_expr(Column::CapturedMinor, Expr::value(order.captured.minor()))
        .col_expr(Column::ReversedMinor, Expr::value(order.reversed.minor()))
        .col_expr(Column::RefundedMinor, Expr::value(order.refunded.minor()))
        .col_expr(
            Column::NetworkId,
            Expr::value(order.network_id.as_deref().map(without_nul)),
        )
        .col_expr(Column::Progress, Expr::value(storable(&order.progress)?))
        .col_expr(Column::Route, Expr::value(storable(&order.route)?))
        .col_expr(Column::Version, Expr::value(order.version + 1))
        .col_expr(Column::ExpiresAt, Expr::value(order.expires_at))
        .col_expr(Column::UpdatedAt, Expr::value(order.updated_at))
        .filter(Column::PaymentId.eq(order.payment.id.to_string()))
        .filter(Column::MerchantId.eq(order.payment.merchant_id.to_string()))
        .filter(Column::Version.eq(order.version))
        .exec(transaction)
        .await?;
    if updated.rows_affected == 0 {
        return Ok(false);
    }
    payments::Entity::update_many()
        .col_expr(payments::Column::Status, Expr::value(order.payment.status.as_str()))
        .col_expr(
            payments::Column::ConnectionId,
            Expr::value(order.payment.connection_id.to_string()),
        )
        .col_expr(payments::Column::Channel, Expr::value(order.payment.channel.clone()))
        .filter(payments::Column::Id.eq(order.payment.id.to_string()))
        .filter(payments::Column::MerchantId.eq(order.payment.merchant_id.to_string()))
        .exec(transaction)
        .await?;
    Ok(true)
}

async fn upsert_operation(transaction: &DatabaseTransaction, row: order_operations::Model) -> Result<(), StoreError> {
    use order_operations::Column;
    let replace = OnConflict::column(Column::Id)
        .update_columns([
            Column::Status,
            Column::Reason,
            Column::NetworkId,
            Column::AmountMinor,
            Column::Fault,
            Column::Tries,
            Column::CheckAt,
            Column::UpdatedAt,
        ])
        .to_owned();
    order_operations::Entity::insert(row.into_active_model())
        .on_conflict(replace)
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}

impl NewOrder {
    fn row(&self) -> orders::Model {
        orders::Model {
            payment_id: self.payment.id.to_string(),
            merchant_id: self.payment.merchant_id.to_string(),
            order_id: self.order_id.clone(),
            direction: self.direction.as_str().to_owned(),
            capture_mode: capture_text(self.capture).to_owned(),
            method: self.method.clone(),
            authorized_minor: 0,
            captured_minor: 0,
            reversed_minor: 0,
            refunded_minor: 0,
            network_id: None,
            details: storable(&self.details).unwrap_or_default(),
            progress: Value::Object(serde_json::Map::new()),
            route: storable(&self.route).unwrap_or_default(),
            version: 1,
            expires_at: self.expires_at,
            updated_at: self.payment.created_at,
        }
    }
}

impl Order {
    fn read(row: orders::Model, payment: Payment) -> Result<Self, StoreError> {
        let money = |minor| Money::from_minor(minor, payment.amount.currency());
        Ok(Self {
            order_id: row.order_id,
            direction: OrderDirection::read(&row.direction)?,
            capture: read_capture(&row.capture_mode)?,
            method: row.method,
            authorized: money(row.authorized_minor),
            captured: money(row.captured_minor),
            reversed: money(row.reversed_minor),
            refunded: money(row.refunded_minor),
            network_id: row.network_id,
            details: row.details,
            progress: row.progress,
            route: row.route,
            version: row.version,
            expires_at: row.expires_at,
            updated_at: row.updated_at,
            payment,
        })
    }
}

impl OrderOperation {
    fn read(row: order_operations::Model, currency: Currency) -> Result<Self, StoreError> {
        let absent = |what: &str| StoreError::Corrupt(format!("operation {} without {what}", row.id));
        Ok(Self {
            id: read_id(&row.id)?,
            kind: read_kind(&row.kind)?,
            status: OperationStatus::read(&row.status)?,
            connection_id: read_id(row.connection_id.as_deref().ok_or_else(|| absent("connection"))?)?,
            number: row.number.ok_or_else(|| absent("number"))?,
            amount: Money::from_minor(row.amount_minor.ok_or_else(|| absent("amount"))?, currency),
            network_id: row.network_id,
            fault: row.fault,
            rule_revision: row.rule_revision,
            tries: row.tries.unwrap_or(0),
            check_at: row.check_at,
            created_at: row.created_at,
            updated_at: row.updated_at.unwrap_or(row.created_at),
        })
    }

    fn row(&self, merchant: MerchantId, payment: PaymentId) -> order_operations::Model {
        let fault = self.fault.as_ref();
        order_operations::Model {
            id: self.id.to_string(),
            merchant_id: merchant.to_string(),
            payment_id: payment.to_string(),
            kind: self.kind.as_str().to_owned(),
            status: self.status.as_str().to_owned(),
            reason: fault.and_then(|fault| fault.get("reason")?.as_str().map(str::to_owned)),
            rule_revision: self.rule_revision,
            decision: None,
            created_at: self.created_at,
            connection_id: Some(self.connection_id.to_string()),
            number: Some(self.number),
            amount_minor: Some(self.amount.minor()),
            network_id: self.network_id.as_deref().map(without_nul),
            fault: self.fault.as_ref().and_then(|fault| storable(fault).ok()),
            tries: Some(self.tries),
            check_at: self.check_at,
            updated_at: Some(self.updated_at),
        }
    }
}

/// PostgreSQL's texts cannot hold NUL, and a network may send anything.
fn storable(document: &Value) -> Result<Value, StoreError> {
    let text = bulk::storable_json(document.to_string());
    serde_json::from_str(&text).map_err(|error| StoreError::Corrupt(error.to_string()))
}

fn without_nul(text: &str) -> String {
    text.replace('\0', "")
}

const fn capture_text(capture: CaptureMode) -> &'static str {
    match capture {
        CaptureMode::Automatic => "automatic",
        CaptureMode::Manual => "manual",
    }
}

fn read_capture(text: &str) -> Result<CaptureMode, StoreError> {
    match text {
        "automatic" => Ok(CaptureMode::Automatic),
        "manual" => Ok(CaptureMode::Manual),
        other => Err(StoreError::Corrupt(format!("capture mode '{other}'"))),
    }
}

fn read_kind(text: &str) -> Result<StepKind, StoreError> {
    let found = StepKind::ALL.into_iter().find(|kind| kind.as_str() == text);
    found.ok_or_else(|| StoreError::Corrupt(format!("operation kind '{text}'")))
}
