use actix_web::web::{Data, Json, Path, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, delete, get};
use chrono::{DateTime, Utc};
use plugin_sdk::TokenId;
use serde::{Deserialize, Serialize};
use store::{Cursor, PaymentToken};
use utoipa::{IntoParams, ToSchema};

use super::{Caller, MerchantApi};
use crate::api::admin::{List, read_id};
use crate::api::problem::Problem;

pub fn configure(config: &mut ServiceConfig) {
    config.service(list_tokens).service(delete_token);
}

/// A stored instrument of a customer.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenView {
    #[schema(example = "tok_01JB2M7K3V4Q5R6S7T8V9WAXBY")]
    id: String,
    customer: Option<String>,
    masked_pan: Option<String>,
    /// The payment that it was issued with.
    payment: Option<String>,
    expires_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

impl TokenView {
    fn of(token: PaymentToken) -> Self {
        Self {
            id: token.id.to_string(),
            customer: token.customer,
            masked_pan: token.masked_pan,
            payment: token.payment_id.map(|id| id.to_string()),
            expires_at: token.expires_at,
            created_at: token.created_at,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct TokensQuery {
    pub customer: Option<String>,
    pub cursor: Option<String>,
    pub limit: Option<u64>,
}

/// Stored instruments, newest first.
#[utoipa::path(context_path = "/v1", tag = "payment tokens", params(TokensQuery),
    responses((status = 200, body = List<TokenView>), (status = "4XX", body = Problem)))]
#[get("/payment_tokens")]
pub async fn list_tokens(
    api: Data<MerchantApi>,
    request: HttpRequest,
    query: Query<TokensQuery>,
) -> Result<Json<List<TokenView>>, Problem> {
    let caller = Caller::of(&request, "tokens:read")?;
    let cursor = Cursor::new(query.cursor.clone(), query.limit);
    let merchant = caller.tenant.merchant.id;
    let page = api
        .store
        .payment_tokens(merchant, query.customer.as_deref(), &cursor)
        .await?;
    Ok(Json(List::of(page, TokenView::of)))
}

/// Deletes an instrument, at its network first.
#[utoipa::path(context_path = "/v1", tag = "payment tokens", params(("token" = String, Path)),
    responses((status = 204), (status = "4XX", body = Problem)))]
#[delete("/payment_tokens/{token}")]
pub async fn delete_token(
    api: Data<MerchantApi>,
    request: HttpRequest,
    path: Path<String>,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, "tokens:write")?;
    let id: TokenId = read_id(&path, "this payment token")?;
    api.orders.delete_token(&caller.tenant, id).await?;
    Ok(HttpResponse::NoContent().finish())
}
