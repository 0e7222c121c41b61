//! What people do with their own account.

use std::collections::BTreeMap;

use actix_web::web::{Data, Json, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, put};
use chrono::{DateTime, Utc};
use plugin_sdk::SessionId;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::{Caller, address};
use super::{Admin, List, read_id};
use crate::access::people::SignedIn;
use crate::access::roles::Role;
use crate::api::problem::Problem;

pub fn configure(config: &mut ServiceConfig) {
    config
        .service(get_me)
        .service(change_me)
        .service(change_password)
        .service(start_second_factor)
        .service(confirm_second_factor)
        .service(remove_second_factor)
        .service(list_sessions)
        .service(end_session);
}

#[derive(Debug, Serialize, ToSchema)]
pub struct MerchantName {
    id: String,
    slug: String,
    name: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct MembershipView {
    merchant: MerchantName,
    role: String,
}

/// Whoever is signed in.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeView {
    #[schema(example = "per_01JB2M7K3V4Q5R6S7T8V9WAXBY")]
    id: String,
    email: String,
    name: String,
    /// `owner`, `operator`, `auditor`; null for merchants' staff.
    operator_role: Option<Role>,
    memberships: Vec<MembershipView>,
    /// Whether there is a second factor.
    second_factor: bool,
    /// Nothing but setting a second factor up is allowed before there is one.
    must_set_second_factor: bool,
    recovery_codes_left: u64,
    /// What may be done, by merchant; `*` holds for all of them.
    permissions: BTreeMap<String, Vec<&'static str>>,
}

impl MeView {
    pub async fn of(admin: &Admin, who: &SignedIn) -> Result<Self, Problem> {
        let memberships = who.memberships.iter().map(|known| MembershipView {
            merchant: MerchantName {
                id: known.merchant_id.to_string(),
                slug: known.merchant_slug.clone(),
                name: known.merchant_name.clone(),
            },
            role: known.role.clone(),
        });
        let mut permissions: BTreeMap<String, Vec<&'static str>> = who
            .memberships
            .iter()
            .filter_map(|known| Some((known.merchant_slug.clone(), Role::read(&known.role)?.permissions())))
            .collect();
        if let Some(role) = who.operator_role() {
            permissions.insert("*".to_owned(), role.permissions());
        }
        Ok(Self {
            id: who.person.id.to_string(),
            email: who.person.email.clone(),
            name: who.person.name.clone(),
            operator_role: who.operator_role(),
            memberships: memberships.collect(),
            second_factor: who.person.factor_sealed.is_some(),
            must_set_second_factor: who.factor_missing,
            recovery_codes_left: admin.people.recovery_codes_left(who).await?,
            permissions,
        })
    }
}

#[utoipa::path(context_path = "/admin/v1", tag = "me",
    responses((status = 200, body = MeView), (status = "4XX", body = Problem)))]
#[get("/me")]
pub async fn get_me(admin: Data<Admin>, caller: Caller) -> Result<Json<MeView>, Problem> {
    Ok(Json(MeView::of(&admin, caller.person()?).await?))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MePatchBody {
    name: String,
}

#[utoipa::path(context_path = "/admin/v1", tag = "me", request_body = MePatchBody,
    responses((status = 200, body = MeView), (status = "4XX", body = Problem)))]
#[patch("/me")]
pub async fn change_me(admin: Data<Admin>, caller: Caller, body: Json<MePatchBody>) -> Result<Json<MeView>, Problem> {
    let who = caller.person()?;
    let person = admin.people.rename(who, &body.name).await?;
    let who = SignedIn {
        person,
        ..who.as_ref().clone()
    };
    Ok(Json(MeView::of(&admin, &who).await?))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordBody {
    #[schema(value_type = String, format = Password)]
    current: SecretString,
    #[schema(value_type = String, format = Password)]
    new: SecretString,
}

/// Changes the password. All other sessions end.
#[utoipa::path(context_path = "/admin/v1", tag = "me", request_body = PasswordBody,
    responses((status = 204), (status = "4XX", body = Problem)))]
#[post("/me/password")]
pub async fn change_password(
    admin: Data<Admin>,
    caller: Caller,
    request: HttpRequest,
    body: Json<PasswordBody>,
) -> Result<HttpResponse, Problem> {
    let body = body.into_inner();
    let who = caller.person()?;
    (admin.people)
        .change_password(who, body.current, body.new, address(&request))
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// What an authenticator is given.
#[derive(Serialize, ToSchema)]
pub struct SecondFactorView {
    /// To type, in Base32.
    secret: String,
    #[schema(example = "otpauth://totp/Tollgate:ann%40example.com?secret=…")]
    url: String,
    /// To scan.
    qr_svg: String,
}

/// Makes a secret for an authenticator. It is in service once a code of it was shown by PUT.
#[utoipa::path(context_path = "/admin/v1", tag = "me",
    responses((status = 200, body = SecondFactorView), (status = "4XX", body = Problem)))]
#[post("/me/second-factor")]
pub async fn start_second_factor(admin: Data<Admin>, caller: Caller) -> Result<Json<SecondFactorView>, Problem> {
    let made = admin.people.start_factor(caller.person()?).await?;
    Ok(Json(SecondFactorView {
        secret: made.secret,
        url: made.url,
        qr_svg: made.qr_svg,
    }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CodeBody {
    #[schema(example = "123456")]
    code: String,
}

#[derive(Serialize, ToSchema)]
pub struct RecoveryCodesView {
    /// Each stands for the authenticator once. They are shown now and never again.
    recovery_codes: Vec<String>,
}

/// Puts the new second factor into service, by its first code. All other sessions end.
#[utoipa::path(context_path = "/admin/v1", tag = "me", request_body = CodeBody,
    responses((status = 200, body = RecoveryCodesView), (status = "4XX", body = Problem)))]
#[put("/me/second-factor")]
pub async fn confirm_second_factor(
    admin: Data<Admin>,
    caller: Caller,
    body: Json<CodeBody>,
) -> Result<Json<RecoveryCodesView>, Problem> {
    let recovery_codes = admin.people.confirm_factor(caller.person()?, &body.code).await?;
    Ok(Json(RecoveryCodesView { recovery_codes }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnPasswordBody {
    #[schema(value_type = String, format = Password)]
    password: SecretString,
}

/// Takes the second factor away.
#[utoipa::path(context_path = "/admin/v1", tag = "me", request_body = OwnPasswordBody,
    responses((status = 204), (status = "4XX", body = Problem)))]
#[delete("/me/second-factor")]
pub async fn remove_second_factor(
    admin: Data<Admin>,
    caller: Caller,
    request: HttpRequest,
    body: Json<OwnPasswordBody>,
) -> Result<HttpResponse, Problem> {
    let password = body.into_inner().password;
    admin
        .people
        .remove_factor(caller.person()?, password, address(&request))
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Debug, Serialize, ToSchema)]
pub struct OpenSessionView {
    id: String,
    /// Whether it is the one that asks.
    current: bool,
    address: String,
    user_agent: String,
    seen_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

/// One's open sessions, newest first.
#[utoipa::path(context_path = "/admin/v1", tag = "me",
    responses((status = 200, body = List<OpenSessionView>), (status = "4XX", body = Problem)))]
#[get("/me/sessions")]
pub async fn list_sessions(admin: Data<Admin>, caller: Caller) -> Result<Json<List<OpenSessionView>>, Problem> {
    let who = caller.person()?;
    let sessions = admin.people.sessions(who).await?.into_iter();
    let views = sessions.map(|session| OpenSessionView {
        id: session.id.to_string(),
        current: session.id == who.session,
        address: session.address,
        user_agent: session.user_agent,
        seen_at: session.refreshed_at.unwrap_or(session.created_at),
        created_at: session.created_at,
        expires_at: session.expires_at,
    });
    Ok(Json(List::whole(views.collect())))
}

/// Ends one of one's sessions: it opens nothing within a second, on every node.
#[utoipa::path(context_path = "/admin/v1", tag = "me", params(("session" = String, Path)),
    responses((status = 204), (status = "4XX", body = Problem)))]
#[delete("/me/sessions/{session}")]
pub async fn end_session(admin: Data<Admin>, caller: Caller, path: Path<String>) -> Result<HttpResponse, Problem> {
    let id: SessionId = read_id(&path, "this session")?;
    admin.people.end_session(caller.person()?, id).await?;
    Ok(HttpResponse::NoContent().finish())
}
