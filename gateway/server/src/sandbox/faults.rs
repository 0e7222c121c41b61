//! Faults on order: by the header `X-Sandbox-Fault` of a request, or ahead for requests to come.

use std::collections::VecDeque;
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Faults that wait, at most.
const WAITING_MAX: usize = 1_000;
/// The longest delay.
const DELAY_MAX: Duration = Duration::from_secs(300);

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The answer comes later.
    Delay(Duration),
    /// The connection ends before the network acted.
    DropBefore,
    /// The network acts, and the connection ends without an answer.
    DropAfter,
    /// Status 500 without a body, before the network acted.
    ErrorBefore,
    /// The network acts and answers 500 without a body.
    ErrorAfter,
    /// The network acts and answers with what nobody can read.
    GarbageAfter,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is none of: delay:<milliseconds>, drop_before, drop_after, error_before, error_after, garbage_after")]
pub struct UnknownFault(String);

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        if let Some(delay) = text.strip_prefix("delay:").and_then(|ms| ms.trim().parse().ok()) {
            return Ok(Self::Delay(Duration::from_millis(delay).min(DELAY_MAX)));
        }
        match text {
            "drop_before" => Ok(Self::DropBefore),
            "drop_after" => Ok(Self::DropAfter),
            "error_before" => Ok(Self::ErrorBefore),
            "error_after" => Ok(Self::ErrorAfter),
            "garbage_after" => Ok(Self::GarbageAfter),
            other => Err(UnknownFault(other.chars().take(40).collect())),
        }
    }
}

/// What happens to notifications until it is said otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotificationFault {
    #[default]
    None,
    /// Each is sent twice.
    Duplicate,
    /// Those that fall due together are sent last first.
    Reverse,
    /// None is sent; the network believes that nobody answered.
    Drop,
}

/// A fault that waits for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Waiting {
    method: Option<String>,
    path_contains: String,
    fault: Fault,
}

/// An order of faults to come.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultOrder {
    /// Absent means any.
    pub method: Option<String>,
    /// Part of the path; empty means any.
    #[serde(default)]
    pub path: String,
    pub fault: Option<String>,
    /// For so many requests; 1 by default.
    pub times: Option<usize>,
    /// What happens to notifications from now on.
    pub notifications: Option<NotificationFault>,
}

#[derive(Default)]
pub struct Faults {
    waiting: Mutex<VecDeque<Waiting>>,
    notifications: Mutex<NotificationFault>,
}

impl Faults {
    pub fn order(&self, order: &FaultOrder) -> Result<(), UnknownFault> {
        let fault = order.fault.as_deref().map(str::parse).transpose()?;
        if let Some(notifications) = order.notifications {
            *lock(&self.notifications) = notifications;
        }
        let mut waiting = lock(&self.waiting);
        for _ in 0..order.times.unwrap_or(1).min(WAITING_MAX) {
            if let Some(fault) = fault
                && waiting.len() < WAITING_MAX
            {
                waiting.push_back(Waiting {
                    method: order.method.clone(),
                    path_contains: order.path.clone(),
                    fault,
                });
            }
        }
        Ok(())
    }

    /// The fault of this request, if one was ordered.
    pub fn take(&self, method: &str, path: &str) -> Option<Fault> {
        let mut waiting = lock(&self.waiting);
        let suits = |known: &Waiting| {
            known
                .method
                .as_deref()
                .is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
                && path.contains(&known.path_contains)
        };
        let at = waiting.iter().position(suits)?;
        waiting.remove(at).map(|found| found.fault)
    }

    /// Faults that no request has met yet.
    pub fn waiting(&self) -> usize {
        lock(&self.waiting).len()
    }

    pub fn of_notifications(&self) -> NotificationFault {
        *lock(&self.notifications)
    }

    pub fn clear(&self) {
        lock(&self.waiting).clear();
        *lock(&self.notifications) = NotificationFault::None;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_meets_the_requests_that_it_was_ordered_for() {
        let faults = Faults::default();
        let order = |path: &str, fault: &str, times| FaultOrder {
            method: Some("put".to_owned()),
            path: path.to_owned(),
            fault: Some(fault.to_owned()),
            times: Some(times),
            notifications: None,
        };
        faults.order(&order("/captures/", "drop_after", 2)).unwrap();
        assert_eq!(faults.take("PUT", "/bills/1"), None);
        assert_eq!(faults.take("GET", "/payments/1/captures/2"), None);
        assert_eq!(faults.take("PUT", "/payments/1/captures/2"), Some(Fault::DropAfter));
        assert_eq!(faults.take("PUT", "/payments/1/captures/2"), Some(Fault::DropAfter));
        assert_eq!(faults.take("PUT", "/payments/1/captures/2"), None);
        assert!(faults.order(&order("", "explode", 1)).is_err());
        assert_eq!("delay:250".parse(), Ok(Fault::Delay(Duration::from_millis(250))));
    }
}
