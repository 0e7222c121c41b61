//! What a script is asked, as it sees it: a read-only view whose misspelt fields raise errors.

use std::collections::BTreeMap;
use std::rc::Rc;

use chrono::{DateTime, SecondsFormat, Utc};
use mlua::{IntoLua, Lua, MetaMethod, Result as LuaResult, Table, UserData, UserDataFields, UserDataMethods, Value};
use plugin_sdk::Money;

use crate::blame;
use crate::call::CallState;
use crate::money::LuaMoney;
use crate::view::{key_bytes, unknown_field};

const FIELDS: [&str; 7] = ["command", "account", "amount", "txn_id", "service", "at", "extras"];

/// What the network wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
    Info,
    Check,
    Pay,
}

impl Command {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Check => "check",
            Self::Pay => "pay",
        }
    }
}

/// One question to a script's `check` handler.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckRequest {
    pub command: Command,
    pub account: String,
    pub amount: Option<Money>,
    /// The payment's identifier at its network: text, however numeric it looks.
    pub txn_id: Option<String>,
    pub service: Option<String>,
    /// When the network says the payment happened; else when the request arrived.
    pub at: DateTime<Utc>,
    /// Every other parameter, by name.
    pub extras: BTreeMap<String, String>,
}

/// The script's `request`. One per VM: it shows the request of the running call.
pub(crate) struct RequestView {
    call: Rc<CallState>,
}

impl RequestView {
    pub(crate) fn new(call: &Rc<CallState>) -> Self {
        Self { call: Rc::clone(call) }
    }

    fn field(&self, lua: &Lua, key: &Value) -> LuaResult<Value> {
        let Some(request) = self.call.request() else {
            return Ok(Value::Nil);
        };
        match key_bytes(key).as_deref() {
            Some(b"command") => request.command.as_str().into_lua(lua),
            Some(b"account") => request.account.as_str().into_lua(lua),
            Some(b"amount") => request.amount.map(LuaMoney).into_lua(lua),
            Some(b"txn_id") => request.txn_id.as_deref().into_lua(lua),
            Some(b"service") => request.service.as_deref().into_lua(lua),
            Some(b"at") => rfc3339(request.at).into_lua(lua),
            Some(b"extras") => self.call.extras(|| extras(lua, &request)).map(Value::Table),
            _ => Err(unknown_field(lua, "request", key, &FIELDS)),
        }
    }
}

fn extras(lua: &Lua, request: &CheckRequest) -> LuaResult<Table> {
    let table = lua.create_table()?;
    for (name, value) in &request.extras {
        table.raw_set(name.as_str(), value.as_str())?;
    }
    table.set_readonly(true);
    Ok(table)
}

impl UserData for RequestView {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_meta_field(MetaMethod::Type, "request");
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::Index, |lua, this, key: Value| this.field(lua, &key));
        methods.add_meta_function(MetaMethod::NewIndex, |lua, _: Value| {
            Err::<(), _>(blame::error(lua, "request cannot be changed"))
        });
        methods.add_meta_function(MetaMethod::ToString, |_, _: Value| Ok("request"));
    }
}

/// Moments are texts in one fixed form, so that they compare and sort as texts.
pub(crate) fn rfc3339(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Secs, true)
}
