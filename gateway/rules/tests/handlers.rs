//! `route`, `fee` and `event`: what they see, what they may answer, and what else is an error.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::fmt::Write;
use std::sync::Arc;

use plugin_sdk::{Currency, Money, Reason};
use rules::{Decision, Event, Input, NoHost, Note, Outcome, Payment};
use support::{ask_input, engine, event, failure, payment, program};

fn run(name: &str, input: Input, body: &str) -> Decision {
    let engine = engine();
    let source = format!("local rules = {{}}\nfunction rules.{name}(it, ctx)\n{body}\nend\nreturn rules\n");
    ask_input(&engine, &program(&engine, &source), &Arc::new(input), &NoHost)
}

fn route(body: &str) -> Decision {
    run("route", Input::Route(payment()), body)
}

fn fee(body: &str) -> Decision {
    run("fee", Input::Fee(payment()), body)
}

fn on_event(body: &str) -> Decision {
    run("event", Input::Event(event()), body)
}

#[test]
fn a_route_names_connections_in_order() {
    let decision = route("return route('card-main'):fallback('payin'):fallback('wallet')");
    assert_eq!(
        decision.outcome,
        Outcome::Route {
            connection: String::from("card-main"),
            fallbacks: vec![String::from("payin"), String::from("wallet")],
        }
    );
    let kept = route("local first = route('a') local second = first:fallback('b') return first");
    assert!(matches!(kept.outcome, Outcome::Route { fallbacks, .. } if fallbacks.is_empty()));
    let refused = route("return reject('forbidden', 'not by card')").outcome;
    assert!(matches!(
        refused,
        Outcome::Reject {
            reason: Reason::Forbidden,
            ..
        }
    ));
    assert!(matches!(
        route("return retry_later()").outcome,
        Outcome::RetryLater { .. }
    ));
}

#[test]
fn a_fee_is_money_of_the_payments_currency() {
    let five = Money::from_minor(500, Currency::RUB);
    assert_eq!(
        fee("return fee(money('5 RUB'))").outcome,
        Outcome::Fee {
            amount: five,
            text: None
        }
    );
    assert_eq!(
        fee("return fee{amount = money('5 RUB'), text = 'Service'}").outcome,
        Outcome::Fee {
            amount: five,
            text: Some(String::from("Service"))
        }
    );
    assert!(matches!(fee("return fee(money('0 RUB'))").outcome, Outcome::Fee { .. }));
    assert_eq!(fee("return no_fee()").outcome, Outcome::NoFee);
}

#[test]
fn an_event_is_delivered_dropped_or_annotated() {
    assert_eq!(on_event("return deliver()").outcome, Outcome::Deliver);
    assert_eq!(on_event("return drop()").outcome, Outcome::Drop);
    let decision = on_event("return annotate{segment = 'new', tries = 3, vip = true, sum = it.payment.amount}");
    let Outcome::Annotate { notes } = decision.outcome else {
        panic!("{:?}", decision.outcome)
    };
    let notes: Vec<_> = notes.into_iter().collect();
    assert_eq!(
        notes,
        [
            (String::from("segment"), Note::Text(String::from("new"))),
            (
                String::from("sum"),
                Note::Money(Money::from_minor(15_050, Currency::RUB))
            ),
            (String::from("tries"), Note::Whole(3)),
            (String::from("vip"), Note::Flag(true)),
        ]
    );
}

#[test]
fn the_views_show_what_is_known_and_nil_for_the_rest() {
    for (what, decision) in [
        (
            "route",
            route(
                "assert(it.amount == money('150.50 RUB') and it.method == 'card' and it.country == 'RU')
                assert(it.bin == '427655' and it.last_four == '5467' and it.order_id == 'order-7' and it.id == 'pay_1')
                assert(it.service == nil and it.txn_id == nil and it.status == nil and it.connection == nil)
                assert(it.extras.data1 == 'one' and it.account and it.at == '2025-03-14T21:30:05Z')
                return retry_later()",
            ),
        ),
        (
            "event",
            on_event(
                "assert(it.type == 'payment.succeeded' and it.id == 'evt_1' and it.payment.method == 'card')
                assert(it.data.attempt == 2 and it.data.rate == '1.5' and it.data.tags[2] == 'b' and it.data.x == nil)
                assert(it.data == it.data and it.payment.extras.data2 == 'two' and it.at)
                return drop()",
            ),
        ),
        (
            "event without a payment",
            run(
                "event",
                Input::Event(Event {
                    payment: None,
                    ..event()
                }),
                "assert(it.payment == nil) return deliver()",
            ),
        ),
        (
            "bare payment",
            run(
                "fee",
                Input::Fee(Payment::new(Money::from_minor(1, Currency::JPY), support::moment())),
                "assert(it.account == nil and it.method == nil and next(it.extras) == nil) return no_fee()",
            ),
        ),
    ] {
        assert!(
            !matches!(decision.outcome, Outcome::Failed(_)),
            "{what}: {:?}",
            decision.outcome
        );
    }
}

#[test]
fn an_absent_handler_has_not_looked() {
    let engine = engine();
    let empty = program(&engine, "return {}");
    for input in [Input::Route(payment()), Input::Fee(payment()), Input::Event(event())] {
        let decision = ask_input(&engine, &empty, &Arc::new(input), &NoHost);
        assert_eq!(decision.outcome, Outcome::NoHandler);
    }
}

/// Every answer of one handler is an error in the others, and so is everything that is no answer.
#[test]
fn nonsense_is_refused() {
    let mut text = String::new();
    type Ask = fn(&str) -> Decision;
    let cases: [(&str, Ask, &[&str]); 3] = [
        (
            "route",
            route,
            &[
                "return accept()",
                "return 'card-main'",
                "return fee(money('1 RUB'))",
                "return route()",
                "return route('')",
                "return route('a b')",
                "return route(5)",
                "return route('a', 'b')",
                "return route(('x'):rep(65))",
                "return route('a'):fallback('a')",
                "return route('a'):fallback('b'):fallback('b')",
                "return route('a'):fallback()",
                "return route('a'):fallbak('b')",
                "return reject('forbidden'):fallback('b')",
                "local r = route('x') for i = 1, 6 do r = r:fallback('c' .. i) end return r",
                "return it.acount",
                "it.amount = money('1 RUB')",
            ],
        ),
        (
            "fee",
            fee,
            &[
                "return accept()",
                "return reject('forbidden')",
                "return 5",
                "return fee(5)",
                "return fee()",
                "return fee{}",
                "return fee{amount = 5}",
                "return fee{amont = money('5 RUB')}",
                "return fee(money('5 USD'))",
                "return fee(money('-5 RUB'))",
                "return fee{amount = money('5 RUB'), text = 5}",
                "return no_fee(1)",
            ],
        ),
        (
            "event",
            on_event,
            &[
                "return true",
                "return accept()",
                "return annotate()",
                "return annotate{}",
                "return annotate{a = 1.5}",
                "return annotate{a = {}}",
                "return annotate{[1] = 'a'}",
                "return annotate{['a b'] = 'a'}",
                "return annotate{a = ('x'):rep(5000)}",
                "local t = {} for i = 1, 17 do t['k' .. i] = i end return annotate(t)",
                "return annotate(setmetatable({}, {}))",
                "it.data.x = 1",
                "it.data.tags[1] = 1",
                "return it.tpye",
                "return deliver(), drop()",
            ],
        ),
    ];
    for (name, run, bodies) in cases {
        for body in bodies {
            let error = failure(run(body));
            writeln!(text, "{name}: {body}\n  {}: {}", error.kind, error.message).unwrap();
            assert!(error.line.is_some(), "{body}");
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn an_event_larger_than_a_script_may_hold_is_an_error_where_it_is_read() {
    let large = Event {
        data: serde_json::Value::from(vec![1; 5_000]),
        ..event()
    };
    let error = failure(run(
        "event",
        Input::Event(large.clone()),
        "local x = it.data return deliver()",
    ));
    assert!(error.message.contains("more than 2048 values"), "{error}");
    assert_eq!(
        run("event", Input::Event(large), "return deliver()").outcome,
        Outcome::Deliver
    );
}

/// What is stored comes back as it was.
#[test]
fn inputs_and_outcomes_survive_json() {
    for input in [
        Input::Check(support::request()),
        Input::Route(payment()),
        Input::Fee(payment()),
        Input::Event(event()),
    ] {
        let text = serde_json::to_string(&input).unwrap();
        assert_eq!(serde_json::from_str::<Input>(&text).unwrap(), input, "{text}");
    }
    for decision in [
        route("ctx.log('x') return route('a'):fallback('b')"),
        route("return reject('forbidden', 'x')"),
        fee("return fee{amount = money('5 RUB'), text = 'x'}"),
        fee("return no_fee()"),
        on_event("return annotate{a = 'x', b = 1, c = false, d = money('1 RUB')}"),
        on_event("local function f() error('x') end f()"),
    ] {
        let text = serde_json::to_string(&decision).unwrap();
        let read: Decision = serde_json::from_str(&text).unwrap();
        assert!(read.is_same_as(&decision), "{text}");
    }
}
