//! What a node knows of each endpoint that it sends to: how it fared lately, how long it takes, and what this node has
//! taken for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use plugin_sdk::EndpointId;
use store::Endpoint;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Failures in a row after which an endpoint counts as down.
const FAILURES_TOLERATED: u32 = 3;
/// Pause between attempts at an endpoint that is down: this, doubling …
const DOWN_PAUSE_FIRST: Duration = Duration::from_millis(500);
/// … up to this.
const DOWN_PAUSE_MAX: Duration = Duration::from_secs(30);
/// Deliveries are taken ahead for so long, at the pace at which the endpoint answers …
const AHEAD: Duration = Duration::from_millis(500);
/// … and never more than so many rounds of what it is sent at once.
const ROUNDS_MAX: u32 = 32;
/// One answer's weight in what an endpoint usually takes, as a divisor.
const WEIGHT: u32 = 8;
/// Lanes that are remembered at most. Beyond, those that rest are forgotten.
const LANES_MAX: usize = 10_000;

#[derive(Default)]
pub struct Lanes {
    lanes: Mutex<HashMap<EndpointId, Lane>>,
}

struct Lane {
    failures: u32,
    not_before: Instant,
    /// How long an attempt usually takes; unknown before the first.
    usual: Option<Duration>,
    /// Has a permit for each delivery that may be on its way at once.
    room: Arc<Semaphore>,
    width: u32,
}

/// What may be taken for an endpoint now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// On their way at once.
    pub at_once: u32,
    /// Taken, those on their way included.
    pub ahead: u32,
}

impl Lane {
    fn new(width: u32) -> Self {
        Self {
            failures: 0,
            not_before: Instant::now(),
            usual: None,
            room: Arc::new(Semaphore::new(width as usize)),
            width,
        }
    }

    fn is_down(&self) -> bool {
        self.failures >= FAILURES_TOLERATED
    }

    fn allowance(&self) -> Allowance {
        if self.is_down() {
            let probe = u32::from(Instant::now() >= self.not_before);
            return Allowance {
                at_once: probe,
                ahead: probe,
            };
        }
        let rounds = match self.usual {
            Some(usual) if self.failures == 0 => AHEAD.as_micros() / usual.as_micros().max(1),
            // Nothing is taken ahead for one that is not known or not well.
            _ => 1,
        };
        let rounds = u32::try_from(rounds).unwrap_or(u32::MAX).clamp(1, ROUNDS_MAX);
        Allowance {
            at_once: self.width,
            ahead: self.width.saturating_mul(rounds),
        }
    }

    fn record(&mut self, delivered: bool, took: Duration) {
        self.usual = Some(match self.usual {
            Some(usual) => (usual * (WEIGHT - 1) + took) / WEIGHT,
            None => took,
        });
        if delivered {
            self.failures = 0;
            return;
        }
        self.failures = self.failures.saturating_add(1);
        let doublings = self.failures.saturating_sub(FAILURES_TOLERATED).min(16);
        self.not_before = Instant::now() + (DOWN_PAUSE_FIRST * 2_u32.pow(doublings)).min(DOWN_PAUSE_MAX);
    }
}

impl Lanes {
    pub fn allowance(&self, endpoint: &Endpoint) -> Allowance {
        let width = endpoint.max_in_flight;
        let mut lanes = self.lock();
        if lanes.len() >= LANES_MAX {
            lanes.retain(|_, lane| lane.is_down() || Arc::strong_count(&lane.room) > 1);
        }
        let lane = lanes.entry(endpoint.id).or_insert_with(|| Lane::new(width));
        if lane.width != width {
            // Those that wait in the old one go on there.
            lane.room = Arc::new(Semaphore::new(width as usize));
            lane.width = width;
        }
        lane.allowance()
    }

    /// Waits until the endpoint may be sent one more.
    pub async fn enter(&self, endpoint: EndpointId) -> Option<OwnedSemaphorePermit> {
        let room = self.lock().get(&endpoint).map(|lane| Arc::clone(&lane.room))?;
        room.acquire_owned().await.ok()
    }

    /// Whether it failed so often since that what was taken ahead should rather wait.
    pub fn is_down(&self, endpoint: EndpointId) -> bool {
        self.lock().get(&endpoint).is_some_and(Lane::is_down)
    }

    pub fn record(&self, endpoint: EndpointId, delivered: bool, took: Duration) {
        if let Some(lane) = self.lock().get_mut(&endpoint) {
            lane.record(delivered, took);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<EndpointId, Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn what_is_taken_ahead_follows_the_endpoints_pace() {
        let mut lane = Lane::new(8);
        let taken = |lane: &Lane| lane.allowance().ahead;
        assert_eq!(taken(&lane), 8, "nothing is known of it");
        lane.record(true, 100 * MS);
        assert_eq!(taken(&lane), 8 * 5);
        let mut quick = Lane::new(8);
        quick.record(true, MS);
        assert_eq!(taken(&quick), 8 * ROUNDS_MAX);
        let mut slow = Lane::new(8);
        slow.record(true, 5_000 * MS);
        assert_eq!(taken(&slow), 8);
        assert_eq!(slow.allowance().at_once, 8);
    }

    #[test]
    fn one_failure_ends_taking_ahead_and_some_more_leave_one_try_at_a_time() {
        let mut lane = Lane::new(8);
        lane.record(true, MS);
        lane.record(false, MS);
        assert_eq!(lane.allowance(), Allowance { at_once: 8, ahead: 8 });
        for _ in 1..FAILURES_TOLERATED {
            lane.record(false, MS);
        }
        assert_eq!(lane.allowance(), Allowance { at_once: 0, ahead: 0 });
        lane.not_before = Instant::now();
        assert_eq!(lane.allowance(), Allowance { at_once: 1, ahead: 1 });
        lane.record(true, MS);
        assert!(lane.allowance().ahead > 8);
    }
}
