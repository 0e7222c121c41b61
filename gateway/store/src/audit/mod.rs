//! The audit trail: who changed what, from where. Every entry carries a hash over itself and the one before it, so that
//! an entry that was changed, removed or slipped in is found.

mod chain;
mod origin;

use chrono::{DateTime, SubsecRound, Utc};
use plugin_sdk::{AuditId, MerchantId};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, Statement, TransactionTrait,
};
use serde_json::Value;

use crate::entities::audit;
use crate::merchants::read_id;
use crate::{Cursor, Page, Store, StoreError};

pub use chain::ChainReport;
pub use origin::Origin;

/// Who changed what. Never changed itself.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    pub id: AuditId,
    /// `None`: of the installation.
    pub merchant_id: Option<MerchantId>,
    pub actor: String,
    /// `rules.publish` and the like.
    pub action: String,
    /// What was changed: `rules`, `connections/payin`.
    pub subject: String,
    pub before: Option<Value>,
    pub after: Option<Value>,
    /// Where the request came from.
    pub address: Option<String>,
    pub request_id: Option<String>,
    /// Place in the chain; `None` for entries from before there was one.
    pub number: Option<i64>,
    pub hash: Option<String>,
    pub created_at: DateTime<Utc>,
}

/// What an entry tells, beside when and from where.
#[derive(Debug, Clone)]
pub struct NewAuditEntry {
    pub merchant: Option<MerchantId>,
    pub actor: String,
    pub action: String,
    pub subject: String,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

pub(crate) struct Change<'a> {
    pub actor: &'a str,
    pub action: &'static str,
    pub subject: &'a str,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

/// In the transaction of the change, as its last statement: writers of the trail wait for each other from here on.
pub(crate) async fn write(
    transaction: &DatabaseTransaction,
    merchant: MerchantId,
    change: Change<'_>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let entry = NewAuditEntry {
        merchant: Some(merchant),
        actor: change.actor.to_owned(),
        action: change.action.to_owned(),
        subject: change.subject.to_owned(),
        before: change.before,
        after: change.after,
    };
    append(transaction, entry, now).await
}

pub(crate) async fn append(
    transaction: &DatabaseTransaction,
    entry: NewAuditEntry,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let origin = Origin::current();
    let number = next_number(transaction).await?;
    let before = hash_of(transaction, number - 1).await?;
    let mut row = audit::Model {
        id: AuditId::generate().to_string(),
        merchant_id: entry.merchant.map(|merchant| merchant.to_string()),
        actor: entry.actor,
        action: entry.action,
        subject: entry.subject,
        before: entry.before,
        after: entry.after,
        address: origin.as_ref().map(|origin| origin.address.clone()),
        request_id: origin.map(|origin| origin.request_id),
        number: Some(number),
        hash: None,
        // As exact as both databases keep it.
        created_at: now.trunc_subsecs(6),
    };
    row.hash = Some(chain::hash(&row, before.as_deref()));
    let row = audit::ActiveModel {
        id: Set(row.id),
        merchant_id: Set(row.merchant_id),
        actor: Set(row.actor),
        action: Set(row.action),
        subject: Set(row.subject),
        before: Set(row.before),
        after: Set(row.after),
        address: Set(row.address),
        request_id: Set(row.request_id),
        number: Set(row.number),
        hash: Set(row.hash),
        created_at: Set(row.created_at),
    };
    row.insert(transaction).await?;
    Ok(())
}

/// Holds the chain's end until the transaction is over.
async fn next_number(transaction: &DatabaseTransaction) -> Result<i64, StoreError> {
    let statement = Statement::from_string(
        transaction.get_database_backend(),
        "UPDATE counters SET value = value + 1 WHERE name = 'audit_number' RETURNING value",
    );
    let row = transaction.query_one_raw(statement).await?;
    Ok(row
        .ok_or(StoreError::NotFound("counter audit_number"))?
        .try_get_by_index(0)?)
}

async fn hash_of(transaction: &DatabaseTransaction, number: i64) -> Result<Option<String>, StoreError> {
    if number < 1 {
        return Ok(None);
    }
    let hash: Option<Option<String>> = audit::Entity::find()
        .filter(audit::Column::Number.eq(number))
        .select_only()
        .column(audit::Column::Hash)
        .into_tuple()
        .one(transaction)
        .await?;
    Ok(hash.flatten())
}

impl Store {
    /// An entry for a change that was made elsewhere.
    pub async fn add_audit(&self, entry: NewAuditEntry, now: DateTime<Utc>) -> Result<(), StoreError> {
        let transaction = self.writes.begin().await?;
        append(&transaction, entry, now).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Of one merchant, newest first.
    pub async fn audit(&self, merchant: MerchantId, cursor: &Cursor) -> Result<Page<AuditEntry>, StoreError> {
        let query = audit::Entity::find().filter(audit::Column::MerchantId.eq(merchant.to_string()));
        self.audit_page(query, cursor).await
    }

    /// Of the whole installation, newest first: for operators only.
    pub async fn audit_of_all(&self, cursor: &Cursor) -> Result<Page<AuditEntry>, StoreError> {
        self.audit_page(audit::Entity::find(), cursor).await
    }

    async fn audit_page(
        &self,
        query: sea_orm::Select<audit::Entity>,
        cursor: &Cursor,
    ) -> Result<Page<AuditEntry>, StoreError> {
        let mut query = query.order_by_desc(audit::Column::Id).limit(cursor.limit + 1);
        if let Some(after) = &cursor.after {
            query = query.filter(audit::Column::Id.lt(after));
        }
        Page::of(
            query.all(&self.reads).await?,
            cursor.limit,
            |row| row.id.clone(),
            AuditEntry::read,
        )
    }
}

impl AuditEntry {
    fn read(row: audit::Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: read_id(&row.id)?,
            merchant_id: row.merchant_id.as_deref().map(read_id).transpose()?,
            actor: row.actor,
            action: row.action,
            subject: row.subject,
            before: row.before,
            after: row.after,
            address: row.address,
            request_id: row.request_id,
            number: row.number,
            hash: row.hash,
            created_at: row.created_at,
        })
    }
}
