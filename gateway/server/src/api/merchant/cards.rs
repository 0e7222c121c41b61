//! Virtual cards of a wallet.

use actix_web::web::{Bytes, Data, Json, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, get, patch, post};
use plugin_sdk::connector::VirtualCard;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{Caller, MerchantApi, read, request_key};
use crate::api::admin::List;
use crate::api::problem::Problem;

pub fn configure(config: &mut ServiceConfig) {
    config
        .service(list_cards)
        .service(issue_card)
        .service(get_requisites)
        .service(change_card);
}

fn view(card: VirtualCard) -> Value {
    json!({
        "id": card.id,
        "alias": card.alias,
        "masked_pan": card.masked_pan,
        "status": card.status,
        "active": card.is_active,
        "currency": card.currency.map(|currency| currency.code()),
        "expires_at": card.expires_at,
    })
}

#[utoipa::path(context_path = "/v1", tag = "cards", params(("connection" = String, Path)),
    responses((status = 200, body = Object), (status = "4XX", body = Problem)))]
#[get("/connections/{connection}/cards")]
pub async fn list_cards(
    api: Data<MerchantApi>,
    request: HttpRequest,
    path: Path<String>,
) -> Result<Json<List<Value>>, Problem> {
    let caller = Caller::of(&request, "cards:read")?;
    let cards = api.orders.cards(&caller.tenant, &path).await?;
    Ok(Json(List::whole(cards.into_iter().map(view).collect())))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCardRequest {
    /// The network's name of the product.
    #[schema(example = "qvc-cpa")]
    pub product: String,
    pub alias: Option<String>,
}

/// Orders, confirms and buys a card.
#[utoipa::path(context_path = "/v1", tag = "cards", request_body = NewCardRequest,
    params(("connection" = String, Path), ("Idempotency-Key" = String, Header)),
    responses((status = 201, body = Object), (status = "4XX", body = Problem)))]
#[post("/connections/{connection}/cards")]
pub async fn issue_card(
    api: Data<MerchantApi>,
    request: HttpRequest,
    path: Path<String>,
    body: Bytes,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, "cards:write")?;
    let key = request_key(&request, &body)?;
    let asked: NewCardRequest = read(&body)?;
    let connection = path.into_inner();
    super::to_the_end(caller.at_work(), async move {
        let orders = &api.orders;
        orders
            .once(&caller.tenant, &key, async || {
                let card = orders
                    .issue_card(&caller.tenant, &connection, asked.product, asked.alias)
                    .await?;
                Ok((201, view(card)))
            })
            .await
    })
    .await
}

/// Number and code of a card, for its holder. Shown to who asks, and kept nowhere.
#[utoipa::path(context_path = "/v1", tag = "cards", params(("connection" = String, Path), ("card" = String, Path)),
    responses((status = 200, body = Object), (status = "4XX", body = Problem)))]
#[post("/connections/{connection}/cards/{card}/requisites")]
pub async fn get_requisites(
    api: Data<MerchantApi>,
    request: HttpRequest,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, "cards:write")?;
    let requisites = api.orders.card_requisites(&caller.tenant, &path.0, &path.1).await?;
    Ok(HttpResponse::Ok()
        .insert_header(("cache-control", "no-store"))
        .json(json!({
            "pan": requisites.pan.expose(),
            "cvv": requisites.cvv.expose(),
            "expiry_month": requisites.expiry_month,
            "expiry_year": requisites.expiry_year,
        })))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CardChange {
    pub blocked: Option<bool>,
    pub alias: Option<String>,
}

/// Blocks, unblocks or renames a card.
#[utoipa::path(context_path = "/v1", tag = "cards", request_body = CardChange,
    params(("connection" = String, Path), ("card" = String, Path)),
    responses((status = 204), (status = "4XX", body = Problem)))]
#[patch("/connections/{connection}/cards/{card}")]
pub async fn change_card(
    api: Data<MerchantApi>,
    request: HttpRequest,
    path: Path<(String, String)>,
    body: Bytes,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, "cards:write")?;
    let asked: CardChange = read(&body)?;
    let (connection, card) = path.into_inner();
    if let Some(blocked) = asked.blocked {
        api.orders
            .set_card_blocked(&caller.tenant, &connection, &card, blocked)
            .await?;
    }
    if let Some(alias) = &asked.alias {
        api.orders
            .rename_card(&caller.tenant, &connection, &card, alias)
            .await?;
    }
    Ok(HttpResponse::NoContent().finish())
}
