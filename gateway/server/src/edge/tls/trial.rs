//! Handshakes that are made only to see how they go: with a connection's network, and with a listener of ours.

use std::net::SocketAddr;
use std::time::Duration;

use store::Connection;
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Url;

use super::probe::{ProbeError, ProbeOptions, ProbeReport, probe};
use crate::access::sealing::{Sealer, SealingError};
use crate::edge::outbound::Outbound;
use crate::edge::upstream::identity_place;

/// The port of HTTPS.
const HTTPS: u16 = 443;
/// How long a listener of ours may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    #[error("url: {0}")]
    Url(#[from] url::ParseError),
    #[error("url: is not https://host")]
    NotHttps,
    #[error("the connection's own certificate cannot be opened: {0}")]
    Sealing(#[from] SealingError),
}

/// As the connection would make it: with its client certificate and the roots it believes.
pub async fn with_network(
    outbound: &Outbound,
    sealer: &Sealer,
    connection: &Connection,
    url: &str,
) -> Result<ProbeReport, TrialError> {
    let url = Url::parse(url)?;
    let (Some(host), "https") = (url.host_str(), url.scheme()) else {
        return Err(TrialError::NotHttps);
    };
    let identity = match &connection.identity_sealed {
        Some(sealed) => {
            let place = identity_place(connection.merchant_id, &connection.slug);
            Some(sealer.open(&place, sealed)?)
        }
        None => None,
    };
    let stream = match outbound.connect(&url, url.port().unwrap_or(HTTPS)).await {
        Ok(stream) => stream,
        Err(error) => return Ok(failed(error.to_string())),
    };
    let options = ProbeOptions {
        identity,
        roots: connection.roots.clone(),
    };
    // Brackets around an IPv6 address belong to URLs alone.
    let name = host.trim_start_matches('[').trim_end_matches(']');
    Ok(told(probe(stream, name, options).await))
}

/// As a network would make it that calls us by this name.
pub async fn with_listener(address: SocketAddr, name: &str) -> ProbeReport {
    match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => told(probe(stream, name, ProbeOptions::default()).await),
        Ok(Err(error)) => failed(error.to_string()),
        Err(_) => failed(format!("no answer within {CONNECT_TIMEOUT:?}")),
    }
}

fn told(report: Result<ProbeReport, ProbeError>) -> ProbeReport {
    report.unwrap_or_else(|error| failed(error.to_string()))
}

#[must_use]
pub fn failed(reason: String) -> ProbeReport {
    ProbeReport {
        reason: Some(reason),
        ..ProbeReport::default()
    }
}
