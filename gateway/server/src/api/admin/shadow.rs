//! A script in the shadow of the published one: its answers are never used, only compared.

use actix_web::web::{Data, Json, Path, ServiceConfig};
use actix_web::{HttpResponse, delete, get, put};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use store::RuleShadow;
use utoipa::ToSchema;

use super::Admin;
use super::caller::Caller;
use crate::api::problem::Problem;
use crate::rulebook::{ShadowReport, ShadowRequest, sha256};

pub fn configure(config: &mut ServiceConfig) {
    config.service(start_shadow).service(get_shadow).service(stop_shadow);
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ShadowView {
    id: String,
    /// What runs in the shadow: `{"revision": 3}`, or `{"draft": 7}`, the draft as it was at that version.
    #[schema(value_type = Object)]
    target: Value,
    /// Of the script.
    sha256: String,
    /// `false` once it was stopped.
    running: bool,
    author: String,
    report: ShadowReport,
    created_at: DateTime<Utc>,
    /// When something was counted last.
    updated_at: DateTime<Utc>,
}

impl ShadowView {
    fn of(shadow: RuleShadow, report: ShadowReport) -> Self {
        Self {
            id: shadow.id.to_string(),
            target: shadow.target,
            sha256: sha256(&shadow.source),
            running: shadow.running,
            author: shadow.author,
            report,
            created_at: shadow.created_at,
            updated_at: shadow.updated_at,
        }
    }
}

/// Puts the draft, as it is now, or a revision into the shadow: it also decides what the published one decided, behind
/// the answers. What the one before found is forgotten.
#[utoipa::path(context_path = "/admin/v1", tag = "rules", params(("merchant" = String, Path)),
    request_body = ShadowRequest,
    responses((status = 200, body = ShadowView), (status = "4XX", body = Problem)))]
#[put("/merchants/{merchant}/rules/shadow")]
pub async fn start_shadow(
    admin: Data<Admin>,
    caller: Caller,
    path: Path<String>,
    body: Json<ShadowRequest>,
) -> Result<Json<ShadowView>, Problem> {
    let merchant = admin.merchant(&path).await?;
    (admin
        .rulebook
        .start_shadow(merchant.id, body.into_inner(), caller.name().to_owned()))
    .await?;
    let (shadow, report) = admin.rulebook.shadow(merchant.id).await?;
    Ok(Json(ShadowView::of(shadow, report)))
}

/// The shadow that runs, or ran last, and how its answers differ from those that left.
#[utoipa::path(context_path = "/admin/v1", tag = "rules", params(("merchant" = String, Path)),
    responses((status = 200, body = ShadowView), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/rules/shadow")]
pub async fn get_shadow(admin: Data<Admin>, path: Path<String>) -> Result<Json<ShadowView>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let (shadow, report) = admin.rulebook.shadow(merchant.id).await?;
    Ok(Json(ShadowView::of(shadow, report)))
}

/// Stops the shadow; what it found can be read until the next one starts.
#[utoipa::path(context_path = "/admin/v1", tag = "rules", params(("merchant" = String, Path)),
    responses((status = 204), (status = "4XX", body = Problem)))]
#[delete("/merchants/{merchant}/rules/shadow")]
pub async fn stop_shadow(admin: Data<Admin>, caller: Caller, path: Path<String>) -> Result<HttpResponse, Problem> {
    let merchant = admin.merchant(&path).await?;
    admin.rulebook.stop_shadow(merchant.id, caller.name()).await?;
    Ok(HttpResponse::NoContent().finish())
}
