use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::TryStreamExt;
use moka::future::Cache;
use plugin_sdk::connector::OutboundConnection;
use plugin_sdk::{ApiKeyId, ConfigError, ConnectionId, InboundConnection};
use store::{Connection, Endpoint, LimitLevel, Merchant, MerchantStatus, Store, StoreError, StoredLimits, Tenant};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::access::passwords::BasicLogin;
use crate::access::sealing::Sealer;
use crate::plugins::Plugins;
use crate::tenancy::config_secrets::{self, Owner};
use crate::tenancy::{BoundRules, RuleBinder, Traffic, TrafficDefaults, TrafficLimits, is_slug};

/// Merchants that a node keeps in memory, with names that name nobody.
const TENANTS_MAX: u64 = 150_000;
/// How often a node asks the database for changes. Others see a change after this and the time of a query.
const WATCH_INTERVAL: Duration = Duration::from_millis(300);
/// Changed merchants that one question brings at most.
const CHANGES_PER_QUESTION: u64 = 1_000;
/// Merchants that are loaded at once.
const LOADS_AT_ONCE: usize = 4;
/// How long a load may wait for its turn, and then for the database.
const LOAD_TIMEOUT: Duration = Duration::from_secs(2);
/// A load that raced with a change is done again this often before it is used as it is, for one request.
const LOADS_MAX: u32 = 3;

/// A merchant as a node serves it: everything parsed and compiled once.
pub struct BoundTenant {
    pub merchant: Merchant,
    pub connections: HashMap<String, Arc<BoundConnection>>,
    pub endpoints: Vec<Endpoint>,
    pub rules: BoundRules,
    /// How much the merchant may bring.
    pub traffic: Arc<Traffic>,
    /// The same of those of its API keys that have limits of their own.
    key_traffic: HashMap<ApiKeyId, Arc<Traffic>>,
}

/// A connection that something other than its path named.
pub type Named = (Arc<BoundTenant>, Arc<BoundConnection>);

pub struct BoundConnection {
    /// Without what the other fields hold or only people look at: config, login and the certificate's description.
    pub row: Connection,
    /// The config as its plugin reads it.
    pub network: BoundNetwork,
    pub login: Option<BasicLogin>,
    /// Held while a password of this connection is hashed.
    pub login_turn: Semaphore,
    /// How much its network may bring.
    pub traffic: Arc<Traffic>,
}

/// Who calls whom.
pub enum BoundNetwork {
    /// The network calls us.
    In(Box<dyn InboundConnection>),
    /// We call the network, and it may notify us.
    Out(Box<dyn OutboundConnection>),
    /// The plugin became stricter than the stored config, is not in this build, or a secret does not open.
    Unusable(ConfigError),
}

impl BoundConnection {
    #[must_use]
    pub fn inbound(&self) -> Option<&dyn InboundConnection> {
        match &self.network {
            BoundNetwork::In(inbound) => Some(inbound.as_ref()),
            BoundNetwork::Out(_) | BoundNetwork::Unusable(_) => None,
        }
    }

    #[must_use]
    pub fn outbound(&self) -> Option<&dyn OutboundConnection> {
        match &self.network {
            BoundNetwork::Out(outbound) => Some(outbound.as_ref()),
            BoundNetwork::In(_) | BoundNetwork::Unusable(_) => None,
        }
    }
}

impl BoundTenant {
    /// Whether this connection takes new payments.
    #[must_use]
    pub fn takes_payments(&self, connection: &BoundConnection) -> bool {
        self.merchant.status == MerchantStatus::Active && connection.row.status == MerchantStatus::Active
    }

    /// How much may come under one of the merchant's API keys.
    #[must_use]
    pub fn key_traffic<'a>(&'a self, key: ApiKeyId, defaults: &'a TrafficDefaults) -> &'a Arc<Traffic> {
        self.key_traffic.get(&key).unwrap_or(&defaults.api_key)
    }
}

/// The merchants that this node knows, kept true to the database by [`Directory::watch`].
#[derive(Clone)]
pub struct Directory {
    store: Store,
    plugins: Plugins,
    sealer: Arc<Sealer>,
    rules: RuleBinder,
    traffic: TrafficDefaults,
    tenants: Cache<String, Option<Arc<BoundTenant>>>,
    /// What each Basic login and each host named when it was last looked up.
    named: moka::sync::Cache<Name, NamedEntry>,
    /// The newest form of each connection with a login.
    proven: moka::sync::Cache<ConnectionId, Arc<BoundConnection>>,
    /// Turns to ask the database: what strangers ask for must not take the connections of those who pay.
    loads: Arc<Semaphore>,
    seen: Arc<Seen>,
}

/// What names a connection on the path that all share.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Name {
    Login(String),
    Host(String),
}

/// Merchant and connection that something names, if it names one.
#[derive(Clone)]
struct NamedEntry {
    /// [`Seen::changes`] when it was looked up: true for as long as nothing changed.
    changes: u64,
    names: Option<(String, String)>,
}

/// What the watch has seen of the database.
#[derive(Default)]
struct Seen {
    version: AtomicI64,
    /// Counts changes seen, so that a load knows when it raced with one.
    changes: AtomicU64,
}

impl Seen {
    fn serve(&self, version: i64) {
        self.version.store(version, Ordering::SeqCst);
        metrics::gauge!("tollgate_config_version").set(version as f64);
    }
}

impl Directory {
    pub async fn new(
        store: Store,
        plugins: Plugins,
        sealer: Arc<Sealer>,
        rules: RuleBinder,
        traffic: TrafficDefaults,
    ) -> Result<Self, StoreError> {
        let seen = Seen::default();
        seen.serve(store.config_version().await?);
        let tenants = Cache::builder().max_capacity(TENANTS_MAX).build();
        let named = moka::sync::Cache::builder().max_capacity(TENANTS_MAX).build();
        let proven = moka::sync::Cache::builder().max_capacity(TENANTS_MAX).build();
        let loads = Arc::new(Semaphore::new(LOADS_AT_ONCE));
        Ok(Self {
            store,
            plugins,
            sealer,
            rules,
            traffic,
            tenants,
            named,
            proven,
            loads,
            seen: Arc::new(seen),
        })
    }

    /// The merchant of this slug, from memory if it can be.
    pub async fn tenant(&self, slug: &str) -> Result<Option<Arc<BoundTenant>>, StoreError> {
        if !is_slug(slug) {
            return Ok(None);
        }
        if let Some(tenant) = self.tenants.get(slug).await {
            return Ok(tenant);
        }
        let mut loads = 0;
        loop {
            let changes = self.seen.changes.load(Ordering::SeqCst);
            let tenant = self.tenants.try_get_with_by_ref(slug, self.load(slug)).await;
            let tenant = tenant.map_err(|error| StoreError::Unavailable(error.to_string()))?;
            loads += 1;
            if changes == self.seen.changes.load(Ordering::SeqCst) {
                return Ok(tenant);
            }
            // What was just loaded may be from before a change that the watch has already dealt with.
            self.tenants.invalidate(slug).await;
            if loads == LOADS_MAX {
                return Ok(tenant);
            }
        }
    }

    /// The one connection, over all merchants, that this Basic login names.
    pub async fn by_login(&self, login: &str) -> Result<Option<Named>, StoreError> {
        self.by_name(Name::Login(login.to_owned())).await
    }

    /// The one connection, over all merchants, that this host means; the name is in lower case.
    pub async fn by_host(&self, host: &str) -> Result<Option<Named>, StoreError> {
        self.by_name(Name::Host(host.to_owned())).await
    }

    async fn by_name(&self, name: Name) -> Result<Option<Named>, StoreError> {
        let found = self.named_by(name).await?;
        let Some((merchant, connection)) = found else {
            return Ok(None);
        };
        let Some(tenant) = self.tenant(&merchant).await? else {
            return Ok(None);
        };
        let connection = tenant.connections.get(&connection).cloned();
        Ok(connection.map(|connection| (tenant, connection)))
    }

    async fn named_by(&self, name: Name) -> Result<Option<(String, String)>, StoreError> {
        let changes = self.seen.changes.load(Ordering::SeqCst);
        let known = self.named.get(&name);
        if let Some(known) = known.as_ref().filter(|known| known.changes == changes) {
            return Ok(known.names.clone());
        }
        let names = async {
            let _turn = self.turn().await?;
            let names = async {
                match &name {
                    Name::Login(login) => self.store.connection_by_login(login).await,
                    Name::Host(host) => self.store.connection_by_host(host).await,
                }
            };
            let names = tokio::time::timeout(LOAD_TIMEOUT, names).await;
            names.map_err(|_| StoreError::TimedOut)?
        };
        match (names.await, known) {
            (Ok(names), _) => {
                let entry = NamedEntry {
                    changes,
                    names: names.clone(),
                };
                self.named.insert(name, entry);
                Ok(names)
            }
            // Who could pay before the database went away is still answered in its protocol.
            (Err(error), Some(known)) if error.is_passing() => Ok(known.names),
            (Err(error), _) => Err(error),
        }
    }

    async fn load(&self, slug: &str) -> Result<Option<Arc<BoundTenant>>, StoreError> {
        let _turn = self.turn().await?;
        self.load_now(slug).await
    }

    async fn load_now(&self, slug: &str) -> Result<Option<Arc<BoundTenant>>, StoreError> {
        let tenant = tokio::time::timeout(LOAD_TIMEOUT, self.store.tenant(slug)).await;
        let tenant = tenant.map_err(|_| StoreError::TimedOut)??;
        Ok(tenant.map(|tenant| Arc::new(self.bind(tenant))))
    }

    async fn turn(&self) -> Result<SemaphorePermit<'_>, StoreError> {
        let turn = tokio::time::timeout(LOAD_TIMEOUT, self.loads.acquire()).await;
        turn.map_err(|_| StoreError::Busy)?.map_err(|_| StoreError::Busy)
    }

    fn bind(&self, tenant: Tenant) -> BoundTenant {
        let rules = self.rules.bind(&tenant);
        let merchant = tenant.merchant.id.to_string();
        let traffic = |level, subject: &str| self.bind_traffic(&tenant.limits, level, subject);
        let connections = tenant.connections.into_iter().map(|row| {
            let traffic = traffic(LimitLevel::Connection, &row.id.to_string());
            (row.slug.clone(), self.bind_connection(row, traffic))
        });
        let keys = tenant.limits.iter().filter(|limits| limits.level == LimitLevel::ApiKey);
        let keys = keys.filter_map(|limits| {
            let id = limits.subject.parse().ok()?;
            Some((id, traffic(LimitLevel::ApiKey, &limits.subject)))
        });
        BoundTenant {
            connections: connections.collect(),
            endpoints: tenant.endpoints,
            rules,
            traffic: traffic(LimitLevel::Merchant, &merchant),
            key_traffic: keys.collect(),
            merchant: tenant.merchant,
        }
    }

    /// What was set for this subject over what holds for all. Limits that cannot be read any more are as if not set.
    fn bind_traffic(&self, limits: &[StoredLimits], level: LimitLevel, subject: &str) -> Arc<Traffic> {
        let installation = self.traffic.of(level);
        let set = limits.iter().find(|set| set.level == level && set.subject == subject);
        let Some(set) = set else {
            return Arc::clone(installation);
        };
        let read = |limits: &serde_json::Value| serde_json::from_value::<TrafficLimits>(limits.clone());
        let limits = read(&set.limits).and_then(|limits| Ok((limits, set.own.as_ref().map(read).transpose()?)));
        match limits {
            Ok((limits, own)) => Arc::new(limits.over(installation).lowered_by(own.unwrap_or_default())),
            Err(error) => {
                tracing::error!(level = level.as_str(), subject, %error, "limits cannot be read; the installation's hold");
                Arc::clone(installation)
            }
        }
    }

    fn bind_connection(&self, mut row: Connection, traffic: Arc<Traffic>) -> Arc<BoundConnection> {
        let network = self.bind_network(&row);
        if let BoundNetwork::Unusable(error) = &network {
            tracing::error!(connection = %row.id, %error, "the connection's config cannot be used");
        }
        // Nothing is kept twice: a node may hold a hundred thousand of these.
        row.config = serde_json::Value::Null;
        row.identity = None;
        let login = row.basic_login.take().zip(row.basic_password_hash.take());
        let login = login.map(|(login, hash)| BasicLogin::new(login, hash));
        // A change elsewhere in the merchant must not make the next request pay for Argon2 again.
        let earlier = self.proven.get(&row.id);
        let login = login.map(
            |login| match earlier.as_deref().and_then(|earlier| earlier.login.as_ref()) {
                Some(earlier) => login.with_proof_of(earlier),
                None => login,
            },
        );
        let id = row.id;
        let bound = Arc::new(BoundConnection {
            login,
            network,
            login_turn: Semaphore::new(1),
            traffic,
            row,
        });
        if bound.login.is_some() {
            self.proven.insert(id, Arc::clone(&bound));
        }
        bound
    }

    fn bind_network(&self, row: &Connection) -> BoundNetwork {
        let Some(plugin) = self.plugins.find(&row.plugin) else {
            let message = format!("this build has no plugin '{}'", row.plugin);
            return BoundNetwork::Unusable(ConfigError::new("plugin", message));
        };
        let owner = Owner {
            merchant: row.merchant_id,
            connection: &row.slug,
        };
        let config = match config_secrets::open(&self.sealer, owner, &row.config) {
            Ok(config) => config,
            Err(error) => return BoundNetwork::Unusable(ConfigError::new("config", error.to_string())),
        };
        let bound = match (plugin.inbound(), plugin.connector()) {
            (Some(inbound), _) => inbound.bind(&config).map(BoundNetwork::In),
            (None, Some(connector)) => connector.bind(&config).map(BoundNetwork::Out),
            (None, None) => Err(ConfigError::new("plugin", "neither calls nor is called")),
        };
        bound.unwrap_or_else(BoundNetwork::Unusable)
    }

    /// Takes over what changed in the database, for as long as the node runs.
    pub async fn watch(self) {
        let mut ticks = tokio::time::interval(WATCH_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.take_over_changed().await {
                tracing::warn!(%error, "changes of configuration cannot be read; serving what is known");
            }
        }
    }

    async fn take_over_changed(&self) -> Result<(), StoreError> {
        let seen = self.seen.version.load(Ordering::SeqCst);
        let changed = self.store.merchants_changed_since(seen, CHANGES_PER_QUESTION);
        let changed = tokio::time::timeout(LOAD_TIMEOUT, changed)
            .await
            .map_err(|_| StoreError::TimedOut)??;
        let Some((_, newest)) = changed.last().copied() else {
            return Ok(());
        };
        self.seen.changes.fetch_add(1, Ordering::SeqCst);
        let changed: std::collections::HashSet<_> = changed.into_iter().map(|(id, _)| id).collect();
        let mut stale = Vec::new();
        for (slug, tenant) in &self.tenants {
            match tenant {
                // A slug that named nobody may name somebody now.
                None => self.tenants.invalidate(slug.as_ref()).await,
                Some(tenant) if changed.contains(&tenant.merchant.id) => stale.push(slug),
                Some(_) => {}
            }
        }
        // The old form serves until the new one is there: if the database goes away in between, the networks are still
        // answered in their protocol, and the next look tries again.
        futures_util::stream::iter(stale.into_iter().map(Ok))
            .try_for_each_concurrent(LOADS_AT_ONCE, async |slug| {
                match self.load_now(&slug).await {
                    Ok(fresh) => self.tenants.insert(slug.as_ref().clone(), fresh).await,
                    Err(error) if error.is_passing() => return Err(error),
                    // Rows of one merchant that cannot be read must not keep the others' changes back.
                    Err(error) => {
                        tracing::error!(merchant = slug.as_str(), %error, "a changed merchant cannot be read");
                        self.tenants.invalidate(slug.as_ref()).await;
                    }
                }
                Ok(())
            })
            .await?;
        self.seen.serve(newest);
        Ok(())
    }
}
