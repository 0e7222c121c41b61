//! What a caller of `/v1` is told of its rates, and which requests go first when the node is behind.

use std::fmt::Write as _;

use actix_web::http::Method;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::edge::guards::QuotaView;
use crate::edge::guards::shedding::Class;

/// As in draft-ietf-httpapi-ratelimit-headers-10.
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const NOW: HeaderName = HeaderName::from_static("ratelimit");

/// Every answer tells the windows, and how they stand after it.
pub fn tell(headers: &mut HeaderMap, quotas: &[QuotaView]) {
    if quotas.is_empty() {
        return;
    }
    let (mut policy, mut now) = (String::new(), String::new());
    for quota in quotas {
        let comma = if policy.is_empty() { "" } else { ", " };
        let QuotaView {
            name,
            requests,
            seconds,
            remaining,
            full_in,
        } = quota;
        // Names are of letters, digits and hyphens: nothing to escape. Writing to a text does not fail.
        let _ = write!(policy, "{comma}\"{name}\";q={requests};w={seconds}");
        let full_in_s = full_in.as_millis().div_ceil(1_000);
        let _ = write!(now, "{comma}\"{name}\";r={remaining};t={full_in_s}");
    }
    for (name, value) in [(POLICY, policy), (NOW, now)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
}

/// What a request is for, by its method and path.
#[must_use]
pub fn class_of(method: &Method, path: &str) -> Class {
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    match (method.as_str(), parts.as_slice()) {
        ("POST", [_, "payments" | "payouts"]) => Class::NewPayment,
        ("GET", [_, "payments" | "payouts", _]) => Class::Vital,
        ("GET", _) => Class::Lists,
        _ => Class::Vital,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_headers_are_those_of_the_draft() {
        let quota = |name: &str, remaining, full_in| QuotaView {
            name: name.to_owned(),
            requests: 10,
            seconds: 1,
            remaining,
            full_in,
        };
        let mut headers = HeaderMap::new();
        let quotas = [
            quota("api-key-second", 8, Duration::from_millis(200)),
            quota("merchant-day", 0, Duration::ZERO),
        ];
        tell(&mut headers, &quotas);
        let header = |name: HeaderName| headers.get(name).unwrap().to_str().unwrap().to_owned();
        assert_eq!(header(POLICY), r#""api-key-second";q=10;w=1, "merchant-day";q=10;w=1"#);
        assert_eq!(header(NOW), r#""api-key-second";r=8;t=1, "merchant-day";r=0;t=0"#);
    }

    #[test]
    fn what_ends_a_payment_goes_before_what_begins_one() {
        let class = |method: Method, path| class_of(&method, path);
        assert_eq!(class(Method::POST, "/v1/payments"), Class::NewPayment);
        assert_eq!(class(Method::POST, "/v1/payments/pay_1/capture"), Class::Vital);
        assert_eq!(class(Method::GET, "/v1/payments/pay_1"), Class::Vital);
        assert_eq!(class(Method::GET, "/v1/payments"), Class::Lists);
        assert_eq!(class(Method::GET, "/v1/payments/pay_1/refunds"), Class::Lists);
        assert_eq!(class(Method::GET, "/v1/events"), Class::Lists);
    }
}
