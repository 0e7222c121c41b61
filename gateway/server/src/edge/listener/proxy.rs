//! The PROXY protocol, version 2: a proxy that does not look into the connection says first who opened it.

use std::io;
use std::net::SocketAddr;

use ppp::v2::{Addresses, Command, Header, PROTOCOL_PREFIX};
use tokio::io::{AsyncRead, AsyncReadExt};

/// What every header begins with, in bytes.
const HEAD_BYTES: usize = 16;
/// Longest header that is read, in bytes: addresses have 36 at most, the rest are notes of the proxy.
const HEADER_BYTES_MAX: usize = 2_048;
/// Where the header says how much follows.
const LENGTH_AT: usize = 14;

/// Who opened the connection, or `None` when the proxy did it for itself, as it does to see whether we live.
pub async fn read_header(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let mut head = vec![0; HEAD_BYTES];
    stream.read_exact(&mut head).await?;
    let length = match head.get(LENGTH_AT..) {
        Some([high, low]) => usize::from(u16::from_be_bytes([*high, *low])),
        _ => return Err(malformed("its head is short")),
    };
    if !head.starts_with(PROTOCOL_PREFIX) {
        return Err(malformed("it is not version 2 of the PROXY protocol"));
    }
    if length > HEADER_BYTES_MAX {
        return Err(malformed("it is too long"));
    }
    let mut whole = head;
    whole.resize(HEAD_BYTES + length, 0);
    if let Some(rest) = whole.get_mut(HEAD_BYTES..) {
        stream.read_exact(rest).await?;
    }
    let header = Header::try_from(whole.as_slice()).map_err(|error| malformed(&error.to_string()))?;
    if header.command == Command::Local {
        return Ok(None);
    }
    match header.addresses {
        Addresses::IPv4(pair) => Ok(Some((pair.source_address, pair.source_port).into())),
        Addresses::IPv6(pair) => Ok(Some((pair.source_address, pair.source_port).into())),
        Addresses::Unix(_) | Addresses::Unspecified => Err(malformed("it names no internet address")),
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the proxy's header: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ppp::v2::{Builder, Protocol, Version};

    fn header(command: Command, source: &str, destination: &str) -> Vec<u8> {
        let addresses: (SocketAddr, SocketAddr) = (source.parse().unwrap(), destination.parse().unwrap());
        Builder::with_addresses(Version::Two | command, Protocol::Stream, addresses)
            .build()
            .unwrap()
    }

    async fn read(bytes: &[u8]) -> io::Result<Option<SocketAddr>> {
        read_header(&mut &*bytes).await
    }

    #[tokio::test]
    async fn a_header_names_the_caller_and_takes_nothing_of_what_follows() {
        for source in ["79.142.16.7:5000", "[2001:db8::7]:5000"] {
            let destination = if source.starts_with('[') {
                "[::1]:443"
            } else {
                "10.0.0.1:443"
            };
            let mut bytes = header(Command::Proxy, source, destination);
            bytes.extend_from_slice(b"GET / HTTP/1.1");
            let mut rest = bytes.as_slice();
            assert_eq!(read_header(&mut rest).await.unwrap(), Some(source.parse().unwrap()));
            assert_eq!(rest, b"GET / HTTP/1.1");
        }
    }

    #[tokio::test]
    async fn a_proxy_may_speak_for_itself() {
        let bytes = header(Command::Local, "1.1.1.1:1", "2.2.2.2:2");
        assert_eq!(read(&bytes).await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        assert!(read(b"GET /payment HTTP/1.1\r\n\r\n").await.is_err());
        assert!(read(b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n").await.is_err());
        let whole = header(Command::Proxy, "1.1.1.1:1", "2.2.2.2:2");
        assert!(read(&whole[..20]).await.is_err(), "cut off");
        let mut long = whole.clone();
        long[14..16].copy_from_slice(&u16::MAX.to_be_bytes());
        long.resize(70_000, 0);
        assert!(read(&long).await.unwrap_err().to_string().contains("too long"));
        let mut unknown = whole;
        unknown[13] = 0;
        assert!(read(&unknown).await.is_err(), "no addresses");
    }
}
