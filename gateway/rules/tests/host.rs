//! What scripts ask of the gateway: forms, answers, limits, waiting, and all the ways in which no answer comes.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::fmt::Write;
use std::time::Duration;

use rules::{CallLimits, Decision, Engine, ErrorKind, Host, HostQuestion, Limits, NoHost};
use support::hosts::{Gateway, Panics, Silent};
use support::{ask_host, engine, failure, handler, program, told, wait};

fn check(body: &str, host: &dyn Host) -> Decision {
    let engine = engine();
    ask_host(&engine, &program(&engine, &handler(body)), host)
}

fn value(expression: &str) -> String {
    let body = format!("return accept{{comment = tostring({expression})}}");
    told(check(&body, &Gateway::default()))
}

#[test]
fn answers_become_values() {
    for (expression, expected) in [
        ("ctx.list('contracts'):has(request.account)", "true"),
        ("ctx:list('contracts'):has('x')", "false"),
        ("ctx.list('contracts'):get('4').tariff", "gold"),
        ("ctx.list('contracts'):get('x')", "nil"),
        ("ctx.list('contracts'):get('4').rate", "1.5"),
        ("type(ctx.list('contracts'):get('4').rate)", "string"),
        ("ctx.list('contracts')", "list"),
        ("ctx.velocity('k', '1h').count", "60"),
        ("ctx.velocity('k', '1h').sum", "36.00 RUB"),
        ("ctx:velocity('k', '24h').sums.USD", "1.00 USD"),
        ("ctx.velocity('k', {'1m', '30d'})['1m'].count", "1"),
        ("ctx.velocity('k', {'1m', '30d'})['30d'].count", "43200"),
        ("ctx.velocity('k', '1h').sum > money('10 RUB')", "true"),
        ("ctx.health('card-main').up", "true"),
        ("ctx:health('down').up", "false"),
        (
            "ctx.health('card-main').success + ctx.health('card-main').requests",
            "115",
        ),
        ("ctx.health('card-main').latency", "120"),
        ("ctx.http.get('https://a.example/x').status", "200"),
        (
            "ctx.http:get('https://a.example/x').headers['content-type']",
            "application/json",
        ),
        ("ctx.http.get('https://a.example/x').json().balance", "150.55"),
        ("type(ctx.http.get('https://a.example/x').json().balance)", "string"),
        ("ctx.http.get('https://a.example/x'):json().big", "12345678901234567890"),
        ("ctx.http.get('https://a.example/x').json().whole + 1", "8"),
        ("ctx.http.get('https://a.example/x').json().on", "true"),
        ("ctx.http.get('https://a.example/x').json().none", "nil"),
        ("#ctx.http.get('https://a.example/x').json().list", "3"),
        ("ctx.http.get('https://a.example/x').json().deep.a.b", "c"),
        (
            "money(ctx.http.get('https://a.example/x').json().balance, 'RUB')",
            "150.55 RUB",
        ),
        (
            "ctx.http.post('https://a.example/x', {json = {b = request.amount, a = {1, 'x', true}}}).body",
            r#"{"got": {"a":[1,"x",true],"b":{"amount":"150.50","currency":"RUB"}}}"#,
        ),
        ("ctx.http.get('https://slow.example/', {optional = true})", "nil"),
    ] {
        assert_eq!(value(expression), expected, "{expression}");
    }
}

#[test]
fn questions_are_told_to_the_host_as_they_were_meant() {
    let host = Gateway::default();
    let body =
        "ctx.http.post('https://a.example/', {timeout = '500ms', cache = '5m', body = 'x', credential = 'backend',
        headers = {['X-Kind'] = 'y'}}) ctx.velocity('k', {'60m', '1d'}) return accept()";
    assert!(support::is_plain_accept(&check(body, &host)));
    insta::assert_snapshot!(serde_json::to_string_pretty(&*host.asked.borrow()).unwrap());
}

/// Errors of the script's: it may catch them, and they name its line and the cure.
#[test]
fn what_cannot_be_asked() {
    let mut text = String::new();
    for body in [
        "return ctx.list()",
        "return ctx.list(5)",
        "return ctx.list('contracts').has('x')",
        "return ctx.list('contracts'):has()",
        "return ctx.list('contracts'):has(79161234567)",
        "return ctx.list('contracts'):has(('x'):rep(300))",
        "return ctx.list('contrcts'):has('x')",
        "return ctx.list('contracts'):hsa('x')",
        "return ctx.list('contracts'):get('4').limt.amount",
        "ctx.list('contracts'):get('4').tariff = 'x'",
        "return ctx.velocity('k')",
        "return ctx.velocity('k', '90s')",
        "return ctx.velocity('k', '31d')",
        "return ctx.velocity('k', 60)",
        "return ctx.velocity('k', {})",
        "return ctx.velocity('k', {'1h', 5})",
        "return ctx.velocity('k', '1h').cuont",
        "return ctx.velocity(nil, '1h')",
        "return ctx.http.gett('https://a.example/')",
        "return ctx.http.get('a.example')",
        "return ctx.http.get('file:///etc/passwd')",
        "return ctx.http.get('https://forbidden.example/')",
        "return ctx.http.get('https://a.example/', {timout = '1s'})",
        "return ctx.http.get('https://a.example/', {timeout = 5})",
        "return ctx.http.get('https://a.example/', {timeout = '1h'})",
        "return ctx.http.get('https://a.example/', {cache = '2d'})",
        "return ctx.http.get('https://a.example/', {body = 'x'})",
        "return ctx.http.post('https://a.example/', {body = 'x', json = {}})",
        "return ctx.http.post('https://a.example/', {json = {a = 1.5}})",
        "return ctx.http.post('https://a.example/', {json = {a = type}})",
        "return ctx.http.post('https://a.example/', {json = {1, nil, 3}})",
        "return ctx.http.get('https://a.example/', {headers = {Authorization = 'secret'}})",
        "return ctx.http.get('https://a.example/', {headers = {x = 'a\\r\\nb'}})",
        "return ctx.http.get('https://a.example/', 5)",
        "return ctx.http.get('https://a.example/').staus",
        "table.sort({2, 1}, function(a, b) return ctx.list('contracts'):has('x') end)",
        "return ('x'):gsub('x', function() return ctx.list('contracts'):get('x') end)",
    ] {
        let error = failure(check(body, &Gateway::default()));
        writeln!(text, "{body}\n  {}: {}", error.kind, error.message).unwrap();
        assert_eq!((error.kind, error.line.is_some()), (ErrorKind::Runtime, true), "{body}");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn questions_are_counted() {
    let listed = "for i = 1, 17 do ctx.list('contracts'):has('x' .. i) end return accept()";
    let error = failure(check(listed, &Gateway::default()));
    assert!(error.message.contains("more than 16 questions"), "{error}");
    let fetched = "for i = 1, 4 do ctx.http.get('https://a.example/' .. i) end return accept()";
    let error = failure(check(fetched, &Gateway::default()));
    assert!(error.message.contains("more than 3 HTTP requests"), "{error}");
}

#[test]
fn what_the_gateway_does_not_know_ends_the_decision_however_it_is_caught() {
    let host = Gateway::default();
    host.failing.set(true);
    for body in [
        "ctx.list('contracts'):has('x') return accept()",
        "pcall(function() ctx.list('contracts'):has('x') end) return accept()",
        "pcall(ctx.velocity, 'k', '1h') return accept()",
        "xpcall(ctx.velocity, function() return 1 end, 'k', '1h') while true do pcall(error) end",
        "pcall(pcall, ctx.velocity, 'k', '1h') return accept()",
    ] {
        let error = failure(check(body, &host));
        assert_eq!(error.kind, ErrorKind::HostUnavailable, "{body}: {error}");
        assert!(error.message.contains("the database does not answer"), "{error}");
        assert_eq!(error.line, Some(3), "{body}");
    }
    let error = failure(check(
        "return ctx.http.get('https://slow.example/')",
        &Gateway::default(),
    ));
    assert_eq!(error.kind, ErrorKind::HostTimeout);
}

#[test]
fn the_main_part_and_an_unknown_host_ask_nothing() {
    let error = failure(check("return ctx.list('contracts'):has('x')", &NoHost));
    assert_eq!(error.kind, ErrorKind::Runtime);
    let error = failure(support::run("ctx.list('x'):has('y') return {}"));
    assert_eq!(error.kind, ErrorKind::Runtime);
}

/// Short enough to wait for, long enough for an honest call on a busy machine.
const PATIENCE: Duration = Duration::from_millis(500);

fn impatient() -> Engine {
    Engine::new(Limits {
        call: CallLimits {
            decision: PATIENCE,
            own_cpu: rules::hard_caps::OWN_CPU,
            ..CallLimits::default()
        },
        vms_per_worker: 1,
        ..Limits::default()
    })
    .unwrap()
}

#[test]
fn a_host_that_never_answers_ends_in_time_and_leaves_the_vm_clean() {
    let engine = impatient();
    let asks = program(
        &engine,
        &handler("leaked = 1 local x = ctx.list('contracts'):has('x') return accept()"),
    );
    let decision = ask_host(&engine, &asks, &Silent);
    assert_eq!(decision.calls.len(), 1);
    assert!(decision.own_time < PATIENCE / 2, "waiting is not the script's own time");
    assert_eq!(failure(decision).kind, ErrorKind::HostTimeout);
    let next = program(&engine, &handler("assert(leaked == nil) return accept()"));
    assert!(support::is_plain_accept(&ask_host(&engine, &next, &Silent)));
}

#[test]
fn a_host_that_panics_costs_one_decision() {
    let engine = impatient();
    let asks = program(
        &engine,
        &handler("local x = ctx.list('contracts'):has('x') return accept()"),
    );
    for at_once in [false, true] {
        let error = failure(ask_host(&engine, &asks, &Panics { at_once }));
        assert_eq!(error.kind, ErrorKind::HostUnavailable);
        assert!(support::is_plain_accept(&ask_host(&engine, &asks, &Gateway::default())));
    }
}

#[test]
fn an_abandoned_call_leaves_nothing_behind() {
    let engine = impatient();
    let asks = program(
        &engine,
        &handler("leaked = 'leak' ctx.log('leak') if ctx.list('contracts'):has('x') then end return accept()"),
    );
    let next = program(
        &engine,
        &handler("assert(leaked == nil) assert(ctx.list('blocked'):has('x') == false) return accept()"),
    );
    for _ in 0..5 {
        wait(async {
            let (input, context) = (support::input(), support::context());
            let surroundings = rules::Surroundings::of(&Silent);
            let call = engine.run(&asks, &input, &context, &surroundings);
            let abandoned = tokio::time::timeout(Duration::from_millis(5), call).await;
            assert!(abandoned.is_err());
        });
        let decision = ask_host(&engine, &next, &Gateway::default());
        assert!(support::is_plain_accept(&decision), "{decision:?}");
        assert_eq!((decision.log.len(), decision.calls.len()), (0, 1));
    }
}

/// Many calls wait on one thread at once, each comes back at its own time, and none sees another's questions.
#[test]
fn calls_that_wait_on_one_thread_do_not_mix() {
    const CALLS: usize = 200;
    let engine = engine();
    let body = "local seen = {} for i = 1, 5 do own = request.account
        local mine = ctx.list('contracts'):get(request.account .. i)
        assert(own == request.account) seen[i] = mine and mine.tariff or 'none' end
        return accept{comment = own .. table.concat(seen)}";
    let script = program(&engine, &handler(body));
    wait(async {
        let gateways: Vec<_> = (0..CALLS)
            .map(|call| Gateway {
                polls: u32::try_from(call % 7).unwrap(),
                ..Gateway::default()
            })
            .collect();
        let calls = gateways.iter().enumerate().map(|(call, gateway)| {
            let (engine, script) = (&engine, &script);
            async move {
                let account = format!("{}{call}", if call % 2 == 0 { 4 } else { 5 });
                let request = rules::CheckRequest {
                    account: account.clone(),
                    ..support::request()
                };
                let input = std::sync::Arc::new(rules::Input::Check(request));
                let surroundings = rules::Surroundings::of(gateway);
                let decision = engine.run(script, &input, &support::context(), &surroundings).await;
                let seen = if call % 2 == 0 { "gold" } else { "none" };
                assert_eq!(told(decision), format!("{account}{}", seen.repeat(5)));
                let keys: Vec<_> = gateway.asked.borrow().iter().map(key).collect();
                assert_eq!(keys, (1..=5).map(|i| format!("{account}{i}")).collect::<Vec<_>>());
            }
        });
        futures_util::future::join_all(calls).await;
    });
}

fn key(question: &HostQuestion) -> String {
    match question {
        HostQuestion::ListGet { key, .. } => key.clone(),
        other => panic!("{other:?}"),
    }
}

/// However long the host takes and however often it is polled, the script takes the same steps.
#[test]
fn waiting_costs_no_steps() {
    let engine = engine();
    let body = "for i = 1, 5 do ctx.velocity('k' .. i, '1h') end return accept()";
    let script = program(&engine, &handler(body));
    let steps: Vec<_> = [0, 1, 50]
        .map(|polls| {
            ask_host(
                &engine,
                &script,
                &Gateway {
                    polls,
                    ..Gateway::default()
                },
            )
            .steps
        })
        .into();
    assert!(
        steps[0] > 5 && steps.iter().all(|other| *other == steps[0]),
        "{steps:?}"
    );
}

#[test]
fn a_decision_tells_what_it_asked_and_where() {
    let body = "local x = 1\nif ctx.list('contracts'):has('4') then\nctx.velocity('k', '1h') end\nreturn accept()";
    let decision = check(body, &Gateway::default());
    let calls: Vec<_> = decision.calls.iter().map(|call| (&call.question, call.line)).collect();
    assert!(matches!(calls[0], (HostQuestion::ListGet { .. }, Some(4))), "{calls:?}");
    assert!(
        matches!(calls[1], (HostQuestion::Velocity { .. }, Some(5))),
        "{calls:?}"
    );
    assert!(
        support::is_plain_accept(&decision) && decision.memory > 0,
        "{decision:?}"
    );
}
