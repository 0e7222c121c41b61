//! What a node does beside answering.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::NodeError;
use super::parts::{Jobs, Parts};
use crate::edge::tls::Keeper;
use crate::events::Sender;
use crate::lists::ImportJob;
use crate::office::ExportDesk;
use crate::payments::ShadowJob;
use crate::payments::orders::Orders;
use crate::rulebook::{CanaryWatch, ShadowRunner};
use crate::workers::certificates::CertificateExpiry;
use crate::workers::deliveries::Deliveries;
use crate::workers::lists::ListUpkeep;
use crate::workers::retention::Retention;
use crate::workers::velocity::VelocityRollUp;

pub struct Background {
    /// They end their work when the node stops, and are waited for.
    workers: Vec<JoinHandle<()>>,
    /// They only look, and end at once.
    watches: Vec<JoinHandle<()>>,
}

impl Background {
    pub async fn start(parts: &Parts<'_>, jobs: Jobs, stopped: &watch::Receiver<bool>) -> Result<Self, NodeError> {
        let mut watches = vec![
            tokio::spawn(parts.directory.clone().watch()),
            tokio::spawn(parts.lists.clone().watch()),
        ];
        if let (Some(redis), Some(velocities)) = (parts.redis.clone(), parts.shared_velocities.clone()) {
            watches.push(tokio::spawn(redis.keep()));
            watches.push(tokio::spawn(velocities.keep()));
        }
        if !parts.settings.public.tls_listen.is_empty() {
            watches.push(start_keeper(parts).await?);
        }
        let mut workers = start_upkeep(parts, stopped);
        let (refusals, more) = parts.guards.start(&parts.core.store, &parts.writer, stopped);
        workers.push(refusals);
        watches.extend(more);
        workers.extend(start_list_workers(parts, jobs.imports, stopped));
        workers.push(start_shadow_runner(parts, jobs.shadows, stopped));
        workers.push(start_canary_watch(parts, stopped));
        workers.push(start_recovery(&parts.orders, stopped));
        Ok(Self { workers, watches })
    }

    pub fn serve_exports(&mut self, exports: &ExportDesk, stopped: &watch::Receiver<bool>) {
        self.workers.push(tokio::spawn(exports.clone().serve(stopped.clone())));
    }

    /// After the node was told to stop.
    pub async fn ended(self) {
        for worker in self.workers {
            let _ = worker.await;
        }
        for watch in self.watches {
            watch.abort();
        }
    }
}

/// Certificates are there before the first caller, and kept true from then on.
async fn start_keeper(parts: &Parts<'_>) -> Result<JoinHandle<()>, NodeError> {
    let mut keeper = Keeper::new(
        parts.core.store.clone(),
        Arc::clone(&parts.core.sealer),
        Arc::clone(&parts.core.clock),
        Arc::clone(&parts.terminator),
        parts.settings.public.certificate_files(),
    );
    keeper.load().await?;
    Ok(tokio::spawn(keeper.watch()))
}

fn start_upkeep(parts: &Parts<'_>, stopped: &watch::Receiver<bool>) -> Vec<JoinHandle<()>> {
    let (core, settings) = (&parts.core, parts.settings);
    let timeout = Duration::from_millis(settings.webhooks.timeout_ms);
    let deliveries = Deliveries {
        store: core.store.clone(),
        sender: Sender::new(core.outbound.clone(), Arc::clone(&core.sealer), timeout),
        clock: Arc::clone(&core.clock),
        new_deliveries: Arc::clone(&parts.new_deliveries),
        poll: Duration::from_millis(settings.webhooks.poll_ms),
        timeout,
        in_flight_max: settings.webhooks.in_flight_max,
    };
    let retention = Retention {
        store: core.store.clone(),
        clock: Arc::clone(&core.clock),
        exchange_days: settings.exchanges.retention_days,
        registration_days: settings.payments.registration_retention_days,
        key_days: settings.payments.idempotency_key_retention_days,
        decision_days: settings.rules.decision_retention_days,
        decision_rows: settings.rules.decision_rows_per_merchant,
    };
    let velocity = VelocityRollUp {
        store: core.store.clone(),
        clock: Arc::clone(&core.clock),
    };
    let expiry = CertificateExpiry {
        store: core.store.clone(),
        clock: Arc::clone(&core.clock),
        new_deliveries: Arc::clone(&parts.new_deliveries),
        interval: Duration::from_secs(settings.certificates.expiry_check_s),
    };
    vec![
        tokio::spawn(expiry.run(stopped.clone())),
        tokio::spawn(deliveries.run(stopped.clone())),
        tokio::spawn(retention.run(stopped.clone())),
        tokio::spawn(velocity.run(stopped.clone())),
    ]
}

fn start_list_workers(
    parts: &Parts<'_>,
    jobs: mpsc::Receiver<ImportJob>,
    stopped: &watch::Receiver<bool>,
) -> [JoinHandle<()>; 2] {
    let upkeep = ListUpkeep {
        store: parts.core.store.clone(),
        clock: Arc::clone(&parts.core.clock),
        imports: parts.imports.clone(),
    };
    [
        tokio::spawn(parts.imports.clone().serve(jobs, stopped.clone())),
        tokio::spawn(upkeep.run(stopped.clone())),
    ]
}

/// Recovery runs rules, whose machines stay on their thread: it gets one of its own.
fn start_recovery(orders: &Orders, stopped: &watch::Receiver<bool>) -> JoinHandle<()> {
    let (orders, stopped) = (orders.clone(), stopped.clone());
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || runtime.block_on(orders.recover(stopped)))
}

fn start_shadow_runner(
    parts: &Parts<'_>,
    jobs: mpsc::Receiver<ShadowJob>,
    stopped: &watch::Receiver<bool>,
) -> JoinHandle<()> {
    let runner = ShadowRunner {
        store: parts.core.store.clone(),
        engine: parts.core.engine.clone(),
        clock: Arc::clone(&parts.core.clock),
        jobs,
    };
    tokio::spawn(runner.run(stopped.clone()))
}

fn start_canary_watch(parts: &Parts<'_>, stopped: &watch::Receiver<bool>) -> JoinHandle<()> {
    let watch = CanaryWatch {
        store: parts.core.store.clone(),
        clock: Arc::clone(&parts.core.clock),
        canaries: parts.canaries.clone(),
        new_deliveries: Arc::clone(&parts.new_deliveries),
    };
    tokio::spawn(watch.run(stopped.clone()))
}
