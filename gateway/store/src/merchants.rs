use chrono::{DateTime, Utc};
use plugin_sdk::{ConnectionId, MerchantId};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect, Statement, TransactionTrait,
};
use serde_json::Value;

use crate::addressing;
use crate::canaries::{self, RuleCanary};
use crate::endpoints::{self, Endpoint};
use crate::entities::{connections, merchants};
use crate::limits::{self, StoredLimits};
use crate::rule_secrets::{self, RuleSecret};
use crate::rule_settings;
use crate::rules::{self, RuleRevision};
use crate::shadows::{self, RuleShadow};
use crate::{Cursor, Page, Store, StoreError};

/// A tenant of the installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merchant {
    pub id: MerchantId,
    /// Name in URLs: `/in/{slug}/…`.
    pub slug: String,
    pub name: String,
    pub status: MerchantStatus,
    /// Number of the published rule revision.
    pub published_rules: Option<i32>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MerchantStatus {
    Active,
    /// Takes no new payments; what was paid stays answered.
    Suspended,
    /// Gone for everybody but the ledger. Its slug stays its own: a network may repeat a payment at the same URL, and
    /// must find the one that was credited.
    Deleted,
}

/// One configured plugin of one merchant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    pub id: ConnectionId,
    pub merchant_id: MerchantId,
    /// Name in URLs, unique within the merchant.
    pub slug: String,
    pub plugin: String,
    pub status: ConnectionStatus,
    /// What the plugin's schema describes.
    pub config: Value,
    pub basic_login: Option<String>,
    /// Argon2id, PHC format.
    pub basic_password_hash: Option<String>,
    /// Client certificate with its key, sealed by whoever stores it.
    pub identity_sealed: Option<String>,
    /// What of the certificate may be shown.
    pub identity: Option<Value>,
    /// Roots in PEM that are believed beside the system's.
    pub roots: Option<String>,
    /// The name of a host that means this connection on the path that all share.
    pub host: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

pub type ConnectionStatus = MerchantStatus;

#[derive(Debug, Clone)]
pub struct NewMerchant {
    pub slug: String,
    pub name: String,
}

/// Absent means unchanged.
#[derive(Debug, Clone, Default)]
pub struct MerchantChange {
    pub name: Option<String>,
    pub status: Option<MerchantStatus>,
}

#[derive(Debug, Clone)]
pub struct NewConnection {
    pub slug: String,
    pub plugin: String,
    pub status: ConnectionStatus,
    pub config: Value,
    pub basic: Option<(String, String)>,
}

/// Absent means unchanged; `basic: Some(None)` takes the login away.
#[derive(Debug, Clone, Default)]
pub struct ConnectionChange {
    pub status: Option<ConnectionStatus>,
    pub config: Option<Value>,
    pub basic: Option<Option<(String, String)>>,
    /// Client certificate, sealed, and what of it may be shown; `Some(None)` takes it away.
    pub identity: Option<Option<(String, Value)>>,
    pub roots: Option<Option<String>>,
    /// The host that means this connection; `Some(None)` takes it away.
    pub host: Option<Option<String>>,
}

/// Everything that a node needs to serve one merchant.
#[derive(Debug, Clone)]
pub struct Tenant {
    pub merchant: Merchant,
    pub connections: Vec<Connection>,
    pub endpoints: Vec<Endpoint>,
    pub rules: Option<RuleRevision>,
    /// How much traffic it and what belongs to it may bring, where that was set.
    pub limits: Vec<StoredLimits>,
    /// What the rules run under; `None` when it was never set.
    pub rule_settings: Option<Value>,
    /// Sealed.
    pub rule_secrets: Vec<RuleSecret>,
    /// The script that decides in the shadow of the rules.
    pub shadow: Option<RuleShadow>,
    /// The revision that decides for a part of the accounts.
    pub canary: Option<(RuleCanary, RuleRevision)>,
}

impl MerchantStatus {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Deleted => "deleted",
        }
    }

    fn read(text: &str) -> Result<Self, StoreError> {
        match text {
            "active" => Ok(Self::Active),
            "suspended" => Ok(Self::Suspended),
            "deleted" => Ok(Self::Deleted),
            other => Err(StoreError::Corrupt(format!("status '{other}'"))),
        }
    }
}

impl Store {
    pub async fn create_merchant(&self, new: NewMerchant, now: DateTime<Utc>) -> Result<Merchant, StoreError> {
        let change = self.writes.begin().await?;
        let version = next_config_version(&change).await?;
        let row = merchants::ActiveModel {
            id: Set(MerchantId::generate().to_string()),
            slug: Set(new.slug),
            name: Set(new.name),
            status: Set(MerchantStatus::Active.as_str().to_owned()),
            published_rules: Set(None),
            version: Set(version),
            created_at: Set(now),
            updated_at: Set(now),
        };
        let row = row
            .insert(&change)
            .await
            .map_err(|error| StoreError::or_exists(error, "a merchant of this slug"))?;
        change.commit().await?;
        Merchant::read(row)
    }

    /// The merchant as it is, deleted ones included.
    pub async fn merchant(&self, id: MerchantId) -> Result<Merchant, StoreError> {
        let row = merchants::Entity::find_by_id(id.to_string()).one(&self.reads).await?;
        Merchant::read(row.ok_or(StoreError::NotFound("this merchant"))?)
    }

    pub async fn merchant_by_slug(&self, slug: &str) -> Result<Merchant, StoreError> {
        merchant_of_slug(&self.reads, slug).await
    }

    pub async fn merchants(&self, cursor: &Cursor) -> Result<Page<Merchant>, StoreError> {
        let mut query = merchants::Entity::find()
            .filter(merchants::Column::Status.ne(MerchantStatus::Deleted.as_str()))
            .order_by_desc(merchants::Column::Id)
            .limit(cursor.limit + 1);
        if let Some(after) = &cursor.after {
            query = query.filter(merchants::Column::Id.lt(after));
        }
        Page::of(
            query.all(&self.reads).await?,
            cursor.limit,
            |row| row.id.clone(),
            Merchant::read,
        )
    }

    pub async fn change_merchant(
        &self,
        id: MerchantId,
        change: MerchantChange,
        now: DateTime<Utc>,
    ) -> Result<Merchant, StoreError> {
        let transaction = self.writes.begin().await?;
        let version = next_config_version(&transaction).await?;
        let row = merchants::Entity::find_by_id(id.to_string()).one(&transaction).await?;
        let row = row.filter(|row| row.status != MerchantStatus::Deleted.as_str());
        let mut row = row.ok_or(StoreError::NotFound("this merchant"))?.into_active_model();
        if let Some(name) = change.name {
            row.name = Set(name);
        }
        if let Some(status) = change.status {
            row.status = Set(status.as_str().to_owned());
            if status == MerchantStatus::Deleted {
                endpoints::delete_all(&transaction, id, now).await?;
                addressing::give_hosts_back(&transaction, id).await?;
            }
        }
        row.version = Set(version);
        row.updated_at = Set(now);
        let row = row.update(&transaction).await?;
        transaction.commit().await?;
        Merchant::read(row)
    }

    /// A connection that was deleted comes back under its slug with its payments: to the network it is the same URL,
    /// and what it credited must not be credited again.
    pub async fn create_connection(
        &self,
        merchant: MerchantId,
        new: NewConnection,
        now: DateTime<Utc>,
    ) -> Result<Connection, StoreError> {
        let change = self.writes.begin().await?;
        touch_merchant(&change, merchant).await?;
        let deleted = connections::Entity::find()
            .filter(connections::Column::MerchantId.eq(merchant.to_string()))
            .filter(connections::Column::Slug.eq(&new.slug))
            .filter(connections::Column::Plugin.eq(&new.plugin))
            .filter(connections::Column::Status.eq(ConnectionStatus::Deleted.as_str()))
            .one(&change)
            .await?;
        let (login, hash) = new.basic.unzip();
        let row = connections::ActiveModel {
            id: Set(deleted
                .as_ref()
                .map_or_else(|| ConnectionId::generate().to_string(), |row| row.id.clone())),
            merchant_id: Set(merchant.to_string()),
            slug: Set(new.slug),
            plugin: Set(new.plugin),
            status: Set(new.status.as_str().to_owned()),
            config: Set(new.config),
            basic_login: Set(login),
            basic_password_hash: Set(hash),
            identity_sealed: Set(None),
            identity: Set(None),
            roots: Set(None),
            host: Set(None),
            created_at: Set(deleted.as_ref().map_or(now, |row| row.created_at)),
            updated_at: Set(now),
        };
        let row = if deleted.is_some() {
            row.update(&change).await
        } else {
            row.insert(&change).await
        };
        let row = row.map_err(|error| StoreError::or_exists(error, "a connection of this slug"))?;
        change.commit().await?;
        Connection::read(row)
    }

    pub async fn connections(&self, merchant: MerchantId) -> Result<Vec<Connection>, StoreError> {
        connections_of(&self.reads, merchant).await
    }

    pub async fn connection_by_slug(&self, merchant: MerchantId, slug: &str) -> Result<Connection, StoreError> {
        let row = connections::Entity::find()
            .filter(connections::Column::MerchantId.eq(merchant.to_string()))
            .filter(connections::Column::Slug.eq(slug))
            .filter(connections::Column::Status.ne(ConnectionStatus::Deleted.as_str()))
            .one(&self.reads)
            .await?;
        Connection::read(row.ok_or(StoreError::NotFound("this connection"))?)
    }

    pub async fn change_connection(
        &self,
        merchant: MerchantId,
        id: ConnectionId,
        change: ConnectionChange,
        now: DateTime<Utc>,
    ) -> Result<Connection, StoreError> {
        let transaction = self.writes.begin().await?;
        touch_merchant(&transaction, merchant).await?;
        let row = connections::Entity::find_by_id(id.to_string())
            .filter(connections::Column::MerchantId.eq(merchant.to_string()))
            .filter(connections::Column::Status.ne(ConnectionStatus::Deleted.as_str()))
            .one(&transaction)
            .await?;
        let mut row = row.ok_or(StoreError::NotFound("this connection"))?.into_active_model();
        if let Some(status) = change.status {
            row.status = Set(status.as_str().to_owned());
            if status == ConnectionStatus::Deleted {
                row.host = Set(None);
            }
        }
        if let Some(config) = change.config {
            row.config = Set(config);
        }
        if let Some(basic) = change.basic {
            let (login, hash) = basic.unzip();
            row.basic_login = Set(login);
            row.basic_password_hash = Set(hash);
        }
        if let Some(identity) = change.identity {
            let (sealed, shown) = identity.unzip();
            row.identity_sealed = Set(sealed);
            row.identity = Set(shown);
        }
        if let Some(roots) = change.roots {
            row.roots = Set(roots);
        }
        if let Some(host) = change.host {
            row.host = Set(host);
        }
        row.updated_at = Set(now);
        let row = row.update(&transaction).await;
        let row = row.map_err(|error| StoreError::or_exists(error, "a connection of this host"))?;
        transaction.commit().await?;
        Connection::read(row)
    }

    /// The merchant with all that serves it; `None` when no such merchant takes calls.
    pub async fn tenant(&self, slug: &str) -> Result<Option<Tenant>, StoreError> {
        // On one connection: each of many statements would take one from the pool, and try it before it goes back.
        let reads = self.reads.begin().await?;
        let merchant = match merchant_of_slug(&reads, slug).await {
            Ok(merchant) => merchant,
            Err(StoreError::NotFound(_)) => {
                reads.commit().await?;
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let connections = connections_of(&reads, merchant.id).await?;
        let endpoints = endpoints::of_merchant(&reads, merchant.id).await?;
        let rules = match merchant.published_rules {
            Some(number) => Some(rules::revision(&reads, merchant.id, number).await?),
            None => None,
        };
        let limits = limits::of_merchant(&reads, merchant.id).await?;
        let rule_settings = rule_settings::of_merchant(&reads, merchant.id).await?;
        let rule_secrets = rule_secrets::of_merchant(&reads, merchant.id).await?;
        let shadow = shadows::running(&reads, merchant.id).await?;
        let canary = canaries::in_service(&reads, merchant.id).await?;
        reads.commit().await?;
        Ok(Some(Tenant {
            merchant,
            connections,
            endpoints,
            rules,
            limits,
            rule_settings,
            rule_secrets,
            shadow,
            canary,
        }))
    }

    /// Merchants whose configuration changed after `version`, with the version they have now, oldest change first.
    pub async fn merchants_changed_since(
        &self,
        version: i64,
        limit: u64,
    ) -> Result<Vec<(MerchantId, i64)>, StoreError> {
        let rows: Vec<(String, i64)> = merchants::Entity::find()
            .select_only()
            .column(merchants::Column::Id)
            .column(merchants::Column::Version)
            .filter(merchants::Column::Version.gt(version))
            .order_by_asc(merchants::Column::Version)
            .limit(limit)
            .into_tuple()
            .all(&self.reads)
            .await?;
        rows.into_iter()
            .map(|(id, version)| Ok((read_id(&id)?, version)))
            .collect()
    }

    /// The version that the next change will be newer than.
    pub async fn config_version(&self) -> Result<i64, StoreError> {
        let statement = Statement::from_string(
            self.backend(),
            "SELECT value FROM counters WHERE name = 'config_version'",
        );
        let row = self
            .reads
            .query_one_raw(statement)
            .await?
            .ok_or(StoreError::NotFound("counter config_version"))?;
        Ok(row.try_get_by_index(0)?)
    }
}

pub(crate) async fn next_config_version(transaction: &DatabaseTransaction) -> Result<i64, StoreError> {
    let statement = Statement::from_string(
        transaction.get_database_backend(),
        "UPDATE counters SET value = value + 1 WHERE name = 'config_version' RETURNING value",
    );
    let row = transaction
        .query_one_raw(statement)
        .await?
        .ok_or(StoreError::NotFound("counter config_version"))?;
    Ok(row.try_get_by_index(0)?)
}

/// Tells all nodes that something of this merchant is about to change in this transaction.
pub(crate) async fn touch_merchant(transaction: &DatabaseTransaction, id: MerchantId) -> Result<(), StoreError> {
    let version = next_config_version(transaction).await?;
    let touched = merchants::Entity::update_many()
        .col_expr(merchants::Column::Version, version.into())
        .filter(merchants::Column::Id.eq(id.to_string()))
        .filter(merchants::Column::Status.ne(MerchantStatus::Deleted.as_str()))
        .exec(transaction)
        .await?;
    if touched.rows_affected == 0 {
        Err(StoreError::NotFound("this merchant"))
    } else {
        Ok(())
    }
}

/// Number of the published revision, as this transaction sees it.
pub(crate) async fn published_rules(
    transaction: &DatabaseTransaction,
    id: MerchantId,
) -> Result<Option<i32>, StoreError> {
    let row = merchants::Entity::find_by_id(id.to_string()).one(transaction).await?;
    Ok(row.and_then(|row| row.published_rules))
}

async fn merchant_of_slug(connection: &impl ConnectionTrait, slug: &str) -> Result<Merchant, StoreError> {
    let row = merchants::Entity::find()
        .filter(merchants::Column::Slug.eq(slug))
        .filter(merchants::Column::Status.ne(MerchantStatus::Deleted.as_str()))
        .one(connection)
        .await?;
    Merchant::read(row.ok_or(StoreError::NotFound("this merchant"))?)
}

async fn connections_of(
    connection: &impl ConnectionTrait,
    merchant: MerchantId,
) -> Result<Vec<Connection>, StoreError> {
    let rows = connections::Entity::find()
        .filter(connections::Column::MerchantId.eq(merchant.to_string()))
        .filter(connections::Column::Status.ne(ConnectionStatus::Deleted.as_str()))
        .order_by_asc(connections::Column::Id)
        .all(connection)
        .await?;
    rows.into_iter().map(Connection::read).collect()
}

pub(crate) fn read_id<T: std::str::FromStr<Err = plugin_sdk::IdError>>(text: &str) -> Result<T, StoreError> {
    text.parse()
        .map_err(|error: plugin_sdk::IdError| StoreError::Corrupt(error.to_string()))
}

impl Merchant {
    pub(crate) fn read(row: merchants::Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: read_id(&row.id)?,
            slug: row.slug,
            name: row.name,
            status: MerchantStatus::read(&row.status)?,
            published_rules: row.published_rules,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

impl Connection {
    fn read(row: connections::Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: read_id(&row.id)?,
            merchant_id: read_id(&row.merchant_id)?,
            slug: row.slug,
            plugin: row.plugin,
            status: ConnectionStatus::read(&row.status)?,
            config: row.config,
            basic_login: row.basic_login,
            basic_password_hash: row.basic_password_hash,
            identity_sealed: row.identity_sealed,
            identity: row.identity,
            roots: row.roots,
            host: row.host,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}
