//! Rates as this node counts them on its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use ipnet::IpNet;
use moka::sync::Cache;
use plugin_sdk::{ApiKeyId, ConnectionId};

use super::gcra::{Cell, Quota, Standing};
use super::rates::{Decision, Denied, Owner, Question};

/// Owners whose rates a node remembers.
const OWNERS_MAX: u64 = 100_000;
/// Fewer cells of one owner are not worth a sweep.
const CELLS_SWEPT_MIN: usize = 4_096;
/// How often a full ledger is swept, in nanoseconds.
const SWEEP_PAUSE_NS: u64 = 1_000_000_000;
/// Cells of one owner that are really in use. Addresses beyond it share one cell.
const CELLS_MAX: usize = 65_536;

/// Whose requests a cell counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Counted {
    Merchant,
    Connection(ConnectionId),
    ApiKey(ApiKeyId),
    /// One address, or one /64 of IPv6.
    Peer(IpNet),
    /// What a caller claims to be, or where it calls from, as a hash.
    Subject(u128),
    /// All addresses beyond those that a node can tell apart.
    OtherPeers,
}

type CellName = (Counted, u8);

#[derive(Default)]
struct Ledger {
    cells: HashMap<CellName, Cell>,
    /// Cells after which those that are as good as new are forgotten: twice as many as were left the last time, so that a
    /// crowd does not make each question a sweep.
    swept_at: usize,
    /// When that was, in nanoseconds of the node's clock.
    swept_ns: u64,
}

/// One for each node; cheap to clone.
#[derive(Clone)]
pub struct LocalRates {
    /// The clock that only goes forward.
    started: Instant,
    ledgers: Cache<Owner, Arc<Mutex<Ledger>>>,
}

impl Default for LocalRates {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            ledgers: Cache::builder().max_capacity(OWNERS_MAX).build(),
        }
    }
}

impl LocalRates {
    /// Admits one request if all windows have room, and charges either all of them or none. The node decides for one of
    /// `nodes`, which share each window.
    pub fn decide(&self, question: &Question, nodes: u32) -> Decision {
        let now = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let ledger = self.ledgers.get_with(question.owner, Arc::default);
        // A map of numbers is whole, whoever panicked beside it.
        let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.decide(question, nodes, now)
    }
}

impl Ledger {
    fn decide(&mut self, question: &Question, nodes: u32, now: u64) -> Decision {
        let grown = self.cells.len() > self.swept_at.max(CELLS_SWEPT_MIN);
        let full = self.cells.len() >= CELLS_MAX && now.saturating_sub(self.swept_ns) > SWEEP_PAUSE_NS;
        if grown || full {
            self.cells.retain(|_, cell| !cell.is_idle(now));
            self.swept_at = 2 * self.cells.len();
            self.swept_ns = now;
        }
        let crowded = self.cells.len() >= CELLS_MAX;
        let mut asked = Vec::with_capacity(question.windows);
        let mut denied: Option<Denied> = None;
        for (at, (counted, place, window)) in question.windows().enumerate() {
            let counted = match counted {
                Counted::Peer(_) | Counted::Subject(_) if crowded && !self.cells.contains_key(&(counted, place)) => {
                    Counted::OtherPeers
                }
                other => other,
            };
            let cell = self.cells.get(&(counted, place)).copied().unwrap_or_default();
            let quota = Quota::share(window, nodes);
            let wait = cell.wait(quota, now);
            if wait > 0 && denied.is_none_or(|denied| denied.wait_ns < wait) {
                denied = Some(Denied {
                    window: at,
                    wait_ns: wait,
                });
            }
            asked.push(((counted, place), cell, quota));
        }
        let standings: Vec<Standing> = asked
            .into_iter()
            .map(|(name, mut cell, quota)| {
                if denied.is_none() {
                    cell.charge(quota, now, 1);
                    self.cells.insert(name, cell);
                }
                cell.standing(quota, now)
            })
            .collect();
        Decision { denied, standings }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenancy::RateWindow;
    use plugin_sdk::MerchantId;

    fn window(requests: u32) -> Arc<[RateWindow]> {
        Arc::new([RateWindow {
            name: "w".to_owned(),
            requests,
            seconds: 3_600,
            burst: None,
        }])
    }

    fn question(merchant: u32, key: u32, api_key: ApiKeyId, id: MerchantId) -> Question {
        Question::new(
            Owner::Merchant(id),
            [
                (Counted::Merchant, window(merchant)),
                (Counted::ApiKey(api_key), window(key)),
            ],
        )
    }

    #[test]
    fn one_denied_level_does_not_charge_the_others() {
        let (rates, id, key) = (LocalRates::default(), MerchantId::generate(), ApiKeyId::generate());
        let asked = question(100, 5, key, id);
        for _ in 0..5 {
            assert_eq!(rates.decide(&asked, 1).denied, None);
        }
        for _ in 0..1_000 {
            let decision = rates.decide(&asked, 1);
            assert_eq!(decision.denied.unwrap().window, 1, "the key's own window");
            assert_eq!(decision.standings[0].remaining, 95, "the merchant's is not charged");
        }
        // Another key of the merchant has all the rest.
        let other = question(100, 1_000, ApiKeyId::generate(), id);
        let admitted = (0..1_000).filter(|_| rates.decide(&other, 1).denied.is_none()).count();
        assert_eq!(admitted, 95);
    }

    #[test]
    fn one_merchant_takes_nothing_from_another() {
        let rates = LocalRates::default();
        let (greedy, other) = (MerchantId::generate(), MerchantId::generate());
        let key = ApiKeyId::generate();
        for _ in 0..1_000 {
            rates.decide(&question(10, 10, key, greedy), 1);
        }
        assert_eq!(rates.decide(&question(10, 10, key, other), 1).denied, None);
    }

    #[test]
    fn a_node_admits_its_share() {
        let (rates, id) = (LocalRates::default(), MerchantId::generate());
        let asked = question(100, 100, ApiKeyId::generate(), id);
        let admitted = (0..1_000).filter(|_| rates.decide(&asked, 4).denied.is_none()).count();
        assert_eq!(admitted, 25);
    }

    #[test]
    fn addresses_beyond_number_share_a_cell() {
        let (rates, id) = (LocalRates::default(), MerchantId::generate());
        let of = |n: u32| {
            let address = std::net::Ipv4Addr::from(n);
            Question::new(
                Owner::Merchant(id),
                [(Counted::Peer(IpNet::from(std::net::IpAddr::from(address))), window(3))],
            )
        };
        for n in 0..u32::try_from(CELLS_MAX).unwrap() {
            assert_eq!(rates.decide(&of(n), 1).denied, None);
        }
        let admitted = (0..1_000)
            .filter(|n| rates.decide(&of(1_000_000 + n), 1).denied.is_none())
            .count();
        assert_eq!(admitted, 3);
        assert_eq!(rates.decide(&of(7), 1).denied, None, "who is known keeps its own");
    }
}
