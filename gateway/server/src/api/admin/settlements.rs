use actix_web::web::{Data, Json, Path, Payload, Query, ServiceConfig};
use actix_web::{HttpResponse, get, post, put};
use chrono::{DateTime, Utc};
use plugin_sdk::{Currency, Money};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Outcome, SettlementFilter, SettlementNote, SettlementRecord, SettlementSummary};
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::{Admin, List, PageQuery, UPLOAD_TIMEOUT, now, read_filter, read_id};
use crate::api::problem::Problem;
use crate::edge::body::{self, BodyLimits};
use crate::tenancy::OnboardingError;

/// Longest note, in characters.
const NOTE_LENGTH_MAX: usize = 2_000;

pub fn configure(config: &mut ServiceConfig) {
    config
        .service(import_settlement)
        .service(list_settlements)
        .service(get_settlement)
        .service(list_rows)
        .service(note_row);
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SettlementView {
    id: String,
    file_name: String,
    period_from: DateTime<Utc>,
    period_until: DateTime<Utc>,
    payment_count: i32,
    #[schema(value_type = Object)]
    total: Value,
    created_at: DateTime<Utc>,
    /// The same file had been imported before; nothing was changed.
    repeated: bool,
    counts: CountsView,
    /// Differences that somebody settled.
    resolved: u64,
}

#[derive(Debug, Default, Serialize, ToSchema)]
pub struct CountsView {
    matched: u64,
    ours_only: u64,
    theirs_only: u64,
    amount_mismatch: u64,
    account_mismatch: u64,
}

impl From<SettlementSummary> for SettlementView {
    fn from(summary: SettlementSummary) -> Self {
        let mut counts = CountsView::default();
        for (outcome, count) in summary.counts {
            match outcome {
                Outcome::Matched => counts.matched = count,
                Outcome::OursOnly => counts.ours_only = count,
                Outcome::TheirsOnly => counts.theirs_only = count,
                Outcome::AmountMismatch => counts.amount_mismatch = count,
                Outcome::AccountMismatch => counts.account_mismatch = count,
            }
        }
        let file = summary.file;
        Self {
            id: file.id.to_string(),
            file_name: file.file_name,
            period_from: file.period_from,
            period_until: file.period_until,
            payment_count: file.payment_count,
            total: amount(Some(file.total_minor), &file.currency),
            created_at: file.created_at,
            repeated: summary.repeated,
            resolved: summary.resolved,
            counts,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ImportQuery {
    /// The file's name, as the network gave it.
    file_name: String,
}

/// Imports a settlement file (the body is the file) and compares it with the payments of the connection. The same file
/// twice changes nothing.
#[utoipa::path(context_path = "/admin/v1", tag = "settlements",
    params(("merchant" = String, Path), ("connection" = String, Path), ImportQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = SettlementView), (status = "4XX", body = Problem)))]
#[post("/merchants/{merchant}/connections/{connection}/settlements")]
pub async fn import_settlement(
    admin: Data<Admin>,
    path: Path<(String, String)>,
    query: Query<ImportQuery>,
    payload: Payload,
) -> Result<Json<SettlementView>, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let connection = admin.onboarding.connection(merchant.id, &path.1).await?;
    let limits = BodyLimits {
        bytes_max: admin.body_bytes_max,
        timeout: UPLOAD_TIMEOUT,
    };
    let file = body::read(payload, limits).await?;
    let summary = admin
        .onboarding
        .import_settlement(&connection, query.into_inner().file_name, file)
        .await;
    summary
        .map(|summary| Json(summary.into()))
        .map_err(|error: OnboardingError| error.into())
}

/// Imported files, newest first.
#[utoipa::path(context_path = "/admin/v1", tag = "settlements", params(("merchant" = String, Path), PageQuery),
    responses((status = 200, body = Object), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/settlements")]
pub async fn list_settlements(
    admin: Data<Admin>,
    path: Path<String>,
    query: Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let merchant = admin.merchant(&path).await?;
    let page = admin
        .store
        .settlement_files(merchant.id, &query.into_inner().into())
        .await?;
    let mut data = Vec::with_capacity(page.items.len());
    for file in page.items {
        data.push(SettlementView::from(
            admin.store.settlement_summary(merchant.id, file.id).await?,
        ));
    }
    Ok(HttpResponse::Ok().json(List { data, next: page.next }))
}

#[utoipa::path(context_path = "/admin/v1", tag = "settlements",
    params(("merchant" = String, Path), ("settlement" = String, Path)),
    responses((status = 200, body = SettlementView), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/settlements/{settlement}")]
pub async fn get_settlement(admin: Data<Admin>, path: Path<(String, String)>) -> Result<Json<SettlementView>, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let id = read_id(&path.1, "this settlement file")?;
    Ok(Json(admin.store.settlement_summary(merchant.id, id).await?.into()))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct RowQuery {
    /// `matched`, `ours_only`, `theirs_only`, `amount_mismatch` or `account_mismatch`.
    outcome: Option<String>,
    /// `true`: differences that somebody settled; `false`: those that nobody did.
    resolved: Option<bool>,
    cursor: Option<String>,
    limit: Option<u64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RowView {
    id: String,
    outcome: &'static str,
    /// Line of the file; null for what only we have.
    line: Option<i32>,
    network_id: String,
    payment_id: Option<String>,
    their_account: Option<String>,
    our_account: Option<String>,
    #[schema(value_type = Option<Object>)]
    their_amount: Value,
    #[schema(value_type = Option<Object>)]
    our_amount: Value,
    booked_at: Option<DateTime<Utc>>,
    /// What somebody found out about it.
    note: Option<NoteView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct NoteView {
    note: String,
    /// Nothing is left to do.
    resolved: bool,
    author: String,
    updated_at: DateTime<Utc>,
}

impl From<SettlementNote> for NoteView {
    fn from(note: SettlementNote) -> Self {
        Self {
            note: note.note,
            resolved: note.resolved,
            author: note.author,
            updated_at: note.updated_at,
        }
    }
}

impl From<SettlementRecord> for RowView {
    fn from(record: SettlementRecord) -> Self {
        Self {
            id: record.id.to_string(),
            outcome: record.outcome.as_str(),
            line: record.line,
            network_id: record.key.to_string(),
            payment_id: record.payment_id,
            their_account: record.their_account,
            our_account: record.our_account,
            their_amount: amount(record.their_amount_minor, &record.currency),
            our_amount: amount(record.our_amount_minor, &record.currency),
            booked_at: record.booked_at,
            note: record.note.map(Into::into),
        }
    }
}

/// What comparing gave, row by row.
#[utoipa::path(context_path = "/admin/v1", tag = "settlements",
    params(("merchant" = String, Path), ("settlement" = String, Path), RowQuery),
    responses((status = 200, body = List<RowView>), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/settlements/{settlement}/rows")]
pub async fn list_rows(
    admin: Data<Admin>,
    path: Path<(String, String)>,
    query: Query<RowQuery>,
) -> Result<Json<List<RowView>>, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let id = read_id(&path.1, "this settlement file")?;
    let query = query.into_inner();
    let filter = SettlementFilter {
        outcome: read_filter("outcome", query.outcome.as_deref(), Outcome::read)?,
        resolved: query.resolved,
    };
    let cursor = store::Cursor::new(query.cursor, query.limit);
    let page = admin.store.settlement_rows(merchant.id, id, filter, &cursor).await?;
    Ok(Json(List::of(page, RowView::from)))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NoteBody {
    /// At most 2000 characters.
    #[schema(example = "The network confirmed it by mail; credited by hand.")]
    note: String,
    /// Nothing is left to do.
    resolved: bool,
}

/// Says what was found out about a row, and whether that settles it. It belongs to the payment and its difference: another
/// file of the day that shows the same one shows the note, too.
#[utoipa::path(context_path = "/admin/v1", tag = "settlements",
    params(("merchant" = String, Path), ("settlement" = String, Path), ("row" = String, Path)), request_body = NoteBody,
    responses((status = 200, body = RowView), (status = "4XX", body = Problem)))]
#[put("/merchants/{merchant}/settlements/{settlement}/rows/{row}/note")]
pub async fn note_row(
    admin: Data<Admin>,
    caller: Caller,
    path: Path<(String, String, String)>,
    body: Json<NoteBody>,
) -> Result<Json<RowView>, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let id = read_id(&path.1, "this settlement file")?;
    let row = path.2.parse().map_err(|_| Problem::not_found("this row"))?;
    let NoteBody { note, resolved } = body.into_inner();
    if note.chars().count() > NOTE_LENGTH_MAX || note.contains('\0') {
        let detail = format!("note: has at most {NOTE_LENGTH_MAX} characters");
        return Err(Problem::invalid("note", detail));
    }
    let note = SettlementNote {
        note,
        resolved,
        author: caller.name().to_owned(),
        updated_at: now(&admin),
    };
    let record = admin.store.note_settlement_row(merchant.id, id, row, note).await?;
    Ok(Json(record.into()))
}

fn amount(minor: Option<i64>, currency: &str) -> Value {
    let money = minor
        .zip(Currency::from_code(currency))
        .map(|(minor, currency)| Money::from_minor(minor, currency));
    serde_json::json!(money)
}
