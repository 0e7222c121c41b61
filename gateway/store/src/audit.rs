use chrono::{DateTime, Utc};
use plugin_sdk::{AuditId, MerchantId};
use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::Value;

use crate::entities::audit;
use crate::merchants::read_id;
use crate::{Cursor, Page, Store, StoreError};

/// Who changed what. Written in the transaction of the change, and never changed.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    pub id: AuditId,
    pub actor: String,
    /// `rules.publish` and the like.
    pub action: String,
    /// What was changed: `rules`.
    pub subject: String,
    pub before: Option<Value>,
    pub after: Option<Value>,
    pub created_at: DateTime<Utc>,
}

pub(crate) struct Change<'a> {
    pub actor: &'a str,
    pub action: &'static str,
    pub subject: &'a str,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

pub(crate) async fn write(
    transaction: &DatabaseTransaction,
    merchant: MerchantId,
    change: Change<'_>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let row = audit::ActiveModel {
        id: Set(AuditId::generate().to_string()),
        merchant_id: Set(merchant.to_string()),
        actor: Set(change.actor.to_owned()),
        action: Set(change.action.to_owned()),
        subject: Set(change.subject.to_owned()),
        before: Set(change.before),
        after: Set(change.after),
        created_at: Set(now),
    };
    row.insert(transaction).await?;
    Ok(())
}

impl Store {
    /// Newest first.
    pub async fn audit(&self, merchant: MerchantId, cursor: &Cursor) -> Result<Page<AuditEntry>, StoreError> {
        let mut query = audit::Entity::find()
            .filter(audit::Column::MerchantId.eq(merchant.to_string()))
            .order_by_desc(audit::Column::Id)
            .limit(cursor.limit + 1);
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
            actor: row.actor,
            action: row.action,
            subject: row.subject,
            before: row.before,
            after: row.after,
            created_at: row.created_at,
        })
    }
}
