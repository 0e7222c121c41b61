//! Times calls in short batches, so that a busy machine spoils few of them and the clock itself costs next to nothing.

#![allow(clippy::float_arithmetic, reason = "times, not money")]

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Value, json};

const CALLS_IN_A_BATCH: u32 = 50;

/// The cost of one call in nanoseconds, each figure out of all batches of a round.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    pub lowest: f64,
    pub median: f64,
}

pub async fn cost(batches: usize, mut call: impl AsyncFnMut()) -> Cost {
    let mut costs = Vec::with_capacity(batches);
    for turn in 0..batches + batches / 10 {
        let started = Instant::now();
        for _ in 0..CALLS_IN_A_BATCH {
            call().await;
        }
        let taken = started.elapsed();
        // The first tenth warms up.
        if turn >= batches / 10 {
            costs.push(taken.as_secs_f64() * 1e9 / f64::from(CALLS_IN_A_BATCH));
        }
    }
    costs.sort_by(f64::total_cmp);
    let at = |place: usize| costs.get(place).copied().unwrap_or_default();
    Cost {
        lowest: at(0),
        median: at(costs.len() / 2),
    }
}

/// What each contender took in each round, by its name.
#[derive(Debug, Default)]
pub struct Table(BTreeMap<&'static str, Vec<Cost>>);

impl Table {
    pub fn add(&mut self, name: &'static str, cost: Cost) {
        self.0.entry(name).or_default().push(cost);
    }

    pub fn to_json(&self) -> Value {
        let rows = self.0.iter().map(|(name, rounds)| {
            let medians: Vec<_> = rounds.iter().map(|cost| cost.median).collect();
            let lowest = rounds.iter().map(|cost| cost.lowest).fold(f64::INFINITY, f64::min);
            ((*name).to_owned(), json!({"medians_ns": medians, "lowest_ns": lowest}))
        });
        Value::Object(rows.collect())
    }
}
