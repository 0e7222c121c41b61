//! Signing in by the OpenID provider of the settings.

use actix_web::cookie::time::Duration as CookieTime;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::web::{Data, Json, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, ResponseError, post};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Admin;
use super::session::{CallingBrowser, SessionView, is_over_tls, session, want_session_header};
use crate::access::people::{Entry, Opened};
use crate::access::single_sign_on::{ATTEMPT_LIFE, SingleSignOn};
use crate::api::problem::Problem;
use crate::edge::guards::strict::StrictAction;

/// What the browser keeps while somebody is at the provider, sealed.
const ATTEMPT_COOKIE: &str = "tollgate_sign_on";
const ATTEMPT_PATH: &str = "/admin/v1/session/single-sign-on";

pub fn configure(config: &mut ServiceConfig) {
    config
        .service(begin_single_sign_on)
        .service(finish_single_sign_on)
        .service(complete_single_sign_on);
}

/// Where the browser goes.
#[derive(Debug, Serialize, ToSchema)]
pub struct SignOnView {
    #[schema(example = "https://id.example.com/authorize?response_type=code&client_id=tollgate")]
    url: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignOnBody {
    /// As they stand in the address that the provider sent the browser back to.
    state: String,
    code: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignOnCodeBody {
    /// Of the authenticator, or a recovery code.
    code: String,
}

/// Begins to sign in by the OpenID provider: go to the URL, and come back to `/sign-in` with `state` and `code`.
#[utoipa::path(context_path = "/admin/v1", tag = "session", security(()),
    params(("X-Tollgate-Session" = String, Header, description = "anything")),
    responses((status = 200, body = SignOnView), (status = "4XX", body = Problem), (status = "5XX", body = Problem)))]
#[post("/session/single-sign-on")]
pub async fn begin_single_sign_on(admin: Data<Admin>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    want_session_header(&request)?;
    let sign_on = configured(&admin)?;
    may_try(&admin, &request).await?;
    let begun = sign_on.begin().await?;
    let view = SignOnView {
        url: begun.url.to_string(),
    };
    Ok(HttpResponse::Ok()
        .cookie(attempt(&admin, &request, begun.kept))
        .insert_header(("Cache-Control", "no-store"))
        .json(view))
}

/// Signs in whom the provider vouches for. Where there is a second factor that the provider did not ask for, the answer is 401 with
/// `second_factor_required`.
#[utoipa::path(context_path = "/admin/v1", tag = "session", security(()), request_body = SignOnBody,
    responses((status = 200, body = SessionView), (status = "4XX", body = Problem), (status = "5XX", body = Problem)))]
#[post("/session/single-sign-on/finish")]
pub async fn finish_single_sign_on(
    admin: Data<Admin>,
    request: HttpRequest,
    body: Json<SignOnBody>,
) -> Result<HttpResponse, Problem> {
    let sign_on = configured(&admin)?;
    may_try(&admin, &request).await?;
    let vouched = sign_on.finish(&kept(&request), &body.state, &body.code).await?;
    let caller = CallingBrowser::of(&request);
    match admin.people.sign_in_vouched(&vouched, &caller.browser()).await? {
        Entry::Opened(opened) => signed_in(&admin, &request, opened).await,
        Entry::CodeWanted(person) => {
            let mut response = Problem::second_factor_required().error_response();
            let kept = sign_on.keep_vouched(person)?;
            let cookie = attempt(&admin, &request, kept);
            let added = response.add_cookie(&cookie);
            added.map_err(|error| Problem::internal(error.to_string()))?;
            Ok(response)
        }
    }
}

/// The second factor of somebody whom the provider vouched for in this browser.
#[utoipa::path(context_path = "/admin/v1", tag = "session", security(()), request_body = SignOnCodeBody,
    responses((status = 200, body = SessionView), (status = "4XX", body = Problem)))]
#[post("/session/single-sign-on/second-factor")]
pub async fn complete_single_sign_on(
    admin: Data<Admin>,
    request: HttpRequest,
    body: Json<SignOnCodeBody>,
) -> Result<HttpResponse, Problem> {
    let sign_on = configured(&admin)?;
    may_try(&admin, &request).await?;
    let person = sign_on.vouched(&kept(&request))?;
    let caller = CallingBrowser::of(&request);
    let opened = (admin.people)
        .complete_vouched(person, body.code.trim(), &caller.browser())
        .await?;
    signed_in(&admin, &request, opened).await
}

fn configured(admin: &Admin) -> Result<&SingleSignOn, Problem> {
    let sign_on = admin.single_sign_on.as_deref();
    sign_on.ok_or_else(|| Problem::not_found("an OpenID provider: the settings name none"))
}

async fn may_try(admin: &Admin, request: &HttpRequest) -> Result<(), Problem> {
    let from = CallingBrowser::of(request).address.to_string();
    Ok(admin.guards.strict(StrictAction::LogIn, &from).await?)
}

async fn signed_in(admin: &Admin, request: &HttpRequest, opened: Opened) -> Result<HttpResponse, Problem> {
    admin
        .note_person(&opened.who.person.email, "session.create", "single sign-on")
        .await;
    let mut gone = Cookie::build(ATTEMPT_COOKIE, "")
        .path(ATTEMPT_PATH)
        .http_only(true)
        .finish();
    gone.make_removal();
    let mut response = HttpResponse::Ok();
    response.cookie(gone);
    session(admin, request, opened, response).await
}

fn kept(request: &HttpRequest) -> String {
    let cookie = request.cookie(ATTEMPT_COOKIE);
    cookie.map(|cookie| cookie.value().to_owned()).unwrap_or_default()
}

/// Sent by our own page alone, when it is back.
fn attempt(admin: &Admin, request: &HttpRequest, kept: String) -> Cookie<'static> {
    Cookie::build(ATTEMPT_COOKIE, kept)
        .path(ATTEMPT_PATH)
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(is_over_tls(admin, request))
        .max_age(CookieTime::seconds(ATTEMPT_LIFE.num_seconds()))
        .finish()
}
