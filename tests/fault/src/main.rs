//! `make fault`: runs seed after seed, and tells which failed and how it is run again.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use fault::plan::Plan;
use fault::run;
use tokio::task::JoinSet;

/// Runs plans of faults against real nodes.
#[derive(Parser)]
struct Options {
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// How many at once.
    #[arg(long, default_value_t = 2)]
    at_once: usize,
    /// Where failing runs leave their logs.
    #[arg(long, default_value = "target/fault")]
    keep: PathBuf,
    /// Prints the plans and runs none.
    #[arg(long)]
    plans: bool,
    /// Prints what happened in green runs, too.
    #[arg(long)]
    stories: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let mut seeds = options.first..options.first + options.seeds;
    if options.plans {
        seeds.for_each(|seed| println!("{}", Plan::of(seed)));
        return ExitCode::SUCCESS;
    }
    let started = Instant::now();
    let (mut running, mut failed) = (JoinSet::new(), Vec::new());
    loop {
        while running.len() < options.at_once {
            let Some(seed) = seeds.next() else { break };
            let keep = options.keep.clone();
            // Each on a runtime of its own: what one seed leaves running ends with it.
            let run = move || tokio::runtime::Runtime::new().unwrap().block_on(run::seed(seed, &keep));
            running.spawn(async move { (seed, tokio::task::spawn_blocking(run).await) });
        }
        let Some(ended) = running.join_next().await else {
            break;
        };
        match ended.unwrap() {
            (seed, Ok(outcome)) if outcome.is_green() => {
                println!("seed {seed}: green, {} s", outcome.took.as_secs());
                if options.stories {
                    println!("{}{}", Plan::of(seed), outcome.witness.story());
                }
            }
            (seed, Ok(outcome)) => {
                println!("{}", outcome.complaint());
                failed.push(seed);
            }
            (seed, Err(panic)) => {
                println!("seed {seed} could not be run: {panic}; again: make fault SEED={seed}");
                failed.push(seed);
            }
        }
    }
    let minutes = started.elapsed().as_secs_f64() / 60.0;
    println!(
        "{} seeds in {minutes:.1} minutes, {} failed: {failed:?}",
        options.seeds,
        failed.len()
    );
    ExitCode::from(u8::from(!failed.is_empty()))
}
