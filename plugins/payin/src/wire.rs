//! Scalars and shared objects of answers (§2, §4). Answers grow new fields and write old ones in several ways, so
//! everything is optional and read leniently; amounts are read from the very text of their number.

use chrono::{DateTime, FixedOffset, NaiveDateTime, SecondsFormat, TimeZone, Utc};
use plugin_sdk::{Currency, Money};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use plugin_sdk::connector::{ConnectorError, Facts, Split};

/// §2: Moscow's offset, which dates without one are in.
const MOSCOW_S: i32 = 3 * 3_600;
/// §2: requests have exactly two fraction digits.
const DIGITS: u32 = 2;

/// A text, or the text of whatever else stands there (D-24: numbers where texts are promised).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text(pub String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw: Box<RawValue> = Box::deserialize(deserializer)?;
        let text = raw.get();
        Ok(Self(serde_json::from_str(text).unwrap_or_else(|_| text.to_owned())))
    }
}

impl Text {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

pub fn owned(text: Option<&Text>) -> Option<String> {
    text.filter(|text| !text.0.is_empty()).map(|text| text.0.clone())
}

#[derive(Debug, Clone, Deserialize)]
pub struct Amount {
    pub value: Text,
    pub currency: Text,
}

impl Amount {
    pub fn money(&self) -> Option<Money> {
        Money::parse(self.value.as_str(), Currency::from_code(self.currency.as_str())?).ok()
    }
}

pub fn money(amount: Option<&Amount>) -> Option<Money> {
    amount.and_then(Amount::money)
}

/// An amount of a request, or why the network would not take it.
pub fn amount(money: Money) -> Result<Value, ConnectorError> {
    if money.exponent() != DIGITS || money.minor() <= 0 {
        return Err(ConnectorError::invalid(format!(
            "{money} cannot be sent: Payin takes amounts above zero with two decimal places"
        )));
    }
    Ok(json!({ "value": money.decimal(), "currency": money.currency().code() }))
}

/// All forms of §2: with offset and 0 to 6 digits of fraction, or without an offset.
pub fn time(text: Option<&Text>) -> Option<DateTime<Utc>> {
    let text = text?.as_str();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    let naive = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()?;
    Some(moscow()?.from_local_datetime(&naive).single()?.to_utc())
}

/// A date of a request, always with its offset.
pub fn written(time: DateTime<Utc>) -> String {
    match moscow() {
        Some(moscow) => time.with_timezone(&moscow).to_rfc3339_opts(SecondsFormat::Secs, false),
        None => time.to_rfc3339_opts(SecondsFormat::Secs, false),
    }
}

fn moscow() -> Option<FixedOffset> {
    FixedOffset::east_opt(MOSCOW_S)
}

/// §4.9, with the names of notifications beside those of answers (D-23).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Status {
    pub value: Option<Text>,
    pub changed_date_time: Option<Text>,
    #[serde(alias = "reasonCode")]
    pub reason: Option<Text>,
    pub reason_message: Option<Text>,
    pub error_code: Option<Text>,
    pub ps_error_code: Option<Text>,
}

/// §8.1: words of answers and of notifications for the same thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Waiting,
    /// A payout that waits for its completion.
    Init,
    Done,
    Refused,
    /// A word that this client does not know: not an end.
    Unknown,
}

impl Status {
    pub fn outcome(&self) -> Outcome {
        match self.value.as_ref().map_or("", Text::as_str) {
            "WAITING" => Outcome::Waiting,
            "INIT" => Outcome::Init,
            "COMPLETED" | "SUCCESS" => Outcome::Done,
            "DECLINED" | "DECLINE" => Outcome::Refused,
            _ => Outcome::Unknown,
        }
    }
}

pub fn outcome(status: Option<&Status>) -> Outcome {
    status.map_or(Outcome::Unknown, Status::outcome)
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Method {
    #[serde(rename = "type")]
    pub kind: Option<Text>,
    pub masked_pan: Option<Text>,
    pub rrn: Option<Text>,
    pub auth_code: Option<Text>,
    pub phone: Option<Text>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CardInfo {
    pub issuing_country: Option<Text>,
    pub issuing_bank: Option<Text>,
    pub payment_system: Option<Text>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ChequeData {
    pub id: Option<Text>,
    pub url: Option<Text>,
}

/// `createdToken` of answers, `tokenData` of notifications, `token` of QR codes.
#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Token {
    #[serde(alias = "paymentToken", alias = "value")]
    pub token: Option<Text>,
    pub name: Option<Text>,
    pub expired_date: Option<Text>,
    pub account: Option<Text>,
}

pub fn facts(method: Option<&Method>, card: Option<&CardInfo>, cheque: Option<&ChequeData>) -> Facts {
    let mut facts = Facts::default();
    if let Some(method) = method {
        facts.masked_pan = owned(method.masked_pan.as_ref());
        facts.rrn = owned(method.rrn.as_ref());
        facts.auth_code = owned(method.auth_code.as_ref());
        if let Some(kind) = owned(method.kind.as_ref()) {
            facts.more.insert("method".to_owned(), kind);
        }
    }
    if let Some(card) = card {
        facts.card_scheme = owned(card.payment_system.as_ref());
        facts.card_issuer = owned(card.issuing_bank.as_ref());
        facts.card_country = owned(card.issuing_country.as_ref());
    }
    facts.receipt_url = cheque.and_then(|cheque| owned(cheque.url.as_ref()));
    facts
}

pub type Flags = Option<Vec<Text>>;

pub fn has_flag(flags: &Flags, flag: &str) -> bool {
    flags.iter().flatten().any(|known| known.as_str() == flag)
}

/// §15: their sum must be the amount.
pub fn splits(splits: &[Split], whole: Money) -> Result<Value, ConnectorError> {
    let mut sum = Money::from_minor(0, whole.currency());
    let mut items = Vec::with_capacity(splits.len());
    for split in splits {
        sum = sum
            .checked_add(split.amount)
            .map_err(|error| ConnectorError::invalid(error.to_string()))?;
        let mut item = json!({
            "type": "MERCHANT_DETAILS",
            "siteUid": split.destination,
            "splitAmount": amount(split.amount)?,
        });
        put(&mut item, "orderId", split.order_id.as_deref());
        put(&mut item, "comment", split.description.as_deref());
        items.push(item);
    }
    if sum != whole {
        return Err(ConnectorError::invalid(format!(
            "the splits make {sum}, but the amount is {whole}"
        )));
    }
    Ok(Value::Array(items))
}

/// Adds what is there.
pub fn put(object: &mut Value, name: &str, value: Option<impl Into<Value>>) {
    if let (Some(object), Some(value)) = (object.as_object_mut(), value) {
        object.insert(name.to_owned(), value.into());
    }
}

/// At most so many characters of a free text.
pub fn cut(text: &str, max: usize) -> String {
    text.chars().take(max).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(r#""100.00""#, 10_000)]
    #[case("2.0", 200)]
    #[case("5", 500)]
    #[case("2211.24", 221_124)]
    #[case(r#""3.00""#, 300)]
    fn an_amount_is_read_from_its_text(#[case] value: &str, #[case] minor: i64) {
        let read: Amount = serde_json::from_str(&format!(r#"{{"value":{value},"currency":"RUB"}}"#)).unwrap();
        assert_eq!(read.money(), Some(Money::from_minor(minor, Currency::RUB)));
    }

    #[rstest]
    #[case("1e3")]
    #[case("2.005")]
    #[case("null")]
    #[case(r#"{"a":1}"#)]
    fn what_is_no_exact_amount_is_none(#[case] value: &str) {
        let read: Amount = serde_json::from_str(&format!(r#"{{"value":{value},"currency":"RUB"}}"#)).unwrap();
        assert_eq!(read.money(), None);
    }

    #[rstest]
    #[case("2023-03-22T18:38:24+03:00", "2023-03-22T15:38:24Z")]
    #[case("2024-03-20T16:29:58.96+03:00", "2024-03-20T13:29:58.960Z")]
    #[case("2023-11-24T13:18:55.100126+03:00", "2023-11-24T10:18:55.100126Z")]
    #[case("2022-04-05T11:27:41", "2022-04-05T08:27:41Z")]
    fn every_form_of_a_date_is_read(#[case] text: &str, #[case] utc: &str) {
        assert_eq!(time(Some(&Text(text.to_owned()))), Some(utc.parse().unwrap()));
    }

    #[test]
    fn a_date_is_written_with_its_offset() {
        let time = "2023-07-07T11:30:00Z".parse().unwrap();
        assert_eq!(written(time), "2023-07-07T14:30:00+03:00");
    }

    #[test]
    fn an_amount_is_sent_with_two_decimals() {
        assert_eq!(amount(Money::from_minor(300, Currency::RUB)).unwrap()["value"], "3.00");
        assert!(amount(Money::from_minor(0, Currency::RUB)).is_err());
        assert!(amount(Money::from_minor(300, Currency::JPY)).is_err());
    }

    #[test]
    fn splits_make_the_amount() {
        let split = |minor| Split {
            destination: "Obuc-00".to_owned(),
            amount: Money::from_minor(minor, Currency::RUB),
            order_id: None,
            description: None,
        };
        let whole = Money::from_minor(300, Currency::RUB);
        let made = splits(&[split(100), split(200)], whole).unwrap();
        assert_eq!(made[1]["splitAmount"]["value"], "2.00");
        assert!(splits(&[split(100), split(201)], whole).is_err());
    }
}
