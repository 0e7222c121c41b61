//! Many merchants' scripts in one process: what they hold, and what a call among them costs beside a call among ten.

use std::cell::Cell;
use std::error::Error;
use std::sync::Arc;

use rules::{Engine, Program};
use serde_json::{Value, json};

use crate::account::{Question, RULE};
use crate::measure::{Table, cost};

const FEW: usize = 10;
/// Twice as many calls as there are merchants by default, so that most of them are asked.
const BATCHES: usize = 4_000;
const PAGE_BYTES: usize = 4_096;

pub async fn run(engine: &Engine, scripts: usize, rounds: usize) -> Result<Value, Box<dyn Error>> {
    let before = resident()?;
    let programs = (0..scripts)
        .map(|merchant| distinct(engine, merchant))
        .collect::<Result<Vec<_>, _>>()?;
    let few = programs.get(..FEW.min(scripts)).unwrap_or_default();
    let mut table = Table::default();
    for _ in 0..rounds {
        table.add("few", among(engine, few).await);
        table.add("all", among(engine, &programs).await);
    }
    let held: usize = programs.iter().map(|program| program.size()).sum();
    Ok(json!({
        "scripts": scripts,
        "few": few.len(),
        "programs_bytes": held,
        "resident_more_bytes": resident()?.saturating_sub(before),
        "resident_bytes": resident()?,
        "costs": table.to_json(),
    }))
}

/// Differs from the others by its numbers and its texts.
fn distinct(engine: &Engine, merchant: usize) -> Result<Arc<Program>, rules::CompileError> {
    let source = RULE.replace("15000.00", &format!("{}.00", 15_000 + merchant)).replace(
        "The check digit is wrong",
        &format!("Shop {merchant}: the check digit is wrong"),
    );
    engine.compile(&format!("r{merchant}"), source.as_bytes())
}

/// Calls programs in an order that no cache foresees.
async fn among(engine: &Engine, programs: &[Arc<Program>]) -> crate::measure::Cost {
    let question = Question::account();
    let place = Cell::new(0_usize);
    cost(BATCHES, async || {
        let next = place
            .get()
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        place.set(next);
        if let Some(program) = programs.get((next >> 33) % programs.len().max(1)) {
            question.ask(engine, program).await;
        }
    })
    .await
}

/// What the process holds in memory, in bytes.
fn resident() -> Result<usize, Box<dyn Error>> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages = statm.split(' ').nth(1).unwrap_or_default();
    Ok(pages.parse::<usize>()? * PAGE_BYTES)
}
