use std::any::Any;
use std::net::IpAddr;
use std::sync::Arc;

/// Held for as long as a connection is open; what it holds gives its place back when it is dropped. Every request finds
/// it among its connection's data.
pub type Permit = Arc<dyn Any + Send + Sync>;

/// Who may open a connection. Asked before anything is read from it, or, where a proxy says who calls, right after its
/// header; the connections that are open at all are bounded before this.
pub trait Admission: Send + Sync {
    /// `None` closes the connection at once.
    fn admit(&self, peer: IpAddr) -> Option<Permit>;
}

/// Without a cap of its own.
#[derive(Debug, Clone, Copy)]
pub struct Everybody;

impl Admission for Everybody {
    fn admit(&self, _peer: IpAddr) -> Option<Permit> {
        Some(Arc::new(()))
    }
}
