use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// When a revision that keeps failing is not run any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Failures in a row.
    pub in_a_row: u32,
    /// Failures among the last 64 calls, in per cent; looked at once there were as many.
    pub percent: u32,
    /// How long it is not run, before one call tries again.
    pub pause: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            in_a_row: 20,
            percent: 80,
            pause: Duration::from_secs(5),
        }
    }
}

/// Keeps one revision of one merchant from running while it fails every time. Only failures of the script itself count,
/// not those of its surroundings.
#[derive(Debug)]
pub struct Breaker {
    settings: BreakerSettings,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The last 64 calls, the latest in the lowest bit; a one is a failure.
    history: u64,
    calls: u32,
    in_a_row: u32,
    /// While it is open: when one call may try again.
    open_until: Option<Instant>,
    probing: bool,
}

/// Calls that the history holds.
const HISTORY: u32 = u64::BITS;

impl Breaker {
    #[must_use]
    pub fn new(settings: BreakerSettings) -> Self {
        Self {
            settings,
            state: Mutex::default(),
        }
    }

    /// Whether the revision is not run for now.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.lock().open_until.is_some()
    }

    /// Gives `None` while open, and lets one call through as a probe when the pause is over.
    pub(crate) fn admit(&self, now: Instant) -> Option<Trial<'_>> {
        let mut state = self.lock();
        let probe = match state.open_until {
            None => false,
            Some(until) if now >= until && !state.probing => true,
            Some(_) => return None,
        };
        state.probing |= probe;
        Some(Trial {
            breaker: self,
            probe,
            settled: false,
        })
    }

    fn settle(&self, probe: bool, failed: bool, now: Instant) {
        let mut state = self.lock();
        if probe {
            *state = State::default();
            if failed {
                state.open_until = Some(now + self.settings.pause);
            }
            return;
        }
        if state.open_until.is_some() {
            // A call that began before it opened.
            return;
        }
        state.history = state.history << 1 | u64::from(failed);
        state.calls = (state.calls + 1).min(HISTORY);
        state.in_a_row = if failed { state.in_a_row + 1 } else { 0 };
        let often = state.history.count_ones() * 100 >= self.settings.percent * HISTORY;
        if state.in_a_row >= self.settings.in_a_row || (state.calls == HISTORY && often) {
            state.open_until = Some(now + self.settings.pause);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that a breaker let through.
#[derive(Debug)]
pub(crate) struct Trial<'a> {
    breaker: &'a Breaker,
    probe: bool,
    settled: bool,
}

impl Trial<'_> {
    /// `failed` is `None` when the call says nothing about the script.
    pub(crate) fn settle(mut self, failed: Option<bool>, now: Instant) {
        if let Some(failed) = failed {
            self.settled = true;
            self.breaker.settle(self.probe, failed, now);
        }
    }
}

impl Drop for Trial<'_> {
    /// An abandoned probe makes room for another.
    fn drop(&mut self) {
        if self.probe && !self.settled {
            self.breaker.lock().probing = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(breaker: &Breaker, failed: bool, now: Instant) -> bool {
        match breaker.admit(now) {
            Some(trial) => {
                trial.settle(Some(failed), now);
                true
            }
            None => false,
        }
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_a_probe_closes_it() {
        let (breaker, now) = (Breaker::new(BreakerSettings::default()), Instant::now());
        for _ in 0..19 {
            assert!(run(&breaker, true, now));
        }
        assert!(run(&breaker, false, now) && run(&breaker, true, now));
        for _ in 0..19 {
            assert!(!breaker.is_open() && run(&breaker, true, now));
        }
        assert!(breaker.is_open() && !run(&breaker, false, now));
        let later = now + BreakerSettings::default().pause;
        assert!(run(&breaker, true, later) && !run(&breaker, false, later));
        let later = later + BreakerSettings::default().pause;
        assert!(run(&breaker, false, later) && !breaker.is_open());
    }

    #[test]
    fn it_opens_when_most_calls_fail() {
        let (breaker, now) = (Breaker::new(BreakerSettings::default()), Instant::now());
        for call in 0..64 {
            assert!(!breaker.is_open(), "{call}");
            run(&breaker, call % 6 != 0, now);
        }
        assert!(breaker.is_open());
    }

    #[test]
    fn one_probe_at_a_time_and_an_abandoned_one_makes_room() {
        let (breaker, now) = (Breaker::new(BreakerSettings::default()), Instant::now());
        for _ in 0..20 {
            run(&breaker, true, now);
        }
        let later = now + BreakerSettings::default().pause;
        let probe = breaker.admit(later);
        assert!(probe.is_some() && breaker.admit(later).is_none());
        drop(probe);
        let probe = breaker.admit(later).unwrap();
        probe.settle(None, later);
        assert!(breaker.is_open() && run(&breaker, false, later) && !breaker.is_open());
    }
}
