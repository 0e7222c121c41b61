//! What a script is asked, as it sees it: read-only views whose misspelt fields raise errors. One of each per VM: they
//! show the input of the running call.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use mlua::{AnyUserData, IntoLua, Lua, Result as LuaResult, Table, Value};
use plugin_sdk::Money;

use crate::blame;
use crate::budget::unlimited;
use crate::call::CallState;
use crate::fields::{Shown, View, key_bytes, unknown_field};
use crate::input::{Event, Input};
use crate::json;
use crate::money::LuaMoney;

pub(crate) const REQUEST_FIELDS: [&str; 7] = ["command", "account", "amount", "txn_id", "service", "at", "extras"];

pub(crate) const PAYMENT_FIELDS: [&str; 14] = [
    "account",
    "amount",
    "id",
    "method",
    "order_id",
    "txn_id",
    "country",
    "bin",
    "last_four",
    "service",
    "connection",
    "status",
    "at",
    "extras",
];

/// Such texts are made like an amount is, whose size nobody chooses.
const SHORT_TEXT_BYTES: usize = 256;

pub(crate) const EVENT_FIELDS: [&str; 5] = ["id", "type", "payment", "data", "at"];

/// The views of a VM.
pub(crate) struct Views {
    request: AnyUserData,
    payment: AnyUserData,
    event: AnyUserData,
}

impl Views {
    pub(crate) fn new(lua: &Lua, call: &Rc<CallState>) -> LuaResult<Self> {
        let payment = lua.create_userdata(Shown(PaymentView { call: Rc::clone(call) }))?;
        Ok(Self {
            request: lua.create_userdata(Shown(RequestView { call: Rc::clone(call) }))?,
            event: lua.create_userdata(Shown(EventView {
                call: Rc::clone(call),
                payment: payment.clone(),
            }))?,
            payment,
        })
    }

    /// What a handler is called with.
    pub(crate) const fn of(&self, input: &Input) -> &AnyUserData {
        match input {
            Input::Check(_) => &self.request,
            Input::Route(_) | Input::Fee(_) => &self.payment,
            Input::Event(_) => &self.event,
        }
    }
}

struct RequestView {
    call: Rc<CallState>,
}

impl View for RequestView {
    const NAME: &'static str = "request";

    fn field(&self, lua: &Lua, key: &Value) -> LuaResult<Value> {
        let input = self.call.input();
        let Some(Input::Check(request)) = input.as_deref() else {
            return Ok(Value::Nil);
        };
        match key_bytes(key).as_deref() {
            Some(b"command") => request.command.as_str().into_lua(lua),
            Some(b"account") => text(lua, &request.account),
            Some(b"amount") => amount(lua, request.amount),
            Some(b"txn_id") => request.txn_id.as_deref().into_lua(lua),
            Some(b"service") => request.service.as_deref().into_lua(lua),
            Some(b"at") => rfc3339(request.at).into_lua(lua),
            Some(b"extras") => self.call.extras(|| extras(lua, &request.extras)).map(Value::Table),
            _ => Err(unknown_field(lua, Self::NAME, key, &REQUEST_FIELDS)),
        }
    }
}

struct PaymentView {
    call: Rc<CallState>,
}

impl View for PaymentView {
    const NAME: &'static str = "payment";

    fn field(&self, lua: &Lua, key: &Value) -> LuaResult<Value> {
        let input: Option<Arc<Input>> = self.call.input();
        let Some(payment) = input.as_deref().and_then(Input::payment) else {
            return Ok(Value::Nil);
        };
        let text = |known: &Option<String>| known.as_deref().map_or(Ok(Value::Nil), |known| text(lua, known));
        match key_bytes(key).as_deref() {
            Some(b"amount") => amount(lua, Some(payment.amount)),
            Some(b"id") => text(&payment.id),
            Some(b"method") => text(&payment.method),
            Some(b"account") => text(&payment.account),
            Some(b"order_id") => text(&payment.order_id),
            Some(b"txn_id") => text(&payment.txn_id),
            Some(b"country") => text(&payment.country),
            Some(b"bin") => text(&payment.bin),
            Some(b"last_four") => text(&payment.last_four),
            Some(b"service") => text(&payment.service),
            Some(b"connection") => text(&payment.connection),
            Some(b"status") => text(&payment.status),
            Some(b"at") => rfc3339(payment.at).into_lua(lua),
            Some(b"extras") => self.call.extras(|| extras(lua, &payment.extras)).map(Value::Table),
            _ => Err(unknown_field(lua, Self::NAME, key, &PAYMENT_FIELDS)),
        }
    }
}

struct EventView {
    call: Rc<CallState>,
    payment: AnyUserData,
}

impl View for EventView {
    const NAME: &'static str = "event";

    fn field(&self, lua: &Lua, key: &Value) -> LuaResult<Value> {
        let input = self.call.input();
        let Some(Input::Event(event)) = input.as_deref() else {
            return Ok(Value::Nil);
        };
        match key_bytes(key).as_deref() {
            Some(b"id") => event.id.as_deref().into_lua(lua),
            Some(b"type") => event.event_type.as_str().into_lua(lua),
            Some(b"payment") => Ok(match event.payment {
                Some(_) => Value::UserData(self.payment.clone()),
                None => Value::Nil,
            }),
            Some(b"data") => self.call.data(|| data(lua, event)),
            Some(b"at") => rfc3339(event.at).into_lua(lua),
            _ => Err(unknown_field(lua, Self::NAME, key, &EVENT_FIELDS)),
        }
    }
}

fn text(lua: &Lua, text: &str) -> LuaResult<Value> {
    if text.len() > SHORT_TEXT_BYTES {
        return text.into_lua(lua);
    }
    unlimited(lua, || text.into_lua(lua))
}

fn amount(lua: &Lua, amount: Option<Money>) -> LuaResult<Value> {
    amount.map_or(Ok(Value::Nil), |amount| {
        unlimited(lua, || LuaMoney(amount).into_lua(lua))
    })
}

fn data(lua: &Lua, event: &Event) -> LuaResult<Value> {
    json::to_lua(lua, &event.data.to_string()).map_err(|text| blame::error(lua, format!("event.data: {text}")))
}

fn extras(lua: &Lua, extras: &BTreeMap<String, String>) -> LuaResult<Table> {
    let table = lua.create_table()?;
    for (name, value) in extras {
        table.raw_set(name.as_str(), value.as_str())?;
    }
    table.set_readonly(true);
    Ok(table)
}

/// Moments are texts in one fixed form, so that they compare and sort as texts.
pub(crate) fn rfc3339(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Secs, true)
}
