//! Certificates that a connection's network may show us.

use chrono::{DateTime, Utc};
use plugin_sdk::{ClientCertificateId, ConnectionId, MerchantId};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect, TransactionTrait,
};
use serde_json::{Value, json};

use crate::audit::{self, Change};
use crate::entities::{client_certificates, connections, merchants};
use crate::merchants::{read_id, touch_merchant};
use crate::{ConnectionStatus, MerchantStatus, Store, StoreError};

/// Certificates of one connection that are in force at once.
const IN_FORCE_MAX: u64 = 20;
/// Certificates of one connection that a list shows.
const LISTED_MAX: u64 = 200;
const SUBJECT: &str = "client_certificate";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientCertificateKind {
    /// By this installation's own authority.
    Issued,
    /// One certificate of somebody else's, known by its digest.
    Leaf,
    /// Whatever this authority of the merchant's issued.
    Authority,
}

impl ClientCertificateKind {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::Leaf => "leaf",
            Self::Authority => "authority",
        }
    }

    fn read(text: &str) -> Result<Self, StoreError> {
        match text {
            "issued" => Ok(Self::Issued),
            "leaf" => Ok(Self::Leaf),
            "authority" => Ok(Self::Authority),
            other => Err(StoreError::Corrupt(format!("kind of a client certificate '{other}'"))),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct ClientCertificate {
    pub id: ClientCertificateId,
    pub merchant_id: MerchantId,
    pub connection_id: ConnectionId,
    pub kind: ClientCertificateKind,
    pub name: String,
    /// Of the whole certificate, in hexadecimal digits.
    pub sha256: String,
    /// In PEM; `None` for a leaf of which only the digest is known.
    pub certificate: Option<String>,
    pub info: Option<Value>,
    pub not_after: Option<DateTime<Utc>>,
    pub created_by: String,
    pub created_at: DateTime<Utc>,
    pub revoked_at: Option<DateTime<Utc>>,
}

/// A certificate with the slugs of its merchant and connection: what a node needs to know a caller by it.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundCertificate {
    pub certificate: ClientCertificate,
    pub merchant: String,
    pub connection: String,
}

#[derive(Debug, Clone)]
pub struct NewClientCertificate {
    pub id: ClientCertificateId,
    pub connection_id: ConnectionId,
    pub kind: ClientCertificateKind,
    pub name: String,
    pub sha256: String,
    pub certificate: Option<String>,
    pub info: Option<Value>,
    pub not_after: Option<DateTime<Utc>>,
}

impl Store {
    /// Newest first.
    pub async fn client_certificates(
        &self,
        merchant: MerchantId,
        connection: Option<ConnectionId>,
    ) -> Result<Vec<ClientCertificate>, StoreError> {
        let mut query = client_certificates::Entity::find()
            .filter(client_certificates::Column::MerchantId.eq(merchant.to_string()))
            .order_by_desc(client_certificates::Column::Id)
            .limit(LISTED_MAX);
        if let Some(connection) = connection {
            query = query.filter(client_certificates::Column::ConnectionId.eq(connection.to_string()));
        }
        let rows = query.all(&self.reads).await?;
        rows.into_iter().map(ClientCertificate::read).collect()
    }

    pub async fn client_certificate(
        &self,
        merchant: MerchantId,
        id: ClientCertificateId,
    ) -> Result<ClientCertificate, StoreError> {
        let row = find(&self.reads, merchant, id).await?;
        ClientCertificate::read(row)
    }

    /// All nodes believe it within a moment. `None` when the connection has too many already.
    pub async fn create_client_certificate(
        &self,
        merchant: MerchantId,
        new: NewClientCertificate,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<ClientCertificate>, StoreError> {
        use client_certificates::Column;
        let transaction = self.writes.begin().await?;
        touch_merchant(&transaction, merchant).await?;
        let in_force = client_certificates::Entity::find()
            .filter(Column::MerchantId.eq(merchant.to_string()))
            .filter(Column::ConnectionId.eq(new.connection_id.to_string()))
            .filter(Column::RevokedAt.is_null())
            .filter(
                Condition::any()
                    .add(Column::NotAfter.is_null())
                    .add(Column::NotAfter.gt(now)),
            );
        if sea_orm::PaginatorTrait::count(in_force, &transaction).await? >= IN_FORCE_MAX {
            return Ok(None);
        }
        let row = client_certificates::ActiveModel {
            id: Set(new.id.to_string()),
            merchant_id: Set(merchant.to_string()),
            connection_id: Set(new.connection_id.to_string()),
            kind: Set(new.kind.as_str().to_owned()),
            name: Set(new.name),
            sha256: Set(new.sha256),
            certificate: Set(new.certificate),
            info: Set(new.info),
            not_after: Set(new.not_after),
            created_by: Set(actor.to_owned()),
            created_at: Set(now),
            revoked_at: Set(None),
        };
        let row = row
            .insert(&transaction)
            .await
            .map_err(|error| StoreError::or_exists(error, "a connection with this certificate"))?;
        let change = Change {
            actor,
            action: "client_certificate.add",
            subject: SUBJECT,
            before: None,
            after: Some(told(&row)),
        };
        audit::write(&transaction, merchant, change, now).await?;
        transaction.commit().await?;
        ClientCertificate::read(row).map(Some)
    }

    /// From now on it opens nothing, on no node. Revoking once more changes nothing.
    pub async fn revoke_client_certificate(
        &self,
        merchant: MerchantId,
        id: ClientCertificateId,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<ClientCertificate, StoreError> {
        let transaction = self.writes.begin().await?;
        touch_merchant(&transaction, merchant).await?;
        let before = find(&transaction, merchant, id).await?;
        if before.revoked_at.is_some() {
            return ClientCertificate::read(before);
        }
        let mut row = before.clone().into_active_model();
        row.revoked_at = Set(Some(now));
        let row = row.update(&transaction).await?;
        let change = Change {
            actor,
            action: "client_certificate.revoke",
            subject: SUBJECT,
            before: Some(told(&before)),
            after: Some(told(&row)),
        };
        audit::write(&transaction, merchant, change, now).await?;
        transaction.commit().await?;
        ClientCertificate::read(row)
    }

    /// What nodes know callers by, over all merchants, a page at a time: those in force, and those revoked whose time
    /// has not come, so that their holders can be told.
    pub async fn bound_certificates(
        &self,
        after: Option<ClientCertificateId>,
        limit: u64,
        now: DateTime<Utc>,
    ) -> Result<Vec<BoundCertificate>, StoreError> {
        let mut filter = Condition::all();
        if let Some(after) = after {
            filter = filter.add(client_certificates::Column::Id.gt(after.to_string()));
        }
        bound(&self.reads, filter, Some(limit), now).await
    }

    /// The same of some merchants.
    pub async fn bound_certificates_of(
        &self,
        merchants: &[MerchantId],
        now: DateTime<Utc>,
    ) -> Result<Vec<BoundCertificate>, StoreError> {
        let ids = merchants.iter().map(ToString::to_string);
        let filter = Condition::all().add(client_certificates::Column::MerchantId.is_in(ids));
        bound(&self.reads, filter, None, now).await
    }
}

async fn bound(
    connection: &impl ConnectionTrait,
    filter: Condition,
    limit: Option<u64>,
    now: DateTime<Utc>,
) -> Result<Vec<BoundCertificate>, StoreError> {
    use client_certificates::Column;
    let told = Condition::any()
        .add(Column::RevokedAt.is_null())
        .add(Column::NotAfter.gt(now));
    let rows = client_certificates::Entity::find()
        .filter(filter)
        .filter(told)
        .order_by_asc(Column::Id)
        .limit(limit)
        .all(connection)
        .await?;
    let owners: Vec<String> = rows.iter().map(|row| row.connection_id.clone()).collect();
    let named: Vec<(String, String, String)> = connections::Entity::find()
        .select_only()
        .column(connections::Column::Id)
        .column(connections::Column::Slug)
        .column(connections::Column::MerchantId)
        .filter(connections::Column::Id.is_in(owners))
        .filter(connections::Column::Status.ne(ConnectionStatus::Deleted.as_str()))
        .into_tuple()
        .all(connection)
        .await?;
    let merchants: std::collections::HashMap<String, String> = merchants::Entity::find()
        .select_only()
        .column(merchants::Column::Id)
        .column(merchants::Column::Slug)
        .filter(merchants::Column::Id.is_in(named.iter().map(|(_, _, merchant)| merchant.clone())))
        .filter(merchants::Column::Status.ne(MerchantStatus::Deleted.as_str()))
        .into_tuple::<(String, String)>()
        .all(connection)
        .await?
        .into_iter()
        .collect();
    let named: std::collections::HashMap<_, _> = named
        .into_iter()
        .filter_map(|(id, slug, merchant)| Some((id, (slug, merchants.get(&merchant)?.clone()))))
        .collect();
    rows.into_iter()
        .filter_map(|row| {
            let (connection, merchant) = named.get(&row.connection_id)?.clone();
            let certificate = ClientCertificate::read(row);
            Some(certificate.map(|certificate| BoundCertificate {
                certificate,
                merchant,
                connection,
            }))
        })
        .collect()
}

async fn find(
    connection: &impl ConnectionTrait,
    merchant: MerchantId,
    id: ClientCertificateId,
) -> Result<client_certificates::Model, StoreError> {
    let row = client_certificates::Entity::find_by_id(id.to_string())
        .filter(client_certificates::Column::MerchantId.eq(merchant.to_string()))
        .one(connection)
        .await?;
    row.ok_or(StoreError::NotFound("this certificate"))
}

/// What the audit trail keeps of a certificate.
fn told(row: &client_certificates::Model) -> Value {
    json!({
        "id": row.id, "connection_id": row.connection_id, "kind": row.kind, "name": row.name, "sha256": row.sha256,
        "not_after": row.not_after, "revoked_at": row.revoked_at,
    })
}

impl ClientCertificate {
    pub(crate) fn read(row: client_certificates::Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: read_id(&row.id)?,
            merchant_id: read_id(&row.merchant_id)?,
            connection_id: read_id(&row.connection_id)?,
            kind: ClientCertificateKind::read(&row.kind)?,
            name: row.name,
            sha256: row.sha256,
            certificate: row.certificate,
            info: row.info,
            not_after: row.not_after,
            created_by: row.created_by,
            created_at: row.created_at,
            revoked_at: row.revoked_at,
        })
    }
}
