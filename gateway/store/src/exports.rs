//! Files that people ask for. A job is a row, and so is each piece of its file: any node can take the job, go on where a
//! dead one stopped, and hand the file out.

use chrono::{DateTime, Utc};
use plugin_sdk::{ExportId, MerchantId};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseBackend, EntityTrait, ExprTrait, FromQueryResult,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Statement, TransactionTrait,
};
use serde_json::Value;

use crate::bigint::bigint;
use crate::entities::{export_chunks, exports};
use crate::merchants::read_id;
use crate::{Cursor, Page, Store, StoreError};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportStatus {
    Waiting,
    Running,
    Done,
    Failed,
    /// Its file was thrown away.
    Expired,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Export {
    pub id: ExportId,
    pub merchant_id: MerchantId,
    /// `payments` or `audit`.
    pub kind: String,
    pub filter: Value,
    pub status: ExportStatus,
    pub requested_by: String,
    /// The last row that is in the file.
    pub position: Option<String>,
    pub rows: u64,
    pub bytes: u64,
    pub chunks: i32,
    pub error: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

#[derive(Debug, Clone)]
pub struct NewExport {
    pub kind: &'static str,
    pub filter: Value,
    pub requested_by: String,
    pub expires_at: DateTime<Utc>,
    /// Files that the merchant may have at once, finished or not.
    pub kept_max: u64,
}

/// A job that this node works on until its lease ends.
#[derive(Debug, Clone, PartialEq)]
pub struct TakenExport {
    pub export: Export,
    take: i32,
}

impl ExportStatus {
    const ALL: [Self; 5] = [Self::Waiting, Self::Running, Self::Done, Self::Failed, Self::Expired];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }

    fn read(text: &str) -> Result<Self, StoreError> {
        let found = Self::ALL.into_iter().find(|status| status.as_str() == text);
        found.ok_or_else(|| StoreError::Corrupt(format!("export status '{text}'")))
    }
}

impl Store {
    /// `None` when the merchant has too many already.
    pub async fn create_export(
        &self,
        merchant: MerchantId,
        new: NewExport,
        now: DateTime<Utc>,
    ) -> Result<Option<Export>, StoreError> {
        let kept = exports::Entity::find()
            .filter(exports::Column::MerchantId.eq(merchant.to_string()))
            .filter(exports::Column::Status.ne(ExportStatus::Expired.as_str()))
            .count(&self.writes)
            .await?;
        if kept >= new.kept_max {
            return Ok(None);
        }
        let row = exports::ActiveModel {
            id: Set(ExportId::generate().to_string()),
            merchant_id: Set(merchant.to_string()),
            kind: Set(new.kind.to_owned()),
            filter: Set(new.filter),
            status: Set(ExportStatus::Waiting.as_str().to_owned()),
            requested_by: Set(new.requested_by),
            position: Set(None),
            rows: Set(0),
            bytes: Set(0),
            chunks: Set(0),
            error: Set(None),
            takes: Set(0),
            lease_until: Set(None),
            created_at: Set(now),
            updated_at: Set(now),
            expires_at: Set(new.expires_at),
        };
        Ok(Some(Export::read(row.insert(&self.writes).await?)?))
    }

    pub async fn export(&self, merchant: MerchantId, id: ExportId) -> Result<Export, StoreError> {
        let row = exports::Entity::find_by_id(id.to_string())
            .filter(exports::Column::MerchantId.eq(merchant.to_string()))
            .one(&self.reads)
            .await?;
        Export::read(row.ok_or(StoreError::NotFound("this export"))?)
    }

    /// Newest first.
    pub async fn exports(&self, merchant: MerchantId, cursor: &Cursor) -> Result<Page<Export>, StoreError> {
        let mut query = exports::Entity::find()
            .filter(exports::Column::MerchantId.eq(merchant.to_string()))
            .order_by_desc(exports::Column::Id)
            .limit(cursor.limit + 1);
        if let Some(after) = &cursor.after {
            query = query.filter(exports::Column::Id.lt(after));
        }
        Page::of(
            query.all(&self.reads).await?,
            cursor.limit,
            |row| row.id.clone(),
            Export::read,
        )
    }

    /// Takes the oldest job that nobody works on, over all merchants.
    pub async fn take_export(
        &self,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
    ) -> Result<Option<TakenExport>, StoreError> {
        // Asked of the readers first: most of the time there is nothing, and SQLite has one writer.
        let waits = "SELECT id FROM exports WHERE status IN ('waiting', 'running')
                     AND (lease_until IS NULL OR lease_until < $1) LIMIT 1";
        if self.ask(waits.to_owned(), vec![now.into()]).await?.is_empty() {
            return Ok(None);
        }
        let skip = match self.backend() {
            DatabaseBackend::Postgres => "FOR UPDATE SKIP LOCKED",
            _ => "",
        };
        let sql = format!(
            "UPDATE exports SET status = 'running', takes = takes + 1, lease_until = $2, updated_at = $1
             WHERE id = (SELECT id FROM exports WHERE status IN ('waiting', 'running')
                         AND (lease_until IS NULL OR lease_until < $1) ORDER BY id LIMIT 1 {skip})
             RETURNING *"
        );
        let statement = Statement::from_sql_and_values(self.backend(), sql, [now.into(), lease_until.into()]);
        let Some(row) = self.writes.query_one_raw(statement).await? else {
            return Ok(None);
        };
        let row = exports::Model::from_query_result(&row, "")?;
        Ok(Some(TakenExport {
            take: row.takes,
            export: Export::read(row)?,
        }))
    }

    /// Adds a piece to the file. `false` when another node took the job over; nothing is added then.
    pub async fn add_to_export(
        &self,
        taken: &mut TakenExport,
        content: String,
        rows: u64,
        position: Option<String>,
        lease_until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        use exports::Column;
        let export = &mut taken.export;
        let bytes = export.bytes + u64::try_from(content.len()).unwrap_or(u64::MAX);
        let transaction = self.writes.begin().await?;
        let changed = running(taken.take, export)
            .col_expr(Column::Chunks, Expr::value(export.chunks + 1))
            .col_expr(Column::Rows, Expr::value(bigint(export.rows + rows)))
            .col_expr(Column::Bytes, Expr::value(bigint(bytes)))
            .col_expr(Column::Position, Expr::value(position.clone()))
            .col_expr(Column::LeaseUntil, Expr::value(lease_until))
            .col_expr(Column::UpdatedAt, Expr::value(now))
            .exec(&transaction)
            .await?;
        if changed.rows_affected == 0 {
            transaction.rollback().await?;
            return Ok(false);
        }
        let chunk = export_chunks::ActiveModel {
            export_id: Set(export.id.to_string()),
            number: Set(export.chunks),
            merchant_id: Set(export.merchant_id.to_string()),
            content: Set(content),
        };
        chunk.insert(&transaction).await?;
        transaction.commit().await?;
        export.chunks += 1;
        export.rows += rows;
        export.bytes = bytes;
        export.position = position;
        Ok(true)
    }

    /// Ends a job, well or with the reason why not; with neither, gives it back for another node to go on.
    pub async fn leave_export(
        &self,
        taken: &TakenExport,
        end: Option<Result<(), String>>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        use exports::Column;
        let (status, error) = match end {
            None => (ExportStatus::Waiting, None),
            Some(Ok(())) => (ExportStatus::Done, None),
            Some(Err(error)) => (ExportStatus::Failed, Some(error)),
        };
        running(taken.take, &taken.export)
            .col_expr(Column::Status, Expr::value(status.as_str()))
            .col_expr(Column::Error, Expr::value(error))
            .col_expr(Column::LeaseUntil, Expr::value(None::<DateTime<Utc>>))
            .col_expr(Column::UpdatedAt, Expr::value(now))
            .exec(&self.writes)
            .await?;
        Ok(())
    }

    /// One piece of a file.
    pub async fn export_chunk(
        &self,
        merchant: MerchantId,
        id: ExportId,
        number: i32,
    ) -> Result<Option<String>, StoreError> {
        let row = export_chunks::Entity::find_by_id((id.to_string(), number))
            .filter(export_chunks::Column::MerchantId.eq(merchant.to_string()))
            .one(&self.reads)
            .await?;
        Ok(row.map(|row| row.content))
    }

    /// Throws away files whose time is over, at most `limit` of them, and forgets jobs that ended before `forget`.
    pub async fn expire_exports(
        &self,
        now: DateTime<Utc>,
        forget: DateTime<Utc>,
        limit: u64,
    ) -> Result<u64, StoreError> {
        let over: Vec<String> = exports::Entity::find()
            .select_only()
            .column(exports::Column::Id)
            .filter(exports::Column::ExpiresAt.lte(now))
            .filter(exports::Column::Status.ne(ExportStatus::Expired.as_str()))
            .limit(limit)
            .into_tuple()
            .all(&self.reads)
            .await?;
        for id in &over {
            let transaction = self.writes.begin().await?;
            exports::Entity::update_many()
                .col_expr(exports::Column::Status, Expr::value(ExportStatus::Expired.as_str()))
                .col_expr(exports::Column::Takes, Expr::col(exports::Column::Takes).add(1))
                .filter(exports::Column::Id.eq(id))
                .exec(&transaction)
                .await?;
            export_chunks::Entity::delete_many()
                .filter(export_chunks::Column::ExportId.eq(id))
                .exec(&transaction)
                .await?;
            transaction.commit().await?;
        }
        if over.is_empty() {
            return Ok(0);
        }
        exports::Entity::delete_many()
            .filter(exports::Column::ExpiresAt.lt(forget))
            .filter(exports::Column::Status.eq(ExportStatus::Expired.as_str()))
            .exec(&self.writes)
            .await?;
        Ok(u64::try_from(over.len()).unwrap_or(u64::MAX))
    }
}

/// The job, as long as it is this take that works on it.
fn running(take: i32, export: &Export) -> sea_orm::UpdateMany<exports::Entity> {
    exports::Entity::update_many()
        .filter(exports::Column::Id.eq(export.id.to_string()))
        .filter(exports::Column::MerchantId.eq(export.merchant_id.to_string()))
        .filter(exports::Column::Status.eq(ExportStatus::Running.as_str()))
        .filter(exports::Column::Takes.eq(take))
}

impl Export {
    fn read(row: exports::Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: read_id(&row.id)?,
            merchant_id: read_id(&row.merchant_id)?,
            kind: row.kind,
            filter: row.filter,
            status: ExportStatus::read(&row.status)?,
            requested_by: row.requested_by,
            position: row.position,
            rows: u64::try_from(row.rows).unwrap_or(0),
            bytes: u64::try_from(row.bytes).unwrap_or(0),
            chunks: row.chunks,
            error: row.error,
            created_at: row.created_at,
            updated_at: row.updated_at,
            expires_at: row.expires_at,
        })
    }
}
