//! A network that calls over TLS, one connection at a time, so that a test sees each handshake and each close.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, HandshakeKind, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::papers::Paper;

/// What must come at all comes within this.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who calls: what it believes, what it shows, and the sessions that it may resume.
#[derive(Clone)]
pub struct TlsCaller {
    config: Arc<ClientConfig>,
}

pub struct TlsLine {
    stream: TlsStream<TcpStream>,
    host: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsAnswer {
    pub status: u16,
    pub body: String,
}

impl TlsCaller {
    /// Believes this authority (in PEM), and shows nothing.
    #[must_use]
    pub fn new(authority: &str) -> Self {
        Self::with(authority, None, rustls::ALL_VERSIONS)
    }

    #[must_use]
    pub fn showing(authority: &str, paper: &Paper) -> Self {
        Self::with(authority, Some(paper), rustls::ALL_VERSIONS)
    }

    #[must_use]
    pub fn with(
        authority: &str,
        paper: Option<&Paper>,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Self {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(authority.as_bytes()) {
            roots.add(root.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let config = match paper {
            Some(paper) => {
                let chain = CertificateDer::pem_slice_iter(paper.certificate.as_bytes());
                let chain = chain.map(Result::unwrap).collect();
                let key = PrivateKeyDer::from_pem_slice(paper.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        Self {
            config: Arc::new(config),
        }
    }

    /// A connection under a name; an error in the words of TLS.
    pub async fn call(&self, address: SocketAddr, name: &str) -> Result<TlsLine, String> {
        let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        let server = ServerName::try_from(name.to_owned()).unwrap();
        let shaking = TlsConnector::from(Arc::clone(&self.config)).connect(server, stream);
        let shaken = tokio::time::timeout(PATIENCE, shaking)
            .await
            .expect("the handshake ends");
        Ok(TlsLine {
            stream: shaken.map_err(|error| error.to_string())?,
            host: name.to_owned(),
        })
    }

    /// One request on a connection of its own: handshake, request and answer.
    pub async fn get(&self, address: SocketAddr, name: &str, path: &str) -> Result<TlsAnswer, String> {
        self.call(address, name).await?.get(path).await
    }
}

impl TlsLine {
    pub async fn get(&mut self, path: &str) -> Result<TlsAnswer, String> {
        let host = self.host.clone();
        self.get_of_host(path, &host).await
    }

    /// A request whose `Host` is of the caller's choice.
    pub async fn get_of_host(&mut self, path: &str, host: &str) -> Result<TlsAnswer, String> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let asked = async {
            self.stream
                .write_all(request.as_bytes())
                .await
                .map_err(|error| error.to_string())?;
            self.stream.flush().await.map_err(|error| error.to_string())?;
            self.read_answer().await
        };
        tokio::time::timeout(PATIENCE, asked)
            .await
            .expect("an answer or an end")
    }

    async fn read_answer(&mut self) -> Result<TlsAnswer, String> {
        let mut bytes = Vec::new();
        loop {
            let mut chunk = [0; 4096];
            let count = self.stream.read(&mut chunk).await.map_err(|error| error.to_string())?;
            if count == 0 {
                return Err(format!("closed after {} bytes", bytes.len()));
            }
            bytes.extend_from_slice(&chunk[..count]);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.trim().parse().ok())?
            });
            if body.len() >= length.unwrap_or(0) {
                let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
                return Ok(TlsAnswer {
                    status: status.unwrap_or_default(),
                    body: body.to_owned(),
                });
            }
        }
    }

    /// Waits until the other end hangs up.
    pub async fn closed(&mut self) {
        let mut byte = [0; 1];
        let end = tokio::time::timeout(PATIENCE, self.stream.read(&mut byte)).await;
        let end = end.expect("the connection is closed");
        assert!(matches!(end, Ok(0) | Err(_)), "something was sent");
    }

    #[must_use]
    pub fn was_resumed(&self) -> bool {
        self.stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Of the server's certificate.
    #[must_use]
    pub fn certificate(&self) -> Vec<u8> {
        self.stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    }
}

/// A network that is called over TLS, and wants a certificate of an authority of its own.
pub struct TlsNetwork {
    pub address: SocketAddr,
    serving: tokio::task::JoinHandle<()>,
}

impl TlsNetwork {
    /// Shows `paper`, and lets in whom `clients` (an authority in PEM) issued for.
    pub async fn start(paper: &Paper, clients: &str) -> Self {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(clients.as_bytes()) {
            roots.add(root.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let chain = CertificateDer::pem_slice_iter(paper.certificate.as_bytes());
        let key = PrivateKeyDer::from_pem_slice(paper.key.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(chain.map(Result::unwrap).collect(), key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // Whoever is turned away is told so by TLS; the others have come to look, and hang up.
                    if let Ok(mut stream) = acceptor.accept(stream).await {
                        let _ = stream.read(&mut [0; 1]).await;
                    }
                });
            }
        });
        Self { address, serving }
    }
}

impl Drop for TlsNetwork {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// What a client sends first, for this name: a whole hello.
#[must_use]
pub fn hello(name: &str) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let server = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), server).unwrap();
    let mut bytes = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut bytes).unwrap();
    }
    bytes
}
