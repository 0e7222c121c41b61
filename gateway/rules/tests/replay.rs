//! A decision that is replayed from its record comes to the same, in the same number of steps, without a network.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::sync::Arc;

use proptest::prelude::*;
use rules::{Decision, Engine, ErrorKind, Host, Input, Outcome, Program, Recorded};
use support::hosts::Gateway;
use support::{ask_host, engine, handler, program, wait};

/// The record, as a store would give it back.
fn stored(decision: &Decision) -> Decision {
    serde_json::from_str(&serde_json::to_string(decision).unwrap()).unwrap()
}

fn replay(engine: &Engine, program: &Arc<Program>, decision: &Decision) -> Decision {
    ask_host(engine, program, &Recorded::new(stored(decision).calls))
}

#[test]
fn a_replay_gives_what_was_given() {
    let engine = engine();
    for (body, failing) in [
        ("return accept()", false),
        (
            "if ctx.list('contracts'):has('4') then return reject('forbidden') end return accept()",
            false,
        ),
        (
            "ctx.log(ctx.velocity('k', '1h').sum) return retry_later(tostring(ctx.random(100)))",
            false,
        ),
        (
            "return accept{comment = ctx.http.get('https://a.example/').json().big}",
            false,
        ),
        (
            "local r = ctx.http.get('https://slow.example/', {optional = true}) return accept{comment = tostring(r)}",
            false,
        ),
        (
            "return accept{comment = tostring(pcall(ctx.http.get, 'https://forbidden.example/'))}",
            false,
        ),
        ("return ctx.list('contrcts'):has('x')", false),
        ("ctx.velocity('k', '1h') return accept()", true),
        ("for i = 1, 20 do ctx.list('contracts'):has('x' .. i) end", false),
        ("ctx.list('contracts'):has('4') error('mine')", false),
    ] {
        let script = program(&engine, &handler(body));
        let host = Gateway::default();
        host.failing.set(failing);
        let first = ask_host(&engine, &script, &host);
        let again = replay(&engine, &script, &first);
        assert!(again.is_same_as(&stored(&first)), "{body}\n{first:#?}\n{again:#?}");
    }
}

#[test]
fn a_question_that_was_not_asked_has_no_answer() {
    let engine = engine();
    let first = ask_host(
        &engine,
        &program(&engine, &handler("ctx.list('contracts'):has('4') return accept()")),
        &Gateway::default(),
    );
    for (body, expected) in [
        ("return ctx.list('contracts'):get('4') and accept()", None),
        (
            "ctx.list('contracts'):has('4') ctx.list('contracts'):has('4') return accept()",
            None,
        ),
        ("return accept()", None),
        ("ctx.list('contracts'):has('5') return accept()", Some("list:has")),
        ("pcall(ctx.velocity, 'k', '1h') return accept()", Some("ctx.velocity")),
    ] {
        let again = replay(&engine, &program(&engine, &handler(body)), &first);
        match (again.outcome, expected) {
            (Outcome::Accept { .. }, None) => {}
            (Outcome::Failed(error), Some(named)) => {
                assert_eq!(error.kind, ErrorKind::Unanswered);
                assert!(error.message.contains(named) && error.line == Some(3), "{error}");
            }
            (other, _) => panic!("{body}: {other:?}"),
        }
    }
}

/// Answers change while a decision asks: a replay tells them in their order.
#[test]
fn the_same_question_twice_gets_its_answers_in_order() {
    use std::cell::Cell;

    use rules::{HostAnswer, HostFuture, HostQuestion, Totals};

    #[derive(Default)]
    struct Counting(Cell<u64>);
    impl Host for Counting {
        fn ask<'a>(&'a self, _: &'a HostQuestion) -> HostFuture<'a> {
            self.0.set(self.0.get() + 1);
            let count = self.0.get();
            Box::pin(std::future::ready(Ok(HostAnswer::Velocity {
                totals: vec![Totals { count, sums: vec![] }],
            })))
        }
    }
    let engine = engine();
    let body = "local t = {} for i = 1, 3 do t[i] = ctx.velocity('k', '1h').count end return accept{comment = table.concat(t, ' ')}";
    let script = program(&engine, &handler(body));
    let first = ask_host(&engine, &script, &Counting::default());
    assert_eq!(support::told(replay(&engine, &script, &first)), "1 2 3");
}

const PIECES: &[&str] = &[
    "x = ctx.list('contracts'):has(request.account)",
    "x = ctx.list('contracts'):get(request.account .. ctx.random(3))",
    "x = ctx.list('blocked'):has('y')",
    "x = ctx.velocity('k' .. ctx.random(2), '1h').count",
    "x = ctx.velocity(request.account, {'1m', '7d'})['7d'].sum",
    "x = ctx.http.get('https://a.example/').json()",
    "x = ctx.http.get('https://slow.example/', {optional = true})",
    "x = pcall(ctx.http.get, 'https://forbidden.example/')",
    "x = pcall(function() return ctx.list('nope'):has('x') end)",
    "for i = 1, ctx.random(9) do n = n + i end",
    "ctx.log(n)",
    "if ctx.random(2) == 1 then return reject('forbidden', tostring(n)) end",
    "if x then n = n + 1 end",
    "if ctx.hash(request.account, 100) > 50 then return retry_later() end",
    "if n > 40 then error('too many') end",
    "n = n + #request.extras.data1",
    "while n > 60 do end",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_decision_replays(
        pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..14),
        seed in any::<u64>(),
        account in "[0-9]{1,12}",
        polls in 0_u32..3,
    ) {
        let engine = engine();
        let script = program(&engine, &handler(&format!("local x, n = nil, 0\n{}\nreturn accept{{comment = tostring(n)}}", pieces.join("\n"))));
        let input = Arc::new(Input::Check(rules::CheckRequest { account, ..support::request() }));
        let context = rules::CallContext { seed, ..support::context() };
        let run = |host: &dyn Host| wait(engine.run(&script, &input, &context, &rules::Surroundings::of(host)));
        let first = run(&Gateway { polls, ..Gateway::default() });
        let again = run(&Recorded::new(stored(&first).calls));
        let late = |decision: &Decision| matches!(&decision.outcome, Outcome::Failed(error) if error.kind == ErrorKind::TimeLimit);
        if !late(&first) && !late(&again) {
            prop_assert!(again.is_same_as(&first), "{first:#?}\n{again:#?}");
        }
    }
}
