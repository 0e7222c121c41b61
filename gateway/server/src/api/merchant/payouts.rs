use actix_web::web::{Bytes, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, post};

use super::{Caller, MerchantApi, read, request_key, to_the_end};
use crate::api::problem::Problem;
use crate::payments::orders::NewPayoutRequest;

pub fn configure(config: &mut ServiceConfig) {
    config.service(create_payout);
}

/// Sends money. It is a payment with `object: payout`, and stands in the list of payments.
#[utoipa::path(context_path = "/v1", tag = "payouts", request_body = NewPayoutRequest,
    params(("Idempotency-Key" = String, Header)),
    responses((status = 201, body = Object), (status = "4XX", body = Problem)))]
#[post("/payouts")]
pub async fn create_payout(api: Data<MerchantApi>, request: HttpRequest, body: Bytes) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(&request, "payouts:write")?;
    let key = request_key(&request, &body)?;
    let asked: NewPayoutRequest = read(&body)?;
    to_the_end(caller.at_work(), async move {
        api.orders.create_payout(&caller.tenant, &asked, Some(&key)).await
    })
    .await
}
