use std::collections::HashMap;

use chrono::{DateTime, Utc};
use plugin_sdk::{ConnectionId, MerchantId, PaymentKey, Settlement, SettlementId, SettlementRow};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, FromQueryResult, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect, Statement, TransactionTrait,
};

use crate::bigint::bigint;
use crate::bulk::{self, OnConflict};
use crate::entities::{connections, payments, settlement_files, settlement_rows};
use crate::link::Link;
use crate::lookup::payments_by_keys;
use crate::merchants::read_id;
use crate::settlement_notes::IS_RESOLVED;
use crate::{Cursor, Page, Payment, PaymentStatus, SettlementNote, Store, StoreError};

/// Rows that are compared and stored at once.
const CHUNK_SIZE: usize = 1_000;

/// What comparing one payment of the file, or one of ours, gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    Matched,
    /// We credited it; the network's file does not have it. Nothing is reversed by itself.
    OursOnly,
    /// The file has it; we lack it or declined it. Nothing is credited by itself.
    TheirsOnly,
    AmountMismatch,
    AccountMismatch,
}

impl Outcome {
    pub const ALL: [Self; 5] = [
        Self::Matched,
        Self::OursOnly,
        Self::TheirsOnly,
        Self::AmountMismatch,
        Self::AccountMismatch,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Matched => "matched",
            Self::OursOnly => "ours_only",
            Self::TheirsOnly => "theirs_only",
            Self::AmountMismatch => "amount_mismatch",
            Self::AccountMismatch => "account_mismatch",
        }
    }

    pub fn read(text: &str) -> Result<Self, StoreError> {
        let outcome = Self::ALL.into_iter().find(|outcome| outcome.as_str() == text);
        outcome.ok_or_else(|| StoreError::Corrupt(format!("settlement outcome '{text}'")))
    }
}

#[derive(Debug, Clone)]
pub struct NewSettlement {
    pub merchant_id: MerchantId,
    pub connection_id: ConnectionId,
    pub file_name: String,
    /// Lower-case hexadecimal; the same content is imported once.
    pub sha256: String,
    pub settlement: Settlement,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SettlementFile {
    pub id: SettlementId,
    pub connection_id: ConnectionId,
    pub file_name: String,
    pub period_from: DateTime<Utc>,
    pub period_until: DateTime<Utc>,
    pub payment_count: i32,
    pub total_minor: i64,
    pub currency: String,
    pub created_at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SettlementSummary {
    pub file: SettlementFile,
    /// The same file had been imported before; nothing was changed.
    pub repeated: bool,
    pub counts: Vec<(Outcome, u64)>,
    /// Differences that somebody settled.
    pub resolved: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SettlementRecord {
    pub id: i64,
    pub outcome: Outcome,
    pub line: Option<i32>,
    pub key: PaymentKey,
    pub payment_id: Option<String>,
    pub their_account: Option<String>,
    pub our_account: Option<String>,
    pub their_amount_minor: Option<i64>,
    pub our_amount_minor: Option<i64>,
    pub currency: String,
    pub booked_at: Option<DateTime<Utc>>,
    /// What somebody found out about it.
    pub note: Option<SettlementNote>,
}

/// Absent means any.
#[derive(Debug, Clone, Copy, Default)]
pub struct SettlementFilter {
    pub outcome: Option<Outcome>,
    /// Whether somebody settled it.
    pub resolved: Option<bool>,
}

impl Store {
    /// Compares the file with our payments and stores every outcome, in one transaction.
    pub async fn import_settlement(
        &self,
        new: &NewSettlement,
        now: DateTime<Utc>,
    ) -> Result<SettlementSummary, StoreError> {
        let transaction = self.writes.begin().await?;
        take_connection(&transaction, new.merchant_id, new.connection_id).await?;
        let known = settlement_files::Entity::find()
            .filter(settlement_files::Column::ConnectionId.eq(new.connection_id.to_string()))
            .filter(settlement_files::Column::MerchantId.eq(new.merchant_id.to_string()))
            .filter(settlement_files::Column::Sha256.eq(&new.sha256))
            .one(&transaction)
            .await?;
        if let Some(row) = known {
            transaction.rollback().await?;
            return self.summary(new.merchant_id, SettlementFile::read(row)?, true).await;
        }
        let file = insert_file(&transaction, new, now).await?;
        let writer = RowWriter {
            store: self,
            new,
            file: &file,
            now,
        };
        for chunk in new.settlement.rows.chunks(CHUNK_SIZE) {
            writer.insert_theirs(&transaction, chunk).await?;
        }
        writer.insert_ours_only(&transaction).await?;
        transaction.commit().await?;
        self.summary(new.merchant_id, file, false).await
    }

    /// Newest first.
    pub async fn settlement_files(
        &self,
        merchant: MerchantId,
        cursor: &Cursor,
    ) -> Result<Page<SettlementFile>, StoreError> {
        let mut query = settlement_files::Entity::find()
            .filter(settlement_files::Column::MerchantId.eq(merchant.to_string()))
            .order_by_desc(settlement_files::Column::Id)
            .limit(cursor.limit + 1);
        if let Some(after) = &cursor.after {
            query = query.filter(settlement_files::Column::Id.lt(after));
        }
        Page::of(
            query.all(&self.reads).await?,
            cursor.limit,
            |row| row.id.clone(),
            SettlementFile::read,
        )
    }

    pub async fn settlement_summary(
        &self,
        merchant: MerchantId,
        id: SettlementId,
    ) -> Result<SettlementSummary, StoreError> {
        let row = settlement_files::Entity::find_by_id(id.to_string())
            .filter(settlement_files::Column::MerchantId.eq(merchant.to_string()))
            .one(&self.reads)
            .await?;
        let file = SettlementFile::read(row.ok_or(StoreError::NotFound("this settlement file"))?)?;
        self.summary(merchant, file, false).await
    }

    /// In the order of the file; what only we have comes last.
    pub async fn settlement_rows(
        &self,
        merchant: MerchantId,
        id: SettlementId,
        filter: SettlementFilter,
        cursor: &Cursor,
    ) -> Result<Page<SettlementRecord>, StoreError> {
        let mut query = settlement_rows::Entity::find()
            .filter(settlement_rows::Column::MerchantId.eq(merchant.to_string()))
            .filter(settlement_rows::Column::SettlementId.eq(id.to_string()))
            .order_by_asc(settlement_rows::Column::Id)
            .limit(cursor.limit + 1);
        if let Some(outcome) = filter.outcome {
            query = query.filter(settlement_rows::Column::Outcome.eq(outcome.as_str()));
        }
        query = match filter.resolved {
            None => query,
            Some(true) => query.filter(Expr::cust(IS_RESOLVED)),
            // What matches needs nobody.
            Some(false) => query
                .filter(settlement_rows::Column::Outcome.ne(Outcome::Matched.as_str()))
                .filter(Expr::cust(format!("NOT {IS_RESOLVED}"))),
        };
        if let Some(after) = cursor.after.as_deref().and_then(|after| after.parse::<i64>().ok()) {
            query = query.filter(settlement_rows::Column::Id.gt(after));
        }
        let page = Page::of(
            query.all(&self.reads).await?,
            cursor.limit,
            |row| row.id.to_string(),
            Ok,
        )?;
        Ok(Page {
            items: self.with_notes(merchant, page.items).await?,
            next: page.next,
        })
    }

    async fn summary(
        &self,
        merchant: MerchantId,
        file: SettlementFile,
        repeated: bool,
    ) -> Result<SettlementSummary, StoreError> {
        let counted: Vec<(String, i64)> = settlement_rows::Entity::find()
            .select_only()
            .column(settlement_rows::Column::Outcome)
            .column_as(settlement_rows::Column::Id.count(), "rows")
            .filter(settlement_rows::Column::MerchantId.eq(merchant.to_string()))
            .filter(settlement_rows::Column::SettlementId.eq(file.id.to_string()))
            .group_by(settlement_rows::Column::Outcome)
            .into_tuple()
            .all(&self.writes)
            .await?;
        let counted: HashMap<String, i64> = counted.into_iter().collect();
        let resolved = settlement_rows::Entity::find()
            .filter(settlement_rows::Column::MerchantId.eq(merchant.to_string()))
            .filter(settlement_rows::Column::SettlementId.eq(file.id.to_string()))
            .filter(settlement_rows::Column::Outcome.ne(Outcome::Matched.as_str()))
            .filter(Expr::cust(IS_RESOLVED))
            .count(&self.writes)
            .await?;
        let count = |outcome: Outcome| counted.get(outcome.as_str()).copied().unwrap_or(0).unsigned_abs();
        Ok(SettlementSummary {
            file,
            repeated,
            counts: Outcome::ALL.map(|outcome| (outcome, count(outcome))).to_vec(),
            resolved,
        })
    }
}

/// Imports of one connection follow one another, or two files of one day would each miss what the other lists.
async fn take_connection(
    transaction: &DatabaseTransaction,
    merchant: MerchantId,
    connection: ConnectionId,
) -> Result<(), StoreError> {
    let taken = connections::Entity::update_many()
        .col_expr(connections::Column::Id, Expr::col(connections::Column::Id))
        .filter(connections::Column::Id.eq(connection.to_string()))
        .filter(connections::Column::MerchantId.eq(merchant.to_string()))
        .exec(transaction)
        .await?;
    if taken.rows_affected == 0 {
        Err(StoreError::NotFound("this connection"))
    } else {
        Ok(())
    }
}

async fn insert_file(
    transaction: &DatabaseTransaction,
    new: &NewSettlement,
    now: DateTime<Utc>,
) -> Result<SettlementFile, StoreError> {
    let row = settlement_files::ActiveModel {
        id: Set(SettlementId::generate().to_string()),
        merchant_id: Set(new.merchant_id.to_string()),
        connection_id: Set(new.connection_id.to_string()),
        file_name: Set(new.file_name.clone()),
        sha256: Set(new.sha256.clone()),
        period_from: Set(new.settlement.period.from),
        period_until: Set(new.settlement.period.until),
        payment_count: Set(i32::try_from(new.settlement.rows.len()).unwrap_or(i32::MAX)),
        total_minor: Set(new.settlement.total.minor()),
        currency: Set(new.settlement.total.currency().code().to_owned()),
        created_at: Set(now),
    };
    let row = row.insert(transaction).await;
    SettlementFile::read(row.map_err(|error| StoreError::or_exists(error, "this settlement file"))?)
}

/// Turns compared payments into rows of one file.
struct RowWriter<'a> {
    store: &'a Store,
    new: &'a NewSettlement,
    file: &'a SettlementFile,
    now: DateTime<Utc>,
}

impl RowWriter<'_> {
    async fn insert_theirs(
        &self,
        transaction: &DatabaseTransaction,
        chunk: &[SettlementRow],
    ) -> Result<(), StoreError> {
        let keys: Vec<_> = chunk
            .iter()
            .map(|row| (self.new.connection_id, row.key.clone()))
            .collect();
        let ours: HashMap<PaymentKey, Payment> = payments_by_keys(&mut Link::of(&self.store.reads), &keys)
            .await?
            .into_iter()
            .map(|payment| (payment.key.clone(), payment))
            .collect();
        let rows: Vec<_> = chunk
            .iter()
            .map(|row| self.row(Some(row), ours.get(&row.key)))
            .collect();
        bulk::insert::<settlement_rows::Entity, _>(transaction, &rows, OnConflict::Fail, None).await?;
        Ok(())
    }

    /// A day may come in several files: what only we have is counted anew over all of them.
    async fn insert_ours_only(&self, transaction: &DatabaseTransaction) -> Result<(), StoreError> {
        let period = self.new.settlement.period;
        settlement_rows::Entity::delete_many()
            .filter(settlement_rows::Column::ConnectionId.eq(self.new.connection_id.to_string()))
            .filter(settlement_rows::Column::Outcome.eq(Outcome::OursOnly.as_str()))
            .filter(settlement_rows::Column::BookedAt.gte(period.from))
            .filter(settlement_rows::Column::BookedAt.lt(period.until))
            .exec(transaction)
            .await?;
        let mut after = String::new();
        loop {
            let ours = self.unlisted_after(transaction, &after).await?;
            let Some(last) = ours.last() else { return Ok(()) };
            after = last.id.to_string();
            let rows: Vec<_> = ours.iter().map(|payment| self.row(None, Some(payment))).collect();
            bulk::insert::<settlement_rows::Entity, _>(transaction, &rows, OnConflict::Fail, None).await?;
        }
    }

    /// Credited payments of the period that no file of this connection lists, in order of id.
    async fn unlisted_after(&self, transaction: &DatabaseTransaction, after: &str) -> Result<Vec<Payment>, StoreError> {
        let period = self.new.settlement.period;
        let sql = "
            SELECT p.* FROM payments p
            WHERE p.connection_id = $1 AND p.status = 'succeeded' AND p.booked_at >= $2 AND p.booked_at < $3
              AND p.id > $4
              AND NOT EXISTS (
                  SELECT 1 FROM settlement_rows r
                  WHERE r.connection_id = p.connection_id AND r.key1 = p.key1 AND r.key2 = p.key2
                    AND r.outcome <> 'ours_only')
            ORDER BY p.id LIMIT $5";
        let limit = bigint(CHUNK_SIZE);
        let values = [
            self.new.connection_id.to_string().into(),
            period.from.into(),
            period.until.into(),
            after.into(),
            limit.into(),
        ];
        let statement = Statement::from_sql_and_values(transaction.get_database_backend(), sql, values);
        let rows = transaction.query_all_raw(statement).await?;
        rows.iter()
            .map(|row| Payment::read(payments::Model::from_query_result(row, "")?))
            .collect()
    }

    fn row(&self, theirs: Option<&SettlementRow>, ours: Option<&Payment>) -> settlement_rows::Model {
        let key = theirs.map(|row| &row.key).or(ours.map(|payment| &payment.key));
        let booking = ours.and_then(|payment| payment.booking.as_ref());
        settlement_rows::Model {
            id: 0,
            merchant_id: self.new.merchant_id.to_string(),
            connection_id: self.new.connection_id.to_string(),
            settlement_id: self.file.id.to_string(),
            outcome: compare(theirs, ours).as_str().to_owned(),
            line: theirs.and_then(|row| i32::try_from(row.line).ok()),
            key1: key.map(|key| key.key1.clone()).unwrap_or_default(),
            key2: key.map(|key| key.key2.clone()).unwrap_or_default(),
            payment_id: ours.map(|payment| payment.id.to_string()),
            their_account: theirs.map(|row| row.account.clone()),
            our_account: ours.map(|payment| payment.account.clone()),
            their_amount_minor: theirs.map(|row| row.amount.minor()),
            our_amount_minor: ours.map(|payment| payment.amount.minor()),
            currency: self.file.currency.clone(),
            booked_at: theirs.map(|row| row.booked_at).or(booking.map(|booking| booking.at)),
            created_at: self.now,
        }
    }
}

fn compare(theirs: Option<&SettlementRow>, ours: Option<&Payment>) -> Outcome {
    let credited = ours.filter(|payment| payment.status == PaymentStatus::Succeeded);
    match (theirs, credited) {
        (Some(theirs), Some(ours)) if theirs.amount != ours.amount => Outcome::AmountMismatch,
        (Some(theirs), Some(ours)) if theirs.account != ours.account => Outcome::AccountMismatch,
        (Some(_), Some(_)) => Outcome::Matched,
        (Some(_), None) => Outcome::TheirsOnly,
        (None, _) => Outcome::OursOnly,
    }
}

impl SettlementFile {
    fn read(row: settlement_files::Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: read_id(&row.id)?,
            connection_id: read_id(&row.connection_id)?,
            file_name: row.file_name,
            period_from: row.period_from,
            period_until: row.period_until,
            payment_count: row.payment_count,
            total_minor: row.total_minor,
            currency: row.currency,
            created_at: row.created_at,
        })
    }
}

impl SettlementRecord {
    pub(crate) fn read(row: settlement_rows::Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            outcome: Outcome::read(&row.outcome)?,
            line: row.line,
            key: PaymentKey {
                key1: row.key1,
                key2: row.key2,
            },
            payment_id: row.payment_id,
            their_account: row.their_account,
            our_account: row.our_account,
            their_amount_minor: row.their_amount_minor,
            our_amount_minor: row.our_amount_minor,
            currency: row.currency,
            booked_at: row.booked_at,
            note: None,
        })
    }
}
