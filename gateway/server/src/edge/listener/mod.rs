//! The public way in: sockets, who may connect, and what is known of a connection before its first request.

mod admission;
mod connection;
mod entrance;
pub mod proxy;

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpSocket, lookup_host};

pub use admission::{Admission, Everybody, Permit};
pub use connection::{Caller, Connection};
pub use entrance::Entrance;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 4_096;

/// Sockets on every address that this name stands for; one at least.
pub async fn bind(address: &str) -> io::Result<Vec<std::net::TcpListener>> {
    let mut bound = Vec::new();
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in lookup_host(address).await? {
        match bind_one(address) {
            Ok(listener) => bound.push(listener),
            Err(error) => failure = error,
        }
    }
    if bound.is_empty() { Err(failure) } else { Ok(bound) }
}

fn bind_one(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}
