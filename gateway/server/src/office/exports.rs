//! Files to take away: asked for as a job, made piece by piece in the background by whichever node has time, kept for a
//! while, handed out by any node.

mod rows;

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use plugin_sdk::{Clock, ExportId, MerchantId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Cursor, Export, NewExport, PaymentFilter, PaymentStatus, Store, StoreError, TakenExport};
use tokio::sync::{Notify, watch};
use utoipa::ToSchema;

use rows::Sheet;

/// Files that a merchant may have at once.
const KEPT_MAX: u64 = 20;
/// Rows of one piece: about 200 KiB.
const CHUNK_ROWS: u64 = 1_000;
/// A node that told of no progress for so long is taken for dead.
const LEASE: TimeDelta = TimeDelta::seconds(30);
/// How often a node looks for jobs that others left.
const POLL: Duration = Duration::from_secs(2);
/// How long it can be read what became of a job after its file is gone.
const FORGOTTEN_AFTER: TimeDelta = TimeDelta::days(30);
/// Old files are looked for every so many polls.
const EXPIRY_POLLS: u32 = 5;
/// Files that one look throws away.
const EXPIRED_AT_ONCE: u64 = 20;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExportKind {
    Payments,
    Audit,
}

impl ExportKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Payments => "payments",
            Self::Audit => "audit",
        }
    }

    fn read(text: &str) -> Result<Self, StoreError> {
        match text {
            "payments" => Ok(Self::Payments),
            "audit" => Ok(Self::Audit),
            other => Err(StoreError::Corrupt(format!("export of '{other}'"))),
        }
    }
}

/// Which rows are wanted, as the list of payments takes it. An export of the audit trail takes the moments alone.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExportRequest {
    /// Slug of a connection.
    pub connection: Option<String>,
    #[schema(example = "succeeded")]
    pub status: Option<String>,
    /// Any identifier: ours, our number, the network's, or the account.
    pub search: Option<String>,
    pub created_from: Option<DateTime<Utc>>,
    /// Now, when absent: what comes later is not in it.
    pub created_until: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy)]
pub struct ExportLimits {
    pub rows_max: u64,
    pub kept: TimeDelta,
}

#[derive(Clone)]
pub struct ExportDesk {
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub limits: ExportLimits,
    /// Tells this node's worker that a job waits.
    pub new_jobs: Arc<Notify>,
}

impl ExportDesk {
    /// `None` when the merchant has too many files already.
    pub async fn order(
        &self,
        merchant: MerchantId,
        kind: ExportKind,
        request: ExportRequest,
        by: &str,
    ) -> Result<Option<Export>, StoreError> {
        let now = self.clock.now();
        let request = ExportRequest {
            created_until: Some(request.created_until.unwrap_or(now).min(now)),
            ..request
        };
        let new = NewExport {
            kind: kind.as_str(),
            filter: serde_json::to_value(&request).map_err(|error| StoreError::Corrupt(error.to_string()))?,
            requested_by: by.to_owned(),
            expires_at: now + self.limits.kept,
            kept_max: KEPT_MAX,
        };
        let ordered = self.store.create_export(merchant, new, now).await?;
        self.new_jobs.notify_one();
        Ok(ordered)
    }

    /// One piece of a finished file.
    pub async fn piece(&self, merchant: MerchantId, id: ExportId, number: i32) -> Result<Option<String>, StoreError> {
        self.store.export_chunk(merchant, id, number).await
    }

    /// Works on jobs, one at a time, until the node stops.
    pub async fn serve(self, mut stop: watch::Receiver<bool>) {
        for poll in 0_u32.. {
            if let Err(error) = self.turn(poll, &stop).await {
                tracing::warn!(%error, "exports cannot be worked on; trying again later");
            }
            if *stop.borrow() {
                return;
            }
            tokio::select! {
                () = self.new_jobs.notified() => {}
                () = tokio::time::sleep(POLL) => {}
                _ = stop.changed() => return,
            }
        }
    }

    async fn turn(&self, poll: u32, stop: &watch::Receiver<bool>) -> Result<(), StoreError> {
        if poll.is_multiple_of(EXPIRY_POLLS) {
            let now = self.clock.now();
            (self.store.expire_exports(now, now - FORGOTTEN_AFTER, EXPIRED_AT_ONCE)).await?;
        }
        while !*stop.borrow() && self.next(stop).await? {}
        Ok(())
    }

    /// Whether there was a job.
    async fn next(&self, stop: &watch::Receiver<bool>) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let Some(mut taken) = self.store.take_export(now, now + LEASE).await? else {
            return Ok(false);
        };
        let end = match self.write(&mut taken, stop).await {
            // A passing trouble of the database: whoever takes it next goes on where this one stopped.
            Err(error) if error.is_passing() => return Err(error),
            Err(error) => Some(Err(error.to_string())),
            Ok(Written::Whole) => Some(Ok(())),
            Ok(Written::TooLong) => {
                let rows = self.limits.rows_max;
                Some(Err(format!(
                    "there are more than {rows} rows; ask for a shorter time or a narrower filter"
                )))
            }
            Ok(Written::Stopped) => None,
            Ok(Written::Overtaken) => return Ok(true),
        };
        self.store.leave_export(&taken, end, self.clock.now()).await?;
        Ok(true)
    }

    async fn write(&self, taken: &mut TakenExport, stop: &watch::Receiver<bool>) -> Result<Written, StoreError> {
        let sheet = self.sheet(&taken.export).await?;
        loop {
            if *stop.borrow() {
                return Ok(Written::Stopped);
            }
            if taken.export.rows >= self.limits.rows_max {
                return Ok(Written::TooLong);
            }
            let started = Instant::now();
            let cursor = Cursor {
                after: taken.export.position.clone(),
                limit: CHUNK_ROWS,
            };
            let mut piece = sheet.piece(&self.store, &cursor).await?;
            if taken.export.chunks == 0 {
                piece.text.insert_str(0, &sheet.head()?);
            }
            let now = self.clock.now();
            let position = piece.last.or_else(|| taken.export.position.clone());
            let added = (self.store).add_to_export(taken, piece.text, piece.rows, position, now + LEASE, now);
            if !added.await? {
                return Ok(Written::Overtaken);
            }
            if !piece.more {
                return Ok(Written::Whole);
            }
            // As long again as it worked: payments share the database, and nobody waits for the file to the second.
            tokio::time::sleep(started.elapsed()).await;
        }
    }

    async fn sheet(&self, export: &Export) -> Result<Sheet, StoreError> {
        let request: ExportRequest = serde_json::from_value(export.filter.clone())
            .map_err(|error| StoreError::Corrupt(format!("export filter: {error}")))?;
        match ExportKind::read(&export.kind)? {
            ExportKind::Audit => Ok(Sheet::audit(export.merchant_id, &request)),
            ExportKind::Payments => {
                let connections = self.store.connections(export.merchant_id).await?;
                let filter = self.filter(export.merchant_id, &request).await?;
                Ok(Sheet::payments(export.merchant_id, filter, connections))
            }
        }
    }

    /// The store's filter of a request. Fails for what is not there.
    pub async fn filter(&self, merchant: MerchantId, request: &ExportRequest) -> Result<PaymentFilter, StoreError> {
        let connection = match &request.connection {
            Some(slug) => Some(self.store.connection_by_slug(merchant, slug).await?.id),
            None => None,
        };
        Ok(PaymentFilter {
            connection_id: connection,
            status: request.status.as_deref().map(PaymentStatus::read).transpose()?,
            search: request.search.clone(),
            created_from: request.created_from,
            created_until: request.created_until,
        })
    }
}

enum Written {
    Whole,
    TooLong,
    /// The node stops: another one goes on.
    Stopped,
    /// Another node took the job over.
    Overtaken,
}

/// How the request of a job is shown.
#[must_use]
pub fn shown(filter: &Value) -> Option<ExportRequest> {
    serde_json::from_value(filter.clone()).ok()
}
