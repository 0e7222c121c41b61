//! A payment as merchants see it, in events and in REST alike.

use chrono::{DateTime, SecondsFormat, Utc};
use plugin_sdk::{Booking, ConnectionId, Money, PaymentId, PaymentKey, Reason};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use store::{NewPayment, Payment, PaymentStatus};

struct Seen<'a> {
    id: PaymentId,
    connection_id: ConnectionId,
    channel: &'a str,
    key: &'a PaymentKey,
    number: i64,
    account: &'a str,
    amount: Money,
    fee: Option<Money>,
    service: Option<&'a str>,
    status: PaymentStatus,
    reason: Option<Reason>,
    booking: Option<&'a Booking>,
    booking_suspect: bool,
    extras: &'a BTreeMap<String, String>,
    received_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
}

/// The payment of a stored row.
#[must_use]
pub fn payment_object(payment: &Payment) -> Value {
    object(&Seen {
        id: payment.id,
        connection_id: payment.connection_id,
        channel: &payment.channel,
        key: &payment.key,
        number: payment.number,
        account: &payment.account,
        amount: payment.amount,
        fee: payment.fee,
        service: payment.service.as_deref(),
        status: payment.status,
        reason: payment.reason,
        booking: payment.booking.as_ref(),
        booking_suspect: payment.booking_suspect,
        extras: &payment.extras,
        received_at: payment.received_at,
        created_at: payment.created_at,
    })
}

/// The payment of a row that is about to be written.
#[must_use]
pub fn new_payment_object(payment: &NewPayment) -> Value {
    object(&Seen {
        id: payment.id,
        connection_id: payment.connection_id,
        channel: &payment.channel,
        key: &payment.key,
        number: payment.number,
        account: &payment.account,
        amount: payment.amount,
        fee: payment.fee,
        service: payment.service.as_deref(),
        status: payment.status,
        reason: payment.reason,
        booking: payment.booking.as_ref(),
        booking_suspect: payment.booking_suspect,
        extras: &payment.extras,
        received_at: payment.received_at,
        created_at: payment.created_at,
    })
}

fn object(payment: &Seen<'_>) -> Value {
    json!({
        "id": payment.id,
        "connection_id": payment.connection_id,
        "channel": payment.channel,
        "network_id": payment.key.to_string(),
        // A text: readers that keep numbers as doubles must not round it.
        "number": payment.number.to_string(),
        "account": payment.account,
        "amount": payment.amount,
        "fee": payment.fee,
        "service": payment.service,
        "status": payment.status.as_str(),
        "reason": payment.reason,
        "booked_at": payment.booking.map(|booking| moment(booking.at)),
        "booked_text": payment.booking.map(|booking| booking.text.as_str()),
        "booking_suspect": payment.booking_suspect,
        "extras": payment.extras,
        "received_at": moment(payment.received_at),
        "created_at": moment(payment.created_at),
    })
}

/// A moment as merchants see it: UTC, in milliseconds.
#[must_use]
pub fn moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
