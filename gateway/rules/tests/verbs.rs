//! What an honest author writes, and what comes of it.
#![allow(clippy::unwrap_used)]

mod support;

use plugin_sdk::{Field, Reason};
use rules::{Command, Outcome};
use support::{ask, check, context, engine, failure, handler, program, request, run, told};

fn field(name: &str, value: &str) -> Field {
    Field {
        name: name.into(),
        value: value.into(),
    }
}

#[test]
fn a_script_without_the_handler_does_not_decide() {
    assert_eq!(run("return {}").outcome, Outcome::NoHandler);
    assert_eq!(
        run("--!strict\n--!api 1\nreturn { route = function() end }").outcome,
        Outcome::NoHandler
    );
}

#[test]
fn accepts() {
    assert_eq!(
        check("return accept()").outcome,
        Outcome::Accept {
            comment: None,
            fields: vec![]
        }
    );
    assert_eq!(
        check("return accept{}").outcome,
        Outcome::Accept {
            comment: None,
            fields: vec![]
        }
    );
    let decision = check(
        "return accept{ comment = 'Добро', fields = { {name='fio', value='Ivan I.'}, {name='debt', value=money('5 RUB')}, {name='age', value=42} } }",
    );
    let fields = vec![field("fio", "Ivan I."), field("debt", "5.00 RUB"), field("age", "42")];
    assert_eq!(
        decision.outcome,
        Outcome::Accept {
            comment: Some("Добро".into()),
            fields
        }
    );
}

#[test]
fn a_map_of_fields_is_sorted_and_a_list_keeps_its_order() {
    let decision = check("return accept{ fields = { z = 'last', a = 'first', m = -0.0 } }");
    let fields = vec![field("a", "first"), field("m", "0"), field("z", "last")];
    assert_eq!(decision.outcome, Outcome::Accept { comment: None, fields });
    let decision =
        check("local t = {} for i = 9, 1, -1 do t[i] = {name='f'..i, value=i} end return accept{ fields = t }");
    let fields = (1..=9).map(|i| field(&format!("f{i}"), &i.to_string())).collect();
    assert_eq!(decision.outcome, Outcome::Accept { comment: None, fields });
}

#[test]
fn rejects_with_every_final_reason() {
    for reason in Reason::ALL {
        let decision = check(&format!("return reject('{}', 'because')", reason.as_str()));
        if reason.is_final() {
            assert_eq!(
                decision.outcome,
                Outcome::Reject {
                    reason,
                    comment: Some("because".into())
                }
            );
        } else {
            assert!(failure(decision).message.contains("use retry_later()"));
        }
    }
    let reason = Reason::Forbidden;
    assert_eq!(
        check("return reject 'forbidden'").outcome,
        Outcome::Reject { reason, comment: None }
    );
}

#[test]
fn asks_to_try_later() {
    assert_eq!(
        check("return retry_later()").outcome,
        Outcome::RetryLater { comment: None }
    );
    assert_eq!(
        check("return retry_later('soon')").outcome,
        Outcome::RetryLater {
            comment: Some("soon".into())
        }
    );
}

#[test]
fn the_request_is_all_there() {
    let body = "return accept{ comment = table.concat({request.command, request.account, tostring(request.amount),
        request.amount.amount, request.amount.currency, request.txn_id, tostring(request.service), request.at,
        request.extras.data1, tostring(request.extras.other)}, '|') }";
    let expected = "check|4561261212345467|150.50 RUB|150.50|RUB|12345678901234567890|nil|2025-03-14T21:30:05Z|one|nil";
    assert_eq!(told(check(body)), expected);
    let engine = engine();
    let program = program(
        &engine,
        &handler("return accept{ comment = `{request.command} {request.amount} {request.txn_id}` }"),
    );
    let bare = rules::CheckRequest {
        command: Command::Info,
        amount: None,
        txn_id: None,
        ..request()
    };
    assert_eq!(told(ask(&engine, &program, &bare, &context())), "info nil nil");
}

#[test]
fn the_extras_are_sorted_when_walked() {
    let body = "local t = '' for k, v in request.extras do t ..= `{k}={v};` end return accept{comment=t}";
    assert_eq!(told(check(body)), "data1=one;data2=two;");
}

#[test]
fn the_moment_is_the_recorded_one() {
    assert_eq!(told(check("return accept{comment = ctx.now}")), "2025-03-14T21:30:05Z");
    let body = "local t = ctx.time('+03:00') return accept{comment=`{t.date} {t.hour}:{t.minute}:{t.second} {t.weekday} {t.year} {t.month} {t.day}`}";
    assert_eq!(told(check(body)), "2025-03-15 0:30:5 6 2025 3 15");
    assert_eq!(told(check("return accept{comment = tostring(ctx:time().hour)}")), "21");
    for wrong in ["'+3'", "'MSK'", "3", "'+99:99'", "{}", "''"] {
        assert!(
            failure(check(&format!("return accept{{comment = ctx.time({wrong}).date}}")))
                .message
                .contains("offset")
        );
    }
}

#[test]
fn randomness_and_buckets_repeat() {
    let body = "return accept{comment = `{ctx.random(6)} {ctx:random(1000)} {ctx.random(1)} {ctx.hash(request.account, 100)} {ctx:hash('a', 100)}`}";
    let first = told(check(body));
    assert_eq!(first, told(check(body)));
    // These numbers are recorded in decisions: they must never change.
    insta::assert_snapshot!(first, @"3 17 1 37 80");
    let engine = engine();
    let program = program(
        &engine,
        &handler("return accept{comment = tostring(ctx.random(1000000))}"),
    );
    let drawn = |seed| {
        told(ask(
            &engine,
            &program,
            &request(),
            &rules::CallContext { seed, ..context() },
        ))
    };
    assert_ne!(drawn(1), drawn(2));
}

#[test]
fn random_and_hash_cover_one_to_n_evenly() {
    let body = "local seen = {} for i = 1, 600 do local r = ctx.random(3) seen[r] = (seen[r] or 0) + 1
        local h = 10 + ctx.hash('key' .. i, 3) seen[h] = (seen[h] or 0) + 1 end
        for _, k in {1, 2, 3, 11, 12, 13} do assert(seen[k] > 160 and seen[k] < 240) seen[k] = nil end
        assert(next(seen) == nil) return accept()";
    assert_eq!(
        check(body).outcome,
        Outcome::Accept {
            comment: None,
            fields: vec![]
        }
    );
}

#[test]
fn the_log_is_bounded_and_escaped() {
    let decision = check(
        "ctx.log('a\\nb\\27[31m') ctx:log(42) ctx.log(request.amount) ctx.log(true)\nctx.log(('я'):rep(300)) return accept()",
    );
    let lines: Vec<_> = decision
        .log
        .iter()
        .map(|line| (line.text.as_str(), line.line))
        .collect();
    assert_eq!(
        lines[..4],
        [
            ("a\\nb\\u{1b}[31m", Some(3)),
            ("42", Some(3)),
            ("150.50 RUB", Some(3)),
            ("true", Some(3))
        ]
    );
    assert!(lines[4].0.len() <= 200 && lines[4].0.ends_with('…') && lines[4].1 == Some(4));
    let decision = check("for i = 1, 50 do ctx.log(i) end return accept()");
    assert_eq!((decision.log.len(), decision.log_dropped), (20, 30));
    assert!(
        failure(check("ctx.log({}) return accept()"))
            .message
            .contains("ctx.log takes text")
    );
}

#[test]
fn a_failed_script_keeps_its_log() {
    let decision = check("ctx.log('here') error('x')");
    assert_eq!(decision.log.len(), 1);
}

#[test]
fn the_prelude_is_what_runs() {
    // Each fails if the original ran instead: the compiler's fast paths, methods and interpolation included.
    for (body, expected) in [
        ("return accept{comment = tostring({})}", "table"),
        (
            "return accept{comment = `{ {} } {print} {accept}`}",
            "table nil function",
        ),
        ("return accept{comment = string.format('%s', {})}", "table"),
        ("return accept{comment = ('%s'):format(tostring)}", "function"),
        (
            "return accept{comment = tostring(setmetatable({}, {__tostring = function() return 'mine' end}))}",
            "mine",
        ),
        ("return accept{comment = tostring(select(2, pcall(error)))}", "nil"),
        (
            "return accept{comment = tostring(request) .. tostring(ctx) .. tostring(accept())}",
            "requestctxanswer",
        ),
    ] {
        assert_eq!(told(check(body)), expected, "{body}");
    }
}

#[test]
fn caught_errors_are_texts() {
    let body = "local ok, e = pcall(function() return request.acount end) return accept{comment = type(e) .. ' ' .. e}";
    assert_eq!(
        told(check(body)),
        "string rules r17:3: request has no field 'acount' (did you mean 'account'?)"
    );
    let body = "local ok, e = xpcall(function() return money(1) end, function(e) return 'H:' .. e end) return accept{comment = e}";
    assert!(told(check(body)).starts_with("H:rules r17:3: money: a number cannot be exact money"));
    let body = "local ok, e = pcall(error, {code = 1}) return accept{comment = tostring(e.code)}";
    assert_eq!(told(check(body)), "1");
}
