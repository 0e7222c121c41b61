use chrono::{DateTime, Utc};
use plugin_sdk::MerchantId;
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    TransactionTrait,
};
use serde_json::json;

use crate::audit::{self, Change};
use crate::entities::rule_secrets;
use crate::merchants::touch_merchant;
use crate::{Store, StoreError};

/// Secrets of one merchant.
pub const RULE_SECRETS_MAX: u64 = 32;
const SUBJECT: &str = "rule_secret";

/// How a secret stands in its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleSecretForm {
    /// `Bearer …`
    Bearer,
    /// `Basic …`, of a login and a password.
    Basic,
    /// As it is.
    Plain,
}

impl RuleSecretForm {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "bearer",
            Self::Basic => "basic",
            Self::Plain => "plain",
        }
    }

    fn read(text: &str) -> Result<Self, StoreError> {
        match text {
            "bearer" => Ok(Self::Bearer),
            "basic" => Ok(Self::Basic),
            "plain" => Ok(Self::Plain),
            other => Err(StoreError::Corrupt(format!("form of a secret '{other}'"))),
        }
    }
}

/// A merchant's secret that rules name. The value is sealed, and bound to merchant and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSecret {
    pub name: String,
    /// Name of the header, in lower case.
    pub header: String,
    pub form: RuleSecretForm,
    /// Where it may be sent.
    pub hosts: Vec<String>,
    pub value_sealed: String,
    pub created_at: DateTime<Utc>,
    pub changed_at: DateTime<Utc>,
}

#[derive(Debug, Clone)]
pub struct NewRuleSecret {
    pub name: String,
    pub header: String,
    pub form: RuleSecretForm,
    pub hosts: Vec<String>,
    pub value_sealed: String,
}

impl Store {
    /// By name.
    pub async fn rule_secrets(&self, merchant: MerchantId) -> Result<Vec<RuleSecret>, StoreError> {
        of_merchant(&self.reads, merchant).await
    }

    /// Makes a secret, or replaces all of it; all nodes take it over. `None` when the merchant has too many.
    pub async fn set_rule_secret(
        &self,
        merchant: MerchantId,
        new: NewRuleSecret,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<RuleSecret>, StoreError> {
        let transaction = self.writes.begin().await?;
        touch_merchant(&transaction, merchant).await?;
        let before = find(&transaction, merchant, &new.name).await?;
        if before.is_none() {
            let all = rule_secrets::Entity::find().filter(rule_secrets::Column::MerchantId.eq(merchant.to_string()));
            if all.count(&transaction).await? >= RULE_SECRETS_MAX {
                return Ok(None);
            }
        }
        let row = rule_secrets::ActiveModel {
            merchant_id: Set(merchant.to_string()),
            name: Set(new.name),
            header: Set(new.header),
            form: Set(new.form.as_str().to_owned()),
            hosts: Set(json!(new.hosts)),
            value_sealed: Set(new.value_sealed),
            created_at: Set(before.as_ref().map_or(now, |before| before.created_at)),
            changed_at: Set(now),
        };
        let row = match &before {
            Some(_) => row.update(&transaction).await?,
            None => row.insert(&transaction).await?,
        };
        let change = Change {
            actor,
            action: "rule_secret.set",
            subject: SUBJECT,
            before: before.as_ref().map(told),
            after: Some(told(&row)),
        };
        audit::write(&transaction, merchant, change, now).await?;
        transaction.commit().await?;
        RuleSecret::read(row).map(Some)
    }

    pub async fn remove_rule_secret(
        &self,
        merchant: MerchantId,
        name: &str,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let transaction = self.writes.begin().await?;
        touch_merchant(&transaction, merchant).await?;
        let before = find(&transaction, merchant, name).await?;
        let before = before.ok_or(StoreError::NotFound("this secret"))?;
        rule_secrets::Entity::delete_by_id((merchant.to_string(), name.to_owned()))
            .exec(&transaction)
            .await?;
        let change = Change {
            actor,
            action: "rule_secret.remove",
            subject: SUBJECT,
            before: Some(told(&before)),
            after: None,
        };
        audit::write(&transaction, merchant, change, now).await?;
        Ok(transaction.commit().await?)
    }
}

pub(crate) async fn of_merchant(
    connection: &impl ConnectionTrait,
    merchant: MerchantId,
) -> Result<Vec<RuleSecret>, StoreError> {
    let rows = rule_secrets::Entity::find()
        .filter(rule_secrets::Column::MerchantId.eq(merchant.to_string()))
        .order_by_asc(rule_secrets::Column::Name)
        .all(connection)
        .await?;
    rows.into_iter().map(RuleSecret::read).collect()
}

async fn find(
    connection: &impl ConnectionTrait,
    merchant: MerchantId,
    name: &str,
) -> Result<Option<rule_secrets::Model>, StoreError> {
    let id = (merchant.to_string(), name.to_owned());
    Ok(rule_secrets::Entity::find_by_id(id).one(connection).await?)
}

/// What the audit trail keeps of a secret: everything but the secret.
fn told(row: &rule_secrets::Model) -> serde_json::Value {
    json!({ "name": row.name, "header": row.header, "form": row.form, "hosts": row.hosts })
}

impl RuleSecret {
    fn read(row: rule_secrets::Model) -> Result<Self, StoreError> {
        let hosts = serde_json::from_value(row.hosts);
        Ok(Self {
            hosts: hosts.map_err(|error| StoreError::Corrupt(format!("hosts of a secret: {error}")))?,
            form: RuleSecretForm::read(&row.form)?,
            name: row.name,
            header: row.header,
            value_sealed: row.value_sealed,
            created_at: row.created_at,
            changed_at: row.changed_at,
        })
    }
}
