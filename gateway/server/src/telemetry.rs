//! Logs and metrics of the process.

use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::settings::{LogFormat, LogSettings, SettingsError};

/// Bounds of the histograms of durations, in seconds.
const SECONDS: [f64; 14] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0,
];

const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Logs go to stderr: stdout belongs to what a command answers.
pub fn start_logs(settings: &LogSettings) -> Result<(), SettingsError> {
    let filter =
        EnvFilter::try_new(&settings.filter).map_err(|error| SettingsError::value("log.filter", error.to_string()))?;
    let logs = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match settings.format {
        LogFormat::Pretty => logs.try_init(),
        LogFormat::Json => logs
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .try_init(),
    };
    // A second start in one process (tests, demo) keeps the first.
    drop(started);
    Ok(())
}

pub fn start_metrics() -> Result<PrometheusHandle, BuildError> {
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .build_recorder();
    let handle = recorder.handle();
    let upkeep = handle.clone();
    // Samples are kept one by one until they are summed up, by a scrape or by this.
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP_INTERVAL).await;
            upkeep.run_upkeep();
        }
    });
    if metrics::set_global_recorder(recorder).is_err() {
        tracing::debug!("metrics were started before");
    }
    describe();
    Ok(handle)
}

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!("tollgate_requests_total", "Networks' requests answered, by command");
    describe_histogram!(
        "tollgate_request_seconds",
        "Time from a network's request to its answer"
    );
    describe_counter!(
        "tollgate_refused_total",
        "Requests refused before they were parsed, by guard"
    );
    describe_counter!(
        "tollgate_contradictions_total",
        "Pays that used a paid key with other data"
    );
    describe_histogram!("tollgate_decision_seconds", "Time that a merchant's rules took");
    describe_counter!("tollgate_list_imports_total", "Imports of lists that ended, by outcome");
    describe_counter!(
        "tollgate_list_lookup_failures_total",
        "Questions of rules to lists that the database did not answer"
    );
    describe_counter!(
        "tollgate_velocity_failures_total",
        "Questions of rules to velocities that the database did not answer"
    );
    describe_counter!(
        "tollgate_velocity_answers_total",
        "Answers to rules about velocities, by source: redis or database"
    );
    describe_gauge!(
        "tollgate_redis_up",
        "Whether Redis answers: 1, or 0 while the node does without it"
    );
    describe_counter!(
        "tollgate_redis_failures_total",
        "Commands that Redis did not answer, by kind: timeout or error"
    );
    describe_histogram!("tollgate_redis_seconds", "Time that a command to Redis took");
    describe_counter!("tollgate_rule_failures_total", "Rules that failed instead of answering");
    describe_counter!(
        "tollgate_rule_failures_uncounted_total",
        "Failed rules that are missing in a merchant's count, because too much waited to be written"
    );
    describe_counter!(
        "tollgate_decisions_dropped_total",
        "Decisions that were not stored, because too much waited to be written"
    );
    describe_histogram!("tollgate_rule_http_seconds", "Time that a host took to answer a rule");
    describe_histogram!("tollgate_check_url_seconds", "Time that a merchant's check URL took");
    describe_gauge!("tollgate_payments_waiting", "Payments that wait to be committed");
    describe_gauge!(
        "tollgate_config_version",
        "Newest change of merchants' configuration that this node serves"
    );
    describe_counter!(
        "tollgate_exchanges_dropped_total",
        "Records of requests that could not be kept"
    );
    describe_counter!("tollgate_delivery_attempts_total", "Webhook attempts, by outcome");
    describe_counter!(
        "tollgate_delivery_poll_failures_total",
        "Times that waiting webhooks could not be read"
    );
    describe_histogram!("tollgate_delivery_lag_seconds", "Time from an event to its delivery");
}
