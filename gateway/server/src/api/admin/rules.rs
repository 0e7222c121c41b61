use std::sync::Arc;

use actix_web::web::{Data, Json, Path, ServiceConfig};
use actix_web::{HttpResponse, delete, get, post, put};
use chrono::{DateTime, Utc};
use rules::{CallContext, Decision, Host, HostCall, Input, Recorded, Surroundings};
use serde::{Deserialize, Serialize};
use store::{CanaryStatus, RuleRevision, RuleTrouble};
use utoipa::ToSchema;

use super::Admin;
use super::caller::Caller;
use super::canary::CanaryView;
use crate::api::problem::Problem;
use crate::rulebook::Script;
use crate::tenancy::{LimitSettings, RuleSettings};

pub fn configure(config: &mut ServiceConfig) {
    config
        .service(get_rules)
        .service(publish_rules)
        .service(unpublish_rules)
        .service(get_settings)
        .service(set_settings)
        .service(get_limits)
        .service(lower_limits)
        .service(run_rules);
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

impl RulesBody {
    pub(super) fn by(self, author: &str) -> Script {
        Script {
            source: self.source,
            message: self.message,
            author: author.to_owned(),
        }
    }
}

/// What is in service.
#[derive(Debug, Serialize, ToSchema)]
pub struct RulesView {
    #[serde(flatten)]
    published: RevisionView,
    /// How the published revision fails; null while it does not.
    trouble: Option<TroubleView>,
    /// The revision that decides for a part of the accounts, or that the gateway withdrew last; null when there is
    /// neither.
    canary: Option<CanaryView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct TroubleView {
    revision: i32,
    /// Failed calls since the revision was published, over all nodes; about, when very many failed at once.
    count: u64,
    since: DateTime<Utc>,
    last_at: DateTime<Utc>,
    /// `runtime`, `step_limit`, `bad_answer` and the like.
    kind: String,
    /// How it failed last.
    message: String,
    /// Line of the script.
    line: Option<u32>,
}

impl From<RuleTrouble> for TroubleView {
    fn from(trouble: RuleTrouble) -> Self {
        Self {
            revision: trouble.revision,
            count: trouble.failures,
            since: trouble.since,
            last_at: trouble.last_at,
            kind: trouble.kind,
            message: trouble.message,
            line: trouble.line,
        }
    }
}

/// The published revision, and whether it fails.
#[utoipa::path(context_path = "/admin/v1", tag = "rules", params(("merchant" = String, Path)),
    responses((status = 200, body = RulesView), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/rules")]
pub async fn get_rules(admin: Data<Admin>, path: Path<String>) -> Result<Json<RulesView>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let number = merchant
        .published_rules
        .ok_or_else(|| Problem::not_found("a published revision"))?;
    let troubles = admin.store.rule_troubles(merchant.id).await?;
    let canary = admin.store.canary(merchant.id).await?;
    let canary = canary.filter(|canary| matches!(canary.status, CanaryStatus::Running | CanaryStatus::Withdrawn));
    let canary = match canary {
        Some(canary) => Some(CanaryView::of(&admin, canary).await?),
        None => None,
    };
    Ok(Json(RulesView {
        canary,
        published: admin.store.rule_revision(merchant.id, number).await?.into(),
        trouble: (troubles.into_iter())
            .find(|trouble| trouble.revision == number)
            .map(Into::into),
    }))
}

/// Compiles the script and publishes it as the next revision. Nothing is stored that does not compile.
#[utoipa::path(context_path = "/admin/v1", tag = "rules", params(("merchant" = String, Path)),
    request_body = RulesBody,
    responses((status = 200, body = RevisionView), (status = "4XX", body = Problem)))]
#[put("/merchants/{merchant}/rules")]
pub async fn publish_rules(
    admin: Data<Admin>,
    caller: Caller,
    path: Path<String>,
    body: Json<RulesBody>,
) -> Result<Json<RevisionView>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let script = body.into_inner().by(caller.name());
    let revision = admin.rulebook.publish(merchant.id, script).await?;
    Ok(Json(revision.into()))
}

/// Takes the rules out of service; the revisions stay.
#[utoipa::path(context_path = "/admin/v1", tag = "rules", params(("merchant" = String, Path)),
    responses((status = 204), (status = "4XX", body = Problem)))]
#[delete("/merchants/{merchant}/rules")]
pub async fn unpublish_rules(admin: Data<Admin>, caller: Caller, path: Path<String>) -> Result<HttpResponse, Problem> {
    let merchant = admin.merchant(&path).await?;
    admin.rulebook.unpublish(merchant.id, caller.name()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// What the merchant's rules run under.
#[utoipa::path(context_path = "/admin/v1", tag = "rules", params(("merchant" = String, Path)),
    responses((status = 200, body = RuleSettings), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/rules/settings")]
pub async fn get_settings(admin: Data<Admin>, path: Path<String>) -> Result<Json<RuleSettings>, Problem> {
    let merchant = admin.merchant(&path).await?;
    Ok(Json(admin.rulebook.settings(merchant.id).await?))
}

/// Replaces what the merchant's rules run under. What is absent is the installation's own.
#[utoipa::path(context_path = "/admin/v1", tag = "rules", params(("merchant" = String, Path)),
    request_body = RuleSettings,
    responses((status = 200, body = RuleSettings), (status = "4XX", body = Problem)))]
#[put("/merchants/{merchant}/rules/settings")]
pub async fn set_settings(
    admin: Data<Admin>,
    caller: Caller,
    path: Path<String>,
    body: Json<RuleSettings>,
) -> Result<Json<RuleSettings>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let settings = admin
        .rulebook
        .set_settings(merchant.id, body.into_inner(), caller.name());
    Ok(Json(settings.await?))
}

/// The limits of one call.
#[derive(Debug, Serialize, ToSchema)]
pub struct LimitsView {
    /// What the operator allows.
    allowed: LimitSettings,
    /// What the merchant itself lowers of it; null where it does not.
    lowered: LimitSettings,
    /// What holds: of each the lower one.
    effective: LimitSettings,
}

impl LimitsView {
    fn of(admin: &Admin, settings: &RuleSettings) -> Self {
        let installation = &admin.rulebook.engine.limits().call;
        Self {
            allowed: LimitSettings::of(&settings.limits.over(installation)),
            lowered: settings.lowered,
            effective: LimitSettings::of(&settings.call_limits(installation)),
        }
    }
}

/// What one call of the merchant's scripts may use.
#[utoipa::path(context_path = "/admin/v1", tag = "rules", params(("merchant" = String, Path)),
    responses((status = 200, body = LimitsView), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/rules/limits")]
pub async fn get_limits(admin: Data<Admin>, path: Path<String>) -> Result<Json<LimitsView>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let settings = admin.rulebook.settings(merchant.id).await?;
    Ok(Json(LimitsView::of(&admin, &settings)))
}

/// Replaces what the merchant itself lowers of its limits. 422 for a limit above what the operator allows.
#[utoipa::path(context_path = "/admin/v1", tag = "rules", params(("merchant" = String, Path)),
    request_body = LimitSettings,
    responses((status = 200, body = LimitsView), (status = "4XX", body = Problem)))]
#[put("/merchants/{merchant}/rules/limits")]
pub async fn lower_limits(
    admin: Data<Admin>,
    caller: Caller,
    path: Path<String>,
    body: Json<LimitSettings>,
) -> Result<Json<LimitsView>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let settings = (admin
        .rulebook
        .lower_limits(merchant.id, body.into_inner(), caller.name()))
    .await?;
    Ok(Json(LimitsView::of(&admin, &settings)))
}

/// A question to a script, outside of any traffic.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunBody {
    /// The script to ask; the published revision when absent.
    source: Option<String>,
    /// `{"handler": "check" | "route" | "fee" | "event", "request": {…}}`
    #[schema(value_type = Object)]
    input: Input,
    /// The recorded moment; now when absent.
    now: Option<DateTime<Utc>>,
    /// Decides what `ctx.random` gives.
    #[serde(default)]
    seed: u64,
    /// Answers of lists, velocities and hosts, as a decision records them. When absent, the real ones are asked.
    #[schema(value_type = Option<Vec<Object>>)]
    calls: Option<Vec<HostCall>>,
}

/// Asks a handler and gives its decision. Nothing is stored and no payment is touched.
#[utoipa::path(context_path = "/admin/v1", tag = "rules", params(("merchant" = String, Path)),
    request_body = RunBody,
    responses((status = 200, body = Object), (status = "4XX", body = Problem)))]
#[post("/merchants/{merchant}/rules/run")]
pub async fn run_rules(admin: Data<Admin>, path: Path<String>, body: Json<RunBody>) -> Result<Json<Decision>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let body = body.into_inner();
    let (label, source) = match (body.source, merchant.published_rules) {
        (Some(source), _) => ("draft".to_owned(), source),
        (None, Some(number)) => (
            format!("r{number}"),
            admin.store.rule_revision(merchant.id, number).await?.source,
        ),
        (None, None) => return Err(Problem::not_found("a published revision")),
    };
    let program = admin.rulebook.compile(label, source).await?;
    let settings = admin.rulebook.settings(merchant.id).await?;
    let limits = settings.call_limits(&admin.rulebook.engine.limits().call);
    let context = CallContext {
        now: body.now.unwrap_or_else(|| admin.clock.now()),
        seed: body.seed,
    };
    let (live, recorded, secrets, connections);
    let host: &dyn Host = match body.calls {
        Some(calls) => {
            recorded = Recorded::new(calls);
            &recorded
        }
        None => {
            secrets = admin.rulebook.secrets(merchant.id).await?;
            connections = admin.store.connections(merchant.id).await?;
            live = admin
                .hosts
                .of(merchant.id, &connections, &settings.http_hosts, &secrets);
            &live
        }
    };
    let surroundings = Surroundings {
        limits: Some(&limits),
        ..Surroundings::of(host)
    };
    let engine = &admin.rulebook.engine;
    Ok(Json(
        engine
            .run(&program, &Arc::new(body.input), &context, &surroundings)
            .await,
    ))
}
