//! `Idempotency-Key` on requests that move no money: a webhook endpoint is made once, a rule published once. Where money
//! moves, the key is claimed and answered in the transactions of the payment; see `payments::orders`.

use std::time::Duration;

use actix_http::h1;
use actix_web::Error;
use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::{Bytes, Data, Payload};
use actix_web::{HttpMessage, HttpResponse, ResponseError};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use store::{IdempotencyKey, KeyAnswer, KeyClaim};

use super::{Caller, IDEMPOTENCY_KEY, MerchantApi, REPEATED, own, request_key};
use crate::api::problem::Problem;
use crate::edge::body::{self, BodyLimits};
use crate::payments::orders::{OrderError, RequestKey};

/// The first request has so long to come to its end; a repeat waits for it.
const LEASE: Duration = Duration::from_secs(60);
/// The body of a request with a key arrives within this.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// First parts of paths whose handlers claim their keys themselves.
const MONEY: [&str; 2] = ["payments", "payouts"];

/// An answer as it is kept: sealed, for it may hold a secret that is shown this once.
#[derive(Serialize, Deserialize)]
struct Kept {
    content_type: Option<String>,
    body: String,
}

pub async fn keep<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<BoxBody>>, Error> {
    if !wants_keeping(&request) {
        return Ok(next.call(request).await?.map_into_boxed_body().map_into_left_body());
    }
    let prepared = prepare(&mut request).await;
    let (api, caller, key) = match prepared {
        Ok(Prepared::First(first)) => *first,
        Ok(Prepared::Again(answer)) => return Ok(request.into_response(answer).map_into_right_body()),
        Err(problem) => return Ok(request.into_response(problem.error_response()).map_into_right_body()),
    };
    let served = next.call(request).await;
    let merchant = caller.tenant.merchant.id;
    let finished = match served {
        Ok(response) if !response.status().is_server_error() => finish(&api, &caller, &key, response).await,
        Ok(response) => {
            release(&api, merchant, &key).await;
            response.map_into_boxed_body()
        }
        Err(error) => {
            release(&api, merchant, &key).await;
            return Err(error);
        }
    };
    Ok(finished.map_into_left_body())
}

fn wants_keeping(request: &ServiceRequest) -> bool {
    let mut parts = request.path().split('/').skip(2);
    let first = parts.next().unwrap_or_default();
    // Cards are issued by a handler that claims its key; their requisites are kept nowhere.
    let cards = first == "connections" && request.path().contains("/cards");
    *request.method() == Method::POST
        && request.headers().contains_key(IDEMPOTENCY_KEY)
        && !MONEY.contains(&first)
        && !cards
}

type First = (Data<MerchantApi>, Caller, RequestKey);

enum Prepared {
    First(Box<First>),
    Again(HttpResponse),
}

async fn prepare(request: &mut ServiceRequest) -> Result<Prepared, Problem> {
    if own::is_upload(request.method(), request.path()) {
        let detail = "an upload takes no key: it replaces the list as a whole, so it may simply be sent again";
        return Err(Problem::invalid("Idempotency-Key", detail));
    }
    let api = request.app_data::<Data<MerchantApi>>().cloned();
    let caller = request.extensions().get::<Caller>().cloned();
    let (api, caller) = api.zip(caller).ok_or_else(Problem::unknown_key)?;
    let limits = BodyLimits {
        bytes_max: own::BODY_BYTES_MAX,
        timeout: BODY_TIMEOUT,
    };
    let payload = request.extract::<Payload>().await;
    let payload = payload.map_err(|error| Problem::malformed(error.to_string()))?;
    let body = Bytes::from(body::read(payload, limits).await?);
    let key = request_key(request.request(), &body)?;
    let now = api.clock.now();
    let claim = KeyClaim {
        merchant: caller.tenant.merchant.id,
        key: key.key.clone(),
        request_hash: key.hash.clone(),
        payment: None,
        operation: None,
        lease_until: now + LEASE,
        now,
    };
    if let Some(known) = api.store.claim_key(claim).await? {
        return Ok(Prepared::Again(again(&api, &caller, &key, known)?));
    }
    let (_, mut payload) = h1::Payload::create(true);
    payload.unread_data(body);
    request.set_payload(payload.into());
    Ok(Prepared::First(Box::new((api, caller, key))))
}

fn again(api: &MerchantApi, caller: &Caller, key: &RequestKey, known: IdempotencyKey) -> Result<HttpResponse, Problem> {
    if known.request_hash != key.hash {
        return Err(OrderError::KeyReused.into());
    }
    let Some((status, sealed)) = known.answer else {
        return Err(if known.lease_until > api.clock.now() {
            OrderError::KeyInFlight.into()
        } else {
            Problem::key_lost()
        });
    };
    let kept = (api.sealer.open(&place(caller, key), &sealed)).map_err(|error| Problem::internal(error.to_string()))?;
    let kept: Kept =
        serde_json::from_str(kept.expose_secret()).map_err(|error| Problem::internal(error.to_string()))?;
    let mut response = HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::OK));
    response.insert_header((REPEATED, "true"));
    if let Some(content_type) = kept.content_type {
        response.insert_header((CONTENT_TYPE, content_type));
    }
    Ok(response.body(kept.body))
}

async fn finish<B: MessageBody + 'static>(
    api: &MerchantApi,
    caller: &Caller,
    key: &RequestKey,
    response: ServiceResponse<B>,
) -> ServiceResponse<BoxBody> {
    let status = response.status().as_u16();
    let content_type = response.headers().get(CONTENT_TYPE).map(HeaderValue::to_str);
    let content_type = content_type.and_then(Result::ok).map(str::to_owned);
    let mut kept = None;
    let response = response.map_body(|_, body| match body.try_into_bytes() {
        Ok(bytes) => {
            kept = String::from_utf8(bytes.to_vec())
                .ok()
                .map(|body| Kept { content_type, body });
            BoxBody::new(bytes)
        }
        Err(body) => BoxBody::new(body),
    });
    if let Err(problem) = store(api, caller, key, status, kept).await {
        // It was done; who repeats it is told that it is not known what was answered.
        tracing::error!(%problem, "the answer of an idempotency key could not be kept");
    }
    response
}

async fn store(
    api: &MerchantApi,
    caller: &Caller,
    key: &RequestKey,
    status: u16,
    kept: Option<Kept>,
) -> Result<(), Problem> {
    let kept = kept.ok_or_else(|| Problem::internal("an answer without an end"))?;
    let text = serde_json::to_string(&kept).map_err(|error| Problem::internal(error.to_string()))?;
    let sealed = api.sealer.seal(&place(caller, key), &SecretString::from(text));
    let answered = KeyAnswer {
        merchant: caller.tenant.merchant.id,
        key: key.key.clone(),
        status,
        body: sealed.map_err(|error| Problem::internal(error.to_string()))?,
    };
    Ok(api.store.answer_key(&answered).await?)
}

/// Nothing was done, so the key may be tried again.
async fn release(api: &MerchantApi, merchant: plugin_sdk::MerchantId, key: &RequestKey) {
    if let Err(error) = api.store.release_key(merchant, &key.key).await {
        tracing::warn!(%error, "an idempotency key could not be given back");
    }
}

fn place(caller: &Caller, key: &RequestKey) -> String {
    format!("idempotency_key/{}/{}", caller.tenant.merchant.id, key.key)
}
