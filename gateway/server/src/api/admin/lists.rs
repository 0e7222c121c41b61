use std::time::Duration;

use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::{Bytes, Data, Json, Path, Payload, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, delete, get, post, put};
use chrono::{DateTime, Utc};
use futures_util::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use store::{Cursor, ListEntry, ListImport, ListImportStatus, ListQuota, Store, StoreError};
use utoipa::{IntoParams, ToSchema};

use super::{Admin, List, PageQuery, read_id};
use crate::api::problem::Problem;
use crate::edge::body::BodyError;
use crate::lists::{Format, ListRefusal, LookupError, Upload};

/// An upload in which nothing arrives for this long has broken off.
const UPLOAD_IDLE: Duration = Duration::from_secs(30);
/// Rows that an export reads at once.
const EXPORT_CHUNK: u64 = 2_000;

pub fn configure(config: &mut ServiceConfig) {
    config
        .service(list_lists)
        .service(create_list)
        .service(get_list)
        .service(delete_list)
        .service(import_list)
        .service(list_imports)
        .service(get_import)
        .service(list_entries)
        .service(get_entry)
        .service(put_entry)
        .service(remove_entry)
        .service(look_up)
        .service(export_list)
        .service(get_quota)
        .service(set_quota)
        .service(reset_quota);
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ListView {
    name: String,
    /// Keys in it.
    entries: i64,
    /// Of keys and values.
    bytes: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<store::List> for ListView {
    fn from(list: store::List) -> Self {
        Self {
            name: list.name,
            entries: list.entries,
            bytes: list.bytes,
            created_at: list.created_at,
            updated_at: list.updated_at,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct EntryView {
    key: String,
    /// Any JSON, as it was given; null when the key has none.
    #[schema(value_type = Value)]
    value: Option<Box<RawValue>>,
}

impl From<ListEntry> for EntryView {
    fn from(entry: ListEntry) -> Self {
        Self {
            key: entry.key,
            value: entry.value.and_then(|value| RawValue::from_string(value).ok()),
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EntryBody {
    /// Any JSON, at most 1 KiB of text and 8 levels deep; absent or null for none.
    #[schema(value_type = Value)]
    #[serde(default)]
    value: Option<Box<RawValue>>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ImportView {
    id: String,
    list: String,
    #[schema(example = "csv")]
    format: String,
    /// `active`, `done` or `failed`. Until it is done the list is what it was.
    status: &'static str,
    bytes_total: i64,
    /// Bytes of the file that were read and checked; storing starts when all are.
    bytes_read: i64,
    rows_read: i64,
    /// Rows that were left out because a later row has the same key.
    rows_repeated: i64,
    rows_stored: i64,
    errors: Vec<ImportErrorView>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ImportErrorView {
    /// Counts from 1; null when no single line is to blame.
    line: Option<u64>,
    message: String,
}

impl From<ListImport> for ImportView {
    fn from(import: ListImport) -> Self {
        let progress = import.progress;
        let errors = import.errors.into_iter().map(|error| ImportErrorView {
            line: error.line,
            message: error.message,
        });
        Self {
            id: import.id.to_string(),
            list: import.list,
            format: import.format,
            status: import.status.as_str(),
            bytes_total: progress.bytes_total,
            bytes_read: progress.bytes_read,
            rows_read: progress.rows_read,
            rows_repeated: progress.rows_repeated,
            rows_stored: progress.rows_stored,
            errors: errors.collect(),
            created_at: import.created_at,
            updated_at: import.updated_at,
        }
    }
}

/// All lists of a merchant, by name.
#[utoipa::path(context_path = "/admin/v1", tag = "lists", params(("merchant" = String, Path)),
    responses((status = 200, body = List<ListView>), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/lists")]
pub async fn list_lists(admin: Data<Admin>, path: Path<String>) -> Result<Json<List<ListView>>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let lists = admin.store.lists(merchant.id).await?;
    Ok(Json(List::whole(lists.into_iter().map(ListView::from).collect())))
}

/// Makes an empty list; one that is there already stays as it is.
#[utoipa::path(context_path = "/admin/v1", tag = "lists", params(("merchant" = String, Path), ("list" = String, Path)),
    responses((status = 200, body = ListView), (status = "4XX", body = Problem)))]
#[put("/merchants/{merchant}/lists/{list}")]
pub async fn create_list(admin: Data<Admin>, path: Path<(String, String)>) -> Result<Json<ListView>, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    Ok(Json(admin.lists.create(merchant.id, &path.1).await?.into()))
}

#[utoipa::path(context_path = "/admin/v1", tag = "lists", params(("merchant" = String, Path), ("list" = String, Path)),
    responses((status = 200, body = ListView), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/lists/{list}")]
pub async fn get_list(admin: Data<Admin>, path: Path<(String, String)>) -> Result<Json<ListView>, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    Ok(Json(admin.store.list(merchant.id, &path.1).await?.into()))
}

/// Deletes a list. Rules that ask it fail from then on.
#[utoipa::path(context_path = "/admin/v1", tag = "lists", params(("merchant" = String, Path), ("list" = String, Path)),
    responses((status = 204), (status = "4XX", body = Problem)))]
#[delete("/merchants/{merchant}/lists/{list}")]
pub async fn delete_list(admin: Data<Admin>, path: Path<(String, String)>) -> Result<HttpResponse, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    admin.lists.delete(merchant.id, &path.1).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct FormatQuery {
    /// `csv` or `jsonl`.
    format: String,
}

fn read_format(text: &str) -> Result<Format, Problem> {
    Format::read(text).ok_or_else(|| Problem::invalid("format", format!("format: '{text}' is not one of: csv, jsonl")))
}

/// Replaces the whole list by a file (the body is the file), in the background. The list is made when it is missing.
/// Until the import is done the old list serves; what is added or removed singly meanwhile is replaced, too.
#[utoipa::path(context_path = "/admin/v1", tag = "lists",
    params(("merchant" = String, Path), ("list" = String, Path), FormatQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 202, body = ImportView), (status = "4XX", body = Problem)))]
#[post("/merchants/{merchant}/lists/{list}/imports")]
pub async fn import_list(
    admin: Data<Admin>,
    path: Path<(String, String)>,
    query: Query<FormatQuery>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let format = read_format(&query.format)?;
    // Before hundreds of megabytes arrive for nothing.
    let length = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok());
    let length = length.and_then(|length| length.parse::<u64>().ok()).unwrap_or(0);
    if length > admin.lists.limits.upload_bytes_max {
        return Err(ListRefusal::TooLarge(admin.lists.limits.upload_bytes_max).into());
    }
    let newest = Cursor::new(None, Some(1));
    let newest = admin.store.list_imports(merchant.id, &path.1, &newest).await?;
    if newest
        .items
        .iter()
        .any(|import| import.status == ListImportStatus::Active)
    {
        return Err(Problem::conflict(
            "an import of this list is at work; wait until it has ended",
        ));
    }
    let upload = receive(admin.imports.open_upload()?, payload).await?;
    let file = upload.finish().await?;
    let job = admin.imports.start(merchant.id, &path.1, format, file).await?;
    let view = ImportView::from(job.import.clone());
    if admin.import_queue.try_send(job).is_err() {
        // Its lease runs out, and it is given up.
        return Err(Problem::unavailable(
            "too many imports wait; try again when some have ended",
        ));
    }
    Ok(HttpResponse::Accepted().json(view))
}

async fn receive(mut upload: Upload, mut payload: Payload) -> Result<Upload, Problem> {
    loop {
        match tokio::time::timeout(UPLOAD_IDLE, payload.next()).await {
            Ok(Some(Ok(chunk))) => upload.write(&chunk).await?,
            Ok(Some(Err(_))) => return Err(BodyError::Broken.into()),
            Ok(None) => return Ok(upload),
            Err(_) => return Err(BodyError::TooSlow(UPLOAD_IDLE).into()),
        }
    }
}

/// Imports of a list, newest first.
#[utoipa::path(context_path = "/admin/v1", tag = "lists",
    params(("merchant" = String, Path), ("list" = String, Path), PageQuery),
    responses((status = 200, body = List<ImportView>), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/lists/{list}/imports")]
pub async fn list_imports(
    admin: Data<Admin>,
    path: Path<(String, String)>,
    query: Query<PageQuery>,
) -> Result<Json<List<ImportView>>, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let cursor = query.into_inner().into();
    let page = admin.store.list_imports(merchant.id, &path.1, &cursor).await?;
    Ok(Json(List::of(page, ImportView::from)))
}

/// How far an import is, or how it ended.
#[utoipa::path(context_path = "/admin/v1", tag = "lists",
    params(("merchant" = String, Path), ("list" = String, Path), ("import" = String, Path)),
    responses((status = 200, body = ImportView), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/lists/{list}/imports/{import}")]
pub async fn get_import(admin: Data<Admin>, path: Path<(String, String, String)>) -> Result<Json<ImportView>, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let id = read_id(&path.2, "this import")?;
    let import = admin.store.list_import(merchant.id, id).await?;
    if import.list != path.1 {
        return Err(Problem::not_found("this import"));
    }
    Ok(Json(import.into()))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct EntryQuery {
    /// Only keys that start with this.
    #[serde(default)]
    prefix: String,
    cursor: Option<String>,
    limit: Option<u64>,
}

/// Entries in the order of their keys' bytes.
#[utoipa::path(context_path = "/admin/v1", tag = "lists",
    params(("merchant" = String, Path), ("list" = String, Path), EntryQuery),
    responses((status = 200, body = List<EntryView>), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/lists/{list}/entries")]
pub async fn list_entries(
    admin: Data<Admin>,
    path: Path<(String, String)>,
    query: Query<EntryQuery>,
) -> Result<Json<List<EntryView>>, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    admin.store.list(merchant.id, &path.1).await?;
    let EntryQuery { prefix, cursor, limit } = query.into_inner();
    let cursor = Cursor::new(cursor, limit);
    let page = admin.store.list_entries(merchant.id, &path.1, &prefix, &cursor).await?;
    Ok(Json(List::of(page, EntryView::from)))
}

/// One entry, as it is in the database now.
#[utoipa::path(context_path = "/admin/v1", tag = "lists",
    params(("merchant" = String, Path), ("list" = String, Path), ("key" = String, Path)),
    responses((status = 200, body = EntryView), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/lists/{list}/entries/{key}")]
pub async fn get_entry(admin: Data<Admin>, path: Path<(String, String, String)>) -> Result<Json<EntryView>, Problem> {
    let (merchant, list, key) = path.into_inner();
    let merchant = admin.merchant(&merchant).await?;
    match admin.store.list_entry(merchant.id, &list, &key).await? {
        store::ListAnswer::NoList => Err(Problem::not_found("this list")),
        store::ListAnswer::Absent { .. } => Err(Problem::not_found("this key")),
        store::ListAnswer::Present { value, .. } => Ok(Json(ListEntry { key, value }.into())),
    }
}

/// Adds a key or replaces its value. Rules on every node hear it within a second.
#[utoipa::path(context_path = "/admin/v1", tag = "lists",
    params(("merchant" = String, Path), ("list" = String, Path), ("key" = String, Path)), request_body = EntryBody,
    responses((status = 200, body = EntryView), (status = "4XX", body = Problem)))]
#[put("/merchants/{merchant}/lists/{list}/entries/{key}")]
pub async fn put_entry(
    admin: Data<Admin>,
    path: Path<(String, String, String)>,
    body: Json<EntryBody>,
) -> Result<Json<EntryView>, Problem> {
    let (merchant, list, key) = path.into_inner();
    let merchant = admin.merchant(&merchant).await?;
    let value = body.value.as_deref().map(RawValue::get);
    Ok(Json(admin.lists.put(merchant.id, &list, key, value).await?.into()))
}

/// Takes a key out. One that is not there is fine, too.
#[utoipa::path(context_path = "/admin/v1", tag = "lists",
    params(("merchant" = String, Path), ("list" = String, Path), ("key" = String, Path)),
    responses((status = 204), (status = "4XX", body = Problem)))]
#[delete("/merchants/{merchant}/lists/{list}/entries/{key}")]
pub async fn remove_entry(admin: Data<Admin>, path: Path<(String, String, String)>) -> Result<HttpResponse, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    admin.lists.remove(merchant.id, &path.1, &path.2).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct LookUpQuery {
    key: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct LookUpView {
    present: bool,
    #[schema(value_type = Value)]
    value: Option<Value>,
}

/// What a rule on this node hears when it asks the list for the key.
#[utoipa::path(context_path = "/admin/v1", tag = "lists",
    params(("merchant" = String, Path), ("list" = String, Path), LookUpQuery),
    responses((status = 200, body = LookUpView), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/lists/{list}/lookup")]
pub async fn look_up(
    admin: Data<Admin>,
    path: Path<(String, String)>,
    query: Query<LookUpQuery>,
) -> Result<Json<LookUpView>, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    match admin.lookups.get(merchant.id, &path.1, &query.key).await {
        Ok(entry) => Ok(Json(LookUpView {
            present: entry.is_some(),
            value: entry.and_then(|entry| entry.value.clone()),
        })),
        Err(LookupError::UnknownList { .. }) => Err(Problem::not_found("this list")),
        Err(error @ LookupError::Unavailable(_)) => Err(Problem::unavailable(error.to_string())),
    }
}

/// The whole list as a file that an import takes. When the list is replaced meanwhile the answer breaks off.
#[utoipa::path(context_path = "/admin/v1", tag = "lists",
    params(("merchant" = String, Path), ("list" = String, Path), FormatQuery),
    responses((status = 200, body = String, content_type = "text/plain"), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/lists/{list}/export")]
pub async fn export_list(
    admin: Data<Admin>,
    path: Path<(String, String)>,
    query: Query<FormatQuery>,
) -> Result<HttpResponse, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let format = read_format(&query.format)?;
    let list = admin.store.list(merchant.id, &path.1).await?;
    let media_type = match format {
        Format::Csv => "text/csv; charset=utf-8",
        Format::Jsonl => "application/jsonl",
    };
    let rows = exported(admin.store.clone(), list, format);
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, media_type))
        .streaming(rows.map(|chunk| chunk.map(Bytes::from))))
}

/// The list as the text of a file, in pieces.
pub fn exported(
    store: Store,
    list: store::List,
    format: Format,
) -> impl Stream<Item = Result<Vec<u8>, StoreError>> + use<> {
    enum Next {
        Start,
        After(String),
        End,
    }
    stream::try_unfold((store, list, Next::Start), move |(store, list, next)| async move {
        let after = match &next {
            Next::Start => None,
            Next::After(key) => Some(key.as_str()),
            Next::End => return Ok(None),
        };
        let chunk = store.list_chunk(&list, after, EXPORT_CHUNK).await?;
        let text = format.write(&chunk, after.is_none());
        let text = text.map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let next = match chunk.into_iter().last() {
            Some(last) => Next::After(last.key),
            None => Next::End,
        };
        Ok::<_, StoreError>(Some((text, (store, list, next))))
    })
}

#[derive(Debug, Serialize, ToSchema)]
pub struct QuotaView {
    /// Keys that the merchant's lists may hold together.
    entries_max: i64,
    /// Bytes of these keys and their values.
    bytes_max: i64,
}

impl From<ListQuota> for QuotaView {
    fn from(quota: ListQuota) -> Self {
        Self {
            entries_max: quota.entries_max,
            bytes_max: quota.bytes_max,
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuotaBody {
    entries_max: i64,
    bytes_max: i64,
}

/// What the merchant's lists may hold.
#[utoipa::path(context_path = "/admin/v1", tag = "lists", params(("merchant" = String, Path)),
    responses((status = 200, body = QuotaView), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/list-quota")]
pub async fn get_quota(admin: Data<Admin>, path: Path<String>) -> Result<Json<QuotaView>, Problem> {
    let merchant = admin.merchant(&path).await?;
    Ok(Json(admin.lists.quota(merchant.id).await?.into()))
}

/// Gives the merchant a quota of its own. What is stored already stays.
#[utoipa::path(context_path = "/admin/v1", tag = "lists", params(("merchant" = String, Path)), request_body = QuotaBody,
    responses((status = 200, body = QuotaView), (status = "4XX", body = Problem)))]
#[put("/merchants/{merchant}/list-quota")]
pub async fn set_quota(
    admin: Data<Admin>,
    path: Path<String>,
    body: Json<QuotaBody>,
) -> Result<Json<QuotaView>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let quota = ListQuota {
        entries_max: body.entries_max,
        bytes_max: body.bytes_max,
    };
    Ok(Json(admin.lists.set_quota(merchant.id, Some(quota)).await?.into()))
}

/// Goes back to the quota of the settings.
#[utoipa::path(context_path = "/admin/v1", tag = "lists", params(("merchant" = String, Path)),
    responses((status = 200, body = QuotaView), (status = "4XX", body = Problem)))]
#[delete("/merchants/{merchant}/list-quota")]
pub async fn reset_quota(admin: Data<Admin>, path: Path<String>) -> Result<Json<QuotaView>, Problem> {
    let merchant = admin.merchant(&path).await?;
    Ok(Json(admin.lists.set_quota(merchant.id, None).await?.into()))
}
