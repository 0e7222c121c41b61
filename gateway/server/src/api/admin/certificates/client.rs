use actix_web::web::{Data, Json, Path, ServiceConfig};
use actix_web::{HttpResponse, delete, get, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, Utc};
use plugin_sdk::ClientCertificateId;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use store::{ClientCertificate, ClientCertificateKind, Connection, Merchant};
use utoipa::ToSchema;

use super::days_left;
use crate::api::admin::caller::Caller;
use crate::api::admin::{Admin, List, now, read_id};
use crate::api::problem::Problem;
use crate::edge::certificates::pkcs12::Flavour;
use crate::edge::certificates::{CertificateInfo, Handout, IssueDraft, Trust};
use crate::edge::guards::strict::StrictAction;

pub fn configure(config: &mut ServiceConfig) {
    config
        .service(list_certificates)
        .service(list_client_certificates)
        .service(issue_client_certificate)
        .service(trust_client_certificate)
        .service(renew_client_certificate)
        .service(revoke_client_certificate);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientCertificateKindView {
    /// By this installation's own authority.
    Issued,
    /// One certificate of somebody else's.
    Leaf,
    /// Whatever this authority of the merchant's issued.
    Authority,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CertificateStanding {
    InForce,
    Revoked,
    Ended,
}

/// A certificate that a network may show us for one connection.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClientCertificateView {
    #[schema(example = "ccr_01JB2M7K3V4Q5R6S7T8V9WAXBY")]
    id: String,
    connection_id: String,
    kind: ClientCertificateKindView,
    name: String,
    standing: CertificateStanding,
    /// Of the whole certificate, in hexadecimal digits.
    sha256: String,
    /// Absent for a leaf of which only the digest is known.
    certificate: Option<CertificateInfo>,
    /// In PEM.
    pem: Option<String>,
    not_after: Option<DateTime<Utc>>,
    /// Whole days until it ends; below zero when it has.
    days_left: Option<i64>,
    created_by: String,
    created_at: DateTime<Utc>,
    revoked_at: Option<DateTime<Utc>>,
}

impl ClientCertificateView {
    #[must_use]
    pub fn of(certificate: ClientCertificate, now: DateTime<Utc>) -> Self {
        let ended = certificate.not_after.is_some_and(|not_after| not_after <= now);
        Self {
            id: certificate.id.to_string(),
            connection_id: certificate.connection_id.to_string(),
            kind: match certificate.kind {
                ClientCertificateKind::Issued => ClientCertificateKindView::Issued,
                ClientCertificateKind::Leaf => ClientCertificateKindView::Leaf,
                ClientCertificateKind::Authority => ClientCertificateKindView::Authority,
            },
            name: certificate.name,
            standing: match certificate.revoked_at {
                Some(_) => CertificateStanding::Revoked,
                None if ended => CertificateStanding::Ended,
                None => CertificateStanding::InForce,
            },
            sha256: certificate.sha256,
            certificate: certificate.info.and_then(|info| serde_json::from_value(info).ok()),
            pem: certificate.certificate,
            not_after: certificate.not_after,
            days_left: certificate.not_after.map(|not_after| days_left(not_after, now)),
            created_by: certificate.created_by,
            created_at: certificate.created_at,
            revoked_at: certificate.revoked_at,
        }
    }
}

/// A new client certificate with the file to hand to the network.
#[derive(Serialize, ToSchema)]
pub struct HandoutView {
    certificate: ClientCertificateView,
    /// Key, certificate and our authority's certificate, in Base64. It is not kept: this is the one time it is shown.
    #[schema(value_type = String, format = Byte)]
    pkcs12: String,
    /// Of that file. Send it another way than the file.
    #[schema(value_type = String, format = Password)]
    password: String,
    #[schema(example = "acme-terminal.p12")]
    file_name: String,
}

impl HandoutView {
    #[must_use]
    pub fn of(handout: &Handout, merchant: &Merchant, connection: &Connection, now: DateTime<Utc>) -> Self {
        Self {
            certificate: ClientCertificateView::of(handout.certificate.clone(), now),
            pkcs12: BASE64.encode(handout.file.as_slice()),
            password: handout.password.expose_secret().to_owned(),
            file_name: format!("{}-{}.p12", merchant.slug, connection.slug),
        }
    }
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IssueBody {
    /// For people; a renewal keeps the name when it is absent.
    #[serde(default)]
    #[schema(example = "The network, autumn")]
    name: String,
    /// How long it lasts: 1 to 825; `certificates.client_days` when absent.
    days: Option<u32>,
    /// Write the file with 3DES and SHA-1, for importers of before 2019. The key inside is the same.
    #[serde(default)]
    compatible: bool,
}

impl From<IssueBody> for IssueDraft {
    fn from(body: IssueBody) -> Self {
        Self {
            name: body.name,
            days: body.days,
            flavour: if body.compatible {
                Flavour::Compatible
            } else {
                Flavour::Modern
            },
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrustBody {
    /// For people.
    name: String,
    /// One certificate, in PEM.
    leaf: Option<String>,
    /// One certificate by its SHA-256, in hexadecimal digits, with or without colons.
    sha256: Option<String>,
    /// Whatever this authority issued; its certificate in PEM. Believe only an authority that issues for this network
    /// alone: everybody else it serves would get in, too.
    authority: Option<String>,
}

/// A certificate with where it is used.
#[derive(Debug, Serialize, ToSchema)]
pub struct CertificateUse {
    /// `client` (the network shows it to us) or `identity` (we show it to the network).
    role: &'static str,
    connection: String,
    /// The id of a client certificate.
    id: Option<String>,
    certificate: Option<CertificateInfo>,
    sha256: String,
    standing: CertificateStanding,
    not_after: Option<DateTime<Utc>>,
    days_left: Option<i64>,
}

/// Every certificate of the merchant with where it is used, those that end first at the front.
#[utoipa::path(context_path = "/admin/v1", tag = "certificates", params(("merchant" = String, Path)),
    responses((status = 200, body = List<CertificateUse>), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/certificates")]
pub async fn list_certificates(admin: Data<Admin>, path: Path<String>) -> Result<Json<List<CertificateUse>>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let now = now(&admin);
    let connections = admin.store.connections(merchant.id).await?;
    let clients = admin.store.client_certificates(merchant.id, None).await?;
    let clients = clients.into_iter().filter_map(|certificate| {
        let connection = connections
            .iter()
            .find(|connection| connection.id == certificate.connection_id)?;
        let view = ClientCertificateView::of(certificate, now);
        Some(CertificateUse {
            role: "client",
            connection: connection.slug.clone(),
            id: Some(view.id),
            certificate: view.certificate,
            sha256: view.sha256,
            standing: view.standing,
            not_after: view.not_after,
            days_left: view.days_left,
        })
    });
    let identities = connections.iter().filter_map(|connection| {
        let info: CertificateInfo = serde_json::from_value(connection.identity.clone()?).ok()?;
        let ended = info.not_after <= now;
        Some(CertificateUse {
            role: "identity",
            connection: connection.slug.clone(),
            id: None,
            sha256: info.sha256.clone(),
            standing: if ended {
                CertificateStanding::Ended
            } else {
                CertificateStanding::InForce
            },
            not_after: Some(info.not_after),
            days_left: Some(days_left(info.not_after, now)),
            certificate: Some(info),
        })
    });
    let mut uses: Vec<CertificateUse> = clients.chain(identities).collect();
    uses.sort_by_key(|used| {
        (
            used.standing == CertificateStanding::Revoked,
            used.not_after.is_none(),
            used.not_after,
        )
    });
    Ok(Json(List::whole(uses)))
}

/// Certificates that the connection's network may show us, newest first, with those that were revoked or have ended.
#[utoipa::path(context_path = "/admin/v1", tag = "certificates",
    params(("merchant" = String, Path), ("connection" = String, Path)),
    responses((status = 200, body = List<ClientCertificateView>), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/connections/{connection}/client-certificates")]
pub async fn list_client_certificates(
    admin: Data<Admin>,
    path: Path<(String, String)>,
) -> Result<Json<List<ClientCertificateView>>, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let connection = admin.onboarding.connection(merchant.id, &path.1).await?;
    let now = now(&admin);
    let certificates = admin
        .store
        .client_certificates(merchant.id, Some(connection.id))
        .await?;
    let views = certificates
        .into_iter()
        .map(|certificate| ClientCertificateView::of(certificate, now));
    Ok(Json(List::whole(views.collect())))
}

/// Issues a client certificate for the connection's network. File and password are shown this once.
#[utoipa::path(context_path = "/admin/v1", tag = "certificates",
    params(("merchant" = String, Path), ("connection" = String, Path)), request_body = IssueBody,
    responses((status = 201, body = HandoutView), (status = "4XX", body = Problem)))]
#[post("/merchants/{merchant}/connections/{connection}/client-certificates")]
pub async fn issue_client_certificate(
    admin: Data<Admin>,
    caller: Caller,
    path: Path<(String, String)>,
    body: Json<IssueBody>,
) -> Result<HttpResponse, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let subject = merchant.id.to_string();
    admin.guards.strict(StrictAction::CertificateIssue, &subject).await?;
    let connection = admin.onboarding.connection(merchant.id, &path.1).await?;
    let draft = body.into_inner().into();
    let issued = admin
        .certificates
        .issue(&merchant.slug, &connection, draft, caller.name())
        .await?;
    Ok(HttpResponse::Created().json(HandoutView::of(&issued, &merchant, &connection, now(&admin))))
}

/// Believes a certificate, or an authority, of somebody else's. Give one of `leaf`, `sha256` and `authority`.
#[utoipa::path(context_path = "/admin/v1", tag = "certificates",
    params(("merchant" = String, Path), ("connection" = String, Path)), request_body = TrustBody,
    responses((status = 201, body = ClientCertificateView), (status = "4XX", body = Problem)))]
#[post("/merchants/{merchant}/connections/{connection}/client-certificates/trusted")]
pub async fn trust_client_certificate(
    admin: Data<Admin>,
    caller: Caller,
    path: Path<(String, String)>,
    body: Json<TrustBody>,
) -> Result<HttpResponse, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let connection = admin.onboarding.connection(merchant.id, &path.1).await?;
    let body = body.into_inner();
    let trust = match (body.leaf, body.sha256, body.authority) {
        (Some(pem), None, None) => Trust::Leaf(pem),
        (None, Some(digest), None) => Trust::LeafDigest(digest),
        (None, None, Some(pem)) => Trust::Authority(pem),
        _ => return Err(Problem::invalid("leaf", "give one of leaf, sha256 and authority")),
    };
    let kept = admin
        .certificates
        .trust(&connection, &body.name, trust, caller.name())
        .await?;
    Ok(HttpResponse::Created().json(ClientCertificateView::of(kept, now(&admin))))
}

/// Issues a successor of a certificate. Both are in force until the old one is revoked or ends.
#[utoipa::path(context_path = "/admin/v1", tag = "certificates",
    params(("merchant" = String, Path), ("connection" = String, Path), ("certificate" = String, Path)),
    request_body = IssueBody,
    responses((status = 201, body = HandoutView), (status = "4XX", body = Problem)))]
#[post("/merchants/{merchant}/connections/{connection}/client-certificates/{certificate}/renew")]
pub async fn renew_client_certificate(
    admin: Data<Admin>,
    caller: Caller,
    path: Path<(String, String, String)>,
    body: Json<IssueBody>,
) -> Result<HttpResponse, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let subject = merchant.id.to_string();
    admin.guards.strict(StrictAction::CertificateIssue, &subject).await?;
    let connection = admin.onboarding.connection(merchant.id, &path.1).await?;
    let id: ClientCertificateId = read_id(&path.2, "this certificate")?;
    let draft = body.into_inner().into();
    let issued = (admin.certificates)
        .renew(&merchant.slug, &connection, id, draft, caller.name())
        .await?;
    Ok(HttpResponse::Created().json(HandoutView::of(&issued, &merchant, &connection, now(&admin))))
}

/// Revokes a certificate, or an authority's. Within a second it opens nothing on any node, and open connections that it
/// opened are closed.
#[utoipa::path(context_path = "/admin/v1", tag = "certificates",
    params(("merchant" = String, Path), ("connection" = String, Path), ("certificate" = String, Path)),
    responses((status = 200, body = ClientCertificateView), (status = "4XX", body = Problem)))]
#[delete("/merchants/{merchant}/connections/{connection}/client-certificates/{certificate}")]
pub async fn revoke_client_certificate(
    admin: Data<Admin>,
    caller: Caller,
    path: Path<(String, String, String)>,
) -> Result<Json<ClientCertificateView>, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let id: ClientCertificateId = read_id(&path.2, "this certificate")?;
    let revoked = admin.certificates.revoke(merchant.id, id, caller.name()).await?;
    Ok(Json(ClientCertificateView::of(revoked, now(&admin))))
}
