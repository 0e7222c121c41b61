use chrono::{DateTime, Utc};
use plugin_sdk::MerchantId;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect, Statement, TransactionTrait, Value,
};

use crate::bigint::bigint;
use crate::entities::{list_changes, list_entries, list_generations, list_quotas, lists, merchants};
use crate::merchants::read_id;
use crate::{Cursor, MerchantStatus, Page, Store, StoreError};

/// A merchant's own named set of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    pub merchant_id: MerchantId,
    pub name: String,
    /// Numbers the whole content: an import makes a new one and swaps.
    pub generation: i64,
    pub entries: i64,
    /// Of all keys and values.
    pub bytes: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListEntry {
    pub key: String,
    /// A JSON text, exactly as it was given.
    pub value: Option<String>,
}

impl ListEntry {
    /// What it counts towards a quota.
    #[must_use]
    pub fn bytes(&self) -> i64 {
        let length = self.key.len() + self.value.as_ref().map_or(0, String::len);
        bigint(length)
    }
}

/// What asking a list for a key gave. A list that is missing is not a key that is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListAnswer {
    NoList,
    Absent { generation: i64 },
    Present { generation: i64, value: Option<String> },
}

/// Something that nodes must not remember any longer; `key: None` means the whole list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListChange {
    pub version: i64,
    pub merchant_id: MerchantId,
    pub list: String,
    pub key: Option<String>,
}

/// What a merchant's lists may hold together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListQuota {
    pub entries_max: i64,
    pub bytes_max: i64,
}

#[derive(Debug, thiserror::Error)]
pub enum ListError {
    #[error("the merchant's lists may hold {limit} {unit} together; this would make it {wanted}")]
    OverQuota {
        unit: &'static str,
        limit: i64,
        wanted: i64,
    },
    #[error("a merchant has at most {0} lists; delete one that is not used")]
    TooManyLists(u64),
    /// The import was given up by somebody else: its lease ran out.
    #[error("the import was given up because nothing was heard of it for too long; upload the file again")]
    ImportEnded,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sea_orm::DbErr> for ListError {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Store(error.into())
    }
}

pub(crate) const LIVE: &str = "live";
pub(crate) const BUILDING: &str = "building";
pub(crate) const DROPPED: &str = "dropped";

impl Store {
    /// All lists of a merchant, by name.
    pub async fn lists(&self, merchant: MerchantId) -> Result<Vec<List>, StoreError> {
        let rows = lists::Entity::find()
            .filter(lists::Column::MerchantId.eq(merchant.to_string()))
            .order_by_asc(lists::Column::Name)
            .all(&self.reads)
            .await?;
        rows.into_iter().map(List::read).collect()
    }

    pub async fn list(&self, merchant: MerchantId, name: &str) -> Result<List, StoreError> {
        List::read(find_list(&self.reads, merchant, name).await?)
    }

    /// An empty list, or the one that is there already.
    pub async fn create_list(
        &self,
        merchant: MerchantId,
        name: &str,
        lists_max: u64,
        now: DateTime<Utc>,
    ) -> Result<List, ListError> {
        let change = Change::begin(self, merchant, now).await?;
        if let Some(row) = list_if_any(&change.transaction, merchant, name).await? {
            return Ok(List::read(row)?);
        }
        check_list_count(&change.transaction, merchant, lists_max).await?;
        let generation = new_generation(&change.transaction, merchant, name, LIVE, now).await?;
        let row = put_list(&change, name, generation, 0, 0).await?;
        change.commit(name, None).await?;
        Ok(List::read(row)?)
    }

    /// Takes the list out of service at once; its entries are deleted by and by.
    pub async fn delete_list(&self, merchant: MerchantId, name: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
        let change = Change::begin(self, merchant, now).await?;
        let row = find_list(&change.transaction, merchant, name).await?;
        set_generation_status(&change.transaction, row.generation, DROPPED).await?;
        lists::Entity::delete_by_id((merchant.to_string(), name.to_owned()))
            .exec(&change.transaction)
            .await?;
        change.commit(name, None).await
    }

    /// One question, one snapshot: an entry is read from the generation that serves at this moment.
    pub async fn list_entry(&self, merchant: MerchantId, name: &str, key: &str) -> Result<ListAnswer, StoreError> {
        let sql = "
            SELECT l.generation, e.key, e.value FROM lists l
            LEFT JOIN list_entries e ON e.generation = l.generation AND e.key = $3
            WHERE l.merchant_id = $1 AND l.name = $2";
        let values = [merchant.to_string().into(), name.into(), key.into()];
        let statement = Statement::from_sql_and_values(self.backend(), sql, values);
        let Some(row) = self.reads.query_one_raw(statement).await? else {
            return Ok(ListAnswer::NoList);
        };
        let generation = row.try_get_by_index(0)?;
        let found: Option<String> = row.try_get_by_index(1)?;
        match found {
            None => Ok(ListAnswer::Absent { generation }),
            Some(_) => Ok(ListAnswer::Present {
                generation,
                value: row.try_get_by_index(2)?,
            }),
        }
    }

    /// Entries of the list as it is now, in the order of their keys' bytes; the cursor is a key.
    pub async fn list_entries(
        &self,
        merchant: MerchantId,
        name: &str,
        prefix: &str,
        cursor: &Cursor,
    ) -> Result<Page<ListEntry>, StoreError> {
        // The generation is asked for inside the query: what serves when it runs is whole.
        let mut sql = "SELECT key, value FROM list_entries
            WHERE generation = (SELECT generation FROM lists WHERE merchant_id = $1 AND name = $2)"
            .to_owned();
        let limit = bigint(cursor.limit + 1);
        let mut values: Vec<Value> = vec![merchant.to_string().into(), name.into(), limit.into()];
        let bounds = [
            ("key >=", Some(prefix.to_owned())),
            ("key <", after_all_with(prefix)),
            ("key >", cursor.after.clone()),
        ];
        for (comparison, bound) in bounds {
            if let Some(bound) = bound {
                values.push(bound.into());
                sql.push_str(&format!(" AND {comparison} ${}", values.len()));
            }
        }
        sql.push_str(" ORDER BY key LIMIT $3");
        let statement = Statement::from_sql_and_values(self.backend(), sql, values);
        let rows = self.reads.query_all_raw(statement).await?;
        let entries: Result<Vec<_>, StoreError> = rows
            .iter()
            .map(|row| {
                Ok(ListEntry {
                    key: row.try_get_by_index(0)?,
                    value: row.try_get_by_index(1)?,
                })
            })
            .collect();
        Page::of(entries?, cursor.limit, |entry| entry.key.clone(), Ok)
    }

    /// The next entries after a key, to read a whole list in chunks. [`StoreError::NotFound`] once the list was
    /// replaced or deleted, so that nobody takes half of one generation for the whole.
    pub async fn list_chunk(&self, list: &List, after: Option<&str>, limit: u64) -> Result<Vec<ListEntry>, StoreError> {
        let mut query = list_entries::Entity::find()
            .filter(list_entries::Column::Generation.eq(list.generation))
            .order_by_asc(list_entries::Column::Key)
            .limit(limit);
        if let Some(after) = after {
            query = query.filter(list_entries::Column::Key.gt(after));
        }
        let rows = query.all(&self.reads).await?;
        // Asked after the entries: while this generation serves, nothing of it is deleted wholesale.
        let serving = self.list(list.merchant_id, &list.name).await?;
        if serving.generation != list.generation {
            return Err(StoreError::NotFound("this content of the list"));
        }
        Ok(rows.into_iter().map(ListEntry::from).collect())
    }

    /// Adds an entry or replaces its value. Returns whether anything changed.
    pub async fn put_list_entry(
        &self,
        merchant: MerchantId,
        name: &str,
        entry: &ListEntry,
        quota: ListQuota,
        now: DateTime<Utc>,
    ) -> Result<bool, ListError> {
        let change = Change::begin(self, merchant, now).await?;
        let list = find_list(&change.transaction, merchant, name).await?;
        let old = find_entry(&change.transaction, list.generation, &entry.key).await?;
        if old.as_ref() == Some(entry) {
            return Ok(false);
        }
        let entries = list.entries + i64::from(old.is_none());
        let bytes = list.bytes + entry.bytes() - old.as_ref().map_or(0, ListEntry::bytes);
        if entries > list.entries || bytes > list.bytes {
            check_quota(&change.transaction, merchant, name, (entries, bytes), quota).await?;
        }
        let row = list_entries::ActiveModel {
            generation: Set(list.generation),
            key: Set(entry.key.clone()),
            value: Set(entry.value.clone()),
        };
        let by_key = OnConflict::columns([list_entries::Column::Generation, list_entries::Column::Key])
            .update_column(list_entries::Column::Value)
            .to_owned();
        list_entries::Entity::insert(row)
            .on_conflict(by_key)
            .exec_without_returning(&change.transaction)
            .await?;
        set_size(&change, list, entries, bytes).await?;
        change.commit(name, Some(&entry.key)).await?;
        Ok(true)
    }

    /// Returns whether the key was there.
    pub async fn remove_list_entry(
        &self,
        merchant: MerchantId,
        name: &str,
        key: &str,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let change = Change::begin(self, merchant, now).await?;
        let list = find_list(&change.transaction, merchant, name).await?;
        let Some(old) = find_entry(&change.transaction, list.generation, key).await? else {
            return Ok(false);
        };
        list_entries::Entity::delete_by_id((list.generation, key.to_owned()))
            .exec(&change.transaction)
            .await?;
        let (entries, bytes) = (list.entries - 1, list.bytes - old.bytes());
        set_size(&change, list, entries, bytes).await?;
        change.commit(name, Some(key)).await?;
        Ok(true)
    }

    /// Changes of all merchants' lists after `version`, oldest first.
    pub async fn list_changes_since(&self, version: i64, limit: u64) -> Result<Vec<ListChange>, StoreError> {
        let rows = list_changes::Entity::find()
            .filter(list_changes::Column::Version.gt(version))
            .order_by_asc(list_changes::Column::Version)
            .limit(limit)
            .all(&self.reads)
            .await?;
        rows.into_iter().map(ListChange::read).collect()
    }

    /// The version that the next change of any list will be newer than.
    pub async fn list_version(&self) -> Result<i64, StoreError> {
        let sql = "SELECT value FROM counters WHERE name = 'list_version'";
        let statement = Statement::from_string(self.backend(), sql);
        let row = self.reads.query_one_raw(statement).await?;
        let row = row.ok_or(StoreError::NotFound("counter list_version"))?;
        Ok(row.try_get_by_index(0)?)
    }

    /// The merchant's own quota; `None` means that the installation's holds.
    pub async fn list_quota(&self, merchant: MerchantId) -> Result<Option<ListQuota>, StoreError> {
        let row = list_quotas::Entity::find_by_id(merchant.to_string())
            .one(&self.reads)
            .await?;
        Ok(row.map(|row| ListQuota {
            entries_max: row.entries_max,
            bytes_max: row.bytes_max,
        }))
    }

    /// `None` takes the merchant's own quota away. What is stored already stays.
    pub async fn set_list_quota(&self, merchant: MerchantId, quota: Option<ListQuota>) -> Result<(), StoreError> {
        let Some(quota) = quota else {
            list_quotas::Entity::delete_by_id(merchant.to_string())
                .exec(&self.writes)
                .await?;
            return Ok(());
        };
        let row = list_quotas::ActiveModel {
            merchant_id: Set(merchant.to_string()),
            entries_max: Set(quota.entries_max),
            bytes_max: Set(quota.bytes_max),
        };
        let by_merchant = OnConflict::column(list_quotas::Column::MerchantId)
            .update_columns([list_quotas::Column::EntriesMax, list_quotas::Column::BytesMax])
            .to_owned();
        list_quotas::Entity::insert(row)
            .on_conflict(by_merchant)
            .exec_without_returning(&self.writes)
            .await?;
        Ok(())
    }
}

/// A change of a merchant's lists. It holds the row of the version, so changes follow one another, sizes and quotas add
/// up, and what a node reads of `list_changes` has no gaps.
pub(crate) struct Change {
    pub transaction: DatabaseTransaction,
    pub merchant: MerchantId,
    pub now: DateTime<Utc>,
    version: i64,
}

impl Change {
    pub async fn begin(store: &Store, merchant: MerchantId, now: DateTime<Utc>) -> Result<Self, StoreError> {
        let transaction = store.writes.begin().await?;
        let version = take_next(&transaction, "list_version").await?;
        let known = merchants::Entity::find_by_id(merchant.to_string())
            .filter(merchants::Column::Status.ne(MerchantStatus::Deleted.as_str()))
            .one(&transaction)
            .await?;
        known.ok_or(StoreError::NotFound("this merchant"))?;
        Ok(Self {
            transaction,
            merchant,
            now,
            version,
        })
    }

    /// Tells all nodes, and makes it true.
    pub async fn commit(self, list: &str, key: Option<&str>) -> Result<(), StoreError> {
        let row = list_changes::ActiveModel {
            version: Set(self.version),
            merchant_id: Set(self.merchant.to_string()),
            list: Set(list.to_owned()),
            key: Set(key.map(str::to_owned)),
            created_at: Set(self.now),
        };
        list_changes::Entity::insert(row)
            .exec_without_returning(&self.transaction)
            .await?;
        Ok(self.transaction.commit().await?)
    }
}

async fn take_next(transaction: &DatabaseTransaction, counter: &'static str) -> Result<i64, StoreError> {
    let statement = Statement::from_sql_and_values(
        transaction.get_database_backend(),
        "UPDATE counters SET value = value + 1 WHERE name = $1 RETURNING value",
        [counter.into()],
    );
    let row = transaction.query_one_raw(statement).await?;
    Ok(row.ok_or(StoreError::NotFound(counter))?.try_get_by_index(0)?)
}

pub(crate) async fn new_generation(
    transaction: &DatabaseTransaction,
    merchant: MerchantId,
    list: &str,
    status: &str,
    now: DateTime<Utc>,
) -> Result<i64, StoreError> {
    let id = take_next(transaction, "list_generation").await?;
    let row = list_generations::ActiveModel {
        id: Set(id),
        merchant_id: Set(merchant.to_string()),
        list: Set(list.to_owned()),
        status: Set(status.to_owned()),
        created_at: Set(now),
    };
    list_generations::Entity::insert(row)
        .exec_without_returning(transaction)
        .await?;
    Ok(id)
}

pub(crate) async fn set_generation_status(
    transaction: &DatabaseTransaction,
    id: i64,
    status: &str,
) -> Result<(), StoreError> {
    list_generations::Entity::update_many()
        .col_expr(list_generations::Column::Status, status.into())
        .filter(list_generations::Column::Id.eq(id))
        .exec(transaction)
        .await?;
    Ok(())
}

/// Makes `generation` the one that serves.
pub(crate) async fn put_list(
    change: &Change,
    name: &str,
    generation: i64,
    entries: i64,
    bytes: i64,
) -> Result<lists::Model, StoreError> {
    let old = list_if_any(&change.transaction, change.merchant, name).await?;
    if let Some(old) = &old {
        set_generation_status(&change.transaction, old.generation, DROPPED).await?;
    }
    let row = lists::ActiveModel {
        merchant_id: Set(change.merchant.to_string()),
        name: Set(name.to_owned()),
        generation: Set(generation),
        entries: Set(entries),
        bytes: Set(bytes),
        created_at: Set(old.as_ref().map_or(change.now, |old| old.created_at)),
        updated_at: Set(change.now),
    };
    let row = if old.is_some() {
        row.update(&change.transaction).await
    } else {
        row.insert(&change.transaction).await
    };
    Ok(row?)
}

pub(crate) async fn check_list_count(
    transaction: &DatabaseTransaction,
    merchant: MerchantId,
    lists_max: u64,
) -> Result<(), ListError> {
    use sea_orm::PaginatorTrait;
    let count = lists::Entity::find()
        .filter(lists::Column::MerchantId.eq(merchant.to_string()))
        .count(transaction)
        .await?;
    if count >= lists_max {
        return Err(ListError::TooManyLists(lists_max));
    }
    Ok(())
}

/// Whether the merchant's lists keep to the quota once `name` holds this many entries and bytes.
pub(crate) async fn check_quota(
    connection: &impl ConnectionTrait,
    merchant: MerchantId,
    name: &str,
    (entries, bytes): (i64, i64),
    quota: ListQuota,
) -> Result<(), ListError> {
    let sql = "
        SELECT CAST(COALESCE(SUM(entries), 0) AS BIGINT), CAST(COALESCE(SUM(bytes), 0) AS BIGINT)
        FROM lists WHERE merchant_id = $1 AND name <> $2";
    let values = [merchant.to_string().into(), name.into()];
    let statement = Statement::from_sql_and_values(connection.get_database_backend(), sql, values);
    let row = connection.query_one_raw(statement).await?;
    let row = row.ok_or_else(|| StoreError::Corrupt("no sum of the lists".to_owned()))?;
    let (other_entries, other_bytes): (i64, i64) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
    for (unit, limit, wanted) in [
        ("entries", quota.entries_max, other_entries.saturating_add(entries)),
        ("bytes", quota.bytes_max, other_bytes.saturating_add(bytes)),
    ] {
        if wanted > limit {
            return Err(ListError::OverQuota { unit, limit, wanted });
        }
    }
    Ok(())
}

async fn set_size(change: &Change, list: lists::Model, entries: i64, bytes: i64) -> Result<(), StoreError> {
    let mut row = list.into_active_model();
    row.entries = Set(entries);
    row.bytes = Set(bytes);
    row.updated_at = Set(change.now);
    row.update(&change.transaction).await?;
    Ok(())
}

pub(crate) async fn list_if_any(
    connection: &impl ConnectionTrait,
    merchant: MerchantId,
    name: &str,
) -> Result<Option<lists::Model>, StoreError> {
    Ok(lists::Entity::find_by_id((merchant.to_string(), name.to_owned()))
        .one(connection)
        .await?)
}

async fn find_list(
    connection: &impl ConnectionTrait,
    merchant: MerchantId,
    name: &str,
) -> Result<lists::Model, StoreError> {
    let row = list_if_any(connection, merchant, name).await?;
    row.ok_or(StoreError::NotFound("this list"))
}

async fn find_entry(
    connection: &impl ConnectionTrait,
    generation: i64,
    key: &str,
) -> Result<Option<ListEntry>, StoreError> {
    let row = list_entries::Entity::find_by_id((generation, key.to_owned()))
        .one(connection)
        .await?;
    Ok(row.map(ListEntry::from))
}

/// The first text, in the order of bytes, that follows every text with this prefix; `None` when there is none.
fn after_all_with(prefix: &str) -> Option<String> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        // The order of UTF-8's bytes is the order of code points; surrogates are none.
        let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32);
        if let Some(next) = next {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}

impl From<list_entries::Model> for ListEntry {
    fn from(row: list_entries::Model) -> Self {
        Self {
            key: row.key,
            value: row.value,
        }
    }
}

impl List {
    pub(crate) fn read(row: lists::Model) -> Result<Self, StoreError> {
        Ok(Self {
            merchant_id: read_id(&row.merchant_id)?,
            name: row.name,
            generation: row.generation,
            entries: row.entries,
            bytes: row.bytes,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

impl ListChange {
    fn read(row: list_changes::Model) -> Result<Self, StoreError> {
        Ok(Self {
            version: row.version,
            merchant_id: read_id(&row.merchant_id)?,
            list: row.list,
            key: row.key,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::after_all_with;

    #[test]
    fn a_prefix_ends_where_the_next_one_starts() {
        assert_eq!(after_all_with("79").as_deref(), Some("7:"));
        assert_eq!(after_all_with("a\u{d7ff}").as_deref(), Some("a\u{e000}"));
        assert_eq!(after_all_with("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(after_all_with("\u{10ffff}"), None);
    }
}
