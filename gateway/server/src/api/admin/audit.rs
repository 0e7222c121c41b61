//! The audit trail, to read.

use actix_web::get;
use actix_web::web::{Data, Json, Path, Query, ServiceConfig};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use store::AuditEntry;
use utoipa::ToSchema;

use super::{Admin, List, PageQuery};
use crate::api::problem::Problem;

pub fn configure(config: &mut ServiceConfig) {
    config.service(list_audit).service(list_whole_audit);
}

#[derive(Debug, Serialize, ToSchema)]
pub struct AuditView {
    id: String,
    /// Who did it.
    actor: String,
    /// `rules.publish`, `rules.rollback` and the like.
    action: String,
    /// What was changed.
    subject: String,
    #[schema(value_type = Option<Object>)]
    before: Option<Value>,
    #[schema(value_type = Option<Object>)]
    after: Option<Value>,
    /// Where the request came from.
    address: Option<String>,
    request_id: Option<String>,
    /// Place in the chain of hashes.
    number: Option<i64>,
    hash: Option<String>,
    /// Null: of the installation.
    merchant_id: Option<String>,
    created_at: DateTime<Utc>,
}

impl From<AuditEntry> for AuditView {
    fn from(entry: AuditEntry) -> Self {
        Self {
            id: entry.id.to_string(),
            actor: entry.actor,
            action: entry.action,
            subject: entry.subject,
            before: entry.before,
            after: entry.after,
            address: entry.address,
            request_id: entry.request_id,
            number: entry.number,
            hash: entry.hash,
            merchant_id: entry.merchant_id.map(|merchant| merchant.to_string()),
            created_at: entry.created_at,
        }
    }
}

/// Who changed what, newest first.
#[utoipa::path(context_path = "/admin/v1", tag = "audit", params(("merchant" = String, Path), PageQuery),
    responses((status = 200, body = List<AuditView>), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/audit")]
pub async fn list_audit(
    admin: Data<Admin>,
    path: Path<String>,
    query: Query<PageQuery>,
) -> Result<Json<List<AuditView>>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let page = admin.store.audit(merchant.id, &query.into_inner().into()).await?;
    Ok(Json(List::of(page, Into::into)))
}

/// Who changed what in the whole installation, newest first. `tollgate audit verify` proves that nothing is missing.
#[utoipa::path(context_path = "/admin/v1", tag = "audit", params(PageQuery),
    responses((status = 200, body = List<AuditView>), (status = "4XX", body = Problem)))]
#[get("/audit")]
pub async fn list_whole_audit(admin: Data<Admin>, query: Query<PageQuery>) -> Result<Json<List<AuditView>>, Problem> {
    let page = admin.store.audit_of_all(&query.into_inner().into()).await?;
    Ok(Json(List::of(page, Into::into)))
}
