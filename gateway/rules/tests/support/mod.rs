//! What every test of the engine needs.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod hosts;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use plugin_sdk::{Currency, Money};
use rules::{
    CallContext, CallLimits, CheckRequest, Command, Decision, Engine, ErrorKind, Event, Host, Input, Limits, Outcome,
    Payment, Program, ScriptError, Surroundings,
};

/// The default limits, but as patient as allowed: a slow machine must not change what a test sees.
pub fn engine() -> Engine {
    Engine::new(Limits {
        call: CallLimits {
            own_cpu: rules::hard_caps::OWN_CPU,
            ..CallLimits::default()
        },
        ..Limits::default()
    })
    .unwrap()
}

pub fn program(engine: &Engine, source: &str) -> Arc<Program> {
    engine
        .compile("r17", source.as_bytes())
        .unwrap_or_else(|error| panic!("{error}\n{source}"))
}

pub fn moment() -> DateTime<Utc> {
    "2025-03-14T21:30:05Z".parse().unwrap()
}

pub fn context() -> CallContext {
    CallContext { now: moment(), seed: 7 }
}

pub fn request() -> CheckRequest {
    CheckRequest {
        command: Command::Check,
        account: String::from("4561261212345467"),
        amount: Some(Money::from_minor(15_050, Currency::RUB)),
        txn_id: Some(String::from("12345678901234567890")),
        service: None,
        at: moment(),
        extras: BTreeMap::from([
            (String::from("data1"), String::from("one")),
            (String::from("data2"), String::from("two")),
        ]),
    }
}

pub fn input() -> Arc<Input> {
    Arc::new(Input::Check(request()))
}

pub fn payment() -> Payment {
    Payment {
        id: Some(String::from("pay_1")),
        method: Some(String::from("card")),
        account: Some(String::from("4561261212345467")),
        order_id: Some(String::from("order-7")),
        country: Some(String::from("RU")),
        bin: Some(String::from("427655")),
        last_four: Some(String::from("5467")),
        extras: request().extras,
        ..Payment::new(Money::from_minor(15_050, Currency::RUB), moment())
    }
}

pub fn event() -> Event {
    Event {
        id: Some(String::from("evt_1")),
        event_type: String::from("payment.succeeded"),
        payment: Some(payment()),
        data: serde_json::json!({"attempt": 2, "rate": 1.5, "tags": ["a", "b"]}),
        at: moment(),
    }
}

pub fn wait<R>(future: impl Future<Output = R>) -> R {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(future)
}

/// Asks again when the clock ran out: on a busy machine that says nothing about the script.
pub fn ask(engine: &Engine, program: &Arc<Program>, request: &CheckRequest, context: &CallContext) -> Decision {
    const ATTEMPTS: usize = 20;
    let is_late =
        |decision: &Decision| matches!(&decision.outcome, Outcome::Failed(error) if error.kind == ErrorKind::TimeLimit);
    let mut decision = wait(engine.check(program, request, context));
    for _ in 1..ATTEMPTS {
        if !is_late(&decision) {
            break;
        }
        decision = wait(engine.check(program, request, context));
    }
    decision
}

/// Asks any handler, with a host; again when the clock ran out.
pub fn ask_input(engine: &Engine, program: &Arc<Program>, input: &Arc<Input>, host: &dyn Host) -> Decision {
    const ATTEMPTS: usize = 20;
    let is_late =
        |decision: &Decision| matches!(&decision.outcome, Outcome::Failed(error) if error.kind == ErrorKind::TimeLimit);
    let once = || wait(engine.run(program, input, &context(), &Surroundings::of(host)));
    let mut decision = once();
    for _ in 1..ATTEMPTS {
        if !is_late(&decision) {
            break;
        }
        decision = once();
    }
    decision
}

pub fn ask_host(engine: &Engine, program: &Arc<Program>, host: &dyn Host) -> Decision {
    ask_input(engine, program, &input(), host)
}

pub fn decide(engine: &Engine, program: &Arc<Program>) -> Decision {
    ask(engine, program, &request(), &context())
}

pub fn run(source: &str) -> Decision {
    let engine = engine();
    decide(&engine, &program(&engine, source))
}

/// The handler's body alone.
pub fn check(body: &str) -> Decision {
    run(&handler(body))
}

pub fn handler(body: &str) -> String {
    format!("local rules = {{}}\nfunction rules.check(request, ctx)\n{body}\nend\nreturn rules\n")
}

pub fn failure(decision: Decision) -> ScriptError {
    match decision.outcome {
        Outcome::Failed(error) => error,
        other => panic!("expected a failure, got {other:?}"),
    }
}

pub fn is_plain_accept(decision: &Decision) -> bool {
    decision.outcome
        == Outcome::Accept {
            comment: None,
            fields: Vec::new(),
        }
}

/// The comment of an acceptance: what the script wanted to tell the test.
pub fn told(decision: Decision) -> String {
    match decision.outcome {
        Outcome::Accept { comment, .. } => comment.unwrap_or_default(),
        other => panic!("expected an acceptance, got {other:?}"),
    }
}
