//! What the read-only objects that a script is given have in common.

use mlua::{
    BorrowedBytes, Error as LuaError, Lua, MetaMethod, MultiValue, Result as LuaResult, UserData, UserDataFields,
    UserDataMethods, Value,
};

use crate::blame;
use crate::error::printable;
use crate::suggest;

/// Hostile names appear in messages only as far as they help.
const NAME_BYTES: usize = 40;

/// A read-only object with named fields.
pub(crate) trait View: 'static {
    const NAME: &'static str;

    fn field(&self, lua: &Lua, key: &Value) -> LuaResult<Value>;
}

/// A view as a script holds it.
pub(crate) struct Shown<T>(pub(crate) T);

impl<T: View> UserData for Shown<T> {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_meta_field(MetaMethod::Type, T::NAME);
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::Index, |lua, this, key: Value| this.0.field(lua, &key));
        methods.add_meta_function(MetaMethod::NewIndex, |lua, _: Value| {
            Err::<(), _>(blame::error(lua, format!("{} cannot be changed", T::NAME)))
        });
        methods.add_meta_function(MetaMethod::ToString, |_, _: Value| Ok(T::NAME));
    }
}

/// `ctx.random(n)` and `ctx:random(n)` mean the same.
pub(crate) fn without_self<T: View>(mut args: MultiValue) -> MultiValue {
    if matches!(args.front(), Some(Value::UserData(first)) if first.is::<Shown<T>>()) {
        args.pop_front();
    }
    args
}

pub(crate) fn argument(args: &mut MultiValue) -> Value {
    args.pop_front().unwrap_or(Value::Nil)
}

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
