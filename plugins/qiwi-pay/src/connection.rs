//! One site at QIWI PAY, as the gateway uses it.

use std::time::Duration;

use async_trait::async_trait;
use ipnet::IpNet;
use plugin_sdk::connector::{
    Capability, CaptureOrder, ConnectorError, Context, FinishOrder, HttpMethod, HttpRequest, HttpResponse, IssuedToken,
    Notification, NotificationError, NotificationRequest, OutboundConnection, PaymentOrder, PayoutOrder, Report,
    ReturnOrder, StatusQuestion, Step,
};
use plugin_sdk::{ConfigError, Secret};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::answer::Answer;
use crate::config::{Config, SafeDeal, Site};
use crate::deal::Deal;
use crate::options::Options;
use crate::parameters::Parameters;
use crate::{callback, errors, purchase};

/// The whole answer; QIWI's side waits for the card's issuer meanwhile.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A step whose intent is older than this may have been sent before: the network is asked before it is sent.
const FRESH: chrono::Duration = chrono::Duration::seconds(10);

/// Names whose values nobody may read later.
const SENSITIVE: &[&str] = &[
    "pan",
    "expiry",
    "cvv2",
    "card_token",
    "receiver_pan",
    "apple_pay_encoded_payment_token",
    "google_pay_encoded_payment_token",
    "pareq",
    "pares",
    "sign",
];

const PAGE_ONLY: &[Capability] = &[
    Capability::HostedPage,
    Capability::Token,
    Capability::SaveMethod,
    Capability::Receipt,
];

const WITH_API: &[Capability] = &[
    Capability::HostedPage,
    Capability::Token,
    Capability::SaveMethod,
    Capability::Receipt,
    Capability::Card,
    Capability::DeviceWallet,
    Capability::ManualCapture,
    Capability::Reversal,
    Capability::PartialReversal,
    Capability::Refund,
    Capability::PartialRefund,
    Capability::Payout,
];

/// What is kept with a payment between its steps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// The payer pays on the network's page: it knows nothing of the payment until they do.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub on_page: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<chrono::DateTime<chrono::Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deal: Option<Deal>,
    /// The payer's card is to be stored; an authentication that ends later brings its token.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub save: bool,
    /// The merchant's id of the customer, when their card is to be stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
}

impl Kept {
    pub fn read(kept: &Value) -> Self {
        Self::deserialize(kept).unwrap_or_default()
    }

    /// The card's token, if it was asked for.
    pub fn token(&self, answer: &Answer<'_>) -> Option<IssuedToken> {
        if self.save {
            answer.token(self.customer.as_deref())
        } else {
            None
        }
    }

    pub fn write(&self) -> Option<Value> {
        serde_json::to_value(self).ok().filter(|_| *self != Self::default())
    }
}

/// One site at QIWI PAY.
pub struct QiwiPayConnection {
    pub(crate) site: Site,
    capabilities: Vec<Capability>,
}

impl QiwiPayConnection {
    /// Reads a connection's config.
    pub fn new(config: &Value) -> Result<Self, ConfigError> {
        let site = Site::read(config)?;
        let mut capabilities = if site.config.api { WITH_API } else { PAGE_ONLY }.to_vec();
        if site.config.safe_deal != SafeDeal::Off {
            capabilities.push(Capability::Split);
        }
        Ok(Self { site, capabilities })
    }

    pub(crate) fn config(&self) -> &Config {
        &self.site.config
    }

    pub(crate) fn secret(&self) -> &Secret {
        &self.site.config.secret_key
    }

    pub(crate) fn options(&self, options: &Map<String, Value>) -> Result<Options, ConfigError> {
        Options::read(options, self.config().safe_deal, self.config().safe_deal_field)
    }

    /// Asks the server API. What comes back may be anything.
    pub(crate) async fn ask(
        &self,
        context: &Context<'_>,
        parameters: &Parameters,
    ) -> Result<HttpResponse, ConnectorError> {
        if !self.config().api {
            return Err(ConnectorError::unsupported("server API; switch on 'api' in its config"));
        }
        let body = parameters.json(self.secret(), self.config().industry_data_in_signature)?;
        let request = HttpRequest::new(HttpMethod::Post, self.config().api_url.as_str())
            .header("accept", "application/json")
            .body("application/json", body)
            .timeout(TIMEOUT)
            .sensitive(SENSITIVE);
        Ok(context.http.send(request).await?)
    }
}

/// The API's own answer and its error code, or what the absence of one means.
pub fn read(response: &HttpResponse) -> Result<(Answer<'_>, i64), ConnectorError> {
    let answer = Answer::read(&response.body).and_then(|answer| answer.error_code().map(|code| (answer, code)));
    match answer {
        // A server in trouble may have executed what its answer says it did not.
        Some(_) if response.status >= 500 => Err(errors::of_foreign(response)),
        Some(answer) => Ok(answer),
        None => Err(errors::of_foreign(response)),
    }
}

/// Whether this step may have been sent before.
pub fn is_repeat(context: &Context<'_>, step: &Step) -> bool {
    context.clock.now() - step.at > FRESH
}

#[async_trait]
impl OutboundConnection for QiwiPayConnection {
    fn capabilities(&self) -> &[Capability] {
        &self.capabilities
    }

    fn wants_client_certificate(&self) -> bool {
        self.config().api
    }

    fn check_options(&self, options: &Map<String, Value>) -> Result<(), ConfigError> {
        self.options(options).map(|_| ())
    }

    async fn create(&self, context: &Context<'_>, order: &PaymentOrder) -> Result<Report, ConnectorError> {
        purchase::create(self, context, order).await
    }

    async fn finish(&self, context: &Context<'_>, order: &FinishOrder) -> Result<Report, ConnectorError> {
        self.finish_three_ds(context, order).await
    }

    async fn capture(&self, context: &Context<'_>, order: &CaptureOrder) -> Result<Report, ConnectorError> {
        self.capture_hold(context, order, None).await
    }

    async fn reverse(&self, context: &Context<'_>, order: &ReturnOrder) -> Result<Report, ConnectorError> {
        self.give_back(context, order, crate::steps::Return::Reversal).await
    }

    async fn refund(&self, context: &Context<'_>, order: &ReturnOrder) -> Result<Report, ConnectorError> {
        self.give_back(context, order, crate::steps::Return::Refund).await
    }

    async fn payout(&self, context: &Context<'_>, order: &PayoutOrder) -> Result<Report, ConnectorError> {
        self.pay_out(context, order).await
    }

    async fn status(&self, context: &Context<'_>, question: &StatusQuestion) -> Result<Vec<Report>, ConnectorError> {
        self.ask_status(context, question).await
    }

    fn notification_subnets(&self) -> &[IpNet] {
        &self.site.subnets
    }

    fn parse_notification(&self, request: &NotificationRequest<'_>) -> Result<Notification, NotificationError> {
        callback::parse(self, request)
    }
}
