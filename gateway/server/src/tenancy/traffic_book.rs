//! Limits as the operator sets them and the merchant lowers them, the one set of checks behind the admin REST and the CLI.

use std::sync::Arc;

use plugin_sdk::{ApiKeyId, Clock, ConnectionId, MerchantId};
use serde_json::Value;
use store::{LimitLevel, LimitSetter, LimitSubject, Store, StoreError, StoredLimits};

use crate::plugins::Plugins;
use crate::tenancy::{Traffic, TrafficDefaults, TrafficError, TrafficLimits};

#[derive(Debug, thiserror::Error)]
pub enum TrafficBookError {
    #[error(transparent)]
    Limits(#[from] TrafficError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whose limits are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrafficOf {
    Merchant,
    Connection {
        id: ConnectionId,
        slug: String,
        plugin: String,
    },
    ApiKey(ApiKeyId),
}

impl TrafficOf {
    fn level(&self) -> LimitLevel {
        match self {
            Self::Merchant => LimitLevel::Merchant,
            Self::Connection { .. } => LimitLevel::Connection,
            Self::ApiKey(_) => LimitLevel::ApiKey,
        }
    }

    fn id(&self, merchant: MerchantId) -> String {
        match self {
            Self::Merchant => merchant.to_string(),
            Self::Connection { id, .. } => id.to_string(),
            Self::ApiKey(id) => id.to_string(),
        }
    }

    /// As the audit trail calls it.
    fn told_as(&self) -> String {
        match self {
            Self::Merchant => "merchant".to_owned(),
            Self::Connection { slug, .. } => format!("connection {slug}"),
            Self::ApiKey(id) => format!("api_key {id}"),
        }
    }
}

/// What was set, what the merchant allows itself below that, and what holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrafficSet {
    pub set: TrafficLimits,
    pub own: TrafficLimits,
    /// What the operator gave.
    pub granted: Traffic,
    pub effective: Traffic,
}

/// In whose name limits are set, and by whom.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    pub setter: LimitSetter,
    pub below_network_minimum: bool,
    pub actor: &'a str,
}

#[derive(Clone)]
pub struct TrafficBook {
    pub store: Store,
    pub plugins: Plugins,
    pub clock: Arc<dyn Clock>,
    pub defaults: TrafficDefaults,
}

impl TrafficBook {
    /// A connection of the merchant, as one whose limits are meant.
    pub async fn connection(&self, merchant: MerchantId, slug: &str) -> Result<TrafficOf, StoreError> {
        let row = self.store.connection_by_slug(merchant, slug).await?;
        Ok(TrafficOf::Connection {
            id: row.id,
            slug: row.slug,
            plugin: row.plugin,
        })
    }

    /// A key of the merchant.
    pub async fn api_key(&self, merchant: MerchantId, id: ApiKeyId) -> Result<TrafficOf, StoreError> {
        let keys = self.store.api_keys(merchant).await?;
        let known = keys.iter().any(|key| key.id == id);
        known
            .then_some(TrafficOf::ApiKey(id))
            .ok_or(StoreError::NotFound("this API key"))
    }

    pub async fn get(&self, merchant: MerchantId, of: &TrafficOf) -> Result<TrafficSet, TrafficBookError> {
        let (level, id) = (of.level(), of.id(merchant));
        let all = self.store.limits(merchant).await?;
        let stored = all.into_iter().find(|set| set.level == level && set.subject == id);
        self.read(level, stored.as_ref())
    }

    /// Replaces what the operator set, or what the merchant allows itself. Below what the network needs only if whoever
    /// sets it says so.
    pub async fn set(
        &self,
        merchant: MerchantId,
        of: &TrafficOf,
        limits: TrafficLimits,
        setting: Setting<'_>,
    ) -> Result<TrafficSet, TrafficBookError> {
        let Setting {
            setter,
            below_network_minimum,
            actor,
        } = setting;
        let level = of.level();
        let needed = if below_network_minimum {
            0
        } else {
            self.needed(merchant, of).await?
        };
        let limits = limits.checked(level, needed)?;
        if setter == LimitSetter::Merchant {
            limits.not_above(&self.get(merchant, of).await?.granted)?;
        }
        let (id, told_as) = (of.id(merchant), of.told_as());
        let subject = LimitSubject {
            level,
            setter,
            id: &id,
            told_as: &told_as,
        };
        let limits = serde_json::to_value(limits).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let change = |_| -> Result<Value, TrafficBookError> { Ok(limits) };
        (self.store)
            .change_limits(merchant, subject, actor, self.clock.now(), change)
            .await?;
        self.get(merchant, of).await
    }

    /// Connections that the networks behind these limits open at once.
    async fn needed(&self, merchant: MerchantId, of: &TrafficOf) -> Result<u32, StoreError> {
        let of_plugin = |name: &str| {
            let inbound = self.plugins.find(name).and_then(|plugin| plugin.inbound());
            inbound.map_or(0, |inbound| inbound.connections_min())
        };
        match of {
            TrafficOf::ApiKey(_) => Ok(0),
            TrafficOf::Connection { plugin, .. } => Ok(of_plugin(plugin)),
            TrafficOf::Merchant => {
                let connections = self.store.connections(merchant).await?;
                let each = connections.iter().map(|connection| of_plugin(&connection.plugin));
                Ok(each.max().unwrap_or(0))
            }
        }
    }

    fn read(&self, level: LimitLevel, stored: Option<&StoredLimits>) -> Result<TrafficSet, TrafficBookError> {
        let read = |limits: Option<&Value>| {
            let limits = limits.map(|limits| serde_json::from_value::<TrafficLimits>(limits.clone()));
            let limits = limits.transpose();
            limits.map_err(|error| StoreError::Corrupt(format!("limits: {error}")))
        };
        let set = read(stored.map(|stored| &stored.limits))?.unwrap_or_default();
        let own = read(stored.and_then(|stored| stored.own.as_ref()))?.unwrap_or_default();
        let granted = set.clone().over(self.defaults.of(level));
        Ok(TrafficSet {
            effective: granted.clone().lowered_by(own.clone()),
            set,
            own,
            granted,
        })
    }
}
