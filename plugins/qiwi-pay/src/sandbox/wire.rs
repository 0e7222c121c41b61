//! Requests as they arrive and answers as they leave: texts of values, their signature, and JSON written by hand so that
//! an amount has exactly the digits that were meant.

use std::collections::BTreeMap;
use std::io::Read;

use aws_lc_rs::hmac;
use base64::Engine;
use serde_json::value::RawValue;

/// The most that a packed document may unfold to, in bytes.
const UNPACKED_MAX: u64 = 256 * 1024;

/// The parameters of one request.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    pub texts: BTreeMap<String, String>,
    /// Objects and lists, as they were written.
    pub nested: BTreeMap<String, String>,
}

impl Fields {
    /// A flat JSON object; numbers keep their digits.
    pub fn from_json(body: &[u8]) -> Option<Self> {
        let members: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(body).ok()?;
        let mut fields = Self::default();
        for (name, raw) in members {
            let text = raw.get();
            if text.starts_with(['{', '[']) {
                fields.nested.insert(name, text.to_owned());
            } else if text.starts_with('"') {
                fields.texts.insert(name, serde_json::from_str(text).ok()?);
            } else if text != "null" {
                fields.texts.insert(name, text.to_owned());
            }
        }
        Some(fields)
    }

    pub fn from_form(form: &str) -> Self {
        let pairs = url::form_urlencoded::parse(form.as_bytes());
        Self {
            texts: pairs.into_owned().collect(),
            nested: BTreeMap::new(),
        }
    }

    /// `None` when it is missing or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.texts
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    pub fn number(&self, name: &str) -> Option<i64> {
        self.get(name)?.parse().ok()
    }

    /// §3, with nested objects left out or as they were written (D-3).
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let Some(given) = self.get("sign").map(str::to_lowercase) else {
            return false;
        };
        let plain: BTreeMap<_, _> = self.texts.iter().filter(|(name, _)| *name != "sign").collect();
        let mut all = plain.clone();
        all.extend(&self.nested);
        [plain, all]
            .into_iter()
            .any(|values| hmac_hex(secret, &join(values.into_values().map(String::as_str))) == given)
    }
}

/// What stands between bars; empty values do not.
pub fn join<'a>(values: impl Iterator<Item = &'a str>) -> String {
    values.filter(|value| !value.is_empty()).collect::<Vec<_>>().join("|")
}

pub fn hmac_hex(secret: &str, text: &str) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), text.as_bytes());
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Something that looks like a UUID and is different for each text.
pub fn uuid_of(text: &str) -> String {
    let hex = hmac_hex("qiwi-pay sandbox", text);
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
    format!(
        "{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}

/// base64(zlib(text)), the other way round.
pub fn unpack(packed: &str) -> Option<String> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(packed).ok()?;
    let mut text = String::new();
    let mut reader = flate2::read::ZlibDecoder::new(bytes.as_slice()).take(UNPACKED_MAX);
    reader.read_to_string(&mut text).ok()?;
    Some(text)
}

/// Kopecks of a decimal text with at most two places.
pub fn kopecks(text: &str) -> Option<i64> {
    let (roubles, rest) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if roubles.is_empty() || roubles.len() > 14 || rest.len() > 2 || !digits(roubles) || !digits(rest) {
        return None;
    }
    format!("{roubles}{rest:0<2}").parse().ok()
}

/// Always with two places, which is a JSON number too.
pub fn roubles(kopecks: i64) -> String {
    format!("{}.{:02}", kopecks / 100, kopecks % 100)
}

/// A JSON object in the making.
#[derive(Default)]
pub struct Object(Vec<String>);

impl Object {
    pub fn raw(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.0.push(format!("\"{name}\":{value}"));
        self
    }

    pub fn text(self, name: &str, value: &str) -> Self {
        let quoted = serde_json::to_string(value).unwrap_or_default();
        self.raw(name, quoted)
    }

    pub fn maybe(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    pub fn done(self) -> String {
        format!("{{{}}}", self.0.join(","))
    }
}

/// §13: a no that is no transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub code: i64,
    pub errors: Vec<(String, String)>,
}

impl Refusal {
    pub const fn code(code: i64) -> Self {
        Self {
            code,
            errors: Vec::new(),
        }
    }

    pub fn field(field: &str, message: impl Into<String>) -> Self {
        Self {
            code: 8019,
            errors: vec![(field.to_owned(), message.into())],
        }
    }

    pub fn json(&self) -> String {
        let mut object = Object::default();
        if !self.errors.is_empty() {
            let errors = self.errors.iter();
            let errors = errors.map(|(field, message)| Object::default().text("field", field).text("message", message));
            let errors: Vec<_> = errors.map(Object::done).collect();
            object = object.raw("errors", format!("[{}]", errors.join(",")));
        }
        object
            .text("error_message", name_of(self.code))
            .raw("error_code", self.code)
            .done()
    }
}

/// §13.2.
pub const fn name_of(code: i64) -> &'static str {
    match code {
        8001 => "Internal error",
        8002 => "Operation not supported",
        8004 | 8062 => "Temporary error",
        8005 => "Route not found",
        8006 => "Card not supported",
        8008 => "No receiver data",
        8018 => "Parsing error",
        8019 => "Validation errors",
        8020 | 8060 => "Amount too big",
        8021 => "Merchant site not found",
        8022 => "Transaction not found",
        8023 => "Transaction expired",
        8025 => "Opcode is not allowed",
        8026 | 8027 => "Incorrect parent transaction",
        8028 => "Card expired",
        8051 => "Merchant disabled",
        8052 => "Incorrect transaction state",
        8054 => "Invalid signature",
        8055 => "Order already payed",
        8056 => "In process",
        8057 => "Card locked",
        8058 => "Access denied",
        8059 => "Currency is not allowed",
        8061 => "Currency mismatch",
        8069 => "Quantity limit of transactions is reached",
        8070 => "Amount of transaction is bigger than allowed",
        8151 => "Authentication failed",
        8153 => "Reattempt not permitted",
        8154 => "Try again later",
        8171 => "Reattempt not permitted by pay system",
        8152 | 8160..=8170 => "Transaction rejected",
        _ => "Unknown error",
    }
}
