//! Connections, and what their networks tell of the merchant's account there.

use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Bytes, Data, Json, Path, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, get, post};
use chrono::{DateTime, Utc};
use plugin_sdk::Money;
use plugin_sdk::connector::{Direction, HistoryEntry, HistoryQuery};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::{Caller, MerchantApi, read};
use crate::api::admin::List;
use crate::api::problem::Problem;
use crate::payments::orders::RecipientRequest;

pub fn configure(config: &mut ServiceConfig) {
    config
        .service(list_connections)
        .service(get_balances)
        .service(get_history)
        .service(get_statistics)
        .service(get_receipt)
        .service(make_quote);
}

/// The merchant's connections and what they can do.
#[utoipa::path(context_path = "/v1", tag = "connections",
    responses((status = 200, body = Object), (status = "4XX", body = Problem)))]
#[get("/connections")]
pub async fn list_connections(request: HttpRequest) -> Result<Json<List<Value>>, Problem> {
    let caller = Caller::of(&request, "connections:read")?;
    let mut connections: Vec<_> = caller.tenant.connections.values().collect();
    connections.sort_by(|a, b| a.row.slug.cmp(&b.row.slug));
    let seen = connections.into_iter().map(|connection| {
        let capabilities = connection
            .outbound()
            .map_or(&[][..], |outbound| outbound.capabilities());
        json!({
            "name": connection.row.slug,
            "plugin": connection.row.plugin,
            "takes_payments": caller.tenant.takes_payments(connection),
            "capabilities": capabilities.iter().map(|known| known.as_str()).collect::<Vec<_>>(),
        })
    });
    Ok(Json(List::whole(seen.collect())))
}

#[utoipa::path(context_path = "/v1", tag = "accounts", params(("connection" = String, Path)),
    responses((status = 200, body = Object), (status = "4XX", body = Problem)))]
#[get("/connections/{connection}/balances")]
pub async fn get_balances(
    api: Data<MerchantApi>,
    request: HttpRequest,
    path: Path<String>,
) -> Result<Json<List<Value>>, Problem> {
    let caller = Caller::of(&request, "accounts:read")?;
    let balances = api.orders.balances(&caller.tenant, &path).await?;
    let seen = balances
        .into_iter()
        .map(|balance| json!({ "account": balance.account, "title": balance.title, "amount": balance.amount }));
    Ok(Json(List::whole(seen.collect())))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct HistoryParameters {
    /// 1 to 50, 20 by default.
    pub limit: Option<u16>,
    /// `in`, `out` or `card`.
    #[param(value_type = Option<String>)]
    pub direction: Option<Direction>,
    pub from: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
    pub cursor: Option<String>,
}

/// The network's own history of the account.
#[utoipa::path(context_path = "/v1", tag = "accounts", params(("connection" = String, Path), HistoryParameters),
    responses((status = 200, body = Object), (status = "4XX", body = Problem)))]
#[get("/connections/{connection}/history")]
pub async fn get_history(
    api: Data<MerchantApi>,
    request: HttpRequest,
    path: Path<String>,
    query: Query<HistoryParameters>,
) -> Result<Json<List<Value>>, Problem> {
    let caller = Caller::of(&request, "accounts:read")?;
    let query = query.into_inner();
    let asked = HistoryQuery {
        limit: query.limit.unwrap_or(20).clamp(1, 50),
        direction: query.direction,
        from: query.from,
        until: query.until,
        accounts: Vec::new(),
        cursor: query.cursor,
    };
    let page = api.orders.history(&caller.tenant, &path, &asked).await?;
    Ok(Json(List {
        data: page.entries.into_iter().map(entry).collect(),
        next: page.next,
    }))
}

fn entry(entry: HistoryEntry) -> Value {
    json!({
        "network_id": entry.network_id,
        "number": entry.number.map(|number| number.to_string()),
        "direction": entry.direction,
        "status": entry.state,
        "code": entry.code,
        "message": entry.message,
        "account": entry.account,
        "amount": entry.amount,
        "fee": entry.fee,
        "total": entry.total,
        "comment": entry.comment,
        "at": entry.at,
    })
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Span {
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

#[utoipa::path(context_path = "/v1", tag = "accounts", params(("connection" = String, Path), Span),
    responses((status = 200, body = Object), (status = "4XX", body = Problem)))]
#[get("/connections/{connection}/statistics")]
pub async fn get_statistics(
    api: Data<MerchantApi>,
    request: HttpRequest,
    path: Path<String>,
    span: Query<Span>,
) -> Result<Json<Value>, Problem> {
    let caller = Caller::of(&request, "accounts:read")?;
    let sums = api
        .orders
        .statistics(&caller.tenant, &path, span.from, span.until)
        .await?;
    Ok(Json(json!({ "incoming": sums.incoming, "outgoing": sums.outgoing })))
}

/// The network's own receipt of an entry of its history.
#[utoipa::path(context_path = "/v1", tag = "accounts",
    params(("connection" = String, Path), ("network_id" = String, Path)),
    responses((status = 200, description = "A document"), (status = "4XX", body = Problem)))]
#[get("/connections/{connection}/receipts/{network_id}")]
pub async fn get_receipt(
    api: Data<MerchantApi>,
    request: HttpRequest,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, "accounts:read")?;
    let document = api.orders.network_receipt(&caller.tenant, &path.0, &path.1).await?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, document.content_type))
        .body(document.bytes))
}

/// What a payout would cost.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuoteRequest {
    #[schema(value_type = Object)]
    pub amount: Money,
    pub recipient: RecipientRequest,
}

#[utoipa::path(context_path = "/v1", tag = "payouts", request_body = QuoteRequest, params(("connection" = String, Path)),
    responses((status = 200, body = Object), (status = "4XX", body = Problem)))]
#[post("/connections/{connection}/quotes")]
pub async fn make_quote(
    api: Data<MerchantApi>,
    request: HttpRequest,
    path: Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let caller = Caller::of(&request, "accounts:read")?;
    let asked: QuoteRequest = read(&body)?;
    let quote = api
        .orders
        .quote(&caller.tenant, &path, &asked.recipient, asked.amount)
        .await?;
    Ok(Json(
        json!({ "amount": quote.amount, "fee": quote.fee, "total": quote.total }),
    ))
}
