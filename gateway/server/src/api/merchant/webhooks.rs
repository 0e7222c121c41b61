use actix_web::web::{Bytes, Data, Json, Path, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post};
use plugin_sdk::{DeliveryId, EndpointId};
use store::{Cursor, DeliveryFilter, EndpointStatus};

use super::{Caller, MerchantApi, read};
use crate::api::admin::webhooks::{DeliveryView, EndpointPatchBody, EndpointView, NewEndpointBody};
use crate::api::admin::{List, PageQuery, read_id};
use crate::api::problem::Problem;
use crate::tenancy::EndpointPatch;

pub fn configure(config: &mut ServiceConfig) {
    config
        .service(create_endpoint)
        .service(list_endpoints)
        .service(change_endpoint)
        .service(delete_endpoint)
        .service(rotate_secret)
        .service(list_deliveries)
        .service(resend_delivery);
}

/// Makes a webhook endpoint. The answer shows its secret, this once.
#[utoipa::path(operation_id = "create_own_endpoint", context_path = "/v1", tag = "webhooks",
    request_body = NewEndpointBody,
    responses((status = 201, body = EndpointView), (status = "4XX", body = Problem)))]
#[post("/webhook_endpoints")]
pub async fn create_endpoint(
    api: Data<MerchantApi>,
    request: HttpRequest,
    body: Bytes,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, "webhooks:write")?;
    let asked: NewEndpointBody = read(&body)?;
    let (endpoint, secret) = (api.onboarding)
        .create_endpoint(caller.tenant.merchant.id, asked.into())
        .await?;
    Ok(HttpResponse::Created().json(EndpointView::of(endpoint, Some(&secret))))
}

#[utoipa::path(operation_id = "list_own_endpoints", context_path = "/v1", tag = "webhooks",
    responses((status = 200, body = List<EndpointView>), (status = "4XX", body = Problem)))]
#[get("/webhook_endpoints")]
pub async fn list_endpoints(api: Data<MerchantApi>, request: HttpRequest) -> Result<Json<List<EndpointView>>, Problem> {
    let caller = Caller::of(&request, "webhooks:read")?;
    let endpoints = api.store.endpoints(caller.tenant.merchant.id).await?;
    let seen = endpoints.into_iter().map(|endpoint| EndpointView::of(endpoint, None));
    Ok(Json(List::whole(seen.collect())))
}

/// Changes an endpoint, pauses or resumes it.
#[utoipa::path(operation_id = "change_own_endpoint", context_path = "/v1", tag = "webhooks",
    request_body = EndpointPatchBody, params(("endpoint" = String, Path)),
    responses((status = 200, body = EndpointView), (status = "4XX", body = Problem)))]
#[patch("/webhook_endpoints/{endpoint}")]
pub async fn change_endpoint(
    api: Data<MerchantApi>,
    request: HttpRequest,
    path: Path<String>,
    body: Bytes,
) -> Result<Json<EndpointView>, Problem> {
    let caller = Caller::of(&request, "webhooks:write")?;
    let id: EndpointId = read_id(&path, "this endpoint")?;
    let asked: EndpointPatchBody = read(&body)?;
    let merchant = caller.tenant.merchant.id;
    let endpoint = api.onboarding.change_endpoint(merchant, id, asked.into()).await?;
    Ok(Json(EndpointView::of(endpoint, None)))
}

/// Deletes an endpoint and cancels what waits for it.
#[utoipa::path(operation_id = "delete_own_endpoint", context_path = "/v1", tag = "webhooks",
    params(("endpoint" = String, Path)),
    responses((status = 204), (status = "4XX", body = Problem)))]
#[delete("/webhook_endpoints/{endpoint}")]
pub async fn delete_endpoint(
    api: Data<MerchantApi>,
    request: HttpRequest,
    path: Path<String>,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, "webhooks:write")?;
    let id: EndpointId = read_id(&path, "this endpoint")?;
    let gone = EndpointPatch {
        status: Some(EndpointStatus::Deleted),
        ..EndpointPatch::default()
    };
    api.onboarding
        .change_endpoint(caller.tenant.merchant.id, id, gone)
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Gives the endpoint a new secret, shown this once. The old one signs too for a day.
#[utoipa::path(operation_id = "rotate_own_secret", context_path = "/v1", tag = "webhooks",
    params(("endpoint" = String, Path)),
    responses((status = 200, body = EndpointView), (status = "4XX", body = Problem)))]
#[post("/webhook_endpoints/{endpoint}/rotate_secret")]
pub async fn rotate_secret(
    api: Data<MerchantApi>,
    request: HttpRequest,
    path: Path<String>,
) -> Result<Json<EndpointView>, Problem> {
    let caller = Caller::of(&request, "webhooks:write")?;
    let id: EndpointId = read_id(&path, "this endpoint")?;
    let merchant = caller.tenant.merchant.id;
    let (endpoint, secret, _) = api.onboarding.rotate_secret(merchant, id, None).await?;
    Ok(Json(EndpointView::of(endpoint, Some(&secret))))
}

/// What was sent, or waits to be sent; newest first.
#[utoipa::path(operation_id = "list_own_deliveries", context_path = "/v1", tag = "webhooks", params(PageQuery),
    responses((status = 200, body = List<DeliveryView>), (status = "4XX", body = Problem)))]
#[get("/deliveries")]
pub async fn list_deliveries(
    api: Data<MerchantApi>,
    request: HttpRequest,
    query: Query<PageQuery>,
) -> Result<Json<List<DeliveryView>>, Problem> {
    let caller = Caller::of(&request, "webhooks:read")?;
    let cursor = Cursor::from(query.into_inner());
    let page = api
        .store
        .deliveries(caller.tenant.merchant.id, &DeliveryFilter::default(), &cursor)
        .await?;
    Ok(Json(List::of(page, DeliveryView::from)))
}

/// Sends a delivery once more.
#[utoipa::path(operation_id = "resend_own_delivery", context_path = "/v1", tag = "webhooks",
    params(("delivery" = String, Path)),
    responses((status = 202), (status = "4XX", body = Problem)))]
#[post("/deliveries/{delivery}/resend")]
pub async fn resend_delivery(
    api: Data<MerchantApi>,
    request: HttpRequest,
    path: Path<String>,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, "webhooks:write")?;
    let id: DeliveryId = read_id(&path, "this delivery")?;
    api.store
        .resend_delivery(caller.tenant.merchant.id, id, api.clock.now())
        .await?;
    api.new_deliveries.notify_one();
    Ok(HttpResponse::Accepted().finish())
}
