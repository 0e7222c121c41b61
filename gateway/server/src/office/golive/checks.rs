//! Checks that are made, not looked up.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::{join_all, try_join_all};
use plugin_sdk::EventId;
use serde::Serialize;
use serde_json::json;
use store::{
    Connection, ConnectionStatus, DeliveryFilter, DeliveryStatus, Endpoint, EndpointStatus, Merchant, NewDelivery,
    NewEvent, Store,
};
use url::Url;
use utoipa::ToSchema;

use super::GoLive;
use crate::edge::outbound::Outbound;
use crate::edge::tls::trial;
use crate::events;
use crate::kiosk::{Command, Move};
use crate::office::front_door::FrontDoor;
use crate::rulebook::Rulebook;

/// How long an endpoint may take to answer the test event.
const ECHO_WITHIN: Duration = Duration::from_secs(10);
const ECHO_POLL: Duration = Duration::from_millis(100);
/// Connections and endpoints that one run checks, each.
const CHECKED_MAX: usize = 20;

/// What the checks pay with, and how far they go.
#[derive(Debug, Clone)]
pub struct CheckOptions {
    pub account: String,
    pub amount: String,
    pub currency: Option<String>,
    /// Whether money is credited; else the terminal only asks.
    pub pay: bool,
}

/// How one check went.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckResult {
    /// `rule_tests`, `terminal_check`, `terminal_pay`, `handshake` or `webhook_echo`.
    check: &'static str,
    /// Which connection or endpoint; empty for the rules.
    subject: String,
    passed: bool,
    /// It cannot be done from here, which says nothing against it.
    skipped: bool,
    detail: String,
    took_ms: u64,
}

impl CheckResult {
    fn new(check: &'static str, subject: &str, passed: bool, detail: impl Into<String>, started: Instant) -> Self {
        Self {
            check,
            subject: subject.to_owned(),
            passed,
            skipped: false,
            detail: detail.into(),
            took_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// Whether it passed, or could not be made from here.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.passed || self.skipped
    }

    fn skipped(self) -> Self {
        Self { skipped: true, ..self }
    }
}

/// What the checks reach out with.
pub struct Checking<'a> {
    pub golive: &'a GoLive,
    pub rulebook: &'a Rulebook,
    pub upstream: &'a Outbound,
    /// Where this node's plain listener is reached.
    pub front_door: Option<SocketAddr>,
    /// Called when an event waits to be delivered.
    pub nudge: &'a (dyn Fn() + Sync),
}

impl Checking<'_> {
    pub async fn run(
        &self,
        merchant: &Merchant,
        options: &CheckOptions,
    ) -> Result<Vec<CheckResult>, store::StoreError> {
        let store = &self.golive.store;
        let mut results = Vec::new();
        results.extend(self.rule_tests(merchant).await?);
        let connections = store.connections(merchant.id).await?;
        let active = connections
            .iter()
            .filter(|connection| connection.status == ConnectionStatus::Active);
        // Side by side: the slowest of them says how long it takes.
        let checked = active
            .take(CHECKED_MAX)
            .map(|connection| self.connection(merchant, connection, options));
        results.extend(join_all(checked).await.into_iter().flatten());
        let endpoints = store.endpoints(merchant.id).await?;
        let active = endpoints
            .iter()
            .filter(|endpoint| endpoint.status == EndpointStatus::Active);
        results.extend(try_join_all(active.take(CHECKED_MAX).map(|endpoint| self.echo(endpoint))).await?);
        Ok(results)
    }

    async fn connection(
        &self,
        merchant: &Merchant,
        connection: &Connection,
        options: &CheckOptions,
    ) -> Vec<CheckResult> {
        let mut results = Vec::new();
        let plugin = self.golive.plugins.find(&connection.plugin);
        if plugin.is_some_and(|plugin| plugin.inbound().is_some()) {
            results.extend(self.terminal(merchant, connection, options).await);
        }
        if plugin.is_some_and(|plugin| plugin.connector().is_some()) {
            results.extend(self.handshake(connection).await);
        }
        results
    }

    async fn rule_tests(&self, merchant: &Merchant) -> Result<Option<CheckResult>, store::StoreError> {
        let Some(number) = merchant.published_rules else {
            return Ok(None);
        };
        let started = Instant::now();
        let revision = self.golive.store.rule_revision(merchant.id, number).await?;
        let checked = self.rulebook.examine(merchant.id, &revision.source).await;
        let (passed, detail) = match checked {
            Ok(checks) if !checks.is_green() => (false, checks.objections()),
            Ok(checks) if checks.tests.passed == 0 => (false, format!("r{number} has no tests of its own")),
            Ok(checks) => (true, format!("{} tests of r{number} pass", checks.tests.passed)),
            Err(error) => (false, error.to_string()),
        };
        Ok(Some(CheckResult::new("rule_tests", "", passed, detail, started)))
    }

    /// A check and, if it was accepted and is wanted, a pay, as a terminal would send them.
    async fn terminal(&self, merchant: &Merchant, connection: &Connection, options: &CheckOptions) -> Vec<CheckResult> {
        let asked = Move {
            command: Command::Check,
            txn_id: Some(self.golive.clock.now().timestamp_millis().to_string()),
            account: options.account.clone(),
            sum: options.amount.clone(),
            currency: options.currency.clone(),
            more: Vec::new(),
        };
        let started = Instant::now();
        let door = match self.front_door {
            Some(address) => {
                FrontDoor::new(address, &merchant.slug, &connection.slug, None).map_err(|error| error.to_string())
            }
            None => Err("the public listener is not open yet".to_owned()),
        };
        let door = match door {
            Ok(door) => door,
            Err(error) => {
                let result = CheckResult::new("terminal_check", &connection.slug, false, error, started);
                return vec![result.skipped()];
            }
        };
        let mut results = vec![self.ask(&door, &connection.slug, &asked).await];
        if options.pay && results.iter().all(|result| result.passed) {
            let pay = Move {
                command: Command::Pay,
                ..asked
            };
            results.push(self.ask(&door, &connection.slug, &pay).await);
        }
        results
    }

    async fn ask(&self, door: &FrontDoor, connection: &str, asked: &Move) -> CheckResult {
        let started = Instant::now();
        let check = if asked.command == Command::Pay {
            "terminal_pay"
        } else {
            "terminal_check"
        };
        let result = |passed, detail: String| CheckResult::new(check, connection, passed, detail, started);
        let heard = match door.ask(asked, self.golive.clock.now()).await {
            Ok(heard) => heard,
            Err(error) => return result(false, error.to_string()),
        };
        if heard.is_shut() {
            let detail =
                "this machine may not call it: its network proves itself by a login, a certificate or its address";
            return result(false, detail.to_owned()).skipped();
        }
        match heard.result() {
            Some(0) => result(true, "accepted".to_owned()),
            Some(code) => result(false, format!("the network would hear result {code}")),
            None => result(false, format!("HTTP {}: {}", heard.status, heard.head())),
        }
    }

    /// `None` when the connection's network is not called by TLS.
    async fn handshake(&self, connection: &Connection) -> Option<CheckResult> {
        let started = Instant::now();
        let url = address_of(&connection.config)?;
        let result = |passed, detail: String| CheckResult::new("handshake", &connection.slug, passed, detail, started);
        let report = trial::with_network(self.upstream, &self.golive.sealer, connection, url.as_str()).await;
        Some(match report {
            Err(error) => result(false, error.to_string()),
            Ok(report) if !report.established => {
                let reason = report.reason.unwrap_or_else(|| "it was not established".to_owned());
                result(false, reason)
            }
            Ok(report) => match report.distrust {
                Some(distrust) => result(false, format!("its certificate is not believed: {distrust}")),
                None => result(true, report.protocol.unwrap_or_default()),
            },
        })
    }

    /// A test event, and whether the endpoint took it.
    async fn echo(&self, endpoint: &Endpoint) -> Result<CheckResult, store::StoreError> {
        let started = Instant::now();
        let store = &self.golive.store;
        let event = NewEvent {
            id: EventId::generate(),
            merchant_id: endpoint.merchant_id,
            event_type: events::ENDPOINT_TEST,
            payment_id: None,
            payload: json!({ "endpoint_id": endpoint.id, "message": "A test, sent by the go-live checks." }),
            created_at: self.golive.clock.now(),
            deliveries: vec![NewDelivery {
                endpoint_id: endpoint.id,
            }],
        };
        let id = event.id;
        store.create_event(event).await?;
        (self.nudge)();
        let mut last = "no attempt was made yet".to_owned();
        while started.elapsed() < ECHO_WITHIN {
            match attempted(store, endpoint, id).await? {
                Some((true, detail)) => {
                    return Ok(CheckResult::new("webhook_echo", &endpoint.url, true, detail, started));
                }
                Some((false, detail)) => last = detail,
                None => {}
            }
            tokio::time::sleep(ECHO_POLL).await;
        }
        Ok(CheckResult::new("webhook_echo", &endpoint.url, false, last, started))
    }
}

/// Whether the event's delivery arrived, and how the last attempt went.
async fn attempted(
    store: &Store,
    endpoint: &Endpoint,
    event: EventId,
) -> Result<Option<(bool, String)>, store::StoreError> {
    let filter = DeliveryFilter {
        endpoint_id: Some(endpoint.id),
        ..DeliveryFilter::default()
    };
    let newest = store::Cursor::new(None, Some(50));
    let page = store.deliveries(endpoint.merchant_id, &filter, &newest).await?;
    let Some(delivery) = page.items.into_iter().find(|delivery| delivery.event_id == event) else {
        return Ok(None);
    };
    let attempts = store.delivery_attempts(endpoint.merchant_id, delivery.id).await?;
    let Some(last) = attempts.last() else { return Ok(None) };
    let told = match (last.status, &last.error) {
        (Some(status), _) => format!("HTTP {status} after {} ms", last.duration_ms),
        (None, Some(error)) => error.clone(),
        (None, None) => "no answer".to_owned(),
    };
    Ok(Some((delivery.status == DeliveryStatus::Delivered, told)))
}

/// Where the network is: the first https address of the config.
fn address_of(config: &serde_json::Value) -> Option<Url> {
    let texts = config.as_object()?.values().filter_map(serde_json::Value::as_str);
    let mut urls = texts.filter_map(|text| Url::parse(text).ok());
    urls.find(|url| url.scheme() == "https" && url.has_host())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_s_address_is_an_https_one() {
        let config = json!({"site": "x", "base_url": "http://plain.example", "api_url": "https://api.example:8443/v1"});
        assert_eq!(address_of(&config).unwrap().host_str(), Some("api.example"));
        assert!(address_of(&json!({"a": 1})).is_none());
    }
}
