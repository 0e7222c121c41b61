//! `make soak`: two nodes at half of what they can, for half an hour, and what they hold meanwhile.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use clap::Parser;
use fault::disk::Disk;
use fault::plan::{Plan, World};
use fault::soak::load::{self, Counts};
use fault::soak::plot::{Panel, svg};
use fault::soak::samples::{self, Sample, csv, growth_percent};
use fault::stage::Stage;
use fault::witness::Witness;

/// The peak is measured for so long; before it everything warms up.
const PEAK: Duration = Duration::from_secs(20);
const SAMPLE_EVERY: Duration = Duration::from_secs(5);
/// Memory and files of the second half may lie above those of the first by this much, in per cent.
const GROWTH_MAX: f64 = 10.0;
/// Webhooks that wait at the end, at most.
const WAITING_MAX: f64 = 1_000.0;

/// Runs two nodes for long, and samples them.
#[derive(Parser)]
struct Options {
    #[arg(long, default_value_t = 30)]
    minutes: u64,
    /// Where `soak.csv` and `soak.svg` go.
    #[arg(long, default_value = "docs/images")]
    output: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let stage = Stage::set_on(
        Disk::of_the_machine(),
        &Plan::calm(World::Together(2)),
        Arc::new(Witness::default()),
    )
    .await;
    let counts = Arc::new(Counts::default());
    stage.hooks_way.lead_to(vec![load::endpoint(&counts).await]);
    let urls: Vec<String> = stage
        .ways
        .iter()
        .map(|way| format!("http://{way}/in/merchant-0/terminal"))
        .collect();
    load::call(&urls, Instant::now() + PEAK, None, &counts).await;
    let peak = counts.answered.load(Ordering::Relaxed) as f64 / PEAK.as_secs_f64();
    println!(
        "peak: {peak:.0} requests a second; now half of it for {} minutes",
        options.minutes
    );

    let started = Instant::now();
    let until = started + Duration::from_secs(options.minutes * 60);
    let calling = {
        let (urls, counts) = (urls.clone(), Arc::clone(&counts));
        tokio::spawn(async move { load::call(&urls, until, Some(peak / 2.0), &counts).await })
    };
    let mut samples = Vec::new();
    let mut ticks = tokio::time::interval(SAMPLE_EVERY);
    while Instant::now() < until {
        ticks.tick().await;
        samples.push(samples::take(&stage, started.elapsed(), &counts).await);
    }
    calling.await.unwrap();
    std::fs::create_dir_all(&options.output).unwrap();
    std::fs::write(options.output.join("soak.csv"), csv(&samples)).unwrap();
    std::fs::write(options.output.join("soak.svg"), picture(&samples)).unwrap();
    ExitCode::from(u8::from(!is_flat(&samples, peak)))
}

fn picture(samples: &[Sample]) -> String {
    let of_nodes = |which: fn(&Sample) -> &Vec<f64>| {
        let nodes = which(&samples[0]).len();
        let line = |node: usize| samples.iter().map(|sample| which(sample)[node]).collect();
        (0..nodes).map(|node| (format!("node {node}"), line(node))).collect()
    };
    let line = |name: &str, which: fn(&Sample) -> f64| (name.to_owned(), samples.iter().map(which).collect());
    let panels = [
        Panel {
            title: "Resident memory, MB",
            lines: of_nodes(|sample| &sample.memory_mb),
        },
        Panel {
            title: "Open files and sockets",
            lines: of_nodes(|sample| &sample.files),
        },
        Panel {
            title: "Waiting",
            lines: vec![
                line("payments", |sample| sample.payments_waiting),
                line("webhooks", |sample| sample.webhooks_waiting),
            ],
        },
        Panel {
            title: "Database, MB",
            lines: vec![line("PostgreSQL", |sample| sample.database_mb)],
        },
    ];
    let minutes = samples.last().map_or(0.0, |sample| sample.at.as_secs_f64() / 60.0);
    svg(minutes, &panels)
}

/// Whether nothing grew that must not, and nothing failed.
fn is_flat(samples: &[Sample], peak: f64) -> bool {
    // The first tenth is warming up: pools and caches fill.
    let warm = &samples[samples.len() / 10..];
    let mut flat = true;
    for node in 0..warm[0].memory_mb.len() {
        for (what, which) in [
            ("memory", (|sample| &sample.memory_mb) as fn(&Sample) -> &Vec<f64>),
            ("files", |sample| &sample.files),
        ] {
            let line: Vec<f64> = warm.iter().map(|sample| which(sample)[node]).collect();
            let growth = growth_percent(&line);
            println!(
                "node {node}, {what}: {:.0} at the end, {growth:+.1} % from half to half",
                line[line.len() - 1]
            );
            flat &= growth <= GROWTH_MAX;
        }
    }
    let last = &samples[samples.len() - 1];
    println!(
        "{} answered, {} told to come again, {} failed; peak {peak:.0}/s; {} webhooks arrived, {:.0} wait; database {:.0} MB",
        last.answered, last.later, last.failed, last.hooks, last.webhooks_waiting, last.database_mb
    );
    flat && last.failed == 0 && last.webhooks_waiting <= WAITING_MAX
}
