//! The complete facts of a `pay`, once they are known to be complete.

use chrono::{DateTime, Duration, Utc};
use plugin_sdk::{Booking, Money, NetworkRequest, PaymentKey};

/// A network repeats a payment for 24 hours; an hour more is slack for clocks.
const BOOKING_AGE_MAX: Duration = Duration::hours(25);

/// What a payment row cannot be without. A request that lacks one of these never becomes a payment.
pub struct Facts<'a> {
    pub key: &'a PaymentKey,
    pub account: &'a str,
    pub amount: Money,
}

impl<'a> Facts<'a> {
    pub fn of(request: &'a NetworkRequest) -> Option<Self> {
        Some(Self {
            key: request.key.as_ref()?,
            account: request.account.as_deref()?,
            amount: request.amount?,
        })
    }
}

/// Whether a person should look at the network's accounting moment: it lies in the future, or too far back.
pub fn is_suspect(booking: Option<&Booking>, received_at: DateTime<Utc>) -> bool {
    booking.is_some_and(|booking| booking.at > received_at || booking.at < received_at - BOOKING_AGE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_and_an_hour_are_believed() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let booked = |at| {
            Some(Booking {
                text: String::new(),
                at,
            })
        };
        assert!(!is_suspect(None, now));
        assert!(!is_suspect(booked(now).as_ref(), now));
        assert!(!is_suspect(booked(now - Duration::hours(25)).as_ref(), now));
        assert!(is_suspect(
            booked(now - Duration::hours(25) - Duration::seconds(1)).as_ref(),
            now
        ));
        assert!(is_suspect(booked(now + Duration::seconds(1)).as_ref(), now));
    }
}
