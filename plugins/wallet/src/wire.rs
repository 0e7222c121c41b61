//! What the network writes (§1.3, §5). Numbers are taken as the text that they are, never as binary floats; members that
//! nobody needs are ignored, and a word that nobody knows is kept as it is.

use chrono::{DateTime, FixedOffset, SecondsFormat, Utc};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use plugin_sdk::{Currency, Money};
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// Moscow's distance from UTC, in seconds.
const MOSCOW_S: i32 = 3 * 3_600;
/// The only currency of a payment (§6.2).
pub const RUBLE: &str = "643";

/// A scalar as text: of a string what it says, of a number its digits as written, of anything else nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Word(pub Option<String>);

impl Word {
    pub fn text(&self) -> Option<&str> {
        self.0.as_deref()
    }

    pub fn or_empty(&self) -> &str {
        self.text().unwrap_or_default()
    }

    /// What it says, unless that is nothing.
    pub fn told(&self) -> Option<String> {
        self.text()
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    }

    pub fn is_true(&self) -> bool {
        self.text() == Some("true")
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(scalar(&Box::<RawValue>::deserialize(deserializer)?)))
    }
}

/// The text of a string, a number or a boolean.
pub fn scalar(raw: &RawValue) -> Option<String> {
    let text = raw.get();
    match text.as_bytes().first()? {
        b'"' => serde_json::from_str(text).ok(),
        b'{' | b'[' | b'n' => None,
        _ => Some(text.to_owned()),
    }
}

/// `{"amount": 70, "currency": "RUB"}`; the old balance says `currencyId`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Amount {
    pub amount: Word,
    #[serde(alias = "currencyId")]
    pub currency: Word,
}

impl Amount {
    pub fn money(&self) -> Option<Money> {
        let text = self.amount.text()?.trim();
        let number = Decimal::from_str_exact(text).or_else(|_| Decimal::from_scientific(text));
        Money::parse(&number.ok()?.normalize().to_string(), currency(self.currency.text()?)?).ok()
    }
}

/// §5.1: letters, digits in a text, or a number.
pub fn currency(word: &str) -> Option<Currency> {
    match word.parse() {
        Ok(number) => Currency::from_numeric(number),
        Err(_) => Currency::from_code(word),
    }
}

/// An amount as the network reads it. The number is written by us digit by digit.
#[derive(Serialize)]
pub struct Sum {
    pub amount: Box<RawValue>,
    pub currency: &'static str,
}

impl Sum {
    /// Of rubles; `None` for any other currency.
    pub fn of(money: Money) -> Option<Self> {
        if money.currency() != Currency::RUB {
            return None;
        }
        Some(Self {
            amount: RawValue::from_string(money.decimal()).ok()?,
            currency: RUBLE,
        })
    }
}

/// One transaction of the history (§5.1), as far as it is used.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Transaction {
    pub txn_id: Word,
    pub date: Word,
    pub error_code: Word,
    pub error: Word,
    pub status: Word,
    #[serde(rename = "type")]
    pub kind: Word,
    pub status_text: Word,
    pub trm_txn_id: Word,
    pub account: Word,
    pub sum: Option<Amount>,
    pub commission: Option<Amount>,
    pub total: Option<Amount>,
    pub comment: Word,
}

impl Transaction {
    pub fn at(&self) -> Option<DateTime<Utc>> {
        moment(self.date.text()?)
    }

    /// Our number. The page prints one with a colon before it (§15 A2).
    pub fn number(&self) -> Option<u64> {
        let text = self.trm_txn_id.text()?;
        text.strip_prefix(':').unwrap_or(text).parse().ok()
    }
}

/// A page of the history. One without `data` is none: absence must not be read out of somebody else's answer.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    pub data: Vec<Transaction>,
    #[serde(default)]
    pub next_txn_id: Word,
    #[serde(default)]
    pub next_txn_date: Word,
}

pub fn moment(text: &str) -> Option<DateTime<Utc>> {
    Some(DateTime::parse_from_rfc3339(text).ok()?.with_timezone(&Utc))
}

/// In Moscow's time, to the second, and encoded for a query.
pub fn date(at: DateTime<Utc>) -> String {
    let moscow = FixedOffset::east_opt(MOSCOW_S).map_or_else(
        || at.to_rfc3339_opts(SecondsFormat::Secs, false),
        |zone| at.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Secs, false),
    );
    encoded(&moscow)
}

pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn money(json: &str) -> Option<Money> {
        serde_json::from_str::<Amount>(json).unwrap().money()
    }

    #[test]
    fn amounts_are_read_from_their_digits_in_every_documented_form() {
        let rub = |minor| Some(Money::from_minor(minor, Currency::RUB));
        assert_eq!(money(r#"{"amount":70,"currency":"RUB"}"#), rub(7_000));
        assert_eq!(money(r#"{"amount":3497.5,"currency":643}"#), rub(349_750));
        assert_eq!(money(r#"{"amount":"10.01","currency":"643"}"#), rub(1_001));
        assert_eq!(money(r#"{"amount":3.15,"currencyId":643}"#), rub(315));
        assert_eq!(
            money(r#"{"amount":1.234567891E6,"currency":643}"#),
            None,
            "a tenth of a kopeck is no amount"
        );
        assert_eq!(money(r#"{"amount":1.2345678E7,"currency":643}"#), rub(1_234_567_800));
        assert_eq!(
            money(r#"{"amount":8.29,"currency":643}"#),
            rub(829),
            "as a double it is 8.28999…"
        );
        assert_eq!(
            money(r#"{"amount":5,"currency":398}"#).map(|money| money.currency()),
            Some(Currency::KZT)
        );
        for nonsense in [
            r#"{}"#,
            r#"{"amount":null,"currency":643}"#,
            r#"{"amount":1,"currency":"???"}"#,
        ] {
            assert_eq!(money(nonsense), None);
        }
    }

    #[test]
    fn dates_are_written_in_moscow_time_and_encoded() {
        let at = moment("2017-02-28T21:00:00Z").unwrap();
        assert_eq!(date(at), "2017%2D03%2D01T00%3A00%3A00%2B03%3A00");
        assert_eq!(moment("2017-03-01T00:00:00+03:00"), Some(at));
    }
}
