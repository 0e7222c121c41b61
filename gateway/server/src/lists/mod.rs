//! Merchants' own lists: what may stand in them, how a file becomes one, and how rules ask them.

mod book;
mod imports;
mod lookup;
mod rows;
mod sorting;

pub use book::{ListBook, ListLimits, ListRefusal};
pub use imports::{ImportJob, Imports, Upload};
pub use lookup::{Entry, Lists, LookupError};
pub use rows::Format;

use serde_json::Value;
use store::ListEntry;

/// Longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 128;
/// Longest value, in bytes of its JSON text.
pub const VALUE_BYTES_MAX: usize = 1_024;
/// Objects and arrays of a value nest at most this deep.
pub const VALUE_DEPTH_MAX: usize = 8;
/// Rows of one file at most, repeated ones included.
pub const FILE_ROWS_MAX: u64 = 5_000_000;
/// Lists of one merchant.
pub const LISTS_MAX: u64 = 100;

/// Keys are exact bytes: nothing is trimmed, folded or normalised.
pub fn check_key(key: &str) -> Result<(), String> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(format!("the key has {} bytes; it has 1 to {KEY_BYTES_MAX}", key.len()));
    }
    if key.chars().any(char::is_control) {
        return Err("the key holds a control character".to_owned());
    }
    Ok(())
}

/// The text is kept as it is, so that a number in it loses no digit.
pub fn check_value(text: &str) -> Result<(), String> {
    if text.len() > VALUE_BYTES_MAX {
        let length = text.len();
        return Err(format!(
            "the value has {length} bytes; it has at most {VALUE_BYTES_MAX}"
        ));
    }
    let value: Value = serde_json::from_str(text).map_err(|error| format!("the value is not JSON: {error}"))?;
    if depth(&value) > VALUE_DEPTH_MAX {
        return Err(format!("the value nests deeper than {VALUE_DEPTH_MAX}"));
    }
    Ok(())
}

/// No more than the reader of JSON lets through, which has a limit of its own.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// An entry as it may be stored; a value of `null` is no value.
pub fn entry(key: String, value: Option<&str>) -> Result<ListEntry, String> {
    check_key(&key)?;
    let value = value.map(str::trim).filter(|text| *text != "null");
    if let Some(text) = value {
        check_value(text)?;
    }
    Ok(ListEntry {
        key,
        value: value.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_kept_to_the_digit() {
        let text = r#" {"limit": 1.10, "id": 12345678901234567890123} "#;
        let kept = entry("a".to_owned(), Some(text)).unwrap();
        assert_eq!(kept.value.as_deref(), Some(text.trim()));
        assert_eq!(entry("a".to_owned(), Some("null")).unwrap().value, None);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_measure() {
        let deep = format!("{}1{}", "[".repeat(9), "]".repeat(9));
        let long = format!("\"{}\"", "x".repeat(VALUE_BYTES_MAX));
        for (key, value, part) in [
            ("", None, "0 bytes"),
            (&*"k".repeat(129), None, "129 bytes"),
            ("a\tb", None, "control"),
            ("a", Some("{"), "not JSON"),
            ("a", Some("1e999"), "not JSON"),
            ("a", Some(&*deep), "deeper than 8"),
            ("a", Some(&*long), "1026 bytes"),
        ] {
            let refusal = entry(key.to_owned(), value).unwrap_err();
            assert!(refusal.contains(part), "{refusal}");
        }
        assert!(entry("k".repeat(128), Some(&"[".repeat(0))).is_err());
        assert!(entry("é ".to_owned(), Some("[[[[[[[[]]]]]]]]")).is_ok());
    }
}
