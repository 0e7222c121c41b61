use actix_web::web::{Data, Json, Path, ServiceConfig};
use actix_web::{HttpResponse, delete, get, put};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use store::RuleRevision;
use utoipa::ToSchema;

use super::Admin;
use crate::api::problem::Problem;

/// Who published, until people have names.
const AUTHOR: &str = "operator";

pub fn configure(config: &mut ServiceConfig) {
    config
        .service(get_rules)
        .service(publish_rules)
        .service(unpublish_rules);
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RevisionView {
    /// Counts from 1 within the merchant.
    revision: i32,
    source: String,
    message: String,
    author: String,
    created_at: DateTime<Utc>,
}

impl From<RuleRevision> for RevisionView {
    fn from(revision: RuleRevision) -> Self {
        Self {
            revision: revision.number,
            source: revision.source,
            message: revision.message,
            author: revision.author,
            created_at: revision.created_at,
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RulesBody {
    /// Luau source, at most 64 KiB.
    source: String,
    #[serde(default)]
    message: String,
}

/// The published revision.
#[utoipa::path(context_path = "/admin/v1", tag = "rules", params(("merchant" = String, Path)),
    responses((status = 200, body = RevisionView), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/rules")]
pub async fn get_rules(admin: Data<Admin>, path: Path<String>) -> Result<Json<RevisionView>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let number = merchant
        .published_rules
        .ok_or_else(|| Problem::not_found("a published revision"))?;
    Ok(Json(admin.store.rule_revision(merchant.id, number).await?.into()))
}

/// Compiles the script and publishes it as the next revision. Nothing is stored that does not compile.
#[utoipa::path(context_path = "/admin/v1", tag = "rules", params(("merchant" = String, Path)),
    request_body = RulesBody,
    responses((status = 200, body = RevisionView), (status = "4XX", body = Problem)))]
#[put("/merchants/{merchant}/rules")]
pub async fn publish_rules(
    admin: Data<Admin>,
    path: Path<String>,
    body: Json<RulesBody>,
) -> Result<Json<RevisionView>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let RulesBody { source, message } = body.into_inner();
    let revision = admin
        .onboarding
        .publish_rules(merchant.id, source, message, AUTHOR.to_owned())
        .await?;
    Ok(Json(revision.into()))
}

/// Takes the rules out of service; the revisions stay.
#[utoipa::path(context_path = "/admin/v1", tag = "rules", params(("merchant" = String, Path)),
    responses((status = 204), (status = "4XX", body = Problem)))]
#[delete("/merchants/{merchant}/rules")]
pub async fn unpublish_rules(admin: Data<Admin>, path: Path<String>) -> Result<HttpResponse, Problem> {
    let merchant = admin.merchant(&path).await?;
    admin.store.unpublish_rules(merchant.id).await?;
    Ok(HttpResponse::NoContent().finish())
}
