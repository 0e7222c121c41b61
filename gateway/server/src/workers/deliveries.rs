//! Sends what merchants should hear about, for as long as it takes.
//!
//! Deliveries are rows; several nodes take them with leases and never the same one. An endpoint that does not answer
//! is asked with one delivery at a time and ever longer pauses, so that it cannot hold the places of the healthy.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use plugin_sdk::{Clock, EndpointId};
use store::{AttemptRecord, ClaimedDelivery, Endpoint, NextStep, RetrySchedule, Store};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, watch};

use crate::events::{Attempt, Sender};

/// A lease outlasts the longest attempt by this much, so that a slow node is not overtaken.
const LEASE_SLACK: Duration = Duration::from_secs(30);
/// Failures in a row after which an endpoint counts as down.
const FAILURES_TOLERATED: u32 = 3;
/// Pause between attempts at an endpoint that is down: this, doubling …
const DOWN_PAUSE_FIRST: Duration = Duration::from_millis(500);
/// … up to this.
const DOWN_PAUSE_MAX: Duration = Duration::from_secs(30);
/// No wish of an endpoint for a pause is honoured beyond this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3_600);
/// Results that are stored at once.
const RESULTS_MAX: usize = 256;
/// How long the database may take to say what waits.
const QUERY_TIMEOUT: Duration = Duration::from_secs(5);
/// A wake-up by a new payment is answered at most this often: many of them are sent in one pass.
const PASS_PAUSE: Duration = Duration::from_millis(10);
/// How long results are kept back when the database cannot take them.
const RECORD_PAUSE: Duration = Duration::from_millis(250);

pub struct Deliveries {
    pub store: Store,
    pub sender: Sender,
    pub clock: Arc<dyn Clock>,
    pub new_deliveries: Arc<Notify>,
    pub poll: Duration,
    pub timeout: Duration,
    pub in_flight_max: usize,
}

/// What is known on this node of endpoints that failed lately.
#[derive(Clone, Default)]
struct Health {
    troubled: Arc<Mutex<HashMap<EndpointId, Trouble>>>,
}

struct Trouble {
    failures: u32,
    not_before: Instant,
}

impl Health {
    /// How many deliveries the endpoint may be sent at once now.
    fn room(&self, endpoint: &Endpoint) -> u32 {
        let troubled = self.troubled.lock().unwrap_or_else(PoisonError::into_inner);
        match troubled.get(&endpoint.id) {
            Some(trouble) if trouble.failures >= FAILURES_TOLERATED => u32::from(Instant::now() >= trouble.not_before),
            _ => endpoint.max_in_flight,
        }
    }

    fn record(&self, endpoint: EndpointId, delivered: bool) {
        let mut troubled = self.troubled.lock().unwrap_or_else(PoisonError::into_inner);
        if delivered {
            troubled.remove(&endpoint);
            return;
        }
        let trouble = troubled.entry(endpoint).or_insert(Trouble {
            failures: 0,
            not_before: Instant::now(),
        });
        trouble.failures = trouble.failures.saturating_add(1);
        let doublings = trouble.failures.saturating_sub(FAILURES_TOLERATED).min(16);
        trouble.not_before = Instant::now() + (DOWN_PAUSE_FIRST * 2_u32.pow(doublings)).min(DOWN_PAUSE_MAX);
    }
}

impl Deliveries {
    /// Runs until `stop` says so, then waits for what is on its way.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let places = Arc::new(Semaphore::new(self.in_flight_max));
        let (results, recorded) = mpsc::channel(RESULTS_MAX);
        let recorder = tokio::spawn(record_results(
            self.store.clone(),
            recorded,
            Arc::clone(&self.new_deliveries),
        ));
        let worker = Worker {
            health: Health::default(),
            places,
            results,
            parts: Arc::new(self),
        };
        loop {
            if let Err(error) = worker.send_due().await {
                tracing::warn!(%error, "waiting deliveries cannot be read");
                metrics::counter!("tollgate_delivery_poll_failures_total").increment(1);
            }
            tokio::select! {
                () = worker.parts.new_deliveries.notified() => tokio::time::sleep(PASS_PAUSE).await,
                () = tokio::time::sleep(worker.parts.poll) => {}
                _ = stop.changed() => break,
            }
        }
        // The recorder ends when the last attempt has handed in its result.
        drop(worker);
        let _ = recorder.await;
    }
}

struct Worker {
    parts: Arc<Deliveries>,
    health: Health,
    places: Arc<Semaphore>,
    results: mpsc::Sender<AttemptRecord>,
}

impl Worker {
    async fn send_due(&self) -> Result<(), store::StoreError> {
        if self.places.available_permits() == 0 {
            return Ok(());
        }
        let waiting = self.parts.store.waiting_endpoints(self.parts.clock.now());
        let waiting = tokio::time::timeout(QUERY_TIMEOUT, waiting).await;
        let mut waiting = waiting.map_err(|_| store::StoreError::TimedOut)??;
        // Nobody is always first when places are short.
        if !waiting.is_empty() {
            let start = rand::random_range(0..waiting.len());
            waiting.rotate_left(start);
        }
        for endpoint in waiting {
            let places = u32::try_from(self.places.available_permits()).unwrap_or(u32::MAX);
            if places == 0 {
                break;
            }
            let id = endpoint.id;
            // The others must not wait for one that cannot be claimed at.
            if let Err(error) = self.send_endpoint(endpoint, places).await {
                tracing::warn!(endpoint = %id, %error, "waiting deliveries cannot be taken");
            }
        }
        Ok(())
    }

    async fn send_endpoint(&self, mut endpoint: Endpoint, places: u32) -> Result<(), store::StoreError> {
        endpoint.max_in_flight = self.health.room(&endpoint).min(places);
        if endpoint.max_in_flight == 0 {
            return Ok(());
        }
        let now = self.parts.clock.now();
        let lease = now + self.parts.timeout + LEASE_SLACK;
        let claimed = self.parts.store.claim_deliveries(&endpoint, now, lease);
        let claimed = tokio::time::timeout(QUERY_TIMEOUT, claimed)
            .await
            .map_err(|_| store::StoreError::TimedOut)??;
        let endpoint = Arc::new(endpoint);
        for delivery in claimed {
            let Ok(place) = Arc::clone(&self.places).acquire_owned().await else {
                break;
            };
            self.spawn(Arc::clone(&endpoint), delivery, place);
        }
        Ok(())
    }

    fn spawn(&self, endpoint: Arc<Endpoint>, claimed: ClaimedDelivery, place: OwnedSemaphorePermit) {
        let (parts, health, results) = (Arc::clone(&self.parts), self.health.clone(), self.results.clone());
        tokio::spawn(async move {
            let started = parts.clock.now();
            let attempt = parts.sender.send(&endpoint, &claimed, started).await;
            health.record(endpoint.id, attempt.delivered);
            observe(&claimed, &attempt, started);
            let record = record(&endpoint.retry_schedule, &claimed, attempt, parts.clock.now());
            // The place is free before the result is stored: storing may wait for the database.
            drop(place);
            let _ = results.send(record).await;
        });
    }
}

fn observe(claimed: &ClaimedDelivery, attempt: &Attempt, now: DateTime<Utc>) {
    let outcome = if attempt.delivered { "delivered" } else { "failed" };
    metrics::counter!("tollgate_delivery_attempts_total", "outcome" => outcome).increment(1);
    if attempt.delivered {
        let lag = (now - claimed.event.created_at).to_std().unwrap_or_default() + attempt.duration;
        metrics::histogram!("tollgate_delivery_lag_seconds").record(lag.as_secs_f64());
    }
    tracing::debug!(
        delivery = %claimed.delivery.id, event = %claimed.event.id, merchant = %claimed.delivery.merchant_id,
        status = attempt.status, error = attempt.error, outcome, "webhook attempted"
    );
}

fn record(schedule: &RetrySchedule, claimed: &ClaimedDelivery, attempt: Attempt, now: DateTime<Utc>) -> AttemptRecord {
    let number = claimed.delivery.attempts.saturating_add(1);
    let next = if attempt.delivered {
        NextStep::Delivered
    } else {
        let wish = attempt.retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
        NextStep::RetryAt(now + pause(schedule, number, rand::random_range(0..=100)).max(wish))
    };
    AttemptRecord {
        delivery: claimed.delivery.id,
        merchant: claimed.delivery.merchant_id,
        number,
        status: attempt.status,
        error: attempt.error,
        answer: attempt.answer,
        duration_ms: i64::try_from(attempt.duration.as_millis()).unwrap_or(i64::MAX),
        at: now,
        next,
    }
}

/// The pause after attempt `number`. `lot` (0 to 100) says how much of the jitter is taken.
fn pause(schedule: &RetrySchedule, number: i32, lot: u32) -> Duration {
    let mut pause_ms = u64::from(schedule.first_s) * 1_000;
    let max_ms = u64::from(schedule.max_s) * 1_000;
    for _ in 1..number {
        if pause_ms >= max_ms {
            break;
        }
        pause_ms = pause_ms.saturating_mul(u64::from(schedule.factor));
        if schedule.factor <= 1 {
            break;
        }
    }
    let pause_ms = pause_ms.min(max_ms);
    let shortened = pause_ms * u64::from(schedule.jitter_percent.min(100)) * u64::from(lot.min(100)) / 10_000;
    Duration::from_millis(pause_ms - shortened)
}

async fn record_results(store: Store, mut results: mpsc::Receiver<AttemptRecord>, more: Arc<Notify>) {
    let mut group = Vec::with_capacity(RESULTS_MAX);
    while results.recv_many(&mut group, RESULTS_MAX).await > 0 {
        // A result that is not stored is an attempt made again when the lease ends: at least once, never lost.
        while let Err(error) = store.record_attempts(&group).await {
            tracing::warn!(%error, attempts = group.len(), "results of deliveries cannot be stored; trying again");
            if results.is_closed() && results.is_empty() {
                break;
            }
            tokio::time::sleep(RECORD_PAUSE).await;
        }
        group.clear();
        // What waited behind these may go now.
        more.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_never_end() {
        let schedule = RetrySchedule::default();
        let pauses: Vec<u64> = (1..=11).map(|number| pause(&schedule, number, 0).as_secs()).collect();
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]);
        assert_eq!(pause(&schedule, i32::MAX, 0).as_secs(), 3600);
    }

    #[test]
    fn jitter_shortens_within_its_bound() {
        let schedule = RetrySchedule::default();
        assert_eq!(pause(&schedule, 1, 100), Duration::from_secs(8));
        assert_eq!(pause(&schedule, 1, 50), Duration::from_secs(9));
    }

    #[test]
    fn a_constant_schedule_stays_constant() {
        let schedule = RetrySchedule {
            first_s: 5,
            factor: 1,
            max_s: 60,
            jitter_percent: 0,
        };
        assert_eq!(pause(&schedule, 100, 0), Duration::from_secs(5));
    }
}
