//! Tests beside the script, what they cover, and decisions told as tests.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::fmt::Write;
use std::sync::Arc;

use proptest::prelude::*;
use rules::{Decision, Engine, ErrorKind, Host, Input, NotATest, Outcome, TestReport, render_test};
use support::hosts::Gateway;
use support::{context, engine, event, handler, input, payment, program, wait};

const SCRIPT: &str = r#"--!api 1
local rules = {}

function rules.check(request, ctx)
  if request.amount and request.amount < money("10.00 RUB") then
    return reject("amount_too_small", "At least 10")
  end
  if not ctx.list("contracts"):has(request.account) then
    return reject("account_not_found")
  end
  if ctx.velocity(request.account, "1h").count > 5 then
    return retry_later()
  end
  return accept { comment = "OK", fields = { name = "Ivan I." } }
end

function rules.route(payment, ctx)
  local answer = ctx.http.get("https://a.example/" .. payment.method)
  return route(answer.json().best):fallback("payin")
end

test("too small", { check = { account = "1", amount = "9.99 RUB" }, expect = reject("amount_too_small") })
test("a stranger", { check = { account = "1" }, lists = { contracts = { "2" } }, expect = reject("account_not_found") })
test("a known one", {
  check = { account = "2", amount = "10.00 RUB" },
  lists = { contracts = { "2" } },
  expect = accept { fields = { name = "Ivan I." } },
})
test("by the answer", {
  route = { amount = money("5 RUB"), method = "card" },
  http = { ["GET https://a.example/card"] = { json = { best = "card-main" } } },
  expect = route("card-main"):fallback("payin"),
})
test("no fees", { fee = { amount = "5.00 RUB" }, expect = "no_handler" })

return rules
"#;

fn test(engine: &Engine, source: &str) -> TestReport {
    let tests = engine
        .compile_tests("r17", source.as_bytes())
        .unwrap_or_else(|error| panic!("{error}\n{source}"));
    wait(engine.test(&tests, None)).unwrap()
}

fn report(source: &str) -> String {
    let mut text = String::new();
    for case in test(&engine(), source).cases {
        let line = case.line.map_or_else(String::new, |line| format!("{line}: "));
        let problem = case.problem.unwrap_or_else(|| String::from("passed"));
        writeln!(text, "{line}{}\n    {problem}", case.name).unwrap();
    }
    text
}

#[test]
fn cases_pass_and_tell_what_they_covered() {
    let report = test(&engine(), SCRIPT);
    assert!(report.is_green(), "{report:#?}");
    assert_eq!(report.cases.len(), 5);
    // Nobody tested the velocity brake; the tests' own lines do not count.
    assert_eq!(report.coverage.missed().collect::<Vec<_>>(), [12]);
    assert!(
        report.coverage.ran().all(|line| !(21..36).contains(&line)),
        "{:?}",
        report.coverage
    );
    assert!(report.coverage.ran().any(|line| line == 14));
}

#[test]
fn a_failing_case_says_what_was_expected_and_what_came() {
    let cases = [
        ("accept()", "check = { account = '1', amount = '9.99 RUB' }"),
        (
            "reject('amount_too_small', 'Other words')",
            "check = { account = '1', amount = '9.99 RUB' }",
        ),
        (
            "reject('forbidden')",
            "check = { account = '1' }, lists = { contracts = {} }",
        ),
        ("accept()", "check = { account = '1' }"),
        (
            "accept()",
            "check = { account = '1' }, lists = { contracts = { ['1'] = true } }, velocity = { ['1'] = { ['1h'] = { count = 6, sum = '1.00 RUB' } } }",
        ),
        (
            "accept()",
            "check = { account = '1' }, velocity = { ['1'] = { ['90s'] = { count = 6 } } }",
        ),
        (
            "accept{comment = 'No'}",
            "check = { account = '1' }, lists = { contracts = { ['1'] = { tariff = 'gold' } } }",
        ),
        ("route('a')", "route = { amount = '5.00 RUB', method = 'card' }"),
        ("'runtime'", "route = { amount = '5.00 RUB', method = 'sbp' }"),
        ("'rnutime'", "route = { amount = '5.00 RUB', method = 'sbp' }"),
        ("fee(money('5 RUB'))", "fee = { amount = '5.00 RUB' }"),
        ("5", "fee = { amount = '5.00 RUB' }"),
        ("nil", "fee = { amount = '5.00 RUB' }"),
        ("no_fee()", "fee = { amount = '5.00' }"),
        ("no_fee()", "fee = { amout = '5.00 RUB' }"),
        ("accept()", ""),
        ("accept()", "check = { account = '1' }, fee = { amount = '5.00 RUB' }"),
        ("accept()", "check = { account = 5 }"),
        ("accept()", "check = { account = type }"),
        ("accept()", "chekc = { account = '1' }"),
    ];
    let (rules, _) = SCRIPT.split_once("test(\"too small\"").unwrap();
    let mut source = rules.to_owned();
    for (place, (expect, asked)) in cases.iter().enumerate() {
        let comma = if asked.is_empty() { "" } else { ", " };
        writeln!(source, "test('case {place}', {{ {asked}{comma}expect = {expect} }})").unwrap();
    }
    writeln!(source, "test('no table')\nreturn rules").unwrap();
    insta::assert_snapshot!(report(&source));
}

#[test]
fn cases_run_under_the_limits_and_their_own_clock() {
    let source = "--!api 1
return { check = function(request, ctx)
  if request.account == 'spin' then while true do end end
  return accept{comment = ctx.now .. ' ' .. request.at .. ' ' .. ctx.random(1000)}
end }";
    let (rules, end) = source.split_once("return {").unwrap();
    let source = format!(
        "{rules}local rules = {{{}\ntest('spin', {{ check = {{ account = 'spin' }}, expect = 'step_limit' }})
test('clock', {{ now = '2025-03-14T21:30:05Z', seed = '7', check = {{ account = 'x' }},
  expect = accept{{comment = '2025-03-14T21:30:05Z 2025-03-14T21:30:05Z DRAWN'}} }})\nreturn rules",
        end
    );
    let drawn = support::told(support::check("return accept{comment = tostring(ctx.random(1000))}"));
    let report = test(&engine(), &source.replace("DRAWN", &drawn));
    assert!(report.is_green(), "{report:#?}");
}

/// The tests cost a payment nothing: the program that decides is the one of the script without them.
#[test]
fn tests_are_not_compiled_into_what_decides() {
    let engine = engine();
    let (rules, _) = SCRIPT.split_once("test(\"too small\"").unwrap();
    let bare = format!("{rules}return rules\n");
    let (with, without) = (program(&engine, SCRIPT), program(&engine, &bare));
    assert!(
        with.size() < without.size() + 64,
        "{} against {}",
        with.size(),
        without.size()
    );
    let run = |program| {
        wait(engine.run(
            program,
            &input(),
            &context(),
            &rules::Surroundings::of(&Gateway::default()),
        ))
    };
    assert_eq!(run(&with).steps, run(&without).steps);
}

#[test]
fn what_is_called_test_and_is_none_stays() {
    for source in [
        "local function test(x) return x end\ntest(1)\nreturn { check = function() return accept() end }",
        "local rules = {}\ntest = function() rules.check = function() return accept() end end\ntest()\nreturn rules",
        "local rules = {}\nlocal t = {test = function() rules.check = function() return accept() end end}\nt.test()\nreturn rules",
        "local rules = {}\nfunction rules.check()\ntest('x', {})\nreturn accept()\nend\nreturn rules",
        "local rules = {}\nlocal text = [[\ntest('x', {})\n]]\nfunction rules.check() assert(#text > 10) return accept() end\nreturn rules",
    ] {
        let engine = engine();
        let decision = support::decide(&engine, &program(&engine, source));
        assert!(support::is_plain_accept(&decision), "{source}\n{decision:?}");
    }
}

#[test]
fn a_main_part_that_fails_is_no_report() {
    let engine = engine();
    for source in [
        "error('x')",
        "while true do end",
        "return 5",
        "for i = 1, 300 do test('x', {}) end return {}",
        "test() return {}",
    ] {
        let tests = engine.compile_tests("r17", source.as_bytes()).unwrap();
        assert!(wait(engine.test(&tests, None)).is_err(), "{source}");
    }
}

fn decide(engine: &Engine, source: &str, input: &Arc<Input>, host: &dyn Host) -> Decision {
    support::ask_input(engine, &program(engine, source), input, host)
}

/// Puts a test before the script's last return.
fn with_test(source: &str, test: &str) -> String {
    let (head, tail) = source.rsplit_once("\nreturn rules").unwrap();
    format!("{head}\n{test}\nreturn rules{tail}")
}

#[test]
fn a_decision_becomes_a_test_that_passes() {
    let engine = engine();
    let body = "ctx.velocity('k', '1h') local r = ctx.list('contracts'):get(request.account)
      return accept{comment = 'a \"b\" \\\\ \\n' .. r.rate, fields = {{name = 'x', value = 'y'}, {name = 'a', value = 'b'}}}";
    let source = handler(body);
    let decision = decide(&engine, &source, &input(), &Gateway::default());
    let text = render_test("as it was", &input(), &context(), &decision).unwrap();
    insta::assert_snapshot!(text.replace(&mask(&decision), "…"));
    let report = test(&engine, &with_test(&source, &text));
    assert!(report.is_green() && report.cases.len() == 1, "{report:#?}\n{text}");
    for (name, input, answer) in [
        ("route", Input::Route(payment()), "return route('a'):fallback('b')"),
        (
            "fee",
            Input::Fee(payment()),
            "return fee{amount = it.amount:percent('1', 'up'), text = 'x'}",
        ),
        (
            "event",
            Input::Event(event()),
            "return annotate{a = it.data.rate, b = it.data.attempt, ['c-d'] = money('1 USD')}",
        ),
        ("event", Input::Event(event()), "error('x')"),
    ] {
        let source = format!("local rules = {{}}\nfunction rules.{name}(it, ctx)\n{answer}\nend\nreturn rules\n");
        let input = Arc::new(input);
        let decision = decide(&engine, &source, &input, &Gateway::default());
        let text = render_test("x", &input, &context(), &decision).unwrap();
        let report = test(&engine, &with_test(&source, &text));
        assert!(report.is_green() && report.cases.len() == 1, "{report:#?}\n{text}");
    }
}

/// What differs from run to run in a rendered test.
fn mask(decision: &Decision) -> String {
    let calls = serde_json::to_string(&decision.calls).unwrap();
    calls.replace('\\', "\\\\").replace('"', "\\\"")
}

#[test]
fn what_need_not_come_again_is_no_test() {
    let engine = support::engine();
    let source = handler("local s = 'x' while true do s ..= s end");
    let decision = decide(&engine, &source, &input(), &rules::NoHost);
    let error = render_test("x", &input(), &context(), &decision).unwrap_err();
    assert_eq!(error, NotATest::NotRepeatable(ErrorKind::MemoryLimit));
}

#[test]
fn a_traced_program_decides_alike_and_tells_its_lines() {
    let engine = engine();
    let body = "local x = 1\nif request.account == 'nobody' then\n  x = 2\nend\nif ctx.list('contracts'):has('4') then\n  x = 3\nend\nreturn accept{comment = tostring(x)}";
    let source = handler(body);
    let decision = decide(&engine, &source, &input(), &Gateway::default());
    let traced = engine.compile_traced("r17", source.as_bytes()).unwrap();
    let again = wait(engine.replay(&traced, &input(), &context(), &decision.calls, None));
    assert!(again.is_same_as(&decision), "{decision:#?}\n{again:#?}");
    let coverage = again.coverage.unwrap();
    assert_eq!(coverage.missed().collect::<Vec<_>>(), [5]);
    assert!(
        [3, 4, 7, 8, 10]
            .iter()
            .all(|line| coverage.ran().any(|ran| ran == *line)),
        "{coverage:?}"
    );
    assert!(decision.coverage.is_none());
}

const PIECES: &[&str] = &[
    "x = ctx.list('contracts'):get(request.account .. ctx.random(3))",
    "x = ctx.velocity('k' .. ctx.random(2), {'1h', '7d'})['1h'].count",
    "x = ctx.http.get('https://a.example/').body",
    "x = ctx.http.get('https://slow.example/', {optional = true})",
    "x = pcall(ctx.http.get, 'https://forbidden.example/')",
    "ctx.http.get('https://slow.example/')",
    "ctx.list('nope'):has('x')",
    "text = text .. '\"\\\\ \\t\\u{7f}]]\\u{202e}'",
    "text = text .. request.account .. (request.extras.data1 or '')",
    "if ctx.random(2) == 1 then return reject('forbidden', text) end",
    "if x then return retry_later() end",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_decision_becomes_a_test_that_passes(
        pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..10),
        seed in any::<u64>(),
        account in ".{0,12}",
        extra in ".{0,12}",
        minor in any::<Option<u32>>(),
    ) {
        let engine = engine();
        let source = handler(&format!("local x, text = nil, ''\n{}\nreturn accept{{comment = text}}", pieces.join("\n")));
        let input = Arc::new(Input::Check(rules::CheckRequest {
            account,
            extras: [(String::from("data1"), extra)].into(),
            amount: minor.map(|minor| plugin_sdk::Money::from_minor(minor.into(), plugin_sdk::Currency::KWD)),
            ..support::request()
        }));
        let context = rules::CallContext { seed, ..context() };
        let subject = program(&engine, &source);
        let decision = wait(engine.run(&subject, &input, &context, &rules::Surroundings::of(&Gateway::default())));
        match render_test("any", &input, &context, &decision) {
            Ok(text) => {
                let report = test(&engine, &with_test(&source, &text));
                prop_assert!(report.is_green() && report.cases.len() == 1, "{report:#?}\n{text}");
            }
            Err(NotATest::NotRepeatable(_)) => prop_assert!(matches!(decision.outcome, Outcome::Failed(_))),
            Err(other) => prop_assert!(false, "{other}"),
        }
    }
}
