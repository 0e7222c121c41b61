//! Every secret in the database, wherever it stands: what it takes to seal them all under another master key.

use chrono::{DateTime, Utc};
use plugin_sdk::{ConnectionId, MerchantId};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
};
use serde_json::Value;

use crate::entities::{connections, sealing_keys};
use crate::merchants::read_id;
use crate::{Store, StoreError};

/// A column of sealed texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealedColumn {
    pub table: &'static str,
    pub column: &'static str,
    /// What tells rows apart, as SQL.
    id: &'static str,
    /// Where each secret belongs, as SQL: the words that it was sealed with.
    place: &'static str,
}

/// All of them, but for the secrets inside connections' configs.
pub const SEALED_COLUMNS: [SealedColumn; 10] = [
    sealed(
        "webhook_endpoints",
        "secret_sealed",
        "id",
        "'webhook_endpoint/' || merchant_id",
    ),
    sealed(
        "webhook_endpoints",
        "previous_secret_sealed",
        "id",
        "'webhook_endpoint/' || merchant_id",
    ),
    sealed(
        "rule_secrets",
        "value_sealed",
        "merchant_id || '/' || name",
        "'rule_secret/' || merchant_id || '/' || name",
    ),
    sealed(
        "payment_tokens",
        "token_sealed",
        "id",
        "'payment_token/' || merchant_id",
    ),
    sealed(
        "connections",
        "identity_sealed",
        "id",
        "'connection_identity/' || merchant_id || '/' || slug",
    ),
    sealed(
        "server_certificates",
        "identity_sealed",
        "id",
        "'server_certificate/' || id",
    ),
    sealed(
        "certificate_authorities",
        "key_sealed",
        "name",
        "'certificate_authority/' || name",
    ),
    sealed("installation_secrets", "sealed", "name", "'installation/' || name"),
    sealed("people", "factor_sealed", "id", "'second_factor/' || id"),
    sealed("people", "factor_waiting_sealed", "id", "'second_factor/' || id"),
];

const fn sealed(table: &'static str, column: &'static str, id: &'static str, place: &'static str) -> SealedColumn {
    SealedColumn {
        table,
        column,
        id,
        place,
    }
}

/// One sealed text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRow {
    pub id: String,
    pub place: String,
    pub sealed: String,
}

/// A connection's config with whose it is.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnedConfig {
    pub id: ConnectionId,
    pub merchant_id: MerchantId,
    pub connection: String,
    pub config: Value,
}

/// A master key that secrets are, or were, sealed under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealingKey {
    pub key_id: String,
    pub proof_sealed: String,
}

impl Store {
    /// Sealed texts of a column that do not begin with `prefix`, a page at a time, from after the row of this id.
    pub async fn sealed_otherwise(
        &self,
        column: SealedColumn,
        prefix: &str,
        after: &str,
        limit: u64,
    ) -> Result<Vec<SealedRow>, StoreError> {
        let SealedColumn {
            table,
            column,
            id,
            place,
        } = column;
        let sql = format!(
            "SELECT {id} AS id, {place} AS place, {column} AS sealed FROM {table} \
             WHERE {column} <> '' AND substr({column}, 1, {length}) <> $1 AND {id} > $2 ORDER BY 1 LIMIT {limit}",
            length = prefix.len(),
        );
        let statement = Statement::from_sql_and_values(self.backend(), sql, [prefix.into(), after.into()]);
        let rows = self.writes.query_all_raw(statement).await?;
        rows.iter()
            .map(|row| {
                Ok(SealedRow {
                    id: row.try_get_by_index(0)?,
                    place: row.try_get_by_index(1)?,
                    sealed: row.try_get_by_index(2)?,
                })
            })
            .collect()
    }

    /// Puts another sealed text in a row's place, unless somebody changed it meanwhile.
    pub async fn replace_sealed(
        &self,
        column: SealedColumn,
        row: &SealedRow,
        sealed: &str,
    ) -> Result<bool, StoreError> {
        let SealedColumn { table, column, id, .. } = column;
        let sql = format!("UPDATE {table} SET {column} = $1 WHERE {id} = $2 AND {column} = $3");
        let values = [sealed.into(), row.id.as_str().into(), row.sealed.as_str().into()];
        let statement = Statement::from_sql_and_values(self.backend(), sql, values);
        Ok(self.writes.execute_raw(statement).await?.rows_affected() == 1)
    }

    /// Configs of connections, deleted ones included, over all merchants, a page at a time.
    pub async fn configs(&self, after: Option<ConnectionId>, limit: u64) -> Result<Vec<OwnedConfig>, StoreError> {
        let mut query = connections::Entity::find()
            .order_by_asc(connections::Column::Id)
            .limit(limit);
        if let Some(after) = after {
            query = query.filter(connections::Column::Id.gt(after.to_string()));
        }
        let rows = query.all(&self.writes).await?;
        rows.into_iter()
            .map(|row| {
                Ok(OwnedConfig {
                    id: read_id(&row.id)?,
                    merchant_id: read_id(&row.merchant_id)?,
                    connection: row.slug,
                    config: row.config,
                })
            })
            .collect()
    }

    /// Puts another form of the same config in its place, unless somebody changed it meanwhile.
    pub async fn replace_config(&self, before: &OwnedConfig, config: Value) -> Result<bool, StoreError> {
        let same = match self.backend() {
            DatabaseBackend::Postgres => Expr::cust_with_values("config = $1::jsonb", [before.config.to_string()]),
            _ => Expr::cust_with_values("json(config) = json(?)", [before.config.to_string()]),
        };
        let changed = connections::Entity::update_many()
            .col_expr(connections::Column::Config, Expr::value(config))
            .filter(connections::Column::Id.eq(before.id.to_string()))
            .filter(connections::Column::MerchantId.eq(before.merchant_id.to_string()))
            .filter(same)
            .exec(&self.writes)
            .await?;
        Ok(changed.rows_affected == 1)
    }

    pub async fn sealing_keys(&self) -> Result<Vec<SealingKey>, StoreError> {
        let rows = sealing_keys::Entity::find()
            .order_by_asc(sealing_keys::Column::CreatedAt)
            .all(&self.writes)
            .await?;
        let keys = rows.into_iter().map(|row| SealingKey {
            key_id: row.key_id,
            proof_sealed: row.proof_sealed,
        });
        Ok(keys.collect())
    }

    pub async fn keep_sealing_key(&self, key: SealingKey, now: DateTime<Utc>) -> Result<(), StoreError> {
        let row = sealing_keys::ActiveModel {
            key_id: Set(key.key_id),
            proof_sealed: Set(key.proof_sealed),
            created_at: Set(now),
        };
        sealing_keys::Entity::insert(row)
            .on_conflict_do_nothing()
            .exec_without_returning(&self.writes)
            .await?;
        Ok(())
    }

    /// Forgets all keys but one: nothing is sealed under them any more.
    pub async fn forget_other_sealing_keys(&self, key_id: &str) -> Result<(), StoreError> {
        sealing_keys::Entity::delete_many()
            .filter(sealing_keys::Column::KeyId.ne(key_id))
            .exec(&self.writes)
            .await?;
        Ok(())
    }
}
