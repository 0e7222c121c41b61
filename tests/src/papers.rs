//! Certificates of the tests: an authority, and what it issues with any names and dates.

use chrono::{DateTime, Duration, Utc};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// Chain and key, as TLS reads them.
#[derive(Clone)]
pub struct Paper {
    pub certificate: String,
    pub key: String,
    pub der: Vec<u8>,
}

impl Authority {
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut params = params(
            name,
            &[],
            Utc::now() - Duration::days(1),
            Utc::now() + Duration::days(3_650),
        );
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Self {
            issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap(),
        }
    }

    /// Its own certificate.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    #[must_use]
    pub fn server(&self, names: &[&str]) -> Paper {
        self.server_until(names, Utc::now() + Duration::days(60))
    }

    #[must_use]
    pub fn server_until(&self, names: &[&str], not_after: DateTime<Utc>) -> Paper {
        let params = params(names[0], names, Utc::now() - Duration::days(1), not_after);
        self.sign(params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    #[must_use]
    pub fn client(&self, name: &str) -> Paper {
        self.client_between(name, Utc::now() - Duration::days(1), Utc::now() + Duration::days(60))
    }

    #[must_use]
    pub fn client_between(&self, name: &str, not_before: DateTime<Utc>, not_after: DateTime<Utc>) -> Paper {
        self.sign(
            params(name, &[], not_before, not_after),
            ExtendedKeyUsagePurpose::ClientAuth,
        )
    }

    fn sign(&self, mut params: CertificateParams, usage: ExtendedKeyUsagePurpose) -> Paper {
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Paper {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            der: certificate.der().to_vec(),
        }
    }
}

impl Paper {
    #[must_use]
    pub fn both(&self) -> String {
        format!("{}{}", self.certificate, self.key)
    }
}

fn params(name: &str, names: &[&str], not_before: DateTime<Utc>, not_after: DateTime<Utc>) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = moment(not_before);
    params.not_after = moment(not_after);
    params
}

fn moment(at: DateTime<Utc>) -> time::OffsetDateTime {
    time::OffsetDateTime::from_unix_timestamp(at.timestamp()).unwrap()
}
