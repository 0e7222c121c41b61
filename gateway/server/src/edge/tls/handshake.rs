use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::pki_types::UnixTime;
use rustls::server::Acceptor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::Tls;
use super::names::{Names, Shown};
use super::turns::InTurns;
use crate::edge::certificates::{Register, Unrecognised};

/// A fatal alert `unrecognized_name` (RFC 6066), as it stands on the wire before a version is agreed on.
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];
/// How long a caller who is turned away may take to hang up.
const PARTING_TIMEOUT: Duration = Duration::from_secs(1);
/// Bytes of it that are thrown away meanwhile: a request, or so.
const PARTING_BYTES_MAX: u64 = 64 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    #[error("nothing is shown under the name '{0}'")]
    Name(String),
    #[error("no name was asked for, and none is set for such callers")]
    NoName,
    #[error(transparent)]
    Certificate(#[from] Unrecognised),
    #[error("{0}")]
    Failed(#[from] io::Error),
}

impl HandshakeError {
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::Name(_) | Self::NoName => "unknown_name",
            Self::Certificate(_) => "certificate",
            Self::Failed(_) => "failed",
        }
    }
}

#[derive(Debug, Clone)]
pub struct TerminatorOptions {
    /// Steps of handshakes that this node works on at once; others wait, within their time. Who waits for the other end
    /// holds no turn.
    pub at_once: usize,
    /// The name that is meant by callers who ask for none.
    pub default_name: Option<String>,
}

/// Where TLS ends; one for each node.
pub struct Terminator {
    pub register: Arc<Register>,
    names: ArcSwap<Names>,
    turns: Arc<Semaphore>,
    default_name: Option<String>,
    /// Where this node listens.
    addresses: OnceLock<Vec<SocketAddr>>,
}

impl Terminator {
    #[must_use]
    pub fn new(options: TerminatorOptions) -> Self {
        Self {
            register: Arc::default(),
            names: ArcSwap::default(),
            turns: Arc::new(Semaphore::new(options.at_once)),
            default_name: options.default_name,
            addresses: OnceLock::new(),
        }
    }

    pub fn listens_at(&self, addresses: Vec<SocketAddr>) {
        let _ = self.addresses.set(addresses);
    }

    /// Where this node itself finds its own listener; `None` when there is none.
    #[must_use]
    pub fn own_address(&self) -> Option<SocketAddr> {
        let mut address = self.addresses.get()?.first().copied()?;
        if address.ip().is_unspecified() {
            address.set_ip(match address.ip() {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        Some(address)
    }

    pub(super) fn names(&self) -> Arc<Names> {
        self.names.load_full()
    }

    /// From now on. Connections that are open stay as they are.
    pub(super) fn show(&self, names: Names) {
        self.names.store(Arc::new(names));
    }

    /// The caller bounds the time.
    pub async fn shake(&self, stream: TcpStream) -> Result<(TlsStream<TcpStream>, Tls), HandshakeError> {
        let mut greeted = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let asked = greeted.client_hello().server_name().map(str::to_ascii_lowercase);
        let (name, shown) = match self.shown(asked) {
            Ok(found) => found,
            Err(error) => {
                let _ = greeted.io.write_all(&UNRECOGNIZED_NAME).await;
                let _ = greeted.io.shutdown().await;
                return Err(error);
            }
        };
        let shaking = greeted.into_stream(Arc::clone(&shown.config)).into_fallible();
        let stream = match InTurns::new(shaking, &self.turns).await {
            Ok(stream) => stream,
            Err(Some((error, stream))) => {
                part(stream).await;
                return Err(error.into());
            }
            Err(None) => return Err(io::Error::from(io::ErrorKind::NotConnected).into()),
        };
        let (_, session) = stream.get_ref();
        // A resumed session brings the certificate it began with: what it proves today is asked again.
        let proof = session
            .peer_certificates()
            .map(|chain| self.register.recognise(chain, shown.merchant, UnixTime::now()))
            .transpose()?;
        let tls = Tls {
            name,
            merchant: shown.merchant,
            proof,
        };
        Ok((stream, tls))
    }

    fn shown(&self, asked: Option<String>) -> Result<(String, Arc<Shown>), HandshakeError> {
        let name = asked
            .or_else(|| self.default_name.clone())
            .ok_or(HandshakeError::NoName)?;
        match self.names.load().find(&name) {
            Some(shown) => Ok((name, Arc::clone(shown))),
            None => Err(HandshakeError::Name(name)),
        }
    }
}

/// Hangs up so that the alert arrives, which says why: a client of TLS 1.3 has sent its request by then, and closing over
/// unread bytes would take the alert back.
async fn part(mut stream: TcpStream) {
    let parting = async {
        stream.shutdown().await?;
        let mut unread = (&mut stream).take(PARTING_BYTES_MAX);
        tokio::io::copy(&mut unread, &mut tokio::io::sink()).await
    };
    let _ = timeout(PARTING_TIMEOUT, parting).await;
}
