//! Sends what merchants should hear about, for as long as it takes.
//!
//! Deliveries are rows; several nodes take them with leases and never the same one. A node that is alone at an endpoint
//! takes ahead what it will send in the next half second. An endpoint that does not answer is asked with one delivery
//! at a time and ever longer pauses, so that it cannot hold the places of the healthy.

mod lanes;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use plugin_sdk::Clock;
use store::{AttemptRecord, Claim, ClaimedDelivery, Endpoint, NextStep, RetrySchedule, Store};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, watch};

use self::lanes::{Allowance, Lanes};
use crate::events::{Attempt, Sender};

/// A lease outlasts the longest attempt by this much, so that a slow node is not overtaken.
const LEASE_SLACK: Duration = Duration::from_secs(30);
/// No wish of an endpoint for a pause is honoured beyond this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3_600);
/// Results that are stored at once.
const RESULTS_MAX: usize = 256;
/// How long the database may take to say what waits.
const QUERY_TIMEOUT: Duration = Duration::from_secs(5);
/// A wake-up by a new payment is answered at most this often: many of them are sent in one pass.
const PASS_PAUSE: Duration = Duration::from_millis(10);
/// What a node has taken at most and not yet told about, as a multiple of what it sends at once.
const TAKEN_ROUNDS: usize = 8;
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

impl Deliveries {
    /// Runs until `stop` says so, then waits for what is on its way.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let (results, recorded) = mpsc::channel(RESULTS_MAX);
        let recorder = tokio::spawn(record_results(
            self.store.clone(),
            recorded,
            Arc::clone(&self.new_deliveries),
        ));
        let worker = Worker {
            node: format!("{:032x}", rand::random::<u128>()),
            lanes: Lanes::default(),
            places: Arc::new(Semaphore::new(self.in_flight_max)),
            room: Arc::new(Semaphore::new(self.in_flight_max.saturating_mul(TAKEN_ROUNDS))),
            results,
            stop: stop.clone(),
            parts: self,
        };
        let worker = Arc::new(worker);
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
    parts: Deliveries,
    /// This process, unlike any other.
    node: String,
    lanes: Lanes,
    /// One for each attempt that may be on its way.
    places: Arc<Semaphore>,
    /// One for each delivery that may be taken and not yet told about.
    room: Arc<Semaphore>,
    results: mpsc::Sender<Told>,
    stop: watch::Receiver<bool>,
}

/// How an attempt went, with the room that is free when that is stored.
struct Told {
    record: AttemptRecord,
    room: OwnedSemaphorePermit,
}

fn permits(semaphore: &Semaphore) -> u32 {
    u32::try_from(semaphore.available_permits()).unwrap_or(u32::MAX)
}

impl Worker {
    async fn send_due(self: &Arc<Self>) -> Result<(), store::StoreError> {
        if permits(&self.places) == 0 || permits(&self.room) == 0 {
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
            let (places, room) = (permits(&self.places), permits(&self.room));
            if places == 0 || room == 0 {
                break;
            }
            let Allowance { at_once, ahead } = self.lanes.allowance(&endpoint);
            let allowance = Allowance {
                at_once: at_once.min(places).min(room),
                ahead: ahead.min(room),
            };
            let id = endpoint.id;
            // The others must not wait for one that cannot be claimed at.
            if let Err(error) = self.send_endpoint(endpoint, allowance).await {
                tracing::warn!(endpoint = %id, %error, "waiting deliveries cannot be taken");
            }
        }
        Ok(())
    }

    async fn send_endpoint(
        self: &Arc<Self>,
        mut endpoint: Endpoint,
        allowance: Allowance,
    ) -> Result<(), store::StoreError> {
        if allowance.at_once == 0 {
            return Ok(());
        }
        endpoint.max_in_flight = allowance.at_once;
        let now = self.parts.clock.now();
        let claim = Claim {
            node: &self.node,
            now,
            lease_until: now + self.parts.timeout + LEASE_SLACK,
            ahead: allowance.ahead,
        };
        let claimed = self.parts.store.claim_deliveries(&endpoint, &claim);
        let claimed = tokio::time::timeout(QUERY_TIMEOUT, claimed)
            .await
            .map_err(|_| store::StoreError::TimedOut)??;
        let taken_ahead = allowance.ahead > allowance.at_once;
        let endpoint = Arc::new(endpoint);
        for delivery in claimed {
            let Ok(room) = Arc::clone(&self.room).acquire_owned().await else {
                break;
            };
            let (worker, endpoint) = (Arc::clone(self), Arc::clone(&endpoint));
            tokio::spawn(async move { worker.send(&endpoint, delivery, taken_ahead, room).await });
        }
        Ok(())
    }

    async fn send(&self, endpoint: &Endpoint, claimed: ClaimedDelivery, taken_ahead: bool, room: OwnedSemaphorePermit) {
        let turn = self.lanes.enter(endpoint.id).await;
        let place = self.places.acquire().await;
        let started = self.parts.clock.now();
        // Until the end of its lease nobody else sends it, so nothing is begun that may end after that.
        let late = started + self.parts.timeout > claimed.lease_until;
        if *self.stop.borrow() || late || (taken_ahead && self.lanes.is_down(endpoint.id)) {
            self.give_back(&claimed).await;
            return;
        }
        let attempt = self.parts.sender.send(endpoint, &claimed, started).await;
        self.lanes.record(endpoint.id, attempt.delivered, attempt.duration);
        observe(&claimed, &attempt, started);
        let record = record(&endpoint.retry_schedule, &claimed, attempt, self.parts.clock.now());
        // The places are free before the result is stored: storing may wait for the database.
        drop((turn, place));
        let _ = self.results.send(Told { record, room }).await;
    }

    async fn give_back(&self, claimed: &ClaimedDelivery) {
        if let Err(error) = self.parts.store.give_back_delivery(&claimed.delivery, &self.node).await {
            tracing::warn!(delivery = %claimed.delivery.id, %error, "a delivery waits until its lease ends");
        }
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

async fn record_results(store: Store, mut results: mpsc::Receiver<Told>, more: Arc<Notify>) {
    let mut group = Vec::with_capacity(RESULTS_MAX);
    while results.recv_many(&mut group, RESULTS_MAX).await > 0 {
        let (records, rooms): (Vec<_>, Vec<_>) = group.drain(..).map(|told| (told.record, told.room)).unzip();
        // A result that is not stored is an attempt made again when the lease ends: at least once, never lost.
        while let Err(error) = store.record_attempts(&records).await {
            tracing::warn!(%error, attempts = records.len(), "results of deliveries cannot be stored; trying again");
            if results.is_closed() && results.is_empty() {
                break;
            }
            tokio::time::sleep(RECORD_PAUSE).await;
        }
        drop(rooms);
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
