use chrono::{DateTime, Utc};
use plugin_sdk::MerchantId;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ConnectionTrait, DatabaseTransaction, EntityTrait, TransactionTrait};
use serde_json::Value;

use crate::audit::{self, Change};
use crate::entities::rule_settings;
use crate::merchants::touch_merchant;
use crate::{Store, StoreError};

impl Store {
    /// What the merchant's rules run under, as it was last set; `None` when it never was.
    pub async fn rule_settings(&self, merchant: MerchantId) -> Result<Option<Value>, StoreError> {
        of_merchant(&self.reads, merchant).await
    }

    /// Makes new settings of those that are; all nodes take them over. Gives what `change` gave.
    pub async fn change_rule_settings<E: From<StoreError>>(
        &self,
        merchant: MerchantId,
        actor: &str,
        now: DateTime<Utc>,
        change: impl FnOnce(Option<Value>) -> Result<Value, E> + Send,
    ) -> Result<Value, E> {
        let transaction = self.writes.begin().await.map_err(StoreError::from)?;
        // Takes the merchant's row, so that of two changes at once neither is lost.
        touch_merchant(&transaction, merchant).await?;
        let before = of_merchant(&transaction, merchant).await?;
        let after = change(before.clone())?;
        replace(&transaction, merchant, after.clone(), now).await?;
        let entry = Change {
            actor,
            action: "rules.settings",
            subject: "rules",
            before,
            after: Some(after.clone()),
        };
        audit::write(&transaction, merchant, entry, now).await?;
        transaction.commit().await.map_err(StoreError::from)?;
        Ok(after)
    }
}

async fn replace(
    transaction: &DatabaseTransaction,
    merchant: MerchantId,
    settings: Value,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
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
        .exec_without_returning(transaction)
        .await?;
    Ok(())
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
