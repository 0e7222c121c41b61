//! The signature (§3, §7.2): HMAC-SHA256 over the values, in the order of their names.

use std::fmt::Write;

use aws_lc_rs::hmac;
use plugin_sdk::Secret;

/// §7.2: what a callback's signature covers.
const CALLBACK_FIELDS: [&str; 8] = [
    "amount",
    "currency",
    "email",
    "error_code",
    "ip",
    "txn_id",
    "txn_status",
    "txn_type",
];

/// Values of parameters, joined as they are signed; `parameters` need no order. Empty values do not take part.
pub fn message<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut parameters: Vec<_> = parameters
        .into_iter()
        .filter(|(name, value)| *name != "sign" && !value.is_empty())
        .collect();
    parameters.sort_unstable();
    let values: Vec<_> = parameters.into_iter().map(|(_, value)| value).collect();
    values.join("|")
}

/// In lower-case hexadecimal digits.
pub fn sign(secret: &Secret, message: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let tag = hmac::sign(&key, message.as_bytes());
    tag.as_ref().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// In constant time, in either case of the digits.
pub fn verify(secret: &Secret, message: &str, sign: &str) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    unhex(sign).is_some_and(|tag| hmac::verify(&key, message.as_bytes(), &tag).is_ok())
}

/// The message of a callback whose members `text` gives as they were written.
pub fn callback_message<'a>(text: impl Fn(&str) -> Option<&'a str>) -> String {
    let covered = CALLBACK_FIELDS.map(|name| (name, text(name).unwrap_or_default()));
    message(covered)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let pairs = digits.chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
        let digits = pair.bytes().all(|byte| byte.is_ascii_hexdigit());
        digits.then(|| u8::from_str_radix(pair, 16).ok()).flatten()
    });
    pairs.collect()
}

#[cfg(test)]
#[path = "sign_tests.rs"]
mod tests;
