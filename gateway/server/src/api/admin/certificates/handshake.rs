use actix_web::post;
use actix_web::web::{Data, Json, Path, ServiceConfig};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::admin::Admin;
use crate::api::problem::Problem;
use crate::edge::certificates::CertificateInfo;
use crate::edge::tls::ProbeReport;
use crate::edge::tls::trial::{self, TrialError};

pub fn configure(config: &mut ServiceConfig) {
    config.service(test_upstream_handshake).service(test_own_handshake);
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpstreamBody {
    /// Where the network is, as the connection's config says it. Only the handshake is made; nothing is asked.
    #[schema(example = "https://api.network.example")]
    url: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnBody {
    /// The name that a network would call us by.
    #[schema(example = "pay.example.com")]
    name: String,
}

/// How a handshake went.
#[derive(Debug, Serialize, ToSchema)]
pub struct HandshakeView {
    /// Whether a connection came about, our certificate included. Whether it would be used depends on `trusted`, too.
    established: bool,
    /// Why not, in words.
    reason: Option<String>,
    #[schema(example = "TLSv1_3")]
    protocol: Option<String>,
    cipher: Option<String>,
    #[schema(example = "h2")]
    application: Option<String>,
    /// What the server showed.
    certificate: Option<CertificateInfo>,
    /// Whether the server's certificate is believed.
    trusted: bool,
    /// Why it is not.
    distrust: Option<String>,
    /// Whether the server asked for a client certificate, and whether we had one to show.
    wants_certificate: bool,
    showed_certificate: bool,
    took_ms: u64,
}

impl HandshakeView {
    /// Whether a request would go through.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        self.established && self.trusted
    }
}

impl From<ProbeReport> for HandshakeView {
    fn from(report: ProbeReport) -> Self {
        Self {
            established: report.established,
            reason: report.reason,
            protocol: report.protocol,
            cipher: report.cipher,
            application: report.application,
            trusted: report.certificate.is_some() && report.distrust.is_none(),
            certificate: report.certificate,
            distrust: report.distrust,
            wants_certificate: report.wants_certificate,
            showed_certificate: report.showed_certificate,
            took_ms: u64::try_from(report.took.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// Makes a handshake with a network as the connection would: with its client certificate and the roots it believes.
#[utoipa::path(context_path = "/admin/v1", tag = "certificates",
    params(("merchant" = String, Path), ("connection" = String, Path)), request_body = UpstreamBody,
    responses((status = 200, body = HandshakeView), (status = "4XX", body = Problem)))]
#[post("/merchants/{merchant}/connections/{connection}/test-handshake")]
pub async fn test_upstream_handshake(
    admin: Data<Admin>,
    path: Path<(String, String)>,
    body: Json<UpstreamBody>,
) -> Result<Json<HandshakeView>, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let connection = admin.onboarding.connection(merchant.id, &path.1).await?;
    let sealer = &admin.certificates.sealer;
    let report = trial::with_network(&admin.upstream, sealer, &connection, &body.url).await?;
    Ok(Json(report.into()))
}

/// Makes a handshake with this node's own TLS listener, as a network would that calls us by a name.
#[utoipa::path(context_path = "/admin/v1", tag = "certificates", request_body = OwnBody,
    responses((status = 200, body = HandshakeView), (status = "4XX", body = Problem)))]
#[post("/certificates/test-handshake")]
pub async fn test_own_handshake(admin: Data<Admin>, body: Json<OwnBody>) -> Result<Json<HandshakeView>, Problem> {
    let report = match admin.terminator.own_address() {
        Some(address) => trial::with_listener(address, &body.name).await,
        None => trial::failed("this node has no TLS listener; set public.tls_listen".to_owned()),
    };
    Ok(Json(report.into()))
}

impl From<TrialError> for Problem {
    fn from(error: TrialError) -> Self {
        match error {
            TrialError::Url(_) | TrialError::NotHttps => Self::invalid("url", error.to_string()),
            TrialError::Sealing(_) => Self::internal(error.to_string()),
        }
    }
}
