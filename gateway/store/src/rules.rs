use chrono::{DateTime, Utc};
use plugin_sdk::MerchantId;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, ExprTrait, QueryFilter,
    QueryOrder, QuerySelect, TransactionTrait,
};
use serde_json::{Value, json};

use crate::audit::{self, Change};
use crate::canaries;
use crate::entities::{merchants, rule_drafts, rule_revisions, rule_troubles};
use crate::merchants::{published_rules, read_id, touch_merchant};
use crate::{Cursor, Page, Store, StoreError};

const RULES: &str = "rules";

/// One version of a merchant's script. Never changed once written.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleRevision {
    pub merchant_id: MerchantId,
    /// Counts from 1 within the merchant.
    pub number: i32,
    pub source: String,
    pub message: String,
    pub author: String,
    /// What the checks and tests said when it was published; `None` for revisions from before there were any.
    pub checks: Option<Value>,
    pub created_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Default)]
pub struct NewRevision {
    pub source: String,
    pub message: String,
    pub author: String,
    pub checks: Option<Value>,
    /// The draft of this version becomes the revision, and is gone.
    pub draft_version: Option<i64>,
}

/// What a merchant works on. It never runs on traffic.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleDraft {
    /// Counts saves.
    pub version: i64,
    pub source: String,
    pub message: String,
    pub author: String,
    pub checks: Value,
    pub updated_at: DateTime<Utc>,
}

#[derive(Debug, Clone)]
pub struct NewDraft {
    pub source: String,
    pub message: String,
    pub author: String,
    pub checks: Value,
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
        let revision = insert_revision(&transaction, merchant, new, now).await?;
        let publication = Publication {
            action: "rules.publish",
            actor: &revision.author,
            number: Some(revision.number),
        };
        set_published(&transaction, merchant, publication, now).await?;
        transaction.commit().await?;
        Ok(revision)
    }

    /// Puts an older revision into service once more. Its trouble of before is forgotten.
    pub async fn roll_back_rules(
        &self,
        merchant: MerchantId,
        number: i32,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<RuleRevision, StoreError> {
        let transaction = self.writes.begin().await?;
        touch_merchant(&transaction, merchant).await?;
        let revision = revision(&transaction, merchant, number).await?;
        rule_troubles::Entity::delete_by_id((merchant.to_string(), number))
            .exec(&transaction)
            .await?;
        let publication = Publication {
            action: "rules.rollback",
            actor,
            number: Some(number),
        };
        set_published(&transaction, merchant, publication, now).await?;
        transaction.commit().await?;
        Ok(revision)
    }

    /// Takes the merchant's rules out of service; the revisions stay.
    pub async fn unpublish_rules(
        &self,
        merchant: MerchantId,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let transaction = self.writes.begin().await?;
        touch_merchant(&transaction, merchant).await?;
        let publication = Publication {
            action: "rules.unpublish",
            actor,
            number: None,
        };
        set_published(&transaction, merchant, publication, now).await?;
        Ok(transaction.commit().await?)
    }

    pub async fn rule_revision(&self, merchant: MerchantId, number: i32) -> Result<RuleRevision, StoreError> {
        revision(&self.reads, merchant, number).await
    }

    /// The newest revision before this one.
    pub async fn rule_revision_before(
        &self,
        merchant: MerchantId,
        number: i32,
    ) -> Result<Option<RuleRevision>, StoreError> {
        let row = rule_revisions::Entity::find()
            .filter(rule_revisions::Column::MerchantId.eq(merchant.to_string()))
            .filter(rule_revisions::Column::Number.lt(number))
            .order_by_desc(rule_revisions::Column::Number)
            .one(&self.reads)
            .await?;
        row.map(RuleRevision::read).transpose()
    }

    /// Newest first.
    pub async fn rule_revisions(
        &self,
        merchant: MerchantId,
        cursor: &Cursor,
    ) -> Result<Page<RuleRevision>, StoreError> {
        let mut query = rule_revisions::Entity::find()
            .filter(rule_revisions::Column::MerchantId.eq(merchant.to_string()))
            .order_by_desc(rule_revisions::Column::Number)
            .limit(cursor.limit + 1);
        if let Some(after) = cursor.after.as_deref().and_then(|after| after.parse::<i32>().ok()) {
            query = query.filter(rule_revisions::Column::Number.lt(after));
        }
        Page::of(
            query.all(&self.reads).await?,
            cursor.limit,
            |row| row.number.to_string(),
            RuleRevision::read,
        )
    }

    /// Saves the merchant's one draft over what it was.
    pub async fn save_rule_draft(
        &self,
        merchant: MerchantId,
        new: NewDraft,
        now: DateTime<Utc>,
    ) -> Result<RuleDraft, StoreError> {
        let transaction = self.writes.begin().await?;
        // Takes the merchant's row, so that two savers get two versions; nodes may shadow the draft.
        touch_merchant(&transaction, merchant).await?;
        let before = draft(&transaction, merchant).await?;
        let row = rule_drafts::ActiveModel {
            merchant_id: Set(merchant.to_string()),
            version: Set(1),
            source: Set(new.source),
            message: Set(new.message),
            author: Set(new.author),
            checks: Set(new.checks),
            updated_at: Set(now),
        };
        use rule_drafts::Column;
        let replace = OnConflict::column(Column::MerchantId)
            .update_columns([
                Column::Source,
                Column::Message,
                Column::Author,
                Column::Checks,
                Column::UpdatedAt,
            ])
            .value(
                Column::Version,
                Expr::col((rule_drafts::Entity, Column::Version)).add(1),
            )
            .to_owned();
        rule_drafts::Entity::insert(row)
            .on_conflict(replace)
            .exec_without_returning(&transaction)
            .await?;
        let saved = draft(&transaction, merchant).await?;
        let saved = saved.ok_or(StoreError::NotFound("this draft"))?;
        let change = Change {
            actor: &saved.author,
            action: "rules.draft_save",
            subject: RULES,
            before: before.as_ref().map(told),
            after: Some(told(&saved)),
        };
        audit::write(&transaction, merchant, change, now).await?;
        transaction.commit().await?;
        Ok(saved)
    }

    pub async fn rule_draft(&self, merchant: MerchantId) -> Result<Option<RuleDraft>, StoreError> {
        draft(&self.reads, merchant).await
    }

    /// Throws the draft away.
    pub async fn delete_rule_draft(
        &self,
        merchant: MerchantId,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let transaction = self.writes.begin().await?;
        touch_merchant(&transaction, merchant).await?;
        let Some(before) = draft(&transaction, merchant).await? else {
            return Ok(());
        };
        rule_drafts::Entity::delete_by_id(merchant.to_string())
            .exec(&transaction)
            .await?;
        let change = Change {
            actor,
            action: "rules.draft_delete",
            subject: RULES,
            before: Some(told(&before)),
            after: None,
        };
        audit::write(&transaction, merchant, change, now).await?;
        Ok(transaction.commit().await?)
    }
}

/// A draft as the audit trail names it: its text is nobody's to keep.
fn told(draft: &RuleDraft) -> Value {
    json!({ "draft": draft.version, "message": draft.message })
}

/// Stores a script as the merchant's next revision. The caller has taken the merchant's row.
pub(crate) async fn insert_revision(
    transaction: &DatabaseTransaction,
    merchant: MerchantId,
    new: NewRevision,
    now: DateTime<Utc>,
) -> Result<RuleRevision, StoreError> {
    if let Some(version) = new.draft_version {
        take_draft(transaction, merchant, version).await?;
    }
    let newest: Option<i32> = rule_revisions::Entity::find()
        .select_only()
        .column(rule_revisions::Column::Number)
        .filter(rule_revisions::Column::MerchantId.eq(merchant.to_string()))
        .order_by_desc(rule_revisions::Column::Number)
        .into_tuple()
        .one(transaction)
        .await?;
    let row = rule_revisions::ActiveModel {
        merchant_id: Set(merchant.to_string()),
        number: Set(newest.unwrap_or(0) + 1),
        source: Set(new.source),
        message: Set(new.message),
        author: Set(new.author),
        checks: Set(new.checks),
        created_at: Set(now),
    };
    RuleRevision::read(row.insert(transaction).await?)
}

pub(crate) struct Publication<'a> {
    pub action: &'static str,
    pub actor: &'a str,
    pub number: Option<i32>,
}

/// Puts a revision into service, or none. A canary ends with it: what it was compared with is gone.
pub(crate) async fn set_published(
    transaction: &DatabaseTransaction,
    merchant: MerchantId,
    publication: Publication<'_>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let before = published_rules(transaction, merchant).await?;
    canaries::end_for_publication(transaction, merchant, publication.actor, now).await?;
    merchants::Entity::update_many()
        .col_expr(merchants::Column::PublishedRules, Expr::value(publication.number))
        .filter(merchants::Column::Id.eq(merchant.to_string()))
        .exec(transaction)
        .await?;
    let revision = |number: Option<i32>| number.map(|number| json!({ "revision": number }));
    let change = Change {
        actor: publication.actor,
        action: publication.action,
        subject: RULES,
        before: revision(before),
        after: revision(publication.number),
    };
    audit::write(transaction, merchant, change, now).await
}

/// Fails when the draft was saved again since it was looked at.
async fn take_draft(transaction: &DatabaseTransaction, merchant: MerchantId, version: i64) -> Result<(), StoreError> {
    let taken = rule_drafts::Entity::delete_by_id(merchant.to_string())
        .filter(rule_drafts::Column::Version.eq(version))
        .exec(transaction)
        .await?;
    if taken.rows_affected == 0 {
        return Err(StoreError::NotFound("this version of the draft"));
    }
    Ok(())
}

async fn draft(connection: &impl ConnectionTrait, merchant: MerchantId) -> Result<Option<RuleDraft>, StoreError> {
    let row = rule_drafts::Entity::find_by_id(merchant.to_string())
        .one(connection)
        .await?;
    Ok(row.map(|row| RuleDraft {
        version: row.version,
        source: row.source,
        message: row.message,
        author: row.author,
        checks: row.checks,
        updated_at: row.updated_at,
    }))
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
            checks: row.checks,
            created_at: row.created_at,
        })
    }
}
