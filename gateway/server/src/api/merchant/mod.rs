//! The merchants' REST, `/v1`: what their systems do.

pub mod accounts;
pub mod cards;
pub mod events;
mod once;
pub mod own;
pub mod payments;
pub mod payouts;
mod quota;
pub mod tokens;
pub mod webhooks;

use std::sync::Arc;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{Bytes, Data, ServiceConfig};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, ResponseError, web};
use aws_lc_rs::digest::{Context, SHA256};
use plugin_sdk::Clock;
use serde::de::DeserializeOwned;
use store::Store;
use tokio::sync::Notify;

use crate::access::api_keys::{ApiKeys, KeyHolder};
use crate::access::sealing::{Sealer, hex};
use crate::api::deadline::bound_reads;
use crate::api::problem::Problem;
use crate::api::request_id::identify;
use crate::edge::guards::shedding::Class;
use crate::edge::guards::{AtWork, Guards, Refused};
use crate::edge::peer::{self, Proxies};
use crate::payments::orders::{Answer, OrderError, Orders, RequestKey};
use crate::tenancy::{BoundTenant, Directory, Onboarding};

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const REPEATED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Longest idempotency key, in bytes.
const KEY_BYTES_MAX: usize = 255;

/// What the handlers need; one for each node.
pub struct MerchantApi {
    pub store: Store,
    pub directory: Directory,
    pub orders: Orders,
    pub keys: ApiKeys,
    pub guards: Guards,
    pub proxies: Proxies,
    pub onboarding: Onboarding,
    pub new_deliveries: Arc<Notify>,
    pub sealer: Arc<Sealer>,
    pub clock: Arc<dyn Clock>,
}

pub fn configure(config: &mut ServiceConfig) {
    config.service(
        web::scope("/v1")
            .wrap(from_fn(own::enter))
            .wrap(from_fn(once::keep))
            .wrap(from_fn(require_key))
            .wrap(from_fn(bound_reads))
            .wrap(from_fn(identify))
            .configure(payments::configure)
            .configure(payouts::configure)
            .configure(tokens::configure)
            .configure(accounts::configure)
            .configure(cards::configure)
            .configure(events::configure)
            .configure(webhooks::configure)
            .configure(own::configure)
            .default_service(web::route().to(nowhere)),
    );
}

async fn nowhere() -> Result<&'static str, Problem> {
    Err(Problem::not_found("this path"))
}

/// Whose request it is, and what it may do.
#[derive(Clone)]
pub struct Caller {
    pub tenant: Arc<BoundTenant>,
    holder: KeyHolder,
    /// Held until the last of the request's work is done, even if the caller hung up.
    at_work: Arc<AtWork>,
}

impl Caller {
    /// The caller of a request, if its key has this scope.
    pub fn of(request: &HttpRequest, scope: &'static str) -> Result<Self, Problem> {
        let caller = request.extensions().get::<Self>().cloned();
        let caller = caller.ok_or_else(Problem::unknown_key)?;
        if caller.holder.may(scope) {
            return Ok(caller);
        }
        Err(Problem::scope_missing(scope))
    }

    /// The seats that the request holds.
    #[must_use]
    pub fn at_work(&self) -> Arc<AtWork> {
        Arc::clone(&self.at_work)
    }
}

/// Nothing under `/v1` is served, not even "not found", to a caller without a key.
async fn require_key<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let api = request.app_data::<Data<MerchantApi>>().cloned();
    let Some(api) = api else {
        let response = Problem::unknown_key().error_response();
        return Ok(request.into_response(response).map_into_right_body());
    };
    let address = peer::address(request.request(), &api.proxies);
    let (tenant, holder) = match recognise(&api, &request).await {
        Ok(known) => known,
        Err(problem) => {
            metrics::counter!("tollgate_refused_total", "guard" => "api_key").increment(1);
            let problem = match api.guards.stranger(address) {
                Err(wait) if problem.status == 401 => Problem::stranger(wait),
                _ => problem,
            };
            let response = problem.error_response();
            return Ok(request.into_response(response).map_into_right_body());
        }
    };
    let (quotas, rate) = api.guards.key_rate(&tenant, holder.id, address).await;
    let class = quota::class_of(request.method(), request.path());
    let mut response = match may_work(&api, rate, &tenant, &holder, class).await {
        Ok(at_work) => {
            let caller = Caller {
                tenant,
                holder,
                at_work: Arc::new(at_work),
            };
            request.extensions_mut().insert(caller);
            next.call(request).await?.map_into_left_body()
        }
        Err(refused) => {
            let response = Problem::too_many_requests(refused).error_response();
            request.into_response(response).map_into_right_body()
        }
    };
    quota::tell(response.headers_mut(), &quotas);
    Ok(response)
}

async fn may_work(
    api: &MerchantApi,
    rate: Result<(), Refused>,
    tenant: &BoundTenant,
    holder: &KeyHolder,
    class: Class,
) -> Result<AtWork, Refused> {
    rate?;
    if let Some(refused) = api.guards.shed(tenant, class) {
        return Err(refused);
    }
    api.guards.key_work(tenant, holder.id).await
}

async fn recognise(api: &MerchantApi, request: &ServiceRequest) -> Result<(Arc<BoundTenant>, KeyHolder), Problem> {
    let claimed = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let claimed = claimed.and_then(|value| value.strip_prefix("Bearer "));
    let holder = match claimed {
        Some(claimed) => api.keys.recognise(claimed.trim()).await?,
        None => None,
    };
    let holder = holder.ok_or_else(Problem::unknown_key)?;
    let tenant = api.directory.tenant(&holder.merchant_slug).await?;
    let tenant = tenant.ok_or_else(Problem::unknown_key)?;
    Ok((tenant, holder))
}

/// The key under which a request happens once, over method, path and body.
pub fn request_key(request: &HttpRequest, body: &[u8]) -> Result<RequestKey, Problem> {
    let missing = || {
        let detail = "send 'Idempotency-Key' with a new random value for each new request, such as a UUID, and the same \
                      one when you repeat it";
        Problem::invalid("Idempotency-Key", detail)
    };
    let key = request.headers().get(IDEMPOTENCY_KEY).ok_or_else(missing)?;
    let key = key
        .to_str()
        .ok()
        .map(str::trim)
        .filter(|key| (1..=KEY_BYTES_MAX).contains(&key.len()));
    let key =
        key.ok_or_else(|| Problem::invalid("Idempotency-Key", format!("has 1 to {KEY_BYTES_MAX} ASCII characters")))?;
    let mut hash = Context::new(&SHA256);
    for part in [request.method().as_str().as_bytes(), request.path().as_bytes(), body] {
        hash.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    Ok(RequestKey {
        key: key.to_owned(),
        hash: hex(hash.finish().as_ref()),
    })
}

/// The body of a request. An empty one is an empty object.
pub fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Problem> {
    let body: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| Problem::malformed(error.to_string()))
}

/// Does the work to its end even if the caller hangs up: what was sent to a network must not lose its answer. Until then
/// it holds what counts it as a request at work.
pub async fn to_the_end<H, F>(at_work: H, work: F) -> Result<HttpResponse, Problem>
where
    H: 'static,
    F: Future<Output = Result<Answer, OrderError>> + 'static,
{
    let answer = actix_web::rt::spawn(async move {
        let answer = work.await;
        drop(at_work);
        answer
    })
    .await;
    let answer = answer.map_err(|_| Problem::internal("the request broke off; the log says more"))??;
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = HttpResponse::build(status);
    response.insert_header((CONTENT_TYPE, "application/json"));
    if answer.repeated {
        response.insert_header((REPEATED, "true"));
    }
    Ok(response.body(answer.body))
}
