//! What is measured of nodes and database, every few seconds.

use std::fmt::Write;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::load::Counts;
use crate::stage::Stage;

/// One moment.
#[derive(Debug, Clone)]
pub struct Sample {
    pub at: Duration,
    /// Of each node.
    pub memory_mb: Vec<f64>,
    pub files: Vec<f64>,
    /// Payments that wait for their commit, over all nodes.
    pub payments_waiting: f64,
    pub webhooks_waiting: f64,
    pub database_mb: f64,
    pub answered: u64,
    pub later: u64,
    pub failed: u64,
    /// Webhooks that arrived.
    pub hooks: u64,
}

pub async fn take(stage: &Stage, at: Duration, counts: &Counts) -> Sample {
    let (mut memory_mb, mut files, mut payments_waiting) = (Vec::new(), Vec::new(), 0.0);
    for node in &stage.nodes {
        let node = node.lock().await;
        let process = format!("/proc/{}", node.gateway.pid());
        memory_mb.push(resident_mb(
            &std::fs::read_to_string(format!("{process}/status")).unwrap(),
        ));
        files.push(std::fs::read_dir(format!("{process}/fd")).unwrap().count() as f64);
        let url = format!("http://{}/metrics", node.gateway.admin_address);
        let metrics = reqwest::get(url).await.unwrap().text().await.unwrap();
        let waiting = metrics
            .lines()
            .find_map(|line| line.strip_prefix("tollgate_payments_waiting "));
        payments_waiting += waiting
            .and_then(|number| number.parse::<f64>().ok())
            .unwrap_or_default();
    }
    let bytes = stage
        .database
        .number("SELECT pg_database_size(current_database())")
        .await;
    // By the partial index of those that wait.
    let webhooks = stage
        .database
        .number("SELECT count(*) FROM deliveries WHERE status = 'pending'")
        .await;
    Sample {
        at,
        memory_mb,
        files,
        payments_waiting,
        webhooks_waiting: webhooks as f64,
        database_mb: bytes as f64 / 1_048_576.0,
        answered: counts.answered.load(Ordering::Relaxed),
        later: counts.later.load(Ordering::Relaxed),
        failed: counts.failed.load(Ordering::Relaxed),
        hooks: counts.hooks.load(Ordering::Relaxed),
    }
}

fn resident_mb(status: &str) -> f64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1_024.0
}

#[must_use]
pub fn csv(samples: &[Sample]) -> String {
    let nodes = samples.first().map_or(0, |sample| sample.memory_mb.len());
    let of_nodes = |what: &str| (0..nodes).map(|node| format!(",node{node}_{what}")).collect::<String>();
    let mut text = format!(
        "seconds{}{},payments_waiting,webhooks_waiting,database_mb,answered,later,failed,webhooks\n",
        of_nodes("memory_mb"),
        of_nodes("files")
    );
    for sample in samples {
        let _ = write!(text, "{}", sample.at.as_secs());
        for number in sample.memory_mb.iter().chain(&sample.files) {
            let _ = write!(text, ",{number:.1}");
        }
        let _ = writeln!(
            text,
            ",{},{},{:.1},{},{},{},{}",
            sample.payments_waiting,
            sample.webhooks_waiting,
            sample.database_mb,
            sample.answered,
            sample.later,
            sample.failed,
            sample.hooks
        );
    }
    text
}

/// By how much the second half lies above the first, in per cent; what leaks grows for ever.
#[must_use]
pub fn growth_percent(numbers: &[f64]) -> f64 {
    let (first, second) = numbers.split_at(numbers.len() / 2);
    let mean = |half: &[f64]| half.iter().sum::<f64>() / half.len().max(1) as f64;
    (mean(second) / mean(first).max(f64::MIN_POSITIVE) - 1.0) * 100.0
}
