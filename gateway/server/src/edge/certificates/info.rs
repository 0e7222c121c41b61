use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, Utc};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::access::sealing::hex;

/// Certificates of one chain that are looked at.
const CHAIN_MAX: usize = 10;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    #[error("the certificate cannot be read: {0}")]
    Unreadable(String),
    #[error("it is not a certificate in PEM")]
    NotPem,
    #[error("more than {CHAIN_MAX} certificates in one chain")]
    TooMany,
}

/// What of a certificate may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CertificateInfo {
    pub subject: String,
    pub issuer: String,
    /// In hexadecimal digits.
    pub serial: String,
    /// Of the whole certificate, in hexadecimal digits.
    pub sha256: String,
    /// Of its public key, in Base64: what is pinned by who wants to survive a renewal with the same key.
    #[serde(default)]
    pub public_key_pin: String,
    pub names: Vec<String>,
    pub not_before: DateTime<Utc>,
    pub not_after: DateTime<Utc>,
    /// Certificates between this one and its root, this one included.
    pub chain_length: usize,
    /// The others of its chain.
    #[serde(default)]
    pub chain: Vec<ChainLink>,
}

/// One certificate above the shown one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChainLink {
    pub subject: String,
    pub issuer: String,
    pub sha256: String,
    pub not_after: DateTime<Utc>,
}

/// What a chain says, the certificate itself first.
pub fn describe(chain: &[impl AsRef<[u8]>]) -> Result<CertificateInfo, CertificateError> {
    let (der, above) = chain.split_first().ok_or(CertificateError::NotPem)?;
    if chain.len() > CHAIN_MAX {
        return Err(CertificateError::TooMany);
    }
    let der = der.as_ref();
    let certificate = parse(der)?;
    let chain = above.iter().map(|der| {
        let link = parse(der.as_ref())?;
        Ok(ChainLink {
            subject: link.subject().to_string(),
            issuer: link.issuer().to_string(),
            sha256: sha256(der.as_ref()),
            not_after: moment(link.validity().not_after.timestamp())?,
        })
    });
    Ok(CertificateInfo {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        serial: hex(&certificate.serial.to_bytes_be()),
        sha256: sha256(der),
        public_key_pin: BASE64.encode(digest(&SHA256, certificate.public_key().raw)),
        names: names(&certificate),
        not_before: moment(certificate.validity().not_before.timestamp())?,
        not_after: moment(certificate.validity().not_after.timestamp())?,
        chain_length: above.len() + 1,
        chain: chain.collect::<Result<_, CertificateError>>()?,
    })
}

/// Certificates in PEM, one after the other.
pub fn chain_of(pem: &str) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .take(CHAIN_MAX + 1)
        .collect();
    let chain = chain.map_err(|_| CertificateError::NotPem)?;
    match chain.len() {
        0 => Err(CertificateError::NotPem),
        1..=CHAIN_MAX => Ok(chain),
        _ => Err(CertificateError::TooMany),
    }
}

pub fn parse(der: &[u8]) -> Result<X509Certificate<'_>, CertificateError> {
    let parsed = X509Certificate::from_der(der).map_err(|error| CertificateError::Unreadable(error.to_string()));
    parsed.map(|(_, certificate)| certificate)
}

pub fn moment(seconds: i64) -> Result<DateTime<Utc>, CertificateError> {
    let out_of_range = || CertificateError::Unreadable("its dates are out of range".to_owned());
    DateTime::from_timestamp(seconds, 0).ok_or_else(out_of_range)
}

/// In hexadecimal digits.
pub fn sha256(der: &[u8]) -> String {
    hex(digest(&SHA256, der).as_ref())
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.map(|names| {
        let names = names.value.general_names.iter().map(|name| match name {
            GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => (*name).to_owned(),
            other => other.to_string(),
        });
        names.collect()
    });
    names.unwrap_or_default()
}
