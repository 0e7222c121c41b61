use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_http::Protocol;
use ipnet::IpNet;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::connection::Stream;
use super::{Admission, Caller, Connection, proxy};
use crate::edge::tls::Terminator;

/// What the HTTP service takes over.
pub type Entered = (Connection, Protocol, Option<SocketAddr>);

/// What stands between one listener's sockets and HTTP; one for each address, shared by all workers.
#[derive(Clone)]
pub struct Entrance {
    pub admission: Arc<dyn Admission>,
    pub trusted_proxies: Arc<[IpNet]>,
    /// A proxy that is trusted says first who calls; nobody else gets in.
    pub proxy_protocol: bool,
    /// `None` on a plain listener.
    pub tls: Option<Arc<Terminator>>,
    /// How long a connection may take until its first request can begin.
    pub greeting_timeout: Duration,
}

impl Entrance {
    /// Lets a connection in, or says why not; dropping it closes it.
    pub async fn receive(&self, stream: TcpStream) -> io::Result<Entered> {
        let socket = stream.peer_addr()?;
        let greeted = timeout(self.greeting_timeout, self.greet(stream, socket)).await;
        let outcome = greeted.unwrap_or_else(|_| {
            if self.tls.is_some() {
                metrics::counter!("tollgate_handshakes_total", "outcome" => "timeout").increment(1);
            }
            Err(io::ErrorKind::TimedOut.into())
        });
        if let Err(error) = &outcome {
            tracing::debug!(peer = %socket, %error, "a connection was not let in");
        }
        outcome
    }

    async fn greet(&self, mut stream: TcpStream, socket: SocketAddr) -> io::Result<Entered> {
        let peer = self.peer(&mut stream, socket).await?;
        let Some(permit) = self.admission.admit(peer.ip().to_canonical()) else {
            metrics::counter!("tollgate_refused_total", "guard" => "connections").increment(1);
            return Err(io::ErrorKind::QuotaExceeded.into());
        };
        // Answers are whole when they are written: waiting for more would only delay them.
        stream.set_nodelay(true)?;
        let Some(terminator) = &self.tls else {
            let caller = Caller { peer, tls: None };
            let connection = Connection::new(Stream::Plain(stream), caller, permit);
            return Ok((connection, Protocol::Http1, Some(peer)));
        };
        let shaken = terminator.shake(stream).await;
        let outcome = shaken.as_ref().map_or_else(|error| error.outcome(), |_| "established");
        metrics::counter!("tollgate_handshakes_total", "outcome" => outcome).increment(1);
        let (stream, tls) = shaken.map_err(io::Error::other)?;
        let protocol = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            _ => Protocol::Http1,
        };
        let caller = Caller {
            peer,
            tls: Some(Arc::new(tls)),
        };
        let connection = Connection::new(Stream::Tls(Box::new(stream)), caller, permit);
        Ok((connection, protocol, Some(peer)))
    }

    async fn peer(&self, stream: &mut TcpStream, socket: SocketAddr) -> io::Result<SocketAddr> {
        if !self.proxy_protocol {
            return Ok(socket);
        }
        let address = socket.ip().to_canonical();
        if !self.trusted_proxies.iter().any(|network| network.contains(&address)) {
            metrics::counter!("tollgate_refused_total", "guard" => "proxy").increment(1);
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(proxy::read_header(stream).await?.unwrap_or(socket))
    }
}
