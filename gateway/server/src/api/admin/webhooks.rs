use actix_web::web::{Data, Json, Path, Query, ServiceConfig};
use actix_web::{HttpResponse, delete, get, patch, post};
use chrono::{DateTime, Duration, Utc};
use plugin_sdk::EventId;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{
    Delivery, DeliveryAttempt, DeliveryFilter, DeliveryStatus, Endpoint, EndpointFormat, EndpointStatus, NewDelivery,
    NewEvent, RetrySchedule,
};
use utoipa::{IntoParams, ToSchema};

use super::{Admin, List, now, read_filter, read_id};
use crate::api::problem::Problem;
use crate::events;
use crate::tenancy::{EndpointDraft, EndpointPatch};

/// Longest time that an old secret may sign beside a new one, in seconds (30 days).
const OVERLAP_S_MAX: u32 = 2_592_000;

pub fn configure(config: &mut ServiceConfig) {
    config
        .service(create_endpoint)
        .service(list_endpoints)
        .service(get_endpoint)
        .service(change_endpoint)
        .service(delete_endpoint)
        .service(rotate_secret)
        .service(test_endpoint)
        .service(resend_since)
        .service(list_deliveries)
        .service(list_attempts)
        .service(resend_delivery);
}

#[derive(Serialize, ToSchema)]
pub struct EndpointView {
    id: String,
    url: String,
    #[schema(value_type = String, example = "standard")]
    format: EndpointFormat,
    time_zone: String,
    /// Empty means all types.
    event_types: Vec<String>,
    #[schema(value_type = String, example = "active")]
    status: EndpointStatus,
    max_in_flight: u32,
    #[schema(value_type = Object)]
    retry_schedule: RetrySchedule,
    /// Until when the old secret signs too.
    previous_secret_until: Option<DateTime<Utc>>,
    /// Shown once: when the endpoint is made, or its secret rotated.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl EndpointView {
    #[must_use]
    pub fn of(endpoint: Endpoint, secret: Option<&SecretString>) -> Self {
        Self {
            id: endpoint.id.to_string(),
            url: endpoint.url,
            format: endpoint.format,
            time_zone: endpoint.time_zone,
            event_types: endpoint.event_types,
            status: endpoint.status,
            max_in_flight: endpoint.max_in_flight,
            retry_schedule: endpoint.retry_schedule,
            previous_secret_until: endpoint.previous_secret.map(|(_, until)| until),
            secret: secret.map(|secret| secret.expose_secret().to_owned()),
            created_at: endpoint.created_at,
            updated_at: endpoint.updated_at,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEndpointBody {
    #[schema(example = "https://merchant.example/webhooks")]
    url: String,
    /// `standard` (Standard Webhooks, signed) or `container` (the body of the seed container, unsigned).
    #[serde(default = "standard")]
    #[schema(value_type = String, example = "standard")]
    format: EndpointFormat,
    /// IANA zone of the moments in the container's body; UTC by default.
    time_zone: Option<String>,
    /// `whsec_` and base64 of 24 to 64 bytes; generated when absent.
    #[schema(value_type = Option<String>, format = Password)]
    secret: Option<SecretString>,
    /// Empty means all types.
    #[serde(default)]
    event_types: Vec<String>,
    /// Deliveries on their way at once: 1 to 64, 8 by default.
    max_in_flight: Option<u32>,
    #[schema(value_type = Option<Object>)]
    retry_schedule: Option<RetrySchedule>,
}

impl From<NewEndpointBody> for EndpointDraft {
    fn from(body: NewEndpointBody) -> Self {
        Self {
            url: body.url,
            format: body.format,
            time_zone: body.time_zone,
            secret: body.secret,
            event_types: body.event_types,
            max_in_flight: body.max_in_flight,
            retry_schedule: body.retry_schedule,
        }
    }
}

impl From<EndpointPatchBody> for EndpointPatch {
    fn from(body: EndpointPatchBody) -> Self {
        Self {
            url: body.url,
            time_zone: body.time_zone,
            event_types: body.event_types,
            status: body.status.map(Into::into),
            max_in_flight: body.max_in_flight,
            retry_schedule: body.retry_schedule,
        }
    }
}

fn standard() -> EndpointFormat {
    EndpointFormat::Standard
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointPatchBody {
    url: Option<String>,
    /// IANA zone of the moments in the container's body.
    time_zone: Option<String>,
    event_types: Option<Vec<String>>,
    /// `active` or `paused`. What waits for a paused endpoint keeps waiting.
    status: Option<EndpointStatusView>,
    max_in_flight: Option<u32>,
    #[schema(value_type = Option<Object>)]
    retry_schedule: Option<RetrySchedule>,
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndpointStatusView {
    Active,
    Paused,
}

impl From<EndpointStatusView> for EndpointStatus {
    fn from(view: EndpointStatusView) -> Self {
        match view {
            EndpointStatusView::Active => Self::Active,
            EndpointStatusView::Paused => Self::Paused,
        }
    }
}

/// Makes an endpoint. The answer shows its secret, this once.
#[utoipa::path(context_path = "/admin/v1", tag = "webhooks", params(("merchant" = String, Path)),
    request_body = NewEndpointBody,
    responses((status = 201, body = EndpointView), (status = "4XX", body = Problem)))]
#[post("/merchants/{merchant}/webhook-endpoints")]
pub async fn create_endpoint(
    admin: Data<Admin>,
    path: Path<String>,
    body: Json<NewEndpointBody>,
) -> Result<HttpResponse, Problem> {
    let merchant = admin.merchant(&path).await?;
    let draft = body.into_inner().into();
    let (endpoint, secret) = admin.onboarding.create_endpoint(merchant.id, draft).await?;
    Ok(HttpResponse::Created().json(EndpointView::of(endpoint, Some(&secret))))
}

#[utoipa::path(context_path = "/admin/v1", tag = "webhooks", params(("merchant" = String, Path)),
    responses((status = 200, body = List<EndpointView>), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/webhook-endpoints")]
pub async fn list_endpoints(admin: Data<Admin>, path: Path<String>) -> Result<Json<List<EndpointView>>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let endpoints = admin.store.endpoints(merchant.id).await?;
    Ok(Json(List::whole(
        endpoints
            .into_iter()
            .map(|endpoint| EndpointView::of(endpoint, None))
            .collect(),
    )))
}

#[utoipa::path(context_path = "/admin/v1", tag = "webhooks",
    params(("merchant" = String, Path), ("endpoint" = String, Path)),
    responses((status = 200, body = EndpointView), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/webhook-endpoints/{endpoint}")]
pub async fn get_endpoint(admin: Data<Admin>, path: Path<(String, String)>) -> Result<Json<EndpointView>, Problem> {
    Ok(Json(EndpointView::of(endpoint(&admin, &path).await?, None)))
}

#[utoipa::path(context_path = "/admin/v1", tag = "webhooks",
    params(("merchant" = String, Path), ("endpoint" = String, Path)), request_body = EndpointPatchBody,
    responses((status = 200, body = EndpointView), (status = "4XX", body = Problem)))]
#[patch("/merchants/{merchant}/webhook-endpoints/{endpoint}")]
pub async fn change_endpoint(
    admin: Data<Admin>,
    path: Path<(String, String)>,
    body: Json<EndpointPatchBody>,
) -> Result<Json<EndpointView>, Problem> {
    let endpoint = endpoint(&admin, &path).await?;
    let patch = body.into_inner().into();
    let endpoint = admin
        .onboarding
        .change_endpoint(endpoint.merchant_id, endpoint.id, patch)
        .await?;
    admin.new_deliveries.notify_one();
    Ok(Json(EndpointView::of(endpoint, None)))
}

/// Deletes an endpoint and cancels what waits for it.
#[utoipa::path(context_path = "/admin/v1", tag = "webhooks",
    params(("merchant" = String, Path), ("endpoint" = String, Path)),
    responses((status = 204), (status = "4XX", body = Problem)))]
#[delete("/merchants/{merchant}/webhook-endpoints/{endpoint}")]
pub async fn delete_endpoint(admin: Data<Admin>, path: Path<(String, String)>) -> Result<HttpResponse, Problem> {
    let endpoint = endpoint(&admin, &path).await?;
    let patch = EndpointPatch {
        status: Some(EndpointStatus::Deleted),
        ..EndpointPatch::default()
    };
    admin
        .onboarding
        .change_endpoint(endpoint.merchant_id, endpoint.id, patch)
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateBody {
    /// How long the old secret signs beside the new one, in seconds; a day by default.
    overlap_s: Option<u32>,
}

/// Gives the endpoint a new secret, shown this once. The old one signs too for a while.
#[utoipa::path(context_path = "/admin/v1", tag = "webhooks",
    params(("merchant" = String, Path), ("endpoint" = String, Path)), request_body = RotateBody,
    responses((status = 200, body = EndpointView), (status = "4XX", body = Problem)))]
#[post("/merchants/{merchant}/webhook-endpoints/{endpoint}/rotate-secret")]
pub async fn rotate_secret(
    admin: Data<Admin>,
    path: Path<(String, String)>,
    body: Json<RotateBody>,
) -> Result<Json<EndpointView>, Problem> {
    let endpoint = endpoint(&admin, &path).await?;
    if body.overlap_s.is_some_and(|overlap| overlap > OVERLAP_S_MAX) {
        return Err(Problem::invalid(
            "overlap_s",
            format!("overlap_s: is at most {OVERLAP_S_MAX}"),
        ));
    }
    let overlap = body.overlap_s.map(|seconds| Duration::seconds(i64::from(seconds)));
    let (endpoint, secret, _) = admin
        .onboarding
        .rotate_secret(endpoint.merchant_id, endpoint.id, overlap)
        .await?;
    Ok(Json(EndpointView::of(endpoint, Some(&secret))))
}

/// Sends the endpoint an `endpoint.test` event.
#[utoipa::path(context_path = "/admin/v1", tag = "webhooks",
    params(("merchant" = String, Path), ("endpoint" = String, Path)),
    responses((status = 202), (status = "4XX", body = Problem)))]
#[post("/merchants/{merchant}/webhook-endpoints/{endpoint}/test")]
pub async fn test_endpoint(admin: Data<Admin>, path: Path<(String, String)>) -> Result<HttpResponse, Problem> {
    let endpoint = endpoint(&admin, &path).await?;
    let event = NewEvent {
        id: EventId::generate(),
        merchant_id: endpoint.merchant_id,
        event_type: events::ENDPOINT_TEST,
        payment_id: None,
        payload: json!({ "endpoint_id": endpoint.id, "message": "A test, sent by hand." }),
        created_at: now(&admin),
        deliveries: vec![NewDelivery {
            endpoint_id: endpoint.id,
        }],
    };
    let id = event.id;
    admin.store.create_event(event).await?;
    admin.new_deliveries.notify_one();
    Ok(HttpResponse::Accepted().json(json!({ "event_id": id })))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResendBody {
    since: DateTime<Utc>,
}

/// Sends everything that happened since a moment once more, also what the endpoint was never sent.
#[utoipa::path(context_path = "/admin/v1", tag = "webhooks",
    params(("merchant" = String, Path), ("endpoint" = String, Path)), request_body = ResendBody,
    responses((status = 202), (status = "4XX", body = Problem)))]
#[post("/merchants/{merchant}/webhook-endpoints/{endpoint}/resend")]
pub async fn resend_since(
    admin: Data<Admin>,
    path: Path<(String, String)>,
    body: Json<ResendBody>,
) -> Result<HttpResponse, Problem> {
    let endpoint = endpoint(&admin, &path).await?;
    let due = admin.store.resend_since(&endpoint, body.since, now(&admin)).await?;
    admin.new_deliveries.notify_one();
    Ok(HttpResponse::Accepted().json(json!({ "deliveries": due })))
}

#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryView {
    id: String,
    endpoint_id: String,
    event_id: String,
    payment_id: Option<String>,
    /// `pending`, `delivered` or `cancelled`.
    status: &'static str,
    attempts: i32,
    due_at: DateTime<Utc>,
    delivered_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

impl From<Delivery> for DeliveryView {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.id.to_string(),
            endpoint_id: delivery.endpoint_id.to_string(),
            event_id: delivery.event_id.to_string(),
            payment_id: delivery.payment_id.map(|id| id.to_string()),
            status: delivery.status.as_str(),
            attempts: delivery.attempts,
            due_at: delivery.due_at,
            delivered_at: delivery.delivered_at,
            created_at: delivery.created_at,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct DeliveryQuery {
    endpoint_id: Option<String>,
    payment_id: Option<String>,
    /// `pending`, `delivered` or `cancelled`.
    status: Option<String>,
    cursor: Option<String>,
    limit: Option<u64>,
}

/// Deliveries, newest first.
#[utoipa::path(context_path = "/admin/v1", tag = "webhooks", params(("merchant" = String, Path), DeliveryQuery),
    responses((status = 200, body = List<DeliveryView>), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/deliveries")]
pub async fn list_deliveries(
    admin: Data<Admin>,
    path: Path<String>,
    query: Query<DeliveryQuery>,
) -> Result<Json<List<DeliveryView>>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let query = query.into_inner();
    let endpoint = query.endpoint_id.map(|id| read_id(&id, "this webhook endpoint"));
    let payment = query.payment_id.map(|id| read_id(&id, "this payment"));
    let filter = DeliveryFilter {
        endpoint_id: endpoint.transpose()?,
        payment_id: payment.transpose()?,
        status: read_filter("status", query.status.as_deref(), DeliveryStatus::read)?,
    };
    let cursor = store::Cursor::new(query.cursor, query.limit);
    let page = admin.store.deliveries(merchant.id, &filter, &cursor).await?;
    Ok(Json(List::of(page, DeliveryView::from)))
}

#[derive(Debug, Serialize, ToSchema)]
pub struct AttemptView {
    number: i32,
    /// HTTP status; null when no answer came.
    status: Option<i32>,
    error: Option<String>,
    /// The first KiB of the answer.
    answer: String,
    duration_ms: i64,
    created_at: DateTime<Utc>,
}

impl From<DeliveryAttempt> for AttemptView {
    fn from(attempt: DeliveryAttempt) -> Self {
        Self {
            number: attempt.number,
            status: attempt.status,
            error: attempt.error,
            answer: attempt.answer,
            duration_ms: attempt.duration_ms,
            created_at: attempt.at,
        }
    }
}

/// Every attempt of a delivery, oldest first.
#[utoipa::path(context_path = "/admin/v1", tag = "webhooks",
    params(("merchant" = String, Path), ("delivery" = String, Path)),
    responses((status = 200, body = List<AttemptView>), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/deliveries/{delivery}/attempts")]
pub async fn list_attempts(
    admin: Data<Admin>,
    path: Path<(String, String)>,
) -> Result<Json<List<AttemptView>>, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let attempts = admin
        .store
        .delivery_attempts(merchant.id, read_id(&path.1, "this delivery")?)
        .await?;
    Ok(Json(List::whole(attempts.into_iter().map(Into::into).collect())))
}

/// Sends a delivery once more, whether it arrived or still waits.
#[utoipa::path(context_path = "/admin/v1", tag = "webhooks",
    params(("merchant" = String, Path), ("delivery" = String, Path)),
    responses((status = 202), (status = "4XX", body = Problem)))]
#[post("/merchants/{merchant}/deliveries/{delivery}/resend")]
pub async fn resend_delivery(admin: Data<Admin>, path: Path<(String, String)>) -> Result<HttpResponse, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    admin
        .store
        .resend_delivery(merchant.id, read_id(&path.1, "this delivery")?, now(&admin))
        .await?;
    admin.new_deliveries.notify_one();
    Ok(HttpResponse::Accepted().json(json!({})))
}

async fn endpoint(admin: &Admin, path: &(String, String)) -> Result<Endpoint, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    Ok(admin
        .store
        .endpoint(merchant.id, read_id(&path.1, "this webhook endpoint")?)
        .await?)
}
