use chrono::{DateTime, Utc};
use plugin_sdk::MerchantId;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ConnectionTrait, EntityTrait, TransactionTrait};
use serde_json::Value;

use crate::entities::rule_settings;
use crate::merchants::touch_merchant;
use crate::{Store, StoreError};

impl Store {
    /// What the merchant's rules run under, as it was last set; `None` when it never was.
    pub async fn rule_settings(&self, merchant: MerchantId) -> Result<Option<Value>, StoreError> {
        of_merchant(&self.reads, merchant).await
    }

    /// Replaces the settings; all nodes take them over.
    pub async fn set_rule_settings(
        &self,
        merchant: MerchantId,
        settings: Value,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let transaction = self.writes.begin().await?;
        touch_merchant(&transaction, merchant).await?;
        let row = rule_settings::ActiveModel {
            merchant_id: Set(merchant.to_string()),
            settings: Set(settings),
            updated_at: Set(now),
        };
        let replace = OnConflict::column(rule_settings::Column::MerchantId)
            .update_columns([rule_settings::Column::Settings, rule_settings::Column::UpdatedAt])
            .to_owned();
        rule_settings::Entity::insert(row)
            .on_conflict(replace)
            .exec_without_returning(&transaction)
            .await?;
        Ok(transaction.commit().await?)
    }
}

pub(crate) async fn of_merchant(
    connection: &impl ConnectionTrait,
    merchant: MerchantId,
) -> Result<Option<Value>, StoreError> {
    let row = rule_settings::Entity::find_by_id(merchant.to_string())
        .one(connection)
        .await?;
    Ok(row.map(|row| row.settings))
}
