//! How the networks that we call do, as this node sees it: a breaker for each connection, and its last minutes for rules,
//! people and metrics.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use moka::sync::Cache;
use plugin_sdk::ConnectionId;

/// Connections that a node keeps in mind.
const CONNECTIONS_MAX: u64 = 100_000;
/// A connection that nobody used for so long is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3_600);
/// What "of late" means.
const WINDOW: Duration = Duration::from_secs(300);
/// The newest requests of the window that are kept.
const KEPT_MAX: usize = 256;
/// Failures in a row after which a connection is left alone …
const FAILURES_TOLERATED: u32 = 5;
/// … for so long; then one request tries it.
const PAUSE: Duration = Duration::from_secs(10);

/// The health of all connections. Cheap to clone.
#[derive(Clone)]
pub struct UpstreamHealth {
    connections: Cache<ConnectionId, Arc<Mutex<Health>>>,
}

/// One connection's last minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthReport {
    /// Whether requests are sent to it now.
    pub up: bool,
    pub requests: u32,
    /// Of a hundred so many were answered.
    pub success_percent: Option<u8>,
    /// The median.
    pub latency_ms: Option<u32>,
}

#[derive(Default)]
struct Health {
    failures_in_a_row: u32,
    not_before: Option<Instant>,
    recent: VecDeque<Request>,
}

#[derive(Clone, Copy)]
struct Request {
    at: Instant,
    answered: bool,
    took_ms: u32,
}

impl Default for UpstreamHealth {
    fn default() -> Self {
        let connections = Cache::builder()
            .max_capacity(CONNECTIONS_MAX)
            .time_to_idle(FORGOTTEN_AFTER)
            .build();
        Self { connections }
    }
}

impl UpstreamHealth {
    /// Whether a request may be sent. A network that fails again and again is not asked for a while: its callers fail
    /// over at once.
    #[must_use]
    pub fn admits(&self, connection: ConnectionId) -> bool {
        let health = self.of(connection);
        let mut health = lock(&health);
        let now = Instant::now();
        match health.not_before {
            Some(not_before) if now < not_before => false,
            Some(_) => {
                // One tries; who comes meanwhile waits for what becomes of it.
                health.not_before = Some(now + PAUSE);
                true
            }
            None => true,
        }
    }

    pub fn record(&self, connection: ConnectionId, answered: bool, took: Duration) {
        let health = self.of(connection);
        let mut health = lock(&health);
        let now = Instant::now();
        health.forget_before(now);
        if health.recent.len() == KEPT_MAX {
            health.recent.pop_front();
        }
        health.recent.push_back(Request {
            at: now,
            answered,
            took_ms: u32::try_from(took.as_millis()).unwrap_or(u32::MAX),
        });
        if answered {
            health.failures_in_a_row = 0;
            health.not_before = None;
            return;
        }
        health.failures_in_a_row = health.failures_in_a_row.saturating_add(1);
        if health.failures_in_a_row >= FAILURES_TOLERATED {
            health.not_before = Some(now + PAUSE);
        }
    }

    /// Whether requests are sent to it now; takes no place in the turn of who tries.
    #[must_use]
    pub fn is_up(&self, connection: ConnectionId) -> bool {
        let health = self.connections.get(&connection);
        health.is_none_or(|health| lock(&health).is_up(Instant::now()))
    }

    #[must_use]
    pub fn report(&self, connection: ConnectionId) -> HealthReport {
        let Some(health) = self.connections.get(&connection) else {
            return Health::default().report(Instant::now());
        };
        let mut health = lock(&health);
        let now = Instant::now();
        health.forget_before(now);
        health.report(now)
    }

    fn of(&self, connection: ConnectionId) -> Arc<Mutex<Health>> {
        self.connections.get_with(connection, Arc::default)
    }
}

impl Health {
    fn forget_before(&mut self, now: Instant) {
        while self.recent.front().is_some_and(|oldest| now - oldest.at > WINDOW) {
            self.recent.pop_front();
        }
    }

    fn is_up(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|not_before| now >= not_before)
    }

    fn report(&self, now: Instant) -> HealthReport {
        let requests = self.recent.len();
        let answered = self.recent.iter().filter(|request| request.answered).count();
        let mut times: Vec<u32> = (self.recent.iter().filter(|request| request.answered))
            .map(|request| request.took_ms)
            .collect();
        times.sort_unstable();
        HealthReport {
            up: self.is_up(now),
            requests: u32::try_from(requests).unwrap_or(u32::MAX),
            success_percent: (answered * 100)
                .checked_div(requests)
                .and_then(|percent| u8::try_from(percent).ok()),
            latency_ms: times.get(times.len() / 2).copied(),
        }
    }
}

fn lock(health: &Mutex<Health>) -> MutexGuard<'_, Health> {
    health.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_fails_is_left_alone_and_tried_by_one() {
        let (health, connection) = (UpstreamHealth::default(), ConnectionId::generate());
        assert_eq!(health.report(connection).success_percent, None);
        for _ in 0..FAILURES_TOLERATED {
            assert!(health.admits(connection));
            health.record(connection, false, Duration::from_millis(3));
        }
        assert!(!health.admits(connection));
        let report = health.report(connection);
        assert_eq!(
            (report.up, report.requests, report.success_percent),
            (false, 5, Some(0))
        );
        assert_eq!(report.latency_ms, None);
        lock(&health.of(connection)).not_before = Some(Instant::now());
        assert!(health.admits(connection), "one tries");
        assert!(!health.admits(connection), "the others wait");
        health.record(connection, true, Duration::from_millis(40));
        let report = health.report(connection);
        assert_eq!(
            (report.up, report.success_percent, report.latency_ms),
            (true, Some(16), Some(40))
        );
    }

    #[test]
    fn the_newest_requests_count() {
        let (health, connection) = (UpstreamHealth::default(), ConnectionId::generate());
        for number in 0..KEPT_MAX + 10 {
            health.record(connection, number % 2 == 0, Duration::from_millis(5));
        }
        let report = health.report(connection);
        assert_eq!(report.requests, u32::try_from(KEPT_MAX).unwrap());
        assert_eq!(report.success_percent, Some(50));
    }
}
