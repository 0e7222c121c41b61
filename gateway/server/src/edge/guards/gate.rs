//! A gate has so many seats: requests at work, or sockets in use, of one merchant, connection or key.
//!
//! A seat is a value: whoever drops it leaves it, be it by an answer, a panic, or a caller that went away. Who finds
//! no free seat waits for one, within bounds, and is then refused.
//!
//! On its own a node gives away all seats of a gate. With Redis all nodes together do: a node holds as many as it
//! needs, a little more than are taken, and claims them again while they are ([`Gates::keep`]). What a dead node held
//! is free again after [`HELD_FOR`].

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use plugin_sdk::{ApiKeyId, ConnectionId, MerchantId};
use tokio::sync::Notify;

use super::nodes::Nodes;
use crate::neighbours::{Redis, RedisError, Script};

/// How long seats are held without being claimed again.
const HELD_FOR: Duration = Duration::from_millis(2_000);
/// How often they are claimed again.
const CLAIMED_EVERY: Duration = Duration::from_millis(500);
/// After Redis had no more seats it is not asked for this long.
const ASKED_AGAIN_AFTER: Duration = Duration::from_millis(25);
/// Seats that a node takes at once beyond what it needs, at most.
const AHEAD_MAX: u32 = 16;
/// A caller that is overtaken each time it claimed waits a moment like the others.
const CLAIMS_OF_A_CALLER: u32 = 3;
/// Gates whose seats are claimed again at once.
const CLAIMS_AT_ONCE: usize = 32;

static CLAIM: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("claim.lua")));

/// What is counted, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GateName {
    MerchantAtWork(MerchantId),
    ConnectionAtWork(ConnectionId),
    /// Notifications prove themselves by their content, so strangers could fill a merchant's own gate with them.
    NotificationsAtWork(ConnectionId),
    KeyAtWork(ApiKeyId),
    MerchantSockets(MerchantId),
    ConnectionSockets(ConnectionId),
}

impl GateName {
    /// Whose slot of Redis it lives in, and its name there.
    fn parts(self) -> (String, &'static str) {
        match self {
            Self::MerchantAtWork(id) => (id.to_string(), "at_work"),
            Self::ConnectionAtWork(id) => (id.to_string(), "at_work"),
            Self::NotificationsAtWork(id) => (id.to_string(), "notifications"),
            Self::KeyAtWork(id) => (id.to_string(), "at_work"),
            Self::MerchantSockets(id) => (id.to_string(), "sockets"),
            Self::ConnectionSockets(id) => (id.to_string(), "sockets"),
        }
    }
}

/// No seat, within the time that one may wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// How a gate is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Use {
    /// Seats taken on this node.
    pub taken: u32,
    /// Seats that all nodes hold; `None` when each counts alone.
    pub held_by_all: Option<u32>,
}

/// One for each node; cheap to clone.
#[derive(Clone)]
pub struct Gates {
    gates: Arc<RwLock<HashMap<GateName, Arc<Gate>>>>,
    shared: Option<Shared>,
}

#[derive(Clone)]
struct Shared {
    redis: Redis,
    nodes: Nodes,
}

#[derive(Default)]
struct Gate {
    seats: Mutex<Seats>,
    freed: Notify,
    /// Held while Redis is asked for more.
    claiming: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Seats {
    taken: u32,
    waiting: u32,
    /// Most that were taken since the seats were claimed last.
    peak: u32,
    /// Seats of the gate, as the last caller knew them.
    all: u32,
    /// What this node may give away, and until when.
    held: u32,
    held_until: Option<Instant>,
    others: u32,
    ask_again_at: Option<Instant>,
}

/// A seat of a gate, left when it is dropped.
#[must_use]
pub struct Seat {
    gate: Arc<Gate>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.gate.seats();
        seats.taken = seats.taken.saturating_sub(1);
        drop(seats);
        self.gate.freed.notify_one();
    }
}

/// What a caller at a gate can do.
enum Turn {
    Seated,
    /// This node has to hold so many first.
    Claim(u32),
    Wait,
    /// As many wait as can be seated.
    Crowded,
}

impl Gates {
    #[must_use]
    pub fn new(redis: Option<(Redis, Nodes)>) -> Self {
        Self {
            gates: Arc::default(),
            shared: redis.map(|(redis, nodes)| Shared { redis, nodes }),
        }
    }

    /// A seat, at the latest after `wait`.
    pub async fn enter(&self, name: GateName, all: u32, wait: Duration) -> Result<Seat, Full> {
        let gate = self.gate(name);
        // The common case: no timer, no queue.
        if let Turn::Seated = gate.turn(all, self.is_shared(), false) {
            return Ok(Seat { gate });
        }
        let deadline = Instant::now() + wait;
        let _waiting = Waiting::at(&gate);
        let mut claims = 0;
        loop {
            let freed = gate.freed.notified();
            match gate.turn(all, self.is_shared(), true) {
                Turn::Seated => {
                    return Ok(Seat {
                        gate: Arc::clone(&gate),
                    });
                }
                Turn::Claim(wanted) if claims < CLAIMS_OF_A_CALLER => {
                    claims += 1;
                    self.claim(name, &gate, wanted, all).await;
                    continue;
                }
                Turn::Claim(_) | Turn::Wait => {}
                Turn::Crowded => return Err(Full),
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Full);
            }
            // Another node may have left seats, which nobody tells.
            let pause = if self.is_shared() {
                left.min(ASKED_AGAIN_AFTER)
            } else {
                left
            };
            let _ = tokio::time::timeout(pause, freed).await;
            claims = 0;
        }
    }

    /// A seat if there is one now.
    pub async fn enter_now(&self, name: GateName, all: u32) -> Result<Seat, Full> {
        self.enter(name, all, Duration::ZERO).await
    }

    #[must_use]
    pub fn usage(&self, name: GateName) -> Use {
        let gates = self.gates.read().unwrap_or_else(PoisonError::into_inner);
        let Some(gate) = gates.get(&name) else {
            return Use {
                taken: 0,
                held_by_all: self.is_shared().then_some(0),
            };
        };
        let seats = gate.seats();
        Use {
            taken: seats.taken,
            held_by_all: self.is_shared().then(|| seats.others + seats.held.max(seats.taken)),
        }
    }

    /// Seats that are taken on this node, over all gates.
    #[must_use]
    pub fn taken(&self) -> u64 {
        let gates = self.gates.read().unwrap_or_else(PoisonError::into_inner);
        gates.values().map(|gate| u64::from(gate.seats().taken)).sum()
    }

    fn is_shared(&self) -> bool {
        self.shared.as_ref().is_some_and(|shared| shared.redis.answers())
    }

    fn gate(&self, name: GateName) -> Arc<Gate> {
        if let Some(gate) = self.gates.read().unwrap_or_else(PoisonError::into_inner).get(&name) {
            return Arc::clone(gate);
        }
        let mut gates = self.gates.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(gates.entry(name).or_default())
    }

    async fn claim(&self, name: GateName, gate: &Arc<Gate>, wanted: u32, all: u32) {
        let Some(shared) = &self.shared else { return };
        let _one_at_a_time = gate.claiming.lock().await;
        if !gate.seats().lacks(wanted) {
            return;
        }
        // Room for those who come next, and some for the other nodes.
        let ahead = (all / (2 * shared.nodes.live()).max(1)).clamp(1, AHEAD_MAX) - 1;
        let wanted = wanted.saturating_add(ahead).min(all);
        shared.claim(name, gate, wanted, all).await;
    }

    /// Claims again what is in use, gives back what is not, and forgets gates that nobody uses, for as long as the node
    /// runs.
    pub async fn keep(self) {
        loop {
            tokio::time::sleep(CLAIMED_EVERY).await;
            self.forget_idle();
            let Some(shared) = self.shared.as_ref().filter(|shared| shared.redis.answers()) else {
                continue;
            };
            let held: Vec<_> = {
                let gates = self.gates.read().unwrap_or_else(PoisonError::into_inner);
                let held = gates.iter().filter(|(_, gate)| gate.seats().is_held());
                held.map(|(name, gate)| (*name, Arc::clone(gate))).collect()
            };
            futures_util::stream::iter(held)
                .for_each_concurrent(CLAIMS_AT_ONCE, async |(name, gate)| {
                    let _one_at_a_time = gate.claiming.lock().await;
                    let (wanted, all) = gate.seats().renewal();
                    shared.claim(name, &gate, wanted, all).await;
                    gate.freed.notify_one();
                })
                .await;
        }
    }

    fn forget_idle(&self) {
        let mut gates = self.gates.write().unwrap_or_else(PoisonError::into_inner);
        // Whoever is about to sit down holds the gate already.
        gates.retain(|_, gate| Arc::strong_count(gate) > 1 || !gate.seats().is_idle());
    }
}

impl Shared {
    async fn claim(&self, name: GateName, gate: &Gate, wanted: u32, all: u32) {
        let (owner, place) = name.parts();
        let keys = [self.redis.key(&owner, place)];
        let arguments = [
            self.nodes.name().to_owned(),
            wanted.to_string(),
            all.to_string(),
            HELD_FOR.as_millis().to_string(),
        ];
        let asked_at = Instant::now();
        let answer: Result<(u32, u32), RedisError> = self.redis.call(&CLAIM, &keys, &arguments).await;
        let mut seats = gate.seats();
        match answer {
            Ok((given, others)) => {
                seats.held = given;
                seats.others = others;
                seats.held_until = Some(asked_at + HELD_FOR);
                seats.ask_again_at = (given < wanted).then(|| asked_at + ASKED_AGAIN_AFTER);
            }
            // The node counts alone until Redis answers: a network's requests matter more than an exact cap.
            Err(_) => {
                seats.held = all;
                seats.others = 0;
                seats.held_until = Some(asked_at + ASKED_AGAIN_AFTER);
                seats.ask_again_at = None;
            }
        }
    }
}

impl Gate {
    fn seats(&self) -> MutexGuard<'_, Seats> {
        // Numbers are whole, whoever panicked beside them.
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self, all: u32, shared: bool, waiting: bool) -> Turn {
        let mut seats = self.seats();
        seats.all = all;
        let now = Instant::now();
        let held = match seats.held_until {
            _ if !shared => all,
            Some(until) if now < until => seats.held.min(all),
            _ => 0,
        };
        if seats.taken < held {
            seats.taken += 1;
            seats.peak = seats.peak.max(seats.taken);
            return Turn::Seated;
        }
        if shared && held < all && seats.ask_again_at.is_none_or(|at| at <= now) {
            return Turn::Claim((seats.taken + 1).min(all));
        }
        if waiting && seats.waiting > all {
            return Turn::Crowded;
        }
        Turn::Wait
    }
}

impl Seats {
    /// Whether so many seats have to be claimed first.
    fn lacks(&self, wanted: u32) -> bool {
        let now = Instant::now();
        let held = self.held_until.filter(|until| now < *until).map_or(0, |_| self.held);
        held < wanted && self.ask_again_at.is_none_or(|at| at <= now)
    }

    fn is_held(&self) -> bool {
        self.held > 0 || self.taken > 0
    }

    fn is_idle(&self) -> bool {
        let holds = self.held > 0 && self.held_until.is_some_and(|until| Instant::now() < until);
        self.taken == 0 && self.waiting == 0 && !holds
    }

    /// What to claim again, and of how many.
    fn renewal(&mut self) -> (u32, u32) {
        let wanted = self.peak.max(self.taken);
        self.peak = self.taken;
        (wanted, self.all)
    }
}

/// Counts who waits at a gate, for as long as they do.
struct Waiting {
    gate: Arc<Gate>,
}

impl Waiting {
    fn at(gate: &Arc<Gate>) -> Self {
        gate.seats().waiting += 1;
        Self { gate: Arc::clone(gate) }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut seats = self.gate.seats();
        seats.waiting = seats.waiting.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn name() -> GateName {
        GateName::MerchantAtWork(MerchantId::generate())
    }

    #[tokio::test]
    async fn so_many_and_no_more() {
        let (gates, name) = (Gates::new(None), name());
        let seats: Vec<_> = futures_util::future::join_all((0..5).map(|_| gates.enter(name, 3, NOW))).await;
        assert_eq!(seats.iter().filter(|seat| seat.is_ok()).count(), 3);
        assert_eq!(gates.usage(name).taken, 3);
        drop(seats);
        assert_eq!(gates.usage(name).taken, 0);
        assert!(gates.enter(name, 3, NOW).await.is_ok());
    }

    #[tokio::test]
    async fn who_waits_is_seated_when_somebody_leaves() {
        let (gates, name) = (Gates::new(None), name());
        let first = gates.enter(name, 1, NOW).await.ok().unwrap();
        let second = tokio::spawn({
            let gates = gates.clone();
            async move { gates.enter(name, 1, Duration::from_secs(30)).await.is_ok() }
        });
        e2e::soon("somebody waits", async || {
            (gates.gate(name).seats().waiting == 1).then_some(())
        })
        .await;
        drop(first);
        assert!(second.await.unwrap());
        assert_eq!(gates.usage(name).taken, 0);
    }

    #[tokio::test]
    async fn no_more_wait_than_can_be_seated() {
        let (gates, name) = (Gates::new(None), name());
        let _first = gates.enter(name, 2, NOW).await.ok().unwrap();
        let _second = gates.enter(name, 2, NOW).await.ok().unwrap();
        let waits: Vec<_> = (0..50)
            .map(|_| {
                let gates = gates.clone();
                tokio::spawn(async move { gates.enter(name, 2, Duration::from_secs(30)).await.is_ok() })
            })
            .collect();
        e2e::soon("the others are refused at once", async || {
            (waits.iter().filter(|wait| wait.is_finished()).count() == 48).then_some(())
        })
        .await;
        for wait in waits {
            wait.abort();
            drop(wait.await);
        }
        assert_eq!(gates.gate(name).seats().waiting, 0);
    }

    /// Whatever becomes of who sits, and whenever it is cut off, the seat is free again.
    #[tokio::test(flavor = "multi_thread")]
    async fn seats_survive_panics_and_callers_that_go_away() {
        let (gates, name) = (Gates::new(None), name());
        let callers: Vec<_> = (0..1_000_u64)
            .map(|n| {
                let gates = gates.clone();
                tokio::spawn(async move {
                    let seat = gates.enter(name, 10, Duration::from_secs(30)).await;
                    tokio::task::yield_now().await;
                    assert!(n % 3 != 0, "a panic with a seat");
                    tokio::time::sleep(Duration::from_micros(n)).await;
                    drop(seat);
                })
            })
            .collect();
        for (n, caller) in callers.into_iter().enumerate() {
            if n % 2 == 0 {
                caller.abort();
            }
            drop(caller.await);
        }
        let gate = gates.gate(name);
        assert_eq!(gates.usage(name).taken, 0);
        assert_eq!(gate.seats().waiting, 0);
        let seats = futures_util::future::join_all((0..10).map(|_| gates.enter(name, 10, NOW))).await;
        assert!(seats.iter().all(Result::is_ok), "all seats are free");
    }

    #[tokio::test]
    async fn a_changed_number_of_seats_acts_at_once() {
        let (gates, name) = (Gates::new(None), name());
        let first = gates.enter(name, 1, NOW).await.ok().unwrap();
        assert!(gates.enter(name, 1, NOW).await.is_err());
        let second = gates.enter(name, 2, NOW).await.ok().unwrap();
        assert!(gates.enter(name, 1, NOW).await.is_err());
        drop(first);
        assert!(gates.enter(name, 1, NOW).await.is_err(), "one is still taken");
        drop(second);
        assert!(gates.enter(name, 1, NOW).await.is_ok());
    }

    #[tokio::test]
    async fn gates_that_nobody_uses_are_forgotten() {
        let gates = Gates::new(None);
        let (used, idle) = (name(), name());
        let _seat = gates.enter(used, 1, NOW).await.ok().unwrap();
        drop(gates.enter(idle, 1, NOW).await);
        gates.forget_idle();
        assert_eq!(gates.gates.read().unwrap().keys().collect::<Vec<_>>(), [&used]);
    }
}
