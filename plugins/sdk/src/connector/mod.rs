//! Networks that we call. A connector turns orders into the network's requests and its answers into [`Report`]s; it
//! decides nothing about money. Ids and intents are stored by the gateway before a connector is called, so a crash or a
//! lost answer leaves a step that [`OutboundConnection::status`] settles.

mod accounts;
mod error;
mod http;
mod order;
mod receipt;
mod report;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use ipnet::IpNet;
use serde_json::{Map, Value};

pub use accounts::{
    Balance, CardRequisites, Direction, Document, EntryState, HistoryEntry, HistoryPage, HistoryQuery, Quote,
    Statistics, VirtualCard,
};
pub use error::{ConnectorError, Decline, DeclineReason, NetworkFault};
pub use http::{HttpClient, HttpFailure, HttpMethod, HttpRequest, HttpResponse};
pub use order::{
    CaptureMode, CaptureOrder, CardData, Customer, DeviceWallet, FinishOrder, KnownStep, PaymentMethod, PaymentOrder,
    PaymentRef, PayoutOrder, PayoutTarget, ReturnOrder, Split, StatusQuestion, Step, StoredCredential,
};
pub use receipt::{Receipt, ReceiptKind, ReceiptPaymentMethod, ReceiptPosition, ReceiptSubject, TaxSystem, Vat};
pub use report::{
    Facts, Hold, HoldEnd, IssuedToken, NextAction, Notification, NotificationError, Report, State, StepKind, Subject,
};

use crate::{Clock, ConfigError, Money, Secret};

/// A protocol in which we call the network.
pub trait Connector: Send + Sync {
    /// Reads a connection's config once; the result serves its operations until the config changes. Secrets stand in
    /// the config in clear.
    fn bind(&self, config: &Value) -> Result<Box<dyn OutboundConnection>, ConfigError>;
}

/// What a connection's operations may use. Nothing else: no clock, no network and no randomness of their own.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Holds the connection's TLS identity, pool and exchange log.
    pub http: &'a dyn HttpClient,
    pub clock: &'a dyn Clock,
}

/// What a connection can do, so that a request that it could never serve is refused before anything is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// The payer types on the network's page.
    HostedPage,
    Card,
    Token,
    DeviceWallet,
    Qr,
    /// A hold that is captured later.
    ManualCapture,
    PartialCapture,
    Reversal,
    PartialReversal,
    Refund,
    PartialRefund,
    Payout,
    SaveMethod,
    Receipt,
    Split,
    Balance,
    History,
    Statistics,
    VirtualCards,
}

impl Capability {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HostedPage => "hosted_page",
            Self::Card => "card",
            Self::Token => "token",
            Self::DeviceWallet => "device_wallet",
            Self::Qr => "qr",
            Self::ManualCapture => "manual_capture",
            Self::PartialCapture => "partial_capture",
            Self::Reversal => "reversal",
            Self::PartialReversal => "partial_reversal",
            Self::Refund => "refund",
            Self::PartialRefund => "partial_refund",
            Self::Payout => "payout",
            Self::SaveMethod => "save_method",
            Self::Receipt => "receipt",
            Self::Split => "split",
            Self::Balance => "balance",
            Self::History => "history",
            Self::Statistics => "statistics",
            Self::VirtualCards => "virtual_cards",
        }
    }
}

/// The protocol as one connection speaks it. Methods that a plugin lacks answer [`ConnectorError::unsupported`]; its
/// capabilities say so beforehand.
///
/// A repeated call with the same [`Step`] must not move money twice: either the network takes our id as the key, or the
/// connector asks before it repeats.
#[async_trait]
pub trait OutboundConnection: Send + Sync {
    /// Of this connection: a config may switch some off.
    fn capabilities(&self) -> &[Capability];

    /// Whether the network wants a client certificate of ours.
    fn wants_client_certificate(&self) -> bool {
        false
    }

    /// Refuses [`PaymentOrder::options`] that the network would not take, before anything is stored.
    fn check_options(&self, options: &Map<String, Value>) -> Result<(), ConfigError> {
        match options.keys().next() {
            None => Ok(()),
            Some(key) => Err(ConfigError::new(key, "this network has no options")),
        }
    }

    async fn create(&self, _context: &Context<'_>, _order: &PaymentOrder) -> Result<Report, ConnectorError> {
        Err(ConnectorError::unsupported("payments"))
    }

    /// Ends an authentication of the payer that a create asked for.
    async fn finish(&self, _context: &Context<'_>, _order: &FinishOrder) -> Result<Report, ConnectorError> {
        Err(ConnectorError::unsupported("authentication step"))
    }

    async fn capture(&self, _context: &Context<'_>, _order: &CaptureOrder) -> Result<Report, ConnectorError> {
        Err(ConnectorError::unsupported("capture"))
    }

    /// Releases a hold, in whole or in part.
    async fn reverse(&self, _context: &Context<'_>, _order: &ReturnOrder) -> Result<Report, ConnectorError> {
        Err(ConnectorError::unsupported("reversal"))
    }

    /// Gives back what was captured, in whole or in part.
    async fn refund(&self, _context: &Context<'_>, _order: &ReturnOrder) -> Result<Report, ConnectorError> {
        Err(ConnectorError::unsupported("refund"))
    }

    async fn payout(&self, _context: &Context<'_>, _order: &PayoutOrder) -> Result<Report, ConnectorError> {
        Err(ConnectorError::unsupported("payout"))
    }

    /// One report for the payment and one for each step that the network knows or should know. Changes nothing.
    async fn status(&self, _context: &Context<'_>, _question: &StatusQuestion) -> Result<Vec<Report>, ConnectorError> {
        Err(ConnectorError::unsupported("status"))
    }

    async fn delete_token(
        &self,
        _context: &Context<'_>,
        _token: &Secret,
        _customer: Option<&str>,
    ) -> Result<(), ConnectorError> {
        Err(ConnectorError::unsupported("deletion of tokens"))
    }

    async fn balances(&self, _context: &Context<'_>) -> Result<Vec<Balance>, ConnectorError> {
        Err(ConnectorError::unsupported("balance"))
    }

    /// What a payout would cost.
    async fn quote(
        &self,
        _context: &Context<'_>,
        _target: &PayoutTarget,
        _amount: Money,
    ) -> Result<Quote, ConnectorError> {
        Err(ConnectorError::unsupported("quote"))
    }

    async fn history(&self, _context: &Context<'_>, _query: &HistoryQuery) -> Result<HistoryPage, ConnectorError> {
        Err(ConnectorError::unsupported("history"))
    }

    async fn statistics(
        &self,
        _context: &Context<'_>,
        _from: DateTime<Utc>,
        _until: DateTime<Utc>,
    ) -> Result<Statistics, ConnectorError> {
        Err(ConnectorError::unsupported("statistics"))
    }

    /// The network's own receipt of an entry of its history.
    async fn receipt(&self, _context: &Context<'_>, _network_id: &str) -> Result<Document, ConnectorError> {
        Err(ConnectorError::unsupported("receipts"))
    }

    fn cards(&self) -> Option<&dyn CardIssuer> {
        None
    }

    /// Subnets that notifications may come from; empty means any, because the signature alone proves them.
    fn notification_subnets(&self) -> &[IpNet] {
        &[]
    }

    /// Names whose values nobody may read later in the log of notifications, as [`HttpRequest::sensitive`].
    fn notification_sensitive(&self) -> &'static [&'static str] {
        &[]
    }

    /// Reads a notification and checks its signature. Pure.
    fn parse_notification(&self, _request: &NotificationRequest<'_>) -> Result<Notification, NotificationError> {
        Err(NotificationError::NotSupported)
    }
}

/// Virtual cards of a wallet.
#[async_trait]
pub trait CardIssuer: Send + Sync {
    /// Issues a card. Steps that were made by an earlier, interrupted call with the same [`Step`] are not made again.
    async fn issue(&self, context: &Context<'_>, order: &CardOrder) -> Result<VirtualCard, ConnectorError>;

    async fn cards(&self, context: &Context<'_>) -> Result<Vec<VirtualCard>, ConnectorError>;

    async fn requisites(
        &self,
        context: &Context<'_>,
        card: &str,
        step: &Step,
    ) -> Result<CardRequisites, ConnectorError>;

    async fn block(&self, context: &Context<'_>, card: &str) -> Result<(), ConnectorError>;

    async fn unblock(&self, context: &Context<'_>, card: &str) -> Result<(), ConnectorError>;

    async fn rename(&self, context: &Context<'_>, card: &str, alias: &str) -> Result<(), ConnectorError>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardOrder {
    pub step: Step,
    /// The network's name of the product.
    pub product: String,
    pub alias: Option<String>,
}

/// A notification as it arrived.
#[derive(Clone, Copy)]
pub struct NotificationRequest<'a> {
    pub method: &'a str,
    pub query: &'a str,
    /// Names in lower case.
    pub headers: &'a [(String, String)],
    pub body: &'a [u8],
}

impl NotificationRequest<'_> {
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}
