//! §4.2: the network allows 100 reading requests a minute for each wallet and then shuts it for five minutes. We stay
//! under it, and stay away when it happened all the same.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Duration, Utc};
use plugin_sdk::connector::{ConnectorError, NetworkFault};

const WINDOW: Duration = Duration::seconds(60);
/// How long the network stays shut after it said so.
pub const SHUT_FOR: Duration = Duration::seconds(300);

pub struct Throttle {
    per_minute: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When the requests of the last minute were let through, oldest first; never more than the cap.
    recent: VecDeque<DateTime<Utc>>,
    shut_until: Option<DateTime<Utc>>,
}

impl Throttle {
    pub fn new(per_minute: u32) -> Self {
        Self {
            per_minute: usize::try_from(per_minute).unwrap_or(1),
            state: Mutex::default(),
        }
    }

    /// Whether anything may be asked of the network at all.
    pub fn open(&self, now: DateTime<Utc>) -> Result<(), ConnectorError> {
        match self.shut_until(now) {
            None => Ok(()),
            Some(until) => Err(away(
                "the network answered that there were too many requests",
                until - now,
            )),
        }
    }

    /// Counts one reading request, if it may be made.
    pub fn admit(&self, now: DateTime<Utc>) -> Result<(), ConnectorError> {
        self.open(now)?;
        let mut state = self.lock();
        while state.recent.front().is_some_and(|oldest| *oldest + WINDOW <= now) {
            state.recent.pop_front();
        }
        if state.recent.len() >= self.per_minute {
            let free = state.recent.front().map_or(now, |oldest| *oldest + WINDOW);
            return Err(away("this wallet's requests of the minute are used up", free - now));
        }
        state.recent.push_back(now);
        Ok(())
    }

    /// The network said that there were too many.
    pub fn shut(&self, now: DateTime<Utc>) {
        self.lock().shut_until = Some(now + SHUT_FOR);
    }

    pub fn shut_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.lock().shut_until.filter(|until| *until > now)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nothing was asked; it may be tried again when the time is over.
pub fn away(why: &str, wait: Duration) -> ConnectorError {
    ConnectorError::Unavailable(NetworkFault {
        code: Some("throttled".to_owned()),
        message: format!("{why}; asked again in {} s", wait.num_seconds().max(1)),
        field: None,
        retry_after: Some(wait.to_std().unwrap_or_default()),
    })
}
