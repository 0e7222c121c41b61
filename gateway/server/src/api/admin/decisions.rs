//! What the rules decided, and why.

use actix_web::web::{Data, Json, Path, Query, ServiceConfig};
use actix_web::{HttpResponse, get};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Cursor, DecisionFilter, StoredDecision};
use utoipa::{IntoParams, ToSchema};

use super::{Admin, List, read_id};
use crate::api::problem::Problem;
use crate::rulebook::Explanation;

pub fn configure(config: &mut ServiceConfig) {
    config.service(list_decisions).service(get_decision).service(get_test);
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct DecisionQuery {
    /// Id of a payment.
    payment: Option<String>,
    revision: Option<i32>,
    /// `check` or `fee`.
    handler: Option<String>,
    /// `accept`, `reject`, `retry_later`, `failed` and the like.
    outcome: Option<String>,
    account: Option<String>,
    created_from: Option<DateTime<Utc>>,
    created_until: Option<DateTime<Utc>>,
    cursor: Option<String>,
    limit: Option<u64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct DecisionView {
    id: String,
    revision: i32,
    /// Of the script: `check` or `fee`.
    handler: String,
    /// Of the network: `info`, `check` or `pay`.
    command: String,
    account: String,
    outcome: String,
    /// Of a refusal; or the kind of failure.
    reason: Option<String>,
    payment_id: Option<String>,
    connection_id: String,
    steps: u64,
    /// From the asking to the answer, in microseconds.
    duration_us: u64,
    created_at: DateTime<Utc>,
}

impl From<StoredDecision> for DecisionView {
    fn from(decision: StoredDecision) -> Self {
        Self {
            id: decision.id.to_string(),
            revision: decision.revision,
            handler: decision.handler,
            command: decision.command,
            account: decision.account,
            outcome: decision.outcome,
            reason: decision.reason,
            payment_id: decision.payment_id.map(|id| id.to_string()),
            connection_id: decision.connection_id.to_string(),
            steps: decision.steps,
            duration_us: decision.duration_us,
            created_at: decision.created_at,
        }
    }
}

/// Decisions, newest first.
#[utoipa::path(context_path = "/admin/v1", tag = "rules", params(("merchant" = String, Path), DecisionQuery),
    responses((status = 200, body = List<DecisionView>), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/decisions")]
pub async fn list_decisions(
    admin: Data<Admin>,
    path: Path<String>,
    query: Query<DecisionQuery>,
) -> Result<Json<List<DecisionView>>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let query = query.into_inner();
    let filter = DecisionFilter {
        payment_id: (query.payment.as_deref())
            .map(|payment| read_id(payment, "this payment"))
            .transpose()?,
        revision: query.revision,
        handler: query.handler,
        outcome: query.outcome,
        account: query.account,
        created_from: query.created_from,
        created_until: query.created_until,
    };
    let cursor = Cursor::new(query.cursor, query.limit);
    let page = admin.store.decisions(merchant.id, &filter, &cursor).await?;
    Ok(Json(List::of(page, Into::into)))
}

/// A decision with all that it depended on, and the lines of its revision that ran.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecisionDetail {
    #[serde(flatten)]
    summary: DecisionView,
    /// `input`, `context` (moment and seed) and `decision`: outcome, steps, times, memory, log, and `calls`, what the
    /// gateway was asked and answered. `masked` tells that card data was taken out.
    #[schema(value_type = Object)]
    record: Value,
    /// Lines of the script that ran, in the order of the script, found by deciding once more from the record.
    lines: Vec<LineView>,
    /// Whether deciding once more came to the same, in the same number of steps.
    repeats: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct LineView {
    line: u32,
    /// How often it ran.
    times: u32,
    text: String,
}

/// Why it was decided so.
#[utoipa::path(context_path = "/admin/v1", tag = "rules",
    params(("merchant" = String, Path), ("decision" = String, Path)),
    responses((status = 200, body = DecisionDetail), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/decisions/{decision}")]
pub async fn get_decision(admin: Data<Admin>, path: Path<(String, String)>) -> Result<Json<DecisionDetail>, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let decision = (admin.store.decision(merchant.id, read_id(&path.1, "this decision")?)).await?;
    let Explanation { record, lines, repeats } = admin.rulebook.explain(merchant.id, &decision).await?;
    let lines = lines.into_iter().map(|ran| LineView {
        line: ran.line,
        times: ran.times,
        text: ran.text,
    });
    Ok(Json(DecisionDetail {
        record: serde_json::to_value(&record).unwrap_or_default(),
        lines: lines.collect(),
        repeats,
        summary: decision.into(),
    }))
}

/// The decision as Lua source of a test, which its revision passes: to be put before the script's last `return`.
#[utoipa::path(context_path = "/admin/v1", tag = "rules",
    params(("merchant" = String, Path), ("decision" = String, Path)),
    responses((status = 200, body = String, content_type = "text/plain"), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/decisions/{decision}/test")]
pub async fn get_test(admin: Data<Admin>, path: Path<(String, String)>) -> Result<HttpResponse, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let decision = (admin.store.decision(merchant.id, read_id(&path.1, "this decision")?)).await?;
    let test = admin.rulebook.test_of(&decision)?;
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(test))
}
