use actix_web::web::{Data, Json, Path, ServiceConfig};
use actix_web::{HttpResponse, delete, get, patch, post, put};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use store::{Connection, ConnectionStatus};
use utoipa::ToSchema;

use super::caller::Caller;
use super::merchants::StatusView;
use super::{Admin, List};
use crate::api::problem::Problem;
use crate::edge::certificates::CertificateInfo;
use crate::edge::guards::strict::StrictAction;
use crate::tenancy::config_secrets;
use crate::tenancy::{BasicCredentials, ConnectionDraft, ConnectionPatch};

pub fn configure(config: &mut ServiceConfig) {
    config
        .service(create_connection)
        .service(list_connections)
        .service(get_connection)
        .service(change_connection)
        .service(delete_connection)
        .service(get_health)
        .service(set_identity)
        .service(remove_identity)
        .service(set_roots);
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ConnectionView {
    #[schema(example = "con_01JB2M7K3V4Q5R6S7T8V9WAXBY")]
    id: String,
    #[schema(example = "terminal")]
    slug: String,
    #[schema(example = "terminal")]
    plugin: String,
    status: StatusView,
    /// Secrets show as `********`; sent back so, they stay what they are.
    #[schema(value_type = Object)]
    config: Value,
    /// Login of HTTP Basic; the password is never shown.
    basic_login: Option<String>,
    /// The client certificate that the connection shows its network.
    identity: Option<CertificateInfo>,
    /// Whether it believes roots of its own beside the system's.
    own_roots: bool,
    /// The host whose name means this connection on `/payment`.
    #[schema(example = "acme.pay.example.com")]
    host: Option<String>,
    /// Path on the public listener that the network is given.
    #[schema(example = "/in/acme/terminal")]
    path: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl ConnectionView {
    #[must_use]
    pub fn of(merchant: &str, connection: Connection) -> Self {
        Self {
            id: connection.id.to_string(),
            path: format!("/in/{merchant}/{}", connection.slug),
            slug: connection.slug,
            plugin: connection.plugin,
            status: StatusView::of(connection.status),
            config: config_secrets::masked(&connection.config),
            basic_login: connection.basic_login,
            identity: connection.identity.and_then(|shown| serde_json::from_value(shown).ok()),
            own_roots: connection.roots.is_some(),
            host: connection.host,
            created_at: connection.created_at,
            updated_at: connection.updated_at,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BasicBody {
    #[schema(example = "qiwi")]
    login: String,
    #[schema(value_type = String, format = Password)]
    password: SecretString,
}

impl From<BasicBody> for BasicCredentials {
    fn from(body: BasicBody) -> Self {
        Self {
            login: body.login,
            password: body.password,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewConnectionBody {
    /// Name in URLs, unique within the merchant.
    slug: String,
    /// One of `GET /admin/v1/plugins`.
    plugin: String,
    /// As the plugin's `config_schema` says.
    #[serde(default)]
    #[schema(value_type = Object)]
    config: serde_json::Map<String, Value>,
    basic: Option<BasicBody>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectionPatchBody {
    status: Option<StatusView>,
    /// Replaces the whole config.
    #[schema(value_type = Option<Object>)]
    config: Option<serde_json::Map<String, Value>>,
    /// Absent leaves the login as it is, null takes it away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<BasicBody>)]
    basic: Option<Option<BasicBody>>,
}

/// Tells null from absent.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// Makes a connection.
#[utoipa::path(context_path = "/admin/v1", tag = "connections", params(("merchant" = String, Path)),
    request_body = NewConnectionBody,
    responses((status = 201, body = ConnectionView), (status = "4XX", body = Problem)))]
#[post("/merchants/{merchant}/connections")]
pub async fn create_connection(
    admin: Data<Admin>,
    path: Path<String>,
    body: Json<NewConnectionBody>,
) -> Result<HttpResponse, Problem> {
    let merchant = admin.merchant(&path).await?;
    let body = body.into_inner();
    let draft = ConnectionDraft {
        slug: body.slug,
        plugin: body.plugin,
        config: Value::Object(body.config),
        basic: body.basic.map(Into::into),
    };
    let connection = admin.onboarding.create_connection(merchant.id, draft).await?;
    Ok(HttpResponse::Created().json(ConnectionView::of(&merchant.slug, connection)))
}

/// The merchant's connections.
#[utoipa::path(context_path = "/admin/v1", tag = "connections", params(("merchant" = String, Path)),
    responses((status = 200, body = List<ConnectionView>), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/connections")]
pub async fn list_connections(admin: Data<Admin>, path: Path<String>) -> Result<Json<List<ConnectionView>>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let connections = admin.store.connections(merchant.id).await?;
    let views = connections
        .into_iter()
        .map(|connection| ConnectionView::of(&merchant.slug, connection));
    Ok(Json(List::whole(views.collect())))
}

#[utoipa::path(context_path = "/admin/v1", tag = "connections",
    params(("merchant" = String, Path), ("connection" = String, Path)),
    responses((status = 200, body = ConnectionView), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/connections/{connection}")]
pub async fn get_connection(admin: Data<Admin>, path: Path<(String, String)>) -> Result<Json<ConnectionView>, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let connection = admin.onboarding.connection(merchant.id, &path.1).await?;
    Ok(Json(ConnectionView::of(&merchant.slug, connection)))
}

/// Changes config or login, suspends or resumes a connection.
#[utoipa::path(context_path = "/admin/v1", tag = "connections",
    params(("merchant" = String, Path), ("connection" = String, Path)), request_body = ConnectionPatchBody,
    responses((status = 200, body = ConnectionView), (status = "4XX", body = Problem)))]
#[patch("/merchants/{merchant}/connections/{connection}")]
pub async fn change_connection(
    admin: Data<Admin>,
    path: Path<(String, String)>,
    body: Json<ConnectionPatchBody>,
) -> Result<Json<ConnectionView>, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let connection = admin.onboarding.connection(merchant.id, &path.1).await?;
    let body = body.into_inner();
    let patch = ConnectionPatch {
        status: body.status.map(Into::into),
        config: body.config.map(Value::Object),
        basic: body.basic.map(|basic| basic.map(Into::into)),
    };
    let connection = admin
        .onboarding
        .change_connection(merchant.id, &connection, patch)
        .await?;
    Ok(Json(ConnectionView::of(&merchant.slug, connection)))
}

/// Deletes a connection: its URL stops answering, its payments stay in the ledger.
#[utoipa::path(context_path = "/admin/v1", tag = "connections",
    params(("merchant" = String, Path), ("connection" = String, Path)),
    responses((status = 204), (status = "4XX", body = Problem)))]
#[delete("/merchants/{merchant}/connections/{connection}")]
pub async fn delete_connection(admin: Data<Admin>, path: Path<(String, String)>) -> Result<HttpResponse, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let connection = admin.onboarding.connection(merchant.id, &path.1).await?;
    let patch = ConnectionPatch {
        status: Some(ConnectionStatus::Deleted),
        ..ConnectionPatch::default()
    };
    admin
        .onboarding
        .change_connection(merchant.id, &connection, patch)
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// How a connection's network did in the last five minutes, as the node that answers saw it.
#[derive(Debug, Serialize, ToSchema)]
pub struct HealthView {
    /// Whether requests are sent to it now: one that fails again and again is left alone for a moment.
    up: bool,
    requests: u32,
    /// Of a hundred so many were answered; null without requests.
    success_percent: Option<u8>,
    /// The median of the answers' times.
    latency_ms: Option<u32>,
}

#[utoipa::path(context_path = "/admin/v1", tag = "connections",
    params(("merchant" = String, Path), ("connection" = String, Path)),
    responses((status = 200, body = HealthView), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/connections/{connection}/health")]
pub async fn get_health(admin: Data<Admin>, path: Path<(String, String)>) -> Result<Json<HealthView>, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let connection = admin.onboarding.connection(merchant.id, &path.1).await?;
    let report = admin.health.report(connection.id);
    Ok(Json(HealthView {
        up: report.up,
        requests: report.requests,
        success_percent: report.success_percent,
        latency_ms: report.latency_ms,
    }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentityBody {
    /// The file (`.p12`, `.pfx`) in Base64, at most 64 KiB before it.
    #[schema(value_type = String, format = Byte)]
    pkcs12: SecretString,
    #[schema(value_type = String, format = Password)]
    password: SecretString,
}

/// Gives the connection a client certificate to show its network, from a PKCS12 file. It is sealed and never shown again.
#[utoipa::path(context_path = "/admin/v1", tag = "connections",
    params(("merchant" = String, Path), ("connection" = String, Path)), request_body = IdentityBody,
    responses((status = 200, body = ConnectionView), (status = "4XX", body = Problem)))]
#[put("/merchants/{merchant}/connections/{connection}/identity")]
pub async fn set_identity(
    admin: Data<Admin>,
    caller: Caller,
    path: Path<(String, String)>,
    body: Json<IdentityBody>,
) -> Result<Json<ConnectionView>, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let connection = admin.onboarding.connection(merchant.id, &path.1).await?;
    admin.guards.strict(StrictAction::Pkcs12Import, caller.name()).await?;
    let body = body.into_inner();
    let file = BASE64.decode(body.pkcs12.expose_secret());
    let file = file.map_err(|_| Problem::invalid("pkcs12", "pkcs12: is not Base64"))?;
    let connection = (admin.onboarding)
        .set_identity(merchant.id, &connection, file, body.password)
        .await?;
    Ok(Json(ConnectionView::of(&merchant.slug, connection)))
}

/// Takes the client certificate away.
#[utoipa::path(context_path = "/admin/v1", tag = "connections",
    params(("merchant" = String, Path), ("connection" = String, Path)),
    responses((status = 200, body = ConnectionView), (status = "4XX", body = Problem)))]
#[delete("/merchants/{merchant}/connections/{connection}/identity")]
pub async fn remove_identity(
    admin: Data<Admin>,
    path: Path<(String, String)>,
) -> Result<Json<ConnectionView>, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let connection = admin.onboarding.connection(merchant.id, &path.1).await?;
    let connection = admin.onboarding.remove_identity(merchant.id, &connection).await?;
    Ok(Json(ConnectionView::of(&merchant.slug, connection)))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RootsBody {
    /// Certificates in PEM, one after the other; null for the system's alone.
    roots: Option<String>,
}

/// Sets which roots the connection believes beside the system's, for a network with a certificate authority of its own.
#[utoipa::path(context_path = "/admin/v1", tag = "connections",
    params(("merchant" = String, Path), ("connection" = String, Path)), request_body = RootsBody,
    responses((status = 200, body = ConnectionView), (status = "4XX", body = Problem)))]
#[put("/merchants/{merchant}/connections/{connection}/roots")]
pub async fn set_roots(
    admin: Data<Admin>,
    path: Path<(String, String)>,
    body: Json<RootsBody>,
) -> Result<Json<ConnectionView>, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let connection = admin.onboarding.connection(merchant.id, &path.1).await?;
    let roots = body.into_inner().roots;
    let connection = admin.onboarding.set_roots(merchant.id, &connection, roots).await?;
    Ok(Json(ConnectionView::of(&merchant.slug, connection)))
}
