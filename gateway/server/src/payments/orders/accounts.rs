//! Questions that change nothing here: balances, history, statistics, receipts, quotes, and virtual cards.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use plugin_sdk::connector::{
    Balance, CardOrder, CardRequisites, ConnectorError, Document, HistoryPage, HistoryQuery, OutboundConnection, Quote,
    Statistics, Step, VirtualCard,
};
use plugin_sdk::{Money, OperationId};

use super::{OrderError, Orders, RecipientRequest};
use crate::edge::upstream::UpstreamClient;
use crate::tenancy::{BoundConnection, BoundTenant};

impl Orders {
    fn named<'a>(tenant: &'a BoundTenant, name: &str) -> Result<&'a Arc<BoundConnection>, OrderError> {
        let connection = tenant
            .connections
            .get(name)
            .filter(|connection| connection.outbound().is_some());
        connection.ok_or_else(|| OrderError::NoRoute(format!("there is no connection '{name}' that can be asked")))
    }

    fn to<'a>(
        &'a self,
        tenant: &'a BoundTenant,
        name: &str,
    ) -> Result<(&'a dyn OutboundConnection, UpstreamClient<'a>), OrderError> {
        let connection = Self::named(tenant, name)?;
        let outbound = connection.outbound().ok_or(OrderError::ConnectionGone)?;
        Ok((outbound, self.client(connection, None)?))
    }

    pub async fn balances(&self, tenant: &BoundTenant, connection: &str) -> Result<Vec<Balance>, OrderError> {
        let (outbound, client) = self.to(tenant, connection)?;
        Ok(self.in_time(outbound.balances(&self.context(&client))).await?)
    }

    pub async fn history(
        &self,
        tenant: &BoundTenant,
        connection: &str,
        query: &HistoryQuery,
    ) -> Result<HistoryPage, OrderError> {
        let (outbound, client) = self.to(tenant, connection)?;
        Ok(self.in_time(outbound.history(&self.context(&client), query)).await?)
    }

    pub async fn statistics(
        &self,
        tenant: &BoundTenant,
        connection: &str,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Statistics, OrderError> {
        let (outbound, client) = self.to(tenant, connection)?;
        Ok(self
            .in_time(outbound.statistics(&self.context(&client), from, until))
            .await?)
    }

    pub async fn network_receipt(
        &self,
        tenant: &BoundTenant,
        connection: &str,
        network_id: &str,
    ) -> Result<Document, OrderError> {
        let (outbound, client) = self.to(tenant, connection)?;
        Ok(self
            .in_time(outbound.receipt(&self.context(&client), network_id))
            .await?)
    }

    pub async fn quote(
        &self,
        tenant: &BoundTenant,
        connection: &str,
        recipient: &RecipientRequest,
        amount: Money,
    ) -> Result<Quote, OrderError> {
        let (outbound, client) = self.to(tenant, connection)?;
        let token = match recipient {
            RecipientRequest::Token { token } => Some(self.token(tenant, *token).await?.1),
            _ => None,
        };
        let target = recipient.for_connector(token)?;
        Ok(self
            .in_time(outbound.quote(&self.context(&client), &target, amount))
            .await?)
    }

    pub async fn cards(&self, tenant: &BoundTenant, connection: &str) -> Result<Vec<VirtualCard>, OrderError> {
        let (outbound, client) = self.to(tenant, connection)?;
        let issuer = outbound.cards().ok_or_else(no_cards)?;
        Ok(self.in_time(issuer.cards(&self.context(&client))).await?)
    }

    pub async fn issue_card(
        &self,
        tenant: &BoundTenant,
        connection: &str,
        product: String,
        alias: Option<String>,
    ) -> Result<VirtualCard, OrderError> {
        let (outbound, client) = self.to(tenant, connection)?;
        let issuer = outbound.cards().ok_or_else(no_cards)?;
        let order = CardOrder {
            step: self.step_for_card().await?,
            product,
            alias,
        };
        Ok(self.in_time(issuer.issue(&self.context(&client), &order)).await?)
    }

    /// Never stored and never logged: it goes to who asked, once.
    pub async fn card_requisites(
        &self,
        tenant: &BoundTenant,
        connection: &str,
        card: &str,
    ) -> Result<CardRequisites, OrderError> {
        let (outbound, client) = self.to(tenant, connection)?;
        let issuer = outbound.cards().ok_or_else(no_cards)?;
        let step = self.step_for_card().await?;
        Ok(self
            .in_time(issuer.requisites(&self.context(&client), card, &step))
            .await?)
    }

    pub async fn set_card_blocked(
        &self,
        tenant: &BoundTenant,
        connection: &str,
        card: &str,
        blocked: bool,
    ) -> Result<(), OrderError> {
        let (outbound, client) = self.to(tenant, connection)?;
        let issuer = outbound.cards().ok_or_else(no_cards)?;
        let context = self.context(&client);
        let done = if blocked {
            issuer.block(&context, card)
        } else {
            issuer.unblock(&context, card)
        };
        Ok(self.in_time(done).await?)
    }

    pub async fn rename_card(
        &self,
        tenant: &BoundTenant,
        connection: &str,
        card: &str,
        alias: &str,
    ) -> Result<(), OrderError> {
        let (outbound, client) = self.to(tenant, connection)?;
        let issuer = outbound.cards().ok_or_else(no_cards)?;
        Ok(self.in_time(issuer.rename(&self.context(&client), card, alias)).await?)
    }

    async fn step_for_card(&self) -> Result<Step, OrderError> {
        let number = self.parts.store.numbers().next().await?;
        Ok(Step {
            operation: OperationId::generate(),
            number: u64::try_from(number).unwrap_or_default(),
            at: self.now(),
        })
    }
}

fn no_cards() -> OrderError {
    ConnectorError::unsupported("virtual cards").into()
}
