//! Error bodies E1, E2 and E3, and how the network writes numbers and dates.

use chrono::{DateTime, FixedOffset, SecondsFormat, Utc};
use plugin_sdk::SandboxAnswer;
use serde_json::{Value, json};

/// E1.
pub fn service_error(status: u16, service: &str, code: &str, text: &str, now: DateTime<Utc>) -> SandboxAnswer {
    let moment = now
        .with_timezone(&moscow())
        .to_rfc3339_opts(SecondsFormat::Millis, false);
    SandboxAnswer::json(
        status,
        &json!({
            "serviceName": service, "errorCode": code, "description": text, "userMessage": text,
            "dateTime": moment, "traceId": format!("{:016x}", now.timestamp_micros()),
        }),
    )
}

pub fn invalid(service: &str, text: &str, now: DateTime<Utc>) -> SandboxAnswer {
    service_error(400, service, "validation.error", text, now)
}

pub fn forbidden(service: &str, now: DateTime<Utc>) -> SandboxAnswer {
    service_error(403, service, "auth.forbidden", "Access denied", now)
}

pub fn not_found(service: &str, code: &str, now: DateTime<Utc>) -> SandboxAnswer {
    service_error(404, service, code, "Not found", now)
}

/// 401 is empty.
pub fn unauthorized() -> SandboxAnswer {
    SandboxAnswer::empty(401)
}

/// E2.
pub fn payment_error(number: u32, text: &str) -> Value {
    json!({ "code": format!("QWPRC-{number}"), "message": text })
}

/// E3 around the answer of an inner service.
pub fn enveloped(status: u16, body: &Value) -> SandboxAnswer {
    SandboxAnswer::json(
        status,
        &json!({
            "code": { "value": "0", "_name": "NORMAL" },
            "data": { "body": body, "status": status },
            "message": null, "messages": null,
        }),
    )
}

/// A web answer of the site about itself.
pub fn site_says(status: u16, value: &str, message: Option<&str>) -> SandboxAnswer {
    let name = if value == "0" { "NORMAL" } else { "ERROR" };
    SandboxAnswer::json(
        status,
        &json!({ "code": { "value": value, "_name": name }, "data": null, "message": message, "messages": null }),
    )
}

/// An amount in kopecks as a JSON number in its shortest form. It is read from its digits; up to fifteen of them come
/// out again as they went in, and no wallet here holds more.
pub fn number(kopecks: i64) -> Value {
    serde_json::from_str(&shortest(kopecks)).unwrap_or_default()
}

pub fn shortest(kopecks: i64) -> String {
    let (rubles, rest) = (kopecks / 100, kopecks % 100);
    let text = match rest {
        0 => return rubles.to_string(),
        rest => format!("{rubles}.{rest:02}"),
    };
    text.trim_end_matches('0').to_owned()
}

/// Kopecks of a JSON number or of a text with digits; what is finer is cut off. `None` for anything else.
pub fn kopecks(value: &Value) -> Option<i64> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 13 || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let cents: String = fraction.chars().chain("00".chars()).take(2).collect();
    format!("{whole}{cents}").parse().ok()
}

pub fn moscow() -> FixedOffset {
    FixedOffset::east_opt(3 * 3600).unwrap_or_else(|| chrono::Offset::fix(&Utc))
}

pub fn dated(at: DateTime<Utc>, zone: FixedOffset) -> String {
    at.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Secs, false)
}
