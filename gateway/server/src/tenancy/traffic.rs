//! How much traffic a merchant, a connection and an API key may bring: what the operator sets, over what the
//! installation gives everybody, and below that what the merchant allows itself.

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use store::LimitLevel;
use utoipa::ToSchema;

/// Windows that one level may have.
const WINDOWS_MAX: usize = 4;
/// What the names of a merchant's own windows begin with.
const OWN_PREFIX: &str = "own-";
/// Longest name of a window, in bytes.
const NAME_BYTES_MAX: usize = 20;
/// Longest window: a day.
const SECONDS_MAX: u32 = 86_400;
/// Most requests of a window.
const REQUESTS_MAX: u32 = 10_000_000;
/// Fastest rate, in requests a second: the finest that Redis's clock tells apart.
const PER_SECOND_MAX: u32 = 100_000;
/// Most requests at work, or sockets open, at once.
const AT_ONCE_MAX: u32 = 100_000;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct TrafficError {
    pub field: &'static str,
    pub message: String,
}

impl TrafficError {
    fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self {
            field,
            message: message.into(),
        }
    }
}

/// So many requests in so many seconds, evenly: GCRA.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RateWindow {
    /// Names the window in answers: 1 to 20 lower-case letters, digits and hyphens.
    #[schema(example = "second")]
    pub name: String,
    /// Requests of the window: 1 to 10 000 000, and at most 100 000 a second.
    #[schema(example = 50)]
    pub requests: u32,
    /// Length of the window: 1 to 86 400.
    #[schema(example = 1)]
    pub seconds: u32,
    /// So many may come at once; all of the window's requests when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
}

impl RateWindow {
    #[must_use]
    pub fn burst(&self) -> u32 {
        self.burst.unwrap_or(self.requests).max(1)
    }

    fn checked(&self, field: &'static str) -> Result<(), TrafficError> {
        let name = &self.name;
        let named = (1..=NAME_BYTES_MAX).contains(&name.len())
            && (name.bytes()).all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !named || name.starts_with(OWN_PREFIX) {
            let message = format!(
                "'{name}' is not a name of 1 to {NAME_BYTES_MAX} lower-case letters, digits and hyphens that does not begin with {OWN_PREFIX}"
            );
            return Err(TrafficError::new(field, message));
        }
        let numbers = (1..=SECONDS_MAX).contains(&self.seconds)
            && (1..=REQUESTS_MAX).contains(&self.requests)
            && self.requests / self.seconds <= PER_SECOND_MAX
            && self.burst.is_none_or(|burst| (1..=self.requests).contains(&burst));
        if numbers {
            return Ok(());
        }
        let message = format!(
            "window '{name}': seconds are 1 to {SECONDS_MAX}, requests 1 to {REQUESTS_MAX} and at most \
             {PER_SECOND_MAX} a second, burst 1 to requests"
        );
        Err(TrafficError::new(field, message))
    }
}

fn checked_windows(field: &'static str, windows: &[RateWindow]) -> Result<(), TrafficError> {
    if windows.len() > WINDOWS_MAX {
        return Err(TrafficError::new(field, format!("are at most {WINDOWS_MAX} windows")));
    }
    for window in windows {
        window.checked(field)?;
    }
    let names: HashSet<_> = windows.iter().map(|window| &window.name).collect();
    if names.len() < windows.len() {
        return Err(TrafficError::new(field, "two windows have one name"));
    }
    Ok(())
}

/// `second=50/1, minute=1000/60`, with `burst` as a third number: `minute=1000/60/100`. Empty text is no window.
pub fn read_windows(field: &'static str, text: &str) -> Result<Vec<RateWindow>, TrafficError> {
    let windows = text.split(',').map(str::trim).filter(|window| !window.is_empty());
    let windows: Option<Vec<_>> = windows.map(read_window).collect();
    let windows = windows.ok_or_else(|| {
        TrafficError::new(
            field,
            format!("'{text}': write windows as second=50/1, minute=1000/60, which is requests/seconds; a third number is the burst"),
        )
    })?;
    checked_windows(field, &windows)?;
    Ok(windows)
}

fn read_window(text: &str) -> Option<RateWindow> {
    let (name, numbers) = text.split_once('=')?;
    let numbers: Option<Vec<u32>> = numbers.split('/').map(|number| number.trim().parse().ok()).collect();
    let numbers = numbers?;
    let (requests, seconds, burst) = match numbers.as_slice() {
        [requests, seconds] => (*requests, *seconds, None),
        [requests, seconds, burst] => (*requests, *seconds, Some(*burst)),
        _ => return None,
    };
    Some(RateWindow {
        name: name.trim().to_owned(),
        requests,
        seconds,
        burst,
    })
}

/// What the operator sets for one merchant, connection or key. Absent means the installation's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrafficLimits {
    /// Requests; all windows must have room. An empty list: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rates: Option<Vec<RateWindow>>,
    /// Requests of one address (of one /64 for IPv6) to the merchant. Of merchants only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer_rates: Option<Vec<RateWindow>>,
    /// Requests that are at work at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<u32>,
    /// TCP connections that are in use at once. Of merchants and connections only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sockets: Option<u32>,
}

impl TrafficLimits {
    /// Checks what was typed for this level. `at_once_min`: what a network of it needs at once.
    pub fn checked(self, level: LimitLevel, at_once_min: u32) -> Result<Self, TrafficError> {
        checked_windows("rates", self.rates.as_deref().unwrap_or_default())?;
        checked_windows("peer_rates", self.peer_rates.as_deref().unwrap_or_default())?;
        if self.peer_rates.is_some() && level != LimitLevel::Merchant {
            return Err(TrafficError::new("peer_rates", "are limits of merchants only"));
        }
        if self.sockets.is_some() && level == LimitLevel::ApiKey {
            return Err(TrafficError::new(
                "sockets",
                "are limits of merchants and connections only",
            ));
        }
        for (field, value) in [("in_flight", self.in_flight), ("sockets", self.sockets)] {
            let Some(value) = value else { continue };
            if !(1..=AT_ONCE_MAX).contains(&value) {
                return Err(TrafficError::new(field, format!("is from 1 to {AT_ONCE_MAX}")));
            }
            if value < at_once_min {
                let message = format!(
                    "the network opens {at_once_min} connections at once and takes a refusal for trouble; \
                     say below_network_minimum to limit it all the same"
                );
                return Err(TrafficError::new(field, message));
            }
        }
        Ok(self)
    }

    /// Of a merchant's own limits. Windows need no such check: they only take away.
    pub fn not_above(&self, granted: &Traffic) -> Result<(), TrafficError> {
        let both = [
            ("in_flight", self.in_flight, granted.in_flight),
            ("sockets", self.sockets, granted.sockets),
        ];
        for (field, own, granted) in both {
            if own.is_some_and(|own| own > granted) {
                let message = format!("is more than the operator gave, {granted}; ask the operator for more");
                return Err(TrafficError::new(field, message));
            }
        }
        Ok(())
    }

    #[must_use]
    pub fn over(self, installation: &Traffic) -> Traffic {
        let windows = |own: Option<Vec<RateWindow>>, otherwise: &Arc<[RateWindow]>| {
            own.map_or_else(|| Arc::clone(otherwise), Into::into)
        };
        Traffic {
            rates: windows(self.rates, &installation.rates),
            peer_rates: windows(self.peer_rates, &installation.peer_rates),
            in_flight: self.in_flight.unwrap_or(installation.in_flight),
            sockets: self.sockets.unwrap_or(installation.sockets),
        }
    }
}

impl Traffic {
    /// Below what the operator gave. A merchant's own windows stand beside the operator's, and all must have room; of
    /// numbers the smaller one holds. So whatever either changes later, it is never more than the operator gave.
    #[must_use]
    pub fn lowered_by(self, own: TrafficLimits) -> Self {
        Self {
            rates: beside(self.rates, own.rates),
            peer_rates: beside(self.peer_rates, own.peer_rates),
            in_flight: own.in_flight.map_or(self.in_flight, |own| own.min(self.in_flight)),
            sockets: own.sockets.map_or(self.sockets, |own| own.min(self.sockets)),
        }
    }
}

/// The merchant's own windows have names of their own, whatever the operator's are called.
fn beside(operators: Arc<[RateWindow]>, own: Option<Vec<RateWindow>>) -> Arc<[RateWindow]> {
    let own = own.unwrap_or_default().into_iter().map(|window| RateWindow {
        name: format!("{OWN_PREFIX}{}", window.name),
        ..window
    });
    operators.iter().cloned().chain(own).collect()
}

/// What holds for one merchant, connection or key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Traffic {
    #[schema(value_type = Vec<RateWindow>)]
    pub rates: Arc<[RateWindow]>,
    #[schema(value_type = Vec<RateWindow>)]
    pub peer_rates: Arc<[RateWindow]>,
    pub in_flight: u32,
    pub sockets: u32,
}

/// What holds where nothing was set.
#[derive(Debug, Clone)]
pub struct TrafficDefaults {
    pub merchant: Arc<Traffic>,
    pub connection: Arc<Traffic>,
    pub api_key: Arc<Traffic>,
}

impl TrafficDefaults {
    #[must_use]
    pub fn of(&self, level: LimitLevel) -> &Arc<Traffic> {
        match level {
            LimitLevel::Merchant => &self.merchant,
            LimitLevel::Connection => &self.connection,
            LimitLevel::ApiKey => &self.api_key,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn windows_are_read_from_text() {
        let windows = read_windows("rates", "second=50/1, minute = 1000/60/100").unwrap();
        assert_eq!(
            (windows[0].requests, windows[0].seconds, windows[0].burst()),
            (50, 1, 50)
        );
        assert_eq!((windows[1].name.as_str(), windows[1].burst()), ("minute", 100));
        assert_eq!(read_windows("rates", " ").unwrap(), []);
    }

    #[rstest]
    #[case("50/1", "write windows")]
    #[case("second=50", "write windows")]
    #[case("second=50/1/50/1", "write windows")]
    #[case("second=x/1", "write windows")]
    #[case("Second=50/1", "lower-case")]
    #[case("second=0/1", "requests 1 to")]
    #[case("second=50/0", "seconds are 1 to")]
    #[case("second=100001/1", "a second")]
    #[case("second=50/1/51", "burst 1 to requests")]
    #[case("a=1/1,a=2/2", "one name")]
    #[case("a=1/1,b=1/1,c=1/1,d=1/1,e=1/1", "at most 4")]
    fn wrong_windows_are_refused(#[case] text: &str, #[case] told: &str) {
        let refused = read_windows("rates", text).unwrap_err().to_string();
        assert!(refused.contains(told), "{refused}");
    }

    #[test]
    fn a_merchants_own_limits_lower_and_never_raise() {
        let operators = Traffic {
            rates: read_windows("rates", "second=50/1").unwrap().into(),
            peer_rates: Arc::new([]),
            in_flight: 20,
            sockets: 30,
        };
        let own = |rates: &str, in_flight, sockets| TrafficLimits {
            rates: Some(read_windows("rates", rates).unwrap()),
            peer_rates: None,
            in_flight,
            sockets,
        };
        let lowered = operators
            .clone()
            .lowered_by(own("second=10/1, hour=100/3600", Some(15), None));
        let names: Vec<_> = lowered.rates.iter().map(|window| window.name.as_str()).collect();
        assert_eq!(names, ["second", "own-second", "own-hour"]);
        assert_eq!((lowered.in_flight, lowered.sockets), (15, 30));
        let raised = operators.clone().lowered_by(own("", Some(1_000), Some(1_000)));
        assert_eq!(raised, operators);
        assert!(read_windows("rates", "own-second=1/1").is_err());
    }

    #[test]
    fn a_network_is_not_choked_by_mistake() {
        let limits = |in_flight| TrafficLimits {
            in_flight: Some(in_flight),
            ..TrafficLimits::default()
        };
        let level = LimitLevel::Connection;
        assert!(
            limits(14)
                .checked(level, 15)
                .unwrap_err()
                .to_string()
                .contains("below_network_minimum")
        );
        assert!(limits(15).checked(level, 15).is_ok());
        assert!(limits(1).checked(level, 0).is_ok());
        assert!(limits(0).checked(level, 0).is_err());
    }
}
