use actix_web::web::{Bytes, Data, Json, Path, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, get, post};
use chrono::{DateTime, Utc};
use plugin_sdk::PaymentId;
use serde::Deserialize;
use serde_json::{Value, json};
use store::{Cursor, Payment, PaymentFilter, PaymentStatus, StoreError};
use utoipa::{IntoParams, ToSchema};

use super::{Caller, MerchantApi, read, request_key, to_the_end};
use crate::api::admin::{List, read_filter, read_id};
use crate::api::problem::Problem;
use crate::events;
use crate::payments::orders::{CaptureRequest, NewPaymentRequest, ReturnRequest, view};
use crate::tenancy::BoundTenant;

pub fn configure(config: &mut ServiceConfig) {
    config
        .service(create_payment)
        .service(list_payments)
        .service(get_payment)
        .service(capture_payment)
        .service(reverse_payment)
        .service(refund_payment)
        .service(list_refunds)
        .service(finish_payment)
        .service(refresh_payment);
}

/// Makes a payment. What the network said of it is in the answer: `declined` is an answer, not an error.
#[utoipa::path(context_path = "/v1", tag = "payments", request_body = NewPaymentRequest,
    params(("Idempotency-Key" = String, Header)),
    responses((status = 201, body = Object), (status = "4XX", body = Problem)))]
#[post("/payments")]
pub async fn create_payment(
    api: Data<MerchantApi>,
    request: HttpRequest,
    body: Bytes,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, "payments:write")?;
    let key = request_key(&request, &body)?;
    let asked: NewPaymentRequest = read(&body)?;
    to_the_end(caller.at_work(), async move {
        api.orders.create_payment(&caller.tenant, &asked, Some(&key)).await
    })
    .await
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct PaymentsQuery {
    pub cursor: Option<String>,
    /// 1 to 200, 50 by default.
    pub limit: Option<u64>,
    #[param(example = "succeeded")]
    pub status: Option<String>,
    /// Name of a connection.
    pub connection: Option<String>,
    /// Any identifier: ours, your order, the network's, a terminal's number, the account.
    pub search: Option<String>,
    pub created_from: Option<DateTime<Utc>>,
    pub created_until: Option<DateTime<Utc>>,
}

impl PaymentsQuery {
    pub fn filter(&self, tenant: &BoundTenant) -> Result<PaymentFilter, Problem> {
        let connection_id = match &self.connection {
            None => None,
            Some(name) => {
                let connection = tenant.connections.get(name);
                Some(
                    connection
                        .ok_or_else(|| Problem::invalid("connection", format!("there is no '{name}'")))?
                        .row
                        .id,
                )
            }
        };
        Ok(PaymentFilter {
            connection_id,
            status: read_filter("status", self.status.as_deref(), PaymentStatus::read)?,
            search: self.search.clone(),
            created_from: self.created_from,
            created_until: self.created_until,
        })
    }
}

/// Payments of all channels, terminals' included; newest first.
#[utoipa::path(context_path = "/v1", tag = "payments", params(PaymentsQuery),
    responses((status = 200, body = Object), (status = "4XX", body = Problem)))]
#[get("/payments")]
pub async fn list_payments(
    api: Data<MerchantApi>,
    request: HttpRequest,
    query: Query<PaymentsQuery>,
) -> Result<Json<List<Value>>, Problem> {
    let caller = Caller::of(&request, "payments:read")?;
    let merchant = caller.tenant.merchant.id;
    let cursor = Cursor::new(query.cursor.clone(), query.limit);
    let page = api
        .store
        .payments(merchant, &query.filter(&caller.tenant)?, &cursor)
        .await?;
    let seen = api.store.orders_of(merchant, page.items).await?;
    let data = seen.into_iter().map(|(payment, order)| match order {
        Some(order) => view::summary(&order, Some(&caller.tenant)),
        None => terminal_payment(&payment),
    });
    Ok(Json(List {
        data: data.collect(),
        next: page.next,
    }))
}

/// A payment that came by a network which calls us: the money was taken there already.
fn terminal_payment(payment: &Payment) -> Value {
    let mut seen = events::payment_object(payment);
    if let Value::Object(seen) = &mut seen {
        seen.insert("object".to_owned(), json!("payment"));
    }
    seen
}

#[utoipa::path(context_path = "/v1", tag = "payments", params(("payment" = String, Path)),
    responses((status = 200, body = Object), (status = "4XX", body = Problem)))]
#[get("/payments/{payment}")]
pub async fn get_payment(
    api: Data<MerchantApi>,
    request: HttpRequest,
    path: Path<String>,
) -> Result<Json<Value>, Problem> {
    let caller = Caller::of(&request, "payments:read")?;
    let id: PaymentId = read_id(&path, "this payment")?;
    match api.store.order(caller.tenant.merchant.id, id).await {
        Ok(state) => Ok(Json(view::payment(&state, &caller.tenant))),
        Err(StoreError::NotFound(_)) => {
            let payment = api.store.payment(caller.tenant.merchant.id, id).await?;
            Ok(Json(terminal_payment(&payment)))
        }
        Err(error) => Err(error.into()),
    }
}

/// Takes held money, all of it or a part. The answer is the payment.
#[utoipa::path(context_path = "/v1", tag = "payments", request_body = CaptureRequest,
    params(("payment" = String, Path), ("Idempotency-Key" = String, Header)),
    responses((status = 200, body = Object), (status = "4XX", body = Problem)))]
#[post("/payments/{payment}/capture")]
pub async fn capture_payment(
    api: Data<MerchantApi>,
    request: HttpRequest,
    path: Path<String>,
    body: Bytes,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, "payments:write")?;
    let id: PaymentId = read_id(&path, "this payment")?;
    let key = request_key(&request, &body)?;
    let asked: CaptureRequest = read(&body)?;
    to_the_end(caller.at_work(), async move {
        api.orders.capture(&caller.tenant, id, &asked, Some(&key)).await
    })
    .await
}

/// Releases held money, all of it or a part. The answer is the payment.
#[utoipa::path(context_path = "/v1", tag = "payments", request_body = ReturnRequest,
    params(("payment" = String, Path), ("Idempotency-Key" = String, Header)),
    responses((status = 200, body = Object), (status = "4XX", body = Problem)))]
#[post("/payments/{payment}/reverse")]
pub async fn reverse_payment(
    api: Data<MerchantApi>,
    request: HttpRequest,
    path: Path<String>,
    body: Bytes,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, "payments:write")?;
    let id: PaymentId = read_id(&path, "this payment")?;
    let key = request_key(&request, &body)?;
    let asked: ReturnRequest = read(&body)?;
    to_the_end(caller.at_work(), async move {
        api.orders.reverse(&caller.tenant, id, &asked, Some(&key)).await
    })
    .await
}

/// Gives captured money back, all of it or a part. The answer is the payment with its refunds among its operations.
#[utoipa::path(context_path = "/v1", tag = "refunds", request_body = ReturnRequest,
    params(("payment" = String, Path), ("Idempotency-Key" = String, Header)),
    responses((status = 201, body = Object), (status = "4XX", body = Problem)))]
#[post("/payments/{payment}/refunds")]
pub async fn refund_payment(
    api: Data<MerchantApi>,
    request: HttpRequest,
    path: Path<String>,
    body: Bytes,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, "refunds:write")?;
    let id: PaymentId = read_id(&path, "this payment")?;
    let key = request_key(&request, &body)?;
    let asked: ReturnRequest = read(&body)?;
    to_the_end(caller.at_work(), async move {
        api.orders.refund(&caller.tenant, id, &asked, Some(&key)).await
    })
    .await
}

/// The payment's refunds, oldest first.
#[utoipa::path(context_path = "/v1", tag = "refunds", params(("payment" = String, Path)),
    responses((status = 200, body = Object), (status = "4XX", body = Problem)))]
#[get("/payments/{payment}/refunds")]
pub async fn list_refunds(
    api: Data<MerchantApi>,
    request: HttpRequest,
    path: Path<String>,
) -> Result<Json<List<Value>>, Problem> {
    let caller = Caller::of(&request, "payments:read")?;
    let id: PaymentId = read_id(&path, "this payment")?;
    let state = api.store.order(caller.tenant.merchant.id, id).await?;
    let refunds = state.operations.iter().filter(|operation| view::is_refund(operation));
    Ok(Json(List::whole(
        refunds.map(|refund| view::operation(refund, &caller.tenant)).collect(),
    )))
}

/// What the payer's browser brought back from the authentication page: the fields by name.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FinishRequest {
    #[schema(value_type = Object, example = json!({"PaRes": "eJzV…", "MD": "1"}))]
    pub posted: std::collections::BTreeMap<String, String>,
}

/// Ends 3-D Secure with what the payer's browser brought back. Repeating it changes nothing.
#[utoipa::path(context_path = "/v1", tag = "payments", request_body = FinishRequest, params(("payment" = String, Path)),
    responses((status = 200, body = Object), (status = "4XX", body = Problem)))]
#[post("/payments/{payment}/finish")]
pub async fn finish_payment(
    api: Data<MerchantApi>,
    request: HttpRequest,
    path: Path<String>,
    body: Bytes,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, "payments:write")?;
    let id: PaymentId = read_id(&path, "this payment")?;
    let asked: FinishRequest = read(&body)?;
    to_the_end(caller.at_work(), async move {
        let posted = asked.posted.into_iter().collect();
        let state = api.orders.finish(&caller.tenant, id, posted).await?;
        Ok(view::answer(&state, &caller.tenant))
    })
    .await
}

/// Asks the network now what became of the payment.
#[utoipa::path(context_path = "/v1", tag = "payments", params(("payment" = String, Path)),
    responses((status = 200, body = Object), (status = "4XX", body = Problem)))]
#[post("/payments/{payment}/refresh")]
pub async fn refresh_payment(
    api: Data<MerchantApi>,
    request: HttpRequest,
    path: Path<String>,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, "payments:write")?;
    let id: PaymentId = read_id(&path, "this payment")?;
    to_the_end(caller.at_work(), async move {
        let state = api.orders.refresh(&caller.tenant, id).await?;
        Ok(view::answer(&state, &caller.tenant))
    })
    .await
}
