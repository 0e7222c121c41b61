//! How often and for how much a key was paid lately, as rules ask it.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use plugin_sdk::MerchantId;
use store::{Store, StoreError, VelocityKey, VelocityMark, VelocityTotals};

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

/// Answers for the windows that end at `now`, in their order.
pub async fn ask(
    store: &Store,
    merchant: MerchantId,
    key: &str,
    windows: &[Duration],
    now: DateTime<Utc>,
) -> Result<Vec<VelocityTotals>, VelocityError> {
    check(key, windows)?;
    let key = VelocityKey::new(merchant, key);
    let asked = tokio::time::timeout(TIMEOUT, store.velocity(merchant, &key, windows, now)).await;
    asked.unwrap_or(Err(StoreError::TimedOut)).map_err(|error| {
        metrics::counter!("tollgate_velocity_failures_total").increment(1);
        tracing::warn!(%merchant, %error, "a velocity could not be read");
        VelocityError::Unavailable(error.to_string())
    })
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
