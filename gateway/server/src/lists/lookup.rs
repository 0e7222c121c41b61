//! Rules ask lists here: from memory in less than a microsecond, and never older than [`FRESH_FOR`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use moka::sync::Cache;
use plugin_sdk::MerchantId;
use serde_json::Value;
use store::{ListAnswer, Store, StoreError};
use tokio::sync::Semaphore;

use super::check_key;
use crate::tenancy::is_slug;

/// How often a node asks what changed.
const WATCH_INTERVAL: Duration = Duration::from_millis(250);
/// A node that has not heard for longer what changed asks the database itself for each key: so an added or removed key
/// is seen everywhere within this time, whatever becomes of the watch.
const FRESH_FOR: Duration = Duration::from_millis(900);
/// Changes that one question brings.
const CHANGES_PER_QUESTION: u64 = 1_000;
/// Changes are kept for an hour. Who has heard nothing for half of it forgets everything.
const DEAF_FOR: Duration = Duration::from_mins(30);
/// An answer comes within this, or there is none.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(1);
/// Questions to the database at once: what rules ask must not take the connections of those who pay.
const LOOKUPS_AT_ONCE: usize = 4;
/// What one remembered answer takes beside its texts, in bytes; about.
const ENTRY_OVERHEAD: usize = 200;
/// A parsed value takes about this many times the bytes of its text.
const PARSED_FACTOR: usize = 4;

/// What a list says of a key that is in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub value: Option<Value>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    #[error("there is no list '{name}'; the merchant's lists are: {}", .known.join(", "))]
    UnknownList { name: String, known: Arc<[String]> },
    /// Not an answer: whether the key is in the list is not known.
    #[error("the list could not be asked: {0}")]
    Unavailable(String),
}

/// All merchants' lists as rules ask them. Cheap to clone.
#[derive(Clone)]
pub struct Lists {
    store: Store,
    memory: Arc<Memory>,
    turns: Arc<Semaphore>,
}

struct Memory {
    /// Which content of a list serves.
    heads: Cache<(MerchantId, String), Head>,
    /// What was answered for a key, by merchant, list and key.
    answers: Cache<(MerchantId, String), Remembered>,
    /// Counts changes heard of, so that an answer that raced with one is not remembered. Held while something is
    /// remembered or forgotten.
    changes: Mutex<u64>,
    /// When the watch last heard of everything, in milliseconds since `started`, plus one; 0 while it never did.
    heard_ms: AtomicU64,
    started: Instant,
}

#[derive(Clone)]
enum Head {
    Generation(i64),
    Missing(Arc<[String]>),
}

#[derive(Clone)]
struct Remembered {
    generation: i64,
    entry: Option<Arc<Entry>>,
    bytes: u32,
}

impl Lists {
    /// `memory_bytes`: what remembered answers may take, about.
    #[must_use]
    pub fn new(store: Store, memory_bytes: u64) -> Self {
        let answers = Cache::builder()
            .weigher(|_, remembered: &Remembered| remembered.bytes)
            .max_capacity(memory_bytes);
        let heads = Cache::builder()
            .weigher(|_, head: &Head| match head {
                Head::Generation(_) => 1,
                Head::Missing(known) => u32::try_from(1 + known.len()).unwrap_or(u32::MAX),
            })
            .max_capacity(100_000);
        let memory = Memory {
            heads: heads.build(),
            answers: answers.build(),
            changes: Mutex::new(0),
            heard_ms: AtomicU64::new(0),
            started: Instant::now(),
        };
        Self {
            store,
            memory: Arc::new(memory),
            turns: Arc::new(Semaphore::new(LOOKUPS_AT_ONCE)),
        }
    }

    /// What the merchant's list says of the key; `Ok(None)` only when the list is there and the key is not in it.
    pub async fn get(&self, merchant: MerchantId, list: &str, key: &str) -> Result<Option<Arc<Entry>>, LookupError> {
        if self.memory.is_fresh()
            && let Some(answer) = self.memory.recall(merchant, list, key)
        {
            return answer;
        }
        let asked = tokio::time::timeout(LOOKUP_TIMEOUT, self.ask(merchant, list, key)).await;
        let answer = asked.unwrap_or_else(|_| {
            let message = format!("no answer within {LOOKUP_TIMEOUT:?}");
            Err(LookupError::Unavailable(message))
        });
        if let Err(LookupError::Unavailable(error)) = &answer {
            metrics::counter!("tollgate_list_lookup_failures_total").increment(1);
            tracing::warn!(%merchant, list, error, "a list could not be asked");
        }
        answer
    }

    async fn ask(&self, merchant: MerchantId, list: &str, key: &str) -> Result<Option<Arc<Entry>>, LookupError> {
        let unavailable = |error: StoreError| LookupError::Unavailable(error.to_string());
        let turn = self.turns.acquire().await;
        let _turn = turn.map_err(|error| LookupError::Unavailable(error.to_string()))?;
        let seen = self.memory.changes();
        // What cannot be a list's name or key is in no list, but which lists there are is for the database to say.
        let answer = if is_slug(list) {
            let key = if check_key(key).is_ok() { key } else { "" };
            self.store.list_entry(merchant, list, key).await.map_err(unavailable)?
        } else {
            ListAnswer::NoList
        };
        let (generation, entry) = match answer {
            ListAnswer::NoList => {
                let known = self.store.lists(merchant).await.map_err(unavailable)?;
                let known: Arc<[String]> = known.into_iter().map(|list| list.name).collect();
                self.memory
                    .remember_head(seen, merchant, list, Head::Missing(Arc::clone(&known)));
                return Err(unknown(list, known));
            }
            ListAnswer::Absent { generation } => (generation, None),
            ListAnswer::Present { generation, value } => (generation, Some(value)),
        };
        let bytes = ENTRY_OVERHEAD + list.len() + key.len();
        let value_bytes = entry.iter().flatten().map(String::len).sum::<usize>() * PARSED_FACTOR;
        let entry = entry
            .map(|value| {
                let value = value.as_deref().map(serde_json::from_str).transpose();
                let value =
                    value.map_err(|error| LookupError::Unavailable(format!("its value cannot be read: {error}")));
                value.map(|value| Arc::new(Entry { value }))
            })
            .transpose()?;
        let remembered = Remembered {
            generation,
            entry: entry.clone(),
            bytes: u32::try_from(bytes + value_bytes).unwrap_or(u32::MAX),
        };
        self.memory.remember(seen, merchant, list, key, remembered);
        Ok(entry)
    }

    /// Forgets what changed in the database, for as long as the node runs.
    pub async fn watch(self) {
        let mut ticks = tokio::time::interval(WATCH_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut version = None;
        loop {
            ticks.tick().await;
            let heard = tokio::time::timeout(LOOKUP_TIMEOUT, self.hear(&mut version)).await;
            if let Err(error) = heard.unwrap_or(Err(StoreError::TimedOut)) {
                tracing::warn!(%error, "changes of lists cannot be read; asking the database for each key");
            }
        }
    }

    async fn hear(&self, version: &mut Option<i64>) -> Result<(), StoreError> {
        loop {
            let asked = Instant::now();
            let seen = match *version {
                Some(seen) if !self.memory.is_deaf() => seen,
                // At the start, and after a silence in which changes may have been deleted.
                _ => {
                    let newest = self.store.list_version().await?;
                    self.memory.forget_all();
                    newest
                }
            };
            let changes = self.store.list_changes_since(seen, CHANGES_PER_QUESTION).await?;
            let more = changes.len() as u64 == CHANGES_PER_QUESTION;
            *version = Some(changes.last().map_or(seen, |change| change.version));
            if !changes.is_empty() {
                self.memory.forget(changes);
            }
            if !more {
                self.memory.heard(asked);
                return Ok(());
            }
        }
    }
}

fn unknown(list: &str, known: Arc<[String]>) -> LookupError {
    LookupError::UnknownList {
        name: list.to_owned(),
        known,
    }
}

/// A list's name holds no NUL, so two lists' keys never meet.
fn place(list: &str, key: &str) -> String {
    let mut place = String::with_capacity(list.len() + 1 + key.len());
    place.push_str(list);
    place.push('\0');
    place.push_str(key);
    place
}

impl Memory {
    /// `None`: the database must be asked.
    fn recall(&self, merchant: MerchantId, list: &str, key: &str) -> Option<Result<Option<Arc<Entry>>, LookupError>> {
        match self.heads.get(&(merchant, list.to_owned()))? {
            Head::Missing(known) => Some(Err(unknown(list, known))),
            Head::Generation(serving) => {
                let remembered = self.answers.get(&(merchant, place(list, key)))?;
                (remembered.generation == serving).then_some(Ok(remembered.entry))
            }
        }
    }

    fn changes(&self) -> u64 {
        *self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, seen: u64, merchant: MerchantId, list: &str, key: &str, answer: Remembered) {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        if *changes == seen {
            self.heads
                .insert((merchant, list.to_owned()), Head::Generation(answer.generation));
            self.answers.insert((merchant, place(list, key)), answer);
        }
    }

    fn remember_head(&self, seen: u64, merchant: MerchantId, list: &str, head: Head) {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        // A script may make names up; only what could be one is worth remembering.
        if *changes == seen && is_slug(list) {
            self.heads.insert((merchant, list.to_owned()), head);
        }
    }

    fn forget(&self, changed: Vec<store::ListChange>) {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        *changes += 1;
        for change in changed {
            match change.key {
                Some(key) => self
                    .answers
                    .invalidate(&(change.merchant_id, place(&change.list, &key))),
                None => self.heads.invalidate(&(change.merchant_id, change.list)),
            }
        }
    }

    fn forget_all(&self) {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        *changes += 1;
        self.heads.invalidate_all();
        self.answers.invalidate_all();
    }

    /// Everything that was committed before `asked` has been heard of.
    fn heard(&self, asked: Instant) {
        let at = asked.saturating_duration_since(self.started).as_millis();
        self.heard_ms.store(
            u64::try_from(at).unwrap_or(u64::MAX).saturating_add(1),
            Ordering::SeqCst,
        );
    }

    fn heard_within(&self, time: Duration) -> bool {
        let heard = self
            .heard_ms
            .load(Ordering::SeqCst)
            .checked_sub(1)
            .map(Duration::from_millis);
        heard.is_some_and(|heard| self.started.elapsed().saturating_sub(heard) <= time)
    }

    fn is_fresh(&self) -> bool {
        self.heard_within(FRESH_FOR)
    }

    fn is_deaf(&self) -> bool {
        !self.heard_within(DEAF_FOR)
    }
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use store::{DatabaseOptions, ListEntry, ListQuota, NewMerchant};
    use tempfile::TempDir;

    use super::*;

    const QUOTA: ListQuota = ListQuota {
        entries_max: 10,
        bytes_max: 1_000,
    };

    struct World {
        store: Store,
        merchant: MerchantId,
        lists: Lists,
        _folder: TempDir,
    }

    /// A list `keys` with the key `a`, and nobody who watches.
    async fn world() -> World {
        let folder = tempfile::tempdir().unwrap();
        let options = DatabaseOptions {
            url: format!("sqlite://{}", folder.path().join("lists.db").display()),
            schema: None,
            connections_max: 2,
            acquire_timeout: Duration::from_secs(1),
            statement_timeout: Duration::from_secs(1),
        };
        let store = Store::connect(&options).await.unwrap();
        store.migrate().await.unwrap();
        let new = NewMerchant {
            slug: "acme".to_owned(),
            name: "Acme".to_owned(),
        };
        let merchant = store.create_merchant(new, Utc::now()).await.unwrap().id;
        store.create_list(merchant, "keys", 10, Utc::now()).await.unwrap();
        let lists = Lists::new(store.clone(), 1 << 20);
        let world = World {
            store,
            merchant,
            lists,
            _folder: folder,
        };
        world.put("a").await;
        world
    }

    impl World {
        async fn put(&self, key: &str) {
            let entry = ListEntry {
                key: key.to_owned(),
                value: None,
            };
            let put = self
                .store
                .put_list_entry(self.merchant, "keys", &entry, QUOTA, Utc::now());
            assert!(put.await.unwrap());
        }

        async fn has(&self, key: &str) -> Result<bool, LookupError> {
            let answer = self.lists.get(self.merchant, "keys", key).await;
            answer.map(|entry| entry.is_some())
        }

        async fn hear(&self, version: &mut Option<i64>) {
            self.lists.hear(version).await.unwrap();
        }
    }

    #[tokio::test]
    async fn what_was_heard_of_is_remembered_and_forgotten_by_key() {
        let world = world().await;
        let mut version = None;
        world.hear(&mut version).await;
        assert_eq!((world.has("a").await, world.has("b").await), (Ok(true), Ok(false)));
        world.put("b").await;
        // From memory: nobody has heard of it yet.
        assert_eq!(world.has("b").await, Ok(false));
        world.hear(&mut version).await;
        assert_eq!((world.has("a").await, world.has("b").await), (Ok(true), Ok(true)));
    }

    #[tokio::test]
    async fn a_node_that_does_not_hear_asks_each_time() {
        let world = world().await;
        assert_eq!(world.has("b").await, Ok(false));
        world.put("b").await;
        assert_eq!(world.has("b").await, Ok(true));
    }

    #[tokio::test]
    async fn an_answer_that_raced_with_a_change_is_not_remembered() {
        let world = world().await;
        let memory = &world.lists.memory;
        let seen = memory.changes();
        memory.forget(Vec::new());
        let stale = Remembered {
            generation: 1,
            entry: None,
            bytes: 1,
        };
        memory.remember(seen, world.merchant, "keys", "a", stale);
        assert!(memory.recall(world.merchant, "keys", "a").is_none());
    }

    #[tokio::test]
    async fn a_list_that_is_missing_is_not_a_key_that_is_absent() {
        let world = world().await;
        let mut version = None;
        world.hear(&mut version).await;
        for name in ["kyes", "Keys", ""] {
            // Twice: from the database and from memory.
            for _ in 0..2 {
                let answer = world.lists.get(world.merchant, name, "a").await;
                let known: Arc<[String]> = Arc::from(["keys".to_owned()]);
                assert_eq!(answer, Err(unknown(name, known)));
            }
        }
        let long = "k".repeat(10_000);
        assert_eq!((world.has(&long).await, world.has("").await), (Ok(false), Ok(false)));
    }

    #[tokio::test]
    async fn without_the_database_nothing_is_said_to_be_absent() {
        let world = world().await;
        assert_eq!(world.has("a").await, Ok(true));
        world.store.clone().close().await.unwrap();
        for key in ["a", "b"] {
            let answer = world.has(key).await;
            assert!(matches!(answer, Err(LookupError::Unavailable(_))), "{answer:?}");
        }
    }

    #[tokio::test]
    async fn a_database_that_does_not_answer_is_not_waited_for() {
        let world = world().await;
        let _all = world.lists.turns.acquire_many(LOOKUPS_AT_ONCE as u32).await.unwrap();
        let answer = world.has("a").await;
        assert!(matches!(answer, Err(LookupError::Unavailable(_))), "{answer:?}");
    }
}
