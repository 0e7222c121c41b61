use actix_web::web::{Data, Json, Query, ServiceConfig};
use actix_web::{HttpRequest, get};
use serde_json::{Value, json};
use store::Cursor;

use super::{Caller, MerchantApi};
use crate::api::admin::{List, PageQuery};
use crate::api::problem::Problem;

pub fn configure(config: &mut ServiceConfig) {
    config.service(list_events);
}

/// Facts that happened, newest first: what webhooks told, for who missed it.
#[utoipa::path(context_path = "/v1", tag = "events", params(PageQuery),
    responses((status = 200, body = Object), (status = "4XX", body = Problem)))]
#[get("/events")]
pub async fn list_events(
    api: Data<MerchantApi>,
    request: HttpRequest,
    query: Query<PageQuery>,
) -> Result<Json<List<Value>>, Problem> {
    let caller = Caller::of(&request, "events:read")?;
    let page = api
        .store
        .events(caller.tenant.merchant.id, &Cursor::from(query.into_inner()))
        .await?;
    Ok(Json(List::of(page, |event| {
        json!({ "id": event.id, "type": event.event_type, "payment": event.payment_id, "data": event.payload,
            "created_at": event.created_at })
    })))
}
