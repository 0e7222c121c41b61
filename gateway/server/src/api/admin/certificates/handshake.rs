use std::time::Duration;

use actix_web::post;
use actix_web::web::{Data, Json, Path, ServiceConfig};
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Url;
use utoipa::ToSchema;

use crate::api::admin::Admin;
use crate::api::problem::Problem;
use crate::edge::certificates::CertificateInfo;
use crate::edge::tls::{ProbeOptions, ProbeReport, probe};
use crate::edge::upstream::identity_place;

/// The port of HTTPS.
const HTTPS: u16 = 443;
/// How long our own listener may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

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

fn failed(reason: String) -> Json<HandshakeView> {
    let report = ProbeReport {
        reason: Some(reason),
        ..ProbeReport::default()
    };
    Json(report.into())
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
    let url = Url::parse(&body.url).map_err(|error| Problem::invalid("url", format!("url: {error}")))?;
    let (Some(host), "https") = (url.host_str(), url.scheme()) else {
        return Err(Problem::invalid("url", "url: is not https://host"));
    };
    let identity = match &connection.identity_sealed {
        Some(sealed) => {
            let place = identity_place(merchant.id, &connection.slug);
            let opened = admin.certificates.sealer.open(&place, sealed);
            Some(opened.map_err(|error| Problem::internal(error.to_string()))?)
        }
        None => None,
    };
    let stream = match admin.upstream.connect(&url, url.port().unwrap_or(HTTPS)).await {
        Ok(stream) => stream,
        Err(error) => return Ok(failed(error.to_string())),
    };
    let options = ProbeOptions {
        identity,
        roots: connection.roots,
    };
    // Brackets around an IPv6 address belong to URLs alone.
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let report = probe(stream, name, options).await;
    report.map_or_else(|error| Ok(failed(error.to_string())), |report| Ok(Json(report.into())))
}

/// Makes a handshake with this node's own TLS listener, as a network would that calls us by a name.
#[utoipa::path(context_path = "/admin/v1", tag = "certificates", request_body = OwnBody,
    responses((status = 200, body = HandshakeView), (status = "4XX", body = Problem)))]
#[post("/certificates/test-handshake")]
pub async fn test_own_handshake(admin: Data<Admin>, body: Json<OwnBody>) -> Result<Json<HandshakeView>, Problem> {
    let Some(address) = admin.terminator.own_address() else {
        return Ok(failed(
            "this node has no TLS listener; set public.tls_listen".to_owned(),
        ));
    };
    let stream = match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Ok(failed(error.to_string())),
        Err(_) => return Ok(failed(format!("no answer within {CONNECT_TIMEOUT:?}"))),
    };
    let report = probe(stream, &body.name, ProbeOptions::default()).await;
    report.map_or_else(|error| Ok(failed(error.to_string())), |report| Ok(Json(report.into())))
}
