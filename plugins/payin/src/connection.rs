//! One site of a merchant, as the gateway uses it.

use async_trait::async_trait;
use ipnet::IpNet;
use plugin_sdk::connector::{
    Capability, CaptureMode, CaptureOrder, ConnectorError, Context, FinishOrder, HttpMethod, Notification,
    NotificationError, NotificationRequest, OutboundConnection, PaymentMethod, PaymentOrder, PayoutOrder, Report,
    ReturnOrder, StatusQuestion, StepKind,
};
use plugin_sdk::{ConfigError, Secret};
use serde_json::{Map, Value, json};

use crate::api::Call;
use crate::config::{self, Site};
use crate::options::PayinOptions;
use crate::{bills, notifications, payments, payouts, qr, status, steps};

/// A bound connection. Beside the gateway's operations it has those of the protocol that the gateway has no word for.
pub struct PayinConnection {
    pub(crate) site: Site,
    capabilities: Vec<Capability>,
}

impl PayinConnection {
    pub fn bind(config: &Value) -> Result<Self, ConfigError> {
        let site = config::read(config)?;
        Ok(Self {
            capabilities: capabilities(&site),
            site,
        })
    }
}

/// There is no partial capture (§5.7): a capture takes the whole rest of the hold, so what is not wanted is released
/// before it.
fn capabilities(site: &Site) -> Vec<Capability> {
    let config = &site.config;
    let mut list = vec![
        Capability::HostedPage,
        Capability::ManualCapture,
        Capability::Reversal,
        Capability::PartialReversal,
        Capability::Refund,
        Capability::PartialRefund,
        Capability::Receipt,
        Capability::SaveMethod,
    ];
    let optional = [
        (config.card_data, Capability::Card),
        (config.tokens, Capability::Token),
        (config.sbp, Capability::Qr),
        (config.splits, Capability::Split),
        (site.payout_key.is_some(), Capability::Payout),
    ];
    list.extend(
        optional
            .iter()
            .filter(|(is_on, _)| *is_on)
            .map(|(_, capability)| *capability),
    );
    list
}

#[async_trait]
impl OutboundConnection for PayinConnection {
    fn capabilities(&self) -> &[Capability] {
        &self.capabilities
    }

    fn check_options(&self, options: &Map<String, Value>) -> Result<(), ConfigError> {
        PayinOptions::read(options).map(|_| ())
    }

    async fn create(&self, context: &Context<'_>, order: &PaymentOrder) -> Result<Report, ConnectorError> {
        match &order.method {
            PaymentMethod::HostedPage { allowed } => bills::create(&self.site, context, order, allowed).await,
            PaymentMethod::Card(card) => payments::by_card(&self.site, context, order, card).await,
            PaymentMethod::Token(token) => match qr::sbp_token(token) {
                Some(token) => qr::by_token(&self.site, context, order, token).await,
                None => payments::by_token(&self.site, context, order, token).await,
            },
            PaymentMethod::Qr => qr::create(&self.site, context, order).await,
            PaymentMethod::DeviceWallet { .. } => Err(ConnectorError::unsupported("device wallets")),
        }
    }

    async fn finish(&self, context: &Context<'_>, order: &FinishOrder) -> Result<Report, ConnectorError> {
        payments::finish(&self.site, context, order).await
    }

    async fn capture(&self, context: &Context<'_>, order: &CaptureOrder) -> Result<Report, ConnectorError> {
        steps::capture(&self.site, context, order).await
    }

    async fn reverse(&self, context: &Context<'_>, order: &ReturnOrder) -> Result<Report, ConnectorError> {
        steps::give_back(&self.site, context, order, StepKind::Reversal).await
    }

    async fn refund(&self, context: &Context<'_>, order: &ReturnOrder) -> Result<Report, ConnectorError> {
        steps::give_back(&self.site, context, order, StepKind::Refund).await
    }

    async fn payout(&self, context: &Context<'_>, order: &PayoutOrder) -> Result<Report, ConnectorError> {
        payouts::create(&self.site, context, order).await
    }

    async fn status(&self, context: &Context<'_>, question: &StatusQuestion) -> Result<Vec<Report>, ConnectorError> {
        status::of(&self.site, context, question).await
    }

    /// §5.13. A token that is gone already is as good as deleted.
    async fn delete_token(
        &self,
        context: &Context<'_>,
        token: &Secret,
        customer: Option<&str>,
    ) -> Result<(), ConnectorError> {
        let customer = customer.ok_or_else(|| ConnectorError::invalid("a token is deleted for its customer's id"))?;
        let token = qr::sbp_token(token).unwrap_or(token.expose());
        let body = json!({ "customerAccountId": customer, "token": token });
        let body = body.to_string().into_bytes();
        let call = Call::new(&self.site, HttpMethod::Delete, "/tokens".to_owned(), Some(body));
        match call.send(context).await {
            Ok(_) | Err(crate::fault::Fault::NotFound(_)) => Ok(()),
            Err(fault) => Err(fault.into()),
        }
    }

    fn notification_subnets(&self) -> &[IpNet] {
        &self.site.subnets
    }

    fn notification_sensitive(&self) -> &'static [&'static str] {
        notifications::SENSITIVE
    }

    fn parse_notification(&self, request: &NotificationRequest<'_>) -> Result<Notification, NotificationError> {
        notifications::read(&self.site, request)
    }
}

/// What every new payment says of itself.
pub fn is_two_step(order: &PaymentOrder) -> bool {
    order.capture == CaptureMode::Manual
}
