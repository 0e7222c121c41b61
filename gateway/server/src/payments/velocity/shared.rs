//! Velocities that all nodes read from Redis. The database stays the truth; Redis holds a copy of what it knows of the
//! keys that somebody asked for lately.
//!
//! A key is one sorted set: spans by their end, and one member that tells how the set is. `#loading`: the one who asked
//! first is reading the database; pays are added meanwhile, so none falls between that reading and its result.
//! `#loaded`: whole. `#closed`: not to be used for a while. All of it is in one key, so it cannot be lost in parts. A set
//! lives for a limited time from its loading, whatever is added: what went wrong unnoticed heals by then.
//!
//! What may go wrong, and what is done about it:
//! * A pay that may or may not have been stored closes its keys for as long as it may still appear.
//! * A node that could not tell of a pay closes its keys as soon as it reaches Redis again ([`Owed`]).
//! * Redis comes back, restarted, restored or from behind a pause: nobody believes what was loaded before, or in the
//!   moments in which other nodes may not have noticed yet.
//! * A node that dies between storing a pay and telling of it: the set's limited time.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use plugin_sdk::{Currency, MerchantId, Money};
use store::{Store, StoreError, VelocityKey, VelocitySpan};
use tokio::sync::Notify;

use crate::neighbours::{Redis, RedisError, Script, Session};

/// More spans than this are summed up more cheaply where they are: in the database.
const SPANS_MAX: usize = 512;
/// A load that takes longer than this counts for nothing.
const LOAD_TIME: Duration = Duration::from_secs(5);
/// Within this after Redis is back every node has noticed.
const NOTICED_WITHIN: Duration = Duration::from_secs(2);
/// A pay that was given up may still be stored for this long: longer than any group and its statement take.
const UNCERTAIN_TIME: Duration = Duration::from_secs(10);
/// Keys that a node remembers to close. Beyond it, what is forgotten heals with its set.
const OWED_MAX: usize = 100_000;
/// Keys that are closed in one call.
const CLOSED_AT_ONCE: usize = 500;
/// After a failure to close keys.
const AGAIN_PAUSE: Duration = Duration::from_millis(200);

static READ: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("read.lua")));
static LOAD: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("load.lua")));
static ADD: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("add.lua")));
static CLOSE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("close.lua")));

#[derive(Clone)]
pub struct SharedVelocities {
    redis: Redis,
    lifetime: Duration,
    owed: Arc<Owed>,
}

/// Keys whose sets in Redis may lack a pay of this node.
#[derive(Default)]
struct Owed {
    keys: Mutex<HashSet<String>>,
    more: Notify,
}

enum Known {
    Spans(Vec<VelocitySpan>),
    /// To be loaded by who asked, under this token.
    Load(String),
    /// Nothing that can be used; somebody else loads it, or nobody should.
    Nothing,
}

impl SharedVelocities {
    /// Sets live for `lifetime` from their loading.
    #[must_use]
    pub fn new(redis: Redis, lifetime: Duration) -> Self {
        Self {
            redis,
            lifetime,
            owed: Arc::default(),
        }
    }

    pub(super) fn keys<'a>(
        &self,
        merchant: MerchantId,
        keys: impl IntoIterator<Item = &'a VelocityKey>,
    ) -> Vec<String> {
        let owner = merchant.to_string();
        let key = |key: &VelocityKey| self.redis.key(&owner, &format!("velocity:{}", key.as_str()));
        keys.into_iter().map(key).collect()
    }

    /// Spans of the key that end after `edge`, and perhaps older ones. `None`: the database has to be asked for totals.
    pub(super) async fn spans(
        &self,
        store: &Store,
        merchant: MerchantId,
        key: &VelocityKey,
        edge: i64,
        now: DateTime<Utc>,
    ) -> Result<Option<Vec<VelocitySpan>>, StoreError> {
        let Some(session) = self.redis.session().filter(|session| session.age() >= NOTICED_WITHIN) else {
            return Ok(None);
        };
        let keys = self.keys(merchant, [key]);
        let token = match self.read(&session, &keys, edge).await {
            Ok(Known::Spans(spans)) => return Ok(Some(spans)),
            Ok(Known::Load(token)) => token,
            Ok(Known::Nothing) | Err(_) => return Ok(None),
        };
        let spans = store.velocity_spans(merchant, key, now, SPANS_MAX).await?;
        // The answer is known, whatever becomes of the copy.
        let _: Result<i64, RedisError> = match &spans {
            Some(spans) => session.call(&LOAD, &keys, &self.load(token, spans)).await,
            None => session.call(&CLOSE, &keys, &[millis(self.lifetime)]).await,
        };
        Ok(spans)
    }

    async fn read(&self, session: &Session, keys: &[String], edge: i64) -> Result<Known, RedisError> {
        let noticed = i64::try_from(NOTICED_WITHIN.as_micros()).unwrap_or(i64::MAX);
        let arguments = [
            session.since_us().saturating_add(noticed).to_string(),
            edge.to_string(),
            SPANS_MAX.to_string(),
            millis(LOAD_TIME),
        ];
        let answer: Vec<String> = session.call(&READ, keys, &arguments).await?;
        let known = match answer.split_first() {
            Some((state, members)) if state == "known" => spans_of(members).map(Known::Spans),
            Some((state, [token])) if state == "load" => Some(Known::Load(token.clone())),
            _ => None,
        };
        Ok(known.unwrap_or(Known::Nothing))
    }

    fn load(&self, token: String, spans: &[VelocitySpan]) -> Vec<String> {
        let members = spans.iter().flat_map(|span| [span.ends_us().to_string(), text(span)]);
        [token, millis(self.lifetime)].into_iter().chain(members).collect()
    }

    /// Tells all nodes of a stored pay.
    pub(super) async fn add(&self, keys: Vec<String>, pay: &VelocitySpan) {
        let arguments = [pay.ends_us().to_string(), text(pay)];
        let added: Result<i64, _> = self.redis.call(&ADD, &keys, &arguments).await;
        if added.is_err() {
            self.close_soon(keys);
        }
    }

    /// Takes the keys out of use, at once if Redis answers, else as soon as it does.
    pub(super) fn close_soon(&self, keys: Vec<String>) {
        let mut owed = self.owed.keys();
        let room = OWED_MAX.saturating_sub(owed.len());
        owed.extend(keys.into_iter().take(room));
        self.owed.more.notify_one();
    }

    /// Closes what is to be closed, for as long as the node runs.
    pub async fn keep(self) {
        loop {
            self.owed.more.notified().await;
            loop {
                let keys = self.owed.some();
                if keys.is_empty() {
                    break;
                }
                let session = self.redis.answering().await;
                let closed: Result<i64, _> = session.call(&CLOSE, &keys, &[millis(UNCERTAIN_TIME)]).await;
                if closed.is_ok() {
                    self.owed.paid(&keys);
                } else {
                    tokio::time::sleep(AGAIN_PAUSE).await;
                }
            }
        }
    }
}

impl Owed {
    fn some(&self) -> Vec<String> {
        self.keys().iter().take(CLOSED_AT_ONCE).cloned().collect()
    }

    fn paid(&self, keys: &[String]) {
        let mut owed = self.keys();
        for key in keys {
            owed.remove(key);
        }
    }

    fn keys(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        // A set of texts is whole, whoever panicked beside it.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(time: Duration) -> String {
    time.as_millis().to_string()
}

/// A span as a member of a set: equal spans, wherever they come from, are one member.
fn text(span: &VelocitySpan) -> String {
    let VelocitySpan {
        starts_us,
        seconds,
        count,
        sum,
        payment,
    } = span;
    let (currency, minor) = (sum.currency().code(), sum.minor());
    format!("{starts_us} {seconds} {count} {minor} {currency} {payment}")
}

/// `None` when something else is among them than we write.
fn spans_of(members: &[String]) -> Option<Vec<VelocitySpan>> {
    let spans = members.iter().filter(|member| !member.starts_with('#'));
    spans.map(|member| span_of(member)).collect()
}

fn span_of(text: &str) -> Option<VelocitySpan> {
    let parts: Vec<_> = text.split(' ').collect();
    let [starts_us, seconds, count, minor, currency, payment] = parts.as_slice() else {
        return None;
    };
    Some(VelocitySpan {
        starts_us: starts_us.parse().ok()?,
        seconds: seconds.parse().ok()?,
        count: count.parse().ok()?,
        sum: Money::from_minor(minor.parse().ok()?, currency.parse::<Currency>().ok()?),
        payment: (*payment).to_owned(),
    })
}
