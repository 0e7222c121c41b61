//! What decisions cost, as one JSON object. Build with `--release`.
//!
//! ```sh
//! decisions all [ROUNDS]            # every contender in turn
//! decisions merchants [COUNT]       # distinct scripts in one process
//! decisions account|routing CALLS   # one of them alone, for a profiler
//! ```
#![allow(clippy::print_stdout)]

mod account;
mod measure;
mod merchants;
mod routing;

use std::env;
use std::error::Error;
use std::hint::black_box;

use account::{Question, Warm};
use measure::{Table, cost};
use routing::InRust;
use rules::{Engine, Limits, Outcome};
use serde_json::json;

const ROUNDS: usize = 5;
const BATCHES: usize = 400;
const MERCHANTS: usize = 100_000;
const MERCHANT_ROUNDS: usize = 3;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let what = arguments.next().unwrap_or_else(|| String::from("all"));
    let count = arguments.next().map(|count| count.parse()).transpose()?;
    let engine = Engine::new(Limits::default())?;
    match what.as_str() {
        "all" => all(&engine, count.unwrap_or(ROUNDS)).await,
        "merchants" => {
            let result = merchants::run(&engine, count.unwrap_or(MERCHANTS), MERCHANT_ROUNDS).await?;
            println!("{result}");
            Ok(())
        }
        "account" => repeat(&engine, account::RULE, &Question::account(), count.unwrap_or(1)).await,
        "routing" => repeat(&engine, routing::RULE, &routing::question(), count.unwrap_or(1)).await,
        other => Err(format!("there is no '{other}': write all, merchants, account or routing").into()),
    }
}

async fn all(engine: &Engine, rounds: usize) -> Result<(), Box<dyn Error>> {
    let check = engine.compile("r17", account::RULE.as_bytes())?;
    let route = engine.compile("r17", routing::RULE.as_bytes())?;
    let (asked, routed) = (Question::account(), routing::question());
    let (warm, in_rust) = (Warm::new()?, InRust::new());
    if !warm.accepts() || !matches!(asked.ask(engine, &check).await, Outcome::Accept { .. }) {
        return Err("the contenders do not accept the account".into());
    }
    if routed.ask(engine, &route).await != in_rust.decide() {
        return Err("the contenders do not choose the same route".into());
    }
    let mut table = Table::default();
    for _ in 0..rounds {
        let ours = cost(BATCHES, async || drop(asked.ask(engine, &check).await)).await;
        table.add("account", ours);
        let bare = cost(BATCHES, async || {
            black_box(warm.accepts());
        })
        .await;
        table.add("account, function on a warm VM", bare);
        let ours = cost(BATCHES, async || drop(routed.ask(engine, &route).await)).await;
        table.add("routing", ours);
        let bare = cost(BATCHES, async || drop(black_box(in_rust.decide()))).await;
        table.add("routing, in Rust", bare);
    }
    let lines = account::RULE.lines().count();
    println!(
        "{}",
        json!({"lines": lines, "program_bytes": check.size(), "costs": table.to_json()})
    );
    Ok(())
}

async fn repeat(engine: &Engine, rule: &str, question: &Question, calls: usize) -> Result<(), Box<dyn Error>> {
    let program = engine.compile("r17", rule.as_bytes())?;
    for _ in 0..calls {
        question.ask(engine, &program).await;
    }
    Ok(())
}
