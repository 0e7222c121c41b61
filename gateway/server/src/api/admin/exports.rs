//! Files to take away, made as jobs.

use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::web::{Bytes, Data, Json, Path, Query, ServiceConfig};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, Utc};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use store::{Export, ExportStatus};
use utoipa::ToSchema;

use super::caller::Caller;
use super::{Admin, List, PageQuery, read_id, read_search};
use crate::api::problem::Problem;
use crate::office::ExportRequest;
use crate::office::exports::{ExportKind, shown};

pub fn configure(config: &mut ServiceConfig) {
    config
        .service(create_export)
        .service(list_exports)
        .service(get_export)
        .service(get_export_file);
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportBody {
    kind: ExportKind,
    #[serde(default)]
    filter: ExportRequest,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ExportView {
    #[schema(example = "exp_01JB2M7K3V4Q5R6S7T8V9WAXBY")]
    id: String,
    /// `payments` or `audit`.
    kind: String,
    filter: Option<ExportRequest>,
    /// `waiting`, `running`, `done`, `failed` or `expired`.
    status: &'static str,
    requested_by: String,
    /// Written so far.
    rows: u64,
    bytes: u64,
    /// Why it failed.
    error: Option<String>,
    /// Path of the file, once it is done.
    file: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    /// When the file is thrown away.
    expires_at: DateTime<Utc>,
}

impl ExportView {
    fn of(merchant: &str, export: Export) -> Self {
        let done = export.status == ExportStatus::Done;
        Self {
            file: done.then(|| format!("/admin/v1/merchants/{merchant}/exports/{}/file", export.id)),
            id: export.id.to_string(),
            filter: shown(&export.filter),
            kind: export.kind,
            status: export.status.as_str(),
            requested_by: export.requested_by,
            rows: export.rows,
            bytes: export.bytes,
            error: export.error,
            created_at: export.created_at,
            updated_at: export.updated_at,
            expires_at: export.expires_at,
        }
    }
}

/// What it takes to see the rows themselves.
fn permission(kind: &str) -> &'static str {
    match kind {
        "audit" => "audit:read",
        _ => "payments:read",
    }
}

/// Orders a CSV file of payments or of the audit trail. Any node makes it; ask for the job until it is done.
#[utoipa::path(context_path = "/admin/v1", tag = "exports", params(("merchant" = String, Path)),
    request_body = ExportBody,
    responses((status = 202, body = ExportView), (status = "4XX", body = Problem)))]
#[post("/merchants/{merchant}/exports")]
pub async fn create_export(
    admin: Data<Admin>,
    caller: Caller,
    path: Path<String>,
    body: Json<ExportBody>,
) -> Result<HttpResponse, Problem> {
    let merchant = admin.merchant(&path).await?;
    let ExportBody { kind, filter } = body.into_inner();
    if kind == ExportKind::Audit && !caller.may("audit:read", &path) {
        return Err(Problem::permission_missing("audit:read"));
    }
    read_search("filter.search", filter.search.as_deref())?;
    super::read_filter("filter.status", filter.status.as_deref(), store::PaymentStatus::read)?;
    admin.exports.filter(merchant.id, &filter).await?;
    let ordered = admin.exports.order(merchant.id, kind, filter, caller.name()).await?;
    let export = ordered
        .ok_or_else(|| Problem::over_quota("there are as many files as a merchant may have; wait until some expire"))?;
    Ok(HttpResponse::Accepted().json(ExportView::of(&merchant.slug, export)))
}

/// Files that were ordered, newest first.
#[utoipa::path(context_path = "/admin/v1", tag = "exports", params(("merchant" = String, Path), PageQuery),
    responses((status = 200, body = List<ExportView>), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/exports")]
pub async fn list_exports(
    admin: Data<Admin>,
    caller: Caller,
    path: Path<String>,
    query: Query<PageQuery>,
) -> Result<Json<List<ExportView>>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let mut page = admin.store.exports(merchant.id, &query.into_inner().into()).await?;
    page.items.retain(|export| caller.may(permission(&export.kind), &path));
    Ok(Json(List::of(page, |export| ExportView::of(&merchant.slug, export))))
}

/// How far a job is.
#[utoipa::path(context_path = "/admin/v1", tag = "exports",
    params(("merchant" = String, Path), ("export" = String, Path)),
    responses((status = 200, body = ExportView), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/exports/{export}")]
pub async fn get_export(
    admin: Data<Admin>,
    caller: Caller,
    path: Path<(String, String)>,
) -> Result<Json<ExportView>, Problem> {
    let (slug, export) = find(&admin, &caller, &path).await?;
    Ok(Json(ExportView::of(&slug, export)))
}

/// The file of a job that is done: CSV in UTF-8, moments in UTC, amounts as exact decimals. A text that a spreadsheet would
/// run as a formula begins with an apostrophe.
#[utoipa::path(context_path = "/admin/v1", tag = "exports",
    params(("merchant" = String, Path), ("export" = String, Path)),
    responses((status = 200, body = String, content_type = "text/csv"), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/exports/{export}/file")]
pub async fn get_export_file(
    admin: Data<Admin>,
    caller: Caller,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (slug, export) = find(&admin, &caller, &path).await?;
    if export.status != ExportStatus::Done {
        return Err(Problem::not_found("a finished file of this export"));
    }
    let name = format!(
        "{}-{slug}-{}.csv",
        export.kind,
        export.created_at.format("%Y%m%dT%H%M%SZ")
    );
    let desk = admin.exports.clone();
    let pieces = stream::try_unfold(0, move |number| {
        let desk = desk.clone();
        async move {
            if number >= export.chunks {
                return Ok(None);
            }
            // A file that expires while it is read breaks off: half of it must not look like the whole.
            let piece = desk.piece(export.merchant_id, export.id, number).await?;
            let piece = piece.ok_or(store::StoreError::NotFound("the rest of this file"))?;
            Ok::<_, store::StoreError>(Some((Bytes::from(piece), number + 1)))
        }
    });
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/csv; charset=utf-8"))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .streaming(pieces))
}

async fn find(admin: &Admin, caller: &Caller, path: &(String, String)) -> Result<(String, Export), Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let export = admin
        .store
        .export(merchant.id, read_id(&path.1, "this export")?)
        .await?;
    let needed = permission(&export.kind);
    if !caller.may(needed, &path.0) {
        return Err(Problem::permission_missing(needed));
    }
    Ok((merchant.slug, export))
}
