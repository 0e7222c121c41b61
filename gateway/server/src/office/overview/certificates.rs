use chrono::{DateTime, Duration, Utc};
use plugin_sdk::MerchantId;
use serde::Serialize;
use store::{Scope, Store, StoreError};
use utoipa::ToSchema;

use crate::edge::certificates::CertificateInfo;

/// So long before its end a certificate is told of.
const SOON: Duration = Duration::days(30);
/// One page of the store's answers, and what is told at most.
const PAGE: u64 = 1_000;
const TOLD_MAX: usize = 100;

/// A certificate that ends soon, or ended.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct EndingCertificate {
    /// `client` (a network shows it us), `identity` (a connection shows it its network) or `server` (we are called under
    /// it).
    pub role: &'static str,
    pub name: String,
    /// Slug; null for one of the installation.
    pub merchant: Option<String>,
    /// Slug of the connection, if it belongs to one.
    pub connection: Option<String>,
    pub not_after: DateTime<Utc>,
    #[serde(skip)]
    pub merchant_id: Option<MerchantId>,
}

/// Those in force that end within 30 days, the first to end first.
pub async fn ending(store: &Store, scope: Scope, now: DateTime<Utc>) -> Result<Vec<EndingCertificate>, StoreError> {
    let until = now + SOON;
    let mut ending = match scope {
        Scope::Merchant(merchant) => of_merchant(store, merchant).await?,
        Scope::Installation => of_all(store, now, until).await?,
    };
    let mine = |of: Option<MerchantId>| match scope {
        Scope::Merchant(merchant) => of == Some(merchant),
        Scope::Installation => true,
    };
    for certificate in store.server_certificates().await? {
        if mine(certificate.merchant_id) {
            ending.push(EndingCertificate {
                role: "server",
                name: certificate.names.join(", "),
                merchant: None,
                connection: None,
                not_after: certificate.not_after,
                merchant_id: certificate.merchant_id,
            });
        }
    }
    ending.retain(|certificate| certificate.not_after <= until);
    ending.sort_by_key(|certificate| certificate.not_after);
    ending.truncate(TOLD_MAX);
    Ok(ending)
}

async fn of_merchant(store: &Store, merchant: MerchantId) -> Result<Vec<EndingCertificate>, StoreError> {
    let connections = store.connections(merchant).await?;
    let slug = |id| {
        let known = connections.iter().find(|connection| connection.id == id);
        known.map(|connection| connection.slug.clone())
    };
    let mut found: Vec<_> = (connections.iter())
        .filter_map(|connection| identity(connection.identity.clone()?, merchant, &connection.slug))
        .collect();
    for certificate in store.client_certificates(merchant, None).await? {
        let Some(not_after) = certificate.not_after.filter(|_| certificate.revoked_at.is_none()) else {
            continue;
        };
        found.push(EndingCertificate {
            role: "client",
            name: certificate.name,
            merchant: None,
            connection: slug(certificate.connection_id),
            not_after,
            merchant_id: Some(merchant),
        });
    }
    Ok(found)
}

async fn of_all(store: &Store, now: DateTime<Utc>, until: DateTime<Utc>) -> Result<Vec<EndingCertificate>, StoreError> {
    let client = store.client_certificates_ending(now, until, None, PAGE).await?;
    let mut found: Vec<_> = (client.into_iter())
        .filter_map(|certificate| {
            Some(EndingCertificate {
                role: "client",
                name: certificate.name,
                merchant: None,
                connection: None,
                not_after: certificate.not_after?,
                merchant_id: Some(certificate.merchant_id),
            })
        })
        .collect();
    let shown = store.shown_identities(None, PAGE).await?;
    found.extend(
        shown
            .into_iter()
            .filter_map(|shown| identity(shown.info, shown.merchant_id, &shown.connection)),
    );
    Ok(found)
}

fn identity(info: serde_json::Value, merchant: MerchantId, connection: &str) -> Option<EndingCertificate> {
    let info: CertificateInfo = serde_json::from_value(info).ok()?;
    Some(EndingCertificate {
        role: "identity",
        name: info.subject,
        merchant: None,
        connection: Some(connection.to_owned()),
        not_after: info.not_after,
        merchant_id: Some(merchant),
    })
}
