//! Slows guesses at passwords down without letting a stranger lock somebody out: wrong attempts count where they were
//! made. Whoever signed in with a browser before is counted by that browser, which nobody else has; everybody else by
//! the network they come from, and, for a guess spread over many networks, by the person tried.

use std::net::IpAddr;

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, Duration, Utc};
use store::{Store, StoreError};

use super::sealing::hex;

/// Failures are forgotten after this.
const FORGOTTEN_AFTER: Duration = Duration::hours(1);
/// The longest wait, in seconds.
const WAIT_MAX_S: i64 = 900;
/// The longest wait that strangers together can cause for a browser that is not known, in seconds.
const SHARED_WAIT_MAX_S: i64 = 30;
/// Bits of an address that name a network.
const NETWORK_BITS_V4: u8 = 24;
const NETWORK_BITS_V6: u8 = 56;

/// A place where failures count, and how patient it is.
struct Place {
    name: String,
    /// So many cost nothing; then each doubles the wait.
    free: i32,
    wait_max_s: i64,
}

/// Where one attempt is counted.
pub struct Attempt {
    places: Vec<Place>,
}

impl Attempt {
    /// `device`: what a browser that signed in before showed, if it is this person's.
    #[must_use]
    pub fn new(email: &str, address: IpAddr, device: Option<&str>) -> Self {
        let person = short_hash(email);
        if let Some(device) = device {
            let name = format!("device/{}", short_hash(device));
            return Self {
                places: vec![Place {
                    name,
                    free: 5,
                    wait_max_s: WAIT_MAX_S,
                }],
            };
        }
        let network = network(address);
        Self {
            places: vec![
                Place {
                    name: format!("from/{person}/{network}"),
                    free: 5,
                    wait_max_s: WAIT_MAX_S,
                },
                Place {
                    name: format!("network/{network}"),
                    free: 50,
                    wait_max_s: WAIT_MAX_S,
                },
                Place {
                    name: format!("person/{person}"),
                    free: 100,
                    wait_max_s: SHARED_WAIT_MAX_S,
                },
            ],
        }
    }

    /// Seconds until the next attempt is looked at; 0 for now.
    pub async fn wait_s(&self, store: &Store, now: DateTime<Utc>) -> Result<i64, StoreError> {
        let mut wait = 0;
        for place in &self.places {
            let Some(failures) = store.sign_in_failures(&place.name).await? else {
                continue;
            };
            let passed = now - failures.last_at;
            if passed < FORGOTTEN_AFTER {
                wait = wait.max(place.wait_of(failures.count) - passed.num_seconds());
            }
        }
        Ok(wait.max(0))
    }

    pub async fn failed(&self, store: &Store, now: DateTime<Utc>) -> Result<(), StoreError> {
        let places: Vec<String> = self.places.iter().map(|place| place.name.clone()).collect();
        store.count_sign_in_failure(&places, now - FORGOTTEN_AFTER, now).await
    }

    /// Only the place that is this person's alone is cleared: a stranger's own account must not clear a network's.
    pub async fn succeeded(&self, store: &Store) -> Result<(), StoreError> {
        match self.places.first() {
            Some(place) => store.forget_sign_in_failures(&place.name).await,
            None => Ok(()),
        }
    }
}

impl Place {
    fn wait_of(&self, failures: i32) -> i64 {
        match u32::try_from(failures - self.free) {
            Ok(beyond) => 1_i64
                .checked_shl(beyond.min(20))
                .unwrap_or(i64::MAX)
                .min(self.wait_max_s),
            Err(_) => 0,
        }
    }
}

fn network(address: IpAddr) -> String {
    let bits = if address.is_ipv4() {
        NETWORK_BITS_V4
    } else {
        NETWORK_BITS_V6
    };
    ipnet::IpNet::new(address, bits).map_or_else(|_| address.to_string(), |network| network.trunc().to_string())
}

fn short_hash(text: &str) -> String {
    hex(digest(&SHA256, text.as_bytes()).as_ref())
        .chars()
        .take(32)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_and_has_an_end() {
        let attempt = Attempt::new("ann@example.com", "192.0.2.7".parse().unwrap(), None);
        let own = attempt.places.first().unwrap();
        let waits: Vec<i64> = [1, 4, 5, 6, 7, 10, 40].map(|failures| own.wait_of(failures)).into();
        assert_eq!(waits, [0, 0, 1, 2, 4, 32, WAIT_MAX_S]);
    }

    #[test]
    fn neighbours_in_a_network_count_together_and_devices_alone() {
        let place = |address: &str, device| {
            let attempt = Attempt::new("a@b.example", address.parse().unwrap(), device);
            attempt.places.first().unwrap().name.clone()
        };
        assert_eq!(place("192.0.2.7", None), place("192.0.2.9", None));
        assert_ne!(place("192.0.2.7", None), place("192.0.3.7", None));
        assert_eq!(place("2001:db8::1", None), place("2001:db8:0:ff::2", None));
        assert_eq!(place("192.0.2.7", Some("d")), place("198.51.100.1", Some("d")));
    }
}
