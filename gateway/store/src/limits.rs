//! How much traffic the operator allows, by merchant, connection and API key, and what a merchant allows itself below that.

use chrono::{DateTime, Utc};
use plugin_sdk::MerchantId;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, TransactionTrait};
use serde_json::{Value, json};

use crate::audit::{self, Change};
use crate::entities::limits;
use crate::merchants::touch_merchant;
use crate::{Store, StoreError};

/// What a limit is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LimitLevel {
    Merchant,
    Connection,
    ApiKey,
}

/// Limits that were set for one merchant, connection or key.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredLimits {
    pub level: LimitLevel,
    /// Id of the connection or key; the merchant's own for the merchant.
    pub subject: String,
    /// What the operator set.
    pub limits: Value,
    /// What the merchant allows itself; `None` when it never said.
    pub own: Option<Value>,
}

/// Who sets limits: they are kept apart, so that neither undoes the other's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitSetter {
    Operator,
    Merchant,
}

/// Whose limits change, and how the audit trail calls it.
#[derive(Debug, Clone, Copy)]
pub struct LimitSubject<'a> {
    pub level: LimitLevel,
    pub setter: LimitSetter,
    pub id: &'a str,
    /// `connection terminal` and the like.
    pub told_as: &'a str,
}

impl LimitLevel {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Merchant => "merchant",
            Self::Connection => "connection",
            Self::ApiKey => "api_key",
        }
    }

    fn read(text: &str) -> Result<Self, StoreError> {
        match text {
            "merchant" => Ok(Self::Merchant),
            "connection" => Ok(Self::Connection),
            "api_key" => Ok(Self::ApiKey),
            other => Err(StoreError::Corrupt(format!("level '{other}' of limits"))),
        }
    }
}

impl LimitSetter {
    const fn action(self) -> &'static str {
        match self {
            Self::Operator => "limits.set",
            Self::Merchant => "limits.lower",
        }
    }
}

impl Store {
    /// All limits that were set for the merchant and what belongs to it.
    pub async fn limits(&self, merchant: MerchantId) -> Result<Vec<StoredLimits>, StoreError> {
        of_merchant(&self.reads, merchant).await
    }

    /// Makes new limits of those that this setter set; all nodes take them over. Gives what `change` gave.
    pub async fn change_limits<E: From<StoreError>>(
        &self,
        merchant: MerchantId,
        subject: LimitSubject<'_>,
        actor: &str,
        now: DateTime<Utc>,
        change: impl FnOnce(Option<Value>) -> Result<Value, E> + Send,
    ) -> Result<Value, E> {
        let transaction = self.writes.begin().await.map_err(StoreError::from)?;
        // Takes the merchant's row, so that of two changes at once neither is lost.
        touch_merchant(&transaction, merchant).await?;
        let key = (
            merchant.to_string(),
            subject.level.as_str().to_owned(),
            subject.id.to_owned(),
        );
        let row = limits::Entity::find_by_id(key.clone()).one(&transaction).await;
        let (operators, own) = row
            .map_err(StoreError::from)?
            .map_or((None, None), |row| (Some(row.limits), row.own));
        let before = match subject.setter {
            LimitSetter::Operator => operators.clone(),
            LimitSetter::Merchant => own.clone(),
        };
        let after = change(before.clone())?;
        let (operators, own) = match subject.setter {
            LimitSetter::Operator => (after.clone(), own),
            LimitSetter::Merchant => (operators.unwrap_or_else(|| json!({})), Some(after.clone())),
        };
        let row = limits::ActiveModel {
            merchant_id: Set(key.0),
            level: Set(key.1),
            subject: Set(key.2),
            limits: Set(operators),
            updated_at: Set(now),
            own: Set(own),
        };
        let columns = [
            limits::Column::MerchantId,
            limits::Column::Level,
            limits::Column::Subject,
        ];
        let replace = OnConflict::columns(columns)
            .update_columns([limits::Column::Limits, limits::Column::Own, limits::Column::UpdatedAt])
            .to_owned();
        limits::Entity::insert(row)
            .on_conflict(replace)
            .exec_without_returning(&transaction)
            .await
            .map_err(StoreError::from)?;
        let entry = Change {
            actor,
            action: subject.setter.action(),
            subject: subject.told_as,
            before,
            after: Some(after.clone()),
        };
        audit::write(&transaction, merchant, entry, now).await?;
        transaction.commit().await.map_err(StoreError::from)?;
        Ok(after)
    }
}

pub(crate) async fn of_merchant(
    connection: &impl ConnectionTrait,
    merchant: MerchantId,
) -> Result<Vec<StoredLimits>, StoreError> {
    let rows = limits::Entity::find()
        .filter(limits::Column::MerchantId.eq(merchant.to_string()))
        .order_by_asc(limits::Column::Level)
        .order_by_asc(limits::Column::Subject)
        .all(connection)
        .await?;
    rows.into_iter()
        .map(|row| {
            Ok(StoredLimits {
                level: LimitLevel::read(&row.level)?,
                subject: row.subject,
                limits: row.limits,
                own: row.own,
            })
        })
        .collect()
}
