//! What people found out about rows of registries, and which of them are settled.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use plugin_sdk::{MerchantId, SettlementId};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, TransactionTrait};
use serde_json::{Value, json};

use crate::audit::{self, Change};
use crate::entities::{settlement_notes, settlement_rows};
use crate::{SettlementRecord, Store, StoreError};

/// Whether somebody settled a row, as a condition on `settlement_rows`.
pub(crate) const IS_RESOLVED: &str = "EXISTS (
    SELECT 1 FROM settlement_notes n
    WHERE n.connection_id = settlement_rows.connection_id AND n.key1 = settlement_rows.key1
      AND n.key2 = settlement_rows.key2 AND n.outcome = settlement_rows.outcome AND n.resolved)";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettlementNote {
    pub note: String,
    /// Nothing is left to do.
    pub resolved: bool,
    pub author: String,
    pub updated_at: DateTime<Utc>,
}

/// A note belongs to a payment and its difference.
type NoteKey = (String, String, String);

impl Store {
    /// Replaces the note of a row. The same difference in another file of the day shows it, too.
    pub async fn note_settlement_row(
        &self,
        merchant: MerchantId,
        settlement: SettlementId,
        row: i64,
        note: SettlementNote,
    ) -> Result<SettlementRecord, StoreError> {
        let transaction = self.writes.begin().await?;
        let found = settlement_rows::Entity::find_by_id(row)
            .filter(settlement_rows::Column::MerchantId.eq(merchant.to_string()))
            .filter(settlement_rows::Column::SettlementId.eq(settlement.to_string()))
            .one(&transaction)
            .await?;
        let found = found.ok_or(StoreError::NotFound("this row"))?;
        let key = (
            found.connection_id.clone(),
            found.key1.clone(),
            found.key2.clone(),
            found.outcome.clone(),
        );
        let before = settlement_notes::Entity::find_by_id(key).one(&transaction).await?;
        let new = settlement_notes::ActiveModel {
            connection_id: Set(found.connection_id.clone()),
            key1: Set(found.key1.clone()),
            key2: Set(found.key2.clone()),
            outcome: Set(found.outcome.clone()),
            merchant_id: Set(merchant.to_string()),
            note: Set(note.note.clone()),
            resolved: Set(note.resolved),
            author: Set(note.author.clone()),
            updated_at: Set(note.updated_at),
        };
        use settlement_notes::Column;
        let replace = OnConflict::columns([Column::ConnectionId, Column::Key1, Column::Key2, Column::Outcome])
            .update_columns([Column::Note, Column::Resolved, Column::Author, Column::UpdatedAt])
            .to_owned();
        settlement_notes::Entity::insert(new)
            .on_conflict(replace)
            .exec_without_returning(&transaction)
            .await?;
        let change = Change {
            actor: &note.author,
            action: "settlements.note",
            subject: &format!("settlements/{settlement}/rows/{row}"),
            before: before.map(|before| shown(&before.note, before.resolved)),
            after: Some(shown(&note.note, note.resolved)),
        };
        audit::write(&transaction, merchant, change, note.updated_at).await?;
        transaction.commit().await?;
        let mut record = SettlementRecord::read(found)?;
        record.note = Some(note);
        Ok(record)
    }

    /// Puts the notes beside the rows that they are about.
    pub(crate) async fn with_notes(
        &self,
        merchant: MerchantId,
        rows: Vec<settlement_rows::Model>,
    ) -> Result<Vec<SettlementRecord>, StoreError> {
        let keys = rows.iter().map(|row| row.key1.clone());
        let mut notes: HashMap<NoteKey, SettlementNote> = HashMap::new();
        if let Some(connection) = rows.first().map(|row| row.connection_id.clone()) {
            let found = settlement_notes::Entity::find()
                .filter(settlement_notes::Column::ConnectionId.eq(connection))
                .filter(settlement_notes::Column::MerchantId.eq(merchant.to_string()))
                .filter(settlement_notes::Column::Key1.is_in(keys))
                .all(&self.reads)
                .await?;
            for row in found {
                let note = SettlementNote {
                    note: row.note,
                    resolved: row.resolved,
                    author: row.author,
                    updated_at: row.updated_at,
                };
                notes.insert((row.key1, row.key2, row.outcome), note);
            }
        }
        rows.into_iter()
            .map(|row| {
                let note = notes
                    .get(&(row.key1.clone(), row.key2.clone(), row.outcome.clone()))
                    .cloned();
                Ok(SettlementRecord {
                    note,
                    ..SettlementRecord::read(row)?
                })
            })
            .collect()
    }
}

fn shown(note: &str, resolved: bool) -> Value {
    json!({ "note": note, "resolved": resolved })
}
