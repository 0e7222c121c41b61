//! `ctx.list(name)` with `:has(key)` and `:get(key)`.

use std::rc::Rc;

use mlua::{Function, Lua, MultiValue, Result as LuaResult, Value};

use super::{Problem, Questions, text};
use crate::blame;
use crate::context::ContextView;
use crate::fields::{Shown, View, argument, key_bytes, unknown_field, without_self};
use crate::host::{HostAnswer, HostQuestion};
use crate::json;
use crate::limits::{HOST_KEY_BYTES, NAME_BYTES};

pub(crate) const LIST_FIELDS: [&str; 2] = ["has", "get"];

struct Functions {
    has: Function,
    get: Function,
}

/// A list that a script has named. Nobody was asked yet whether it exists.
struct List {
    name: String,
    functions: Rc<Functions>,
}

impl View for List {
    const NAME: &'static str = "list";

    fn field(&self, lua: &Lua, key: &Value) -> LuaResult<Value> {
        match key_bytes(key).as_deref() {
            Some(b"has") => Ok(Value::Function(self.functions.has.clone())),
            Some(b"get") => Ok(Value::Function(self.functions.get.clone())),
            _ => Err(unknown_field(lua, Self::NAME, key, &LIST_FIELDS)),
        }
    }
}

pub(crate) fn function(lua: &Lua, questions: &Questions) -> LuaResult<Function> {
    let functions = Rc::new(Functions {
        has: questions.function(lua, "list:has", question, |_, _, replied| {
            replied.read(|answer| match answer {
                HostAnswer::List { present, .. } => Some(Value::Boolean(present)),
                _ => None,
            })
        })?,
        get: questions.function(lua, "list:get", question, |lua, _, replied| {
            let value = replied.read(|answer| match answer {
                HostAnswer::List { present, value } => Some(value.filter(|_| present)),
                _ => None,
            })?;
            value.map_or(Ok(Value::Nil), |value| json::to_lua(lua, &value.to_string()))
        })?,
    });
    // The type's first object sets it up, which must not happen within a call.
    drop(lua.create_userdata(Shown(List {
        name: String::new(),
        functions: Rc::clone(&functions),
    }))?);
    lua.create_function(move |lua, args: MultiValue| {
        let name = text(&mut without_self::<ContextView>(args), "the name of a list", NAME_BYTES)
            .map_err(|problem| blame::error(lua, format!("ctx.list: {problem}; write ctx.list(\"contracts\")")))?;
        Ok(Shown(List {
            name,
            functions: Rc::clone(&functions),
        }))
    })
}

fn question(args: &mut MultiValue) -> Result<HostQuestion, Problem> {
    const FORM: &str = "write ctx.list(\"contracts\"):has(key), with a colon";
    let list = match argument(args) {
        Value::UserData(list) => list.borrow::<Shown<List>>().map_err(|_| FORM)?.0.name.clone(),
        _ => return Err(String::from(FORM)),
    };
    let key = text(args, "the key", HOST_KEY_BYTES)?;
    Ok(HostQuestion::ListGet { list, key })
}
