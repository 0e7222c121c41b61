//! Any source gives a compile error or a decision; never a panic, never an answer nobody gave.
#![allow(clippy::unwrap_used)]

mod support;

use proptest::prelude::*;
use rules::{Engine, ErrorKind, Outcome};
use support::{context, engine, input, wait};

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

fn survives(source: &[u8]) -> Result<(), TestCaseError> {
    ENGINE.with(|engine| {
        let Ok(program) = engine.compile("r1", source) else {
            return Ok(());
        };
        let gateway = support::hosts::Gateway::default();
        let decision = wait(engine.run(&program, &input(), &context(), &rules::Surroundings::of(&gateway)));
        if let Outcome::Failed(error) = &decision.outcome {
            prop_assert!(
                !matches!(error.kind, ErrorKind::Internal | ErrorKind::Busy),
                "{}",
                error
            );
            prop_assert!(error.message.len() <= 4096);
        }
        prop_assert!(decision.steps <= 20_000);
        Ok(())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(source in proptest::collection::vec(any::<u8>(), 0..300)) {
        survives(&source)?;
    }

    #[test]
    fn any_text(source in ".{0,200}") {
        survives(source.as_bytes())?;
    }

    #[test]
    fn any_words(words in proptest::collection::vec(proptest::sample::select(WORDS), 0..60)) {
        survives(words.join(" ").as_bytes())?;
    }

    #[test]
    fn any_words_in_a_handler(words in proptest::collection::vec(proptest::sample::select(WORDS), 0..25)) {
        survives(support::handler(&words.join(" ")).as_bytes())?;
    }

    /// The result reader: any nesting of any values, in place of the fields.
    #[test]
    fn any_fields(words in proptest::collection::vec(
        proptest::sample::select(&["{", "}", ",", "{", "}", ",", "name", "value", "=", "1", "'x'", "0/0", "nil", "true",
            "type", "money('1 RUB')", "accept()", "-1.5", "[1]=", "[{}]="][..]), 0..30)) {
        let opened = words.iter().filter(|word| **word == "{").count();
        let body = format!("return accept{{ fields = {{ {} {} }} }}", words.join(" "), "}".repeat(opened));
        survives(support::handler(&body).as_bytes())?;
    }

    /// Host functions: any arguments, in any number.
    #[test]
    fn any_arguments(
        function in proptest::sample::select(&["money", "accept", "reject", "retry_later", "ctx.log", "ctx.random",
            "ctx.hash", "ctx.time", "ctx.time", "request.amount.times", "request.amount.percent", "request.amount:times",
            "request.amount:percent", "string.rep", "string.format", "string.find", "string.gsub", "table.sort",
            "table.move", "table.create", "table.concat", "tostring", "pcall", "xpcall", "string.split", "utf8.codes",
            "string.unpack", "table.insert", "ctx.list", "ctx.list('contracts').has", "ctx.list('contracts').get",
            "ctx.list('contracts'):has", "ctx.list('contracts'):get", "ctx.velocity", "ctx.http.get", "ctx.http.post",
            "ctx.http:post", "route", "route('a'):fallback", "fee", "no_fee", "deliver", "drop", "annotate", "test"][..]),
        arguments in proptest::collection::vec(proptest::sample::select(&["nil", "1", "-1", "0", "0/0", "1e300",
            "2^53", "1.5", "''", "'1.00 RUB'", "'x'", "'2.5'", "'half_up'", "'%d+'", "{}", "{1, 2}", "type", "true",
            "request", "ctx", "request.amount", "accept()", "('x'):rep(60000)", "'+03:00'", "'forbidden'", "error", "'1h'", "{'1h', '1d'}", "'https://a.example/'", "{json = {a = {1, 'x'}}}",
            "{headers = {a = 'b'}, timeout = '1s', optional = true}", "ctx.list('contracts')", "'4'"][..]),
            0..5),
    ) {
        survives(support::handler(&format!("return {function}({})", arguments.join(", "))).as_bytes())?;
    }
}
