//! Invitations: how people come in.

use chrono::{DateTime, Utc};
use plugin_sdk::{InvitationId, MerchantId, PersonId};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, TransactionTrait};

use crate::entities::{invitations, people};
use crate::merchants::read_id;
use crate::people::{add_member, insert_person};
use crate::{NewPerson, Person, Store, StoreError};

/// Open invitations in one list.
const INVITATIONS_MAX: u64 = 200;

#[derive(Clone)]
pub struct Invitation {
    pub id: InvitationId,
    /// SHA-256 of the link's token, in hexadecimal digits.
    pub token_hash: String,
    pub email: String,
    /// `None`: as an operator.
    pub merchant_id: Option<MerchantId>,
    pub role: String,
    pub invited_by: String,
    pub expires_at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
}

impl Store {
    /// A new one; earlier ones of the same e-mail to the same place no longer open anything.
    pub async fn create_invitation(&self, new: &Invitation) -> Result<(), StoreError> {
        let transaction = self.writes.begin().await?;
        let earlier = invitations::Entity::update_many()
            .col_expr(invitations::Column::RevokedAt, Expr::value(new.created_at))
            .filter(invitations::Column::Email.eq(&new.email))
            .filter(invitations::Column::AcceptedAt.is_null())
            .filter(invitations::Column::RevokedAt.is_null());
        let earlier = match new.merchant_id {
            Some(merchant) => earlier.filter(invitations::Column::MerchantId.eq(merchant.to_string())),
            None => earlier.filter(invitations::Column::MerchantId.is_null()),
        };
        earlier.exec(&transaction).await?;
        let row = invitations::Model {
            id: new.id.to_string(),
            token_hash: new.token_hash.clone(),
            email: new.email.clone(),
            merchant_id: new.merchant_id.map(|merchant| merchant.to_string()),
            role: new.role.clone(),
            invited_by: new.invited_by.clone(),
            expires_at: new.expires_at,
            accepted_at: None,
            revoked_at: None,
            created_at: new.created_at,
        };
        invitations::Entity::insert(row.into_active_model())
            .exec_without_returning(&transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The open invitation behind a link.
    pub async fn invitation(&self, token_hash: &str, now: DateTime<Utc>) -> Result<Invitation, StoreError> {
        let row = invitations::Entity::find()
            .filter(invitations::Column::TokenHash.eq(token_hash))
            .filter(invitations::Column::AcceptedAt.is_null())
            .filter(invitations::Column::RevokedAt.is_null())
            .filter(invitations::Column::ExpiresAt.gt(now))
            .one(&self.reads)
            .await?;
        Invitation::read(row.ok_or(StoreError::NotFound("this invitation"))?)
    }

    /// Open invitations to one merchant, or to the operators; newest first.
    pub async fn invitations(
        &self,
        merchant: Option<MerchantId>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Invitation>, StoreError> {
        let query = invitations::Entity::find()
            .filter(invitations::Column::AcceptedAt.is_null())
            .filter(invitations::Column::RevokedAt.is_null())
            .filter(invitations::Column::ExpiresAt.gt(now))
            .order_by_desc(invitations::Column::Id)
            .limit(INVITATIONS_MAX);
        let query = match merchant {
            Some(merchant) => query.filter(invitations::Column::MerchantId.eq(merchant.to_string())),
            None => query.filter(invitations::Column::MerchantId.is_null()),
        };
        query
            .all(&self.reads)
            .await?
            .into_iter()
            .map(Invitation::read)
            .collect()
    }

    /// Open invitations of one e-mail address, oldest first.
    pub async fn invitations_of(&self, email: &str, now: DateTime<Utc>) -> Result<Vec<Invitation>, StoreError> {
        let rows = invitations::Entity::find()
            .filter(invitations::Column::Email.eq(email))
            .filter(invitations::Column::AcceptedAt.is_null())
            .filter(invitations::Column::RevokedAt.is_null())
            .filter(invitations::Column::ExpiresAt.gt(now))
            .order_by_asc(invitations::Column::Id)
            .limit(INVITATIONS_MAX)
            .all(&self.reads)
            .await?;
        rows.into_iter().map(Invitation::read).collect()
    }

    /// Takes an open invitation back.
    pub async fn revoke_invitation(
        &self,
        merchant: Option<MerchantId>,
        id: InvitationId,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let revoked = invitations::Entity::update_many()
            .col_expr(invitations::Column::RevokedAt, Expr::value(now))
            .filter(invitations::Column::Id.eq(id.to_string()))
            .filter(invitations::Column::AcceptedAt.is_null())
            .filter(invitations::Column::RevokedAt.is_null());
        let revoked = match merchant {
            Some(merchant) => revoked.filter(invitations::Column::MerchantId.eq(merchant.to_string())),
            None => revoked.filter(invitations::Column::MerchantId.is_null()),
        };
        if revoked.exec(&self.writes).await?.rows_affected == 0 {
            return Err(StoreError::NotFound("this invitation"));
        }
        Ok(())
    }

    /// Takes an invitation up, once: makes the person unless it is known, and gives it its role.
    pub async fn accept_invitation(
        &self,
        invitation: &Invitation,
        new: NewPerson,
        now: DateTime<Utc>,
    ) -> Result<Person, StoreError> {
        let transaction = self.writes.begin().await?;
        let taken = invitations::Entity::update_many()
            .col_expr(invitations::Column::AcceptedAt, Expr::value(now))
            .filter(invitations::Column::Id.eq(invitation.id.to_string()))
            .filter(invitations::Column::AcceptedAt.is_null())
            .filter(invitations::Column::RevokedAt.is_null())
            .exec(&transaction)
            .await?;
        if taken.rows_affected == 0 {
            return Err(StoreError::NotFound("this invitation"));
        }
        let known = people::Entity::find()
            .filter(people::Column::Email.eq(&invitation.email))
            .one(&transaction)
            .await?;
        let person = match known {
            Some(row) => Person::read(row)?,
            None => insert_person(&transaction, new, now).await?,
        };
        match invitation.merchant_id {
            Some(merchant) => add_member(&transaction, merchant, person.id, &invitation.role, now).await?,
            None => set_operator_role(&transaction, person.id, &invitation.role).await?,
        }
        transaction.commit().await?;
        self.person(person.id).await
    }
}

async fn set_operator_role(
    transaction: &sea_orm::DatabaseTransaction,
    person: PersonId,
    role: &str,
) -> Result<(), StoreError> {
    people::Entity::update_many()
        .col_expr(people::Column::OperatorRole, Expr::value(role))
        .filter(people::Column::Id.eq(person.to_string()))
        .exec(transaction)
        .await?;
    Ok(())
}

impl Invitation {
    fn read(row: invitations::Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: read_id(&row.id)?,
            token_hash: row.token_hash,
            email: row.email,
            merchant_id: row.merchant_id.as_deref().map(read_id).transpose()?,
            role: row.role,
            invited_by: row.invited_by,
            expires_at: row.expires_at,
            created_at: row.created_at,
        })
    }
}
