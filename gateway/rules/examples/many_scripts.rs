//! Prints what a process with many merchants' scripts holds, and what a call of one of them costs beside a call among
//! ten. Build with `--release`; the number of scripts is its argument.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use chrono::Utc;
use plugin_sdk::{Currency, Money};
use rules::{CallContext, CheckRequest, Command, Engine, Input, Limits, Program, Surroundings};

const SCRIPTS: usize = 100_000;
const FEW: usize = 10;
const CALLS: usize = 100_000;
const PAGE_BYTES: usize = 4_096;

const RULE: &str = include_str!("rule.lua");

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let scripts = std::env::args().nth(1).map_or(Ok(SCRIPTS), |count| count.parse())?;
    let engine = Engine::new(Limits::default())?;
    let before = resident()?;
    let programs = (0..scripts)
        .map(|merchant| {
            // Each differs from the others by its numbers and its texts.
            let source = RULE.replace("15000.00", &format!("{}.00", 15_000 + merchant)).replace(
                "The check digit is wrong",
                &format!("Shop {merchant}: the check digit is wrong"),
            );
            engine.compile(&format!("r{merchant}"), source.as_bytes())
        })
        .collect::<Result<Vec<_>, _>>()?;
    let held: usize = programs.iter().map(|program| program.size()).sum();
    let few = cost(&engine, programs.get(..FEW.min(scripts)).unwrap_or_default()).await;
    let all = cost(&engine, &programs).await;
    let again = cost(&engine, programs.get(..FEW.min(scripts)).unwrap_or_default()).await;
    println!(
        "{scripts} scripts: {} KiB of programs, {} KiB resident more than before",
        held / 1024,
        (resident()? - before) / 1024
    );
    println!("median among {FEW}: {few} ns, among all: {all} ns, among {FEW} again: {again} ns");
    Ok(())
}

/// Median of a call, in nanoseconds, over programs in an order that no cache foresees.
async fn cost(engine: &Engine, programs: &[Arc<Program>]) -> u128 {
    let request = CheckRequest {
        command: Command::Check,
        account: String::from("4561261212345467"),
        amount: Some(Money::from_minor(15_050, Currency::RUB)),
        txn_id: Some(String::from("12345678901234567890")),
        service: None,
        at: Utc::now(),
        extras: BTreeMap::new(),
    };
    let (input, surroundings) = (Arc::new(Input::Check(request)), Surroundings::default());
    let context = CallContext {
        now: Utc::now(),
        seed: 7,
    };
    let mut nanoseconds = Vec::with_capacity(CALLS);
    let mut place = 0_usize;
    for _ in 0..CALLS {
        place = place
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let Some(program) = programs.get((place >> 33) % programs.len().max(1)) else {
            break;
        };
        let started = Instant::now();
        black_box(engine.run(program, &input, &context, &surroundings).await);
        nanoseconds.push(started.elapsed().as_nanos());
    }
    nanoseconds.sort_unstable();
    nanoseconds.get(nanoseconds.len() / 2).copied().unwrap_or_default()
}

fn resident() -> Result<usize, Box<dyn Error>> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages = statm.split(' ').nth(1).unwrap_or_default();
    Ok(pages.parse::<usize>()? * PAGE_BYTES)
}
