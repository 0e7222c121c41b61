use actix_web::web::{Data, Json, Path, ServiceConfig};
use actix_web::{HttpResponse, delete, get, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, Utc};
use plugin_sdk::ServerCertificateId;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use store::{ClientCertificates, ServerCertificate};
use utoipa::ToSchema;

use super::days_left;
use crate::api::admin::caller::Caller;
use crate::api::admin::{Admin, List, now, read_id};
use crate::api::problem::Problem;
use crate::edge::certificates::{CertificateInfo, ServerDraft, ServerSource};
use crate::edge::guards::strict::StrictAction;

pub fn configure(config: &mut ServiceConfig) {
    config
        .service(get_authority)
        .service(list_server_certificates)
        .service(add_server_certificate)
        .service(remove_server_certificate);
}

/// Whether a listener asks for a client certificate under this name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum ClientCertificatesView {
    /// Nobody is asked for one.
    Off,
    /// Who has one shows it; each connection says whether it wants it.
    #[default]
    Allowed,
    /// Without one there is no connection at all.
    Required,
}

impl From<ClientCertificatesView> for ClientCertificates {
    fn from(view: ClientCertificatesView) -> Self {
        match view {
            ClientCertificatesView::Off => Self::Off,
            ClientCertificatesView::Allowed => Self::Allowed,
            ClientCertificatesView::Required => Self::Required,
        }
    }
}

/// A certificate that our TLS listeners show under its names.
#[derive(Debug, Serialize, ToSchema)]
pub struct ServerCertificateView {
    #[schema(example = "scr_01JB2M7K3V4Q5R6S7T8V9WAXBY")]
    id: String,
    /// Whose names these are: under them only that merchant's client certificates count. Absent for the installation's.
    merchant_id: Option<String>,
    names: Vec<String>,
    client_certificates: ClientCertificatesView,
    certificate: Option<CertificateInfo>,
    not_after: DateTime<Utc>,
    /// Whole days until it ends; below zero when it has.
    days_left: i64,
    created_by: String,
    created_at: DateTime<Utc>,
}

impl ServerCertificateView {
    #[must_use]
    pub fn of(certificate: ServerCertificate, now: DateTime<Utc>) -> Self {
        Self {
            id: certificate.id.to_string(),
            merchant_id: certificate.merchant_id.map(|id| id.to_string()),
            names: certificate.names,
            client_certificates: match certificate.client_certificates {
                ClientCertificates::Off => ClientCertificatesView::Off,
                ClientCertificates::Allowed => ClientCertificatesView::Allowed,
                ClientCertificates::Required => ClientCertificatesView::Required,
            },
            certificate: serde_json::from_value(certificate.info).ok(),
            not_after: certificate.not_after,
            days_left: days_left(certificate.not_after, now),
            created_by: certificate.created_by,
            created_at: certificate.created_at,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerCertificateBody {
    /// Slug or id of the merchant whose names these are; absent for the installation's.
    merchant: Option<String>,
    /// Chain and key in PEM, in any order. Give this, or `pkcs12` with `password`.
    #[schema(value_type = Option<String>, write_only)]
    pem: Option<SecretString>,
    /// A PKCS12 file in Base64, at most 64 KiB before it.
    #[schema(value_type = Option<String>, format = Byte)]
    pkcs12: Option<SecretString>,
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<SecretString>,
    /// Names among those of the certificate; all of them when absent.
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    client_certificates: ClientCertificatesView,
}

/// The authority that issues client certificates.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuthorityView {
    certificate: CertificateInfo,
    pem: String,
    days_left: i64,
}

/// This installation's own authority, made when it is first asked for.
#[utoipa::path(context_path = "/admin/v1", tag = "certificates",
    responses((status = 200, body = AuthorityView), (status = "4XX", body = Problem)))]
#[get("/certificates/authority")]
pub async fn get_authority(admin: Data<Admin>) -> Result<Json<AuthorityView>, Problem> {
    let (pem, certificate) = admin.certificates.authority_info().await?;
    let days_left = days_left(certificate.not_after, now(&admin));
    Ok(Json(AuthorityView {
        certificate,
        pem,
        days_left,
    }))
}

/// Certificates that TLS listeners show, the newest first. Under one name the newest counts.
#[utoipa::path(context_path = "/admin/v1", tag = "certificates",
    responses((status = 200, body = List<ServerCertificateView>), (status = "4XX", body = Problem)))]
#[get("/certificates/server")]
pub async fn list_server_certificates(admin: Data<Admin>) -> Result<Json<List<ServerCertificateView>>, Problem> {
    let now = now(&admin);
    let all = admin.store.server_certificates().await?;
    let views = all
        .into_iter()
        .map(|certificate| ServerCertificateView::of(certificate, now));
    Ok(Json(List::whole(views.collect())))
}

/// Shows a certificate from now on under its names. Open connections stay open; the key is sealed and never shown.
#[utoipa::path(context_path = "/admin/v1", tag = "certificates", request_body = ServerCertificateBody,
    responses((status = 201, body = ServerCertificateView), (status = "4XX", body = Problem)))]
#[post("/certificates/server")]
pub async fn add_server_certificate(
    admin: Data<Admin>,
    caller: Caller,
    body: Json<ServerCertificateBody>,
) -> Result<HttpResponse, Problem> {
    let body = body.into_inner();
    let merchant = match &body.merchant {
        Some(name) => Some(admin.merchant(name).await?.id),
        None => None,
    };
    let source = match (body.pem, body.pkcs12) {
        (Some(pem), None) => ServerSource::Pem(pem),
        (None, Some(file)) => {
            let guards = &admin.guards;
            guards.strict(StrictAction::Pkcs12Import, caller.name()).await?;
            ServerSource::Pkcs12 {
                file: BASE64
                    .decode(file.expose_secret())
                    .map_err(|_| Problem::invalid("pkcs12", "pkcs12: is not Base64"))?,
                password: body.password.unwrap_or_default(),
            }
        }
        _ => return Err(Problem::invalid("pem", "give pem, or pkcs12 with password")),
    };
    let draft = ServerDraft {
        merchant,
        source,
        names: body.names,
        client_certificates: body.client_certificates.into(),
    };
    let kept = admin.certificates.add_server(draft, caller.name()).await?;
    Ok(HttpResponse::Created().json(ServerCertificateView::of(kept, now(&admin))))
}

/// Shows a certificate no more. An older one of the same name takes over, if there is one.
#[utoipa::path(context_path = "/admin/v1", tag = "certificates", params(("certificate" = String, Path)),
    responses((status = 204), (status = "4XX", body = Problem)))]
#[delete("/certificates/server/{certificate}")]
pub async fn remove_server_certificate(
    admin: Data<Admin>,
    caller: Caller,
    path: Path<String>,
) -> Result<HttpResponse, Problem> {
    let id: ServerCertificateId = read_id(&path, "this certificate")?;
    admin.certificates.remove_server(id, caller.name()).await?;
    Ok(HttpResponse::NoContent().finish())
}
