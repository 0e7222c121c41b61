//! Sums as QIWI writes them (§2): two decimals in answers, bare numbers in notifications.

use serde_json::{Number, Value, json};

use super::json::Node;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum {
    /// Hundredths.
    pub cents: i64,
    pub currency: String,
}

/// Digits before the point that are read at all; far from an overflow.
const WHOLE_MAX: usize = 12;
/// D-26, in the strict simulator.
const STRICT_WHOLE_MAX: usize = 6;

pub const DIGITS: &str = "Invalid money format. Should have 2 fraction digits";
pub const POSITIVE: &str = "Invalid format. Amount value must be greater then zero";
const UNREADABLE: &str = "Invalid money format";
const CURRENCY: &str = "Invalid currency code";

impl Sum {
    /// D-3: two fraction digits, or none.
    pub fn read(node: &Node, strict_digits: bool, strict_whole: bool) -> Result<Self, &'static str> {
        let text = match node.at("value") {
            Node::Number(text) | Node::Text(text) => text.as_str(),
            _ => return Err(UNREADABLE),
        };
        let currency = node.at("currency").text().unwrap_or_default();
        if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(CURRENCY);
        }
        let negative = text.starts_with('-');
        let (whole, fraction) = match text.trim_start_matches('-').split_once('.') {
            Some((_, "")) => return Err(UNREADABLE),
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (text.trim_start_matches('-'), None),
        };
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || whole.len() > WHOLE_MAX || !digits(whole) || !digits(fraction.unwrap_or_default()) {
            return Err(UNREADABLE);
        }
        if strict_digits && fraction.is_some_and(|fraction| fraction.len() != 2) {
            return Err(DIGITS);
        }
        if strict_whole && whole.len() > STRICT_WHOLE_MAX {
            return Err(UNREADABLE);
        }
        // §2: what is beyond is cut.
        let kept: String = fraction
            .unwrap_or_default()
            .chars()
            .chain("00".chars())
            .take(2)
            .collect();
        let cents: i64 = format!("{whole}{kept}").parse().map_err(|_| UNREADABLE)?;
        if negative || cents == 0 {
            return Err(POSITIVE);
        }
        Ok(Self {
            cents,
            currency: currency.to_owned(),
        })
    }

    pub fn of(&self, cents: i64) -> Self {
        Self {
            cents,
            currency: self.currency.clone(),
        }
    }

    pub fn in_answer(&self) -> Value {
        json!({ "currency": self.currency, "value": two_decimals(self.cents) })
    }

    /// As the serializer of notifications has it: no zeros at the end.
    pub fn in_notification(&self) -> Value {
        let text = two_decimals(self.cents);
        let text = text.trim_end_matches('0').trim_end_matches('.');
        let value: Number = serde_json::from_str(text).unwrap_or_else(|_| Number::from(0));
        json!({ "value": value, "currency": self.currency })
    }
}

pub fn two_decimals(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn read(value: &str) -> Result<i64, &'static str> {
        let node = Node::parse(format!(r#"{{"value":{value},"currency":"RUB"}}"#).as_bytes()).unwrap();
        Sum::read(&node, true, false).map(|sum| sum.cents)
    }

    #[rstest]
    #[case("100.00", Ok(10_000))]
    #[case(r#""3.00""#, Ok(300))]
    #[case("5", Ok(500))]
    #[case("3.0", Err(DIGITS))]
    #[case("3.001", Err(DIGITS))]
    #[case("0.00", Err(POSITIVE))]
    #[case("-1.00", Err(POSITIVE))]
    #[case("1e3", Err(UNREADABLE))]
    #[case("null", Err(UNREADABLE))]
    #[case("99999999999999999999", Err(UNREADABLE))]
    fn a_sum_is_read_as_production_did(#[case] value: &str, #[case] expected: Result<i64, &'static str>) {
        assert_eq!(read(value), expected);
    }

    #[rstest]
    #[case(500, "5", "5.00")]
    #[case(250, "2.5", "2.50")]
    #[case(221_124, "2211.24", "2211.24")]
    #[case(1_000, "10", "10.00")]
    fn answers_and_notifications_write_it_their_own_way(#[case] cents: i64, #[case] bare: &str, #[case] full: &str) {
        let sum = Sum {
            cents,
            currency: "RUB".to_owned(),
        };
        assert_eq!(sum.in_notification()["value"].to_string(), bare);
        assert_eq!(sum.in_answer()["value"], full);
    }
}
