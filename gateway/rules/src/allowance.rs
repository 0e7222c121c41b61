use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::engine::Decision;

/// What one merchant's scripts may use of one node, all calls together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllowanceLimits {
    /// Own time of scripts within a second, and at once after a pause.
    pub cpu_per_second: Duration,
    /// Calls that run or wait at the same time. Fewer than the VMs of a worker, so that others always find one.
    pub in_flight: u32,
}

impl Default for AllowanceLimits {
    fn default() -> Self {
        Self {
            cpu_per_second: Duration::from_millis(250),
            in_flight: 24,
        }
    }
}

/// One merchant's allowance on one node. Whoever calls the engine keeps one for each merchant, and hands it to every
/// call of that merchant's scripts; it is refilled by the clock.
#[derive(Debug)]
pub struct Allowance {
    limits: AllowanceLimits,
    born: Instant,
    /// Nanoseconds after `born` at which all that was used is refilled.
    refilled_at: AtomicU64,
    in_flight: AtomicU32,
    /// Nanoseconds after `born` until which calls run aside, and for how long they were sent there.
    aside_until: AtomicU64,
    aside_for: AtomicU64,
    /// Grows with long calls and shrinks with short ones.
    suspicion: AtomicU32,
}

/// Own time from which on a call is long: others on the same worker would notice.
const LONG_CALL: Duration = Duration::from_micros(500);
/// What a long call adds to the suspicion; a short one takes one away. The host of a virtual machine may halt it in the
/// middle of a short call, and that counts as the call's own time; but not every thousandth.
const LONG_CALL_WEIGHT: u32 = 1_000;
/// With so much suspicion a merchant runs aside: three long calls, or one soon after it came back.
const SUSPICION_MAX: u32 = 3 * LONG_CALL_WEIGHT;
/// It runs aside for so long, doubled with each time that it comes back and has long calls again.
const ASIDE_MIN: Duration = Duration::from_secs(30);
const ASIDE_MAX: Duration = Duration::from_secs(300);

/// Why a call is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Cpu,
    InFlight,
}

const SECOND_NANOS: u64 = 1_000_000_000;

impl Allowance {
    #[must_use]
    pub fn new(limits: AllowanceLimits) -> Self {
        Self {
            limits,
            born: Instant::now(),
            refilled_at: AtomicU64::new(0),
            in_flight: AtomicU32::new(0),
            aside_until: AtomicU64::new(0),
            aside_for: AtomicU64::new(0),
            suspicion: AtomicU32::new(0),
        }
    }

    #[must_use]
    pub const fn limits(&self) -> &AllowanceLimits {
        &self.limits
    }

    /// Calls that run or wait now.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Whether own time is used up for now.
    #[must_use]
    pub fn is_used_up(&self) -> bool {
        self.is_used_up_at(self.elapsed())
    }

    /// Whether calls run aside for now, because one of them took long.
    #[must_use]
    pub fn is_aside(&self) -> bool {
        self.runs_aside_at(self.elapsed())
    }

    pub(crate) fn admit(&self) -> Result<Admitted<'_>, Refused> {
        if self.is_used_up() {
            return Err(Refused::Cpu);
        }
        let taken = self.in_flight.try_update(Ordering::AcqRel, Ordering::Relaxed, |calls| {
            (calls < self.limits.in_flight).then_some(calls + 1)
        });
        match taken {
            Ok(_) => Ok(Admitted { allowance: self }),
            Err(_) => Err(Refused::InFlight),
        }
    }

    fn elapsed(&self) -> u64 {
        nanos(self.born.elapsed())
    }

    /// A second's worth may be used at once.
    fn is_used_up_at(&self, now: u64) -> bool {
        self.refilled_at.load(Ordering::Relaxed) >= now.saturating_add(SECOND_NANOS)
    }

    fn runs_aside_at(&self, now: u64) -> bool {
        now < self.aside_until.load(Ordering::Relaxed)
    }

    /// Notes how long a call took, and sends the merchant aside if long calls are its habit.
    fn note_at(&self, now: u64, own_time: Duration) {
        if own_time < LONG_CALL {
            if self.suspicion.load(Ordering::Relaxed) > 0 {
                (self.suspicion).update(Ordering::Relaxed, Ordering::Relaxed, |suspicion| {
                    suspicion.saturating_sub(1)
                });
            }
            return;
        }
        let before = self.suspicion.fetch_add(LONG_CALL_WEIGHT, Ordering::Relaxed);
        if before + LONG_CALL_WEIGHT >= SUSPICION_MAX {
            self.suspicion
                .store(SUSPICION_MAX - LONG_CALL_WEIGHT, Ordering::Relaxed);
            self.send_aside_at(now);
        }
    }

    /// Counts stay right under a race but for which of two long calls at the same moment doubles the time.
    fn send_aside_at(&self, now: u64) {
        let (until, before) = (
            self.aside_until.load(Ordering::Relaxed),
            self.aside_for.load(Ordering::Relaxed),
        );
        let time = if now < until {
            before
        } else if now - until < nanos(ASIDE_MAX) {
            before.saturating_mul(2)
        } else {
            0
        };
        let time = time.clamp(nanos(ASIDE_MIN), nanos(ASIDE_MAX));
        self.aside_for.store(time, Ordering::Relaxed);
        self.aside_until.store(now.saturating_add(time), Ordering::Relaxed);
    }

    fn charge_at(&self, now: u64, own_time: Duration) {
        let per_second = nanos(self.limits.cpu_per_second).max(1);
        let refill = u128::from(nanos(own_time)) * u128::from(SECOND_NANOS) / u128::from(per_second);
        let refill = u64::try_from(refill).unwrap_or(u64::MAX);
        self.refilled_at.update(Ordering::AcqRel, Ordering::Relaxed, |at| {
            at.max(now).saturating_add(refill)
        });
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// A call's place among those in flight; given back even if the call is abandoned.
#[derive(Debug)]
pub(crate) struct Admitted<'a> {
    allowance: &'a Allowance,
}

impl Admitted<'_> {
    pub(crate) fn runs_aside(&self) -> bool {
        self.allowance.is_aside()
    }

    pub(crate) fn charge(&self, decision: &Decision) {
        let now = self.allowance.elapsed();
        self.allowance.note_at(now, decision.own_time);
        self.allowance.charge_at(now, decision.own_time);
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        self.allowance.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = SECOND_NANOS;

    #[test]
    fn a_seconds_worth_may_be_used_at_once_and_comes_back_by_the_clock() {
        let allowance = Allowance::new(AllowanceLimits::default());
        for _ in 0..10 {
            assert!(!allowance.is_used_up_at(5 * SECOND));
            allowance.charge_at(5 * SECOND, Duration::from_millis(25));
        }
        assert!(allowance.is_used_up_at(5 * SECOND));
        // A tenth of the allowance is back after a tenth of a second.
        assert!(!allowance.is_used_up_at(5 * SECOND + SECOND / 10));
        allowance.charge_at(5 * SECOND + SECOND / 10, Duration::from_millis(25));
        assert!(allowance.is_used_up_at(5 * SECOND + SECOND / 10));
        assert!(!allowance.is_used_up_at(7 * SECOND));
    }

    #[test]
    fn what_was_not_used_is_not_saved_up() {
        let allowance = Allowance::new(AllowanceLimits::default());
        allowance.charge_at(1_000 * SECOND, Duration::from_millis(250));
        assert!(allowance.is_used_up_at(1_000 * SECOND));
    }

    #[test]
    fn an_overdraft_is_paid_back() {
        let allowance = Allowance::new(AllowanceLimits::default());
        allowance.charge_at(0, Duration::from_millis(1_000));
        assert!(allowance.is_used_up_at(3 * SECOND));
        assert!(!allowance.is_used_up_at(3 * SECOND + 1));
    }

    #[test]
    fn a_long_call_sends_a_merchant_aside_and_the_next_time_for_longer() {
        let (allowance, least) = (Allowance::new(AllowanceLimits::default()), nanos(ASIDE_MIN));
        let ends_at = |end| allowance.runs_aside_at(end - 1) && !allowance.runs_aside_at(end);
        assert!(!allowance.runs_aside_at(1));
        allowance.send_aside_at(SECOND);
        assert!(ends_at(SECOND + least));
        // While aside, another long call only begins the time anew.
        allowance.send_aside_at(5 * SECOND);
        assert!(ends_at(5 * SECOND + least));
        let back = 5 * SECOND + least;
        allowance.send_aside_at(back);
        assert!(ends_at(back + 2 * least));
        let behaved = back + 2 * least + nanos(ASIDE_MAX);
        allowance.send_aside_at(behaved);
        assert!(ends_at(behaved + least));
    }

    #[test]
    fn a_habit_of_long_calls_sends_aside_and_a_rare_one_does_not() {
        let allowance = Allowance::new(AllowanceLimits::default());
        let short = LONG_CALL / 100;
        for now in 0..20 {
            allowance.note_at(now, LONG_CALL);
            (0..LONG_CALL_WEIGHT).for_each(|_| allowance.note_at(now, short));
        }
        assert!(!allowance.runs_aside_at(20));
        for _ in 0..2 {
            allowance.note_at(20, LONG_CALL);
            assert!(!allowance.runs_aside_at(21));
        }
        allowance.note_at(20, LONG_CALL);
        assert!(allowance.runs_aside_at(21));
        // Back again, one is enough.
        let back = 20 + nanos(ASIDE_MIN);
        assert!(!allowance.runs_aside_at(back));
        allowance.note_at(back, LONG_CALL);
        assert!(allowance.runs_aside_at(back + 1));
    }

    #[test]
    fn no_merchant_is_aside_for_ever() {
        let allowance = Allowance::new(AllowanceLimits::default());
        let mut now = 0;
        for _ in 0..40 {
            allowance.send_aside_at(now);
            now = allowance.aside_until.load(Ordering::Relaxed);
        }
        allowance.send_aside_at(now);
        assert!(!allowance.runs_aside_at(now + nanos(ASIDE_MAX)));
    }

    #[test]
    fn calls_in_flight_are_counted_until_they_end() {
        let allowance = Allowance::new(AllowanceLimits {
            in_flight: 2,
            ..AllowanceLimits::default()
        });
        let (first, second) = (allowance.admit().unwrap(), allowance.admit());
        assert_eq!(allowance.admit().err(), Some(Refused::InFlight));
        drop(first);
        assert!(allowance.admit().is_ok());
        drop(second);
        assert_eq!(allowance.in_flight(), 0);
    }
}
