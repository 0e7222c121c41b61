//! Stored instruments.

use plugin_sdk::connector::ConnectorError;
use plugin_sdk::{Secret, TokenId};
use secrecy::ExposeSecret;
use store::PaymentToken;

use super::{OrderError, Orders, token_place};
use crate::tenancy::BoundTenant;

impl Orders {
    /// A stored instrument with the network's token in clear.
    pub(super) async fn token(&self, tenant: &BoundTenant, id: TokenId) -> Result<(PaymentToken, Secret), OrderError> {
        let token = self.parts.store.payment_token(tenant.merchant.id, id).await?;
        let opened = self
            .parts
            .sealer
            .open(&token_place(tenant.merchant.id), &token.token_sealed)?;
        Ok((token, Secret::new(opened.expose_secret())))
    }

    /// Deletes an instrument at its network, then here. A network that does not know it any more is content, too.
    pub async fn delete_token(&self, tenant: &BoundTenant, id: TokenId) -> Result<(), OrderError> {
        let (token, secret) = self.token(tenant, id).await?;
        let connection = tenant
            .connections
            .values()
            .find(|known| known.row.id == token.connection_id);
        if let Some(connection) = connection
            && let Some(outbound) = connection.outbound()
        {
            let client = self.client(connection, None)?;
            let context = self.context(&client);
            let deleted = self
                .in_time(outbound.delete_token(&context, &secret, token.customer.as_deref()))
                .await;
            match deleted {
                Ok(()) | Err(ConnectorError::Declined(_) | ConnectorError::Invalid(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.parts.store.delete_payment_token(tenant.merchant.id, id).await?)
    }
}
