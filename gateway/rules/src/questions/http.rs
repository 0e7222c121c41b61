//! `ctx.http.get(url, options)` and `ctx.http.post(url, options)`. Which hosts may be asked is the host's to decide.

use std::collections::BTreeMap;
use std::rc::Rc;

use mlua::{AnyUserData, Function, IntoLua, Lua, LuaString, MultiValue, Result as LuaResult, Table, Value};

use super::{Problem, Questions, text, text_of};
use crate::blame;
use crate::budget::Budget;
use crate::fields::{Shown, View, argument, key_bytes, key_text, shorten, unknown_field, without_self};
use crate::host::{HostAnswer, HostQuestion, HttpMethod, HttpQuestion, span};
use crate::json;
use crate::limits::{HTTP_ANSWER_BYTES, HTTP_BODY_BYTES, HTTP_HEADER_BYTES, HTTP_HEADERS, NAME_BYTES, URL_BYTES};
use crate::money::kind_of;
use crate::reading::Meter;
use crate::suggest;

pub(crate) const HTTP_FIELDS: [&str; 2] = ["get", "post"];
pub(crate) const RESPONSE_FIELDS: [&str; 4] = ["status", "body", "headers", "json"];
pub(crate) const OPTIONS: [&str; 7] = ["timeout", "cache", "headers", "json", "body", "credential", "optional"];

/// They belong to the connection, or carry a secret that a script must not hold.
const FORBIDDEN_HEADERS: [&str; 10] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "upgrade",
    "te",
    "trailer",
];

/// Bytes of JSON that cost as much as a step.
const BYTES_PER_STEP: usize = 512;

const SECOND_MS: u64 = 1_000;
const TIMEOUT_MS_MAX: u64 = 5 * SECOND_MS;
const DAY_SECONDS: u64 = 86_400;

struct Http {
    get: Function,
    post: Function,
}

impl View for Http {
    const NAME: &'static str = "ctx.http";

    fn field(&self, lua: &Lua, key: &Value) -> LuaResult<Value> {
        match key_bytes(key).as_deref() {
            Some(b"get") => Ok(Value::Function(self.get.clone())),
            Some(b"post") => Ok(Value::Function(self.post.clone())),
            _ => Err(unknown_field(lua, Self::NAME, key, &HTTP_FIELDS)),
        }
    }
}

/// An answer, as a script sees it. Everything is made once: a field that is read costs no step.
struct Response {
    status: u16,
    body: LuaString,
    headers: Table,
    json: Function,
}

impl View for Response {
    const NAME: &'static str = "response";

    fn field(&self, lua: &Lua, key: &Value) -> LuaResult<Value> {
        match key_bytes(key).as_deref() {
            Some(b"status") => self.status.into_lua(lua),
            Some(b"body") => Ok(Value::String(self.body.clone())),
            Some(b"headers") => Ok(Value::Table(self.headers.clone())),
            Some(b"json") => Ok(Value::Function(self.json.clone())),
            _ => Err(unknown_field(lua, Self::NAME, key, &RESPONSE_FIELDS)),
        }
    }
}

pub(crate) fn object(lua: &Lua, questions: &Questions) -> LuaResult<AnyUserData> {
    // The type's first object sets it up, which must not happen within a call.
    drop(response(lua, questions.budget(), 200, &BTreeMap::new(), "")?);
    let method = |name, method| {
        let budget = Rc::clone(questions.budget());
        questions.function(
            lua,
            name,
            move |args| question(method, std::mem::take(args)),
            move |lua, _, replied| {
                let (status, headers, body) = replied.read(|answer| match answer {
                    HostAnswer::Http { status, headers, body } => Some((status, headers, body)),
                    _ => None,
                })?;
                if body.len() > HTTP_ANSWER_BYTES {
                    return Err(format!("the answer is longer than {HTTP_ANSWER_BYTES} bytes"));
                }
                let shown = response(lua, &budget, status, &headers, &body).map_err(|error| error.to_string())?;
                Ok(Value::UserData(shown))
            },
        )
    };
    lua.create_userdata(Shown(Http {
        get: method("ctx.http.get", HttpMethod::Get)?,
        post: method("ctx.http.post", HttpMethod::Post)?,
    }))
}

fn response(
    lua: &Lua,
    budget: &Rc<Budget>,
    status: u16,
    headers: &BTreeMap<String, String>,
    body: &str,
) -> LuaResult<AnyUserData> {
    let table = lua.create_table()?;
    for (name, value) in headers {
        table.raw_set(name.to_ascii_lowercase(), value.as_str())?;
    }
    table.set_readonly(true);
    let body = lua.create_string(body)?;
    let (budget, text) = (Rc::clone(budget), body.clone());
    let json = lua.create_function(move |lua, _: Value| {
        let text = text.to_str()?;
        budget.charge(lua, text.len() / BYTES_PER_STEP)?;
        json::to_lua(lua, &text).map_err(|problem| blame::error(lua, format!("response.json: {problem}")))
    })?;
    lua.create_userdata(Shown(Response {
        status,
        body,
        headers: table,
        json,
    }))
}

fn question(method: HttpMethod, args: MultiValue) -> Result<HostQuestion, Problem> {
    let mut args = without_self::<Http>(args);
    let mut question = HttpQuestion {
        method,
        url: text(&mut args, "the URL", URL_BYTES)?,
        headers: BTreeMap::new(),
        body: None,
        credential: None,
        timeout_ms: None,
        cache_seconds: None,
        optional: false,
    };
    if !question.url.starts_with("https://") && !question.url.starts_with("http://") {
        return Err(format!(
            "'{}' is not a URL; write \"https://…\"",
            shorten(&question.url)
        ));
    }
    match argument(&mut args) {
        Value::Nil => {}
        Value::Table(options) => read_options(&mut question, &options)?,
        other => return Err(format!("the options must be a table, got {}", kind_of(&other))),
    }
    if method == HttpMethod::Get && question.body.is_some() {
        return Err(String::from("a get has no body; write ctx.http.post"));
    }
    Ok(HostQuestion::Http(question))
}

fn read_options(question: &mut HttpQuestion, options: &Table) -> Result<(), Problem> {
    let mut json = None;
    Meter::default().each(options, "the options", |meter, key, value| {
        match key_text(key).as_deref() {
            Some("timeout") => {
                let units = [("ms", 1), ("s", SECOND_MS)];
                question.timeout_ms = Some(time(value, "timeout", &units, TIMEOUT_MS_MAX, "\"500ms\" or \"2s\"")?);
            }
            Some("cache") => {
                let units = [("s", 1), ("m", 60), ("h", 3_600), ("d", DAY_SECONDS)];
                question.cache_seconds = Some(time(value, "cache", &units, DAY_SECONDS, "\"30s\", \"5m\" or \"1d\"")?);
            }
            Some("headers") => question.headers = headers(meter, value)?,
            Some("json") => json = Some(json::from_lua(value).map_err(|problem| format!("json: {problem}"))?),
            Some("body") => question.body = Some(text_of(value, "the body", HTTP_BODY_BYTES)?),
            Some("credential") => question.credential = Some(meter.name("credential", "credential", value)?),
            Some("optional") => match value {
                Value::Boolean(optional) => question.optional = *optional,
                other => return Err(format!("optional is true or false, not {}", kind_of(other))),
            },
            Some(other) => {
                let hint = suggest::hint(other, OPTIONS);
                return Err(format!("there is no option '{}'{hint}", shorten(other)));
            }
            None => return Err(format!("the options have names: {}", OPTIONS.join(", "))),
        }
        Ok(())
    })?;
    if let Some(json) = json {
        if question.body.is_some() {
            return Err(String::from("either json or body, not both"));
        }
        question.body = Some(json);
        let kind = question.headers.entry(String::from("content-type"));
        kind.or_insert_with(|| String::from("application/json"));
    }
    Ok(())
}

fn time(value: &Value, name: &str, units: &[(&str, u64)], most: u64, form: &str) -> Result<u32, Problem> {
    let text = text_of(value, name, NAME_BYTES)?;
    span(&text, units)
        .filter(|time| *time <= most)
        .and_then(|time| u32::try_from(time).ok())
        .ok_or_else(|| format!("{name} = '{}' is too long or no time; write {form}", shorten(&text)))
}

fn headers(meter: &mut Meter, value: &Value) -> Result<BTreeMap<String, String>, Problem> {
    let Value::Table(table) = value else {
        return Err(format!("the headers must be a table, got {}", kind_of(value)));
    };
    let mut headers = BTreeMap::new();
    meter.each(table, "the headers", |meter, key, value| {
        let name = meter.name("headers", "header", key)?.to_ascii_lowercase();
        if FORBIDDEN_HEADERS.contains(&name.as_str()) {
            return Err(format!(
                "the header '{name}' is not a script's to set; a secret goes by credential = \"its name\""
            ));
        }
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let text = text_of(value, "a header", HTTP_HEADER_BYTES)?;
        if !name.bytes().all(is_token) || text.chars().any(char::is_control) || !text.is_ascii() {
            return Err(format!("the header '{}' cannot be sent", shorten(&name)));
        }
        headers.insert(name, text);
        if headers.len() > HTTP_HEADERS {
            return Err(format!("at most {HTTP_HEADERS} headers"));
        }
        Ok(())
    })?;
    Ok(headers)
}
