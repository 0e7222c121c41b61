use chrono::{DateTime, Utc};
use plugin_sdk::{CanaryId, MerchantId};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder,
    TransactionTrait, UpdateMany,
};
use serde_json::{Value, json};

use crate::audit::{self, Change};
use crate::bulk::{self, OnConflict};
use crate::entities::{deliveries, events, rule_canaries};
use crate::merchants::{published_rules, read_id, touch_merchant};
use crate::rules::{self, Publication, insert_revision, set_published};
use crate::{NewEvent, NewRevision, RuleRevision, Store, StoreError};

const SUBJECT: &str = "rules";

/// A revision that decides for a part of the accounts.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleCanary {
    pub id: CanaryId,
    pub merchant_id: MerchantId,
    pub revision: i32,
    /// Of the accounts, in hundredths of a percent.
    pub share_bp: u32,
    /// When it is withdrawn, in the caller's words.
    pub bounds: Value,
    pub status: CanaryStatus,
    /// What all nodes counted, in the caller's words.
    pub counts: Value,
    /// Why it ended, unless somebody ended it.
    pub reason: Option<Value>,
    pub author: String,
    pub created_at: DateTime<Utc>,
    /// When something was counted or changed last.
    pub updated_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CanaryStatus {
    Running,
    /// By a person, or because another revision was published.
    Stopped,
    /// It was published.
    Promoted,
    /// By the gateway: it left its bounds.
    Withdrawn,
}

#[derive(Debug, Clone)]
pub struct NewCanary {
    pub of: CanaryOf,
    pub share_bp: u32,
    pub bounds: Value,
    pub counts: Value,
    pub author: String,
}

/// What a canary is made of.
#[derive(Debug, Clone)]
pub enum CanaryOf {
    Revision(i32),
    /// Becomes the next revision, which is not published.
    New(NewRevision),
}

impl CanaryStatus {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Promoted => "promoted",
            Self::Withdrawn => "withdrawn",
        }
    }

    fn read(text: &str) -> Result<Self, StoreError> {
        match text {
            "running" => Ok(Self::Running),
            "stopped" => Ok(Self::Stopped),
            "promoted" => Ok(Self::Promoted),
            "withdrawn" => Ok(Self::Withdrawn),
            other => Err(StoreError::Corrupt(format!("canary status '{other}'"))),
        }
    }
}

impl Store {
    /// Starts a canary beside the published revision; a draft becomes a revision in the same transaction.
    pub async fn start_canary(
        &self,
        merchant: MerchantId,
        new: NewCanary,
        now: DateTime<Utc>,
    ) -> Result<RuleCanary, StoreError> {
        let transaction = self.writes.begin().await?;
        touch_merchant(&transaction, merchant).await?;
        if published_rules(&transaction, merchant).await?.is_none() {
            return Err(StoreError::NotFound("a published revision"));
        }
        let revision = match new.of {
            CanaryOf::Revision(number) => rules::revision(&transaction, merchant, number).await?.number,
            CanaryOf::New(new) => insert_revision(&transaction, merchant, new, now).await?.number,
        };
        let row = rule_canaries::ActiveModel {
            id: Set(CanaryId::generate().to_string()),
            merchant_id: Set(merchant.to_string()),
            revision: Set(revision),
            share_bp: Set(bp(new.share_bp)),
            bounds: Set(new.bounds),
            status: Set(CanaryStatus::Running.as_str().to_owned()),
            counts: Set(new.counts),
            reason: Set(None),
            author: Set(new.author),
            created_at: Set(now),
            updated_at: Set(now),
        };
        let row = row.insert(&transaction).await;
        let row = row.map_err(|error| StoreError::or_exists(error, "a running canary of this merchant"))?;
        let started = RuleCanary::read(row)?;
        let change = change(&started.author, "rules.canary_start", None, Some(&started));
        audit::write(&transaction, merchant, change, now).await?;
        transaction.commit().await?;
        Ok(started)
    }

    /// Gives the running canary another share and other bounds; what was counted stays.
    pub async fn change_canary(
        &self,
        merchant: MerchantId,
        share_bp: u32,
        bounds: Value,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<RuleCanary, StoreError> {
        let transaction = self.writes.begin().await?;
        touch_merchant(&transaction, merchant).await?;
        let before = running_or_not_found(&transaction, merchant).await?;
        update_running(merchant, before.id)
            .col_expr(rule_canaries::Column::ShareBp, Expr::value(bp(share_bp)))
            .col_expr(rule_canaries::Column::Bounds, Expr::value(bounds))
            .col_expr(rule_canaries::Column::UpdatedAt, Expr::value(now))
            .exec(&transaction)
            .await?;
        let after = running_or_not_found(&transaction, merchant).await?;
        let change = change(actor, "rules.canary_change", Some(&before), Some(&after));
        audit::write(&transaction, merchant, change, now).await?;
        transaction.commit().await?;
        Ok(after)
    }

    /// Ends the running canary: all accounts go back to the published revision.
    pub async fn stop_canary(&self, merchant: MerchantId, actor: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
        let transaction = self.writes.begin().await?;
        touch_merchant(&transaction, merchant).await?;
        let running = running_or_not_found(&transaction, merchant).await?;
        end(&transaction, &running, CanaryStatus::Stopped, None, now).await?;
        let change = change(actor, "rules.canary_stop", Some(&running), None);
        audit::write(&transaction, merchant, change, now).await?;
        Ok(transaction.commit().await?)
    }

    /// Publishes the running canary's revision for all accounts.
    pub async fn promote_canary(
        &self,
        merchant: MerchantId,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<RuleCanary, StoreError> {
        let transaction = self.writes.begin().await?;
        touch_merchant(&transaction, merchant).await?;
        let running = running_or_not_found(&transaction, merchant).await?;
        end(&transaction, &running, CanaryStatus::Promoted, None, now).await?;
        let publication = Publication {
            action: "rules.canary_promote",
            actor,
            number: Some(running.revision),
        };
        set_published(&transaction, merchant, publication, now).await?;
        transaction.commit().await?;
        Ok(RuleCanary {
            status: CanaryStatus::Promoted,
            ..running
        })
    }

    /// Adds what a node counted, and gives the canary with all of it; `None` when it does not run any more.
    pub async fn add_to_canary(
        &self,
        merchant: MerchantId,
        id: CanaryId,
        merge: impl FnOnce(Value) -> Result<Value, StoreError> + Send,
        now: DateTime<Utc>,
    ) -> Result<Option<RuleCanary>, StoreError> {
        let transaction = self.writes.begin().await?;
        // Takes the row: nodes add one after the other.
        let taken = update_running(merchant, id)
            .col_expr(rule_canaries::Column::UpdatedAt, Expr::value(now))
            .exec(&transaction)
            .await?;
        if taken.rows_affected == 0 {
            return Ok(None);
        }
        let mut canary = running_or_not_found(&transaction, merchant).await?;
        canary.counts = merge(canary.counts)?;
        update_running(merchant, id)
            .col_expr(rule_canaries::Column::Counts, Expr::value(canary.counts.clone()))
            .exec(&transaction)
            .await?;
        transaction.commit().await?;
        Ok(Some(canary))
    }

    /// Withdraws the canary, with its event. `false` when it ended already: of several nodes one does it.
    pub async fn withdraw_canary(
        &self,
        merchant: MerchantId,
        id: CanaryId,
        reason: Value,
        event: NewEvent,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let transaction = self.writes.begin().await?;
        touch_merchant(&transaction, merchant).await?;
        let Some(running) = running(&transaction, merchant).await?.filter(|canary| canary.id == id) else {
            return Ok(false);
        };
        end(
            &transaction,
            &running,
            CanaryStatus::Withdrawn,
            Some(reason.clone()),
            now,
        )
        .await?;
        let change = Change {
            after: Some(reason),
            ..change("gateway", "rules.canary_withdraw", Some(&running), None)
        };
        audit::write(&transaction, merchant, change, now).await?;
        let (event, deliveries) = event.rows();
        bulk::insert::<events::Entity, _>(&transaction, &[event], OnConflict::Fail, None).await?;
        bulk::insert::<deliveries::Entity, _>(&transaction, &deliveries, OnConflict::Fail, None).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// The canary that runs, or ran last.
    pub async fn canary(&self, merchant: MerchantId) -> Result<Option<RuleCanary>, StoreError> {
        let row = rule_canaries::Entity::find()
            .filter(rule_canaries::Column::MerchantId.eq(merchant.to_string()))
            .order_by_desc(rule_canaries::Column::Id)
            .one(&self.reads)
            .await?;
        row.map(RuleCanary::read).transpose()
    }
}

/// The canary that decides for a part of the merchant's accounts, with its revision.
pub(crate) async fn in_service(
    connection: &impl ConnectionTrait,
    merchant: MerchantId,
) -> Result<Option<(RuleCanary, RuleRevision)>, StoreError> {
    let Some(canary) = running(connection, merchant).await? else {
        return Ok(None);
    };
    let revision = rules::revision(connection, merchant, canary.revision).await?;
    Ok(Some((canary, revision)))
}

/// Whatever is put into service, the canary beside it was compared with something else.
pub(crate) async fn end_for_publication(
    transaction: &DatabaseTransaction,
    merchant: MerchantId,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let Some(running) = running(transaction, merchant).await? else {
        return Ok(());
    };
    let reason = json!({ "because": "the published revision changed" });
    end(transaction, &running, CanaryStatus::Stopped, Some(reason.clone()), now).await?;
    let change = Change {
        after: Some(reason),
        ..change(actor, "rules.canary_stop", Some(&running), None)
    };
    audit::write(transaction, merchant, change, now).await
}

async fn running(connection: &impl ConnectionTrait, merchant: MerchantId) -> Result<Option<RuleCanary>, StoreError> {
    let row = rule_canaries::Entity::find()
        .filter(rule_canaries::Column::MerchantId.eq(merchant.to_string()))
        .filter(rule_canaries::Column::Status.eq(CanaryStatus::Running.as_str()))
        .one(connection)
        .await?;
    row.map(RuleCanary::read).transpose()
}

async fn running_or_not_found(
    transaction: &DatabaseTransaction,
    merchant: MerchantId,
) -> Result<RuleCanary, StoreError> {
    running(transaction, merchant)
        .await?
        .ok_or(StoreError::NotFound("a running canary"))
}

fn update_running(merchant: MerchantId, id: CanaryId) -> UpdateMany<rule_canaries::Entity> {
    rule_canaries::Entity::update_many()
        .filter(rule_canaries::Column::Id.eq(id.to_string()))
        .filter(rule_canaries::Column::MerchantId.eq(merchant.to_string()))
        .filter(rule_canaries::Column::Status.eq(CanaryStatus::Running.as_str()))
}

async fn end(
    transaction: &DatabaseTransaction,
    canary: &RuleCanary,
    status: CanaryStatus,
    reason: Option<Value>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    update_running(canary.merchant_id, canary.id)
        .col_expr(rule_canaries::Column::Status, Expr::value(status.as_str()))
        .col_expr(rule_canaries::Column::Reason, Expr::value(reason))
        .col_expr(rule_canaries::Column::UpdatedAt, Expr::value(now))
        .exec(transaction)
        .await?;
    Ok(())
}

fn change<'a>(
    actor: &'a str,
    action: &'static str,
    before: Option<&RuleCanary>,
    after: Option<&RuleCanary>,
) -> Change<'a> {
    let told = |canary: &RuleCanary| {
        json!({
            "canary": canary.id, "revision": canary.revision, "share_bp": canary.share_bp, "bounds": canary.bounds,
        })
    };
    Change {
        actor,
        action,
        subject: SUBJECT,
        before: before.map(told),
        after: after.map(told),
    }
}

fn bp(share: u32) -> i32 {
    i32::try_from(share).unwrap_or(i32::MAX)
}

impl RuleCanary {
    fn read(row: rule_canaries::Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: read_id(&row.id)?,
            merchant_id: read_id(&row.merchant_id)?,
            revision: row.revision,
            share_bp: u32::try_from(row.share_bp).unwrap_or(0),
            bounds: row.bounds,
            status: CanaryStatus::read(&row.status)?,
            counts: row.counts,
            reason: row.reason,
            author: row.author,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}
