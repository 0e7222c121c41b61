//! Stored instruments of payers. The network's token is sealed by whoever stores it.

use chrono::{DateTime, Utc};
use plugin_sdk::{ConnectionId, MerchantId, PaymentId, TokenId};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::entities::payment_tokens;
use crate::merchants::read_id;
use crate::{Cursor, Page, Store, StoreError};

#[derive(Debug, Clone, PartialEq)]
pub struct PaymentToken {
    pub id: TokenId,
    pub connection_id: ConnectionId,
    /// The merchant's id of the customer.
    pub customer: Option<String>,
    pub token_sealed: String,
    pub masked_pan: Option<String>,
    pub expires_at: Option<DateTime<Utc>>,
    /// The payment that it was issued with.
    pub payment_id: Option<PaymentId>,
    pub created_at: DateTime<Utc>,
}

#[derive(Debug, Clone)]
pub struct NewPaymentToken {
    pub id: TokenId,
    pub merchant_id: MerchantId,
    pub connection_id: ConnectionId,
    pub customer: Option<String>,
    pub token_sealed: String,
    pub masked_pan: Option<String>,
    pub expires_at: Option<DateTime<Utc>>,
    pub payment_id: Option<PaymentId>,
    pub created_at: DateTime<Utc>,
}

impl Store {
    pub async fn payment_token(&self, merchant: MerchantId, id: TokenId) -> Result<PaymentToken, StoreError> {
        let row = payment_tokens::Entity::find_by_id(id.to_string())
            .filter(payment_tokens::Column::MerchantId.eq(merchant.to_string()))
            .one(&self.reads)
            .await?;
        PaymentToken::read(row.ok_or(StoreError::NotFound("this payment token"))?)
    }

    /// Newest first; of one customer when there is one.
    pub async fn payment_tokens(
        &self,
        merchant: MerchantId,
        customer: Option<&str>,
        cursor: &Cursor,
    ) -> Result<Page<PaymentToken>, StoreError> {
        let mut query = payment_tokens::Entity::find()
            .filter(payment_tokens::Column::MerchantId.eq(merchant.to_string()))
            .order_by_desc(payment_tokens::Column::Id)
            .limit(cursor.limit + 1);
        if let Some(customer) = customer {
            query = query.filter(payment_tokens::Column::Customer.eq(customer));
        }
        if let Some(after) = &cursor.after {
            query = query.filter(payment_tokens::Column::Id.lt(after));
        }
        let rows = query.all(&self.reads).await?;
        Page::of(rows, cursor.limit, |row| row.id.clone(), PaymentToken::read)
    }

    /// Forgets a token; the network's own copy is the caller's to delete first.
    pub async fn delete_payment_token(&self, merchant: MerchantId, id: TokenId) -> Result<(), StoreError> {
        payment_tokens::Entity::delete_by_id(id.to_string())
            .filter(payment_tokens::Column::MerchantId.eq(merchant.to_string()))
            .exec(&self.writes)
            .await?;
        Ok(())
    }
}

impl PaymentToken {
    fn read(row: payment_tokens::Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: read_id(&row.id)?,
            connection_id: read_id(&row.connection_id)?,
            customer: row.customer,
            token_sealed: row.token_sealed,
            masked_pan: row.masked_pan,
            expires_at: row.expires_at,
            payment_id: row.payment_id.as_deref().map(read_id).transpose()?,
            created_at: row.created_at,
        })
    }
}

impl NewPaymentToken {
    pub(crate) fn row(self) -> payment_tokens::Model {
        payment_tokens::Model {
            id: self.id.to_string(),
            merchant_id: self.merchant_id.to_string(),
            connection_id: self.connection_id.to_string(),
            customer: self.customer,
            token_sealed: self.token_sealed,
            masked_pan: self.masked_pan,
            expires_at: self.expires_at,
            payment_id: self.payment_id.map(|id| id.to_string()),
            created_at: self.created_at,
        }
    }
}
