//! What an endpoint receives, by its format.

use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use store::Event;

/// A webhook's body with the headers that belong to its format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookBody {
    pub bytes: Vec<u8>,
    /// Whether it is signed by Standard Webhooks.
    pub signed: bool,
}

/// The event as Standard Webhooks recommends: `type`, `timestamp`, `data`.
#[must_use]
pub fn standard_body(event: &Event) -> WebhookBody {
    let body = json!({
        "type": event.event_type,
        "timestamp": event.created_at.to_rfc3339_opts(SecondsFormat::Millis, true),
        "data": event.payload,
    });
    WebhookBody {
        bytes: body.to_string().into_bytes(),
        signed: true,
    }
}

/// The seed container's body (`protocols/terminal.md §12.5`); `None` for an event that the container did not know.
#[must_use]
pub fn container_body(event: &Event, time_zone: Tz) -> Option<WebhookBody> {
    if event.event_type != super::PAYMENT_SUCCEEDED {
        return None;
    }
    let text = |pointer: &str| event.payload.pointer(pointer).and_then(Value::as_str);
    let created_at: DateTime<Utc> = text("/created_at")?.parse().ok()?;
    let body = ContainerBody {
        id: text("/number")?,
        account: text("/account")?,
        code: text("/network_id")?,
        // The container sends a JSON number; its digits are written as they are, no float is made of them.
        sum: RawValue::from_string(json_number(text("/amount/amount")?)).ok()?,
        created_at: created_at
            .with_timezone(&time_zone)
            .format("%Y-%m-%d %H:%M:%S")
            .to_string(),
    };
    Some(WebhookBody {
        bytes: serde_json::to_vec(&body).ok()?,
        signed: false,
    })
}

#[derive(serde::Serialize)]
struct ContainerBody<'a> {
    id: &'a str,
    account: &'a str,
    code: &'a str,
    sum: Box<RawValue>,
    created_at: String,
}

/// `45.00` as the container writes it: `45.0`.
fn json_number(decimal: &str) -> String {
    match decimal.split_once('.') {
        None => format!("{decimal}.0"),
        Some((whole, fraction)) => {
            let fraction = fraction.trim_end_matches('0');
            format!("{whole}.{}", if fraction.is_empty() { "0" } else { fraction })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plugin_sdk::{EventId, MerchantId};

    fn event(event_type: &str) -> Event {
        Event {
            id: EventId::generate(),
            merchant_id: MerchantId::generate(),
            event_type: event_type.to_owned(),
            payment_id: None,
            payload: json!({
                "number": "123", "account": "123456", "network_id": "563456456745",
                "amount": { "amount": "45.00", "currency": "RUB" }, "created_at": "2022-02-10T12:00:00.000Z",
            }),
            created_at: DateTime::from_timestamp(1_644_494_400, 0).unwrap(),
        }
    }

    #[test]
    fn the_container_body_is_the_documented_one() {
        let body = container_body(&event(super::super::PAYMENT_SUCCEEDED), Tz::UTC).unwrap();
        assert_eq!(
            String::from_utf8(body.bytes).unwrap(),
            r#"{"id":"123","account":"123456","code":"563456456745","sum":45.0,"created_at":"2022-02-10 12:00:00"}"#
        );
        assert!(!body.signed);
    }

    #[test]
    fn the_container_writes_local_time() {
        let body = container_body(&event(super::super::PAYMENT_SUCCEEDED), Tz::Europe__Moscow).unwrap();
        assert!(String::from_utf8(body.bytes).unwrap().contains("2022-02-10 15:00:00"));
    }

    #[test]
    fn other_events_have_no_container_body() {
        assert_eq!(container_body(&event(super::super::PAYMENT_DECLINED), Tz::UTC), None);
    }

    #[test]
    fn sums_are_written_digit_by_digit() {
        for (decimal, number) in [("45.00", "45.0"), ("45.50", "45.5"), ("0.01", "0.01"), ("7", "7.0")] {
            assert_eq!(json_number(decimal), number);
        }
    }
}
