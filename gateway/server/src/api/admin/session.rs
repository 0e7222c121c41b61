//! Signing in and staying signed in.

use actix_web::cookie::time::Duration as CookieTime;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::header::USER_AGENT;
use actix_web::web::{Data, Json, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, delete, get, post};
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::address;
use super::me::MeView;
use super::{Admin, now};
use crate::access::people::{Browser, Credentials, Opened};
use crate::api::problem::Problem;
use crate::edge::guards::strict::StrictAction;

/// Holds the refresh token; no script reads it, and it is sent to the routes of the session alone.
const REFRESH_COOKIE: &str = "tollgate_refresh";
const REFRESH_PATH: &str = "/admin/v1/session";
/// Marks a browser in which somebody signed in before.
const DEVICE_COOKIE: &str = "tollgate_device";
const DEVICE_DAYS: i64 = 365;
/// A header that no form and no other site's page can send by itself.
const SESSION_HEADER: &str = "x-tollgate-session";

pub fn configure(config: &mut ServiceConfig) {
    config
        .service(get_setup)
        .service(set_up)
        .service(sign_in)
        .service(refresh_session)
        .service(sign_out)
        .service(get_invitation)
        .service(accept_invitation);
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SetupView {
    /// Whether the first owner is still to come.
    needed: bool,
    /// What the button says that leads to the OpenID provider; null where there is none.
    #[schema(example = "Example ID")]
    single_sign_on: Option<String>,
}

/// Whether this installation has an owner yet.
#[utoipa::path(context_path = "/admin/v1", tag = "session", security(()),
    responses((status = 200, body = SetupView), (status = "5XX", body = Problem)))]
#[get("/setup")]
pub async fn get_setup(admin: Data<Admin>) -> Result<Json<SetupView>, Problem> {
    Ok(Json(SetupView {
        needed: admin.people.needs_set_up().await?,
        single_sign_on: admin.single_sign_on.as_ref().map(|sign_on| sign_on.name().to_owned()),
    }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetupBody {
    /// The operator's token: `admin.bootstrap_token` of the settings.
    #[schema(value_type = String, format = Password)]
    token: SecretString,
    #[schema(example = "ann@example.com")]
    email: String,
    #[schema(example = "Ann Example")]
    name: String,
    /// At least 12 characters, not one that leaked or is guessed first.
    #[schema(value_type = String, format = Password)]
    password: SecretString,
}

/// An open session. The token that refreshes it is in a cookie.
#[derive(Serialize, ToSchema)]
pub struct SessionView {
    /// For `Authorization: Bearer`; lives ten minutes.
    access_token: String,
    expires_at: DateTime<Utc>,
    me: MeView,
}

/// Makes the first owner and signs it in.
#[utoipa::path(context_path = "/admin/v1", tag = "session", security(()), request_body = SetupBody,
    responses((status = 201, body = SessionView), (status = "4XX", body = Problem)))]
#[post("/setup")]
pub async fn set_up(admin: Data<Admin>, request: HttpRequest, body: Json<SetupBody>) -> Result<HttpResponse, Problem> {
    let body = body.into_inner();
    let caller = CallingBrowser::of(&request);
    let opened = (admin.people)
        .set_up(&body.token, &body.email, &body.name, body.password, &caller.browser())
        .await?;
    admin
        .note_person(&opened.who.person.email, "operators.create", "setup")
        .await;
    session(&admin, &request, opened, HttpResponse::Created()).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignInBody {
    email: String,
    #[schema(value_type = String, format = Password)]
    password: SecretString,
    /// Of the authenticator, or a recovery code.
    code: Option<String>,
}

/// Signs in. Without the second factor's code, where there is one, the answer is 401 with `second_factor_required`.
#[utoipa::path(context_path = "/admin/v1", tag = "session", security(()), request_body = SignInBody,
    responses((status = 200, body = SessionView), (status = "4XX", body = Problem)))]
#[post("/session")]
pub async fn sign_in(
    admin: Data<Admin>,
    request: HttpRequest,
    body: Json<SignInBody>,
) -> Result<HttpResponse, Problem> {
    let body = body.into_inner();
    let caller = CallingBrowser::of(&request);
    let from = caller.address.to_string();
    admin.guards.strict(StrictAction::LogIn, &from).await?;
    let given = Credentials {
        email: body.email,
        password: body.password,
        code: body.code.filter(|code| !code.trim().is_empty()),
    };
    let opened = admin.people.sign_in(given, &caller.browser()).await?;
    admin
        .note_person(&opened.who.person.email, "session.create", "session")
        .await;
    session(&admin, &request, opened, HttpResponse::Ok()).await
}

/// The next access token, for the refresh cookie. Each refresh token works once; a second use ends the session.
#[utoipa::path(context_path = "/admin/v1", tag = "session", security(()),
    params(("X-Tollgate-Session" = String, Header, description = "`refresh`")),
    responses((status = 200, body = SessionView), (status = "4XX", body = Problem)))]
#[post("/session/refresh")]
pub async fn refresh_session(admin: Data<Admin>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    want_session_header(&request)?;
    let cookie = request.cookie(REFRESH_COOKIE).ok_or_else(Problem::session_over)?;
    let opened = admin.people.refresh(cookie.value()).await?;
    session(&admin, &request, opened, HttpResponse::Ok()).await
}

/// Ends the session of the refresh cookie.
#[utoipa::path(context_path = "/admin/v1", tag = "session", security(()),
    params(("X-Tollgate-Session" = String, Header, description = "anything")),
    responses((status = 204), (status = "4XX", body = Problem)))]
#[delete("/session")]
pub async fn sign_out(admin: Data<Admin>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    want_session_header(&request)?;
    if let Some(cookie) = request.cookie(REFRESH_COOKIE) {
        admin.people.sign_out(cookie.value()).await?;
    }
    let mut gone = Cookie::build(REFRESH_COOKIE, "").path(REFRESH_PATH).finish();
    gone.make_removal();
    Ok(HttpResponse::NoContent().cookie(gone).finish())
}

#[derive(Debug, Serialize, ToSchema)]
pub struct InvitationView {
    email: String,
    role: String,
    /// Name of the merchant; null among the operators.
    merchant: Option<String>,
    expires_at: DateTime<Utc>,
    /// The e-mail has a password here already: it is asked for, not chosen.
    known: bool,
}

/// What an invitation's link is about.
#[utoipa::path(context_path = "/admin/v1", tag = "people", security(()), params(("token" = String, Path)),
    responses((status = 200, body = InvitationView), (status = "4XX", body = Problem)))]
#[get("/invitations/{token}")]
pub async fn get_invitation(
    admin: Data<Admin>,
    request: HttpRequest,
    path: Path<String>,
) -> Result<Json<InvitationView>, Problem> {
    let caller = CallingBrowser::of(&request);
    let seen = admin.people.invitation(&path, &caller.browser()).await?;
    let merchant = match seen.merchant {
        Some(id) => Some(admin.store.merchant(id).await?.name),
        None => None,
    };
    Ok(Json(InvitationView {
        email: seen.email,
        role: seen.role,
        merchant,
        expires_at: seen.expires_at,
        known: seen.known,
    }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptBody {
    /// Not asked of people who are known.
    #[serde(default)]
    name: String,
    #[schema(value_type = String, format = Password)]
    password: SecretString,
}

/// Takes an invitation up, once, and signs in (but for somebody with a second factor, who signs in by it).
#[utoipa::path(context_path = "/admin/v1", tag = "people", security(()), params(("token" = String, Path)),
    request_body = AcceptBody,
    responses((status = 201, body = SessionView), (status = "4XX", body = Problem)))]
#[post("/invitations/{token}")]
pub async fn accept_invitation(
    admin: Data<Admin>,
    request: HttpRequest,
    path: Path<String>,
    body: Json<AcceptBody>,
) -> Result<HttpResponse, Problem> {
    let body = body.into_inner();
    let caller = CallingBrowser::of(&request);
    let opened = (admin.people)
        .accept(&path, &body.name, body.password, &caller.browser())
        .await?;
    admin
        .note_person(&opened.who.person.email, "people.accept", "invitations")
        .await;
    session(&admin, &request, opened, HttpResponse::Created()).await
}

pub(super) fn want_session_header(request: &HttpRequest) -> Result<(), Problem> {
    if request.headers().contains_key(SESSION_HEADER) {
        return Ok(());
    }
    Err(Problem::invalid(
        "X-Tollgate-Session",
        "send this header: it shows that no other site made the request",
    ))
}

/// What the request tells of its browser.
pub(super) struct CallingBrowser {
    pub(super) address: std::net::IpAddr,
    user_agent: String,
    device: Option<String>,
}

impl CallingBrowser {
    pub(super) fn of(request: &HttpRequest) -> Self {
        let user_agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
        Self {
            address: address(request),
            user_agent: user_agent.unwrap_or_default().to_owned(),
            device: request.cookie(DEVICE_COOKIE).map(|cookie| cookie.value().to_owned()),
        }
    }

    pub(super) fn browser(&self) -> Browser<'_> {
        Browser {
            address: self.address,
            user_agent: &self.user_agent,
            device: self.device.as_deref(),
        }
    }
}

/// Plain HTTP is for a laptop: everywhere else the cookies go over TLS alone.
pub(super) fn is_over_tls(admin: &Admin, request: &HttpRequest) -> bool {
    admin.url.starts_with("https:") || !address(request).is_loopback()
}

pub(super) async fn session(
    admin: &Admin,
    request: &HttpRequest,
    opened: Opened,
    mut response: actix_web::HttpResponseBuilder,
) -> Result<HttpResponse, Problem> {
    let secure = is_over_tls(admin, request);
    let seconds = (opened.session_expires_at - now(admin)).num_seconds();
    let cookie = |name: &'static str, value: String, path: &'static str, life: CookieTime| {
        Cookie::build(name, value)
            .path(path)
            .http_only(true)
            .same_site(SameSite::Strict)
            .secure(secure)
            .max_age(life)
            .finish()
    };
    let refresh = opened.refresh_token.expose_secret().to_owned();
    let view = SessionView {
        access_token: opened.access_token.expose_secret().to_owned(),
        expires_at: opened.access_expires_at,
        me: MeView::of(admin, &opened.who).await?,
    };
    Ok(response
        .cookie(cookie(
            REFRESH_COOKIE,
            refresh,
            REFRESH_PATH,
            CookieTime::seconds(seconds),
        ))
        .cookie(cookie(
            DEVICE_COOKIE,
            opened.device,
            REFRESH_PATH,
            CookieTime::days(DEVICE_DAYS),
        ))
        .insert_header(("Cache-Control", "no-store"))
        .json(view))
}
