//! The generic cell rate algorithm: a window's whole state is one moment, the "theoretical arrival time" of the next
//! request if all came evenly.
//!
//! Our own cell, and not the crate `governor`: its limiter has one quota for its whole life, charges as it asks, and
//! takes nothing back. Here the quota comes with each question, so that a change of limits acts at once and keeps what
//! was used, and several cells are asked before any of them is charged.

use crate::tenancy::RateWindow;

const NANOSECONDS: u64 = 1_000_000_000;

/// A window as the algorithm reckons, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Between two requests that come evenly. Rounded up: a window never admits more than it says.
    interval: u64,
    burst: u64,
}

impl Quota {
    #[must_use]
    pub fn of(window: &RateWindow) -> Self {
        Self::share(window, 1)
    }

    /// What one of `nodes` may admit on its own, so that all together admit about the window: at least one request.
    #[must_use]
    pub fn share(window: &RateWindow, nodes: u32) -> Self {
        let (requests, nodes) = (u64::from(window.requests.max(1)), u64::from(nodes.max(1)));
        let interval = (u64::from(window.seconds) * NANOSECONDS).div_ceil(requests);
        Self {
            interval: interval * nodes,
            burst: (u64::from(window.burst()) / nodes).max(1),
        }
    }

    fn depth(&self) -> u64 {
        self.interval.saturating_mul(self.burst)
    }
}

/// What a cell knows: when all that it admitted would be worked off. Moments are nanoseconds of any clock that only
/// goes forward.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cell {
    worked_off: u64,
}

/// How a window stands after a decision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Requests that it would admit now.
    pub remaining: u64,
    /// Until it is as if nobody had come, in nanoseconds.
    pub full_in: u64,
}

impl Cell {
    /// A quota that became smaller does not make an old debt longer than the new quota could.
    fn owed(self, quota: Quota, now: u64) -> u64 {
        self.worked_off.saturating_sub(now).min(quota.depth())
    }

    /// How many requests would be admitted now.
    #[must_use]
    pub fn room(self, quota: Quota, now: u64) -> u64 {
        (quota.depth() - self.owed(quota, now)) / quota.interval
    }

    /// Until one request would be admitted, in nanoseconds.
    #[must_use]
    pub fn wait(self, quota: Quota, now: u64) -> u64 {
        (self.owed(quota, now) + quota.interval).saturating_sub(quota.depth())
    }

    /// Charges requests, for which there must be room.
    pub fn charge(&mut self, quota: Quota, now: u64, requests: u64) {
        let owed = self.owed(quota, now) + quota.interval.saturating_mul(requests);
        self.worked_off = now.saturating_add(owed);
    }

    #[must_use]
    pub fn standing(self, quota: Quota, now: u64) -> Standing {
        Standing {
            remaining: self.room(quota, now),
            full_in: self.owed(quota, now),
        }
    }

    /// Whether the cell is as if nobody had come.
    #[must_use]
    pub fn is_idle(self, now: u64) -> bool {
        self.worked_off <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn window(requests: u32, seconds: u32, burst: Option<u32>) -> RateWindow {
        RateWindow {
            name: "w".to_owned(),
            requests,
            seconds,
            burst,
        }
    }

    fn admits(cell: &mut Cell, quota: Quota, now: u64) -> bool {
        let room = cell.room(quota, now) > 0;
        if room {
            cell.charge(quota, now, 1);
        }
        room
    }

    #[test]
    fn a_burst_then_evenly() {
        let quota = Quota::of(&window(10, 1, None));
        let mut cell = Cell::default();
        let admitted = (0..20).filter(|_| admits(&mut cell, quota, 5)).count();
        assert_eq!(admitted, 10);
        assert_eq!(cell.wait(quota, 5), 100_000_000);
        assert!(!admits(&mut cell, quota, 100_000_004));
        assert!(admits(&mut cell, quota, 100_000_005));
        assert_eq!(cell.standing(quota, 1_100_000_005).remaining, 10);
    }

    #[test]
    fn a_smaller_quota_acts_at_once_and_a_larger_one_too() {
        let day = Quota::of(&window(1, 86_400, None));
        let mut cell = Cell::default();
        assert!(admits(&mut cell, day, 0));
        assert!(!admits(&mut cell, day, NANOSECONDS));
        let second = Quota::of(&window(10, 1, None));
        assert!(cell.wait(second, NANOSECONDS) <= NANOSECONDS / 10);
    }

    proptest! {
        /// In any stretch of time never more than the burst and what the rate gives in it, whatever the schedule.
        #[test]
        fn never_more_than_burst_and_rate(
            requests in 1_u32..500, seconds in 1_u32..100, burst in 1_u32..500,
            pauses in prop::collection::vec(0_u64..2_000_000_000, 1..200),
        ) {
            let window = window(requests, seconds, Some(burst.min(requests)));
            let quota = Quota::of(&window);
            let (mut cell, mut now, mut admitted) = (Cell::default(), 7, Vec::new());
            for pause in pauses {
                now += pause;
                while admits(&mut cell, quota, now) {
                    admitted.push(now);
                }
            }
            // For all first <= last: last - first + 1 <= burst + (until - from) * requests / length, times length. One pass
            // with the smallest of the left ends does for all pairs.
            let length = i128::from(seconds) * i128::from(NANOSECONDS);
            let mut smallest = i128::MAX;
            for (number, at) in (0_i128..).zip(&admitted) {
                let worked_off = i128::from(*at) * i128::from(requests);
                smallest = smallest.min(number * length - worked_off);
                let most = (number + 1) * length - worked_off - smallest;
                prop_assert!(most <= i128::from(window.burst()) * length, "request {number} at {at}");
            }
        }

        /// Who asks after the wait that was told is admitted, and who asks a moment earlier is not.
        #[test]
        fn the_wait_is_neither_too_long_nor_too_short(
            requests in 1_u32..500, seconds in 1_u32..100, burst in 1_u32..500, start in 0_u64..1_000_000_000,
        ) {
            let quota = Quota::of(&window(requests, seconds, Some(burst.min(requests))));
            let mut cell = Cell::default();
            while admits(&mut cell, quota, start) {}
            let wait = cell.wait(quota, start);
            prop_assert!(wait > 0);
            prop_assert_eq!(cell.room(quota, start + wait - 1), 0);
            prop_assert!(cell.room(quota, start + wait) >= 1);
        }

        /// What all nodes admit on their own is not more than the window, but for the one request that each is left.
        #[test]
        fn shares_add_up_to_the_window(requests in 1_u32..500, nodes in 1_u32..20) {
            let window = window(requests, 1, None);
            let share = Quota::share(&window, nodes);
            let at_once = share.burst * u64::from(nodes);
            prop_assert!(at_once <= u64::from(requests.max(nodes)));
            prop_assert!(NANOSECONDS / share.interval * u64::from(nodes) <= u64::from(requests));
        }
    }
}
