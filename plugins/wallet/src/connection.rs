//! One wallet as the gateway uses it.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use ipnet::IpNet;
use plugin_sdk::connector::{
    Balance, Capability, CardIssuer, CardOrder, CardRequisites, ConnectorError, Context, Document, HistoryEntry,
    HistoryPage, HistoryQuery, Notification, NotificationError, NotificationRequest, OutboundConnection, PayoutOrder,
    PayoutTarget, Quote, Report, Statistics, StatusQuestion, Step, VirtualCard,
};
use plugin_sdk::{ConfigError, Money, Secret};
use serde_json::{Map, Value};

use crate::cards::CardOrders;
use crate::config::Profile;
use crate::hooks::{Hook, HookDirection, HookWithKey};
use crate::network::Network;
use crate::notification;
use crate::payments::PayoutOptions;
use crate::status::LastSearch;

/// §11: where hooks come from.
const SUBNETS: [&str; 4] = [
    "79.142.16.0/20",
    "195.189.100.0/22",
    "91.232.230.0/23",
    "91.213.51.0/24",
];
/// What both dialects have.
const CAS: [Capability; 4] = [
    Capability::Payout,
    Capability::Balance,
    Capability::History,
    Capability::Statistics,
];
const TOKEN: [Capability; 5] = [
    Capability::Payout,
    Capability::Balance,
    Capability::History,
    Capability::Statistics,
    Capability::VirtualCards,
];

/// A bound wallet: its config, and the session, rate and searches that live as long as the config stays as it is.
///
/// What the gateway has no place for (hooks, the Master package, single transactions) are methods of its own.
pub struct WalletConnection {
    network: Network,
    last_search: LastSearch,
    card_orders: CardOrders,
    subnets: Vec<IpNet>,
}

impl WalletConnection {
    /// Reads a config. An error names the key that is wrong.
    pub fn new(config: &Value) -> Result<Self, ConfigError> {
        let profile = Profile::read(config)?;
        // Only the network itself calls from its subnets; a simulator does not.
        let is_real = profile.edge_base == crate::config::WalletConfig::default().edge_base;
        let subnets = SUBNETS
            .iter()
            .filter(|_| is_real)
            .filter_map(|subnet| subnet.parse().ok());
        Ok(Self {
            subnets: subnets.collect(),
            network: Network::new(profile),
            last_search: LastSearch::default(),
            card_orders: CardOrders::default(),
        })
    }

    /// Until when the network is left alone because it said that there were too many requests.
    #[must_use]
    pub fn throttled_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.network.throttle.shut_until(now)
    }

    /// Ends the session at the network (`cas`); a token has none. The next call logs in again.
    pub async fn log_out(&self, context: &Context<'_>) -> Result<(), ConnectorError> {
        self.network.log_out(context).await
    }

    /// Whether the log-in still holds at the network (`cas`); always, with a token.
    pub async fn is_logged_in(&self, context: &Context<'_>) -> Result<bool, ConnectorError> {
        self.network.is_logged_in(context).await
    }

    /// One transaction by the network's number, from our side of it. Only with a token.
    pub async fn transaction(&self, context: &Context<'_>, network_id: &str) -> Result<HistoryEntry, ConnectorError> {
        self.network.read_transaction(context, network_id).await
    }

    /// Has the network mail a transaction's receipt. Only with a token.
    pub async fn mail_receipt(
        &self,
        context: &Context<'_>,
        network_id: &str,
        email: &str,
    ) -> Result<(), ConnectorError> {
        self.network.mail_receipt(context, network_id, email).await
    }

    /// The provider that a card is paid through.
    pub async fn provider_of_card(&self, context: &Context<'_>, pan: &Secret) -> Result<String, ConnectorError> {
        self.network.provider_of_card(context, pan).await
    }

    /// The provider that a phone is topped up through.
    pub async fn provider_of_phone(&self, context: &Context<'_>, phone: &str) -> Result<String, ConnectorError> {
        self.network.provider_of_phone(context, phone).await
    }

    /// A provider's standard commission on an amount in rubles. A quote says what one payment really costs.
    pub async fn tariff(&self, context: &Context<'_>, provider: &str, amount: Money) -> Result<Money, ConnectorError> {
        self.network.ask_tariff(context, provider, amount).await
    }

    /// Buys the QIWI Master package for the configured price. The step makes it happen once; its end is found with
    /// [`OutboundConnection::status`] like a payout's.
    pub async fn buy_master(&self, context: &Context<'_>, step: &Step) -> Result<Report, ConnectorError> {
        self.network.buy_master(context, step).await
    }

    /// A card's statement as PDF, for at most 90 days.
    pub async fn card_statement(
        &self,
        context: &Context<'_>,
        card: &str,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Document, ConnectorError> {
        self.network.read_card_statement(context, card, from, until).await
    }

    /// Every active card with what its holder needs to pay with it. Passed on, never kept.
    pub async fn cards_with_requisites(
        &self,
        context: &Context<'_>,
        step: &Step,
    ) -> Result<Vec<(VirtualCard, CardRequisites)>, ConnectorError> {
        let mut cards = Vec::new();
        for card in self.network.read_cards(context).await? {
            if card.is_active {
                let requisites = self.network.card_details(context, &card.id, step).await?;
                cards.push((card, requisites));
            }
        }
        Ok(cards)
    }

    /// Sets the wallet's hook up anew, whether there was one or not: its key belongs into the config as `hook_key`.
    pub async fn set_up_hook(
        &self,
        context: &Context<'_>,
        url: &str,
        direction: HookDirection,
    ) -> Result<HookWithKey, ConnectorError> {
        self.network.replace_hook(context, url, direction).await
    }

    /// Registers a hook; refused when there is one.
    pub async fn register_hook(
        &self,
        context: &Context<'_>,
        url: &str,
        direction: HookDirection,
    ) -> Result<Hook, ConnectorError> {
        self.network.register_hook(context, url, direction).await
    }

    /// The wallet's hook, if it has one.
    pub async fn hook(&self, context: &Context<'_>) -> Result<Option<Hook>, ConnectorError> {
        self.network.read_hook(context).await
    }

    pub async fn delete_hook(&self, context: &Context<'_>, id: &str) -> Result<(), ConnectorError> {
        self.network.delete_hook(context, id).await
    }

    pub async fn hook_key(&self, context: &Context<'_>, id: &str) -> Result<Secret, ConnectorError> {
        self.network.read_hook_key(context, id).await
    }

    /// Makes a new key; the old one is dead at once.
    pub async fn renew_hook_key(&self, context: &Context<'_>, id: &str) -> Result<Secret, ConnectorError> {
        self.network.renew_hook_key(context, id).await
    }

    /// Has the network send a test message, which is acknowledged and does nothing.
    pub async fn send_test_hook(&self, context: &Context<'_>) -> Result<(), ConnectorError> {
        self.network.send_test_hook(context).await
    }
}

#[async_trait]
impl OutboundConnection for WalletConnection {
    fn capabilities(&self) -> &[Capability] {
        if self.network.profile.is_cas() { &CAS } else { &TOKEN }
    }

    fn check_options(&self, options: &Map<String, Value>) -> Result<(), ConfigError> {
        PayoutOptions::read(options).map(|_| ())
    }

    async fn payout(&self, context: &Context<'_>, order: &PayoutOrder) -> Result<Report, ConnectorError> {
        self.network.pay_out(context, order).await
    }

    async fn status(&self, context: &Context<'_>, question: &StatusQuestion) -> Result<Vec<Report>, ConnectorError> {
        self.network.ask_status(context, &self.last_search, question).await
    }

    async fn balances(&self, context: &Context<'_>) -> Result<Vec<Balance>, ConnectorError> {
        self.network.read_balances(context).await
    }

    async fn quote(
        &self,
        context: &Context<'_>,
        target: &PayoutTarget,
        amount: Money,
    ) -> Result<Quote, ConnectorError> {
        self.network.ask_quote(context, target, amount).await
    }

    async fn history(&self, context: &Context<'_>, query: &HistoryQuery) -> Result<HistoryPage, ConnectorError> {
        self.network.read_history(context, query).await
    }

    async fn statistics(
        &self,
        context: &Context<'_>,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Statistics, ConnectorError> {
        self.network.read_statistics(context, from, until).await
    }

    async fn receipt(&self, context: &Context<'_>, network_id: &str) -> Result<Document, ConnectorError> {
        self.network.read_receipt(context, network_id).await
    }

    fn cards(&self) -> Option<&dyn CardIssuer> {
        (!self.network.profile.is_cas()).then_some(self as &dyn CardIssuer)
    }

    fn notification_subnets(&self) -> &[IpNet] {
        &self.subnets
    }

    fn parse_notification(&self, request: &NotificationRequest<'_>) -> Result<Notification, NotificationError> {
        match &self.network.profile.hook_key {
            Some(key) => notification::read(key, request),
            None => Err(NotificationError::NotSupported),
        }
    }
}

#[async_trait]
impl CardIssuer for WalletConnection {
    async fn issue(&self, context: &Context<'_>, order: &CardOrder) -> Result<VirtualCard, ConnectorError> {
        self.network.issue_card(context, &self.card_orders, order).await
    }

    async fn cards(&self, context: &Context<'_>) -> Result<Vec<VirtualCard>, ConnectorError> {
        self.network.read_cards(context).await
    }

    async fn requisites(
        &self,
        context: &Context<'_>,
        card: &str,
        step: &Step,
    ) -> Result<CardRequisites, ConnectorError> {
        self.network.card_details(context, card, step).await
    }

    async fn block(&self, context: &Context<'_>, card: &str) -> Result<(), ConnectorError> {
        self.network.set_card_blocked(context, card, true).await
    }

    async fn unblock(&self, context: &Context<'_>, card: &str) -> Result<(), ConnectorError> {
        self.network.set_card_blocked(context, card, false).await
    }

    async fn rename(&self, context: &Context<'_>, card: &str, alias: &str) -> Result<(), ConnectorError> {
        self.network.rename_card(context, card, alias).await
    }
}
