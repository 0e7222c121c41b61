//! Rules, decisions and lists by API key: `/v1/rules/…`, `/v1/decisions/…`, `/v1/lists/…`. They are the handlers of the
//! admin REST, entered by another door: the key says whose things they are, and its scopes what may be done.

use actix_web::Error;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, Uri};
use actix_web::middleware::Next;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpMessage, ResponseError};

use super::Caller;
use crate::api::admin::caller::{self, Caller as Actor};
use crate::api::admin::permits::{self, Permit};
use crate::api::admin::{Admin, canary, decisions, lists, replays, revisions, rules, secrets, shadow};
use crate::api::problem::Problem;

/// What stands behind this door, as the first part of a path.
pub const THINGS: [&str; 3] = ["rules", "decisions", "lists"];
/// Largest body of a request for them, in bytes: a script as JSON.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
const ROOT: &str = "/v1/";
/// Where the handlers are, below `/v1` and below `/admin/v1` alike.
const MERCHANTS: &str = "merchants";

pub fn configure(config: &mut ServiceConfig) {
    config
        .configure(rules::configure)
        .configure(secrets::configure)
        .configure(revisions::configure)
        .configure(decisions::configure)
        .configure(replays::configure)
        .configure(shadow::configure)
        .configure(canary::configure)
        .configure(lists::configure);
}

/// The scope that a key needs for what a person needs this permission for; `None` when no key may.
#[must_use]
pub fn scope_of(permission: &str) -> Option<&'static str> {
    match permission {
        "rules:read" => Some("rules:read"),
        "rules:write" | "rules:publish" | "rule_limits:write" | "rule_secrets:read" | "rule_secrets:write" => {
            Some("rules:write")
        }
        "decisions:read" => Some("decisions:read"),
        "lists:read" => Some("lists:read"),
        "lists:write" => Some("lists:write"),
        _ => None,
    }
}

/// Leads a request for one of these things to its handler, for the merchant of the key and for no other.
pub async fn enter<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let rest = request.path().strip_prefix(ROOT).unwrap_or_default().to_owned();
    let first = rest.split('/').next().unwrap_or_default();
    if first != MERCHANTS && !THINGS.contains(&first) {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    match lead(&mut request, &rest) {
        Ok((actor, admin, pattern, permit)) => caller::serve_traced(request, next, pattern, permit, actor, admin).await,
        Err(problem) => Ok(request.into_response(problem.error_response()).map_into_right_body()),
    }
}

type Led = (Actor, Data<Admin>, String, Permit);

fn lead(request: &mut ServiceRequest, rest: &str) -> Result<Led, Problem> {
    let nowhere = || Problem::not_found("this path");
    // Nobody names a merchant here: the key does.
    if rest.split('/').next() == Some(MERCHANTS) {
        return Err(nowhere());
    }
    let known = request.extensions().get::<Caller>().cloned();
    let known = known.ok_or_else(Problem::unknown_key)?;
    let admin = request.app_data::<Data<Admin>>().cloned().ok_or_else(nowhere)?;
    let slug = &known.tenant.merchant.slug;
    let path = format!("/{MERCHANTS}/{slug}/{rest}");
    let (pattern, permit) = permits::matching(request.method(), &path).ok_or_else(nowhere)?;
    let Permit::Merchant(permission) = permit else {
        return Err(nowhere());
    };
    let scope = scope_of(permission).ok_or_else(nowhere)?;
    if !known.holder.may(scope) {
        return Err(Problem::scope_missing(scope));
    }
    redirect(request, &path).map_err(|_| nowhere())?;
    let actor = Actor::Key {
        name: format!("{} of {slug}", known.holder.id),
    };
    request.extensions_mut().insert(actor.clone());
    Ok((actor, admin, pattern.to_owned(), permit))
}

/// Within the scope of `/v1` the handler is found by what follows it.
fn redirect(request: &mut ServiceRequest, path: &str) -> Result<(), actix_web::http::uri::InvalidUri> {
    let query = request.query_string();
    let mark = if query.is_empty() { "" } else { "?" };
    let uri: Uri = format!("/v1{path}{mark}{query}").parse()?;
    request.match_info_mut().get_mut().update(&uri);
    request.head_mut().uri = uri;
    Ok(())
}

/// Whether a request is one of those that may take long to arrive, and cannot be kept to be answered again.
#[must_use]
pub fn is_upload(method: &Method, path: &str) -> bool {
    *method == Method::POST && path.ends_with("/imports")
}
