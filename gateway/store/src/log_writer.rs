use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use plugin_sdk::{ConnectionId, MerchantId, PaymentKey};
use sea_orm::{DatabaseConnection, TransactionTrait};
use tokio::sync::{Mutex, Notify, mpsc, oneshot};
use tokio::time::Instant;

use crate::arrays::Inserts;
use crate::bulk::{self, OnConflict};
use crate::entities::{decisions, deliveries, events, exchanges, registrations, rule_troubles};
use crate::link::{Lane, Link};
use crate::rule_troubles::{ADD_UP, RuleFailure};
use crate::supervise::keep_running;
use crate::{NewDecision, NewEvent, NewExchange, Store, StoreError};

/// Entries that one transaction holds at most.
const GROUP_SIZE_MAX: usize = 512;
/// Entries that may wait. Beyond it the gateway stops answering `check` with anything but "try later", so that no
/// answer leaves without its record.
const QUEUE_SIZE_MAX: usize = 16_384;
/// Room that is kept for those whose answers are on their way, and how long others wait for more.
const ROOM: usize = 2_048;
const ROOM_PATIENCE: Duration = Duration::from_secs(3);
const GROUP_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the first entry of a group waits for company. Nobody waits for these rows, and a statement for many costs
/// the database hardly more than one for a few.
const GATHERING: Duration = Duration::from_millis(10);
/// How long a group that the database could not take is kept and tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(250);
const RETRIES_MAX: u32 = 240;

/// A `check` that promised a `pay`.
#[derive(Debug, Clone, PartialEq)]
pub struct Registration {
    pub connection_id: ConnectionId,
    pub merchant_id: MerchantId,
    pub key: PaymentKey,
    pub account: String,
    /// ISO 4217 alpha code, however the network spelt it.
    pub currency: Option<String>,
    pub created_at: DateTime<Utc>,
}

/// The check that the payer saw last is the one that the `pay` must keep to.
const NEWEST_REGISTRATION: &str = "(connection_id, key1, key2) DO UPDATE SET account = excluded.account,
     currency = excluded.currency, created_at = excluded.created_at
     WHERE excluded.created_at >= registrations.created_at";

/// Writes what no answer waits for, in groups: the exchange log, registrations of checks, events without a payment
/// of their own.
#[derive(Clone)]
pub struct LogWriter {
    queue: mpsc::Sender<Entry>,
    /// Somebody waits for what is in the queue.
    hurry: Arc<Notify>,
    /// A group was taken out of the queue.
    drained: Arc<Notify>,
}

enum Entry {
    Exchange(Box<NewExchange>),
    Registration(Box<Registration>),
    Event(Box<NewEvent>),
    Failure(Box<RuleFailure>),
    Decision(Box<NewDecision>),
    /// Answers when everything before it is written.
    Flush(oneshot::Sender<()>),
}

impl LogWriter {
    #[must_use]
    pub fn start(store: &Store) -> Self {
        let (queue, entries) = mpsc::channel(QUEUE_SIZE_MAX);
        let (store, entries) = (store.clone(), Arc::new(Mutex::new(entries)));
        let (hurry, drained) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (hurried, told) = (Arc::clone(&hurry), Arc::clone(&drained));
        keep_running("log writer", move || {
            run(
                store.clone(),
                Arc::clone(&entries),
                Arc::clone(&hurried),
                Arc::clone(&told),
            )
        });
        Self { queue, hurry, drained }
    }

    pub fn exchange(&self, exchange: NewExchange) -> Result<(), StoreError> {
        self.add(Entry::Exchange(Box::new(exchange)))
    }

    pub fn registration(&self, registration: Registration) -> Result<(), StoreError> {
        self.add(Entry::Registration(Box::new(registration)))
    }

    pub fn event(&self, event: NewEvent) -> Result<(), StoreError> {
        self.add(Entry::Event(Box::new(event)))
    }

    /// Counts a failed call of a rule. Nobody's answer rests on it, so it gives way when much waits.
    pub fn rule_failure(&self, failure: RuleFailure) -> Result<(), StoreError> {
        if !self.has_room_to_spare() {
            return Err(StoreError::Busy);
        }
        self.add(Entry::Failure(Box::new(failure)))
    }

    /// Stores a decision. Like the count of failures, it gives way when much waits.
    pub fn decision(&self, decision: NewDecision) -> Result<(), StoreError> {
        if !self.has_room_to_spare() {
            return Err(StoreError::Busy);
        }
        self.add(Entry::Decision(Box::new(decision)))
    }

    /// Waits until there is room for what all that are answered now may leave behind, so that many who ask at once are
    /// slowed down rather than sent away. [`StoreError::Busy`] when there is none for a long time.
    pub async fn room(&self) -> Result<(), StoreError> {
        let until = Instant::now() + ROOM_PATIENCE;
        while self.queue.capacity() < ROOM {
            let drained = self.drained.notified();
            // A group that was taken between the two looks has told nobody.
            if self.queue.capacity() < ROOM && tokio::time::timeout_at(until, drained).await.is_err() {
                return Err(StoreError::Busy);
            }
        }
        Ok(())
    }

    /// Whether there is room for entries that nobody needs: of calls that were refused at the door, for one. The other
    /// half is kept for those who pay.
    #[must_use]
    pub fn has_room_to_spare(&self) -> bool {
        self.queue.capacity() > QUEUE_SIZE_MAX / 2
    }

    /// Waits until all that was added before is written or given up.
    pub async fn flush(&self) {
        let (reply, done) = oneshot::channel();
        if self.queue.send(Entry::Flush(reply)).await.is_ok() {
            self.hurry.notify_one();
            let _ = done.await;
        }
    }

    fn add(&self, entry: Entry) -> Result<(), StoreError> {
        self.queue.try_send(entry).map_err(|_| StoreError::Busy)
    }
}

async fn run(store: Store, entries: Arc<Mutex<mpsc::Receiver<Entry>>>, hurry: Arc<Notify>, drained: Arc<Notify>) {
    let mut link = store.inserting_link();
    let mut group = Vec::with_capacity(GROUP_SIZE_MAX);
    while gather(&mut *entries.lock().await, &hurry, &mut group).await > 0 {
        drained.notify_waiters();
        let (rows, flushes) = Rows::of(group.drain(..));
        write_all(&mut link, rows).await;
        for flush in flushes {
            let _ = flush.send(());
        }
    }
}

/// The next group; nothing when there will be none. Entries that come while it gathers wake nobody.
async fn gather(entries: &mut mpsc::Receiver<Entry>, hurry: &Notify, group: &mut Vec<Entry>) -> usize {
    let first = entries.recv_many(group, GROUP_SIZE_MAX).await;
    let awaited = group.iter().any(|entry| matches!(entry, Entry::Flush(_)));
    if first == 0 || awaited || first == GROUP_SIZE_MAX || entries.is_closed() {
        return first;
    }
    tokio::select! {
        () = tokio::time::sleep(GATHERING) => {}
        () = hurry.notified() => {}
    }
    while group.len() < GROUP_SIZE_MAX
        && let Ok(entry) = entries.try_recv()
    {
        group.push(entry);
    }
    group.len()
}

async fn write_all(link: &mut Link, rows: Rows) {
    let Err(error) = write_patiently(link, &rows).await else {
        return;
    };
    if rows.count() == 1 {
        tracing::error!(%error, "the database refused a log entry");
        return;
    }
    // One row that the database refuses must not take its neighbours down.
    tracing::warn!(%error, entries = rows.count(), "a group of log entries was refused; writing them one by one");
    for single in rows.singles() {
        if let Err(error) = write_patiently(link, &single).await {
            tracing::error!(%error, "the database refused a log entry");
        }
    }
}

/// Fails only when the rows themselves are refused, or are too many.
async fn write_patiently(link: &mut Link, rows: &Rows) -> Result<(), StoreError> {
    for _ in 0..RETRIES_MAX {
        match write(link, rows).await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_about_the_rows() => return Err(error),
            // Too much at once for the time there is: smaller groups may pass.
            Err(error @ StoreError::TimedOut) if rows.count() > 1 => return Err(error),
            Err(error) => {
                tracing::warn!(%error, entries = rows.count(), "the log cannot be written; trying again");
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
    }
    tracing::error!(entries = rows.count(), "a group of log entries was given up");
    Ok(())
}

/// A group, sorted by table.
#[derive(Default)]
struct Rows {
    exchanges: Vec<exchanges::Model>,
    registrations: Vec<registrations::Model>,
    troubles: Vec<rule_troubles::Model>,
    decisions: Vec<decisions::Model>,
    events: Vec<events::Model>,
    deliveries: Vec<deliveries::Model>,
}

impl Rows {
    fn of(entries: impl Iterator<Item = Entry>) -> (Self, Vec<oneshot::Sender<()>>) {
        let mut rows = Self::default();
        let mut registrations = HashMap::new();
        let mut failures = Vec::new();
        let mut flushes = Vec::new();
        for entry in entries {
            match entry {
                Entry::Exchange(exchange) => rows.exchanges.push(exchange.row()),
                // The last check of a key counts, as in the table.
                Entry::Registration(registration) => {
                    let key = (registration.connection_id, registration.key.clone());
                    registrations.insert(key, registration.row());
                }
                Entry::Event(event) => {
                    let (event, deliveries) = event.rows();
                    rows.events.push(event);
                    rows.deliveries.extend(deliveries);
                }
                Entry::Decision(decision) => rows.decisions.push(decision.row()),
                Entry::Failure(failure) => failures.push(*failure),
                Entry::Flush(reply) => flushes.push(reply),
            }
        }
        rows.troubles = crate::rule_troubles::rows(failures);
        rows.registrations = registrations.into_values().collect();
        rows.registrations
            .sort_by(|a, b| (&a.connection_id, &a.key1, &a.key2).cmp(&(&b.connection_id, &b.key1, &b.key2)));
        (rows, flushes)
    }

    fn singles(self) -> Vec<Self> {
        let mut singles = Vec::with_capacity(self.count());
        singles.extend(self.exchanges.into_iter().map(|row| Self {
            exchanges: vec![row],
            ..Self::default()
        }));
        singles.extend(self.registrations.into_iter().map(|row| Self {
            registrations: vec![row],
            ..Self::default()
        }));
        singles.extend(self.troubles.into_iter().map(|row| Self {
            troubles: vec![row],
            ..Self::default()
        }));
        singles.extend(self.decisions.into_iter().map(|row| Self {
            decisions: vec![row],
            ..Self::default()
        }));
        for event in self.events {
            let deliveries = self
                .deliveries
                .iter()
                .filter(|row| row.event_id == event.id)
                .cloned()
                .collect();
            singles.push(Self {
                events: vec![event],
                deliveries,
                ..Self::default()
            });
        }
        singles
    }

    fn count(&self) -> usize {
        self.exchanges.len() + self.registrations.len() + self.troubles.len() + self.decisions.len() + self.events.len()
    }
}

async fn write(link: &mut Link, rows: &Rows) -> Result<(), StoreError> {
    match tokio::time::timeout(GROUP_TIMEOUT, write_rows(link, rows)).await {
        Ok(done) => done,
        Err(_) => Err(StoreError::TimedOut),
    }
}

async fn write_rows(link: &mut Link, rows: &Rows) -> Result<(), StoreError> {
    if rows.count() == 0 {
        return Ok(());
    }
    match link {
        Link::Postgres(lane) => insert_at_once(lane, rows).await,
        Link::Sqlite(connection) => insert_in_turn(connection, rows).await,
    }
}

/// PostgreSQL: one statement, which is its own transaction.
async fn insert_at_once(lane: &mut Lane, rows: &Rows) -> Result<(), StoreError> {
    let newest = format!("ON CONFLICT {NEWEST_REGISTRATION}");
    let add_up = format!("ON CONFLICT {ADD_UP}");
    let skip = "ON CONFLICT DO NOTHING";
    let mut inserts = Inserts::default();
    inserts.add::<registrations::Entity>(&rows.registrations, &newest)?;
    inserts.add::<rule_troubles::Entity>(&rows.troubles, &add_up)?;
    inserts.add::<events::Entity>(&rows.events, skip)?;
    inserts.add::<deliveries::Entity>(&rows.deliveries, skip)?;
    inserts.add::<decisions::Entity>(&rows.decisions, skip)?;
    inserts.add::<exchanges::Entity>(&rows.exchanges, "")?;
    inserts.run(lane, "SELECT 1").await.map(drop)
}

/// SQLite: a statement for each table, in one transaction.
async fn insert_in_turn(connection: &DatabaseConnection, rows: &Rows) -> Result<(), StoreError> {
    let transaction = connection.begin().await?;
    let newest = OnConflict::Update(NEWEST_REGISTRATION);
    bulk::insert::<registrations::Entity, _>(&transaction, &rows.registrations, newest, None).await?;
    let add_up = OnConflict::Update(ADD_UP);
    bulk::insert::<rule_troubles::Entity, _>(&transaction, &rows.troubles, add_up, None).await?;
    bulk::insert::<events::Entity, _>(&transaction, &rows.events, OnConflict::Skip, None).await?;
    bulk::insert::<deliveries::Entity, _>(&transaction, &rows.deliveries, OnConflict::Skip, None).await?;
    bulk::insert::<decisions::Entity, _>(&transaction, &rows.decisions, OnConflict::Skip, None).await?;
    bulk::insert::<exchanges::Entity, _>(&transaction, &rows.exchanges, OnConflict::Fail, None).await?;
    Ok(transaction.commit().await?)
}

impl Registration {
    fn row(&self) -> registrations::Model {
        registrations::Model {
            connection_id: self.connection_id.to_string(),
            key1: self.key.key1.clone(),
            key2: self.key.key2.clone(),
            merchant_id: self.merchant_id.to_string(),
            account: self.account.clone(),
            currency: self.currency.clone(),
            created_at: self.created_at,
        }
    }
}
