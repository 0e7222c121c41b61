//! Which client certificates are whose, as this node knows it: who calls is found by digest or by authority, never by
//! what a certificate says of itself.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, Utc};
use plugin_sdk::{ClientCertificateId, ConnectionId, MerchantId};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use store::{BoundCertificate, ClientCertificateKind};
use tokio_util::sync::CancellationToken;

use super::info::{self, chain_of};
use crate::edge::tls::provider;

/// Authorities that one chain is tried with.
const AUTHORITIES_TRIED_MAX: usize = 8;

type Digest = [u8; 32];

/// What makes a certificate the proof of one connection.
pub struct Binding {
    pub certificate: ClientCertificateId,
    pub merchant_id: MerchantId,
    pub connection_id: ConnectionId,
    /// Slugs, for who looks them up.
    pub merchant: String,
    pub connection: String,
    /// Cancelled when the certificate was revoked or its connection is gone.
    pub ended: CancellationToken,
}

/// A verified certificate with what it proves.
pub struct Proof {
    pub subject: String,
    /// In hexadecimal digits.
    pub sha256: String,
    pub not_after: DateTime<Utc>,
    pub bindings: Vec<Arc<Binding>>,
}

impl Proof {
    /// Whether it proves, at this moment, that its holder is the network of this connection.
    #[must_use]
    pub fn is_of(&self, connection: ConnectionId, now: DateTime<Utc>) -> bool {
        let bound = |binding: &&Arc<Binding>| binding.connection_id == connection && !binding.ended.is_cancelled();
        now < self.not_after && self.bindings.iter().any(|binding| bound(&binding))
    }

    /// The one connection that it names, if it is only one.
    #[must_use]
    pub fn connection(&self) -> Option<&Binding> {
        match self.bindings.as_slice() {
            [binding] if !binding.ended.is_cancelled() => Some(binding),
            _ => None,
        }
    }
}

pub type Recognised = Result<Proof, Unrecognised>;

/// Why a certificate is nobody's proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unrecognised {
    #[error("the certificate cannot be read")]
    Unreadable,
    #[error("the certificate has ended")]
    Expired,
    #[error("the certificate is not valid yet")]
    NotYetValid,
    #[error("the certificate was revoked")]
    Revoked,
    #[error("the certificate is not known, nor is who issued it")]
    Unknown,
}

/// All client certificates in force, of all merchants.
#[derive(Default)]
pub struct Register {
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    merchants: HashMap<MerchantId, HashMap<ClientCertificateId, Entry>>,
    leaves: HashMap<Digest, Arc<Binding>>,
    revoked: HashMap<Digest, MerchantId>,
    /// By the name of their issuer as it stands in what they issued.
    authorities: HashMap<Vec<u8>, Vec<Authority>>,
}

struct Entry {
    digest: Digest,
    standing: Standing,
}

enum Standing {
    Leaf(Arc<Binding>),
    Authority(Arc<Binding>, Vec<u8>),
    Revoked,
}

#[derive(Clone)]
struct Authority {
    binding: Arc<Binding>,
    verifier: Arc<dyn ClientCertVerifier>,
}

impl Register {
    /// Takes over what these merchants have now. What they have no more ends, open connections included.
    pub fn take_over(&self, merchants: &[MerchantId], fresh: Vec<BoundCertificate>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let mut fresh_of: HashMap<MerchantId, Vec<BoundCertificate>> = HashMap::new();
        for bound in fresh {
            fresh_of.entry(bound.certificate.merchant_id).or_default().push(bound);
        }
        let merchants: HashSet<MerchantId> = merchants.iter().chain(fresh_of.keys()).copied().collect();
        for merchant in merchants {
            known.replace(merchant, fresh_of.remove(&merchant).unwrap_or_default());
        }
        metrics::gauge!("tollgate_client_certificates").set(known.leaves.len() as f64);
    }

    /// Adds what was read of all merchants, a page at a time.
    pub fn add(&self, page: Vec<BoundCertificate>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        for bound in page {
            known.insert(&bound, None);
        }
        metrics::gauge!("tollgate_client_certificates").set(known.leaves.len() as f64);
    }

    /// Whose proof a chain is, the certificate itself first. Under a merchant's own name only that merchant's
    /// certificates count.
    pub fn recognise(&self, chain: &[CertificateDer<'_>], scope: Option<MerchantId>, now: UnixTime) -> Recognised {
        let (leaf, above) = chain.split_first().ok_or(Unrecognised::Unreadable)?;
        let certificate = info::parse(leaf).map_err(|_| Unrecognised::Unreadable)?;
        let moment = |seconds| info::moment(seconds).map_err(|_| Unrecognised::Unreadable);
        let not_after = moment(certificate.validity().not_after.timestamp())?;
        let not_before = moment(certificate.validity().not_before.timestamp())?;
        let bindings = self.bindings(leaf, above, scope, now)?;
        let now = moment(i64::try_from(now.as_secs()).unwrap_or(i64::MAX))?;
        if not_after <= now {
            return Err(Unrecognised::Expired);
        }
        if now < not_before {
            return Err(Unrecognised::NotYetValid);
        }
        Ok(Proof {
            subject: certificate.subject().to_string(),
            sha256: info::sha256(leaf),
            not_after,
            bindings,
        })
    }

    fn bindings(
        &self,
        leaf: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        scope: Option<MerchantId>,
        now: UnixTime,
    ) -> Result<Vec<Arc<Binding>>, Unrecognised> {
        let in_scope = |binding: &Arc<Binding>| scope.is_none_or(|merchant| binding.merchant_id == merchant);
        let digest = digest_of(leaf);
        let tried: Vec<Authority> = {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(binding) = known.leaves.get(&digest).filter(|binding| in_scope(binding)) {
                return Ok(vec![Arc::clone(binding)]);
            }
            if known.revoked.contains_key(&digest) {
                return Err(Unrecognised::Revoked);
            }
            let issuers = std::iter::once(leaf)
                .chain(above)
                .filter_map(|der| Some(info::parse(der).ok()?.issuer().as_raw().to_vec()));
            issuers
                .filter_map(|issuer| known.authorities.get(&issuer))
                .flatten()
                .filter(|authority| in_scope(&authority.binding))
                .take(AUTHORITIES_TRIED_MAX)
                .cloned()
                .collect()
        };
        let mut failure = Unrecognised::Unknown;
        let mut bindings = Vec::new();
        for authority in tried {
            match authority.verifier.verify_client_cert(leaf, above, now) {
                Ok(_) => bindings.push(authority.binding),
                Err(error) => failure = why(&error),
            }
        }
        if bindings.is_empty() {
            Err(failure)
        } else {
            Ok(bindings)
        }
    }
}

impl Known {
    fn replace(&mut self, merchant: MerchantId, fresh: Vec<BoundCertificate>) {
        let mut before = self.merchants.remove(&merchant).unwrap_or_default();
        for entry in before.values() {
            self.forget(merchant, entry);
        }
        for bound in fresh {
            let earlier = before.remove(&bound.certificate.id);
            let kept = earlier.as_ref().and_then(|entry| entry.kept_as(&bound));
            if kept.is_none()
                && let Some(entry) = &earlier
            {
                entry.end();
            }
            self.insert(&bound, kept);
        }
        for entry in before.values() {
            entry.end();
        }
    }

    fn forget(&mut self, merchant: MerchantId, entry: &Entry) {
        match &entry.standing {
            Standing::Leaf(_) => {
                self.leaves.remove(&entry.digest);
            }
            Standing::Revoked => {
                if self.revoked.get(&entry.digest) == Some(&merchant) {
                    self.revoked.remove(&entry.digest);
                }
            }
            Standing::Authority(binding, subject) => {
                if let Some(authorities) = self.authorities.get_mut(subject) {
                    authorities.retain(|authority| !Arc::ptr_eq(&authority.binding, binding));
                    if authorities.is_empty() {
                        self.authorities.remove(subject);
                    }
                }
            }
        }
    }

    fn insert(&mut self, bound: &BoundCertificate, kept: Option<Arc<Binding>>) {
        let certificate = &bound.certificate;
        let Some(digest) = digest_from(&certificate.sha256) else {
            tracing::error!(certificate = %certificate.id, "the digest of a client certificate cannot be read");
            return;
        };
        let binding = kept.unwrap_or_else(|| Arc::new(Binding::of(bound)));
        let standing = match (certificate.revoked_at, certificate.kind) {
            (Some(_), _) => {
                self.revoked.insert(digest, certificate.merchant_id);
                Standing::Revoked
            }
            (None, ClientCertificateKind::Issued | ClientCertificateKind::Leaf) => {
                self.leaves.insert(digest, Arc::clone(&binding));
                Standing::Leaf(binding)
            }
            (None, ClientCertificateKind::Authority) => {
                let Some((subject, verifier)) = authority(certificate.certificate.as_deref().unwrap_or_default())
                else {
                    tracing::error!(certificate = %certificate.id, "a client authority cannot be used");
                    return;
                };
                self.authorities.entry(subject.clone()).or_default().push(Authority {
                    binding: Arc::clone(&binding),
                    verifier,
                });
                Standing::Authority(binding, subject)
            }
        };
        let of_merchant = self.merchants.entry(certificate.merchant_id).or_default();
        of_merchant.insert(certificate.id, Entry { digest, standing });
    }
}

impl Binding {
    fn of(bound: &BoundCertificate) -> Self {
        Self {
            certificate: bound.certificate.id,
            merchant_id: bound.certificate.merchant_id,
            connection_id: bound.certificate.connection_id,
            merchant: bound.merchant.clone(),
            connection: bound.connection.clone(),
            ended: CancellationToken::new(),
        }
    }
}

impl Entry {
    /// The binding, if nothing of what it says has changed: connections that rest on it stay open.
    fn kept_as(&self, bound: &BoundCertificate) -> Option<Arc<Binding>> {
        let (Standing::Leaf(binding) | Standing::Authority(binding, _)) = &self.standing else {
            return None;
        };
        let same = bound.certificate.revoked_at.is_none()
            && binding.connection_id == bound.certificate.connection_id
            && binding.merchant == bound.merchant
            && binding.connection == bound.connection;
        same.then(|| Arc::clone(binding))
    }

    fn end(&self) {
        if let Standing::Leaf(binding) | Standing::Authority(binding, _) = &self.standing {
            binding.ended.cancel();
        }
    }
}

fn why(error: &rustls::Error) -> Unrecognised {
    use rustls::CertificateError as Error;
    match error {
        rustls::Error::InvalidCertificate(Error::Expired | Error::ExpiredContext { .. }) => Unrecognised::Expired,
        rustls::Error::InvalidCertificate(Error::NotValidYet | Error::NotValidYetContext { .. }) => {
            Unrecognised::NotYetValid
        }
        rustls::Error::InvalidCertificate(Error::BadEncoding) => Unrecognised::Unreadable,
        _ => Unrecognised::Unknown,
    }
}

/// An authority's name, and who checks what it issued.
fn authority(pem: &str) -> Option<(Vec<u8>, Arc<dyn ClientCertVerifier>)> {
    let chain = chain_of(pem).ok()?;
    let root = chain.first()?;
    let subject = info::parse(root).ok()?.subject().as_raw().to_vec();
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).ok()?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    Some((subject, verifier.build().ok()?))
}

fn digest_of(der: &[u8]) -> Digest {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, der).as_ref());
    bytes
}

fn digest_from(text: &str) -> Option<Digest> {
    let mut bytes = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}
