//! Keys of merchants' systems: `tg_`, the key's id, and 256 random bits. The id may be shown; of the rest only a hash is
//! kept, and it needs no slow one: nobody guesses 256 bits. Or a public key, whose private half signs tokens.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, Utc};
use moka::sync::Cache;
use plugin_sdk::{ApiKeyId, Clock, MerchantId};
use secrecy::{ExposeSecret, SecretString};
use store::{ApiKey, Store, StoreError};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::access::merchant_tokens;
use crate::access::sealing::{SealingError, hex};

/// Random bytes of a key.
const SECRET_BYTES: usize = 32;
const PREFIX: &str = "tg_";
/// A key is looked up again after this, so that a revocation acts within it.
const KNOWN_FOR: Duration = Duration::from_millis(500);
/// Keys that a node remembers.
const KNOWN_MAX: u64 = 100_000;
/// "Last used" is written down this often.
const USE_NOTED_EVERY: Duration = Duration::from_secs(60);
/// Longest name of a key, in characters.
const NAME_MAX: usize = 100;

/// What a key may be allowed: a resource and whether it is read or changed. `*` is all of it.
pub const SCOPES: [&str; 20] = [
    "*",
    "payments:read",
    "payments:write",
    "refunds:write",
    "payouts:read",
    "payouts:write",
    "tokens:read",
    "tokens:write",
    "accounts:read",
    "cards:read",
    "cards:write",
    "events:read",
    "webhooks:read",
    "webhooks:write",
    "connections:read",
    "rules:read",
    "rules:write",
    "decisions:read",
    "lists:read",
    "lists:write",
];

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("{field}: {message}")]
    Field { field: &'static str, message: String },
    #[error(transparent)]
    Sealing(#[from] SealingError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whoever showed a key that opens something.
#[derive(Debug, Clone)]
pub struct KeyHolder {
    pub id: ApiKeyId,
    pub merchant_slug: String,
    scopes: Arc<[String]>,
}

impl KeyHolder {
    #[must_use]
    pub fn may(&self, scope: &str) -> bool {
        self.scopes.iter().any(|given| given == "*" || given == scope)
    }
}

/// Makes keys and recognises them. One for each node; cheap to clone.
#[derive(Clone)]
pub struct ApiKeys {
    store: Store,
    clock: Arc<dyn Clock>,
    known: Cache<ApiKeyId, Option<Arc<(ApiKey, String)>>>,
    noted: Cache<ApiKeyId, ()>,
}

impl ApiKeys {
    #[must_use]
    pub fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            known: Cache::builder().max_capacity(KNOWN_MAX).time_to_live(KNOWN_FOR).build(),
            noted: Cache::builder()
                .max_capacity(KNOWN_MAX)
                .time_to_live(USE_NOTED_EVERY)
                .build(),
        }
    }

    /// A new key and its text, which is shown this once.
    pub async fn create(
        &self,
        merchant: MerchantId,
        name: String,
        scopes: Vec<String>,
        expires_at: Option<DateTime<Utc>>,
    ) -> Result<(ApiKey, SecretString), KeyError> {
        let mut key = self.fresh(merchant, name, scopes, expires_at, None)?;
        let mut secret = Zeroizing::new([0_u8; SECRET_BYTES]);
        aws_lc_rs::rand::fill(secret.as_mut_slice()).map_err(|_| SealingError::Cipher)?;
        let text = SecretString::from(format!("{}{}", shown_prefix(key.id), hex(secret.as_slice())));
        key.hash = hash(text.expose_secret());
        self.store.create_api_key(&key).await?;
        Ok((key, text))
    }

    fn fresh(
        &self,
        merchant: MerchantId,
        name: String,
        scopes: Vec<String>,
        expires_at: Option<DateTime<Utc>>,
        public_key: Option<String>,
    ) -> Result<ApiKey, KeyError> {
        check(&name, &scopes)?;
        let now = self.clock.now();
        if expires_at.is_some_and(|at| at <= now) {
            let message = "is in the past".to_owned();
            return Err(KeyError::Field {
                field: "expires_at",
                message,
            });
        }
        Ok(ApiKey {
            id: ApiKeyId::generate(),
            merchant_id: merchant,
            name,
            hash: String::new(),
            public_key,
            scopes,
            expires_at,
            revoked_at: None,
            used_at: None,
            created_at: now,
        })
    }

    /// Registers a public key: what its private half signs opens what the scopes say.
    pub async fn register(
        &self,
        merchant: MerchantId,
        name: String,
        scopes: Vec<String>,
        expires_at: Option<DateTime<Utc>>,
        public_key: String,
    ) -> Result<ApiKey, KeyError> {
        merchant_tokens::read_key(&public_key).map_err(|message| KeyError::Field {
            field: "public_key",
            message: message.to_owned(),
        })?;
        let key = self.fresh(merchant, name, scopes, expires_at, Some(public_key))?;
        self.store.create_api_key(&key).await?;
        Ok(key)
    }

    /// A successor with the same name, scopes and end; the key itself works on for `overlap`.
    pub async fn rotate(
        &self,
        merchant: MerchantId,
        id: ApiKeyId,
        overlap: chrono::Duration,
    ) -> Result<(ApiKey, SecretString), KeyError> {
        let known = self
            .store
            .api_keys(merchant)
            .await?
            .into_iter()
            .find(|key| key.id == id);
        let known = known.ok_or(StoreError::NotFound("this API key"))?;
        let now = self.clock.now();
        let over = known.revoked_at.or(known.expires_at).is_some_and(|at| at <= now);
        if over || known.public_key.is_some() {
            let message = if over {
                "is over; make a new one"
            } else {
                "is a public key; register the next one"
            };
            return Err(KeyError::Field {
                field: "key",
                message: message.to_owned(),
            });
        }
        let made = self
            .create(merchant, known.name, known.scopes, known.expires_at)
            .await?;
        self.store.revoke_api_key(merchant, id, now + overlap).await?;
        Ok(made)
    }

    /// Who shows this key, or a token that it signed; `None` for what opens nothing (any more).
    pub async fn recognise(&self, claimed: &str) -> Result<Option<KeyHolder>, StoreError> {
        let token = !claimed.starts_with(PREFIX) && merchant_tokens::looks_like_one(claimed);
        let id = if token {
            merchant_tokens::key_of(claimed)
        } else {
            id_of(claimed)
        };
        let Some(id) = id else { return Ok(None) };
        let known = match self.known.get(&id) {
            Some(known) => known,
            None => {
                let found = self.store.api_key(id).await?.map(Arc::new);
                self.known.insert(id, found.clone());
                found
            }
        };
        let Some(known) = known else { return Ok(None) };
        let (key, merchant_slug) = known.as_ref();
        let now = self.clock.now();
        let scopes = match (&key.public_key, token) {
            (Some(pem), true) => {
                merchant_tokens::verify(claimed, pem, now).map(|told| narrowed(&key.scopes, told.scopes))
            }
            (None, false) => {
                let right: bool = hash(claimed).as_bytes().ct_eq(key.hash.as_bytes()).into();
                right.then(|| key.scopes.clone())
            }
            _ => None,
        };
        let over = |moment: Option<DateTime<Utc>>| moment.is_some_and(|at| at <= now);
        let Some(scopes) = scopes.filter(|_| !over(key.expires_at) && !over(key.revoked_at)) else {
            return Ok(None);
        };
        self.note_use(id, now);
        Ok(Some(KeyHolder {
            id,
            merchant_slug: merchant_slug.clone(),
            scopes: scopes.into(),
        }))
    }

    /// Behind the answer, and now and then: nobody waits for it.
    fn note_use(&self, id: ApiKeyId, now: DateTime<Utc>) {
        if self.noted.contains_key(&id) {
            return;
        }
        self.noted.insert(id, ());
        let store = self.store.clone();
        tokio::spawn(async move {
            if let Err(error) = store.api_key_used(id, now).await {
                tracing::debug!(%error, "the last use of an API key could not be noted");
            }
        });
    }
}

/// What a token may do: what it asks for, as far as its key may.
fn narrowed(key: &[String], asked: Option<Vec<String>>) -> Vec<String> {
    let Some(asked) = asked else { return key.to_vec() };
    let all = key.iter().any(|scope| scope == "*");
    asked.into_iter().filter(|scope| all || key.contains(scope)).collect()
}

fn check(name: &str, scopes: &[String]) -> Result<(), KeyError> {
    let length = name.trim().chars().count();
    if !(1..=NAME_MAX).contains(&length) || name.chars().any(char::is_control) {
        let message = format!("has 1 to {NAME_MAX} printable characters");
        return Err(KeyError::Field { field: "name", message });
    }
    match scopes.iter().find(|scope| !SCOPES.contains(&scope.as_str())) {
        None if !scopes.is_empty() => Ok(()),
        unknown => {
            let unknown = unknown.map_or_else(String::new, |scope| format!("'{scope}' is not known; "));
            let message = format!("{unknown}name some of: {}", SCOPES.join(", "));
            Err(KeyError::Field {
                field: "scopes",
                message,
            })
        }
    }
}

/// What may be shown of a key.
#[must_use]
pub fn shown_prefix(id: ApiKeyId) -> String {
    let id = id.to_string();
    format!("{PREFIX}{}_", id.strip_prefix("key_").unwrap_or(&id))
}

fn id_of(text: &str) -> Option<ApiKeyId> {
    let (id, _) = text.strip_prefix(PREFIX)?.split_once('_')?;
    format!("key_{id}").parse().ok()
}

fn hash(text: &str) -> String {
    hex(digest(&SHA256, text.as_bytes()).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_itself() {
        let id = ApiKeyId::generate();
        assert_eq!(id_of(&format!("{}00ff", shown_prefix(id))), Some(id));
        for wrong in [
            "",
            "tg_",
            "tg__",
            "tg_x_y",
            "sk_01J_00",
            "tg_01JB2M7K3V4Q5R6S7T8V9WAXBY",
        ] {
            assert_eq!(id_of(wrong), None, "{wrong}");
        }
    }
}
