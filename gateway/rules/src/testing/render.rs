//! A stored decision as a case: what was asked, what the host answered, and what came of it.

use std::collections::BTreeMap;
use std::fmt::Write;

use chrono::{DateTime, SecondsFormat, Utc};

use super::lua_text::{self, quoted};
use crate::call::CallContext;
use crate::engine::Decision;
use crate::error::ErrorKind;
use crate::input::{CheckRequest, Event, Input, Payment};
use crate::limits::hard_caps::SOURCE_BYTES;
use crate::outcome::Outcome;

/// Why a decision cannot be told as a test.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotATest {
    #[error("the decision ended as '{0}', which need not come again")]
    NotRepeatable(ErrorKind),
    #[error("the test would have {0} bytes, more than a script may have")]
    TooLong(usize),
    #[error("what the gateway answered cannot be written down: {0}")]
    Unwritable(String),
}

/// Lua source of a `test(…)` that the revision which decided so passes, to be put at the end of its script, before the
/// last `return`.
pub fn render_test(name: &str, input: &Input, context: &CallContext, decision: &Decision) -> Result<String, NotATest> {
    let expect = match &decision.outcome {
        Outcome::Failed(error) if !error.kind.comes_again() => return Err(NotATest::NotRepeatable(error.kind)),
        Outcome::Failed(error) => quoted(error.kind.as_str()),
        outcome => lua_text::outcome(outcome),
    };
    let mut text = format!("test({}, {{\n", quoted(name));
    let mut entry = |name: &str, value: String| {
        let _ = writeln!(text, "  {name} = {value},");
    };
    entry("now", moment(context.now));
    entry("seed", quoted(&context.seed.to_string()));
    let (handler, request) = match input {
        Input::Check(request) => ("check", check(request)),
        Input::Route(asked) => ("route", payment(asked)),
        Input::Fee(asked) => ("fee", payment(asked)),
        Input::Event(asked) => ("event", event(asked)),
    };
    entry(handler, request);
    if !decision.calls.is_empty() {
        let calls = serde_json::to_string(&decision.calls).map_err(|error| NotATest::Unwritable(error.to_string()))?;
        entry("calls", quoted(&calls));
    }
    entry("expect", expect);
    text.push_str("})\n");
    if text.len() > SOURCE_BYTES {
        return Err(NotATest::TooLong(text.len()));
    }
    Ok(text)
}

fn moment(moment: DateTime<Utc>) -> String {
    quoted(&moment.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

/// `{ a = …, b = … }`, of what there is.
fn table<'a>(entries: impl IntoIterator<Item = (&'a str, Option<String>)>) -> String {
    let entries = entries
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name} = {}", value?)));
    format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
}

fn text(value: &Option<String>) -> Option<String> {
    value.as_deref().map(quoted)
}

fn extras(extras: &BTreeMap<String, String>) -> Option<String> {
    let entries = extras
        .iter()
        .map(|(name, value)| format!("[{}] = {}", quoted(name), quoted(value)));
    (!extras.is_empty()).then(|| format!("{{ {} }}", entries.collect::<Vec<_>>().join(", ")))
}

fn check(request: &CheckRequest) -> String {
    table([
        ("command", Some(quoted(request.command.as_str()))),
        ("account", Some(quoted(&request.account))),
        ("amount", request.amount.map(|amount| quoted(&amount.to_string()))),
        ("txn_id", text(&request.txn_id)),
        ("service", text(&request.service)),
        ("at", Some(moment(request.at))),
        ("extras", extras(&request.extras)),
    ])
}

fn payment(asked: &Payment) -> String {
    table([
        ("amount", Some(quoted(&asked.amount.to_string()))),
        ("id", text(&asked.id)),
        ("method", text(&asked.method)),
        ("account", text(&asked.account)),
        ("order_id", text(&asked.order_id)),
        ("txn_id", text(&asked.txn_id)),
        ("country", text(&asked.country)),
        ("bin", text(&asked.bin)),
        ("last_four", text(&asked.last_four)),
        ("service", text(&asked.service)),
        ("connection", text(&asked.connection)),
        ("status", text(&asked.status)),
        ("at", Some(moment(asked.at))),
        ("extras", extras(&asked.extras)),
    ])
}

fn event(asked: &Event) -> String {
    table([
        ("type", Some(quoted(&asked.event_type))),
        ("id", text(&asked.id)),
        ("payment", asked.payment.as_ref().map(payment)),
        ("data_json", Some(quoted(&asked.data.to_string()))),
        ("at", Some(moment(asked.at))),
    ])
}
