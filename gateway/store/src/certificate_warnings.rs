//! Certificates that end soon, and who was told.

use chrono::{DateTime, Utc};
use plugin_sdk::{ClientCertificateId, ConnectionId, MerchantId};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, TransactionTrait};
use serde_json::Value;

use crate::bulk::{self, OnConflict};
use crate::entities::{certificate_warnings, client_certificates, connections, deliveries, events};
use crate::merchants::read_id;
use crate::{ClientCertificate, ConnectionStatus, NewEvent, Store, StoreError};

/// One warning: that a certificate ends within so many days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateWarning {
    /// Of the certificate, or of the connection that shows it.
    pub certificate_id: String,
    pub sha256: String,
    pub days: i32,
}

/// A connection's own certificate, as far as it may be shown.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownIdentity {
    pub merchant_id: MerchantId,
    pub connection_id: ConnectionId,
    pub connection: String,
    pub info: Value,
}

impl Store {
    /// Client certificates in force that end between the two moments, over all merchants, a page at a time.
    pub async fn client_certificates_ending(
        &self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        after: Option<ClientCertificateId>,
        limit: u64,
    ) -> Result<Vec<ClientCertificate>, StoreError> {
        use client_certificates::Column;
        let mut query = client_certificates::Entity::find()
            .filter(Column::RevokedAt.is_null())
            .filter(Column::NotAfter.gt(now))
            .filter(Column::NotAfter.lte(until))
            .order_by_asc(Column::Id)
            .limit(limit);
        if let Some(after) = after {
            query = query.filter(Column::Id.gt(after.to_string()));
        }
        let rows = query.all(&self.reads).await?;
        rows.into_iter().map(ClientCertificate::read).collect()
    }

    /// Certificates that connections show their networks, over all merchants, a page at a time.
    pub async fn shown_identities(
        &self,
        after: Option<ConnectionId>,
        limit: u64,
    ) -> Result<Vec<ShownIdentity>, StoreError> {
        let mut query = connections::Entity::find()
            .filter(connections::Column::IdentitySealed.is_not_null())
            .filter(connections::Column::Status.ne(ConnectionStatus::Deleted.as_str()))
            .order_by_asc(connections::Column::Id)
            .limit(limit);
        if let Some(after) = after {
            query = query.filter(connections::Column::Id.gt(after.to_string()));
        }
        let rows = query.all(&self.reads).await?;
        rows.into_iter()
            .map(|row| {
                Ok(ShownIdentity {
                    merchant_id: read_id(&row.merchant_id)?,
                    connection_id: read_id(&row.id)?,
                    connection: row.slug,
                    info: row.identity.unwrap_or_default(),
                })
            })
            .collect()
    }

    /// Of these warnings, those that were given before.
    pub async fn warnings_given(&self, certificates: &[String]) -> Result<Vec<CertificateWarning>, StoreError> {
        let rows = certificate_warnings::Entity::find()
            .filter(certificate_warnings::Column::CertificateId.is_in(certificates))
            .all(&self.reads)
            .await?;
        let warnings = rows.into_iter().map(|row| CertificateWarning {
            certificate_id: row.certificate_id,
            sha256: row.sha256,
            days: row.days,
        });
        Ok(warnings.collect())
    }

    /// Gives a warning, with its event, unless another node was first.
    pub async fn warn_of_certificate(
        &self,
        warning: CertificateWarning,
        event: Option<NewEvent>,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let row = certificate_warnings::Model {
            certificate_id: warning.certificate_id,
            sha256: warning.sha256,
            days: warning.days,
            created_at: now,
        };
        let transaction = self.writes.begin().await?;
        let claimed = certificate_warnings::Entity::insert(row.into_active_model())
            .on_conflict_do_nothing()
            .exec_without_returning(&transaction)
            .await?;
        if !matches!(claimed, sea_orm::TryInsertResult::Inserted(1..)) {
            return Ok(false);
        }
        if let Some(event) = event {
            let (event, rows) = event.rows();
            bulk::insert::<events::Entity, _>(&transaction, &[event], OnConflict::Fail, None).await?;
            bulk::insert::<deliveries::Entity, _>(&transaction, &rows, OnConflict::Fail, None).await?;
        }
        transaction.commit().await?;
        Ok(true)
    }
}
