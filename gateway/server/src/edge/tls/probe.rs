//! A handshake for the sake of seeing how it goes: what the other end shows, whether it would be believed, whether it
//! wants a certificate of ours, and in words why it fails.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{AlertDescription, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use secrecy::{ExposeSecret, SecretString};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::provider;
use crate::edge::certificates::{CertificateError, CertificateInfo, chain_of, describe};

/// How long the whole may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);
/// In TLS 1.3 a server says only after the handshake that it does not like our certificate; who says nothing for this
/// long likes it.
const SECOND_THOUGHTS: Duration = Duration::from_millis(500);

#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error("the connection's own certificate cannot be used")]
    Identity,
    #[error("'{0}' is not a name that a certificate can be for")]
    Name(String),
    #[error("{0}")]
    Tls(#[from] Error),
}

/// What we show and whom we believe.
#[derive(Default)]
pub struct ProbeOptions {
    /// Key and chain in PEM.
    pub identity: Option<SecretString>,
    /// In PEM, beside the system's roots.
    pub roots: Option<String>,
}

/// How a handshake went.
#[derive(Debug, Clone, Default)]
pub struct ProbeReport {
    pub established: bool,
    /// Why it failed, in words.
    pub reason: Option<String>,
    pub protocol: Option<String>,
    pub cipher: Option<String>,
    /// What was agreed on to speak: `h2`, `http/1.1`.
    pub application: Option<String>,
    pub certificate: Option<CertificateInfo>,
    /// Why the certificate is not believed; `None` when it is, or when there is none.
    pub distrust: Option<String>,
    pub wants_certificate: bool,
    pub showed_certificate: bool,
    pub took: Duration,
}

/// Shakes hands over an open connection, and hangs up.
pub async fn probe(stream: TcpStream, name: &str, options: ProbeOptions) -> Result<ProbeReport, ProbeError> {
    let started = Instant::now();
    let server = ServerName::try_from(name.to_owned()).map_err(|_| ProbeError::Name(name.to_owned()))?;
    let witness = Arc::new(Witness::new(options.roots.as_deref())?);
    let shown = Arc::new(Shown::new(options.identity.as_ref())?);
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&witness) as Arc<dyn ServerCertVerifier>)
        .with_client_cert_resolver(Arc::clone(&shown) as Arc<dyn ResolvesClientCert>);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut report = ProbeReport::default();
    let shaken = timeout(PROBE_TIMEOUT, shake(config, server, stream, &mut report)).await;
    report.reason = match shaken {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(in_words(&error)),
        Err(_) => Some(format!("no answer within {PROBE_TIMEOUT:?}")),
    };
    report.established = report.reason.is_none();
    report.wants_certificate = shown.asked.load(Ordering::Relaxed);
    report.showed_certificate = report.wants_certificate && shown.key.is_some();
    let seen = witness.seen.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some((chain, verdict)) = seen {
        report.certificate = describe(&chain).ok();
        report.distrust = verdict;
    }
    report.took = started.elapsed();
    Ok(report)
}

async fn shake(
    config: ClientConfig,
    server: ServerName<'static>,
    stream: TcpStream,
    report: &mut ProbeReport,
) -> std::io::Result<()> {
    let mut stream = TlsConnector::from(Arc::new(config)).connect(server, stream).await?;
    let (_, session) = stream.get_ref();
    report.protocol = session
        .protocol_version()
        .and_then(|version| version.as_str())
        .map(str::to_owned);
    report.cipher = session
        .negotiated_cipher_suite()
        .and_then(|suite| suite.suite().as_str())
        .map(str::to_owned);
    report.application = session
        .alpn_protocol()
        .map(|name| String::from_utf8_lossy(name).into_owned());
    let mut byte = [0; 1];
    match timeout(SECOND_THOUGHTS, stream.read(&mut byte)).await {
        Ok(Err(error)) if error.kind() != std::io::ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(()),
    }
}

fn in_words(error: &std::io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::AlertReceived(alert)) => of_alert(*alert),
        Some(Error::InvalidMessage(_)) => "what answers there does not speak TLS".to_owned(),
        Some(other) => other.to_string(),
        None if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "the server closed the connection in the middle of the handshake".to_owned()
        }
        None => error.to_string(),
    }
}

/// Why a server says no.
fn of_alert(alert: AlertDescription) -> String {
    let meaning = match alert {
        AlertDescription::CertificateRequired => "the server wants a client certificate",
        AlertDescription::UnknownCA => "the server does not know who issued our certificate",
        AlertDescription::CertificateExpired => "the server says that our certificate has ended, or is not valid yet",
        AlertDescription::CertificateRevoked => "the server says that our certificate was revoked",
        AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => {
            "the server does not take our certificate"
        }
        AlertDescription::UnsupportedCertificate => "the server does not take certificates of this kind",
        AlertDescription::AccessDenied => "the server knows our certificate and denies it access",
        AlertDescription::UnrecognisedName => "the server has nothing under this name",
        AlertDescription::HandshakeFailure => {
            "the server found no common ground, or wants a client certificate (older servers say it so)"
        }
        AlertDescription::ProtocolVersion => "the server speaks neither TLS 1.2 nor TLS 1.3",
        AlertDescription::NoApplicationProtocol => "the server speaks neither HTTP/2 nor HTTP/1.1",
        _ => "the server broke the handshake off",
    };
    format!("{meaning} (alert {alert:?})")
}

/// A chain, and why it is not believed.
type Seen = (Vec<Vec<u8>>, Option<String>);

/// Takes note of what the server shows and whether it would be believed, and lets it pass.
struct Witness {
    judge: Arc<dyn ServerCertVerifier>,
    seen: Mutex<Option<Seen>>,
    provider: Arc<CryptoProvider>,
}

impl Witness {
    fn new(roots: Option<&str>) -> Result<Self, ProbeError> {
        let roots = roots.map(chain_of).transpose()?.unwrap_or_default();
        let judge = rustls_platform_verifier::Verifier::new_with_extra_roots(roots, provider())?;
        Ok(Self {
            judge: Arc::new(judge),
            seen: Mutex::new(None),
            provider: provider(),
        })
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Witness").finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = (self.judge).verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let chain = std::iter::once(end_entity).chain(intermediates).map(|der| der.to_vec());
        let verdict = verdict.err().map(|error| error.to_string());
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some((chain.collect(), verdict));
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Our certificate, and whether it was asked for.
struct Shown {
    key: Option<Arc<CertifiedKey>>,
    asked: AtomicBool,
}

impl Shown {
    fn new(identity: Option<&SecretString>) -> Result<Self, ProbeError> {
        let key = identity.map(certified_key).transpose()?.map(Arc::new);
        Ok(Self {
            key,
            asked: AtomicBool::new(false),
        })
    }
}

fn certified_key(pem: &SecretString) -> Result<CertifiedKey, ProbeError> {
    let chain = chain_of(pem.expose_secret())?;
    let key = PrivateKeyDer::from_pem_slice(pem.expose_secret().as_bytes()).map_err(|_| ProbeError::Identity)?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(|_| ProbeError::Identity)
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").finish_non_exhaustive()
    }
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, _root_hint_subjects: &[&[u8]], _sigschemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.key.clone()
    }

    /// So that we are told whether the server asks at all.
    fn has_certs(&self) -> bool {
        true
    }
}
