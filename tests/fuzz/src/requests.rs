//! What merchants and their staff send.

use chrono::{DateTime, Utc};
use gateway::masking;
use gateway::payments::orders::{CaptureRequest, NewPaymentRequest, NewPayoutRequest, ReturnRequest};
use plugin_sdk::{Currency, Money};
use rules::{Known, lint};

/// First byte: the currency. What is read is written as it was meant, to the last digit.
pub fn money(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else {
        return;
    };
    let currencies = [Currency::RUB, Currency::JPY, Currency::KWD, Currency::USD];
    let currency = currencies[usize::from(*first) % currencies.len()];
    let text = String::from_utf8_lossy(rest);
    if let Ok(money) = Money::parse(&text, currency) {
        assert_eq!(Money::parse(&money.decimal(), currency), Ok(money));
        let json = serde_json::to_string(&money).unwrap();
        assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money);
        if let Ok(twice) = money.checked_add(money) {
            assert_eq!(twice.checked_sub(money), Ok(money));
        }
    }
    let _ = serde_json::from_slice::<Money>(rest);
}

/// As `/v1` takes them; a moment that was read is written and read again.
pub fn dates(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(moment) = text.parse::<DateTime<Utc>>() {
        assert_eq!(moment.to_rfc3339().parse::<DateTime<Utc>>(), Ok(moment));
    }
    crate::networks::terminal(format!("\0command=pay&txn_id=1&account=1&sum=1.00&ccy=RUB&txn_date={text}").as_bytes());
}

pub fn requests(bytes: &[u8]) {
    let _ = serde_json::from_slice::<NewPaymentRequest>(bytes);
    let _ = serde_json::from_slice::<NewPayoutRequest>(bytes);
    let _ = serde_json::from_slice::<CaptureRequest>(bytes);
    let _ = serde_json::from_slice::<ReturnRequest>(bytes);
}

/// The check of a script before it is kept: it never runs it.
pub fn rules(bytes: &[u8]) {
    let known = Known {
        connections: Some(vec!["card-main".to_owned()]),
        lists: Some(vec!["contracts".to_owned()]),
        credentials: None,
    };
    let lines = bytes.split(|byte| *byte == b'\n').count();
    for finding in lint(bytes, &known) {
        let line = usize::try_from(finding.line).unwrap();
        assert!(line <= lines + 1, "it points behind the end: {finding:?}");
    }
}

/// No card number is left in what is kept.
pub fn masking(bytes: &[u8]) {
    /// What these name is no card, however it looks.
    const IDS: [&str; 4] = ["txn_id=", "osmp_txn_id>", "prv_txn>", "txn_date="];
    let text = String::from_utf8_lossy(bytes);
    if IDS.iter().any(|id| text.contains(id)) {
        let _ = masking::text(&text);
        return;
    }
    let masked = masking::text(&text);
    let read = unescaped(&masked);
    for run in [&masked, &read]
        .into_iter()
        .flat_map(|text| text.split(|letter: char| !letter.is_ascii_digit()))
    {
        assert!(!masking::is_card_number(run), "{run} is left of {text:?}");
    }
}

/// With a space for all that a URL escapes, which are no digits any more.
fn unescaped(text: &str) -> String {
    let mut parts = text.split('%');
    let mut read = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_escape = part.len() >= 2 && part.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
        read.push(' ');
        read.push_str(if is_escape { &part[2..] } else { part });
    }
    read
}
