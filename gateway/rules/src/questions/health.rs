//! `ctx.health(name)`: how one of the merchant's connections does, to route around what fails.

use mlua::{AnyUserData, Function, IntoLua, Lua, Result as LuaResult, Value};

use super::{Questions, text};
use crate::context::ContextView;
use crate::fields::{Shown, View, key_bytes, unknown_field, without_self};
use crate::host::{HostAnswer, HostQuestion};
use crate::limits::NAME_BYTES;

pub(crate) const HEALTH_FIELDS: [&str; 4] = ["up", "requests", "success", "latency"];

/// A connection's last minutes, as a script sees them.
#[derive(Debug, Clone, Copy)]
struct HealthView {
    up: bool,
    requests: u32,
    success: Option<u8>,
    latency: Option<u32>,
}

impl View for HealthView {
    const NAME: &'static str = "health";

    fn field(&self, lua: &Lua, key: &Value) -> LuaResult<Value> {
        match key_bytes(key).as_deref() {
            Some(b"up") => Ok(Value::Boolean(self.up)),
            Some(b"requests") => self.requests.into_lua(lua),
            Some(b"success") => self.success.into_lua(lua),
            Some(b"latency") => self.latency.into_lua(lua),
            _ => Err(unknown_field(lua, Self::NAME, key, &HEALTH_FIELDS)),
        }
    }
}

pub(crate) fn function(lua: &Lua, questions: &Questions) -> LuaResult<Function> {
    let unused = HealthView {
        up: true,
        requests: 0,
        success: None,
        latency: None,
    };
    // The type's first object sets it up, which must not happen within a call.
    drop(view(lua, unused)?);
    questions.function(
        lua,
        "ctx.health",
        |args| {
            let mut args = without_self::<ContextView>(std::mem::take(args));
            let connection = text(&mut args, "the name of a connection", NAME_BYTES)?;
            Ok(HostQuestion::Health { connection })
        },
        |lua, _, replied| {
            let shown = replied.read(|answer| match answer {
                HostAnswer::Health {
                    up,
                    requests,
                    success_percent,
                    latency_ms,
                } => Some(HealthView {
                    up,
                    requests,
                    success: success_percent,
                    latency: latency_ms,
                }),
                _ => None,
            })?;
            view(lua, shown).map(Value::UserData).map_err(|error| error.to_string())
        },
    )
}

fn view(lua: &Lua, health: HealthView) -> LuaResult<AnyUserData> {
    lua.create_userdata(Shown(health))
}
