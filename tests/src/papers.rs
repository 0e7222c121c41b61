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
        self.server_between(names, Utc::now() - Duration::days(1), not_after)
    }

    #[must_use]
    pub fn server_between(&self, names: &[&str], not_before: DateTime<Utc>, not_after: DateTime<Utc>) -> Paper {
        let params = params(names[0], names, not_before, not_after);
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

    /// A PKCS12 file, as OpenSSL writes it.
    pub async fn pkcs12(&self, password: &str) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let (pem, file) = (folder.path().join("both.pem"), folder.path().join("both.p12"));
        std::fs::write(&pem, self.both()).unwrap();
        let made = tokio::process::Command::new("openssl")
            .args(["pkcs12", "-export", "-passout", &format!("pass:{password}"), "-in"])
            .arg(&pem)
            .arg("-out")
            .arg(&file)
            .output()
            .await
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        std::fs::read(&file).unwrap()
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
