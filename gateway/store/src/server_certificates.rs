//! Certificates that we show callers, and the authority that issues theirs.

use chrono::{DateTime, Utc};
use plugin_sdk::{MerchantId, ServerCertificateId};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, TransactionTrait,
};
use serde_json::{Value, json};

use crate::audit::{self, Change};
use crate::entities::{certificate_authorities, server_certificates};
use crate::merchants::{next_config_version, read_id};
use crate::{Store, StoreError};

const SUBJECT: &str = "server_certificate";

/// Whether a listener asks for a client certificate under this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientCertificates {
    /// Nobody is asked for one.
    Off,
    /// Who has one shows it.
    Allowed,
    /// Without one there is no connection.
    Required,
}

impl ClientCertificates {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Allowed => "allowed",
            Self::Required => "required",
        }
    }

    fn read(text: &str) -> Result<Self, StoreError> {
        match text {
            "off" => Ok(Self::Off),
            "allowed" => Ok(Self::Allowed),
            "required" => Ok(Self::Required),
            other => Err(StoreError::Corrupt(format!("client certificates '{other}'"))),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct ServerCertificate {
    pub id: ServerCertificateId,
    /// `None` for one of the installation.
    pub merchant_id: Option<MerchantId>,
    /// Names of hosts, in lower case; `*.` stands for one label.
    pub names: Vec<String>,
    pub client_certificates: ClientCertificates,
    /// Key and chain in PEM, sealed.
    pub identity_sealed: String,
    pub info: Value,
    pub not_after: DateTime<Utc>,
    pub created_by: String,
    pub created_at: DateTime<Utc>,
}

/// The authority of this installation.
#[derive(Debug, Clone, PartialEq)]
pub struct CertificateAuthority {
    /// In PEM.
    pub certificate: String,
    pub key_sealed: String,
    pub info: Value,
    pub created_at: DateTime<Utc>,
}

impl Store {
    /// All in use, the newest first.
    pub async fn server_certificates(&self) -> Result<Vec<ServerCertificate>, StoreError> {
        let rows = server_certificates::Entity::find()
            .filter(server_certificates::Column::RemovedAt.is_null())
            .order_by_desc(server_certificates::Column::Id)
            .all(&self.reads)
            .await?;
        rows.into_iter().map(ServerCertificate::read).collect()
    }

    /// The version of the configuration at which one of them changed last.
    pub async fn server_certificates_version(&self) -> Result<i64, StoreError> {
        let newest: Option<Option<i64>> = server_certificates::Entity::find()
            .select_only()
            .column_as(server_certificates::Column::Version.max(), "newest")
            .into_tuple()
            .one(&self.reads)
            .await?;
        Ok(newest.flatten().unwrap_or_default())
    }

    pub async fn create_server_certificate(&self, new: ServerCertificate) -> Result<ServerCertificate, StoreError> {
        let transaction = self.writes.begin().await?;
        let version = next_config_version(&transaction).await?;
        let row = server_certificates::ActiveModel {
            id: Set(new.id.to_string()),
            merchant_id: Set(new.merchant_id.map(|id| id.to_string())),
            names: Set(json!(new.names)),
            client_certificates: Set(new.client_certificates.as_str().to_owned()),
            identity_sealed: Set(new.identity_sealed),
            info: Set(new.info),
            not_after: Set(new.not_after),
            version: Set(version),
            created_by: Set(new.created_by.clone()),
            created_at: Set(new.created_at),
            removed_at: Set(None),
        };
        let row = row.insert(&transaction).await?;
        if let Some(merchant) = new.merchant_id {
            let change = Change {
                actor: &new.created_by,
                action: "server_certificate.add",
                subject: SUBJECT,
                before: None,
                after: Some(told(&row)),
            };
            audit::write(&transaction, merchant, change, new.created_at).await?;
        }
        transaction.commit().await?;
        ServerCertificate::read(row)
    }

    pub async fn remove_server_certificate(
        &self,
        id: ServerCertificateId,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let transaction = self.writes.begin().await?;
        let version = next_config_version(&transaction).await?;
        let row = server_certificates::Entity::find_by_id(id.to_string())
            .filter(server_certificates::Column::RemovedAt.is_null())
            .one(&transaction)
            .await?
            .ok_or(StoreError::NotFound("this certificate"))?;
        if let Some(merchant) = &row.merchant_id {
            let change = Change {
                actor,
                action: "server_certificate.remove",
                subject: SUBJECT,
                before: Some(told(&row)),
                after: None,
            };
            audit::write(&transaction, read_id(merchant)?, change, now).await?;
        }
        let mut row = row.into_active_model();
        row.removed_at = Set(Some(now));
        row.version = Set(version);
        // What is not shown any more has no reason to be kept.
        row.identity_sealed = Set(String::new());
        row.update(&transaction).await?;
        Ok(transaction.commit().await?)
    }

    /// The installation's own authority of this name, if it was made already.
    pub async fn certificate_authority(&self, name: &str) -> Result<Option<CertificateAuthority>, StoreError> {
        let row = certificate_authorities::Entity::find_by_id(name)
            .one(&self.writes)
            .await?;
        Ok(row.map(CertificateAuthority::read))
    }

    /// Keeps a new authority, unless another node was first; the one that counts is returned.
    pub async fn keep_certificate_authority(
        &self,
        name: &str,
        new: CertificateAuthority,
    ) -> Result<CertificateAuthority, StoreError> {
        let row = certificate_authorities::ActiveModel {
            name: Set(name.to_owned()),
            certificate: Set(new.certificate),
            key_sealed: Set(new.key_sealed),
            info: Set(new.info),
            created_at: Set(new.created_at),
        };
        certificate_authorities::Entity::insert(row)
            .on_conflict(
                OnConflict::column(certificate_authorities::Column::Name)
                    .do_nothing()
                    .to_owned(),
            )
            .exec_without_returning(&self.writes)
            .await?;
        let kept = self.certificate_authority(name).await?;
        kept.ok_or(StoreError::NotFound("this authority"))
    }
}

fn told(row: &server_certificates::Model) -> Value {
    json!({ "id": row.id, "names": row.names, "client_certificates": row.client_certificates, "info": row.info })
}

impl ServerCertificate {
    fn read(row: server_certificates::Model) -> Result<Self, StoreError> {
        let names = serde_json::from_value(row.names);
        Ok(Self {
            id: read_id(&row.id)?,
            merchant_id: row.merchant_id.as_deref().map(read_id).transpose()?,
            names: names.map_err(|error| StoreError::Corrupt(format!("names of a certificate: {error}")))?,
            client_certificates: ClientCertificates::read(&row.client_certificates)?,
            identity_sealed: row.identity_sealed,
            info: row.info,
            not_after: row.not_after,
            created_by: row.created_by,
            created_at: row.created_at,
        })
    }
}

impl CertificateAuthority {
    fn read(row: certificate_authorities::Model) -> Self {
        Self {
            certificate: row.certificate,
            key_sealed: row.key_sealed,
            info: row.info,
            created_at: row.created_at,
        }
    }
}
