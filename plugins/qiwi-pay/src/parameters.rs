//! The parameters of one request: collected, signed, and written as JSON for the server API or as a form for the page.

use plugin_sdk::connector::{ConnectorError, NetworkFault};
use plugin_sdk::{Money, Secret};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

use crate::config::NestedSign;
use crate::sign;

/// §2: what is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    Sale = 1,
    FinishThreeDs = 2,
    Auth = 3,
    Capture = 5,
    Reversal = 6,
    Refund = 7,
    Payout = 20,
    Status = 30,
    Cards = 40,
}

/// §5: decimal places of every amount on the wire.
const PLACES: u32 = 2;

/// Parameters by name; each enters the signature as it is written.
pub struct Parameters {
    texts: BTreeMap<&'static str, String>,
    /// Written as JSON numbers.
    numbers: BTreeMap<&'static str, u64>,
    nested: Option<(&'static str, Box<RawValue>)>,
}

impl Parameters {
    pub fn new(opcode: Opcode, merchant_site: u64) -> Self {
        let numbers = [("opcode", opcode as u64), ("merchant_site", merchant_site)];
        Self {
            texts: BTreeMap::new(),
            numbers: BTreeMap::from(numbers),
            nested: None,
        }
    }

    /// A text as it is; an empty one is left out.
    pub fn put(&mut self, name: &'static str, value: impl Into<String>) {
        let value = value.into();
        if !value.is_empty() {
            self.texts.insert(name, value);
        }
    }

    /// A text of at most `max` characters; a longer one is refused before anything is sent.
    pub fn put_within(&mut self, name: &'static str, value: Option<&str>, max: usize) -> Result<(), ConnectorError> {
        let Some(value) = value else { return Ok(()) };
        if value.chars().count() > max {
            return Err(wrong(name, format!("is longer than {max} characters")));
        }
        self.put(name, value);
        Ok(())
    }

    /// A text of which the first `max` characters say enough.
    pub fn put_cut(&mut self, name: &'static str, value: Option<&str>, max: usize) {
        if let Some(value) = value {
            self.put(name, value.chars().take(max).collect::<String>());
        }
    }

    pub fn put_number(&mut self, name: &'static str, value: u64) {
        self.numbers.insert(name, value);
    }

    /// The network's id of a transaction, which is a number on the wire.
    pub fn put_txn(&mut self, id: Option<&str>) -> Result<(), ConnectorError> {
        let id = id.ok_or_else(|| wrong("txn_id", "the network has not told its id of the payment yet"))?;
        let id = id.parse().map_err(|_| wrong("txn_id", "is not a number"))?;
        self.put_number("txn_id", id);
        Ok(())
    }

    pub fn put_amount(&mut self, amount: Money) -> Result<(), ConnectorError> {
        self.put("amount", decimal(amount)?);
        Ok(())
    }

    pub fn put_currency(&mut self, amount: Money) {
        self.put_number("currency", u64::from(amount.currency().numeric()));
    }

    pub fn put_nested(&mut self, name: &'static str, json: Box<RawValue>) {
        self.nested = Some((name, json));
    }

    pub fn has(&self, name: &str) -> bool {
        self.texts.contains_key(name)
    }

    fn signed(&self, secret: &Secret, nested: NestedSign) -> String {
        let numbers: Vec<_> = self
            .numbers
            .iter()
            .map(|(name, value)| (*name, value.to_string()))
            .collect();
        let texts = self.texts.iter().map(|(name, value)| (*name, value.as_str()));
        let plain = texts.chain(numbers.iter().map(|(name, value)| (*name, value.as_str())));
        let nested = self.nested.iter().filter(|_| nested == NestedSign::CompactJson);
        let nested = nested.map(|(name, json)| (*name, json.get()));
        sign::sign(secret, &sign::message(plain.chain(nested)))
    }

    /// The body of a request to the server API.
    pub fn json(&self, secret: &Secret, nested: NestedSign) -> Result<Vec<u8>, ConnectorError> {
        let sign = self.signed(secret, nested);
        let mut object: BTreeMap<&str, Box<RawValue>> = BTreeMap::new();
        let unwritable = |error: serde_json::Error| ConnectorError::invalid(error.to_string());
        for (name, value) in self
            .texts
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .chain([("sign", &*sign)])
        {
            object.insert(name, serde_json::value::to_raw_value(value).map_err(unwritable)?);
        }
        for (name, value) in &self.numbers {
            object.insert(name, serde_json::value::to_raw_value(value).map_err(unwritable)?);
        }
        if let Some((name, json)) = &self.nested {
            object.insert(name, json.clone());
        }
        serde_json::to_vec(&object).map_err(unwritable)
    }

    /// Fields of the payment page's form.
    pub fn form(&self, secret: &Secret) -> Vec<(String, String)> {
        let numbers = self
            .numbers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.to_string()));
        let texts = self
            .texts
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        let sign = ("sign".to_owned(), self.signed(secret, NestedSign::Omitted));
        numbers.chain(texts).chain([sign]).collect()
    }
}

/// Two decimals, always, so that both sides sign one text.
pub fn decimal(amount: Money) -> Result<String, ConnectorError> {
    match amount.exponent() {
        PLACES => Ok(amount.decimal()),
        0 => Ok(format!("{}.00", amount.decimal())),
        _ => Err(wrong("amount", "QIWI PAY takes amounts with two decimals only")),
    }
}

/// A value of ours that the network would not take; nothing was sent.
pub fn wrong(field: &str, message: impl Into<String>) -> ConnectorError {
    ConnectorError::Invalid(NetworkFault {
        field: Some(field.to_owned()),
        message: message.into(),
        ..NetworkFault::default()
    })
}

/// A document that goes into a request as it is.
pub fn raw(json: &impl serde::Serialize) -> Result<Box<RawValue>, ConnectorError> {
    serde_json::value::to_raw_value(json).map_err(|error| ConnectorError::invalid(error.to_string()))
}

/// A decimal text as a JSON number with the same digits.
pub fn raw_number(text: &str) -> Result<Box<RawValue>, ConnectorError> {
    let is_number = serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_number());
    RawValue::from_string(text.to_owned())
        .ok()
        .filter(|_| is_number)
        .ok_or_else(|| wrong("amount", format!("'{text}' is not a decimal number")))
}
