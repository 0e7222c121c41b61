//! What a script writes into `test(name, { … })`, read into a call.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use mlua::{Lua, MultiValue, Result as LuaResult, Table, Value};
use plugin_sdk::{Currency, Money};
use serde::Deserialize;
use serde_json::Value as Json;

use super::expectation::Expected;
use crate::blame;
use crate::call::{CallContext, CallState};
use crate::fields::argument;
use crate::host::{
    Host, HostAnswer, HostCall, HostError, HostFuture, HostQuestion, HttpQuestion, NameKind, Totals, Window,
};
use crate::input::{CheckRequest, Command, Event, Input, Payment};
use crate::json;
use crate::limits::{CASE_NAME_BYTES, CASES};
use crate::questions::text_of;
use crate::recorded::Recorded;

/// A case as it was met in the script's main part.
#[derive(Debug)]
pub(crate) struct Collected {
    pub(crate) name: String,
    pub(crate) line: Option<u32>,
    pub(crate) case: Result<Case, String>,
}

#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) input: Arc<Input>,
    pub(crate) context: CallContext,
    pub(crate) host: CaseHost,
    pub(super) expected: Expected,
}

/// The global `test`. Outside of a test run it does nothing.
pub(crate) fn register(lua: &Lua, globals: &Table) -> LuaResult<()> {
    let test = lua.create_function(|lua, mut args: MultiValue| {
        let call = CallState::of(lua)?;
        let Some(cases) = call.collecting.get() else {
            return Ok(());
        };
        let refuse = |text: String| blame::error(lua, format!("test: {text}"));
        let name = text_of(&argument(&mut args), "the name of the test", CASE_NAME_BYTES).map_err(refuse)?;
        if cases >= CASES {
            return Err(refuse(format!("a script has at most {CASES} tests")));
        }
        call.collecting.set(Some(cases + 1));
        let case = read(&argument(&mut args));
        let line = blame::line(lua);
        call.cases.borrow_mut().push(Collected { name, line, case });
        Ok(())
    })?;
    globals.raw_set("test", test)
}

fn read(value: &Value) -> Result<Case, String> {
    const FORM: &str = "write test(\"name\", { check = { … }, expect = accept() })";
    let Value::Table(table) = value else {
        return Err(String::from(FORM));
    };
    let expected: Value = table.raw_get("expect").map_err(|error| error.to_string())?;
    let form = json::case_form(table, "expect")?;
    let form: Form = serde_json::from_value(form).map_err(|error| format!("{error}; {FORM}"))?;
    let expected = Expected::read(&expected)?;
    form.case(expected)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    check: Option<CheckForm>,
    route: Option<PaymentForm>,
    fee: Option<PaymentForm>,
    event: Option<EventForm>,
    #[serde(default)]
    now: Option<DateTime<Utc>>,
    #[serde(default)]
    seed: Option<SeedForm>,
    #[serde(default)]
    lists: BTreeMap<String, ListForm>,
    #[serde(default)]
    velocity: BTreeMap<String, BTreeMap<Window, TotalsForm>>,
    #[serde(default)]
    health: BTreeMap<String, HealthForm>,
    #[serde(default)]
    http: BTreeMap<String, HttpForm>,
    /// The calls of a stored decision, as JSON.
    #[serde(default)]
    calls: Option<String>,
}

impl Form {
    fn case(self, expected: Expected) -> Result<Case, String> {
        let now = self.now.unwrap_or(DEFAULT_NOW);
        let input = match (self.check, self.route, self.fee, self.event) {
            (Some(check), None, None, None) => Input::Check(check.request(now)?),
            (None, Some(payment), None, None) => Input::Route(payment.payment(now)?),
            (None, None, Some(payment), None) => Input::Fee(payment.payment(now)?),
            (None, None, None, Some(event)) => Input::Event(event.event(now)?),
            _ => return Err(String::from("a test asks exactly one of check, route, fee and event")),
        };
        let host = match self.calls {
            Some(calls) => {
                let calls: Vec<HostCall> = serde_json::from_str(&calls).map_err(|error| format!("calls: {error}"))?;
                CaseHost::Recorded(Recorded::new(calls))
            }
            None => CaseHost::Written {
                lists: self.lists.into_iter().map(|(name, list)| (name, list.rows())).collect(),
                velocity: totals(self.velocity)?,
                health: self.health,
                http: self.http,
            },
        };
        Ok(Case {
            input: Arc::new(input),
            context: CallContext {
                now,
                seed: self.seed.map_or(Ok(0), SeedForm::seed)?,
            },
            host,
            expected,
        })
    }
}

const DEFAULT_NOW: DateTime<Utc> = match DateTime::from_timestamp(1_767_225_600, 0) {
    Some(moment) => moment,
    None => DateTime::UNIX_EPOCH,
};

#[derive(Deserialize)]
#[serde(untagged)]
enum MoneyForm {
    Text(String),
    Money(Money),
}

impl MoneyForm {
    fn money(self) -> Result<Money, String> {
        let text = match self {
            Self::Money(money) => return Ok(money),
            Self::Text(text) => text,
        };
        let (digits, code) = text
            .split_once(' ')
            .ok_or_else(|| format!("'{text}' is not money; write \"50.00 RUB\""))?;
        let currency = Currency::from_code(code).ok_or_else(|| format!("'{code}' is not a currency"))?;
        Money::parse(digits, currency).map_err(|error| error.to_string())
    }
}

/// A number, or the text of one that Lua would round.
#[derive(Deserialize)]
#[serde(untagged)]
enum SeedForm {
    Number(u64),
    Text(String),
}

impl SeedForm {
    fn seed(self) -> Result<u64, String> {
        match self {
            Self::Number(seed) => Ok(seed),
            Self::Text(text) => text.parse().map_err(|_| String::from("the seed is a whole number")),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckForm {
    #[serde(default = "CheckForm::command")]
    command: Command,
    account: String,
    amount: Option<MoneyForm>,
    txn_id: Option<String>,
    service: Option<String>,
    at: Option<DateTime<Utc>>,
    #[serde(default)]
    extras: BTreeMap<String, String>,
}

impl CheckForm {
    const fn command() -> Command {
        Command::Check
    }

    fn request(self, now: DateTime<Utc>) -> Result<CheckRequest, String> {
        Ok(CheckRequest {
            command: self.command,
            account: self.account,
            amount: self.amount.map(MoneyForm::money).transpose()?,
            txn_id: self.txn_id,
            service: self.service,
            at: self.at.unwrap_or(now),
            extras: self.extras,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PaymentForm {
    amount: MoneyForm,
    id: Option<String>,
    method: Option<String>,
    account: Option<String>,
    order_id: Option<String>,
    txn_id: Option<String>,
    country: Option<String>,
    bin: Option<String>,
    last_four: Option<String>,
    service: Option<String>,
    connection: Option<String>,
    status: Option<String>,
    at: Option<DateTime<Utc>>,
    #[serde(default)]
    extras: BTreeMap<String, String>,
}

impl PaymentForm {
    fn payment(self, now: DateTime<Utc>) -> Result<Payment, String> {
        Ok(Payment {
            amount: self.amount.money()?,
            id: self.id,
            method: self.method,
            account: self.account,
            order_id: self.order_id,
            txn_id: self.txn_id,
            country: self.country,
            bin: self.bin,
            last_four: self.last_four,
            service: self.service,
            connection: self.connection,
            status: self.status,
            at: self.at.unwrap_or(now),
            extras: self.extras,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventForm {
    #[serde(rename = "type")]
    event_type: String,
    id: Option<String>,
    payment: Option<PaymentForm>,
    #[serde(default)]
    data: Json,
    /// The same as JSON text, for what a Lua table cannot hold.
    data_json: Option<String>,
    at: Option<DateTime<Utc>>,
}

impl EventForm {
    fn event(self, now: DateTime<Utc>) -> Result<Event, String> {
        let data = match self.data_json {
            Some(text) => serde_json::from_str(&text).map_err(|error| format!("data_json: {error}"))?,
            None => self.data,
        };
        Ok(Event {
            id: self.id,
            event_type: self.event_type,
            payment: self.payment.map(|payment| payment.payment(now)).transpose()?,
            data,
            at: self.at.unwrap_or(now),
        })
    }
}

/// `{ "a", "b" }`, or `{ a = true, b = { tariff = "gold" } }`.
#[derive(Deserialize)]
#[serde(untagged)]
enum ListForm {
    Keys(Vec<String>),
    Rows(BTreeMap<String, Json>),
}

impl ListForm {
    fn rows(self) -> BTreeMap<String, Json> {
        match self {
            Self::Keys(keys) => keys.into_iter().map(|key| (key, Json::Bool(true))).collect(),
            Self::Rows(rows) => rows,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TotalsForm {
    count: u64,
    sum: Option<MoneyForm>,
}

type VelocityTable = BTreeMap<String, BTreeMap<Window, Totals>>;

fn totals(forms: BTreeMap<String, BTreeMap<Window, TotalsForm>>) -> Result<VelocityTable, String> {
    let one = |(window, form): (Window, TotalsForm)| {
        let sums = form.sum.map(MoneyForm::money).transpose()?.into_iter().collect();
        let count = form.count;
        Ok((window, Totals { count, sums }))
    };
    forms
        .into_iter()
        .map(|(key, windows)| Ok((key, windows.into_iter().map(one).collect::<Result<_, String>>()?)))
        .collect()
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HttpForm {
    #[serde(default = "HttpForm::ok")]
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
    json: Option<Json>,
}

impl HttpForm {
    const fn ok() -> u16 {
        200
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HealthForm {
    up: Option<bool>,
    #[serde(default)]
    requests: u32,
    success: Option<u8>,
    latency: Option<u32>,
}

impl HealthForm {
    fn answer(&self) -> HostAnswer {
        HostAnswer::Health {
            up: self.up.unwrap_or(true),
            requests: self.requests,
            success_percent: self.success,
            latency_ms: self.latency,
        }
    }

    fn unused() -> HostAnswer {
        HostAnswer::Health {
            up: true,
            requests: 0,
            success_percent: None,
            latency_ms: None,
        }
    }
}

/// Answers what the case says.
#[derive(Debug)]
pub(crate) enum CaseHost {
    Recorded(Recorded),
    Written {
        lists: BTreeMap<String, BTreeMap<String, Json>>,
        velocity: VelocityTable,
        /// By connection; one that is not named is in order.
        health: BTreeMap<String, HealthForm>,
        /// By `GET https://…`.
        http: BTreeMap<String, HttpForm>,
    },
}

impl Host for CaseHost {
    fn ask<'a>(&'a self, question: &'a HostQuestion) -> HostFuture<'a> {
        match self {
            Self::Recorded(recorded) => recorded.ask(question),
            Self::Written {
                lists,
                velocity,
                health,
                http,
            } => Box::pin(std::future::ready(match question {
                HostQuestion::ListGet { list, key } => listed(lists, list, key),
                HostQuestion::Velocity { key, windows } => Ok(HostAnswer::Velocity {
                    totals: windows
                        .iter()
                        .map(|window| velocity.get(key).and_then(|known| known.get(window)))
                        .map(|totals| totals.cloned().unwrap_or_default())
                        .collect(),
                }),
                HostQuestion::Health { connection } => Ok(health
                    .get(connection)
                    .map_or_else(HealthForm::unused, HealthForm::answer)),
                HostQuestion::Http(question) => fetched(http, question),
            })),
        }
    }
}

fn listed(lists: &BTreeMap<String, BTreeMap<String, Json>>, list: &str, key: &str) -> Result<HostAnswer, HostError> {
    let Some(rows) = lists.get(list) else {
        return Err(HostError::UnknownName {
            kind: NameKind::List,
            name: list.to_owned(),
            known: lists.keys().cloned().collect(),
        });
    };
    let row = rows.get(key).filter(|row| **row != Json::Bool(false));
    Ok(HostAnswer::List {
        present: row.is_some(),
        value: row.filter(|row| **row != Json::Bool(true)).cloned(),
    })
}

fn fetched(http: &BTreeMap<String, HttpForm>, question: &HttpQuestion) -> Result<HostAnswer, HostError> {
    let name = format!("{} {}", question.method.as_str(), question.url);
    let Some(form) = http.get(&name) else {
        return Err(HostError::Refused {
            message: format!("the test has no answer to it; write http = {{ [\"{name}\"] = {{ json = … }} }}"),
        });
    };
    let json = form.json.as_ref().map(Json::to_string);
    Ok(HostAnswer::Http {
        status: form.status,
        headers: form.headers.clone(),
        body: form.body.clone().or(json).unwrap_or_default(),
    })
}
