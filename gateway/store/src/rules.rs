use chrono::{DateTime, Utc};
use plugin_sdk::MerchantId;
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, TransactionTrait,
};

use crate::entities::{merchants, rule_revisions};
use crate::merchants::{read_id, touch_merchant};
use crate::{Store, StoreError};

/// One version of a merchant's script. Never changed once written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleRevision {
    pub merchant_id: MerchantId,
    /// Counts from 1 within the merchant.
    pub number: i32,
    pub source: String,
    pub message: String,
    pub author: String,
    pub created_at: DateTime<Utc>,
}

#[derive(Debug, Clone)]
pub struct NewRevision {
    pub source: String,
    pub message: String,
    pub author: String,
}

impl Store {
    /// Stores the script as the next revision and publishes it, in one transaction.
    pub async fn publish_rules(
        &self,
        merchant: MerchantId,
        new: NewRevision,
        now: DateTime<Utc>,
    ) -> Result<RuleRevision, StoreError> {
        let transaction = self.writes.begin().await?;
        // Takes the merchant's row, so that two publishers get two numbers.
        touch_merchant(&transaction, merchant).await?;
        let newest: Option<i32> = rule_revisions::Entity::find()
            .select_only()
            .column(rule_revisions::Column::Number)
            .filter(rule_revisions::Column::MerchantId.eq(merchant.to_string()))
            .order_by_desc(rule_revisions::Column::Number)
            .into_tuple()
            .one(&transaction)
            .await?;
        let row = rule_revisions::ActiveModel {
            merchant_id: Set(merchant.to_string()),
            number: Set(newest.unwrap_or(0) + 1),
            source: Set(new.source),
            message: Set(new.message),
            author: Set(new.author),
            created_at: Set(now),
        };
        let row = row.insert(&transaction).await?;
        set_published(&transaction, merchant, Some(row.number)).await?;
        transaction.commit().await?;
        RuleRevision::read(row)
    }

    /// Takes the merchant's rules out of service; the revisions stay.
    pub async fn unpublish_rules(&self, merchant: MerchantId) -> Result<(), StoreError> {
        let transaction = self.writes.begin().await?;
        touch_merchant(&transaction, merchant).await?;
        set_published(&transaction, merchant, None).await?;
        Ok(transaction.commit().await?)
    }

    pub async fn rule_revision(&self, merchant: MerchantId, number: i32) -> Result<RuleRevision, StoreError> {
        revision(&self.reads, merchant, number).await
    }
}

async fn set_published(
    connection: &impl ConnectionTrait,
    merchant: MerchantId,
    number: Option<i32>,
) -> Result<(), StoreError> {
    merchants::Entity::update_many()
        .col_expr(
            merchants::Column::PublishedRules,
            sea_orm::sea_query::Expr::value(number),
        )
        .filter(merchants::Column::Id.eq(merchant.to_string()))
        .exec(connection)
        .await?;
    Ok(())
}

pub(crate) async fn revision(
    connection: &impl ConnectionTrait,
    merchant: MerchantId,
    number: i32,
) -> Result<RuleRevision, StoreError> {
    let row = rule_revisions::Entity::find_by_id((merchant.to_string(), number))
        .one(connection)
        .await?;
    RuleRevision::read(row.ok_or(StoreError::NotFound("this rule revision"))?)
}

impl RuleRevision {
    fn read(row: rule_revisions::Model) -> Result<Self, StoreError> {
        Ok(Self {
            merchant_id: read_id(&row.merchant_id)?,
            number: row.number,
            source: row.source,
            message: row.message,
            author: row.author,
            created_at: row.created_at,
        })
    }
}
