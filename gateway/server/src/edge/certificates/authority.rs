//! This installation's own authority: made on first use, it issues client certificates for networks that call us.

use chrono::{DateTime, Duration, Utc};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SerialNumber,
};
use rustls::pki_types::CertificateDer;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// How long the authority itself lasts.
const AUTHORITY_YEARS: i64 = 10;
/// Clocks of who looks at a new certificate may be behind ours by this much.
const CLOCK_SKEW: Duration = Duration::hours(1);
const SERIAL_BYTES: usize = 16;

#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error("a certificate could not be made: {0}")]
    Making(#[from] rcgen::Error),
    #[error("the authority's certificate cannot be read")]
    Unreadable,
    #[error("no random bytes could be had from the system")]
    Random,
}

/// A new certificate with its key.
pub struct Issued {
    pub certificate: CertificateDer<'static>,
    /// In PKCS8.
    pub key: Zeroizing<Vec<u8>>,
}

/// The authority, as it is stored: certificate in PEM, and its key in PEM to be sealed.
pub struct NewAuthority {
    pub certificate: String,
    pub key: SecretString,
}

/// A new authority, named after the moment it was made, so that two never have one name.
pub fn make_authority(now: DateTime<Utc>) -> Result<NewAuthority, AuthorityError> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.distinguished_name = name_of(&format!(
        "Tollgate client authority {}",
        now.format("%Y-%m-%d %H:%M:%S")
    ));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.serial_number = Some(serial()?);
    valid(
        &mut params,
        now - CLOCK_SKEW,
        now + Duration::days(365 * AUTHORITY_YEARS),
    )?;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = params.self_signed(&key)?;
    Ok(NewAuthority {
        certificate: certificate.pem(),
        key: SecretString::from(key.serialize_pem()),
    })
}

/// A certificate for a client with a new P-256 key. Its subject is for people: who it identifies is stored with us.
pub fn issue_client(
    authority_subject: &str,
    authority_key: &SecretString,
    subject: &str,
    now: DateTime<Utc>,
    not_after: DateTime<Utc>,
) -> Result<Issued, AuthorityError> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.distinguished_name = name_of(subject);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    params.serial_number = Some(serial()?);
    valid(&mut params, now - CLOCK_SKEW, not_after)?;
    let mut issuer = CertificateParams::new(Vec::<String>::new())?;
    issuer.distinguished_name = name_of(authority_subject);
    issuer.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let issuer = Issuer::new(issuer, KeyPair::from_pem(authority_key.expose_secret())?);
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = params.signed_by(&key, &issuer)?;
    Ok(Issued {
        certificate: certificate.der().clone(),
        key: Zeroizing::new(key.serialize_der()),
    })
}

/// What [`make_authority`] called it.
pub fn common_name(der: &[u8]) -> Result<String, AuthorityError> {
    let parsed = super::info::parse(der).map_err(|_| AuthorityError::Unreadable)?;
    let name = parsed
        .subject()
        .iter_common_name()
        .next()
        .and_then(|name| name.as_str().ok());
    name.map(str::to_owned).ok_or(AuthorityError::Unreadable)
}

fn name_of(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn serial() -> Result<SerialNumber, AuthorityError> {
    let mut bytes = [0; SERIAL_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| AuthorityError::Random)?;
    // Positive, as RFC 5280 wants it.
    if let Some(first) = bytes.first_mut() {
        *first = *first & 0x7f | 0x01;
    }
    Ok(SerialNumber::from_slice(&bytes))
}

fn valid(params: &mut CertificateParams, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<(), AuthorityError> {
    let moment = |at: DateTime<Utc>| time::OffsetDateTime::from_unix_timestamp(at.timestamp());
    let out_of_range = |_| AuthorityError::Making(rcgen::Error::Time);
    params.not_before = moment(from).map_err(out_of_range)?;
    params.not_after = moment(to).map_err(out_of_range)?;
    Ok(())
}
