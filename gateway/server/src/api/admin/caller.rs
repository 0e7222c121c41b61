//! Who calls the admin REST, whether the route is theirs, and the trail of what they changed.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage, HttpRequest, ResponseError};
use plugin_sdk::MerchantId;
use serde_json::Value;
use store::{Merchant, NewAuditEntry, StoreError};

use super::Admin;
use super::connections::ConnectionView;
use super::merchants::MerchantView;
use super::permits::{self, Permit};
use super::webhooks::EndpointView;
use crate::access::people::SignedIn;
use crate::access::roles::Role;
use crate::api::problem::Problem;
use crate::edge::peer;
use crate::masking;

/// Name of whoever has the operator's token, in the audit trail.
const TOKEN_HOLDER: &str = "operator";
/// Fields of answers that are shown this once, and stand in no trail.
const SHOWN_ONCE: [&str; 8] = [
    "key",
    "secret",
    "password",
    // The link of an invitation, an authenticator's secret as a URL.
    "url",
    "qr_svg",
    "recovery_codes",
    "pkcs12",
    "private_key",
];
/// Of webhooks the URL is what matters.
const SHOWN_ONCE_OF_WEBHOOKS: [&str; 1] = ["secret"];
/// Last parts of paths that name what is done.
const ACTIONS: [&str; 17] = [
    "conformance",
    "clone",
    "run",
    "terminal-lab",
    "capture",
    "reverse",
    "refund",
    "refresh",
    "rotate-secret",
    "rotate",
    "test",
    "resend",
    "replay",
    "password",
    "invitations",
    "renew",
    "revoke",
];

/// Who asks. Handlers take it to say in whose name they act.
#[derive(Clone)]
pub enum Caller {
    /// Has the operator's token of the settings.
    Token,
    Person(Arc<SignedIn>),
    /// A merchant's system, which came by `/v1`.
    Key {
        name: String,
    },
}

impl Caller {
    /// As the audit trail and revisions name it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Token => TOKEN_HOLDER,
            Self::Person(who) => &who.person.email,
            Self::Key { name } => name,
        }
    }

    pub fn person(&self) -> Result<&Arc<SignedIn>, Problem> {
        match self {
            Self::Person(who) => Ok(who),
            Self::Token | Self::Key { .. } => {
                Err(Problem::forbidden("a token or a key is nobody; sign in as a person"))
            }
        }
    }

    /// Whether this caller may do that at a merchant, by slug or id.
    #[must_use]
    pub fn may(&self, permission: &str, merchant: &str) -> bool {
        self.role(Some(merchant)).is_some_and(|role| role.may(permission))
    }

    /// The role at a merchant (or, without one, of the installation).
    fn role(&self, merchant: Option<&str>) -> Option<Role> {
        match (self, merchant) {
            (Self::Token, _) => Some(Role::Owner),
            // Its scopes were asked at its own door.
            (Self::Key { .. }, _) => None,
            (Self::Person(who), Some(merchant)) => who.role_at(merchant),
            (Self::Person(who), None) => who.operator_role(),
        }
    }
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = request.extensions().get::<Self>().cloned();
        std::future::ready(caller.ok_or_else(Problem::unauthorized))
    }
}

/// The caller's address, as far as it can be believed.
#[must_use]
pub fn address(request: &HttpRequest) -> IpAddr {
    match request.app_data::<Data<Admin>>() {
        Some(admin) => peer::address(request, &admin.proxies),
        None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    }
}

/// Nothing under `/admin/v1` is served, not even "not found", to a caller who is not known; what is not theirs is not
/// found; and what they change leaves a trace.
pub async fn admit<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let pattern = request.match_pattern();
    let permit = pattern
        .as_deref()
        .and_then(|pattern| permits::of(request.method(), pattern));
    if permit == Some(Permit::Public) {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let admitted = judge(&request, permit).await;
    let (caller, admin) = match admitted {
        Ok(admitted) => admitted,
        Err(problem) => {
            metrics::counter!("tollgate_refused_total", "guard" => "operator").increment(1);
            let response = problem.error_response();
            return Ok(request.into_response(response).map_into_right_body());
        }
    };
    request.extensions_mut().insert(caller.clone());
    match pattern.zip(permit) {
        Some((pattern, permit)) => serve_traced(request, next, pattern, permit, caller, admin).await,
        None => Ok(next.call(request).await?.map_into_left_body()),
    }
}

/// Serves a request of somebody who may, and adds to the audit trail what it changed.
pub async fn serve_traced<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
    pattern: String,
    permit: Permit,
    caller: Caller,
    admin: Data<Admin>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let Some(change) = Change::of(&request, &pattern, permit, &admin).await else {
        return Ok(next.call(request).await?.map_into_left_body());
    };
    let response = next.call(request).await?;
    if !response.status().is_success() {
        return Ok(response.map_into_left_body());
    }
    let (response, after) = seen(response, change.shown_once());
    if change.leave_trace(&admin, &caller, after).await.is_err() {
        // Nobody is told of a change that the trail does not know; who repeats it leaves an entry.
        let detail = "it was done, and could not be added to the audit trail; do it once more";
        let told = Problem::unavailable(detail).error_response();
        return Ok(response.into_response(told).map_into_right_body());
    }
    Ok(response.map_into_right_body())
}

/// The answer, and what of it may stand in the trail.
fn seen<B: MessageBody + 'static>(
    response: ServiceResponse<B>,
    shown_once: &[&str],
) -> (ServiceResponse, Option<Value>) {
    let mut after = None;
    let response = response.map_body(|_, body| match body.try_into_bytes() {
        Ok(bytes) => {
            if !bytes.is_empty() {
                let masked = masking::named(&bytes, shown_once);
                after = Some(serde_json::from_str(&masked).unwrap_or(Value::String(masked)));
            }
            BoxBody::new(bytes)
        }
        Err(body) => BoxBody::new(body),
    });
    (response, after)
}

async fn judge(request: &ServiceRequest, permit: Option<Permit>) -> Result<(Caller, Data<Admin>), Problem> {
    let admin = request
        .app_data::<Data<Admin>>()
        .cloned()
        .ok_or_else(Problem::unauthorized)?;
    let caller = recognise(request, &admin).await?;
    if let Caller::Person(who) = &caller
        && who.factor_missing
        && permit != Some(Permit::SignedIn)
    {
        return Err(Problem::second_factor_missing());
    }
    match permit {
        // An unknown path, another method of a known one, or a route that nobody gave a row: not for people.
        None if !matches!(caller, Caller::Token) => return Err(Problem::not_found("this path")),
        None | Some(Permit::Public | Permit::SignedIn) => {}
        Some(Permit::Installation(permission)) => {
            if !caller.role(None).is_some_and(|role| role.may(permission)) {
                return Err(Problem::permission_missing(permission));
            }
        }
        Some(Permit::Merchant(permission)) => {
            let merchant = merchant_of(request.path()).unwrap_or_default();
            // Whose merchant it is not, does not learn that there is one.
            let role = caller
                .role(Some(merchant))
                .ok_or_else(|| Problem::not_found("this merchant"))?;
            if !role.may(permission) {
                return Err(Problem::permission_missing(permission));
            }
        }
    }
    Ok((caller, admin))
}

async fn recognise(request: &ServiceRequest, admin: &Admin) -> Result<Caller, Problem> {
    let header = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let claimed = header.and_then(|value| value.strip_prefix("Bearer ")).map(str::trim);
    let claimed = claimed.ok_or_else(Problem::unauthorized)?;
    if admin.bootstrap.as_ref().is_some_and(|token| token.is(claimed)) {
        return Ok(Caller::Token);
    }
    let person = admin.people.recognise(claimed).await?;
    person.map(Caller::Person).ok_or_else(Problem::unauthorized)
}

/// Slug or id of the merchant that a path is about.
fn merchant_of(path: &str) -> Option<&str> {
    below_root(path).strip_prefix("merchants/")?.split('/').next()
}

/// A path without the door that it came by.
fn below_root(path: &str) -> &str {
    let rest = path.strip_prefix("/admin/v1/").or_else(|| path.strip_prefix("/v1/"));
    rest.unwrap_or(path)
}

/// A change that the handlers themselves leave no entry for.
struct Change {
    action: String,
    subject: String,
    merchant: Option<MerchantId>,
    before: Option<Value>,
}

impl Change {
    async fn of(request: &ServiceRequest, pattern: &str, permit: Permit, admin: &Admin) -> Option<Self> {
        if permits::leaves_no_trace_here(request.method(), pattern) {
            return None;
        }
        let permission = match permit {
            Permit::Merchant(permission) | Permit::Installation(permission) => permission,
            Permit::SignedIn => "me:write",
            Permit::Public => return None,
        };
        let path = below_root(request.path());
        let name = merchant_of(request.path());
        let subject = match name {
            Some(name) => path.strip_prefix(&format!("merchants/{name}/")).unwrap_or("merchant"),
            None => path,
        };
        let merchant = match name {
            Some(name) => admin.merchant(name).await.ok(),
            None => None,
        };
        let before = match &merchant {
            Some(merchant) if *request.method() != Method::POST => before(admin, merchant, subject).await,
            _ => None,
        };
        let resource = permission.split(':').next().unwrap_or(permission);
        Some(Self {
            action: format!("{resource}.{}", verb(request.method(), pattern)),
            subject: subject.to_owned(),
            merchant: merchant.map(|merchant| merchant.id),
            before,
        })
    }

    fn shown_once(&self) -> &'static [&'static str] {
        if self.action.starts_with("webhooks.") {
            &SHOWN_ONCE_OF_WEBHOOKS
        } else {
            &SHOWN_ONCE
        }
    }

    async fn leave_trace(self, admin: &Admin, caller: &Caller, after: Option<Value>) -> Result<(), StoreError> {
        let merchant = self.merchant.or_else(|| created(after.as_ref()));
        let entry = NewAuditEntry {
            merchant,
            actor: caller.name().to_owned(),
            action: self.action,
            subject: self.subject,
            before: self.before,
            after,
        };
        let added = admin.store.add_audit(entry, admin.clock.now()).await;
        added.inspect_err(|error| {
            tracing::error!(%error, actor = caller.name(), "a change could not be added to the audit trail");
        })
    }
}

/// A merchant that was made by this request: the entry is the first of its trail.
fn created(after: Option<&Value>) -> Option<MerchantId> {
    after?.get("id")?.as_str()?.parse().ok()
}

/// What is about to be changed, as it may be shown.
async fn before(admin: &Admin, merchant: &Merchant, subject: &str) -> Option<Value> {
    let mut parts = subject.split('/');
    let shown = match (parts.next()?, parts.next()) {
        ("merchant", None) => serde_json::to_value(MerchantView::from(merchant.clone())),
        ("connections", Some(slug)) => {
            let connection = admin.onboarding.connection(merchant.id, slug).await.ok()?;
            serde_json::to_value(ConnectionView::of(&merchant.slug, connection))
        }
        ("webhook-endpoints", Some(id)) => {
            let endpoint = admin.store.endpoint(merchant.id, id.parse().ok()?).await.ok()?;
            serde_json::to_value(EndpointView::of(endpoint, None))
        }
        _ => return None,
    };
    shown.ok()
}

/// `create`, `change`, `delete`, or the last word of a path that names what is done.
fn verb(method: &Method, pattern: &str) -> String {
    let last = pattern.rsplit('/').next().unwrap_or_default();
    match method.as_str() {
        "POST" if ACTIONS.contains(&last) => last.replace('-', "_"),
        "POST" => "create".to_owned(),
        "DELETE" => "delete".to_owned(),
        _ => "change".to_owned(),
    }
}
