//! A certificate that we show callers, with its key.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use secrecy::{ExposeSecret, SecretString};

use super::provider;
use super::verifier::KnownClients;
use crate::edge::certificates::{self, CertificateError, CertificateInfo};

/// Keys in one PEM text that are looked for.
const KEYS_MAX: usize = 2;

#[derive(Debug, thiserror::Error)]
pub enum ServerIdentityError {
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error("there is no private key in PEM (PKCS8, PKCS1 or SEC1, not encrypted)")]
    NoKey,
    #[error("there are several private keys; give the one of the certificate")]
    SeveralKeys,
    #[error("the certificate and the private key do not belong together")]
    Mismatch,
    #[error("TLS cannot use it: {0}")]
    Unusable(String),
}

/// Chain and key, checked to belong together.
pub struct ServerIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    pub info: CertificateInfo,
}

impl ServerIdentity {
    /// Out of PEM with the chain, the server's certificate first, and its key, in any order.
    pub fn from_pem(pem: &SecretString) -> Result<Self, ServerIdentityError> {
        let chain = certificates::chain_of(pem.expose_secret())?;
        let mut keys = PrivateKeyDer::pem_slice_iter(pem.expose_secret().as_bytes()).take(KEYS_MAX);
        let key = keys.next().ok_or(ServerIdentityError::NoKey)?;
        let key = key.map_err(|_| ServerIdentityError::NoKey)?;
        if keys.next().is_some() {
            return Err(ServerIdentityError::SeveralKeys);
        }
        let info = certificates::describe(&chain)?;
        let identity = Self { chain, key, info };
        identity.config(None)?;
        Ok(identity)
    }

    /// How connections under its names are made; `clients` decides about their certificates, `None` asks for none.
    pub fn config(&self, clients: Option<KnownClients>) -> Result<ServerConfig, ServerIdentityError> {
        let unusable = |error: rustls::Error| match error {
            rustls::Error::InconsistentKeys(_) => ServerIdentityError::Mismatch,
            other => ServerIdentityError::Unusable(other.to_string()),
        };
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(unusable)?;
        let builder = match clients {
            Some(clients) => builder.with_client_cert_verifier(Arc::new(clients)),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder
            .with_single_cert(self.chain.clone(), self.key.clone_key())
            .map_err(unusable)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // Tickets of one name open nothing under another: each has its own keys. Nothing is kept here for them.
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().map_err(unusable)?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(config)
    }
}
