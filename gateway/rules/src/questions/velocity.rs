//! `ctx.velocity(key, window)`: what passed with a key of late.

use mlua::{AnyUserData, Function, IntoLua, Lua, Result as LuaResult, Table, Value};
use plugin_sdk::{Currency, Money};

use super::{Problem, Questions, text};
use crate::call::CallState;
use crate::context::ContextView;
use crate::fields::{Shown, View, argument, key_bytes, shorten, unknown_field, without_self};
use crate::host::{HostAnswer, HostQuestion, Totals, Window};
use crate::limits::{HOST_KEY_BYTES, WINDOWS_AT_ONCE};
use crate::money::{LuaMoney, kind_of};

pub(crate) const TOTALS_FIELDS: [&str; 3] = ["count", "sum", "sums"];

const FORM: &str = "write ctx.velocity(key, \"1h\") or ctx.velocity(key, {\"10m\", \"1d\"})";

/// What passed in one window, as a script sees it.
struct TotalsView {
    count: u64,
    /// In the payment's currency; nil when the call has none.
    sum: Option<Money>,
    /// By currency.
    sums: Table,
}

impl View for TotalsView {
    const NAME: &'static str = "velocity";

    fn field(&self, lua: &Lua, key: &Value) -> LuaResult<Value> {
        match key_bytes(key).as_deref() {
            Some(b"count") => self.count.into_lua(lua),
            Some(b"sum") => self.sum.map(LuaMoney).into_lua(lua),
            Some(b"sums") => Ok(Value::Table(self.sums.clone())),
            _ => Err(unknown_field(lua, Self::NAME, key, &TOTALS_FIELDS)),
        }
    }
}

pub(crate) fn function(lua: &Lua, questions: &Questions) -> LuaResult<Function> {
    // The type's first object sets it up, which must not happen within a call.
    drop(view(lua, &Totals::default(), None)?);
    questions.function(
        lua,
        "ctx.velocity",
        |args| {
            let mut args = without_self::<ContextView>(std::mem::take(args));
            let key = text(&mut args, "the key", HOST_KEY_BYTES)?;
            let windows = windows(&argument(&mut args))?
                .into_iter()
                .map(|(_, window)| window)
                .collect();
            Ok(HostQuestion::Velocity { key, windows })
        },
        |lua, args, replied| {
            let mut args = without_self::<ContextView>(std::mem::take(args));
            argument(&mut args);
            let asked = argument(&mut args);
            let windows = windows(&asked)?;
            let totals = replied.read(|answer| match answer {
                HostAnswer::Velocity { totals } if totals.len() == windows.len() => Some(totals),
                _ => None,
            })?;
            give(lua, &asked, &windows, &totals).map_err(|error| error.to_string())
        },
    )
}

fn give(lua: &Lua, asked: &Value, windows: &[(String, Window)], totals: &[Totals]) -> LuaResult<Value> {
    let currency = CallState::of(lua)?.input().and_then(|input| input.currency());
    if let (Value::String(_), [totals]) = (asked, totals) {
        return view(lua, totals, currency).map(Value::UserData);
    }
    let table = lua.create_table()?;
    for ((name, _), totals) in windows.iter().zip(totals) {
        table.raw_set(name.as_str(), view(lua, totals, currency)?)?;
    }
    table.set_readonly(true);
    Ok(Value::Table(table))
}

fn view(lua: &Lua, totals: &Totals, currency: Option<Currency>) -> LuaResult<AnyUserData> {
    let sums = lua.create_table()?;
    for sum in &totals.sums {
        sums.raw_set(sum.currency().code(), LuaMoney(*sum))?;
    }
    sums.set_readonly(true);
    let sum = currency.map(|currency| {
        let same = totals.sums.iter().find(|sum| sum.currency() == currency);
        same.copied().unwrap_or(Money::from_minor(0, currency))
    });
    lua.create_userdata(Shown(TotalsView {
        count: totals.count,
        sum,
        sums,
    }))
}

/// The windows with the names that the author gave them.
fn windows(value: &Value) -> Result<Vec<(String, Window)>, Problem> {
    match value {
        Value::String(_) => Ok(vec![window(value)?]),
        Value::Table(list) if !list.has_metatable() => {
            let length = list.raw_len();
            if !(1..=WINDOWS_AT_ONCE).contains(&length) {
                return Err(format!("1 to {WINDOWS_AT_ONCE} windows at once, not {length}; {FORM}"));
            }
            (1..=length)
                .map(|place| window(&list.raw_get::<Value>(place).map_err(|error| error.to_string())?))
                .collect()
        }
        other => Err(format!("expected a window, got {}; {FORM}", kind_of(other))),
    }
}

fn window(value: &Value) -> Result<(String, Window), Problem> {
    let name = super::text_of(value, "a window", HOST_KEY_BYTES)?;
    match Window::parse(&name) {
        Some(window) => Ok((name, window)),
        None => Err(format!(
            "'{}' is not a window; write a text from \"1m\" to \"30d\", such as \"10m\", \"24h\" or \"7d\"",
            shorten(&name)
        )),
    }
}
