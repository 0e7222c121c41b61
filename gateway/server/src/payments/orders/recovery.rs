//! Operations whose end is not known: the network is asked until it says.

use std::time::Duration;

use futures_util::StreamExt;
use store::DueOperation;
use tokio::sync::watch;

use super::{OrderError, Orders};

/// How often the database is asked for operations that are due.
const POLL: Duration = Duration::from_millis(500);
/// Operations that are taken, and asked for, at once.
const AT_ONCE: usize = 16;
/// An operation that was taken and not looked after, because its node died, is taken again after this.
const LEASE: chrono::Duration = chrono::Duration::seconds(120);

impl Orders {
    /// Runs until `stop` says so. Not for an I/O thread: rules shape the events, and a script's machine stays on its
    /// thread.
    pub async fn recover(self, mut stop: watch::Receiver<bool>) {
        loop {
            let worked = match self.recover_due().await {
                Ok(worked) => worked,
                Err(error) => {
                    tracing::warn!(%error, "operations in doubt cannot be read");
                    0
                }
            };
            // A full batch means that more waits.
            let pause = if worked == AT_ONCE { Duration::ZERO } else { POLL };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stop.changed() => break,
            }
        }
    }

    async fn recover_due(&self) -> Result<usize, OrderError> {
        let now = self.now();
        let limit = u64::try_from(AT_ONCE).unwrap_or(1);
        let due = self.parts.store.claim_due_operations(now, now + LEASE, limit).await?;
        let count = due.len();
        futures_util::stream::iter(due)
            .for_each_concurrent(AT_ONCE, async |due| {
                if let Err(error) = self.recover_one(&due).await {
                    tracing::warn!(payment = %due.payment_id, %error, "an operation could not be settled; it is tried again");
                }
            })
            .await;
        Ok(count)
    }

    async fn recover_one(&self, due: &DueOperation) -> Result<(), OrderError> {
        let merchant = self.parts.store.merchant(due.merchant_id).await?;
        let tenant = self.parts.directory.tenant(&merchant.slug).await?;
        let tenant = tenant.ok_or(OrderError::ConnectionGone)?;
        let state = self.refresh(&tenant, due.payment_id).await?;
        metrics::counter!("tollgate_recoveries_total").increment(1);
        tracing::debug!(payment = %due.payment_id, status = state.order.payment.status.as_str(), "asked what became of it");
        Ok(())
    }
}
