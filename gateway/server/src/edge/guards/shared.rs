//! Rates that all nodes count together, in Redis.
//!
//! One script decides over all levels at once, by Redis's clock. A node that is asked often takes a lease: several
//! permits at once, charged when they are taken and good for [`LEASE_TIME`]. So nothing is ever admitted that was not
//! charged before: in any time t no more than burst + rate * (t + `LEASE_TIME`) requests come in, over all nodes. What
//! of a lease is not used is lost, so a node takes no more than it needed in the last [`LEASE_TIME`].

use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use moka::sync::Cache;

use super::gcra::Standing;
use super::local::Counted;
use super::nodes::Nodes;
use super::rates::{Decision, Denied, Owner, Question};
use crate::neighbours::{Redis, RedisError, Script, Session};

/// How long permits that were taken may be used.
pub const LEASE_TIME: Duration = Duration::from_millis(100);
/// Permits of one lease.
const LEASE_MAX: u64 = 100;
/// Of the smallest burst a lease takes no more than this part, so that the other nodes find some.
const LEASE_PART: u64 = 4;
/// A refusal is believed for this long at most: Redis may have come back empty.
const DENIAL_KEPT: Duration = Duration::from_secs(1);
/// Leases that a node remembers; the least used are forgotten.
const LEASES_MAX: u64 = 100_000;
const NANOSECONDS_OF_MICROSECOND: u64 = 1_000;

static TAKE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("take.lua")));

/// One for each node; cheap to clone.
#[derive(Clone)]
pub struct SharedRates {
    redis: Redis,
    nodes: Nodes,
    leases: Cache<(Owner, u64), Arc<Lease>>,
}

/// Permits for questions about the same cells under the same limits.
#[derive(Default)]
struct Lease {
    state: Mutex<LeaseState>,
    /// Held while Redis is asked, so that those who come meanwhile are served by one answer.
    turn: tokio::sync::Mutex<()>,
}

struct LeaseState {
    permits: u64,
    until: Instant,
    /// How the windows stood when the permits were taken.
    standings: Vec<Standing>,
    denied: Option<(Denied, Instant)>,
    failed_at: Option<Instant>,
    demand: Demand,
}

/// How many requests came within a lease's time.
struct Demand {
    since: Instant,
    now: u64,
    before: u64,
}

impl SharedRates {
    #[must_use]
    pub fn new(redis: Redis, nodes: Nodes) -> Self {
        Self {
            redis,
            nodes,
            leases: Cache::builder().max_capacity(LEASES_MAX).build(),
        }
    }

    #[must_use]
    pub fn answers(&self) -> bool {
        self.redis.answers()
    }

    /// Nodes that were alive when Redis answered last.
    #[must_use]
    pub fn nodes(&self) -> u32 {
        self.nodes.live()
    }

    /// `None`: Redis does not answer.
    pub async fn decide(&self, question: &Question) -> Option<Decision> {
        let session = self.redis.session()?;
        let key = (question.owner, question.fingerprint());
        let lease = self.leases.get_with(key, Arc::default);
        let arrived = Instant::now();
        lease.state().demand.add(arrived);
        if let Some(decision) = lease.state().take(arrived) {
            return Some(decision);
        }
        let _turn = lease.turn.lock().await;
        let wanted = {
            let mut state = lease.state();
            if let Some(decision) = state.take(Instant::now()) {
                return Some(decision);
            }
            // Who waited behind a failure has waited enough.
            if state.failed_at.is_some_and(|failed| failed >= arrived) {
                return None;
            }
            state.demand.of(Instant::now())
        };
        let answer = self.take(&session, question, lease_size(question, wanted)).await;
        let mut state = lease.state();
        match answer {
            Ok((permits, decision)) => {
                let now = Instant::now();
                state.taken(permits, decision, now);
                state.take(now)
            }
            Err(_) => {
                state.failed_at = Some(Instant::now());
                None
            }
        }
    }

    /// Asks Redis for this one request. `None`: it does not answer.
    pub async fn decide_now(&self, question: &Question) -> Option<Decision> {
        let session = self.redis.session()?;
        let (_, decision) = self.take(&session, question, 1).await.ok()?;
        Some(decision)
    }

    async fn take(&self, session: &Session, question: &Question, permits: u64) -> Result<(u64, Decision), RedisError> {
        let owner = question.owner.to_string();
        let mut keys = Vec::with_capacity(question.windows);
        let mut arguments = vec![permits.to_string()];
        for (counted, _, window) in question.windows() {
            let name = format!("rate:{}:{}", name_of(counted), window.name);
            keys.push(self.redis.key(&owner, &name));
            let micros = u64::from(window.seconds) * 1_000_000;
            // Thousandths of a microsecond, rounded up: a window never admits more than it says.
            let thousandths = (micros * 1_000).div_ceil(u64::from(window.requests.max(1)));
            arguments.push(format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000));
            arguments.push(window.burst().to_string());
        }
        metrics::counter!("tollgate_limit_calls_total").increment(1);
        let answer: Vec<i64> = session.call(&TAKE, &keys, &arguments).await?;
        read(&answer, question.windows).ok_or_else(|| RedisError::Failed("an answer of another script".to_owned()))
    }
}

/// As much as was needed lately, and not so much that others starve.
fn lease_size(question: &Question, wanted: u64) -> u64 {
    let bursts = question.windows().map(|(_, _, window)| u64::from(window.burst()));
    let part = bursts.min().unwrap_or(1) / LEASE_PART;
    wanted.min(part).clamp(1, LEASE_MAX)
}

fn name_of(counted: Counted) -> String {
    match counted {
        Counted::Merchant => "merchant".to_owned(),
        Counted::Connection(id) => format!("connection:{id}"),
        Counted::ApiKey(id) => format!("api_key:{id}"),
        Counted::Peer(network) => format!("peer:{network}"),
        Counted::Subject(hash) => format!("subject:{hash:032x}"),
        Counted::OtherPeers => "peers".to_owned(),
    }
}

fn read(answer: &[i64], windows: usize) -> Option<(u64, Decision)> {
    let numbers: Option<Vec<u64>> = answer.iter().map(|number| u64::try_from(*number).ok()).collect();
    let numbers = numbers?;
    let (head, standings) = numbers.split_at_checked(3)?;
    let [given, slowest, wait] = head else { return None };
    let standings: Vec<Standing> = standings
        .chunks_exact(2)
        .filter_map(|pair| match pair {
            [remaining, full_in] => Some(Standing {
                remaining: *remaining,
                full_in: full_in.saturating_mul(NANOSECONDS_OF_MICROSECOND),
            }),
            _ => None,
        })
        .collect();
    if standings.len() != windows {
        return None;
    }
    let denied = if *given > 0 {
        None
    } else {
        Some(Denied {
            window: usize::try_from(slowest.checked_sub(1)?).ok()?,
            wait_ns: wait.saturating_mul(NANOSECONDS_OF_MICROSECOND),
        })
    };
    Some((*given, Decision { denied, standings }))
}

impl Lease {
    fn state(&self) -> std::sync::MutexGuard<'_, LeaseState> {
        // Numbers are whole, whoever panicked beside them.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for LeaseState {
    fn default() -> Self {
        let now = Instant::now();
        Self {
            permits: 0,
            until: now,
            standings: Vec::new(),
            denied: None,
            failed_at: None,
            demand: Demand {
                since: now,
                now: 0,
                before: 0,
            },
        }
    }
}

impl LeaseState {
    fn taken(&mut self, permits: u64, decision: Decision, now: Instant) {
        self.permits = permits;
        self.until = now + LEASE_TIME;
        self.standings = decision.standings;
        self.failed_at = None;
        self.denied = decision
            .denied
            .map(|denied| (denied, now + denied.wait().min(DENIAL_KEPT)));
    }

    /// One of the permits, or the refusal that still holds. `None`: Redis has to be asked.
    fn take(&mut self, now: Instant) -> Option<Decision> {
        if let Some((denied, until)) = self.denied {
            if now < until {
                let left = u64::try_from((until - now).as_nanos()).unwrap_or(u64::MAX);
                let wait_ns = denied.wait_ns.min(left.max(1));
                return Some(Decision {
                    denied: Some(Denied { wait_ns, ..denied }),
                    standings: self.standings.clone(),
                });
            }
            self.denied = None;
        }
        if self.permits == 0 || now >= self.until {
            self.permits = 0;
            return None;
        }
        self.permits -= 1;
        let mut standings = self.standings.clone();
        for standing in &mut standings {
            standing.remaining += self.permits;
        }
        Some(Decision {
            denied: None,
            standings,
        })
    }
}

impl Demand {
    fn roll(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.since);
        if age >= LEASE_TIME {
            self.before = if age < 2 * LEASE_TIME { self.now } else { 0 };
            self.now = 0;
            self.since = now;
        }
    }

    fn add(&mut self, now: Instant) {
        self.roll(now);
        self.now += 1;
    }

    fn of(&mut self, now: Instant) -> u64 {
        self.roll(now);
        self.now.max(self.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_redis_are_read() {
        let (given, decision) = read(&[3, 0, 0, 7, 1_500], 1).unwrap();
        assert_eq!((given, decision.denied), (3, None));
        assert_eq!(decision.standings[0].full_in, 1_500_000);
        let (_, decision) = read(&[0, 2, 40, 7, 1, 0, 9], 2).unwrap();
        assert_eq!(
            decision.denied.unwrap(),
            Denied {
                window: 1,
                wait_ns: 40_000
            }
        );
        for wrong in [&[][..], &[1, 0], &[0, 0, 1, 1, 1], &[1, 0, 0, 1], &[-1, 0, 0, 1, 1]] {
            assert!(read(wrong, 1).is_none(), "{wrong:?}");
        }
    }

    #[test]
    fn permits_are_good_for_a_while_and_no_longer() {
        let (mut state, now) = (LeaseState::default(), Instant::now());
        let granted = Decision {
            denied: None,
            standings: vec![Standing::default()],
        };
        state.taken(3, granted.clone(), now);
        assert_eq!(state.take(now).unwrap().standings[0].remaining, 2);
        assert!(state.take(now + LEASE_TIME - Duration::from_millis(1)).is_some());
        assert!(state.take(now + LEASE_TIME).is_none());
        state.taken(1, granted, now);
        assert!(state.take(now).is_some());
        assert!(state.take(now).is_none(), "no more than were taken");
    }

    #[test]
    fn a_refusal_is_believed_until_there_is_room() {
        let (mut state, now) = (LeaseState::default(), Instant::now());
        let denied = Denied {
            window: 0,
            wait_ns: 50_000_000,
        };
        let refused = Decision {
            denied: Some(denied),
            standings: vec![Standing::default()],
        };
        state.taken(0, refused, now);
        let later = state.take(now + Duration::from_millis(20)).unwrap();
        assert_eq!(later.denied.unwrap().wait_ns, 30_000_000);
        assert!(state.take(now + Duration::from_millis(50)).is_none());
    }
}
