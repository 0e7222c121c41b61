use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use plugin_sdk::{MerchantId, ShadowId};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait, ExprTrait,
    QueryFilter, QueryOrder, QuerySelect, TransactionTrait,
};
use serde_json::{Value, json};

use crate::audit::{self, Change};
use crate::bigint::bigint;
use crate::entities::{rule_shadow_examples, rule_shadow_groups, rule_shadows};
use crate::merchants::{read_id, touch_merchant};
use crate::{Store, StoreError};

const SUBJECT: &str = "rules";
const RUNNING: &str = "running";
const STOPPED: &str = "stopped";
/// Kinds of changes that one shadow tells apart, over all nodes; scripts may name routes without end.
const GROUPS_MAX: usize = 100;
const OTHERS: &str = "other changes";
/// Examples that a kind of change has, over all nodes.
const EXAMPLES_MAX: usize = 20;

/// A script that decides live traffic beside the published revision, its answers never used. A merchant has one; when
/// it is stopped it stays to be read until the next one starts.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleShadow {
    pub id: ShadowId,
    pub merchant_id: MerchantId,
    /// What it was made of, in the caller's words.
    pub target: Value,
    /// The text as it was at the start; a draft may go on without it.
    pub source: String,
    pub author: String,
    pub running: bool,
    pub created_at: DateTime<Utc>,
    /// When something was counted last.
    pub updated_at: DateTime<Utc>,
}

#[derive(Debug, Clone)]
pub struct NewShadow {
    pub target: Value,
    pub source: String,
    pub author: String,
}

/// What shadows found: what one node adds, or all of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ShadowCounts {
    pub decided: u64,
    pub same: u64,
    pub changed: u64,
    pub not_comparable: u64,
    /// Decisions that were not looked at: too much waited, or the shadow's own allowance was used up.
    pub dropped: u64,
    pub groups: Vec<ShadowGroup>,
}

/// Changes of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct ShadowGroup {
    pub change: String,
    pub count: u64,
    /// Minor units by currency.
    pub amounts: BTreeMap<String, i64>,
    pub examples: Vec<Value>,
}

impl Store {
    /// Starts a shadow in the place of the one before, whose counts go.
    pub async fn start_shadow(
        &self,
        merchant: MerchantId,
        new: NewShadow,
        now: DateTime<Utc>,
    ) -> Result<RuleShadow, StoreError> {
        let transaction = self.writes.begin().await?;
        touch_merchant(&transaction, merchant).await?;
        let before = of_merchant(&transaction, merchant).await?;
        forget(&transaction, merchant).await?;
        let row = rule_shadows::ActiveModel {
            merchant_id: Set(merchant.to_string()),
            id: Set(ShadowId::generate().to_string()),
            target: Set(new.target),
            source: Set(new.source),
            author: Set(new.author),
            status: Set(RUNNING.to_owned()),
            decided: Set(0),
            same: Set(0),
            changed: Set(0),
            not_comparable: Set(0),
            dropped: Set(0),
            created_at: Set(now),
            updated_at: Set(now),
        };
        let started = RuleShadow::read(row.insert(&transaction).await?)?;
        let change = Change {
            actor: &started.author,
            action: "rules.shadow_start",
            subject: SUBJECT,
            before: before.filter(|before| before.running).map(|before| told(&before)),
            after: Some(told(&started)),
        };
        audit::write(&transaction, merchant, change, now).await?;
        transaction.commit().await?;
        Ok(started)
    }

    /// Stops the merchant's shadow; what it found stays.
    pub async fn stop_shadow(&self, merchant: MerchantId, actor: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
        let transaction = self.writes.begin().await?;
        touch_merchant(&transaction, merchant).await?;
        let running = of_merchant(&transaction, merchant).await?;
        let running = running
            .filter(|shadow| shadow.running)
            .ok_or(StoreError::NotFound("a running shadow"))?;
        rule_shadows::Entity::update_many()
            .col_expr(rule_shadows::Column::Status, Expr::value(STOPPED))
            .filter(rule_shadows::Column::MerchantId.eq(merchant.to_string()))
            .exec(&transaction)
            .await?;
        let change = Change {
            actor,
            action: "rules.shadow_stop",
            subject: SUBJECT,
            before: Some(told(&running)),
            after: None,
        };
        audit::write(&transaction, merchant, change, now).await?;
        Ok(transaction.commit().await?)
    }

    /// The merchant's newest shadow, with what all nodes found.
    pub async fn shadow(&self, merchant: MerchantId) -> Result<Option<(RuleShadow, ShadowCounts)>, StoreError> {
        let row = rule_shadows::Entity::find_by_id(merchant.to_string())
            .one(&self.reads)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let mut counts = ShadowCounts::of(&row);
        counts.groups = groups_of(&self.reads, merchant, &row.id).await?;
        Ok(Some((RuleShadow::read(row)?, counts)))
    }

    /// Adds what a node found. `false`, and nothing is added, when this shadow does not run any more.
    pub async fn add_to_shadow(
        &self,
        merchant: MerchantId,
        id: ShadowId,
        found: ShadowCounts,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let transaction = self.writes.begin().await?;
        // Takes the shadow's row: nodes add one after the other, so the limits below hold over all of them.
        if !add_totals(&transaction, merchant, id, &found, now).await? {
            return Ok(false);
        }
        let mut known = known_groups(&transaction, merchant, id).await?;
        for group in found.groups {
            let place = place_of(&group.change, &known);
            let before = known.remove(&place);
            let after = add_group(&transaction, (merchant, id), place, before, group).await?;
            known.insert(after.change.clone(), after);
        }
        transaction.commit().await?;
        Ok(true)
    }
}

/// Beyond the limit, kinds of changes are not told apart any more.
fn place_of(change: &str, known: &HashMap<String, rule_shadow_groups::Model>) -> String {
    if known.contains_key(change) || known.len() < GROUPS_MAX {
        change.to_owned()
    } else {
        OTHERS.to_owned()
    }
}

async fn add_totals(
    transaction: &DatabaseTransaction,
    merchant: MerchantId,
    id: ShadowId,
    found: &ShadowCounts,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    use rule_shadows::Column;
    let plus = |column: Column, count: u64| Expr::col(column).add(bigint(count));
    let added = rule_shadows::Entity::update_many()
        .col_expr(Column::Decided, plus(Column::Decided, found.decided))
        .col_expr(Column::Same, plus(Column::Same, found.same))
        .col_expr(Column::Changed, plus(Column::Changed, found.changed))
        .col_expr(Column::NotComparable, plus(Column::NotComparable, found.not_comparable))
        .col_expr(Column::Dropped, plus(Column::Dropped, found.dropped))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(Column::MerchantId.eq(merchant.to_string()))
        .filter(Column::Id.eq(id.to_string()))
        .filter(Column::Status.eq(RUNNING))
        .exec(transaction)
        .await?;
    Ok(added.rows_affected > 0)
}

async fn known_groups(
    transaction: &DatabaseTransaction,
    merchant: MerchantId,
    id: ShadowId,
) -> Result<HashMap<String, rule_shadow_groups::Model>, StoreError> {
    let rows = rule_shadow_groups::Entity::find()
        .filter(of_shadow(merchant, &id.to_string()))
        .all(transaction)
        .await?;
    Ok(rows.into_iter().map(|row| (row.change.clone(), row)).collect())
}

async fn add_group(
    transaction: &DatabaseTransaction,
    (merchant, id): (MerchantId, ShadowId),
    change: String,
    before: Option<rule_shadow_groups::Model>,
    group: ShadowGroup,
) -> Result<rule_shadow_groups::Model, StoreError> {
    let is_new = before.is_none();
    let mut row = before.unwrap_or(rule_shadow_groups::Model {
        merchant_id: merchant.to_string(),
        shadow_id: id.to_string(),
        change,
        count: 0,
        amounts: json!({}),
        examples: 0,
    });
    row.count = row.count.saturating_add(bigint(group.count));
    row.amounts = json!(summed(read_amounts(&row.amounts), &group.amounts));
    let taken = usize::try_from(row.examples).unwrap_or(EXAMPLES_MAX);
    for example in group.examples.into_iter().take(EXAMPLES_MAX.saturating_sub(taken)) {
        row.examples += 1;
        let example = rule_shadow_examples::ActiveModel {
            merchant_id: Set(row.merchant_id.clone()),
            shadow_id: Set(row.shadow_id.clone()),
            change: Set(row.change.clone()),
            number: Set(row.examples),
            example: Set(example),
        };
        rule_shadow_examples::Entity::insert(example)
            .exec_without_returning(transaction)
            .await?;
    }
    let active = rule_shadow_groups::ActiveModel {
        merchant_id: Set(row.merchant_id.clone()),
        shadow_id: Set(row.shadow_id.clone()),
        change: Set(row.change.clone()),
        count: Set(row.count),
        amounts: Set(row.amounts.clone()),
        examples: Set(row.examples),
    };
    if is_new {
        rule_shadow_groups::Entity::insert(active)
            .exec_without_returning(transaction)
            .await?;
    } else {
        active.update(transaction).await?;
    }
    Ok(row)
}

fn read_amounts(stored: &Value) -> BTreeMap<String, i64> {
    serde_json::from_value(stored.clone()).unwrap_or_default()
}

/// A sum that does not fit stays at the largest that does.
fn summed(mut amounts: BTreeMap<String, i64>, more: &BTreeMap<String, i64>) -> BTreeMap<String, i64> {
    for (currency, minor) in more {
        let sum = amounts.entry(currency.clone()).or_default();
        *sum = sum.saturating_add(*minor);
    }
    amounts
}

/// The largest first.
async fn groups_of(
    connection: &impl ConnectionTrait,
    merchant: MerchantId,
    id: &str,
) -> Result<Vec<ShadowGroup>, StoreError> {
    let rows = rule_shadow_groups::Entity::find()
        .filter(of_shadow(merchant, id))
        .order_by_desc(rule_shadow_groups::Column::Count)
        .order_by_asc(rule_shadow_groups::Column::Change)
        .all(connection)
        .await?;
    let examples = rule_shadow_examples::Entity::find()
        .filter(rule_shadow_examples::Column::MerchantId.eq(merchant.to_string()))
        .filter(rule_shadow_examples::Column::ShadowId.eq(id))
        .order_by_asc(rule_shadow_examples::Column::Number)
        .limit(u64::try_from(EXAMPLES_MAX * (GROUPS_MAX + 1)).unwrap_or(u64::MAX))
        .all(connection)
        .await?;
    let mut by_change: HashMap<String, Vec<Value>> = HashMap::new();
    for row in examples {
        by_change.entry(row.change).or_default().push(row.example);
    }
    let groups = rows.into_iter().map(|row| ShadowGroup {
        count: u64::try_from(row.count).unwrap_or(0),
        amounts: read_amounts(&row.amounts),
        examples: by_change.remove(&row.change).unwrap_or_default(),
        change: row.change,
    });
    Ok(groups.collect())
}

fn of_shadow(merchant: MerchantId, id: &str) -> Condition {
    Condition::all()
        .add(rule_shadow_groups::Column::MerchantId.eq(merchant.to_string()))
        .add(rule_shadow_groups::Column::ShadowId.eq(id))
}

async fn forget(transaction: &DatabaseTransaction, merchant: MerchantId) -> Result<(), StoreError> {
    let merchant = merchant.to_string();
    rule_shadow_examples::Entity::delete_many()
        .filter(rule_shadow_examples::Column::MerchantId.eq(merchant.as_str()))
        .exec(transaction)
        .await?;
    rule_shadow_groups::Entity::delete_many()
        .filter(rule_shadow_groups::Column::MerchantId.eq(merchant.as_str()))
        .exec(transaction)
        .await?;
    rule_shadows::Entity::delete_by_id(merchant).exec(transaction).await?;
    Ok(())
}

async fn of_merchant(
    connection: &impl ConnectionTrait,
    merchant: MerchantId,
) -> Result<Option<RuleShadow>, StoreError> {
    let row = rule_shadows::Entity::find_by_id(merchant.to_string())
        .one(connection)
        .await?;
    row.map(RuleShadow::read).transpose()
}

/// The shadow that a node runs for the merchant.
pub(crate) async fn running(
    connection: &impl ConnectionTrait,
    merchant: MerchantId,
) -> Result<Option<RuleShadow>, StoreError> {
    Ok(of_merchant(connection, merchant).await?.filter(|shadow| shadow.running))
}

fn told(shadow: &RuleShadow) -> Value {
    json!({ "shadow": shadow.id, "target": shadow.target })
}

impl ShadowCounts {
    fn of(row: &rule_shadows::Model) -> Self {
        let number = |count: i64| u64::try_from(count).unwrap_or(0);
        Self {
            decided: number(row.decided),
            same: number(row.same),
            changed: number(row.changed),
            not_comparable: number(row.not_comparable),
            dropped: number(row.dropped),
            groups: Vec::new(),
        }
    }
}

impl RuleShadow {
    fn read(row: rule_shadows::Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: read_id(&row.id)?,
            merchant_id: read_id(&row.merchant_id)?,
            target: row.target,
            source: row.source,
            author: row.author,
            running: row.status == RUNNING,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}
