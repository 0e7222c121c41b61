//! A revision that decides for a part of the accounts, until it is promoted, stopped or withdrawn.

use actix_web::web::{Data, Json, Path, ServiceConfig};
use actix_web::{HttpResponse, delete, get, post, put};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use store::RuleCanary;
use utoipa::ToSchema;

use super::Admin;
use super::caller::Caller;
use super::rules::TroubleView;
use crate::api::problem::Problem;
use crate::payments::CanaryCounts;
use crate::rulebook::{CanaryBounds, CanaryRequest};

pub fn configure(config: &mut ServiceConfig) {
    config
        .service(set_canary)
        .service(get_canary)
        .service(stop_canary)
        .service(promote_canary);
}

#[derive(Debug, Serialize, ToSchema)]
pub struct CanaryView {
    id: String,
    revision: i32,
    /// Of the accounts, in hundredths of a percent.
    share_bp: u32,
    #[schema(value_type = CanaryBounds)]
    bounds: Value,
    /// `running`, `stopped`, `promoted`, or `withdrawn` by the gateway.
    status: &'static str,
    #[schema(value_type = CanaryCounts)]
    counts: Value,
    /// Why it was withdrawn: `bound`, `limit` and `measured`, with the counts that led to it; or `because`, when
    /// another revision was published.
    #[schema(value_type = Option<Object>)]
    reason: Option<Value>,
    /// How its revision fails; null while it does not.
    trouble: Option<TroubleView>,
    author: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl CanaryView {
    pub(super) async fn of(admin: &Admin, canary: RuleCanary) -> Result<Self, Problem> {
        let troubles = admin.store.rule_troubles(canary.merchant_id).await?;
        let trouble = (troubles.into_iter()).find(|trouble| trouble.revision == canary.revision);
        Ok(Self {
            id: canary.id.to_string(),
            revision: canary.revision,
            share_bp: canary.share_bp,
            bounds: canary.bounds,
            status: canary.status.as_str(),
            counts: canary.counts,
            reason: canary.reason,
            trouble: trouble.map(Into::into),
            author: canary.author,
            created_at: canary.created_at,
            updated_at: canary.updated_at,
        })
    }
}

/// Starts a canary, by the same checks as publishing, or gives the running one another share and other bounds. A draft
/// becomes the next revision. 409 when the checks object, or a canary of another revision runs.
#[utoipa::path(context_path = "/admin/v1", tag = "rules", params(("merchant" = String, Path)),
    request_body = CanaryRequest,
    responses((status = 200, body = CanaryView), (status = "4XX", body = Problem)))]
#[put("/merchants/{merchant}/rules/canary")]
pub async fn set_canary(
    admin: Data<Admin>,
    caller: Caller,
    path: Path<String>,
    body: Json<CanaryRequest>,
) -> Result<Json<CanaryView>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let canary = (admin
        .rulebook
        .set_canary(merchant.id, body.into_inner(), caller.name().to_owned()))
    .await?;
    Ok(Json(CanaryView::of(&admin, canary).await?))
}

/// The canary that runs, or ran last, with what it and the published revision decided.
#[utoipa::path(context_path = "/admin/v1", tag = "rules", params(("merchant" = String, Path)),
    responses((status = 200, body = CanaryView), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/rules/canary")]
pub async fn get_canary(admin: Data<Admin>, path: Path<String>) -> Result<Json<CanaryView>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let canary = admin.rulebook.canary(merchant.id).await?;
    Ok(Json(CanaryView::of(&admin, canary).await?))
}

/// Gives all accounts back to the published revision.
#[utoipa::path(context_path = "/admin/v1", tag = "rules", params(("merchant" = String, Path)),
    responses((status = 204), (status = "4XX", body = Problem)))]
#[delete("/merchants/{merchant}/rules/canary")]
pub async fn stop_canary(admin: Data<Admin>, caller: Caller, path: Path<String>) -> Result<HttpResponse, Problem> {
    let merchant = admin.merchant(&path).await?;
    admin.rulebook.stop_canary(merchant.id, caller.name()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Publishes the canary's revision for all accounts, at once.
#[utoipa::path(context_path = "/admin/v1", tag = "rules", params(("merchant" = String, Path)),
    responses((status = 200, body = CanaryView), (status = "4XX", body = Problem)))]
#[post("/merchants/{merchant}/rules/canary/promote")]
pub async fn promote_canary(
    admin: Data<Admin>,
    caller: Caller,
    path: Path<String>,
) -> Result<Json<CanaryView>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let canary = admin.rulebook.promote_canary(merchant.id, caller.name()).await?;
    Ok(Json(CanaryView::of(&admin, canary).await?))
}
