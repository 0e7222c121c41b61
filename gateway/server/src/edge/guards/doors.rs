//! TCP connections: how many there may be in total, from one address, and in use by one merchant or connection.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use ipnet::IpNet;

use super::gate::{Full, GateName, Gates, Seat};
use crate::edge::listener::{Admission, Permit};

/// A socket that has been silent for this long gives its place at a connection to one that speaks: what a network opened and
/// lost must not keep it out until the socket times out.
const SILENT_AFTER: Duration = Duration::from_secs(3);
/// Merchants' connections that one socket may be counted for: a proxy in front of a network speaks for several.
const PLACES_MAX: usize = 32;

/// Why a socket is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnedAway {
    /// This listener has as many as it may have.
    Total,
    /// This address has.
    Peer,
}

impl TurnedAway {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Total => "sockets_total",
            Self::Peer => "sockets_peer",
        }
    }
}

/// Of all listeners of a node; cheap to clone.
#[derive(Clone)]
pub struct Doors {
    shared: Arc<Shared>,
}

struct Shared {
    total_max: usize,
    peer_max: u32,
    /// They speak for many.
    trusted_proxies: Vec<IpNet>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    total: usize,
    peers: HashMap<IpAddr, u32>,
}

/// One TCP connection, for as long as it is open.
pub struct Socket {
    peer: IpAddr,
    /// Whether it is a proxy's, which tells nothing about how many its clients opened.
    proxied: bool,
    doors: Doors,
    started: Instant,
    /// Where it is counted.
    places: Mutex<Vec<Arc<Place>>>,
}

/// A socket's place at one merchant's connection.
struct Place {
    name: GateName,
    seats: Mutex<Vec<Seat>>,
    busy: AtomicBool,
    /// When it was used last, in milliseconds since the socket opened.
    used_at_ms: AtomicU64,
    opened: Instant,
}

/// A request that is at work on a socket.
pub struct Busy(Arc<Place>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.used();
        self.0.busy.store(false, Ordering::SeqCst);
    }
}

impl Doors {
    #[must_use]
    pub fn new(total_max: usize, peer_max: u32, trusted_proxies: Vec<IpNet>) -> Self {
        Self {
            shared: Arc::new(Shared {
                total_max,
                peer_max,
                trusted_proxies,
                open: Mutex::default(),
            }),
        }
    }

    /// Counts a new socket of this address. To be asked before anything is read from it.
    pub fn open(&self, peer: IpAddr) -> Result<Socket, TurnedAway> {
        let peer = peer.to_canonical();
        let proxied = self.shared.trusted_proxies.iter().any(|proxy| proxy.contains(&peer));
        let mut open = self.open_now();
        let of_peer = open.peers.get(&peer).copied().unwrap_or(0);
        let refused = if open.total >= self.shared.total_max {
            Some(TurnedAway::Total)
        } else if !proxied && of_peer >= self.shared.peer_max {
            Some(TurnedAway::Peer)
        } else {
            None
        };
        if let Some(refused) = refused {
            drop(open);
            metrics::counter!("tollgate_refused_total", "guard" => refused.as_str()).increment(1);
            return Err(refused);
        }
        open.total += 1;
        open.peers.insert(peer, of_peer + 1);
        Ok(Socket {
            peer,
            proxied,
            doors: self.clone(),
            started: Instant::now(),
            places: Mutex::default(),
        })
    }

    /// Sockets that are open now.
    #[must_use]
    pub fn count(&self) -> usize {
        self.open_now().total
    }

    fn open_now(&self) -> MutexGuard<'_, Open> {
        // Numbers are whole, whoever panicked beside them.
        self.shared.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admission for Doors {
    fn admit(&self, peer: IpAddr) -> Option<Permit> {
        Some(Arc::new(self.open(peer).ok()?))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let mut open = self.doors.open_now();
        open.total = open.total.saturating_sub(1);
        if let Some(count) = open.peers.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                open.peers.remove(&self.peer);
            }
        }
    }
}

impl Place {
    fn used(&self) {
        let age = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.used_at_ms.store(age, Ordering::SeqCst);
    }

    fn is_silent(&self) -> bool {
        let used_at = Duration::from_millis(self.used_at_ms.load(Ordering::SeqCst));
        !self.busy.load(Ordering::SeqCst) && self.opened.elapsed().saturating_sub(used_at) >= SILENT_AFTER
    }

    fn seats(&self) -> MutexGuard<'_, Vec<Seat>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_seated(&self) -> bool {
        !self.seats().is_empty()
    }
}

/// Places that sockets have at merchants' connections.
#[derive(Clone)]
pub struct Places {
    gates: Gates,
    taken: Arc<Mutex<HashMap<GateName, Vec<Weak<Place>>>>>,
}

impl Places {
    #[must_use]
    pub fn new(gates: Gates) -> Self {
        Self {
            gates,
            taken: Arc::default(),
        }
    }

    /// The socket speaks to a connection: it takes one of its places and one of its merchant's, unless it has them.
    /// The pairs are gates with the numbers of their seats, the connection's first.
    pub async fn take(
        &self,
        socket: &Socket,
        connection: (GateName, u32),
        merchant: (GateName, u32),
        wait: Duration,
    ) -> Result<Option<Busy>, Full> {
        if socket.proxied {
            return Ok(None);
        }
        let place = socket.place(connection.0);
        if place.is_seated() {
            return Ok(Some(place.at_work()));
        }
        self.unseat_silent(connection.0);
        let first = self.gates.enter(connection.0, connection.1, wait).await?;
        let second = self.gates.enter(merchant.0, merchant.1, wait).await?;
        *place.seats() = vec![first, second];
        self.remember(&place);
        Ok(Some(place.at_work()))
    }

    /// Takes the places of sockets that nobody has heard of for a while.
    fn unseat_silent(&self, name: GateName) {
        let mut taken = self.taken();
        let Some(places) = taken.get_mut(&name) else { return };
        places.retain(|place| {
            let Some(place) = place.upgrade() else { return false };
            if place.is_silent() {
                place.seats().clear();
            }
            place.is_seated()
        });
        if places.is_empty() {
            taken.remove(&name);
        }
    }

    fn remember(&self, place: &Arc<Place>) {
        self.taken().entry(place.name).or_default().push(Arc::downgrade(place));
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<GateName, Vec<Weak<Place>>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn at_work(self: &Arc<Self>) -> Busy {
        self.busy.store(true, Ordering::SeqCst);
        Busy(Arc::clone(self))
    }
}

impl Socket {
    #[must_use]
    pub fn peer(&self) -> IpAddr {
        self.peer
    }

    fn place(&self, name: GateName) -> Arc<Place> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = places.iter().find(|place| place.name == name) {
            return Arc::clone(place);
        }
        if places.len() >= PLACES_MAX {
            places.remove(0);
        }
        let place = Arc::new(Place {
            name,
            seats: Mutex::default(),
            busy: AtomicBool::new(false),
            used_at_ms: AtomicU64::new(0),
            opened: self.started,
        });
        place.used();
        places.push(Arc::clone(&place));
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plugin_sdk::{ConnectionId, MerchantId};

    fn doors(total: usize, peer: u32) -> Doors {
        Doors::new(total, peer, vec!["10.0.0.0/8".parse().unwrap()])
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_has_so_many_and_all_together_have_so_many() {
        let doors = doors(5, 2);
        let first = doors.open(address("1.1.1.1")).ok();
        let _second = doors.open(address("::ffff:1.1.1.1")).ok();
        assert_eq!(doors.open(address("1.1.1.1")).err(), Some(TurnedAway::Peer));
        let _others: Vec<_> = (0..3).map(|_| doors.open(address("10.0.0.1")).ok().unwrap()).collect();
        assert_eq!(doors.open(address("2.2.2.2")).err(), Some(TurnedAway::Total));
        drop(first);
        assert!(doors.open(address("1.1.1.1")).is_ok());
        assert_eq!(doors.count(), 4, "the last one is closed again");
    }

    #[tokio::test]
    async fn a_socket_takes_one_place_and_gives_it_back() {
        let (doors, gates) = (doors(100, 100), Gates::new(None));
        let places = Places::new(gates.clone());
        let connection = (GateName::ConnectionSockets(ConnectionId::generate()), 2);
        let merchant = (GateName::MerchantSockets(MerchantId::generate()), 10);
        let sockets: Vec<_> = (0..3).map(|_| doors.open(address("1.1.1.1")).ok().unwrap()).collect();
        for _ in 0..3 {
            for socket in &sockets[..2] {
                assert!(places.take(socket, connection, merchant, Duration::ZERO).await.is_ok());
            }
        }
        assert!(
            places
                .take(&sockets[2], connection, merchant, Duration::ZERO)
                .await
                .is_err()
        );
        assert_eq!(gates.usage(merchant.0).taken, 2);
        drop(sockets);
        assert_eq!((gates.usage(merchant.0).taken, gates.usage(connection.0).taken), (0, 0));
    }

    #[tokio::test]
    async fn a_silent_socket_gives_its_place_to_one_that_speaks() {
        let (doors, gates) = (doors(100, 100), Gates::new(None));
        let places = Places::new(gates);
        let connection = (GateName::ConnectionSockets(ConnectionId::generate()), 1);
        let merchant = (GateName::MerchantSockets(MerchantId::generate()), 10);
        let (old, new) = (doors.open(address("1.1.1.1")), doors.open(address("1.1.1.1")));
        let (mut old, new) = (old.ok().unwrap(), new.ok().unwrap());
        old.started = old.started.checked_sub(Duration::from_secs(3_600)).unwrap();
        let busy = places
            .take(&old, connection, merchant, Duration::ZERO)
            .await
            .ok()
            .unwrap();
        old.place(connection.0).used_at_ms.store(0, Ordering::SeqCst);
        assert!(
            places.take(&new, connection, merchant, Duration::ZERO).await.is_err(),
            "it is at work"
        );
        drop(busy);
        assert!(
            places.take(&new, connection, merchant, Duration::ZERO).await.is_err(),
            "it just was"
        );
        old.place(connection.0).used_at_ms.store(0, Ordering::SeqCst);
        assert!(places.take(&new, connection, merchant, Duration::ZERO).await.is_ok());
        assert!(
            places.take(&old, connection, merchant, Duration::ZERO).await.is_err(),
            "like everybody else"
        );
    }
}
