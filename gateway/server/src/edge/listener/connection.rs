use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::Permit;
use crate::edge::tls::Tls;

/// What is known of the other end before its first request; every request of the connection finds it among its
/// connection's data.
#[derive(Clone)]
pub struct Caller {
    /// Of the socket, or what a trusted proxy said in the PROXY protocol.
    pub peer: SocketAddr,
    /// `None` on a plain listener.
    pub tls: Option<Arc<Tls>>,
}

pub enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// An accepted connection as the HTTP service drives it. When what its certificate proves has ended, it reads as if the
/// other end had hung up: an answer on its way still leaves, and nothing follows it.
pub struct Connection {
    stream: Stream,
    caller: Caller,
    ends: Vec<Pin<Box<WaitForCancellationFutureOwned>>>,
    permit: Permit,
}

impl Connection {
    #[must_use]
    pub fn new(stream: Stream, caller: Caller, permit: Permit) -> Self {
        let bindings = caller
            .tls
            .iter()
            .flat_map(|tls| &tls.proof)
            .flat_map(|proof| &proof.bindings);
        let ends = bindings.map(|binding| Box::pin(binding.ended.clone().cancelled_owned()));
        Self {
            stream,
            ends: ends.collect(),
            caller,
            permit,
        }
    }

    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    #[must_use]
    pub const fn permit(&self) -> &Permit {
        &self.permit
    }

    fn has_ended(&mut self, context: &mut Context<'_>) -> bool {
        self.ends.iter_mut().any(|end| end.as_mut().poll(context).is_ready())
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.has_ended(context) {
            return Poll::Ready(Ok(()));
        }
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, into),
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, into),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(context, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(context, bytes),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
