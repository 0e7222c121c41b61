use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use plugin_sdk::{ConnectionId, PaymentKey};
use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, Statement, TransactionTrait};
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::bulk::{self, OnConflict};
use crate::entities::{decisions, deliveries, events, exchanges, operations, payments};
use crate::lookup::payments_by_keys;
use crate::supervise::keep_running;
use crate::{NewDecision, NewEvent, NewExchange, NewOperation, NewPayment, Payment, Store, StoreError};

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

/// Commits payments in groups: a lane takes all that wait and writes them as one transaction, so one fsync serves
/// many, and what arrives meanwhile makes the next group.
#[derive(Clone)]
pub struct PaymentWriter {
    queue: mpsc::Sender<Job>,
}

struct Job {
    write: Arc<PaymentWrite>,
    reply: oneshot::Sender<Result<WriteOutcome, StoreError>>,
}

impl PaymentWriter {
    /// Starts the lanes on the current runtime. They end when the last writer handle is dropped.
    #[must_use]
    pub fn start(store: &Store) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE_SIZE_MAX);
        let jobs = Arc::new(Mutex::new(jobs));
        for _ in 0..store.write_lanes() {
            let (store, jobs) = (store.clone(), Arc::clone(&jobs));
            keep_running("payment writer", move || run_lane(store.clone(), Arc::clone(&jobs)));
        }
        Self { queue }
    }

    /// Returns once the payment is durable, or is known not to be the first of its key. [`StoreError::Busy`]: nothing
    /// was started. Every other error: the payment may be stored; a repeat finds out.
    pub async fn write(&self, write: PaymentWrite) -> Result<WriteOutcome, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.queue
            .try_send(Job {
                write: Arc::new(write),
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
}

async fn run_lane(store: Store, jobs: Arc<Mutex<mpsc::Receiver<Job>>>) {
    let mut group = Vec::with_capacity(GROUP_SIZE_MAX);
    while jobs.lock().await.recv_many(&mut group, GROUP_SIZE_MAX).await > 0 {
        // Who has stopped waiting was told "try later"; then it is kinder not to credit behind its back.
        group.retain(|job| !job.reply.is_closed());
        if group.is_empty() {
            continue;
        }
        let writes: Vec<_> = group.iter().map(|job| Arc::clone(&job.write)).collect();
        let outcomes = write_group(&store, &writes).await;
        for (job, outcome) in group.drain(..).zip(outcomes) {
            let _ = job.reply.send(outcome);
        }
    }
}

/// One outcome for each write, in order.
async fn write_group(store: &Store, writes: &[Arc<PaymentWrite>]) -> Vec<Result<WriteOutcome, StoreError>> {
    match commit(store, writes).await {
        Ok(outcomes) => outcomes,
        // One row that the database refuses must not take its neighbours down.
        Err(error) if writes.len() > 1 && error.is_about_the_rows() => {
            tracing::warn!(%error, payments = writes.len(), "a group of payments was refused; writing them one by one");
            let mut outcomes = Vec::with_capacity(writes.len());
            for write in writes {
                let alone = commit(store, std::slice::from_ref(write)).await;
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

async fn commit(store: &Store, writes: &[Arc<PaymentWrite>]) -> Outcomes {
    match tokio::time::timeout(GROUP_TIMEOUT, commit_in_order(store, writes)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(StoreError::TimedOut),
    }
}

async fn commit_in_order(store: &Store, writes: &[Arc<PaymentWrite>]) -> Outcomes {
    // Two lanes or nodes that insert the same keys must take them in one order, or they would wait for each other.
    let mut ordered: Vec<&PaymentWrite> = writes.iter().map(Arc::as_ref).collect();
    ordered.sort_by(|a, b| (a.payment.connection_id, &a.payment.key).cmp(&(b.payment.connection_id, &b.payment.key)));
    let rows = Rows::of(&ordered);
    let stored = match store.backend() {
        DatabaseBackend::Postgres => insert_at_once(&store.writes, &rows).await?,
        _ => insert_in_turn(&store.writes, rows).await?,
    };
    let existing = read_existing(&store.writes, &ordered, &stored).await?;
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
        self.decisions.retain(|row| belongs(&row.payment_id));
    }
}

/// PostgreSQL: one statement, which is its own transaction, so a group costs one round trip. What follows from a payment
/// is inserted only if the payment was.
async fn insert_at_once(connection: &DatabaseConnection, rows: &Rows) -> Result<HashSet<String>, StoreError> {
    let with_payment = "WHERE new.payment_id IN (SELECT id FROM stored)";
    let sql = format!(
        "WITH stored AS ({}), o AS ({}), e AS ({}), d AS ({}), x AS ({}), r AS ({}) SELECT id FROM stored",
        bulk::insert_part::<payments::Entity>(1, "ON CONFLICT DO NOTHING RETURNING id"),
        bulk::insert_part::<operations::Entity>(2, with_payment),
        bulk::insert_part::<events::Entity>(3, with_payment),
        bulk::insert_part::<deliveries::Entity>(4, with_payment),
        bulk::insert_part::<exchanges::Entity>(5, with_payment),
        bulk::insert_part::<decisions::Entity>(6, with_payment),
    );
    let values = [
        bulk::json_parameter(&rows.payments)?,
        bulk::json_parameter(&rows.operations)?,
        bulk::json_parameter(&rows.events)?,
        bulk::json_parameter(&rows.deliveries)?,
        bulk::json_parameter(&rows.exchanges)?,
        bulk::json_parameter(&rows.decisions)?,
    ];
    let statement = Statement::from_sql_and_values(connection.get_database_backend(), sql, values);
    let stored = connection.query_all_raw(statement).await?;
    stored
        .iter()
        .map(|row| row.try_get_by_index(0).map_err(StoreError::from))
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
    bulk::insert::<decisions::Entity, _>(&transaction, &rows.decisions, fail, None).await?;
    transaction.commit().await?;
    Ok(stored)
}

async fn read_existing(
    connection: &DatabaseConnection,
    writes: &[&PaymentWrite],
    stored: &HashSet<String>,
) -> Result<HashMap<(ConnectionId, PaymentKey), Payment>, StoreError> {
    let keys: Vec<_> = writes
        .iter()
        .filter(|write| !stored.contains(&write.payment.id.to_string()))
        .map(|write| key_of(write))
        .collect();
    let payments = payments_by_keys(connection, &keys).await?;
    Ok(payments
        .into_iter()
        .map(|payment| ((payment.connection_id, payment.key.clone()), payment))
        .collect())
}
