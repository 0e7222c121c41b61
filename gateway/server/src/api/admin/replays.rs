//! Replays of rules over stored decisions.

use actix_web::web::{Data, Json, Path, Query, ServiceConfig};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use store::Replay;
use utoipa::ToSchema;

use super::{Admin, List, PageQuery, read_id};
use crate::api::problem::Problem;
use crate::rulebook::ReplayRequest;

pub fn configure(config: &mut ServiceConfig) {
    config.service(start_replay).service(list_replays).service(get_replay);
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ReplayView {
    id: String,
    /// What was replayed: `{"revision": 3}`, `{"draft": 7}` (its version), `{"sha256": "…"}`.
    #[schema(value_type = Object)]
    target: Value,
    /// `running`, `done` or `failed`.
    status: &'static str,
    /// Decisions to make again, and how many are made.
    total: u64,
    done: u64,
    /// What was found, once it is done: `decided`, `same`, `changed`, `not_comparable`, and `groups` of changes with
    /// `count`, `amounts` and `examples`.
    #[schema(value_type = Option<Object>)]
    report: Option<Value>,
    /// Why it failed.
    error: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Replay> for ReplayView {
    fn from(replay: Replay) -> Self {
        Self {
            id: replay.id.to_string(),
            target: replay.target,
            status: replay.status.as_str(),
            total: replay.total,
            done: replay.done,
            report: replay.report,
            error: replay.error,
            created_at: replay.created_at,
            updated_at: replay.updated_at,
        }
    }
}

/// Starts a replay, which runs behind the traffic. One at a time for each merchant; 409 while one runs.
#[utoipa::path(context_path = "/admin/v1", tag = "rules", params(("merchant" = String, Path)),
    request_body = ReplayRequest,
    responses((status = 202, body = ReplayView), (status = "4XX", body = Problem)))]
#[post("/merchants/{merchant}/rules/replay")]
pub async fn start_replay(
    admin: Data<Admin>,
    path: Path<String>,
    body: Json<ReplayRequest>,
) -> Result<HttpResponse, Problem> {
    let merchant = admin.merchant(&path).await?;
    let prepared = admin.rulebook.prepare_replay(merchant.id, body.into_inner()).await?;
    let view = ReplayView::from(prepared.replay.clone());
    let rulebook = admin.rulebook.clone();
    tokio::spawn(async move {
        if let Err(error) = rulebook.run_replay(prepared).await {
            tracing::warn!(%error, "what a replay found could not be stored");
        }
    });
    Ok(HttpResponse::Accepted().json(view))
}

/// Replays, newest first.
#[utoipa::path(context_path = "/admin/v1", tag = "rules", params(("merchant" = String, Path), PageQuery),
    responses((status = 200, body = List<ReplayView>), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/rules/replays")]
pub async fn list_replays(
    admin: Data<Admin>,
    path: Path<String>,
    query: Query<PageQuery>,
) -> Result<Json<List<ReplayView>>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let page = admin.store.replays(merchant.id, &query.into_inner().into()).await?;
    Ok(Json(List::of(page, Into::into)))
}

/// How far a replay is, and what it found.
#[utoipa::path(context_path = "/admin/v1", tag = "rules",
    params(("merchant" = String, Path), ("replay" = String, Path)),
    responses((status = 200, body = ReplayView), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/rules/replays/{replay}")]
pub async fn get_replay(admin: Data<Admin>, path: Path<(String, String)>) -> Result<Json<ReplayView>, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let replay = (admin.store.replay(merchant.id, read_id(&path.1, "this replay")?)).await?;
    Ok(Json(replay.into()))
}
