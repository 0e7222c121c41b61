//! Keeps what TLS shows and whom it knows true to the database and to the files of the settings.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use plugin_sdk::{Clock, ServerCertificateId};
use secrecy::{ExposeSecret, SecretString};
use store::{ClientCertificates, ServerCertificate, Store, StoreError};

use super::Terminator;
use super::identity::{ServerIdentity, ServerIdentityError};
use super::names::{Names, Shown, is_host_name};
use super::verifier::KnownClients;
use crate::access::sealing::{Sealer, SealingError};

/// How often a node looks for changes.
const WATCH_INTERVAL: Duration = Duration::from_millis(300);
/// How long a look may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);
/// Changed merchants that one question brings at most.
const CHANGES_PER_QUESTION: u64 = 1_000;
/// Client certificates that one question brings at start.
const CERTIFICATES_PER_QUESTION: u64 = 1_000;
/// Largest file of a certificate or a key, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Sealing(#[from] SealingError),
    #[error("{0}")]
    Identity(#[from] ServerIdentityError),
    #[error("file {path}: {message}")]
    File { path: String, message: String },
}

/// Chain and key in one PEM file, or in two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFile {
    pub parts: Vec<PathBuf>,
}

pub struct Keeper {
    pub store: Store,
    pub sealer: Arc<Sealer>,
    pub clock: Arc<dyn Clock>,
    pub terminator: Arc<Terminator>,
    pub files: Vec<CertificateFile>,
    seen: Seen,
}

#[derive(Default)]
struct Seen {
    merchants: i64,
    certificates: i64,
    files: Vec<Option<SystemTime>>,
}

/// Where a server's certificate belongs.
#[must_use]
pub fn server_certificate_place(id: ServerCertificateId) -> String {
    format!("server_certificate/{id}")
}

impl Keeper {
    pub fn new(
        store: Store,
        sealer: Arc<Sealer>,
        clock: Arc<dyn Clock>,
        terminator: Arc<Terminator>,
        files: Vec<CertificateFile>,
    ) -> Self {
        Self {
            store,
            sealer,
            clock,
            terminator,
            files,
            seen: Seen::default(),
        }
    }

    /// Everything, before the first caller. A file of the settings that cannot be used is an error here, later it is
    /// only told of.
    pub async fn load(&mut self) -> Result<(), KeeperError> {
        for file in &self.files {
            self.of_file(file, &Names::default())?;
        }
        self.seen.merchants = self.store.config_version().await?;
        let mut after = None;
        loop {
            let now = self.clock.now();
            let page = (self.store)
                .bound_certificates(after, CERTIFICATES_PER_QUESTION, now)
                .await?;
            let Some(last) = page.last() else { break };
            after = Some(last.certificate.id);
            self.terminator.register.add(page);
        }
        self.show().await
    }

    /// Takes over what changes, for as long as the node runs.
    pub async fn watch(mut self) {
        let mut ticks = tokio::time::interval(WATCH_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let looked = tokio::time::timeout(LOOK_TIMEOUT, self.take_over_changed()).await;
            match looked {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(%error, "changes of certificates cannot be read; going on with what is known")
                }
                Err(_) => tracing::warn!("changes of certificates were not read in time; going on with what is known"),
            }
        }
    }

    async fn take_over_changed(&mut self) -> Result<(), KeeperError> {
        let seen = self.seen.merchants;
        let changed = self.store.merchants_changed_since(seen, CHANGES_PER_QUESTION).await?;
        if let Some((_, newest)) = changed.last().copied() {
            let merchants: Vec<_> = changed.into_iter().map(|(id, _)| id).collect();
            let fresh = self.store.bound_certificates_of(&merchants, self.clock.now()).await?;
            self.terminator.register.take_over(&merchants, fresh);
            self.seen.merchants = newest;
        }
        let version = self.store.server_certificates_version().await?;
        if version != self.seen.certificates || self.file_times() != self.seen.files {
            self.show().await?;
        }
        Ok(())
    }

    async fn show(&mut self) -> Result<(), KeeperError> {
        let version = self.store.server_certificates_version().await?;
        let times = self.file_times();
        let stored = self.store.server_certificates().await?;
        let before = self.terminator.names();
        let mut names = Names::default();
        for certificate in &stored {
            match self.of_row(certificate, &before) {
                Ok(shown) => names.add(&certificate.names, &shown),
                Err(error) => {
                    tracing::error!(certificate = %certificate.id, %error, "a server certificate cannot be used")
                }
            }
        }
        for file in &self.files {
            match self.of_file(file, &before) {
                Ok((shown, own)) => names.add(&own, &shown),
                Err(error) => tracing::error!(%error, "a certificate of the settings cannot be used"),
            }
        }
        metrics::gauge!("tollgate_server_names").set(names.len() as f64);
        self.terminator.show(names);
        (self.seen.certificates, self.seen.files) = (version, times);
        Ok(())
    }

    fn of_row(&self, row: &ServerCertificate, before: &Names) -> Result<Arc<Shown>, KeeperError> {
        let source = row.id.to_string();
        if let Some(shown) = before.made_of(&source) {
            return Ok(Arc::clone(shown));
        }
        let pem = self
            .sealer
            .open(&server_certificate_place(row.id), &row.identity_sealed)?;
        let identity = ServerIdentity::from_pem(&pem)?;
        let clients = match row.client_certificates {
            ClientCertificates::Off => None,
            ClientCertificates::Allowed => Some(false),
            ClientCertificates::Required => Some(true),
        };
        let clients =
            clients.map(|required| KnownClients::new(Arc::clone(&self.terminator.register), row.merchant_id, required));
        Ok(Arc::new(Shown {
            source,
            config: Arc::new(identity.config(clients)?),
            merchant: row.merchant_id,
        }))
    }

    /// With the names that its certificate has.
    fn of_file(&self, file: &CertificateFile, before: &Names) -> Result<(Arc<Shown>, Vec<String>), KeeperError> {
        let named = |message: String| KeeperError::File {
            path: file.to_string(),
            message,
        };
        let identity = ServerIdentity::from_pem(&file.read()?).map_err(|error| named(error.to_string()))?;
        let names: HashSet<String> = identity
            .info
            .names
            .iter()
            .map(|name| name.to_ascii_lowercase())
            .collect();
        let names: Vec<String> = names.into_iter().filter(|name| is_host_name(name)).collect();
        if names.is_empty() {
            return Err(named(
                "the certificate has no name of a host (subjectAltName)".to_owned(),
            ));
        }
        if let Some(shown) = before.made_of(&identity.info.sha256) {
            return Ok((Arc::clone(shown), names));
        }
        let clients = KnownClients::new(Arc::clone(&self.terminator.register), None, false);
        let shown = Shown {
            source: identity.info.sha256.clone(),
            config: Arc::new(identity.config(Some(clients))?),
            merchant: None,
        };
        Ok((Arc::new(shown), names))
    }

    fn file_times(&self) -> Vec<Option<SystemTime>> {
        let parts = self.files.iter().flat_map(|file| &file.parts);
        parts
            .map(|path| std::fs::metadata(path).ok()?.modified().ok())
            .collect()
    }
}

impl CertificateFile {
    /// `fullchain.pem`, or `fullchain.pem+privkey.pem`.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self {
            parts: text.split('+').map(|part| PathBuf::from(part.trim())).collect(),
        }
    }

    fn read(&self) -> Result<SecretString, KeeperError> {
        let mut text = zeroize::Zeroizing::new(String::new());
        for path in &self.parts {
            text.push_str(read_file(path)?.expose_secret());
            text.push('\n');
        }
        Ok(SecretString::from(text.as_str()))
    }
}

impl std::fmt::Display for CertificateFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts: Vec<_> = self.parts.iter().map(|part| part.display().to_string()).collect();
        f.write_str(&parts.join("+"))
    }
}

fn read_file(path: &Path) -> Result<SecretString, KeeperError> {
    let named = |message: String| KeeperError::File {
        path: path.display().to_string(),
        message,
    };
    let length = std::fs::metadata(path).map_err(|error| named(error.to_string()))?.len();
    if length > FILE_BYTES_MAX {
        return Err(named(format!("is longer than {FILE_BYTES_MAX} bytes")));
    }
    std::fs::read_to_string(path)
        .map(Into::into)
        .map_err(|error| named(error.to_string()))
}
