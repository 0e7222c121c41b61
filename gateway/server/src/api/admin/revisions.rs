//! Drafts, revisions, publishing, and who did it.

use std::collections::BTreeMap;

use actix_web::web::{Data, Json, Path, Query, ServiceConfig};
use actix_web::{HttpResponse, delete, get, post, put};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Behaviour, RuleDraft, RuleRevision};
use utoipa::ToSchema;

use super::caller::Caller;
use super::rules::RulesBody;
use super::{Admin, List, PageQuery};
use crate::api::problem::Problem;
use crate::rulebook::{self, ChangedRevision};

/// Decisions that say how revisions behave; reading more would take longer than a page may.
const BEHAVIOUR_DECISIONS: u32 = 20_000;

pub fn configure(config: &mut ServiceConfig) {
    config
        .service(save_draft)
        .service(get_draft)
        .service(delete_draft)
        .service(publish)
        .service(list_revisions)
        .service(rule_behaviour)
        .service(get_revision);
}

/// What the merchant works on.
#[derive(Debug, Serialize, ToSchema)]
pub struct DraftView {
    /// Counts saves.
    version: i64,
    source: String,
    message: String,
    author: String,
    sha256: String,
    /// What the checks found when it was saved. An error blocks publishing, a warning does not.
    #[schema(value_type = Object)]
    checks: Value,
    updated_at: DateTime<Utc>,
}

impl From<RuleDraft> for DraftView {
    fn from(draft: RuleDraft) -> Self {
        Self {
            version: draft.version,
            sha256: rulebook::sha256(&draft.source),
            source: draft.source,
            message: draft.message,
            author: draft.author,
            checks: draft.checks,
            updated_at: draft.updated_at,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RevisionSummary {
    /// Counts from 1 within the merchant.
    revision: i32,
    /// Whether it is in service.
    published: bool,
    message: String,
    author: String,
    sha256: String,
    /// What the checks found when it was published; null for revisions from before there were any.
    #[schema(value_type = Option<Object>)]
    checks: Option<Value>,
    /// What changed since the revision before, as `diff -u` tells it.
    diff: String,
    created_at: DateTime<Utc>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RevisionDetail {
    #[serde(flatten)]
    summary: RevisionSummary,
    source: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RuleBehaviour {
    /// How many of the newest decisions were looked at; at most 20,000.
    considered: u64,
    revisions: Vec<RevisionBehaviour>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RevisionBehaviour {
    revision: i32,
    /// Those that were looked at.
    decisions: u64,
    /// How many ended in which way: `accept`, `reject`, `retry_later`, `failed` and so on.
    outcomes: BTreeMap<String, u64>,
    /// What one took on average, in microseconds.
    mean_us: u64,
}

impl From<Behaviour> for RevisionBehaviour {
    fn from(found: Behaviour) -> Self {
        Self {
            revision: found.revision,
            decisions: found.decisions,
            outcomes: found.outcomes,
            mean_us: found.duration_us / found.decisions.max(1),
        }
    }
}

impl RevisionSummary {
    fn of(changed: ChangedRevision, published: Option<i32>) -> (Self, String) {
        let ChangedRevision { revision, diff } = changed;
        let RuleRevision { number, source, .. } = revision;
        let summary = Self {
            revision: number,
            published: published == Some(number),
            message: revision.message,
            author: revision.author,
            sha256: rulebook::sha256(&source),
            checks: revision.checks,
            diff,
            created_at: revision.created_at,
        };
        (summary, source)
    }
}

/// Saves the draft and runs the checks. It never runs on payments; publishing it makes it a revision.
#[utoipa::path(context_path = "/admin/v1", tag = "rules", params(("merchant" = String, Path)),
    request_body = RulesBody,
    responses((status = 200, body = DraftView), (status = "4XX", body = Problem)))]
#[put("/merchants/{merchant}/rules/draft")]
pub async fn save_draft(
    admin: Data<Admin>,
    caller: Caller,
    path: Path<String>,
    body: Json<RulesBody>,
) -> Result<Json<DraftView>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let draft = admin
        .rulebook
        .save_draft(merchant.id, body.into_inner().by(caller.name()));
    Ok(Json(draft.await?.into()))
}

#[utoipa::path(context_path = "/admin/v1", tag = "rules", params(("merchant" = String, Path)),
    responses((status = 200, body = DraftView), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/rules/draft")]
pub async fn get_draft(admin: Data<Admin>, path: Path<String>) -> Result<Json<DraftView>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let draft = admin.store.rule_draft(merchant.id).await?;
    Ok(Json(draft.ok_or_else(|| Problem::not_found("a draft"))?.into()))
}

/// Throws the draft away.
#[utoipa::path(context_path = "/admin/v1", tag = "rules", params(("merchant" = String, Path)),
    responses((status = 204), (status = "4XX", body = Problem)))]
#[delete("/merchants/{merchant}/rules/draft")]
pub async fn delete_draft(admin: Data<Admin>, caller: Caller, path: Path<String>) -> Result<HttpResponse, Problem> {
    let merchant = admin.merchant(&path).await?;
    admin.rulebook.delete_draft(merchant.id, caller.name()).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishBody {
    /// An older revision to go back to; the draft when absent.
    revision: Option<i32>,
    /// Message of the new revision; the draft's when absent.
    message: Option<String>,
}

/// Publishes the draft as the next revision, or puts an older revision into service. 409 when the checks object, with
/// what they found in `checks`.
#[utoipa::path(context_path = "/admin/v1", tag = "rules", params(("merchant" = String, Path)),
    request_body = PublishBody,
    responses((status = 200, body = RevisionDetail), (status = "4XX", body = Problem)))]
#[post("/merchants/{merchant}/rules/publish")]
pub async fn publish(
    admin: Data<Admin>,
    caller: Caller,
    path: Path<String>,
    body: Json<PublishBody>,
) -> Result<Json<RevisionDetail>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let PublishBody { revision, message } = body.into_inner();
    let published = match revision {
        Some(_) if message.is_some() => {
            return Err(Problem::invalid(
                "message",
                "message: a revision keeps the message that it has",
            ));
        }
        Some(number) => admin.rulebook.roll_back(merchant.id, number, caller.name()).await?,
        None => {
            (admin
                .rulebook
                .publish_draft(merchant.id, message, caller.name().to_owned()))
            .await?
        }
    };
    let changed = admin.rulebook.revision(merchant.id, published.number).await?;
    let (summary, source) = RevisionSummary::of(changed, Some(published.number));
    Ok(Json(RevisionDetail { summary, source }))
}

/// Revisions, newest first, each with what changed since the one before.
#[utoipa::path(context_path = "/admin/v1", tag = "rules", params(("merchant" = String, Path), PageQuery),
    responses((status = 200, body = List<RevisionSummary>), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/rules/revisions")]
pub async fn list_revisions(
    admin: Data<Admin>,
    path: Path<String>,
    query: Query<PageQuery>,
) -> Result<Json<List<RevisionSummary>>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let page = (admin.rulebook.revisions(merchant.id, &query.into_inner().into())).await?;
    let published = merchant.published_rules;
    Ok(Json(List::of(page, |changed| {
        RevisionSummary::of(changed, published).0
    })))
}

/// How each revision has decided, as far as the newest 20,000 stored decisions tell; newest revision first.
#[utoipa::path(context_path = "/admin/v1", tag = "rules", params(("merchant" = String, Path)),
    responses((status = 200, body = RuleBehaviour), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/rules/behaviour")]
pub async fn rule_behaviour(admin: Data<Admin>, path: Path<String>) -> Result<Json<RuleBehaviour>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let found = admin.store.behaviour(merchant.id, BEHAVIOUR_DECISIONS).await?;
    Ok(Json(RuleBehaviour {
        considered: found.iter().map(|one| one.decisions).sum(),
        revisions: found.into_iter().map(RevisionBehaviour::from).collect(),
    }))
}

#[utoipa::path(context_path = "/admin/v1", tag = "rules",
    params(("merchant" = String, Path), ("revision" = i32, Path)),
    responses((status = 200, body = RevisionDetail), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/rules/revisions/{revision}")]
pub async fn get_revision(admin: Data<Admin>, path: Path<(String, i32)>) -> Result<Json<RevisionDetail>, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let changed = admin.rulebook.revision(merchant.id, path.1).await?;
    let (summary, source) = RevisionSummary::of(changed, merchant.published_rules);
    Ok(Json(RevisionDetail { summary, source }))
}
