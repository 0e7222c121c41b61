//! What stands between a merchant and its first real payment: what is there and what is missing, told from what is stored;
//! and checks that do what a network and an endpoint would do, and say how it went.

mod checks;

use std::sync::Arc;

use chrono::Duration;
use plugin_sdk::{Clock, MerchantId};
use serde::Serialize;
use store::{Connection, ConnectionStatus, EndpointStatus, Merchant, MerchantStatus, Store, StoreError};
use utoipa::ToSchema;

use crate::access::sealing::Sealer;
use crate::edge::certificates::CertificateInfo;
use crate::plugins::Plugins;
use crate::tenancy::config_secrets::{self, Owner};
use crate::tenancy::{TrafficBook, TrafficBookError, TrafficOf};

pub use checks::{CheckOptions, CheckResult, Checking};

/// A certificate that ends sooner is not ready to go live.
const LASTS: Duration = Duration::days(30);

#[derive(Debug, thiserror::Error)]
pub enum GoLiveError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Traffic(#[from] TrafficBookError),
}

/// What has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepName {
    /// The merchant itself is active.
    Merchant,
    /// A connection to a network.
    Connection,
    /// Certificates where networks want them.
    Certificate,
    /// Published rules.
    Rules,
    /// Limits on what may come.
    Limits,
    /// An endpoint that took a webhook.
    Webhook,
    /// A payment that went all the way.
    Payment,
    /// Somebody at the merchant.
    People,
    /// Everybody there has a second factor.
    SecondFactor,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Step {
    pub step: StepName,
    pub done: bool,
    /// What is there, or what is missing, in words.
    pub detail: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Checklist {
    /// Nothing is missing.
    pub ready: bool,
    pub steps: Vec<Step>,
}

#[derive(Clone)]
pub struct GoLive {
    pub store: Store,
    pub plugins: Plugins,
    pub sealer: Arc<Sealer>,
    pub traffic: TrafficBook,
    pub clock: Arc<dyn Clock>,
}

impl GoLive {
    pub async fn checklist(&self, merchant: &Merchant) -> Result<Checklist, GoLiveError> {
        let connections = self.store.connections(merchant.id).await?;
        let milestones = self.store.milestones(merchant.id).await?;
        let mut steps = vec![of_merchant(merchant), of_connections(&connections)];
        steps.extend(self.certificates(merchant.id, &connections).await?);
        steps.push(of_rules(merchant));
        steps.push(self.limits(merchant.id).await?);
        steps.push(self.webhook(merchant.id, milestones.told).await?);
        let paid = if milestones.paid {
            "a payment succeeded"
        } else {
            "no payment succeeded lately; make one with the terminal lab or by /v1"
        };
        steps.push(step(StepName::Payment, milestones.paid, paid));
        steps.extend(self.people(merchant.id).await?);
        Ok(Checklist {
            ready: steps.iter().all(|step| step.done),
            steps,
        })
    }

    /// `None` when no network asks for one.
    async fn certificates(&self, merchant: MerchantId, connections: &[Connection]) -> Result<Option<Step>, StoreError> {
        let now = self.clock.now();
        let (mut wanted, mut missing) = (0, Vec::new());
        for connection in connections {
            let wants = self.wants(connection);
            if wants.shown {
                wanted += 1;
                let info: Option<CertificateInfo> = connection
                    .identity
                    .clone()
                    .and_then(|shown| serde_json::from_value(shown).ok());
                match info {
                    None => missing.push(format!("{}: its network wants a PKCS12 of ours", connection.slug)),
                    Some(info) if info.not_after - now < LASTS => {
                        missing.push(format!("{}: its certificate ends within 30 days", connection.slug));
                    }
                    Some(_) => {}
                }
            }
            if wants.bound {
                wanted += 1;
                let bound = self.store.client_certificates(merchant, Some(connection.id)).await?;
                let lasts =
                    |not_after: Option<chrono::DateTime<chrono::Utc>>| not_after.is_none_or(|at| at - now >= LASTS);
                let good = bound.iter().any(|one| one.revoked_at.is_none() && lasts(one.not_after));
                if !good {
                    missing.push(format!(
                        "{}: issue or trust a client certificate for its network",
                        connection.slug
                    ));
                }
            }
        }
        if wanted == 0 {
            return Ok(None);
        }
        let detail = if missing.is_empty() {
            "all are there and last".to_owned()
        } else {
            missing.join("; ")
        };
        Ok(Some(step(StepName::Certificate, missing.is_empty(), detail)))
    }

    /// What its network wants of certificates. A config that cannot be read wants nothing: another step says that.
    fn wants(&self, connection: &Connection) -> Wanted {
        let nothing = Wanted::default();
        let owner = Owner {
            merchant: connection.merchant_id,
            connection: &connection.slug,
        };
        let (Some(plugin), Ok(config)) = (
            self.plugins.find(&connection.plugin),
            config_secrets::open(&self.sealer, owner, &connection.config),
        ) else {
            return nothing;
        };
        let outbound = plugin.connector().and_then(|connector| connector.bind(&config).ok());
        let inbound = plugin.inbound().and_then(|inbound| inbound.bind(&config).ok());
        Wanted {
            shown: outbound.is_some_and(|bound| bound.wants_client_certificate()),
            bound: inbound.is_some_and(|bound| bound.access().auth.requires_certificate()),
        }
    }

    async fn limits(&self, merchant: MerchantId) -> Result<Step, TrafficBookError> {
        let limits = self.traffic.get(merchant, &TrafficOf::Merchant).await?;
        let rates: Vec<String> = (limits.effective.rates.iter())
            .map(|window| format!("{} in {} s", window.requests, window.seconds))
            .collect();
        let at_once = limits.effective.in_flight;
        let detail = if rates.is_empty() {
            format!("{at_once} requests at once, and no limit on their rate")
        } else {
            format!("{at_once} requests at once; {}", rates.join(", "))
        };
        // How many may be at work is always limited; that is enough to protect the others.
        Ok(step(StepName::Limits, at_once > 0, detail))
    }

    async fn webhook(&self, merchant: MerchantId, told: bool) -> Result<Step, StoreError> {
        let endpoints = self.store.endpoints(merchant).await?;
        let active = endpoints
            .iter()
            .filter(|endpoint| endpoint.status == EndpointStatus::Active)
            .count();
        let detail = match (active, told) {
            (0, _) => "there is no active endpoint".to_owned(),
            (_, false) => "no endpoint took a delivery yet; a test event is enough".to_owned(),
            (count, true) => format!("{count} active, and deliveries arrive"),
        };
        Ok(step(StepName::Webhook, active > 0 && told, detail))
    }

    async fn people(&self, merchant: MerchantId) -> Result<[Step; 2], StoreError> {
        let staff = self.store.staff(merchant).await?;
        let active: Vec<_> = staff.iter().filter(|(person, _)| person.active).collect();
        let without = active
            .iter()
            .filter(|(person, _)| person.factor_sealed.is_none())
            .count();
        let factor = match (active.len(), without) {
            (0, _) => "nobody is there yet".to_owned(),
            (_, 0) => "everybody has one".to_owned(),
            (count, without) => format!("{without} of {count} have none"),
        };
        Ok([
            step(StepName::People, !active.is_empty(), format!("{} active", active.len())),
            step(StepName::SecondFactor, !active.is_empty() && without == 0, factor),
        ])
    }
}

#[derive(Default)]
struct Wanted {
    /// A certificate that we show.
    shown: bool,
    /// A certificate that we are shown.
    bound: bool,
}

fn step(step: StepName, done: bool, detail: impl Into<String>) -> Step {
    Step {
        step,
        done,
        detail: detail.into(),
    }
}

fn of_merchant(merchant: &Merchant) -> Step {
    let active = merchant.status == MerchantStatus::Active;
    step(StepName::Merchant, active, if active { "active" } else { "suspended" })
}

fn of_connections(connections: &[Connection]) -> Step {
    let active: Vec<&str> = (connections.iter())
        .filter(|connection| connection.status == ConnectionStatus::Active)
        .map(|connection| connection.slug.as_str())
        .collect();
    let detail = if active.is_empty() {
        "there is no active connection".to_owned()
    } else {
        active.join(", ")
    };
    step(StepName::Connection, !active.is_empty(), detail)
}

fn of_rules(merchant: &Merchant) -> Step {
    match merchant.published_rules {
        Some(number) => step(StepName::Rules, true, format!("r{number} is published")),
        None => step(
            StepName::Rules,
            false,
            "no rules are published: every account that networks ask for may be paid",
        ),
    }
}
