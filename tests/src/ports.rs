use std::net::TcpListener;

/// A loopback port that nobody listens on now.
#[must_use]
pub fn free() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
