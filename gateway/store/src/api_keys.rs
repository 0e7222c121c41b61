//! Keys of merchants' systems. Only a hash is stored.

use chrono::{DateTime, Utc};
use plugin_sdk::{ApiKeyId, MerchantId};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};

use crate::entities::{api_keys, merchants};
use crate::merchants::read_id;
use crate::{Store, StoreError};

/// Keys of one merchant, at most.
const KEYS_MAX: u64 = 200;

#[derive(Debug, Clone, PartialEq)]
pub struct ApiKey {
    pub id: ApiKeyId,
    pub merchant_id: MerchantId,
    pub name: String,
    /// SHA-256 of the key, in hexadecimal digits; empty for a public key.
    pub hash: String,
    /// PEM of the key that the merchant's tokens are verified with.
    pub public_key: Option<String>,
    pub scopes: Vec<String>,
    pub expires_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
    pub used_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

impl Store {
    pub async fn create_api_key(&self, key: &ApiKey) -> Result<(), StoreError> {
        let row = api_keys::Model {
            id: key.id.to_string(),
            merchant_id: key.merchant_id.to_string(),
            name: key.name.clone(),
            hash: key.hash.clone(),
            public_key: key.public_key.clone(),
            scopes: serde_json::json!(key.scopes),
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
            used_at: key.used_at,
            created_at: key.created_at,
        };
        api_keys::Entity::insert(row.into_active_model())
            .exec_without_returning(&self.writes)
            .await?;
        Ok(())
    }

    /// A key with the slug of its merchant. The one question without a merchant: the key is what names it.
    pub async fn api_key(&self, id: ApiKeyId) -> Result<Option<(ApiKey, String)>, StoreError> {
        let Some(row) = api_keys::Entity::find_by_id(id.to_string()).one(&self.reads).await? else {
            return Ok(None);
        };
        let slug: Option<String> = merchants::Entity::find_by_id(&row.merchant_id)
            .select_only()
            .column(merchants::Column::Slug)
            .into_tuple()
            .one(&self.reads)
            .await?;
        slug.map(|slug| Ok((ApiKey::read(row)?, slug))).transpose()
    }

    /// Newest first.
    pub async fn api_keys(&self, merchant: MerchantId) -> Result<Vec<ApiKey>, StoreError> {
        let rows = api_keys::Entity::find()
            .filter(api_keys::Column::MerchantId.eq(merchant.to_string()))
            .order_by_desc(api_keys::Column::Id)
            .limit(KEYS_MAX)
            .all(&self.reads)
            .await?;
        rows.into_iter().map(ApiKey::read).collect()
    }

    /// From `at` on the key opens nothing. A moment to come gives the successor time to take over.
    pub async fn revoke_api_key(
        &self,
        merchant: MerchantId,
        id: ApiKeyId,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        use api_keys::Column;
        let earlier = Condition::any()
            .add(Column::RevokedAt.is_null())
            .add(Column::RevokedAt.gt(at));
        let changed = api_keys::Entity::update_many()
            .col_expr(Column::RevokedAt, Expr::value(at))
            .filter(Column::Id.eq(id.to_string()))
            .filter(Column::MerchantId.eq(merchant.to_string()))
            .filter(earlier)
            .exec(&self.writes)
            .await?;
        if changed.rows_affected == 0 && !self.api_keys(merchant).await?.iter().any(|key| key.id == id) {
            return Err(StoreError::NotFound("this API key"));
        }
        Ok(())
    }

    pub async fn api_key_used(&self, id: ApiKeyId, at: DateTime<Utc>) -> Result<(), StoreError> {
        api_keys::Entity::update_many()
            .col_expr(api_keys::Column::UsedAt, Expr::value(at))
            .filter(Expr::col(api_keys::Column::Id).eq(id.to_string()))
            .exec(&self.writes)
            .await?;
        Ok(())
    }
}

impl ApiKey {
    fn read(row: api_keys::Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: read_id(&row.id)?,
            merchant_id: read_id(&row.merchant_id)?,
            name: row.name,
            hash: row.hash,
            public_key: row.public_key,
            scopes: serde_json::from_value(row.scopes).map_err(|error| StoreError::Corrupt(error.to_string()))?,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            used_at: row.used_at,
            created_at: row.created_at,
        })
    }
}
