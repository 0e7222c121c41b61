//! Prints what one decision of a 35-line rule costs, fresh environment included. Build with `--release`.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use chrono::Utc;
use plugin_sdk::{Currency, Money};
use rules::{CallContext, CheckRequest, Command, Engine, Input, Limits, Surroundings};

const WARM_UP: usize = 2_000;
const MEASURED: usize = 50_000;

const RULE: &str = include_str!("rule.lua");

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let engine = Engine::new(Limits::default())?;
    let program = engine.compile("r17", RULE.as_bytes())?;
    let input = Arc::new(Input::Check(CheckRequest {
        command: Command::Check,
        account: String::from("4561261212345467"),
        amount: Some(Money::from_minor(15_050, Currency::RUB)),
        txn_id: Some(String::from("12345678901234567890")),
        service: None,
        at: Utc::now(),
        extras: BTreeMap::new(),
    }));
    let surroundings = Surroundings::default();
    let context = CallContext {
        now: Utc::now(),
        seed: 7,
    };
    let mut nanoseconds = Vec::with_capacity(MEASURED);
    let mut last = None;
    for turn in 0..WARM_UP + MEASURED {
        let started = Instant::now();
        let decision = engine.run(&program, &input, &context, &surroundings).await;
        if turn >= WARM_UP {
            nanoseconds.push(started.elapsed().as_nanos());
        }
        last = Some(decision);
    }
    nanoseconds.sort_unstable();
    let at = |share: usize| {
        nanoseconds
            .get(nanoseconds.len() * share / 1000)
            .copied()
            .unwrap_or_default()
    };
    println!("program: {} bytes", program.size());
    println!(
        "decision: {:?}",
        last.map(|decision| (decision.outcome, decision.steps))
    );
    println!("median {} ns, p99 {} ns, p99.9 {} ns", at(500), at(990), at(999));
    Ok(())
}
