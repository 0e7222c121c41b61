//! Steps on payments of merchants' systems, as people take them: capture, reversal, refund, and asking the network.

use std::sync::Arc;

use actix_web::web::{Bytes, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, post};
use plugin_sdk::PaymentId;
use serde::de::DeserializeOwned;

use super::{Admin, read_id};
use crate::api::merchant::{read, request_key, to_the_end};
use crate::api::problem::Problem;
use crate::payments::orders::{CaptureRequest, RequestKey, ReturnRequest, view};
use crate::tenancy::BoundTenant;

pub fn configure(config: &mut ServiceConfig) {
    config
        .service(capture_payment)
        .service(reverse_payment)
        .service(refund_payment)
        .service(refresh_payment);
}

impl Admin {
    /// The merchant as payments are made with it.
    pub async fn tenant(&self, name: &str) -> Result<Arc<BoundTenant>, Problem> {
        let merchant = self.merchant(name).await?;
        let tenant = self.directory.tenant(&merchant.slug).await?;
        tenant.ok_or_else(|| Problem::not_found("this merchant"))
    }
}

/// What a step is asked on, under which key, and with what.
async fn step<T: DeserializeOwned>(
    admin: &Admin,
    request: &HttpRequest,
    path: &(String, String),
    body: &Bytes,
) -> Result<(Arc<BoundTenant>, PaymentId, RequestKey, T), Problem> {
    let tenant = admin.tenant(&path.0).await?;
    let id = read_id(&path.1, "this payment")?;
    Ok((tenant, id, request_key(request, body)?, read(body)?))
}

/// Takes held money, all of it or a part. The key makes a doubled click one capture.
#[utoipa::path(operation_id = "capture_of_merchant", context_path = "/admin/v1", tag = "payments",
    request_body = CaptureRequest,
    params(("merchant" = String, Path), ("payment" = String, Path), ("Idempotency-Key" = String, Header)),
    responses((status = 200, body = Object), (status = "4XX", body = Problem)))]
#[post("/merchants/{merchant}/payments/{payment}/capture")]
pub async fn capture_payment(
    admin: Data<Admin>,
    request: HttpRequest,
    path: Path<(String, String)>,
    body: Bytes,
) -> Result<HttpResponse, Problem> {
    let (tenant, id, key, asked) = step::<CaptureRequest>(&admin, &request, &path, &body).await?;
    to_the_end((), async move {
        admin.orders.capture(&tenant, id, &asked, Some(&key)).await
    })
    .await
}

/// Releases held money, all of it or a part.
#[utoipa::path(operation_id = "reverse_of_merchant", context_path = "/admin/v1", tag = "payments",
    request_body = ReturnRequest,
    params(("merchant" = String, Path), ("payment" = String, Path), ("Idempotency-Key" = String, Header)),
    responses((status = 200, body = Object), (status = "4XX", body = Problem)))]
#[post("/merchants/{merchant}/payments/{payment}/reverse")]
pub async fn reverse_payment(
    admin: Data<Admin>,
    request: HttpRequest,
    path: Path<(String, String)>,
    body: Bytes,
) -> Result<HttpResponse, Problem> {
    let (tenant, id, key, asked) = step::<ReturnRequest>(&admin, &request, &path, &body).await?;
    to_the_end((), async move {
        admin.orders.reverse(&tenant, id, &asked, Some(&key)).await
    })
    .await
}

/// Gives captured money back, all of it or a part.
#[utoipa::path(operation_id = "refund_of_merchant", context_path = "/admin/v1", tag = "payments",
    request_body = ReturnRequest,
    params(("merchant" = String, Path), ("payment" = String, Path), ("Idempotency-Key" = String, Header)),
    responses((status = 201, body = Object), (status = "4XX", body = Problem)))]
#[post("/merchants/{merchant}/payments/{payment}/refund")]
pub async fn refund_payment(
    admin: Data<Admin>,
    request: HttpRequest,
    path: Path<(String, String)>,
    body: Bytes,
) -> Result<HttpResponse, Problem> {
    let (tenant, id, key, asked) = step::<ReturnRequest>(&admin, &request, &path, &body).await?;
    to_the_end(
        (),
        async move { admin.orders.refund(&tenant, id, &asked, Some(&key)).await },
    )
    .await
}

/// Asks the network now what became of the payment.
#[utoipa::path(operation_id = "refresh_of_merchant", context_path = "/admin/v1", tag = "payments",
    params(("merchant" = String, Path), ("payment" = String, Path)),
    responses((status = 200, body = Object), (status = "4XX", body = Problem)))]
#[post("/merchants/{merchant}/payments/{payment}/refresh")]
pub async fn refresh_payment(admin: Data<Admin>, path: Path<(String, String)>) -> Result<HttpResponse, Problem> {
    let tenant = admin.tenant(&path.0).await?;
    let id: PaymentId = read_id(&path.1, "this payment")?;
    to_the_end((), async move {
        let state = admin.orders.refresh(&tenant, id).await?;
        Ok(view::answer(&state, &tenant))
    })
    .await
}
