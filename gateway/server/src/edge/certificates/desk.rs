//! How certificates come and go: the one set of checks behind the admin REST and the CLI.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use plugin_sdk::{ClientCertificateId, Clock, MerchantId, ServerCertificateId};
use secrecy::{ExposeSecret, SecretString};
use store::{
    CertificateAuthority, ClientCertificate, ClientCertificateKind, ClientCertificates, Connection,
    NewClientCertificate, ServerCertificate, Store, StoreError,
};
use zeroize::Zeroizing;

use super::authority::{self, AuthorityError};
use super::info::{self, CertificateInfo, chain_of, describe};
use super::pem;
use super::pkcs12::{self, Flavour, KeyAndChain, Pkcs12Policy};
use crate::access::sealing::{Sealer, SealingError};
use crate::edge::tls::{ServerIdentity, is_host_name, matches, server_certificate_place};

/// The authority that issues client certificates.
const CLIENTS: &str = "clients";
/// Longest name that people give a certificate, in characters.
const NAME_LENGTH_MAX: usize = 100;
/// Client certificates last for this many days at most.
const DAYS_MAX: u32 = 825;
/// Names that one server certificate is shown under.
const SERVER_NAMES_MAX: usize = 100;
/// Longest text in PEM, in bytes.
const PEM_BYTES_MAX: usize = 64 * 1024;
/// Groups of five characters in a generated password: 125 bits.
const PASSWORD_GROUPS: usize = 5;
/// Letters and digits that nobody takes for one another.
const PASSWORD_LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz123456789";

#[derive(Debug, thiserror::Error)]
pub enum CertificateRefusal {
    #[error("{field}: {message}")]
    Field { field: &'static str, message: String },
    #[error("the connection has as many certificates in force as it may; revoke one first")]
    TooMany,
    #[error("the installation's authority ends before the certificate would")]
    AuthorityEnds,
    #[error("a certificate could not be made")]
    Authority(#[from] AuthorityError),
    #[error(transparent)]
    Sealing(#[from] SealingError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CertificateRefusal {
    fn field(field: &'static str, message: impl ToString) -> Self {
        Self::Field {
            field,
            message: message.to_string(),
        }
    }
}

/// A client certificate to be issued.
#[derive(Debug, Clone)]
pub struct IssueDraft {
    pub name: String,
    /// The setting's when absent.
    pub days: Option<u32>,
    pub flavour: Flavour,
}

/// A new client certificate with the file to hand to the network. Neither file nor password is kept.
pub struct Handout {
    pub certificate: ClientCertificate,
    pub file: Zeroizing<Vec<u8>>,
    pub password: SecretString,
}

/// What a connection is told to believe beside what we issue.
pub enum Trust {
    /// One certificate, in PEM.
    Leaf(String),
    /// One certificate by its SHA-256, in hexadecimal digits.
    LeafDigest(String),
    /// Whatever this authority issued, in PEM.
    Authority(String),
}

pub struct ServerDraft {
    pub merchant: Option<MerchantId>,
    pub source: ServerSource,
    /// Those of the certificate when empty.
    pub names: Vec<String>,
    pub client_certificates: ClientCertificates,
}

pub enum ServerSource {
    /// Chain and key.
    Pem(SecretString),
    Pkcs12 {
        file: Vec<u8>,
        password: SecretString,
    },
}

#[derive(Clone)]
pub struct CertificateDesk {
    pub store: Store,
    pub sealer: Arc<Sealer>,
    pub clock: Arc<dyn Clock>,
    pub pkcs12: Pkcs12Policy,
    pub client_days: u32,
}

impl CertificateDesk {
    /// Issues a certificate of this installation's own authority. Those that the connection has stay in force.
    pub async fn issue(
        &self,
        merchant: &str,
        connection: &Connection,
        draft: IssueDraft,
        author: &str,
    ) -> Result<Handout, CertificateRefusal> {
        let name = checked_name(&draft.name)?;
        let days = draft.days.unwrap_or(self.client_days);
        if !(1..=DAYS_MAX).contains(&days) {
            return Err(CertificateRefusal::field("days", format!("is from 1 to {DAYS_MAX}")));
        }
        let now = self.clock.now();
        let not_after = now + Duration::days(i64::from(days));
        let (root, key) = self.authority().await?;
        if info::parse(&root).is_ok_and(|root| root.validity().not_after.timestamp() < not_after.timestamp()) {
            return Err(CertificateRefusal::AuthorityEnds);
        }
        let id = ClientCertificateId::generate();
        // Its subject tells people what it is for; the id keeps two of them apart in whatever list they stand.
        let subject = format!("{merchant}/{} {id}", connection.slug);
        let issued = authority::issue_client(&authority::common_name(&root)?, &key, &subject, now, not_after)?;
        let chain = [issued.certificate.as_ref(), root.as_slice()];
        let password = generate_password()?;
        let file = self
            .file(&issued.key, &chain, &subject, &password, draft.flavour)
            .await?;
        let info = describe(&chain).map_err(|_| AuthorityError::Unreadable)?;
        let new = new_certificate(
            id,
            connection,
            ClientCertificateKind::Issued,
            name,
            &issued.certificate,
            &info,
        );
        let certificate = self.keep(connection, new, author, now).await?;
        Ok(Handout {
            certificate,
            file,
            password,
        })
    }

    /// A successor of an issued certificate, which stays in force until it is revoked or ends.
    pub async fn renew(
        &self,
        merchant: &str,
        connection: &Connection,
        id: ClientCertificateId,
        draft: IssueDraft,
        author: &str,
    ) -> Result<Handout, CertificateRefusal> {
        let before = self.store.client_certificate(connection.merchant_id, id).await?;
        if before.connection_id != connection.id || before.kind != ClientCertificateKind::Issued {
            return Err(CertificateRefusal::field(
                "certificate",
                "was not issued here for this connection",
            ));
        }
        let name = if draft.name.is_empty() { before.name } else { draft.name };
        self.issue(merchant, connection, IssueDraft { name, ..draft }, author)
            .await
    }

    /// Believes a certificate, or an authority, of somebody else's.
    pub async fn trust(
        &self,
        connection: &Connection,
        name: &str,
        trust: Trust,
        author: &str,
    ) -> Result<ClientCertificate, CertificateRefusal> {
        let name = checked_name(name)?;
        let now = self.clock.now();
        let id = ClientCertificateId::generate();
        let new = match trust {
            Trust::LeafDigest(text) => NewClientCertificate {
                id,
                connection_id: connection.id,
                kind: ClientCertificateKind::Leaf,
                name,
                sha256: checked_digest(&text)?,
                certificate: None,
                info: None,
                not_after: None,
            },
            Trust::Leaf(text) => {
                let (der, info) = one_certificate(&text, now)?;
                new_certificate(id, connection, ClientCertificateKind::Leaf, name, &der, &info)
            }
            Trust::Authority(text) => {
                let (der, info) = one_certificate(&text, now)?;
                let is_authority = info::parse(&der).is_ok_and(|parsed| parsed.is_ca());
                if !is_authority {
                    let message = "is no authority's certificate (basicConstraints CA:TRUE); give a leaf as 'leaf'";
                    return Err(CertificateRefusal::field("authority", message));
                }
                new_certificate(id, connection, ClientCertificateKind::Authority, name, &der, &info)
            }
        };
        self.keep(connection, new, author, now).await
    }

    pub async fn revoke(
        &self,
        merchant: MerchantId,
        id: ClientCertificateId,
        author: &str,
    ) -> Result<ClientCertificate, CertificateRefusal> {
        let now = self.clock.now();
        Ok(self.store.revoke_client_certificate(merchant, id, author, now).await?)
    }

    /// Shows a certificate from now on under its names, in place of whichever was shown before.
    pub async fn add_server(&self, draft: ServerDraft, author: &str) -> Result<ServerCertificate, CertificateRefusal> {
        let now = self.clock.now();
        let pem = match draft.source {
            ServerSource::Pem(pem) if pem.expose_secret().len() > PEM_BYTES_MAX => {
                return Err(CertificateRefusal::field(
                    "pem",
                    format!("is longer than {PEM_BYTES_MAX} bytes"),
                ));
            }
            ServerSource::Pem(pem) => pem,
            ServerSource::Pkcs12 { file, password } => self.read_pkcs12(file, password).await?.pem,
        };
        let identity = ServerIdentity::from_pem(&pem).map_err(|error| CertificateRefusal::field("pem", error))?;
        check_dates(&identity.info, "pem", now)?;
        let names = server_names(&identity.info, draft.names)?;
        self.check_owner(&names, draft.merchant).await?;
        let id = ServerCertificateId::generate();
        let new = ServerCertificate {
            id,
            merchant_id: draft.merchant,
            names,
            client_certificates: draft.client_certificates,
            identity_sealed: self.sealer.seal(&server_certificate_place(id), &pem)?,
            not_after: identity.info.not_after,
            info: serde_json::to_value(&identity.info).unwrap_or_default(),
            created_by: author.to_owned(),
            created_at: now,
        };
        Ok(self.store.create_server_certificate(new).await?)
    }

    pub async fn remove_server(&self, id: ServerCertificateId, author: &str) -> Result<(), CertificateRefusal> {
        let now = self.clock.now();
        Ok(self.store.remove_server_certificate(id, author, now).await?)
    }

    /// The authority's own certificate, made if it was not needed before.
    pub async fn authority_info(&self) -> Result<(String, CertificateInfo), CertificateRefusal> {
        let (root, _) = self.authority().await?;
        let info = describe(&[&root]).map_err(|_| AuthorityError::Unreadable)?;
        let mut text = String::new();
        pem::push(&mut text, "CERTIFICATE", &root);
        Ok((text, info))
    }

    pub async fn read_pkcs12(&self, file: Vec<u8>, password: SecretString) -> Result<KeyAndChain, CertificateRefusal> {
        let (policy, now) = (self.pkcs12, self.clock.now());
        let reading = tokio::task::spawn_blocking(move || pkcs12::read(&file, &password, policy, now));
        let read = reading.await.map_err(|error| StoreError::Refused(error.to_string()))?;
        read.map_err(|error| CertificateRefusal::field("pkcs12", error))
    }

    async fn authority(&self) -> Result<(Vec<u8>, SecretString), CertificateRefusal> {
        let place = format!("certificate_authority/{CLIENTS}");
        let kept = match self.store.certificate_authority(CLIENTS).await? {
            Some(kept) => kept,
            None => {
                let now = self.clock.now();
                let new = authority::make_authority(now)?;
                let chain = chain_of(&new.certificate).map_err(|_| AuthorityError::Unreadable)?;
                let info = describe(&chain).map_err(|_| AuthorityError::Unreadable)?;
                let new = CertificateAuthority {
                    key_sealed: self.sealer.seal(&place, &new.key)?,
                    certificate: new.certificate,
                    info: serde_json::to_value(&info).unwrap_or_default(),
                    created_at: now,
                };
                self.store.keep_certificate_authority(CLIENTS, new).await?
            }
        };
        let chain = chain_of(&kept.certificate).map_err(|_| AuthorityError::Unreadable)?;
        let root = chain.first().ok_or(AuthorityError::Unreadable)?.to_vec();
        Ok((root, self.sealer.open(&place, &kept.key_sealed)?))
    }

    /// A hundred thousand rounds of hashing: not for an I/O thread.
    async fn file(
        &self,
        key: &Zeroizing<Vec<u8>>,
        chain: &[&[u8]],
        name: &str,
        password: &SecretString,
        flavour: Flavour,
    ) -> Result<Zeroizing<Vec<u8>>, CertificateRefusal> {
        let (key, name, password) = (key.clone(), name.to_owned(), password.clone());
        let chain: Vec<Vec<u8>> = chain.iter().map(|der| der.to_vec()).collect();
        let writing = tokio::task::spawn_blocking(move || {
            let chain: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
            pkcs12::write(&key, &chain, &name, &password, flavour)
        });
        let written = writing.await.map_err(|error| StoreError::Refused(error.to_string()))?;
        written.map_err(|error| CertificateRefusal::field("flavour", error))
    }

    async fn keep(
        &self,
        connection: &Connection,
        new: NewClientCertificate,
        author: &str,
        now: DateTime<Utc>,
    ) -> Result<ClientCertificate, CertificateRefusal> {
        let kept = self
            .store
            .create_client_certificate(connection.merchant_id, new, author, now);
        kept.await?.ok_or(CertificateRefusal::TooMany)
    }

    /// A name belongs to one merchant, or to the installation: nobody takes it from another by a newer certificate.
    async fn check_owner(&self, names: &[String], merchant: Option<MerchantId>) -> Result<(), CertificateRefusal> {
        let all = self.store.server_certificates().await?;
        let others = all.iter().filter(|certificate| certificate.merchant_id != merchant);
        let taken = names
            .iter()
            .find(|name| others.clone().any(|other| other.names.contains(name)));
        match taken {
            Some(name) => Err(CertificateRefusal::field(
                "names",
                format!("'{name}' is shown for somebody else"),
            )),
            None => Ok(()),
        }
    }
}

fn new_certificate(
    id: ClientCertificateId,
    connection: &Connection,
    kind: ClientCertificateKind,
    name: String,
    der: &[u8],
    info: &CertificateInfo,
) -> NewClientCertificate {
    let mut text = String::new();
    pem::push(&mut text, "CERTIFICATE", der);
    NewClientCertificate {
        id,
        connection_id: connection.id,
        kind,
        name,
        sha256: info.sha256.clone(),
        certificate: Some(text),
        info: serde_json::to_value(info).ok(),
        not_after: Some(info.not_after),
    }
}

fn checked_name(name: &str) -> Result<String, CertificateRefusal> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > NAME_LENGTH_MAX || name.chars().any(char::is_control) {
        let message = format!("has 1 to {NAME_LENGTH_MAX} characters");
        return Err(CertificateRefusal::field("name", message));
    }
    Ok(name.to_owned())
}

/// In hexadecimal digits with or without colons, as OpenSSL prints it.
fn checked_digest(text: &str) -> Result<String, CertificateRefusal> {
    let digits: String = text.chars().filter(|letter| !matches!(letter, ':' | ' ')).collect();
    if digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(digits.to_ascii_lowercase());
    }
    let message = "is not a SHA-256 digest: openssl x509 -in client.pem -noout -fingerprint -sha256 prints it";
    Err(CertificateRefusal::field("sha256", message))
}

fn one_certificate(text: &str, now: DateTime<Utc>) -> Result<(Vec<u8>, CertificateInfo), CertificateRefusal> {
    const FIELD: &str = "certificate";
    if text.len() > PEM_BYTES_MAX {
        return Err(CertificateRefusal::field(
            FIELD,
            format!("is longer than {PEM_BYTES_MAX} bytes"),
        ));
    }
    let chain = chain_of(text).map_err(|error| CertificateRefusal::field(FIELD, error))?;
    let [der] = chain.as_slice() else {
        return Err(CertificateRefusal::field(
            FIELD,
            "is more than one certificate; give one",
        ));
    };
    let info = describe(&chain).map_err(|error| CertificateRefusal::field(FIELD, error))?;
    if info.not_after <= now {
        return Err(CertificateRefusal::field(FIELD, format!("ended at {}", info.not_after)));
    }
    Ok((der.to_vec(), info))
}

fn check_dates(info: &CertificateInfo, field: &'static str, now: DateTime<Utc>) -> Result<(), CertificateRefusal> {
    if info.not_after <= now {
        return Err(CertificateRefusal::field(
            field,
            format!("the certificate ended at {}", info.not_after),
        ));
    }
    if now < info.not_before {
        let message = format!("the certificate is not valid before {}", info.not_before);
        return Err(CertificateRefusal::field(field, message));
    }
    Ok(())
}

/// Names that a certificate is shown under: it must have them, or nobody would believe it there.
fn server_names(info: &CertificateInfo, asked: Vec<String>) -> Result<Vec<String>, CertificateRefusal> {
    let asked = if asked.is_empty() { info.names.clone() } else { asked };
    let mut names: Vec<String> = asked.iter().map(|name| name.trim().to_ascii_lowercase()).collect();
    names.retain(|name| is_host_name(name));
    names.sort();
    names.dedup();
    if names.is_empty() || names.len() > SERVER_NAMES_MAX {
        let message = format!("the certificate has 1 to {SERVER_NAMES_MAX} names of hosts (subjectAltName)");
        return Err(CertificateRefusal::field("names", message));
    }
    let covered = |name: &String| info.names.iter().any(|own| matches(own, name));
    match names.iter().find(|name| !covered(name)) {
        Some(name) => Err(CertificateRefusal::field(
            "names",
            format!("the certificate does not have the name '{name}'"),
        )),
        None => Ok(names),
    }
}

fn generate_password() -> Result<SecretString, CertificateRefusal> {
    let mut bytes = Zeroizing::new([0_u8; PASSWORD_GROUPS * 5]);
    aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(|_| AuthorityError::Random)?;
    let mut text = Zeroizing::new(String::new());
    for (at, byte) in bytes.iter().enumerate() {
        if at > 0 && at % 5 == 0 {
            text.push('-');
        }
        let letter = PASSWORD_LETTERS.get(usize::from(byte % 32)).copied().unwrap_or(b'x');
        text.push(char::from(letter));
    }
    Ok(SecretString::from(text.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_long_and_never_the_same() {
        let (one, other) = (generate_password().unwrap(), generate_password().unwrap());
        assert_eq!(one.expose_secret().len(), 29);
        assert_ne!(one.expose_secret(), other.expose_secret());
    }

    #[test]
    fn digests_are_read_as_openssl_prints_them() {
        let plain = "ab".repeat(32);
        let with_colons = ["AB"; 32].join(":");
        assert_eq!(checked_digest(&with_colons).unwrap(), plain);
        assert!(checked_digest("ab").is_err());
        assert!(checked_digest(&"zz".repeat(32)).is_err());
    }
}
