use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use plugin_sdk::{ConnectionId, PaymentKey};
use sea_orm::sqlx::postgres::PgArguments;
use sea_orm::{
    ConnectionTrait, DatabaseBackend, DatabaseConnection, EntityTrait, FromQueryResult, Iden, Iterable, QueryResult,
    Statement,
};
use thread_local::ThreadLocal;
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::arrays;
use crate::bulk::json_parameter;
use crate::entities::{payments, registrations};
use crate::link::{Lane, Link};
use crate::merchants::read_id;
use crate::supervise::keep_running;
use crate::{Payment, Registration, Store, StoreError};

/// Keys that one query asks for at most.
const GROUP_SIZE_MAX: usize = 256;
/// Questions of one thread that may wait; beyond it the network is asked to come again.
const QUEUE_SIZE_MAX: usize = 8_192;
const QUERY_TIMEOUT: Duration = Duration::from_secs(2);

/// What is known of a network's key.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KnownPayment {
    pub payment: Option<Payment>,
    pub registration: Option<Registration>,
}

/// How much the caller wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Payment,
    PaymentAndRegistration,
}

/// Answers "was this key seen before?" for many requests with one query: what arrives while a query runs makes the
/// next one.
///
/// Each thread that asks has a queue, a task and a connection of its own, on its own runtime. So whoever serves
/// requests wakes nobody else, and everything that one look at its sockets brought becomes one query.
#[derive(Clone)]
pub struct PaymentLookup {
    store: Store,
    queues: Arc<ThreadLocal<RefCell<Option<mpsc::Sender<Question>>>>>,
}

struct Question {
    connection: ConnectionId,
    key: PaymentKey,
    wanted: Wanted,
    reply: oneshot::Sender<Result<KnownPayment, StoreError>>,
}

impl PaymentLookup {
    #[must_use]
    pub fn new(store: &Store) -> Self {
        Self {
            store: store.clone(),
            queues: Arc::new(ThreadLocal::new()),
        }
    }

    pub async fn find(
        &self,
        connection: ConnectionId,
        key: PaymentKey,
        wanted: Wanted,
    ) -> Result<KnownPayment, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.queue()
            .try_send(Question {
                connection,
                key,
                wanted,
                reply,
            })
            .map_err(|_| StoreError::Busy)?;
        answer.await.map_err(|_| StoreError::TimedOut)?
    }

    /// This thread's queue. Its task runs until the last handle is dropped, or its runtime ends.
    fn queue(&self) -> mpsc::Sender<Question> {
        let mut kept = self.queues.get_or_default().borrow_mut();
        match kept.as_ref().filter(|queue| !queue.is_closed()) {
            Some(queue) => queue.clone(),
            None => kept.insert(self.start()).clone(),
        }
    }

    fn start(&self) -> mpsc::Sender<Question> {
        let (queue, questions) = mpsc::channel(QUEUE_SIZE_MAX);
        let (store, questions) = (self.store.clone(), Arc::new(Mutex::new(questions)));
        keep_running("payment lookup", move || run(store.clone(), Arc::clone(&questions)));
        queue
    }
}

async fn run(store: Store, questions: Arc<Mutex<mpsc::Receiver<Question>>>) {
    let mut link = store.looking_link();
    let mut group = Vec::with_capacity(GROUP_SIZE_MAX);
    while questions.lock().await.recv_many(&mut group, GROUP_SIZE_MAX).await > 0 {
        group.retain(|question| !question.reply.is_closed());
        if group.is_empty() {
            continue;
        }
        let mut answers = ask_in_time(&mut link, &group).await;
        if let Err(StoreError::Unavailable(_)) = answers {
            // A connection that broke while nobody used it says nothing of the database: it may be back long since.
            answers = ask_in_time(&mut link, &group).await;
        }
        match answers {
            Ok(known) => {
                for question in group.drain(..) {
                    let found = known
                        .get(&(question.connection, question.key))
                        .cloned()
                        .unwrap_or_default();
                    let _ = question.reply.send(Ok(found));
                }
            }
            Err(error) => {
                tracing::warn!(%error, questions = group.len(), "payments could not be looked up");
                let text = error.to_string();
                for question in group.drain(..) {
                    let _ = question.reply.send(Err(StoreError::Unavailable(text.clone())));
                }
            }
        }
    }
}

async fn ask_in_time(link: &mut Link, group: &[Question]) -> Result<Known, StoreError> {
    match tokio::time::timeout(QUERY_TIMEOUT, ask(link, group)).await {
        Ok(answers) => answers,
        Err(_) => Err(StoreError::TimedOut),
    }
}

type Known = HashMap<(ConnectionId, PaymentKey), KnownPayment>;

async fn ask(link: &mut Link, group: &[Question]) -> Result<Known, StoreError> {
    let keys: Vec<_> = group
        .iter()
        .map(|question| (question.connection, question.key.clone()))
        .collect();
    let mut known = Known::new();
    for payment in payments_by_keys(link, &keys).await? {
        let key = (payment.connection_id, payment.key.clone());
        known.entry(key).or_default().payment = Some(payment);
    }
    let keys: Vec<_> = group
        .iter()
        .filter(|question| question.wanted == Wanted::PaymentAndRegistration)
        .map(|question| (question.connection, question.key.clone()))
        .collect();
    for registration in registrations_by_keys(link, &keys).await? {
        let key = (registration.connection_id, registration.key.clone());
        known.entry(key).or_default().registration = Some(registration);
    }
    Ok(known)
}

pub(crate) async fn payments_by_keys(
    link: &mut Link,
    keys: &[(ConnectionId, PaymentKey)],
) -> Result<Vec<Payment>, StoreError> {
    rows_by_keys::<payments::Entity>(link, keys)
        .await?
        .into_iter()
        .map(Payment::read)
        .collect()
}

async fn registrations_by_keys(
    link: &mut Link,
    keys: &[(ConnectionId, PaymentKey)],
) -> Result<Vec<Registration>, StoreError> {
    let rows = rows_by_keys::<registrations::Entity>(link, keys).await?;
    rows.into_iter()
        .map(|row| {
            Ok(Registration {
                connection_id: read_id(&row.connection_id)?,
                merchant_id: read_id(&row.merchant_id)?,
                key: PaymentKey {
                    key1: row.key1,
                    key2: row.key2,
                },
                account: row.account,
                currency: row.currency,
                created_at: row.created_at,
            })
        })
        .collect()
}

/// Rows of a table that is keyed by connection and network key.
async fn rows_by_keys<E: EntityTrait>(
    link: &mut Link,
    keys: &[(ConnectionId, PaymentKey)],
) -> Result<Vec<E::Model>, StoreError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut wanted: Vec<_> = keys
        .iter()
        .map(|(connection, key)| WantedKey {
            connection: connection.to_string(),
            key1: &key.key1,
            key2: &key.key2,
        })
        .collect();
    wanted.sort();
    wanted.dedup();
    let rows = match link {
        Link::Postgres(lane) => from_postgres::<E>(lane, &wanted).await?,
        Link::Sqlite(connection) => from_sqlite::<E>(connection, &wanted).await?,
    };
    rows.iter()
        .map(|row| E::Model::from_query_result(row, "").map_err(StoreError::from))
        .collect()
}

async fn from_postgres<E: EntityTrait>(
    lane: &mut Lane,
    wanted: &[WantedKey<'_>],
) -> Result<Vec<QueryResult>, StoreError> {
    // One probe of the unique index for each key, however small the planner believes the table to be.
    let sql = format!(
        "SELECT {} FROM unnest(CAST($1 AS text[]), CAST($2 AS text[]), CAST($3 AS text[])) AS wanted(connection, key1, key2)
         CROSS JOIN LATERAL (
             SELECT * FROM {} t
             WHERE t.connection_id = wanted.connection AND t.key1 = wanted.key1 AND t.key2 = wanted.key2
             LIMIT 1
         ) AS found",
        columns_of_found::<E>(),
        E::default().table_name(),
    );
    let mut arguments = PgArguments::default();
    let connections = wanted.iter().map(|wanted| wanted.connection.clone());
    let first = wanted.iter().map(|wanted| arrays::storable(wanted.key1.to_owned()));
    let second = wanted.iter().map(|wanted| arrays::storable(wanted.key2.to_owned()));
    arrays::add(&mut arguments, connections.collect::<Vec<_>>())?;
    arrays::add(&mut arguments, first.collect::<Vec<_>>())?;
    arrays::add(&mut arguments, second.collect::<Vec<_>>())?;
    let rows = lane.fetch(sql, arguments).await?;
    Ok(rows.into_iter().map(QueryResult::from).collect())
}

async fn from_sqlite<E: EntityTrait>(
    connection: &DatabaseConnection,
    wanted: &[WantedKey<'_>],
) -> Result<Vec<QueryResult>, StoreError> {
    let sql = format!(
        "SELECT {} FROM json_each($1) AS wanted CROSS JOIN {} AS found
         WHERE found.connection_id = json_extract(wanted.value, '$.connection')
           AND found.key1 = json_extract(wanted.value, '$.key1')
           AND found.key2 = json_extract(wanted.value, '$.key2')",
        columns_of_found::<E>(),
        E::default().table_name(),
    );
    let statement = Statement::from_sql_and_values(DatabaseBackend::Sqlite, sql, [json_parameter(wanted)?]);
    Ok(connection.query_all_raw(statement).await?)
}

/// Named, so that a prepared statement survives a column that a newer version adds.
fn columns_of_found<E: EntityTrait>() -> String {
    let columns: Vec<String> = E::Column::iter()
        .map(|column| format!("found.{}", column.to_string()))
        .collect();
    columns.join(", ")
}

#[derive(serde::Serialize, PartialEq, Eq, PartialOrd, Ord)]
struct WantedKey<'a> {
    connection: String,
    key1: &'a str,
    key2: &'a str,
}
