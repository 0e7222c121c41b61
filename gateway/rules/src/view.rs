//! What the read-only views have in common.

use mlua::{BorrowedBytes, Error as LuaError, Lua, Value};

use crate::blame;
use crate::error::printable;
use crate::suggest;

/// Hostile names appear in messages only as far as they help.
const NAME_BYTES: usize = 40;

/// The name of the field that is asked for, without a copy of it.
pub(crate) fn key_bytes(key: &Value) -> Option<BorrowedBytes> {
    match key {
        Value::String(text) => Some(text.as_bytes()),
        _ => None,
    }
}

pub(crate) fn key_text(key: &Value) -> Option<String> {
    match key {
        Value::String(text) => text.to_str().ok().map(|text| text.to_owned()),
        _ => None,
    }
}

pub(crate) fn unknown_field(lua: &Lua, view: &str, key: &Value, known: &[&str]) -> LuaError {
    match key_text(key) {
        Some(name) => {
            let hint = suggest::hint(&name, known.iter().copied());
            blame::error(lua, format!("{view} has no field '{}'{hint}", shorten(&name)))
        }
        None => blame::error(lua, format!("{view} has only named fields")),
    }
}

pub(crate) fn shorten(text: &str) -> String {
    printable(text, NAME_BYTES)
}
