//! `ctx`: the recorded moment, repeatable randomness, stable buckets and the script's log.

use std::rc::Rc;

use aws_lc_rs::digest;
use chrono::{Datelike, FixedOffset, Timelike};
use mlua::{AnyUserData, Function, IntoLua, Lua, MultiValue, Result as LuaResult, Table, Value};

use crate::blame;
use crate::call::CallState;
use crate::fields::{View, argument, key_bytes, unknown_field, without_self};
use crate::limits::HASH_KEY_BYTES;
use crate::money::{kind_of, money_of, whole};
use crate::questions::{Questions, health, http, lists, velocity};
use crate::views::rfc3339;

pub(crate) const CONTEXT_FIELDS: [&str; 9] = [
    "now", "time", "random", "hash", "log", "list", "velocity", "health", "http",
];

/// The functions behind `ctx`, made once per VM.
struct ContextFunctions {
    time: Function,
    random: Function,
    hash: Function,
    log: Function,
    list: Function,
    velocity: Function,
    health: Function,
    http: AnyUserData,
}

impl ContextFunctions {
    fn new(lua: &Lua, call: &Rc<CallState>, questions: &Questions) -> LuaResult<Self> {
        let [timed, drawn, logged] = [(); 3].map(|()| Rc::clone(call));
        Ok(Self {
            time: lua.create_function(move |lua, args| time(lua, &timed, args))?,
            random: lua.create_function(move |lua, args| random(lua, &drawn, args))?,
            hash: lua.create_function(hash)?,
            log: lua.create_function(move |lua, args| log(lua, &logged, args))?,
            list: lists::function(lua, questions)?,
            velocity: velocity::function(lua, questions)?,
            health: health::function(lua, questions)?,
            http: http::object(lua, questions)?,
        })
    }
}

/// The script's `ctx`. One per VM: it holds nothing of a call.
pub(crate) struct ContextView {
    call: Rc<CallState>,
    functions: ContextFunctions,
}

impl ContextView {
    pub(crate) fn new(lua: &Lua, call: &Rc<CallState>, questions: &Questions) -> LuaResult<Self> {
        Ok(Self {
            call: Rc::clone(call),
            functions: ContextFunctions::new(lua, call, questions)?,
        })
    }
}

impl View for ContextView {
    const NAME: &'static str = "ctx";

    fn field(&self, lua: &Lua, key: &Value) -> LuaResult<Value> {
        let functions = &self.functions;
        Ok(match key_bytes(key).as_deref() {
            Some(b"now") => rfc3339(self.call.now()).into_lua(lua)?,
            Some(b"time") => Value::Function(functions.time.clone()),
            Some(b"random") => Value::Function(functions.random.clone()),
            Some(b"hash") => Value::Function(functions.hash.clone()),
            Some(b"log") => Value::Function(functions.log.clone()),
            Some(b"list") => Value::Function(functions.list.clone()),
            Some(b"velocity") => Value::Function(functions.velocity.clone()),
            Some(b"health") => Value::Function(functions.health.clone()),
            Some(b"http") => Value::UserData(functions.http.clone()),
            _ => return Err(unknown_field(lua, Self::NAME, key, &CONTEXT_FIELDS)),
        })
    }
}

/// `ctx.random(n)`: a whole number from 1 to `n`, as `math.random(n)` gives elsewhere.
fn random(lua: &Lua, call: &CallState, args: MultiValue) -> LuaResult<i64> {
    let mut args = without_self::<ContextView>(args);
    let limit = bucket_count(&argument(&mut args))
        .ok_or_else(|| blame::error(lua, "ctx.random takes one whole number: ctx.random(6) is from 1 to 6"))?;
    bucket(lua, call.next_random(), limit)
}

/// `ctx.hash(key, n)`: a number from 1 to `n` that is the same for the same key, for ever.
fn hash(lua: &Lua, args: MultiValue) -> LuaResult<i64> {
    let mut args = without_self::<ContextView>(args);
    let (key, count) = (argument(&mut args), argument(&mut args));
    let limit = bucket_count(&count).ok_or_else(|| {
        blame::error(
            lua,
            "ctx.hash takes a key and a whole number: ctx.hash(request.account, 100)",
        )
    })?;
    let key = match &key {
        Value::String(text) if text.as_bytes().len() > HASH_KEY_BYTES => {
            return Err(blame::error(
                lua,
                format!("ctx.hash: the key is longer than {HASH_KEY_BYTES} bytes"),
            ));
        }
        Value::String(text) => text.as_bytes().to_vec(),
        Value::Integer(number) => number.to_string().into_bytes(),
        other => {
            return Err(blame::error(
                lua,
                format!("ctx.hash takes a text as its key, got {}", kind_of(other)),
            ));
        }
    };
    let sum = digest::digest(&digest::SHA256, &key);
    let head = sum
        .as_ref()
        .iter()
        .take(8)
        .fold(0_u64, |head, byte| (head << 8) | u64::from(*byte));
    bucket(lua, head, limit)
}

fn bucket_count(value: &Value) -> Option<u64> {
    u64::try_from(whole(value)?).ok().filter(|count| *count > 0)
}

/// Spreads 64 uniform bits over 1 to `count`, by the high half of the product.
fn bucket(lua: &Lua, bits: u64, count: u64) -> LuaResult<i64> {
    let index = (u128::from(bits) * u128::from(count)) >> 64;
    i64::try_from(index + 1).map_err(|error| blame::error(lua, error))
}

/// `ctx.log(text)`: for the decision's trace.
fn log(lua: &Lua, call: &CallState, args: MultiValue) -> LuaResult<()> {
    if call.is_log_full() {
        return Ok(());
    }
    let text = match argument(&mut without_self::<ContextView>(args)) {
        Value::String(text) => text.to_string_lossy(),
        Value::Integer(number) => number.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Boolean(value) => value.to_string(),
        Value::Nil => String::from("nil"),
        other => match money_of(&other) {
            Some(money) => money.to_string(),
            None => {
                let kind = kind_of(&other);
                return Err(blame::error(
                    lua,
                    format!("ctx.log takes text, a number or money, got {kind}"),
                ));
            }
        },
    };
    call.push_log(&text, blame::line(lua));
    Ok(())
}

/// `ctx.time("+03:00")`: the recorded moment's parts at that offset from UTC (without an offset: UTC itself).
fn time(lua: &Lua, call: &CallState, args: MultiValue) -> LuaResult<Table> {
    let offset = argument(&mut without_self::<ContextView>(args));
    let offset = parse_offset(&offset).ok_or_else(|| {
        blame::error(
            lua,
            "ctx.time takes an offset from UTC as text, such as ctx.time(\"+03:00\")",
        )
    })?;
    let local = call.now().with_timezone(&offset);
    let parts = lua.create_table_with_capacity(0, 8)?;
    parts.raw_set("year", local.year())?;
    parts.raw_set("month", local.month())?;
    parts.raw_set("day", local.day())?;
    parts.raw_set("hour", local.hour())?;
    parts.raw_set("minute", local.minute())?;
    parts.raw_set("second", local.second())?;
    parts.raw_set("weekday", local.weekday().number_from_monday())?;
    parts.raw_set("date", local.format("%Y-%m-%d").to_string())?;
    parts.set_readonly(true);
    Ok(parts)
}

fn parse_offset(value: &Value) -> Option<FixedOffset> {
    match value {
        Value::Nil => FixedOffset::east_opt(0),
        Value::String(text) => {
            let text = text.to_str().ok()?;
            // chrono reads more forms than `+03:00`; scripts get one.
            let exact = text.len() == 6 && text.starts_with(['+', '-']) && text.get(3..4) == Some(":");
            exact.then(|| text.parse().ok()).flatten()
        }
        _ => None,
    }
}
