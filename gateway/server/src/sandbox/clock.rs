use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Duration, Utc};
use plugin_sdk::{Clock, SystemClock};

/// The real time, moved forward by whoever cannot wait for a hold to end.
#[derive(Debug, Default)]
pub struct SandboxClock {
    ahead_ms: AtomicI64,
}

impl SandboxClock {
    pub fn advance(&self, by: Duration) {
        self.ahead_ms.fetch_add(by.num_milliseconds().max(0), Ordering::SeqCst);
    }
}

impl Clock for SandboxClock {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now() + Duration::milliseconds(self.ahead_ms.load(Ordering::SeqCst))
    }
}
