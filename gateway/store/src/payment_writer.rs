use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use plugin_sdk::{ConnectionId, PaymentKey};

use sea_orm::{DatabaseConnection, QueryResult, TransactionTrait};
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::arrays::Inserts;
use crate::bulk::{self, OnConflict};
use crate::entities::{decisions, deliveries, events, exchanges, operations, payments, velocity_marks};
use crate::link::{Lane, Link};
use crate::lookup::payments_by_keys;
use crate::supervise::keep_running;
use crate::{
    NewDecision, NewEvent, NewExchange, NewOperation, NewPayment, Payment, Store, StoreError, VelocityMark, velocity,
};

/// Payments that one transaction holds at most.
const GROUP_SIZE_MAX: usize = 128;
/// Payments that may wait; beyond it the network is asked to come again.
const QUEUE_SIZE_MAX: usize = 4_096;
/// A group that takes longer is given up; whether it was stored is then not known.
const GROUP_TIMEOUT: Duration = Duration::from_millis(3_500);

/// Everything that becomes true with one payment, or not at all.
#[derive(Debug, Clone)]
pub struct PaymentWrite {
    pub payment: NewPayment,
    pub operation: NewOperation,
    pub event: NewEvent,
    pub exchange: NewExchange,
    /// What velocities count of it.
    pub velocity: Vec<VelocityMark>,
    /// What the rules decided about it.
    pub decisions: Vec<NewDecision>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum WriteOutcome {
    /// This write made the payment; it is durable.
    Stored,
    /// The network's key was taken: by a repeat that was faster, or long ago. Nothing was written.
    Existing(Box<Payment>),
}

/// Commits payments in groups: it takes all that wait and writes them as one transaction, so one fsync serves
/// many, and what arrives meanwhile makes the next group.
#[derive(Clone)]
pub struct PaymentWriter {
    queue: mpsc::Sender<Job>,
    /// How long the eldest of the last group had waited, in microseconds.
    waited_us: Arc<AtomicU64>,
}

struct Job {
    write: Arc<PaymentWrite>,
    queued_at: Instant,
    reply: oneshot::Sender<Result<WriteOutcome, StoreError>>,
}

impl PaymentWriter {
    /// Starts on the current runtime; ends when the last writer handle is dropped.
    #[must_use]
    pub fn start(store: &Store) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE_SIZE_MAX);
        let (store, jobs) = (store.clone(), Arc::new(Mutex::new(jobs)));
        let waited_us = Arc::new(AtomicU64::new(0));
        let told = Arc::clone(&waited_us);
        keep_running("payment writer", move || {
            run(store.clone(), Arc::clone(&jobs), Arc::clone(&told))
        });
        Self { queue, waited_us }
    }

    /// Returns once the payment is durable, or is known not to be the first of its key. [`StoreError::Busy`]: nothing
    /// was started. Every other error: the payment may be stored; a repeat finds out.
    pub async fn write(&self, write: PaymentWrite) -> Result<WriteOutcome, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.queue
            .try_send(Job {
                write: Arc::new(write),
                queued_at: Instant::now(),
                reply,
            })
            .map_err(|_| StoreError::Busy)?;
        answer.await.map_err(|_| StoreError::TimedOut)?
    }

    /// Payments that wait for a group now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// How long a payment waits for its group, as far as the last one tells; nothing when none waits now.
    #[must_use]
    pub fn delay(&self) -> Duration {
        if self.waiting() == 0 {
            return Duration::ZERO;
        }
        Duration::from_micros(self.waited_us.load(Ordering::Relaxed))
    }
}

/// A writer's ways to the database.
struct Links {
    inserts: Link,
    /// For the rare look at payments whose keys were taken. On its own: its plans follow what is stored.
    reads: Link,
}

async fn run(store: Store, jobs: Arc<Mutex<mpsc::Receiver<Job>>>, waited_us: Arc<AtomicU64>) {
    let mut links = Links {
        inserts: store.inserting_link(),
        reads: Link::of(&store.writes),
    };
    let mut group = Vec::with_capacity(GROUP_SIZE_MAX);
    while jobs.lock().await.recv_many(&mut group, GROUP_SIZE_MAX).await > 0 {
        let waited = group
            .first()
            .map_or(Duration::ZERO, |eldest| eldest.queued_at.elapsed());
        waited_us.store(u64::try_from(waited.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        // Who has stopped waiting was told "try later"; then it is kinder not to credit behind its back.
        group.retain(|job| !job.reply.is_closed());
        if group.is_empty() {
            continue;
        }
        let writes: Vec<_> = group.iter().map(|job| Arc::clone(&job.write)).collect();
        let outcomes = write_group(&mut links, &writes).await;
        for (job, outcome) in group.drain(..).zip(outcomes) {
            let _ = job.reply.send(outcome);
        }
    }
}

/// One outcome for each write, in order.
async fn write_group(links: &mut Links, writes: &[Arc<PaymentWrite>]) -> Vec<Result<WriteOutcome, StoreError>> {
    match commit(links, writes).await {
        Ok(outcomes) => outcomes,
        // One row that the database refuses must not take its neighbours down.
        Err(error) if writes.len() > 1 && error.is_about_the_rows() => {
            tracing::warn!(%error, payments = writes.len(), "a group of payments was refused; writing them one by one");
            let mut outcomes = Vec::with_capacity(writes.len());
            for write in writes {
                let alone = commit(links, std::slice::from_ref(write)).await;
                outcomes.push(alone.and_then(|mut outcome| outcome.pop().unwrap_or(Err(StoreError::TimedOut))));
            }
            outcomes
        }
        Err(error) => {
            tracing::warn!(%error, payments = writes.len(), "a group of payments could not be stored");
            let text = error.to_string();
            writes
                .iter()
                .map(|_| Err(StoreError::Unavailable(text.clone())))
                .collect()
        }
    }
}

/// What became of each write of a group that was committed, or why the group was not.
type Outcomes = Result<Vec<Result<WriteOutcome, StoreError>>, StoreError>;

async fn commit(links: &mut Links, writes: &[Arc<PaymentWrite>]) -> Outcomes {
    match tokio::time::timeout(GROUP_TIMEOUT, commit_in_order(links, writes)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(StoreError::TimedOut),
    }
}

async fn commit_in_order(links: &mut Links, writes: &[Arc<PaymentWrite>]) -> Outcomes {
    // Two nodes that insert the same keys must take them in one order, or they would wait for each other.
    let mut ordered: Vec<&PaymentWrite> = writes.iter().map(Arc::as_ref).collect();
    ordered.sort_by(|a, b| (a.payment.connection_id, &a.payment.key).cmp(&(b.payment.connection_id, &b.payment.key)));
    let rows = Rows::of(&ordered);
    let stored = match &mut links.inserts {
        Link::Postgres(lane) => insert_at_once(lane, &rows).await?,
        Link::Sqlite(connection) => insert_in_turn(connection, rows).await?,
    };
    let existing = read_existing(&mut links.reads, &ordered, &stored).await?;
    let outcomes = writes.iter().map(|write| {
        if stored.contains(&write.payment.id.to_string()) {
            return Ok(WriteOutcome::Stored);
        }
        let payment = existing.get(&key_of(write)).cloned();
        let payment = payment.ok_or_else(|| StoreError::Corrupt("a taken key without its payment".to_owned()))?;
        // Our own row from a try whose commit was not answered.
        if payment.id == write.payment.id {
            return Ok(WriteOutcome::Stored);
        }
        Ok(WriteOutcome::Existing(Box::new(payment)))
    });
    Ok(outcomes.collect())
}

fn key_of(write: &PaymentWrite) -> (ConnectionId, PaymentKey) {
    (write.payment.connection_id, write.payment.key.clone())
}

/// A group, sorted by table.
#[derive(Default)]
struct Rows {
    payments: Vec<payments::Model>,
    operations: Vec<operations::Model>,
    events: Vec<events::Model>,
    deliveries: Vec<deliveries::Model>,
    exchanges: Vec<exchanges::Model>,
    marks: Vec<velocity_marks::Model>,
    decisions: Vec<decisions::Model>,
}

impl Rows {
    fn of(writes: &[&PaymentWrite]) -> Self {
        let mut rows = Self::default();
        for write in writes {
            rows.payments.push(write.payment.row());
            rows.operations
                .push(write.payment.operation_row(write.operation.clone()));
            let (event, deliveries) = write.event.clone().rows();
            rows.events.push(event);
            rows.deliveries.extend(deliveries);
            rows.exchanges.push(write.exchange.clone().row());
            rows.marks.extend(velocity::rows_of(write));
            let payment = write.payment.id.to_string();
            rows.decisions
                .extend(write.decisions.iter().map(|decision| decisions::Model {
                    payment_id: Some(payment.clone()),
                    ..decision.row()
                }));
        }
        rows
    }

    /// Leaves only what belongs to these payments.
    fn retain(&mut self, stored: &HashSet<String>) {
        let belongs = |payment: &Option<String>| payment.as_ref().is_some_and(|id| stored.contains(id));
        self.operations.retain(|row| stored.contains(&row.payment_id));
        self.events.retain(|row| belongs(&row.payment_id));
        self.deliveries.retain(|row| belongs(&row.payment_id));
        self.exchanges.retain(|row| belongs(&row.payment_id));
        self.marks.retain(|row| stored.contains(&row.payment_id));
        self.decisions.retain(|row| belongs(&row.payment_id));
    }
}

/// PostgreSQL: one statement, which is its own transaction, so a group costs one round trip. What follows from a payment
/// is inserted only if the payment was.
async fn insert_at_once(lane: &mut Lane, rows: &Rows) -> Result<HashSet<String>, StoreError> {
    let with_payment = "WHERE new.payment_id IN (SELECT id FROM stored)";
    let mut inserts = Inserts::default();
    inserts.add_as::<payments::Entity>("stored", &rows.payments, "ON CONFLICT DO NOTHING RETURNING id")?;
    inserts.add::<operations::Entity>(&rows.operations, with_payment)?;
    inserts.add::<events::Entity>(&rows.events, with_payment)?;
    inserts.add::<deliveries::Entity>(&rows.deliveries, with_payment)?;
    inserts.add::<exchanges::Entity>(&rows.exchanges, with_payment)?;
    inserts.add::<velocity_marks::Entity>(&rows.marks, with_payment)?;
    inserts.add::<decisions::Entity>(&rows.decisions, with_payment)?;
    let stored = inserts.run(lane, "SELECT id FROM stored").await?;
    stored
        .into_iter()
        .map(|row| Ok(QueryResult::from(row).try_get_by_index(0)?))
        .collect()
}

/// SQLite: a statement for each table, in one transaction.
async fn insert_in_turn(connection: &DatabaseConnection, mut rows: Rows) -> Result<HashSet<String>, StoreError> {
    let transaction = connection.begin().await?;
    let id = Some(payments::Column::Id);
    let stored = bulk::insert::<payments::Entity, _>(&transaction, &rows.payments, OnConflict::Skip, id).await?;
    let stored = stored.into_iter().collect();
    rows.retain(&stored);
    let fail = OnConflict::Fail;
    bulk::insert::<operations::Entity, _>(&transaction, &rows.operations, fail, None).await?;
    bulk::insert::<events::Entity, _>(&transaction, &rows.events, fail, None).await?;
    bulk::insert::<deliveries::Entity, _>(&transaction, &rows.deliveries, fail, None).await?;
    bulk::insert::<exchanges::Entity, _>(&transaction, &rows.exchanges, fail, None).await?;
    bulk::insert::<velocity_marks::Entity, _>(&transaction, &rows.marks, fail, None).await?;
    bulk::insert::<decisions::Entity, _>(&transaction, &rows.decisions, fail, None).await?;
    transaction.commit().await?;
    Ok(stored)
}

async fn read_existing(
    link: &mut Link,
    writes: &[&PaymentWrite],
    stored: &HashSet<String>,
) -> Result<HashMap<(ConnectionId, PaymentKey), Payment>, StoreError> {
    let keys: Vec<_> = writes
        .iter()
        .filter(|write| !stored.contains(&write.payment.id.to_string()))
        .map(|write| key_of(write))
        .collect();
    let payments = payments_by_keys(link, &keys).await?;
    Ok(payments
        .into_iter()
        .map(|payment| ((payment.connection_id, payment.key.clone()), payment))
        .collect())
}
