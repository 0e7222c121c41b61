//! JSON for scripts, both ways. No float appears on either: a number that is not whole stays the text that it was.

use std::collections::BTreeMap;

use mlua::{IntoLua, Lua, Table, Value};
use serde_json::value::RawValue;

use crate::fields::{key_text, shorten};
use crate::limits::{CASE_BYTES, CASE_NODES, HTTP_BODY_BYTES, JSON_DEPTH, JSON_NODES};
use crate::money::{kind_of, money_of, whole};
use crate::reading::Meter;

/// Largest whole number that a Lua number holds exactly.
const WHOLE_MAX: i64 = 1 << 53;

/// Frozen tables of texts, whole numbers, `true` and `false`. A `null` in an object is an absent field, in a list it is
/// `false`; a number that Lua would round is its text.
pub(crate) fn to_lua(lua: &Lua, json: &str) -> Result<Value, String> {
    let raw: &RawValue = serde_json::from_str(json).map_err(|error| format!("not JSON: {error}"))?;
    Reader { lua, nodes: 0 }.value(raw, 0)
}

struct Reader<'a> {
    lua: &'a Lua,
    nodes: usize,
}

impl Reader<'_> {
    fn value(&mut self, raw: &RawValue, depth: usize) -> Result<Value, String> {
        self.nodes += 1;
        if self.nodes > JSON_NODES {
            return Err(format!("the JSON has more than {JSON_NODES} values"));
        }
        if depth > JSON_DEPTH {
            return Err(format!("the JSON is nested deeper than {JSON_DEPTH} levels"));
        }
        let text = raw.get();
        match text.bytes().next() {
            Some(b'{') => self.object(text, depth).map(Value::Table),
            Some(b'[') => self.list(text, depth).map(Value::Table),
            Some(b'"') => self.lua_of(read::<String>(text)?),
            Some(b't') => Ok(Value::Boolean(true)),
            Some(b'f') => Ok(Value::Boolean(false)),
            Some(b'n') | None => Ok(Value::Nil),
            Some(_) => match text.parse::<i64>() {
                Ok(number) if (-WHOLE_MAX..=WHOLE_MAX).contains(&number) => self.lua_of(number),
                _ => self.lua_of(text),
            },
        }
    }

    fn object(&mut self, text: &str, depth: usize) -> Result<Table, String> {
        let entries = read::<BTreeMap<String, &RawValue>>(text)?;
        let table = self.lua.create_table().map_err(told)?;
        for (name, raw) in entries {
            let value = self.value(raw, depth + 1)?;
            table.raw_set(name, value).map_err(told)?;
        }
        table.set_readonly(true);
        Ok(table)
    }

    fn list(&mut self, text: &str, depth: usize) -> Result<Table, String> {
        let entries = read::<Vec<&RawValue>>(text)?;
        let table = self.lua.create_table().map_err(told)?;
        for raw in entries {
            let value = match self.value(raw, depth + 1)? {
                Value::Nil => Value::Boolean(false),
                value => value,
            };
            table.raw_push(value).map_err(told)?;
        }
        table.set_readonly(true);
        Ok(table)
    }

    fn lua_of(&self, value: impl IntoLua) -> Result<Value, String> {
        value.into_lua(self.lua).map_err(told)
    }
}

fn read<'a, T: serde::Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Writes a script's table, with names in order so that the same table is always the same text.
pub(crate) fn from_lua(value: &Value) -> Result<String, String> {
    let json = write(&mut Meter::default(), value, 0)?;
    let text = json.to_string();
    if text.len() > HTTP_BODY_BYTES {
        return Err(format!("the JSON is longer than {HTTP_BODY_BYTES} bytes"));
    }
    Ok(text)
}

/// A test case: the entries of a table but one, which is no JSON.
pub(crate) fn case_form(table: &Table, without: &str) -> Result<serde_json::Value, String> {
    let mut entries = serde_json::Map::new();
    let meter = &mut Meter::of(CASE_BYTES, CASE_NODES);
    meter.each(table, "test", |meter, key, value| {
        let name = key_text(key).ok_or("a test has named entries")?;
        if name != without {
            let written = write(meter, value, 1).map_err(|problem| format!("{}: {problem}", shorten(&name)))?;
            entries.insert(name, written);
        }
        Ok(())
    })?;
    Ok(entries.into())
}

fn write(meter: &mut Meter, value: &Value, depth: usize) -> Result<serde_json::Value, String> {
    if depth > JSON_DEPTH {
        return Err(format!("the table is nested deeper than {JSON_DEPTH} levels"));
    }
    Ok(match value {
        Value::Boolean(flag) => (*flag).into(),
        Value::String(text) => meter.plain("a text for JSON", text)?.into(),
        Value::Table(table) if table.raw_len() > 0 => list(meter, table, depth)?.into(),
        Value::Table(table) => object(meter, table, depth)?.into(),
        other => match (whole(other), money_of(other)) {
            (Some(number), _) => number.into(),
            (None, Some(money)) => serde_json::to_value(money).map_err(told)?,
            (None, None) => {
                let kind = kind_of(other);
                return Err(format!(
                    "JSON is made of texts, whole numbers, true and false, money and tables of them; got {kind}"
                ));
            }
        },
    })
}

fn list(meter: &mut Meter, table: &Table, depth: usize) -> Result<Vec<serde_json::Value>, String> {
    let mut entries = BTreeMap::new();
    meter.each(table, "JSON", |meter, key, value| {
        let position = whole(key).ok_or("JSON: a table is a list or has names, not both")?;
        entries.insert(position, write(meter, value, depth + 1)?);
        Ok(())
    })?;
    if !entries.keys().zip(1_i64..).all(|(key, place)| *key == place) {
        return Err(String::from("JSON: the list has a hole"));
    }
    Ok(entries.into_values().collect())
}

fn object(
    meter: &mut Meter,
    table: &Table,
    depth: usize,
) -> Result<serde_json::Map<String, serde_json::Value>, String> {
    let mut entries = BTreeMap::new();
    meter.each(table, "JSON", |meter, key, value| {
        let Value::String(name) = key else {
            return Err(String::from("JSON: a table is a list or has names, not both"));
        };
        let name = meter.plain("JSON: a name", name)?;
        let value = write(meter, value, depth + 1).map_err(|text| match depth {
            0 => format!("'{}': {text}", shorten(&name)),
            _ => text,
        })?;
        entries.insert(name, value);
        Ok(())
    })?;
    Ok(entries.into_iter().collect())
}
