//! How often and for how much a key was paid lately, as rules ask it.

mod shared;

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use plugin_sdk::MerchantId;
use store::{
    NewPayment, Store, StoreError, VelocityKey, VelocityMark, VelocitySpan, VelocityTotals, velocity_totals,
    window_edge,
};

pub use self::shared::SharedVelocities;

/// Longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 256;
/// Windows of one question.
pub const WINDOWS_MAX: usize = 8;
const WINDOW_MIN: Duration = Duration::from_mins(1);
const WINDOW_MAX: Duration = Duration::from_hours(30 * 24);
/// Keys that one pay counts under. The engine lets a decision ask fewer questions than this.
const KEYS_MAX: usize = 64;
/// An answer comes within this, or there is none.
const TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VelocityError {
    #[error("a velocity's key has 1 to {KEY_BYTES_MAX} bytes")]
    Key,
    #[error("a velocity is asked over 1 to {WINDOWS_MAX} windows of one minute to thirty days")]
    Windows,
    /// Not an answer: what passed is not known.
    #[error("what passed could not be read: {0}")]
    Unavailable(String),
}

/// Answers rules, and hears of every pay; one for each node.
#[derive(Clone)]
pub struct Velocities {
    store: Store,
    /// Where all nodes read; `None` without Redis.
    shared: Option<SharedVelocities>,
}

impl Velocities {
    #[must_use]
    pub fn new(store: Store, shared: Option<SharedVelocities>) -> Self {
        Self { store, shared }
    }

    /// Answers for the windows that end at `now`, in their order.
    pub async fn ask(
        &self,
        merchant: MerchantId,
        key: &str,
        windows: &[Duration],
        now: DateTime<Utc>,
    ) -> Result<Vec<VelocityTotals>, VelocityError> {
        check(key, windows)?;
        let key = VelocityKey::new(merchant, key);
        let asked = tokio::time::timeout(TIMEOUT, self.totals(merchant, &key, windows, now)).await;
        asked.unwrap_or(Err(StoreError::TimedOut)).map_err(|error| {
            metrics::counter!("tollgate_velocity_failures_total").increment(1);
            tracing::warn!(%merchant, %error, "a velocity could not be read");
            VelocityError::Unavailable(error.to_string())
        })
    }

    async fn totals(
        &self,
        merchant: MerchantId,
        key: &VelocityKey,
        windows: &[Duration],
        now: DateTime<Utc>,
    ) -> Result<Vec<VelocityTotals>, StoreError> {
        if let Some(shared) = &self.shared {
            let edges = windows.iter().map(|window| window_edge(*window, now));
            let edge = edges.min().unwrap_or_default();
            let spans = shared.spans(&self.store, merchant, key, edge, now).await?;
            if let Some(totals) = spans.and_then(|spans| velocity_totals(&spans, windows, now)) {
                metrics::counter!("tollgate_velocity_answers_total", "from" => "redis").increment(1);
                return Ok(totals);
            }
        }
        metrics::counter!("tollgate_velocity_answers_total", "from" => "database").increment(1);
        self.store.velocity(merchant, key, windows, now).await
    }

    /// To be called before a payment is written: what becomes of it is told to what this gives.
    pub fn expect(&self, payment: &NewPayment, marks: &[VelocityMark]) -> ExpectedPay {
        let shared = self.shared.as_ref().filter(|_| !marks.is_empty());
        ExpectedPay(shared.zip(VelocitySpan::of(payment)).map(|(shared, pay)| Expected {
            shared: shared.clone(),
            keys: shared.keys(payment.merchant_id, marks.iter().map(|mark| &mark.key)),
            pay,
        }))
    }
}

/// A pay on its way to the database. Dropped before it is known what became of it, it may be there or not, now or soon.
#[must_use]
pub struct ExpectedPay(Option<Expected>);

struct Expected {
    shared: SharedVelocities,
    keys: Vec<String>,
    pay: VelocitySpan,
}

impl ExpectedPay {
    /// The payment is there: all nodes count it from now on.
    pub async fn stored(mut self) {
        if let Some(Expected { shared, keys, pay }) = self.0.take() {
            // In a task of its own: who waits for the answer may give up.
            let told = tokio::spawn(async move { shared.add(keys, &pay).await });
            let _ = told.await;
        }
    }

    /// Certainly not there, and never will be.
    pub fn not_stored(mut self) {
        self.0 = None;
    }
}

impl Drop for ExpectedPay {
    fn drop(&mut self) {
        if let Some(Expected { shared, keys, .. }) = self.0.take() {
            shared.close_soon(keys);
        }
    }
}

fn check(key: &str, windows: &[Duration]) -> Result<(), VelocityError> {
    if !(1..=KEY_BYTES_MAX).contains(&key.len()) {
        return Err(VelocityError::Key);
    }
    let fits = |window: &Duration| (WINDOW_MIN..=WINDOW_MAX).contains(window);
    if !(1..=WINDOWS_MAX).contains(&windows.len()) || !windows.iter().all(fits) {
        return Err(VelocityError::Windows);
    }
    Ok(())
}

/// The marks that a pay leaves whose decision asked for these keys; each key counts once.
pub fn marks<'a>(merchant: MerchantId, asked: impl IntoIterator<Item = &'a str>) -> Vec<VelocityMark> {
    let keys: BTreeSet<&str> = asked.into_iter().take(KEYS_MAX).collect();
    let marks = keys.into_iter().map(|key| VelocityMark {
        key: VelocityKey::new(merchant, key),
    });
    marks.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_counted_is_asked() {
        let minutes = Duration::from_mins;
        assert_eq!(check("a", &[minutes(1), minutes(30 * 24 * 60)]), Ok(()));
        for key in ["", &"k".repeat(257)] {
            assert_eq!(check(key, &[minutes(1)]), Err(VelocityError::Key));
        }
        for windows in [
            &[][..],
            &[minutes(1); 9],
            &[Duration::from_secs(59)],
            &[minutes(30 * 24 * 60 + 1)],
        ] {
            assert_eq!(check("a", windows), Err(VelocityError::Windows));
        }
    }

    #[test]
    fn a_key_that_was_asked_twice_is_one_mark() {
        let merchant = MerchantId::generate();
        let marks = marks(merchant, ["b", "a", "b"]);
        let keys: Vec<_> = marks.into_iter().map(|mark| mark.key).collect();
        assert_eq!(keys, [VelocityKey::new(merchant, "a"), VelocityKey::new(merchant, "b")]);
    }
}
