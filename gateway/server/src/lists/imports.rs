//! A file on its way to be the new content of a list.
//!
//! First the whole file is read, checked and sorted on disk; only then are its rows stored, in small batches, where no
//! reader looks; at last one transaction swaps. Memory is bounded at each step, and whatever ends an import early, the
//! list is what it was.

use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use plugin_sdk::MerchantId;
use store::{
    List, ListEntry, ListError, ListImport, ListImportError, ListImportProgress, ListImportStatus, ListQuota,
    NewListImport, StoreError,
};
use tokio::io::AsyncWriteExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use super::book::check_list_name;
use super::rows::{Format, Rows};
use super::sorting::{Sorted, Sorter};
use super::{FILE_ROWS_MAX, LISTS_MAX, ListBook, ListRefusal};

/// Uploads that a node receives at once.
const UPLOADS_AT_ONCE: usize = 4;
/// Wrong lines after which a file is not read any further.
const ERRORS_MAX: usize = 20;
/// An import of which nothing was heard for this long is given up by whoever notices.
const LEASE: TimeDelta = TimeDelta::seconds(10);
const HEARTBEAT: Duration = Duration::from_secs(2);
/// How long a batch is tried again while the database does not take it. Shorter than the lease.
const PATIENCE: Duration = Duration::from_secs(8);
const RETRY_PAUSE: Duration = Duration::from_millis(250);
/// Payments share SQLite's one writer: no batch shall keep them waiting for longer.
const BATCH_TIME_ONE_WRITER: Duration = Duration::from_millis(25);
/// Where writers do not wait for each other, a batch may be worth its round trips.
const BATCH_TIME: Duration = Duration::from_millis(250);
/// Rows of the first batch, of the smallest and of the largest.
const BATCH_ROWS: usize = 500;
const BATCH_ROWS_MIN: usize = 50;
const BATCH_ROWS_MAX: usize = 5_000;

#[derive(Clone)]
pub struct Imports {
    book: ListBook,
    uploads: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

/// A file that arrives in chunks. It has no name, so nothing stays behind whatever happens.
pub struct Upload {
    file: tokio::fs::File,
    bytes: u64,
    bytes_max: u64,
    _turn: OwnedSemaphorePermit,
}

impl Upload {
    pub async fn write(&mut self, chunk: &[u8]) -> Result<(), ListRefusal> {
        self.bytes += chunk.len() as u64;
        if self.bytes > self.bytes_max {
            return Err(ListRefusal::TooLarge(self.bytes_max));
        }
        Ok(self.file.write_all(chunk).await?)
    }

    pub async fn finish(mut self) -> Result<File, ListRefusal> {
        self.file.flush().await?;
        Ok(self.file.into_std().await)
    }
}

/// An import that is announced and waits to be worked on.
pub struct ImportJob {
    pub import: ListImport,
    file: File,
    format: Format,
}

/// What the one who reads the file and the one who tells of it share.
#[derive(Default)]
struct Shared {
    bytes_read: AtomicI64,
    rows_read: AtomicI64,
    stop: AtomicBool,
}

/// Why an import ended without a new list.
enum Failure {
    Lines(Vec<ListImportError>),
    List(ListError),
}

impl Failure {
    fn whole(message: impl Into<String>) -> Self {
        Self::Lines(vec![ListImportError {
            line: None,
            message: message.into(),
        }])
    }

    fn errors(self) -> Vec<ListImportError> {
        match self {
            Self::Lines(errors) => errors,
            Self::List(error) => vec![ListImportError {
                line: None,
                message: error.to_string(),
            }],
        }
    }
}

impl From<ListError> for Failure {
    fn from(error: ListError) -> Self {
        Self::List(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::whole(ListRefusal::Spool(error).to_string())
    }
}

impl Imports {
    #[must_use]
    pub fn new(book: ListBook) -> Self {
        let turns = Arc::new(Semaphore::new(book.limits.imports_at_once));
        Self {
            book,
            uploads: Arc::new(Semaphore::new(UPLOADS_AT_ONCE)),
            turns,
        }
    }

    pub fn open_upload(&self) -> Result<Upload, ListRefusal> {
        let turn = Arc::clone(&self.uploads)
            .try_acquire_owned()
            .map_err(|_| ListRefusal::Busy)?;
        let file = tempfile::tempfile_in(&self.book.limits.spool)?;
        Ok(Upload {
            file: file.into(),
            bytes: 0,
            bytes_max: self.book.limits.upload_bytes_max,
            _turn: turn,
        })
    }

    /// Announces the import; nothing of the file is read yet.
    pub async fn start(
        &self,
        merchant: MerchantId,
        list: &str,
        format: Format,
        mut file: File,
    ) -> Result<ImportJob, ListRefusal> {
        check_list_name(list)?;
        let length = file.seek(SeekFrom::End(0))?;
        if length > self.book.limits.upload_bytes_max {
            return Err(ListRefusal::TooLarge(self.book.limits.upload_bytes_max));
        }
        file.seek(SeekFrom::Start(0))?;
        let now = self.book.clock.now();
        let new = NewListImport {
            list: list.to_owned(),
            format: format.as_str(),
            bytes_total: i64::try_from(length).unwrap_or(i64::MAX),
            lease_until: now + LEASE,
        };
        let import = self.book.store.start_list_import(merchant, new, now).await?;
        Ok(ImportJob { import, file, format })
    }

    /// Works on what arrives until the node stops; then ends all imports in good order.
    pub async fn serve(self, mut jobs: mpsc::Receiver<ImportJob>, mut stop: watch::Receiver<bool>) {
        let mut working = JoinSet::new();
        loop {
            tokio::select! {
                job = jobs.recv() => match job {
                    Some(job) => {
                        let (imports, stop) = (self.clone(), stop.clone());
                        working.spawn(async move { imports.run(job, stop).await });
                    }
                    None => break,
                },
                Some(_) = working.join_next() => {}
                _ = stop.changed() => break,
            }
        }
        jobs.close();
        while let Ok(job) = jobs.try_recv() {
            self.fail(&job.import, Failure::whole(STOPPED)).await;
        }
        while working.join_next().await.is_some() {}
    }

    /// The whole import; `None` when it failed, which is then on record.
    pub async fn run(&self, job: ImportJob, stop: watch::Receiver<bool>) -> Option<List> {
        let import = job.import.clone();
        let shared = Arc::new(Shared::default());
        let worked = tokio::select! {
            worked = self.work(job, &shared) => worked,
            () = stopped(stop) => Err(Failure::whole(STOPPED)),
        };
        shared.stop.store(true, Ordering::SeqCst);
        match worked {
            Ok(list) => {
                metrics::counter!("tollgate_list_imports_total", "outcome" => "done").increment(1);
                tracing::info!(import = %import.id, list = list.name, entries = list.entries, "a list was replaced");
                Some(list)
            }
            Err(failure) => {
                // How far it came is on record only as of the last beat.
                let (store, now) = (&self.book.store, self.book.clock.now());
                let progress = self.progress(&import, &shared);
                if let Err(error) = store.renew_list_import(&import, progress, now + LEASE, now).await {
                    tracing::debug!(import = %import.id, %error, "the last progress of an import could not be recorded");
                }
                self.fail(&import, failure).await;
                None
            }
        }
    }

    async fn fail(&self, import: &ListImport, failure: Failure) {
        metrics::counter!("tollgate_list_imports_total", "outcome" => "failed").increment(1);
        let errors = failure.errors();
        tracing::warn!(import = %import.id, list = import.list, ?errors, "an import failed; the list is as it was");
        let recorded = self
            .book
            .store
            .fail_list_import(import, &errors, self.book.clock.now())
            .await;
        // Then its lease runs out, and it is given up all the same.
        if let Err(error) = recorded {
            tracing::warn!(import = %import.id, %error, "the failure of an import could not be recorded");
        }
    }

    async fn work(&self, job: ImportJob, shared: &Arc<Shared>) -> Result<List, Failure> {
        let ImportJob { import, file, format } = job;
        let turn = self.beating(&import, shared, self.turns.acquire()).await?;
        let _turn = turn.map_err(|_| Failure::whole(STOPPED))?;
        let quota = self.book.quota(import.merchant_id).await.map_err(|error| match error {
            ListRefusal::List(error) => Failure::List(error),
            other => Failure::whole(other.to_string()),
        })?;
        let reading = {
            let (shared, spool) = (Arc::clone(shared), self.book.limits.spool.clone());
            tokio::task::spawn_blocking(move || read_and_sort(file, format, &spool, quota, &shared))
        };
        let sorted = self.beating(&import, shared, reading).await?;
        let sorted = sorted.map_err(|error| Failure::whole(format!("the file could not be read: {error}")))??;
        self.store_all(&import, shared, sorted, quota).await
    }

    async fn store_all(
        &self,
        import: &ListImport,
        shared: &Shared,
        mut sorted: Sorted,
        quota: ListQuota,
    ) -> Result<List, Failure> {
        let mut progress = self.progress(import, shared);
        let (mut bytes, mut rows) = (0, BATCH_ROWS);
        let batch_time = match self.book.store.has_one_writer() {
            true => BATCH_TIME_ONE_WRITER,
            false => BATCH_TIME,
        };
        loop {
            let next = tokio::task::spawn_blocking(move || {
                let batch = sorted.next_batch(rows);
                (sorted, batch)
            });
            let batch;
            (sorted, batch) = next.await.map_err(|error| Failure::whole(error.to_string()))?;
            let batch = batch?;
            if batch.is_empty() {
                break;
            }
            bytes += batch.iter().map(ListEntry::bytes).sum::<i64>();
            progress.rows_stored += i64::try_from(batch.len()).unwrap_or(i64::MAX);
            progress.rows_repeated = i64::try_from(sorted.repeated()).unwrap_or(i64::MAX);
            let store = &self.book.store;
            store
                .check_list_import(import, (progress.rows_stored, bytes), quota)
                .await?;
            let began = Instant::now();
            self.append(import, &batch, progress).await?;
            rows = next_batch_rows(rows, batch_time, began.elapsed());
        }
        progress.rows_repeated = i64::try_from(sorted.repeated()).unwrap_or(i64::MAX);
        self.swap(import, progress, bytes, quota).await
    }

    /// Tries again what the database could not take just now.
    async fn append(
        &self,
        import: &ListImport,
        batch: &[ListEntry],
        progress: ListImportProgress,
    ) -> Result<(), ListError> {
        let end = Instant::now() + PATIENCE;
        loop {
            let now = self.book.clock.now();
            let appended = self
                .book
                .store
                .append_list_import(import, batch, progress, now + LEASE, now)
                .await;
            match appended {
                Err(ListError::Store(StoreError::Busy | StoreError::TimedOut | StoreError::Unavailable(_)))
                    if Instant::now() < end =>
                {
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
                done => return done,
            }
        }
    }

    async fn swap(
        &self,
        import: &ListImport,
        progress: ListImportProgress,
        bytes: i64,
        quota: ListQuota,
    ) -> Result<List, Failure> {
        let (store, now) = (&self.book.store, self.book.clock.now());
        store.renew_list_import(import, progress, now + LEASE, now).await?;
        let swapped = store
            .finish_list_import(import, progress, bytes, quota, LISTS_MAX, now)
            .await;
        let Err(error) = swapped else {
            return Ok(swapped?);
        };
        // The commit may have been heard there and its answer lost.
        let found = store.list_import(import.merchant_id, import.id).await;
        if found.is_ok_and(|found| found.status == ListImportStatus::Done) {
            let list = store.list(import.merchant_id, &import.list).await;
            return list.map_err(|error| Failure::List(error.into()));
        }
        Err(error.into())
    }

    /// Waits for something while saying that the import is at work.
    async fn beating<T>(
        &self,
        import: &ListImport,
        shared: &Shared,
        awaited: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        let mut awaited = std::pin::pin!(awaited);
        let mut beats = tokio::time::interval(HEARTBEAT);
        beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                done = &mut awaited => return Ok(done),
                _ = beats.tick() => {}
            }
            let now = self.book.clock.now();
            let progress = self.progress(import, shared);
            match self
                .book
                .store
                .renew_list_import(import, progress, now + LEASE, now)
                .await
            {
                Ok(()) => {}
                Err(error @ ListError::ImportEnded) => return Err(error.into()),
                Err(error) => tracing::warn!(import = %import.id, %error, "the progress of an import cannot be told"),
            }
        }
    }

    fn progress(&self, import: &ListImport, shared: &Shared) -> ListImportProgress {
        ListImportProgress {
            bytes_read: shared.bytes_read.load(Ordering::SeqCst),
            rows_read: shared.rows_read.load(Ordering::SeqCst),
            ..import.progress
        }
    }

    /// Gives up what nobody works on any longer. Returns how many imports that were.
    pub async fn give_up_lapsed(&self, limit: u64) -> Result<u64, StoreError> {
        let now: DateTime<Utc> = self.book.clock.now();
        let lapsed = self.book.store.lapsed_list_imports(now, limit).await?;
        let count = lapsed.len() as u64;
        for import in lapsed {
            let abandoned = "the gateway that worked on it went away; the list is as it was, upload the file again";
            self.fail(&import, Failure::whole(abandoned)).await;
        }
        Ok(count)
    }
}

const STOPPED: &str = "the gateway was stopped; the list is as it was, upload the file again";

async fn stopped(mut stop: watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        // Nobody is left who could say so.
        std::future::pending::<()>().await;
    }
}

fn next_batch_rows(rows: usize, aim: Duration, took: Duration) -> usize {
    let next = if took > aim * 2 {
        rows / 2
    } else if took < aim {
        rows + rows / 2
    } else {
        rows
    };
    next.clamp(BATCH_ROWS_MIN, BATCH_ROWS_MAX)
}

/// The whole file, or everything that is wrong with it, up to a limit.
fn read_and_sort(
    file: File,
    format: Format,
    spool: &Path,
    quota: ListQuota,
    shared: &Shared,
) -> Result<Sorted, Failure> {
    let mut rows = Rows::new(BufReader::with_capacity(256 << 10, file), format);
    let mut sorter = Sorter::new(spool);
    let (mut errors, mut count, mut bytes) = (Vec::new(), 0_u64, 0_i64);
    while let Some(row) = rows.next()? {
        if shared.stop.load(Ordering::Relaxed) {
            return Err(Failure::whole(STOPPED));
        }
        count += 1;
        shared.rows_read.fetch_add(1, Ordering::Relaxed);
        let read = i64::try_from(rows.bytes_read()).unwrap_or(i64::MAX);
        shared.bytes_read.store(read, Ordering::Relaxed);
        if count > FILE_ROWS_MAX {
            errors.push(ListImportError {
                line: Some(row.line),
                message: format!("the file has more than {FILE_ROWS_MAX} rows"),
            });
            break;
        }
        match row.entry {
            Ok(entry) => {
                bytes += entry.bytes();
                if bytes > quota.bytes_max {
                    let limit = quota.bytes_max;
                    let message =
                        format!("the rows up to this line have more than the {limit} bytes that the lists may hold");
                    let line = Some(row.line);
                    errors.push(ListImportError { line, message });
                    break;
                }
                // Of a file that is refused nothing needs sorting.
                if errors.is_empty() {
                    sorter.add(&entry)?;
                }
            }
            Err(message) => errors.push(ListImportError {
                line: Some(row.line),
                message,
            }),
        }
        if errors.len() == ERRORS_MAX {
            errors.push(ListImportError {
                line: None,
                message: format!("after {ERRORS_MAX} wrong lines the file was not read any further"),
            });
            break;
        }
    }
    if !errors.is_empty() {
        return Err(Failure::Lines(errors));
    }
    let read = i64::try_from(rows.bytes_read()).unwrap_or(i64::MAX);
    shared.bytes_read.store(read, Ordering::Relaxed);
    Ok(sorter.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_grow_while_they_are_quick_and_shrink_when_they_are_slow() {
        assert_eq!(next_batch_rows(500, BATCH_TIME, BATCH_TIME / 2), 750);
        assert_eq!(next_batch_rows(500, BATCH_TIME, BATCH_TIME), 500);
        assert_eq!(next_batch_rows(500, BATCH_TIME, BATCH_TIME * 3), 250);
        assert_eq!(
            next_batch_rows(BATCH_ROWS_MAX, BATCH_TIME, BATCH_TIME / 2),
            BATCH_ROWS_MAX
        );
        assert_eq!(
            next_batch_rows(BATCH_ROWS_MIN, BATCH_TIME, BATCH_TIME * 9),
            BATCH_ROWS_MIN
        );
    }
}
