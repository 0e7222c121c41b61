use chrono::{DateTime, Utc};
use plugin_sdk::{ListImportId, MerchantId};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, Statement, TransactionTrait,
};
use serde::{Deserialize, Serialize};

use crate::bulk::{self, OnConflict};
use crate::entities::{list_changes, list_entries, list_generations, list_imports};
use crate::lists::{self, BUILDING, Change, DROPPED, LIVE};
use crate::merchants::read_id;
use crate::{Cursor, List, ListEntry, ListError, ListQuota, Page, Store, StoreError};

/// An uploaded file on its way to be the new content of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ListImport {
    pub id: ListImportId,
    pub merchant_id: MerchantId,
    pub list: String,
    /// `csv` or `jsonl`.
    pub format: String,
    pub status: ListImportStatus,
    pub generation: i64,
    pub progress: ListImportProgress,
    pub errors: Vec<ListImportError>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListImportStatus {
    Active,
    /// The list is the file now.
    Done,
    /// The list is as it was.
    Failed,
}

impl ListImportStatus {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    fn read(text: &str) -> Result<Self, StoreError> {
        match text {
            "active" => Ok(Self::Active),
            "done" => Ok(Self::Done),
            "failed" => Ok(Self::Failed),
            other => Err(StoreError::Corrupt(format!("import status '{other}'"))),
        }
    }
}

/// How far an import is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListImportProgress {
    pub bytes_total: i64,
    pub bytes_read: i64,
    pub rows_read: i64,
    /// Rows whose key a later row of the file has too; the later one counts.
    pub rows_repeated: i64,
    pub rows_stored: i64,
}

/// Why a file was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListImportError {
    /// Counts from 1; absent when no single line is to blame.
    pub line: Option<u64>,
    pub message: String,
}

#[derive(Debug, Clone)]
pub struct NewListImport {
    pub list: String,
    pub format: &'static str,
    pub bytes_total: i64,
    /// Whoever works on it renews this; when it has passed, the import is given up.
    pub lease_until: DateTime<Utc>,
}

/// Where deleting the entries of generations that serve no more has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropCursor {
    pub generation: i64,
    after: String,
}

impl Store {
    /// [`StoreError::Exists`] when another import of this list is at work.
    pub async fn start_list_import(
        &self,
        merchant: MerchantId,
        new: NewListImport,
        now: DateTime<Utc>,
    ) -> Result<ListImport, StoreError> {
        let transaction = self.writes.begin().await?;
        let generation = lists::new_generation(&transaction, merchant, &new.list, BUILDING, now).await?;
        let row = list_imports::ActiveModel {
            id: Set(ListImportId::generate().to_string()),
            merchant_id: Set(merchant.to_string()),
            list: Set(new.list),
            format: Set(new.format.to_owned()),
            status: Set(ListImportStatus::Active.as_str().to_owned()),
            generation: Set(generation),
            bytes_total: Set(new.bytes_total),
            bytes_read: Set(0),
            rows_read: Set(0),
            rows_stored: Set(0),
            rows_repeated: Set(0),
            errors: Set(serde_json::json!([])),
            lease_until: Set(new.lease_until),
            created_at: Set(now),
            updated_at: Set(now),
        };
        let row = row
            .insert(&transaction)
            .await
            .map_err(|error| StoreError::or_exists(error, "an import of this list that is at work"))?;
        transaction.commit().await?;
        ListImport::read(row)
    }

    pub async fn list_import(&self, merchant: MerchantId, id: ListImportId) -> Result<ListImport, StoreError> {
        let row = list_imports::Entity::find_by_id(id.to_string())
            .filter(list_imports::Column::MerchantId.eq(merchant.to_string()))
            .one(&self.reads)
            .await?;
        ListImport::read(row.ok_or(StoreError::NotFound("this import"))?)
    }

    /// Imports of one list, newest first.
    pub async fn list_imports(
        &self,
        merchant: MerchantId,
        list: &str,
        cursor: &Cursor,
    ) -> Result<Page<ListImport>, StoreError> {
        let mut query = list_imports::Entity::find()
            .filter(list_imports::Column::MerchantId.eq(merchant.to_string()))
            .filter(list_imports::Column::List.eq(list))
            .order_by_desc(list_imports::Column::Id)
            .limit(cursor.limit + 1);
        if let Some(after) = &cursor.after {
            query = query.filter(list_imports::Column::Id.lt(after));
        }
        let rows = query.all(&self.reads).await?;
        Page::of(rows, cursor.limit, |row| row.id.clone(), ListImport::read)
    }

    /// Whether this size fits the quota as things are now.
    pub async fn check_list_import(
        &self,
        import: &ListImport,
        size: (i64, i64),
        quota: ListQuota,
    ) -> Result<(), ListError> {
        lists::check_quota(&self.reads, import.merchant_id, &import.list, size, quota).await
    }

    /// Says how far it is, and that it is still at work.
    pub async fn renew_list_import(
        &self,
        import: &ListImport,
        progress: ListImportProgress,
        lease_until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), ListError> {
        renew(&self.writes, import, progress, lease_until, now).await
    }

    /// Stores a batch where nobody looks yet. Each key comes once in an import, so a batch whose end was not heard of can
    /// be stored again; `progress` includes this batch.
    pub async fn append_list_import(
        &self,
        import: &ListImport,
        batch: &[ListEntry],
        progress: ListImportProgress,
        lease_until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), ListError> {
        let rows: Vec<_> = batch
            .iter()
            .map(|entry| EntryRow {
                generation: import.generation,
                key: &entry.key,
                value: entry.value.as_deref(),
            })
            .collect();
        let transaction = self.writes.begin().await?;
        // First, so that an import that was given up meanwhile adds nothing to what is being deleted.
        renew(&transaction, import, progress, lease_until, now).await?;
        bulk::insert::<list_entries::Entity, _>(&transaction, &rows, OnConflict::Skip, None).await?;
        Ok(transaction.commit().await?)
    }

    /// Swaps: from this commit on the new content serves, whole.
    pub async fn finish_list_import(
        &self,
        import: &ListImport,
        progress: ListImportProgress,
        bytes: i64,
        quota: ListQuota,
        lists_max: u64,
        now: DateTime<Utc>,
    ) -> Result<List, ListError> {
        let change = Change::begin(self, import.merchant_id, now).await?;
        end(&change.transaction, import, ListImportStatus::Done, &[], now).await?;
        let old = lists::list_if_any(&change.transaction, import.merchant_id, &import.list).await?;
        if old.is_none() {
            lists::check_list_count(&change.transaction, import.merchant_id, lists_max).await?;
        }
        let size = (progress.rows_stored, bytes);
        lists::check_quota(&change.transaction, import.merchant_id, &import.list, size, quota).await?;
        let row = lists::put_list(&change, &import.list, import.generation, progress.rows_stored, bytes).await?;
        lists::set_generation_status(&change.transaction, import.generation, LIVE).await?;
        change.commit(&import.list, None).await?;
        Ok(List::read(row)?)
    }

    /// Gives the import up; the list stays as it was, and what was stored for it is deleted by and by.
    pub async fn fail_list_import(
        &self,
        import: &ListImport,
        errors: &[ListImportError],
        now: DateTime<Utc>,
    ) -> Result<(), ListError> {
        let transaction = self.writes.begin().await?;
        end(&transaction, import, ListImportStatus::Failed, errors, now).await?;
        lists::set_generation_status(&transaction, import.generation, DROPPED).await?;
        Ok(transaction.commit().await?)
    }

    /// Imports of all merchants whose lease has passed: whoever worked on them is gone.
    pub async fn lapsed_list_imports(&self, now: DateTime<Utc>, limit: u64) -> Result<Vec<ListImport>, StoreError> {
        let rows = list_imports::Entity::find()
            .filter(list_imports::Column::Status.eq(ListImportStatus::Active.as_str()))
            .filter(list_imports::Column::LeaseUntil.lt(now))
            .limit(limit)
            .all(&self.reads)
            .await?;
        rows.into_iter().map(ListImport::read).collect()
    }

    /// Takes the lists of deleted merchants out of service. Returns how many.
    pub async fn drop_lists_of_deleted_merchants(&self) -> Result<u64, StoreError> {
        let gone = "merchant_id IN (SELECT id FROM merchants WHERE status = 'deleted')";
        let transaction = self.writes.begin().await?;
        let gone = |sql: &str| Statement::from_string(transaction.get_database_backend(), format!("{sql} {gone}"));
        let generations = gone("UPDATE list_generations SET status = 'dropped' WHERE status = 'live' AND");
        transaction.execute_raw(generations).await?;
        let lists = gone("DELETE FROM lists WHERE");
        let dropped = transaction.execute_raw(lists).await?.rows_affected();
        transaction.commit().await?;
        Ok(dropped)
    }

    /// Deletes about `limit` entries that serve no more, going on where `cursor` says. `None` when nothing is left.
    pub async fn delete_dropped_entries(
        &self,
        cursor: Option<DropCursor>,
        limit: u64,
    ) -> Result<Option<DropCursor>, StoreError> {
        let cursor = match cursor {
            Some(cursor) => cursor,
            None => match self.first_dropped().await? {
                Some(cursor) => cursor,
                None => return Ok(None),
            },
        };
        let boundary: Option<String> = list_entries::Entity::find()
            .select_only()
            .column(list_entries::Column::Key)
            .filter(list_entries::Column::Generation.eq(cursor.generation))
            .filter(list_entries::Column::Key.gt(&cursor.after))
            .order_by_asc(list_entries::Column::Key)
            .offset(limit)
            .limit(1)
            .into_tuple()
            .one(&self.reads)
            .await?;
        let mut delete = list_entries::Entity::delete_many()
            .filter(list_entries::Column::Generation.eq(cursor.generation))
            .filter(list_entries::Column::Key.gt(&cursor.after));
        if let Some(boundary) = &boundary {
            delete = delete.filter(list_entries::Column::Key.lte(boundary));
        }
        delete.exec(&self.writes).await?;
        match boundary {
            Some(after) => Ok(Some(DropCursor { after, ..cursor })),
            None => {
                self.forget_generation(cursor.generation).await?;
                self.first_dropped().await
            }
        }
    }

    async fn first_dropped(&self) -> Result<Option<DropCursor>, StoreError> {
        let row = list_generations::Entity::find()
            .filter(list_generations::Column::Status.eq(DROPPED))
            .order_by_asc(list_generations::Column::Id)
            .limit(1)
            .one(&self.writes)
            .await?;
        Ok(row.map(|row| DropCursor {
            generation: row.id,
            after: String::new(),
        }))
    }

    async fn forget_generation(&self, id: i64) -> Result<(), StoreError> {
        let sql = "DELETE FROM list_generations WHERE id = $1 AND status = 'dropped'
                   AND NOT EXISTS (SELECT 1 FROM list_entries WHERE generation = $1)";
        let statement = Statement::from_sql_and_values(self.backend(), sql, [id.into()]);
        self.writes.execute_raw(statement).await?;
        Ok(())
    }

    /// Deletes changes that every node has seen, and imports that ended long ago.
    pub async fn delete_list_records_before(
        &self,
        changes_until: DateTime<Utc>,
        imports_until: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        list_changes::Entity::delete_many()
            .filter(list_changes::Column::CreatedAt.lt(changes_until))
            .exec(&self.writes)
            .await?;
        list_imports::Entity::delete_many()
            .filter(list_imports::Column::Status.ne(ListImportStatus::Active.as_str()))
            .filter(list_imports::Column::UpdatedAt.lt(imports_until))
            .exec(&self.writes)
            .await?;
        Ok(())
    }
}

#[derive(Serialize)]
struct EntryRow<'a> {
    generation: i64,
    key: &'a str,
    value: Option<&'a str>,
}

async fn renew(
    connection: &impl ConnectionTrait,
    import: &ListImport,
    progress: ListImportProgress,
    lease_until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), ListError> {
    let renewed = list_imports::Entity::update_many()
        .col_expr(list_imports::Column::BytesRead, progress.bytes_read.into())
        .col_expr(list_imports::Column::RowsRead, progress.rows_read.into())
        .col_expr(list_imports::Column::RowsStored, progress.rows_stored.into())
        .col_expr(list_imports::Column::RowsRepeated, progress.rows_repeated.into())
        .col_expr(list_imports::Column::LeaseUntil, lease_until.into())
        .col_expr(list_imports::Column::UpdatedAt, now.into())
        .filter(list_imports::Column::Id.eq(import.id.to_string()))
        .filter(list_imports::Column::MerchantId.eq(import.merchant_id.to_string()))
        .filter(list_imports::Column::Status.eq(ListImportStatus::Active.as_str()))
        .exec(connection)
        .await?;
    if renewed.rows_affected == 0 {
        return Err(ListError::ImportEnded);
    }
    Ok(())
}

/// Only an import that is at work ends, and only once.
async fn end(
    transaction: &DatabaseTransaction,
    import: &ListImport,
    status: ListImportStatus,
    errors: &[ListImportError],
    now: DateTime<Utc>,
) -> Result<(), ListError> {
    let errors = serde_json::to_value(errors).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let ended = list_imports::Entity::update_many()
        .col_expr(list_imports::Column::Status, status.as_str().into())
        .col_expr(list_imports::Column::Errors, Expr::value(errors))
        .col_expr(list_imports::Column::UpdatedAt, now.into())
        .filter(list_imports::Column::Id.eq(import.id.to_string()))
        .filter(list_imports::Column::MerchantId.eq(import.merchant_id.to_string()))
        .filter(list_imports::Column::Status.eq(ListImportStatus::Active.as_str()))
        .exec(transaction)
        .await?;
    if ended.rows_affected == 0 {
        return Err(ListError::ImportEnded);
    }
    Ok(())
}

impl ListImport {
    fn read(row: list_imports::Model) -> Result<Self, StoreError> {
        let errors = serde_json::from_value(row.errors).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        Ok(Self {
            id: read_id(&row.id)?,
            merchant_id: read_id(&row.merchant_id)?,
            list: row.list,
            format: row.format,
            status: ListImportStatus::read(&row.status)?,
            generation: row.generation,
            progress: ListImportProgress {
                bytes_total: row.bytes_total,
                bytes_read: row.bytes_read,
                rows_read: row.rows_read,
                rows_repeated: row.rows_repeated,
                rows_stored: row.rows_stored,
            },
            errors,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}
