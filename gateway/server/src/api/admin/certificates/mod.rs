//! Certificates: those that networks show us, those that we show, and whether a handshake would work.

pub mod client;
pub mod handshake;
pub mod server;

use actix_web::web::ServiceConfig;
use chrono::{DateTime, Utc};

use crate::api::problem::Problem;
use crate::edge::certificates::CertificateRefusal;

pub fn configure(config: &mut ServiceConfig) {
    config
        .configure(client::configure)
        .configure(server::configure)
        .configure(handshake::configure);
}

/// Whole days until a certificate ends; below zero when it has.
fn days_left(not_after: DateTime<Utc>, now: DateTime<Utc>) -> i64 {
    (not_after - now).num_seconds().div_euclid(24 * 60 * 60)
}

impl From<CertificateRefusal> for Problem {
    fn from(refusal: CertificateRefusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            CertificateRefusal::Field { field, .. } => Self::invalid(field, detail),
            CertificateRefusal::TooMany | CertificateRefusal::AuthorityEnds => Self::over_quota(detail),
            CertificateRefusal::Store(error) => error.into(),
            CertificateRefusal::Authority(_) | CertificateRefusal::Sealing(_) => {
                tracing::error!(error = detail, "a certificate could not be made");
                Self::internal("the certificate could not be made; the log says more")
            }
        }
    }
}
