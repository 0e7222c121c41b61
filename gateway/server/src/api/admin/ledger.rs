use actix_web::get;
use actix_web::web::{Data, Json, Path, Query, ServiceConfig};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{
    Cursor, Event, Exchange, ExchangeFilter, Merchant, Operation, PaymentFilter, PaymentStatus, StoreError,
    StoredDecision,
};
use utoipa::{IntoParams, ToSchema};

use super::{Admin, List, PageQuery, read_filter, read_id, read_search};
use crate::api::problem::Problem;
use crate::events::payment_object;
use crate::payments::orders::view;

pub fn configure(config: &mut ServiceConfig) {
    config
        .service(list_payments)
        .service(get_payment)
        .service(list_events)
        .service(list_exchanges);
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct PaymentQuery {
    /// Slug of a connection.
    connection: Option<String>,
    /// `succeeded` or `declined`.
    status: Option<String>,
    /// Any identifier: ours, our number, the network's, or the account.
    search: Option<String>,
    created_from: Option<DateTime<Utc>>,
    created_until: Option<DateTime<Utc>>,
    cursor: Option<String>,
    limit: Option<u64>,
}

/// Payments, newest first.
#[utoipa::path(context_path = "/admin/v1", tag = "payments", params(("merchant" = String, Path), PaymentQuery),
    responses((status = 200, body = Object), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/payments")]
pub async fn list_payments(
    admin: Data<Admin>,
    path: Path<String>,
    query: Query<PaymentQuery>,
) -> Result<Json<List<Value>>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let query = query.into_inner();
    read_search("search", query.search.as_deref())?;
    let connection_id = match &query.connection {
        Some(slug) => Some(admin.onboarding.connection(merchant.id, slug).await?.id),
        None => None,
    };
    let filter = PaymentFilter {
        connection_id,
        status: read_filter("status", query.status.as_deref(), PaymentStatus::read)?,
        search: query.search,
        created_from: query.created_from,
        created_until: query.created_until,
    };
    let page = admin
        .store
        .payments(merchant.id, &filter, &Cursor::new(query.cursor, query.limit))
        .await?;
    Ok(Json(List::of(page, |payment| payment_object(&payment))))
}

#[derive(Debug, Serialize, ToSchema)]
pub struct PaymentDetail {
    #[schema(value_type = Object)]
    payment: Value,
    /// The same as the merchant's system sees it at `/v1/payments/{id}`, with what can be captured and given back; null for
    /// one that a network brought.
    #[schema(value_type = Option<Object>)]
    order: Option<Value>,
    operations: Vec<OperationView>,
    /// What the rules decided about it, in order, as far as it is stored; `why` leads to the explanation.
    decisions: Vec<DecisionLink>,
    events: Vec<EventView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct DecisionLink {
    id: String,
    /// `check` or `fee`.
    handler: String,
    revision: i32,
    outcome: String,
    reason: Option<String>,
    /// Path of the explanation: inputs, answers, and the lines that ran.
    why: String,
}

impl DecisionLink {
    fn of(merchant: &Merchant, decision: StoredDecision) -> Self {
        Self {
            why: format!("/admin/v1/merchants/{}/decisions/{}", merchant.slug, decision.id),
            id: decision.id.to_string(),
            handler: decision.handler,
            revision: decision.revision,
            outcome: decision.outcome,
            reason: decision.reason,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct OperationView {
    id: String,
    kind: String,
    status: String,
    reason: Option<String>,
    rule_revision: Option<i32>,
    /// What the rules answered, with steps, duration and log.
    #[schema(value_type = Option<Object>)]
    decision: Option<Value>,
    created_at: DateTime<Utc>,
}

impl From<Operation> for OperationView {
    fn from(operation: Operation) -> Self {
        Self {
            id: operation.id.to_string(),
            kind: operation.kind,
            status: operation.status,
            reason: operation.reason,
            rule_revision: operation.rule_revision,
            decision: operation.decision,
            created_at: operation.created_at,
        }
    }
}

/// One payment with its operations and events.
#[utoipa::path(context_path = "/admin/v1", tag = "payments",
    params(("merchant" = String, Path), ("payment" = String, Path)),
    responses((status = 200, body = PaymentDetail), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/payments/{payment}")]
pub async fn get_payment(admin: Data<Admin>, path: Path<(String, String)>) -> Result<Json<PaymentDetail>, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let id = read_id(&path.1, "this payment")?;
    let order = match admin.store.order(merchant.id, id).await {
        Ok(state) => Some(view::payment(&state, &*admin.tenant(&merchant.slug).await?)),
        Err(StoreError::NotFound(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let payment = admin.store.payment(merchant.id, id).await?;
    let operations = admin.store.operations(merchant.id, id).await?;
    let decisions = admin.rulebook.decisions_of(merchant.id, id).await?.into_iter();
    let events = admin.store.events_of_payment(merchant.id, id).await?;
    Ok(Json(PaymentDetail {
        payment: payment_object(&payment),
        order,
        operations: operations.into_iter().map(Into::into).collect(),
        decisions: decisions
            .map(|decision| DecisionLink::of(&merchant, decision))
            .collect(),
        events: events.into_iter().map(Into::into).collect(),
    }))
}

#[derive(Debug, Serialize, ToSchema)]
pub struct EventView {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    payment_id: Option<String>,
    #[schema(value_type = Object)]
    data: Value,
    created_at: DateTime<Utc>,
}

impl From<Event> for EventView {
    fn from(event: Event) -> Self {
        Self {
            id: event.id.to_string(),
            kind: event.event_type,
            payment_id: event.payment_id.map(|id| id.to_string()),
            data: event.payload,
            created_at: event.created_at,
        }
    }
}

/// Events, newest first.
#[utoipa::path(context_path = "/admin/v1", tag = "webhooks", params(("merchant" = String, Path), PageQuery),
    responses((status = 200, body = List<EventView>), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/events")]
pub async fn list_events(
    admin: Data<Admin>,
    path: Path<String>,
    query: Query<PageQuery>,
) -> Result<Json<List<EventView>>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let page = admin.store.events(merchant.id, &query.into_inner().into()).await?;
    Ok(Json(List::of(page, EventView::from)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ExchangeQuery {
    payment_id: Option<String>,
    /// Slug of a connection.
    connection: Option<String>,
    cursor: Option<String>,
    limit: Option<u64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ExchangeView {
    id: String,
    request_id: String,
    connection_id: Option<String>,
    payment_id: Option<String>,
    direction: String,
    peer: String,
    method: String,
    url: String,
    #[schema(value_type = Object)]
    request_headers: Value,
    request_body: String,
    status: i32,
    response_body: String,
    duration_us: i64,
    created_at: DateTime<Utc>,
}

impl From<Exchange> for ExchangeView {
    fn from(exchange: Exchange) -> Self {
        Self {
            id: exchange.id.to_string(),
            request_id: exchange.request_id,
            connection_id: exchange.connection_id,
            payment_id: exchange.payment_id,
            direction: exchange.direction,
            peer: exchange.peer,
            method: exchange.method,
            url: exchange.url,
            request_headers: exchange.request_headers,
            request_body: exchange.request_body,
            status: exchange.status,
            response_body: exchange.response_body,
            duration_us: exchange.duration_us,
            created_at: exchange.created_at,
        }
    }
}

/// The wire log, newest first, masked.
#[utoipa::path(context_path = "/admin/v1", tag = "payments", params(("merchant" = String, Path), ExchangeQuery),
    responses((status = 200, body = List<ExchangeView>), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/exchanges")]
pub async fn list_exchanges(
    admin: Data<Admin>,
    path: Path<String>,
    query: Query<ExchangeQuery>,
) -> Result<Json<List<ExchangeView>>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let query = query.into_inner();
    let connection_id = match &query.connection {
        Some(slug) => Some(admin.onboarding.connection(merchant.id, slug).await?.id),
        None => None,
    };
    let payment_id = query.payment_id.map(|id| read_id(&id, "this payment")).transpose()?;
    let filter = ExchangeFilter {
        payment_id,
        connection_id,
    };
    let page = admin
        .store
        .exchanges(merchant.id, &filter, &Cursor::new(query.cursor, query.limit))
        .await?;
    Ok(Json(List::of(page, ExchangeView::from)))
}
