//! Keys that make a request happen once: claimed in the transaction of the request's intent, answered in that of its
//! effect.

use chrono::{DateTime, Utc};
use plugin_sdk::{MerchantId, OperationId, PaymentId};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter, Statement,
    TransactionTrait,
};

use crate::bigint::bigint;
use crate::entities::idempotency_keys;
use crate::merchants::read_id;
use crate::{Store, StoreError};

/// A request that wants to be the first with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyClaim {
    pub merchant: MerchantId,
    pub key: String,
    /// SHA-256 of method, path and body, in hexadecimal digits.
    pub request_hash: String,
    /// What the request makes, so that whoever repeats it after a crash can be told of it.
    pub payment: Option<PaymentId>,
    pub operation: Option<OperationId>,
    /// Until then the request counts as being at work.
    pub lease_until: DateTime<Utc>,
    pub now: DateTime<Utc>,
}

/// A key that was claimed.
#[derive(Debug, Clone, PartialEq)]
pub struct IdempotencyKey {
    pub request_hash: String,
    pub payment: Option<PaymentId>,
    pub operation: Option<OperationId>,
    /// Status and body of the answer; `None` while the request is at work, or when its node died.
    pub answer: Option<(u16, String)>,
    pub lease_until: DateTime<Utc>,
}

/// What the first request with a key was answered. Never changed once written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyAnswer {
    pub merchant: MerchantId,
    pub key: String,
    pub status: u16,
    pub body: String,
}

impl Store {
    /// The key as it stands, when it was claimed.
    pub async fn idempotency_key(&self, merchant: MerchantId, key: &str) -> Result<Option<IdempotencyKey>, StoreError> {
        find(&self.reads, merchant, key).await
    }

    /// Claims a key for a request that makes no payment; what is known of it when it was claimed before.
    pub async fn claim_key(&self, new: KeyClaim) -> Result<Option<IdempotencyKey>, StoreError> {
        let transaction = self.writes.begin().await?;
        let known = claim(&transaction, new).await?;
        transaction.commit().await?;
        Ok(known)
    }

    pub async fn answer_key(&self, answered: &KeyAnswer) -> Result<(), StoreError> {
        answer(&self.writes, answered).await.map(|_| ())
    }

    /// Gives a key back whose request came to nothing, so that it may be tried again.
    pub async fn release_key(&self, merchant: MerchantId, key: &str) -> Result<(), StoreError> {
        idempotency_keys::Entity::delete_by_id((merchant.to_string(), key.to_owned()))
            .filter(idempotency_keys::Column::Status.is_null())
            .exec(&self.writes)
            .await?;
        Ok(())
    }

    /// Deletes up to `limit` keys from before `until`. Returns how many went.
    pub async fn delete_keys_before(&self, until: DateTime<Utc>, limit: u64) -> Result<u64, StoreError> {
        let sql = "
            DELETE FROM idempotency_keys WHERE (merchant_id, idempotency_key) IN (
                SELECT merchant_id, idempotency_key FROM idempotency_keys WHERE created_at < $1
                ORDER BY created_at LIMIT $2)";
        let limit = bigint(limit);
        let statement = Statement::from_sql_and_values(self.backend(), sql, [until.into(), limit.into()]);
        Ok(self.writes.execute_raw(statement).await?.rows_affected())
    }
}

/// `None` when the claim is the first.
pub(crate) async fn claim(
    transaction: &DatabaseTransaction,
    new: KeyClaim,
) -> Result<Option<IdempotencyKey>, StoreError> {
    let row = idempotency_keys::Model {
        merchant_id: new.merchant.to_string(),
        idempotency_key: new.key.clone(),
        request_hash: new.request_hash,
        payment_id: new.payment.map(|id| id.to_string()),
        operation_id: new.operation.map(|id| id.to_string()),
        status: None,
        answer: None,
        lease_until: new.lease_until,
        created_at: new.now,
    };
    use idempotency_keys::Column;
    let inserted = idempotency_keys::Entity::insert(row.into_active_model())
        .on_conflict(
            OnConflict::columns([Column::MerchantId, Column::IdempotencyKey])
                .do_nothing()
                .to_owned(),
        )
        .exec_without_returning(transaction)
        .await?;
    if inserted > 0 {
        return Ok(None);
    }
    let known = find(transaction, new.merchant, &new.key).await?;
    known.map_or(Err(StoreError::Busy), |known| Ok(Some(known)))
}

/// Whether this is the key's answer; `false` when it had one already.
pub(crate) async fn answer(connection: &impl ConnectionTrait, answered: &KeyAnswer) -> Result<bool, StoreError> {
    use idempotency_keys::Column;
    let answered = idempotency_keys::Entity::update_many()
        .col_expr(Column::Status, Expr::value(i32::from(answered.status)))
        .col_expr(Column::Answer, Expr::value(answered.body.clone()))
        .filter(Column::MerchantId.eq(answered.merchant.to_string()))
        .filter(Column::IdempotencyKey.eq(&answered.key))
        .filter(Column::Status.is_null())
        .exec(connection)
        .await?;
    Ok(answered.rows_affected > 0)
}

async fn find(
    connection: &impl ConnectionTrait,
    merchant: MerchantId,
    key: &str,
) -> Result<Option<IdempotencyKey>, StoreError> {
    let row = idempotency_keys::Entity::find_by_id((merchant.to_string(), key.to_owned()))
        .one(connection)
        .await?;
    row.map(IdempotencyKey::read).transpose()
}

impl IdempotencyKey {
    fn read(row: idempotency_keys::Model) -> Result<Self, StoreError> {
        let status = row.status.and_then(|status| u16::try_from(status).ok());
        Ok(Self {
            request_hash: row.request_hash,
            payment: row.payment_id.as_deref().map(read_id).transpose()?,
            operation: row.operation_id.as_deref().map(read_id).transpose()?,
            answer: status.zip(row.answer),
            lease_until: row.lease_until,
        })
    }
}
