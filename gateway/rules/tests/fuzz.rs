//! Any source gives a compile error or a decision; never a panic, never an answer nobody gave. So do any answers of a
//! script, any arguments of a host function, any answers of a host.
//!
//! Each test tries a fixed number of cases; `TOLLGATE_FUZZ_SECONDS=300` makes each of them go on for so long.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod support;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use rules::{
    Decision, Engine, ErrorKind, Event, Handler, Host, HostAnswer, HostError, HostFuture, HostQuestion, Input, Known,
    Outcome, Surroundings, Totals,
};
use serde_json::Value;
use support::hosts::Gateway;
use support::{context, engine, handler, input, is_plain_accept, program, wait};

const CASES: u32 = 2_000;

thread_local! {
    static ENGINE: Engine = engine();
}

/// Pieces that compile often enough to get somewhere.
const WORDS: &[&str] = &[
    "local",
    "x",
    "y",
    "=",
    "function",
    "(",
    ")",
    "end",
    "return",
    "{",
    "}",
    "if",
    "then",
    "else",
    "while",
    "do",
    "true",
    "for",
    "i",
    "1",
    ",",
    "10",
    "in",
    "pairs",
    "'a'",
    "..",
    "+",
    "-",
    "*",
    "<",
    "==",
    "nil",
    "not",
    "and",
    "or",
    "#",
    "[",
    "]",
    ".",
    ":",
    ";",
    "\n",
    "string",
    "rep",
    "find",
    "gsub",
    "table",
    "sort",
    "insert",
    "unpack",
    "pcall",
    "error",
    "setmetatable",
    "__index",
    "__tostring",
    "accept",
    "reject",
    "retry_later",
    "'forbidden'",
    "comment",
    "fields",
    "request",
    "ctx",
    "account",
    "amount",
    "extras",
    "log",
    "random",
    "hash",
    "time",
    "money",
    "'1.00 RUB'",
    "times",
    "percent",
    "`{x}`",
    "select",
    "tostring",
    "1e9",
    "0/0",
    "check",
    "repeat",
    "until",
    "break",
    "continue",
    "...",
    "return { check = function(request, ctx)",
    "return accept()",
    "end }",
    "accept{",
    "money('5 RUB')",
    "ctx.log(",
    "ctx.list('contracts')",
    ":has('4')",
    ":get(account)",
    "ctx.velocity('k', '1h')",
    "ctx.http.get('https://a.example/')",
    ".json()",
    "route('a')",
    ":fallback('b')",
    "fee(money('1 RUB'))",
    "annotate{a = 1}",
    "deliver()",
    "test('x', {})",
];

/// As many cases as are usual, or as fit into the time that was asked for.
fn fuzz<S: Strategy>(strategy: &S, test: impl Fn(S::Value) -> Result<(), TestCaseError>)
where
    S::Value: Debug,
{
    let seconds = std::env::var("TOLLGATE_FUZZ_SECONDS").map_or(0, |seconds| seconds.parse().unwrap());
    let until = Instant::now() + Duration::from_secs(seconds);
    let config = ProptestConfig {
        cases: CASES,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut tried = 0_u64;
    loop {
        // A runner that had its cases runs no more.
        TestRunner::new(config.clone()).run(strategy, &test).unwrap();
        tried += u64::from(CASES);
        if Instant::now() >= until {
            break;
        }
    }
    println!("{tried} cases");
}

fn survives(source: &[u8]) -> Result<(), TestCaseError> {
    survives_as(source, &input(), &Gateway::default())
}

/// The clock and the garbage that is left over do not repeat.
fn by_chance(decision: &Decision) -> bool {
    matches!(&decision.outcome, Outcome::Failed(error) if matches!(error.kind, ErrorKind::TimeLimit | ErrorKind::MemoryLimit))
}

/// Decides, and decides the same again; then the next script decides as if nothing had been.
fn survives_as(source: &[u8], input: &Arc<Input>, host: &dyn Host) -> Result<(), TestCaseError> {
    ENGINE.with(|engine| {
        let Ok(fuzzed) = engine.compile("r1", source) else {
            return Ok(());
        };
        let decide = || wait(engine.run(&fuzzed, input, &context(), &Surroundings::of(host)));
        let decision = decide();
        prop_assert!(decision.steps <= 20_000);
        if let Outcome::Failed(error) = &decision.outcome {
            prop_assert!(
                !matches!(error.kind, ErrorKind::Internal | ErrorKind::Busy),
                "{}",
                error
            );
            prop_assert!(error.message.len() <= 4096);
        }
        let again = decide();
        let repeats = !by_chance(&decision) && !by_chance(&again);
        prop_assert!(!repeats || again.is_same_as(&decision), "{:?} {:?}", again, decision);
        let honest = program(engine, "return { check = function() return accept() end }");
        let next = wait(engine.run(&honest, &support::input(), &context(), &Surroundings::default()));
        prop_assert!(is_plain_accept(&next), "{:?}", next);
        Ok(())
    })
}

#[test]
fn any_bytes() {
    fuzz(&vec(any::<u8>(), 0..300), |source| survives(&source));
}

#[test]
fn any_text() {
    fuzz(&".{0,200}", |source| survives(source.as_bytes()));
}

#[test]
fn any_words() {
    fuzz(&vec(select(WORDS), 0..60), |words| survives(words.join(" ").as_bytes()));
}

#[test]
fn any_words_in_a_handler() {
    fuzz(&vec(select(WORDS), 0..25), |words| {
        survives(handler(&words.join(" ")).as_bytes())
    });
}

/// Whatever is saved is looked over first.
#[test]
fn any_words_looked_over() {
    fuzz(&vec(select(WORDS), 0..40), |words| {
        for source in [words.join(" "), handler(&words.join(" "))] {
            let findings = rules::lint(source.as_bytes(), &Known::default());
            let lines = u32::try_from(source.lines().count()).unwrap() + 1;
            prop_assert!(findings.iter().all(|finding| finding.line <= lines), "{:?}", findings);
        }
        Ok(())
    });
}

fn asked(of: Handler) -> Arc<Input> {
    Arc::new(match of {
        Handler::Check => Input::Check(support::request()),
        Handler::Route => Input::Route(support::payment()),
        Handler::Fee => Input::Fee(support::payment()),
        Handler::Event => Input::Event(support::event()),
    })
}

/// The result reader: any nesting of any values, in place of what each verb takes.
#[test]
fn any_answers() {
    let words = vec![
        "{",
        "}",
        ",",
        "{",
        "}",
        ",",
        "name",
        "value",
        "=",
        "1",
        "'x'",
        "0/0",
        "nil",
        "true",
        "type",
        "money('1 RUB')",
        "accept()",
        "-1.5",
        "[1]=",
        "[{}]=",
        "amount",
        "text",
        "comment",
        "fields",
        "money('1 USD')",
        "2^53",
        "'\\0'",
        "'card-main'",
        "request",
        "{}",
        "setmetatable({}, {__index = error})",
    ];
    let verbs = vec![
        (Handler::Check, "accept{ fields = {"),
        (Handler::Check, "accept{"),
        (Handler::Check, "reject('forbidden', {"),
        (Handler::Route, "route({"),
        (Handler::Fee, "fee{"),
        (Handler::Event, "annotate{"),
        (Handler::Event, "annotate{ a = {"),
    ];
    let strategy = (select(verbs), vec(select(words), 0..30));
    fuzz(&strategy, |((of, opening), words)| {
        let mut body = format!("return {opening} {}", words.join(" "));
        let mut open = Vec::new();
        for letter in body.clone().chars() {
            match letter {
                '{' => open.push('}'),
                '(' => open.push(')'),
                '}' | ')' => drop(open.pop()),
                _ => {}
            }
        }
        body.extend(open.into_iter().rev());
        let source = handler(&body).replace("rules.check", &format!("rules.{}", of.as_str()));
        survives_as(source.as_bytes(), &asked(of), &Gateway::default())
    });
}

/// Host functions: any arguments, in any number.
#[test]
fn any_arguments() {
    let functions = vec![
        "money",
        "accept",
        "reject",
        "retry_later",
        "ctx.log",
        "ctx.random",
        "ctx.hash",
        "ctx.time",
        "ctx.time",
        "request.amount.times",
        "request.amount.percent",
        "request.amount:times",
        "request.amount:percent",
        "string.rep",
        "string.format",
        "string.find",
        "string.gsub",
        "table.sort",
        "table.move",
        "table.create",
        "table.concat",
        "tostring",
        "pcall",
        "xpcall",
        "string.split",
        "utf8.codes",
        "string.unpack",
        "table.insert",
        "ctx.list",
        "ctx.list('contracts').has",
        "ctx.list('contracts').get",
        "ctx.list('contracts'):has",
        "ctx.list('contracts'):get",
        "ctx.velocity",
        "ctx.http.get",
        "ctx.http.post",
        "ctx.http:post",
        "route",
        "route('a'):fallback",
        "fee",
        "no_fee",
        "deliver",
        "drop",
        "annotate",
        "test",
    ];
    let values = vec![
        "nil",
        "1",
        "-1",
        "0",
        "0/0",
        "1e300",
        "2^53",
        "1.5",
        "''",
        "'1.00 RUB'",
        "'x'",
        "'2.5'",
        "'half_up'",
        "'%d+'",
        "{}",
        "{1, 2}",
        "type",
        "true",
        "request",
        "ctx",
        "request.amount",
        "accept()",
        "('x'):rep(60000)",
        "'+03:00'",
        "'forbidden'",
        "error",
        "'1h'",
        "{'1h', '1d'}",
        "'https://a.example/'",
        "{json = {a = {1, 'x'}}}",
        "{headers = {a = 'b'}, timeout = '1s', optional = true}",
        "ctx.list('contracts')",
        "'4'",
    ];
    fuzz(
        &(select(functions), vec(select(values), 0..5)),
        |(function, arguments)| survives(handler(&format!("return {function}({})", arguments.join(", "))).as_bytes()),
    );
}

/// Answers what a test was dealt.
#[derive(Debug)]
struct Dealt {
    body: String,
    value: Option<Value>,
    totals: Vec<Totals>,
    error: Option<HostError>,
}

impl Host for Dealt {
    fn ask<'a>(&'a self, question: &'a HostQuestion) -> HostFuture<'a> {
        let answer = match (&self.error, question) {
            (Some(error), _) => Err(error.clone()),
            (None, HostQuestion::ListGet { .. }) => Ok(HostAnswer::List {
                present: true,
                value: self.value.clone(),
            }),
            (None, HostQuestion::Velocity { .. }) => Ok(HostAnswer::Velocity {
                totals: self.totals.clone(),
            }),
            (None, HostQuestion::Health { .. }) => Ok(HostAnswer::Health {
                up: true,
                requests: 3,
                success_percent: Some(66),
                latency_ms: Some(12),
            }),
            (None, HostQuestion::Http(_)) => Ok(HostAnswer::Http {
                status: 200,
                headers: BTreeMap::new(),
                body: self.body.clone(),
            }),
        };
        Box::pin(std::future::ready(answer))
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(20, 64, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(".{0,8}", inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn any_error() -> impl Strategy<Value = HostError> {
    prop_oneof![
        Just(HostError::Timeout),
        Just(HostError::Unanswered),
        ".{0,300}".prop_map(|message| HostError::Refused { message }),
        ".{0,300}".prop_map(|message| HostError::Unavailable { message }),
        (".{0,80}", vec(".{0,80}", 0..5)).prop_map(|(name, known)| HostError::UnknownName {
            kind: rules::NameKind::List,
            name,
            known,
        }),
    ]
}

/// What a host says: any text, any JSON, too many sums, too few, any error.
#[test]
fn any_answers_of_a_host() {
    const SCRIPT: &str = "local seen = {}
        local function walk(value, deep)
            if type(value) == 'table' and deep < 30 then for k, v in value do walk(v, deep + 1) end end
            if #seen < 50 then seen[#seen + 1] = tostring(value) end
        end
        for _, ask in {
            function() return ctx.list('contracts'):get('4') end,
            function() return ctx.velocity('k', '1h').count end,
            function() return ctx.velocity('k', {'1h', '1d'}) end,
            function() return ctx.http.get('https://a.example/').body end,
            function() return ctx.http.get('https://a.example/').json() end,
        } do
            local ok, value = pcall(ask)
            walk(value, 0)
        end
        return accept { comment = `{#table.concat(seen)}` }";
    let body = prop_oneof![".{0,200}", any_json().prop_map(|value| value.to_string())];
    let totals = vec(
        (any::<u64>(), any::<i64>()).prop_map(|(count, minor)| Totals {
            count,
            sums: vec![plugin_sdk::Money::from_minor(minor, plugin_sdk::Currency::RUB)],
        }),
        0..4,
    );
    let strategy = (
        body,
        proptest::option::of(any_json()),
        totals,
        proptest::option::weighted(0.3, any_error()),
    );
    fuzz(&strategy, |(body, value, totals, error)| {
        let host = Dealt {
            body,
            value,
            totals,
            error,
        };
        survives_as(handler(SCRIPT).as_bytes(), &input(), &host)
    });
}

/// What an event holds comes from outside as well.
#[test]
fn any_data_of_an_event() {
    const SCRIPT: &str = "local function walk(value, deep)
            if type(value) == 'table' and deep < 30 then
                local count = 0
                for k, v in value do count += walk(v, deep + 1) end
                return count
            end
            return 1
        end
        return annotate { values = walk(event.data, 0) }";
    let source = format!("return {{ event = function(event) {SCRIPT} end }}");
    fuzz(&any_json(), |data| {
        let event = Event {
            data,
            ..support::event()
        };
        survives_as(source.as_bytes(), &Arc::new(Input::Event(event)), &Gateway::default())
    });
}
