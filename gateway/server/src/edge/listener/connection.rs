use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::Permit;

/// What is known of the other end before its first request; every request of the connection finds it among its
/// connection's data.
#[derive(Clone)]
pub struct Caller {
    /// Of the socket, or what a trusted proxy said in the PROXY protocol.
    pub peer: SocketAddr,
}

/// An accepted connection as the HTTP service drives it.
pub struct Connection {
    stream: TcpStream,
    caller: Caller,
    _permit: Permit,
}

impl Connection {
    #[must_use]
    pub fn new(stream: TcpStream, caller: Caller, permit: Permit) -> Self {
        Self {
            stream,
            caller,
            _permit: permit,
        }
    }

    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
