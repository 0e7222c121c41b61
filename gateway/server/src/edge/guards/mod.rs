//! Guards: what stands before the payments, cheapest first.
//!
//! ```text
//! sockets (total, address) → source subnets → places of the connection → login → rates → body → seats at work
//! ```
//!
//! Rates come after the login: who was not let in must not use up a merchant's budget. What a login costs is bounded
//! by its own turns ([`porter`]), and strangers by a budget of theirs. A seat is taken when the whole request is there: who
//! sends slowly holds no seat.

pub mod doors;
pub mod gate;
pub mod gcra;
mod local;
mod nodes;
pub mod porter;
mod rates;
mod refusals;
mod shared;
pub mod shedding;
pub mod strict;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use plugin_sdk::{ApiKeyId, Clock};
use store::{GuardRefusals, PaymentWriter, Store};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::doors::{Busy, Doors, Places, Socket};
use self::gate::{Full, GateName, Gates, Seat, Use};
use self::local::{Counted, LocalRates};
use self::nodes::Nodes;
use self::porter::Porter;
pub use self::rates::Decision;
use self::rates::{Owner, Question, Rates};
use self::refusals::Refusals;
use self::shared::SharedRates;
use self::shedding::{Shedding, SheddingOptions};
use self::strict::StrictRates;
use crate::neighbours::Redis;
use crate::tenancy::{BoundConnection, BoundTenant, RateWindow, Traffic, TrafficDefaults};

/// Whose limit refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    Merchant,
    Connection,
    ApiKey,
    Peer,
    Node,
}

impl Level {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Merchant => "merchant",
            Self::Connection => "connection",
            Self::ApiKey => "api_key",
            Self::Peer => "peer",
            Self::Node => "node",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    Rate,
    InFlight,
    Sockets,
    /// The node is behind.
    Shed,
    Address,
    Certificate,
    Login,
    LoginBusy,
}

impl Reason {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::InFlight => "in_flight",
            Self::Sockets => "sockets",
            Self::Shed => "shed",
            Self::Address => "address",
            Self::Certificate => "certificate",
            Self::Login => "login",
            Self::LoginBusy => "login_busy",
        }
    }
}

/// A request that is not let in, though nothing is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    pub level: Level,
    pub reason: Reason,
    /// When to come again.
    pub wait: Duration,
}

/// What guards go by that no merchant has of its own.
pub struct GuardOptions {
    pub defaults: TrafficDefaults,
    /// Of one address, for callers that are not let in.
    pub stranger_rates: Arc<[RateWindow]>,
    pub strict: StrictRates,
    /// How long a request waits for a seat.
    pub wait: Duration,
    pub sockets_max: usize,
    pub peer_sockets_max: u32,
    pub trusted_proxies: Vec<IpNet>,
    pub shedding: SheddingOptions,
}

/// One for each node; cheap to clone.
#[derive(Clone)]
pub struct Guards {
    inner: Arc<Inner>,
}

struct Inner {
    porter: Porter,
    defaults: TrafficDefaults,
    rates: Rates,
    gates: Gates,
    doors: Doors,
    places: Places,
    strangers: LocalRates,
    stranger_rates: Arc<[RateWindow]>,
    strict: StrictRates,
    shedding: Shedding,
    refusals: Refusals,
    nodes: Option<Nodes>,
    wait: Duration,
}

/// What a request holds while it is at work.
#[must_use]
pub struct AtWork {
    _seats: [Seat; 2],
}

/// What a window is called in answers, how large it is, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaView {
    pub name: String,
    pub requests: u32,
    pub seconds: u32,
    pub remaining: u64,
    pub full_in: Duration,
}

impl Guards {
    #[must_use]
    pub fn new(options: GuardOptions, redis: Option<Redis>, store: Store, clock: Arc<dyn Clock>) -> Self {
        let nodes = redis.clone().map(Nodes::new);
        let together = redis.zip(nodes.clone());
        let shared = together.clone().map(|(redis, nodes)| SharedRates::new(redis, nodes));
        let gates = Gates::new(together);
        Self {
            inner: Arc::new(Inner {
                porter: Porter::default(),
                defaults: options.defaults,
                rates: Rates::new(shared),
                places: Places::new(gates.clone()),
                gates,
                doors: Doors::new(options.sockets_max, options.peer_sockets_max, options.trusted_proxies),
                strangers: LocalRates::default(),
                stranger_rates: options.stranger_rates,
                strict: options.strict,
                shedding: Shedding::new(options.shedding),
                refusals: Refusals::new(store, clock),
                nodes,
                wait: options.wait,
            }),
        }
    }

    /// What guards do by the clock, for as long as the node runs. The first one ends by itself when the node stops.
    #[must_use]
    pub fn start(
        &self,
        store: &Store,
        writer: &PaymentWriter,
        stopped: &watch::Receiver<bool>,
    ) -> (JoinHandle<()>, Vec<JoinHandle<()>>) {
        let inner = &self.inner;
        let counts = tokio::spawn(inner.refusals.clone().run(stopped.clone()));
        let mut watches = vec![
            tokio::spawn(inner.gates.clone().keep()),
            tokio::spawn(inner.shedding.clone().keep(store.clone(), writer.clone())),
        ];
        watches.extend(inner.nodes.clone().map(|nodes| tokio::spawn(nodes.keep())));
        (counts, watches)
    }

    #[must_use]
    pub fn porter(&self) -> &Porter {
        &self.inner.porter
    }

    /// For the listeners: a new TCP connection, to be kept as long as it is open.
    #[must_use]
    pub fn doors(&self) -> &Doors {
        &self.inner.doors
    }

    #[must_use]
    pub fn shedding(&self) -> &Shedding {
        &self.inner.shedding
    }

    #[must_use]
    pub fn defaults(&self) -> &TrafficDefaults {
        &self.inner.defaults
    }

    /// Whether all nodes count rates together now; `None` when they are not meant to.
    #[must_use]
    pub fn together(&self) -> Option<bool> {
        self.inner.rates.together()
    }

    /// Nodes that were alive when Redis answered last; `None` without Redis.
    #[must_use]
    pub fn nodes(&self) -> Option<u32> {
        self.inner.nodes.as_ref().map(Nodes::live)
    }

    #[must_use]
    pub fn usage(&self, gate: GateName) -> Use {
        self.inner.gates.usage(gate)
    }

    /// Seats and sockets that are taken on this node.
    pub fn tell_metrics(&self) {
        let gauge = |name, count: u64| metrics::gauge!(name).set(count as f64);
        gauge("tollgate_seats_taken", self.inner.gates.taken());
        gauge("tollgate_sockets_open", self.inner.doors.count() as u64);
        gauge("tollgate_limits_together", u64::from(self.together().unwrap_or(false)));
    }

    /// What was refused to a merchant from `since` on, by all nodes.
    pub async fn refused_since(
        &self,
        tenant: plugin_sdk::MerchantId,
        since: chrono::DateTime<chrono::Utc>,
    ) -> Result<Vec<GuardRefusals>, store::StoreError> {
        self.inner.refusals.since(tenant, since).await
    }

    pub fn count(&self, tenant: &BoundTenant, level: Level, subject: &str, reason: Reason) {
        self.inner.refusals.count(tenant.merchant.id, level, subject, reason);
    }

    /// A caller was not let in. `Err`: this address tries too often; it is not even told why any more.
    pub fn stranger(&self, address: IpAddr) -> Result<(), Duration> {
        let windows = Arc::clone(&self.inner.stranger_rates);
        let question = Question::new(Owner::Strangers, [(rates::peer(address), windows)]);
        match self.inner.strangers.decide(&question, 1).denied {
            None => Ok(()),
            Some(denied) => {
                metrics::counter!("tollgate_refused_total", "guard" => "stranger").increment(1);
                Err(denied.wait())
            }
        }
    }

    /// One request of a network that proved itself.
    pub async fn network_rate(
        &self,
        tenant: &BoundTenant,
        connection: &BoundConnection,
        address: IpAddr,
    ) -> Result<(), Refused> {
        let own = (Counted::Connection(connection.row.id), &connection.traffic);
        self.rate(tenant, &connection.row.slug, own, address).await.2
    }

    /// One request under an API key, and how its windows stand after it.
    pub async fn key_rate(
        &self,
        tenant: &BoundTenant,
        key: ApiKeyId,
        address: IpAddr,
    ) -> (Vec<QuotaView>, Result<(), Refused>) {
        let traffic = tenant.key_traffic(key, &self.inner.defaults);
        let own = (Counted::ApiKey(key), traffic);
        let (question, decision, verdict) = self.rate(tenant, &key.to_string(), own, address).await;
        (views(&question, &decision), verdict)
    }

    async fn rate(
        &self,
        tenant: &BoundTenant,
        subject: &str,
        (own, traffic): (Counted, &Arc<Traffic>),
        address: IpAddr,
    ) -> (Question, Decision, Result<(), Refused>) {
        let levels = [
            (Counted::Merchant, Arc::clone(&tenant.traffic.rates)),
            (own, Arc::clone(&traffic.rates)),
            (rates::peer(address), Arc::clone(&tenant.traffic.peer_rates)),
        ];
        let question = Question::new(Owner::Merchant(tenant.merchant.id), levels);
        let decision = self.inner.rates.decide(&question).await;
        let verdict = match decision.denied {
            None => Ok(()),
            Some(denied) => {
                let denying = question.windows().nth(denied.window);
                let level = denying.map_or(Level::Merchant, |(counted, _, _)| level_of(counted));
                let subject = if matches!(level, Level::Connection | Level::ApiKey) {
                    subject
                } else {
                    ""
                };
                self.count(tenant, level, subject, Reason::Rate);
                Err(Refused {
                    level,
                    reason: Reason::Rate,
                    wait: denied.wait(),
                })
            }
        };
        (question, decision, verdict)
    }

    /// A network's socket takes a place at its connection.
    pub async fn socket(
        &self,
        socket: &Socket,
        tenant: &BoundTenant,
        connection: &BoundConnection,
    ) -> Result<Option<Busy>, Refused> {
        let own = (
            GateName::ConnectionSockets(connection.row.id),
            connection.traffic.sockets,
        );
        let merchant = (GateName::MerchantSockets(tenant.merchant.id), tenant.traffic.sockets);
        let place = self.inner.places.take(socket, own, merchant, self.inner.wait).await;
        place.map_err(|Full| self.full(tenant, Level::Connection, &connection.row.slug, Reason::Sockets))
    }

    /// A request of a network goes to work.
    pub async fn network_work(&self, tenant: &BoundTenant, connection: &BoundConnection) -> Result<AtWork, Refused> {
        let own = (
            GateName::ConnectionAtWork(connection.row.id),
            connection.traffic.in_flight,
        );
        self.work(tenant, Level::Connection, &connection.row.slug, own).await
    }

    /// A notification goes to work. Whoever knows its URL may send one, so it takes nothing from the merchant's own seats.
    pub async fn notification_work(&self, tenant: &BoundTenant, connection: &BoundConnection) -> Result<Seat, Refused> {
        let gate = GateName::NotificationsAtWork(connection.row.id);
        let seat = self
            .inner
            .gates
            .enter(gate, connection.traffic.in_flight, self.inner.wait)
            .await;
        seat.map_err(|Full| self.full(tenant, Level::Connection, &connection.row.slug, Reason::InFlight))
    }

    /// A request under an API key goes to work.
    pub async fn key_work(&self, tenant: &BoundTenant, key: ApiKeyId) -> Result<AtWork, Refused> {
        let seats = tenant.key_traffic(key, &self.inner.defaults).in_flight;
        let own = (GateName::KeyAtWork(key), seats);
        self.work(tenant, Level::ApiKey, &key.to_string(), own).await
    }

    async fn work(
        &self,
        tenant: &BoundTenant,
        level: Level,
        subject: &str,
        (own, seats): (GateName, u32),
    ) -> Result<AtWork, Refused> {
        let Inner { gates, wait, .. } = self.inner.as_ref();
        let full = |level, subject| self.full(tenant, level, subject, Reason::InFlight);
        let own = gates.enter(own, seats, *wait).await;
        let own = own.map_err(|Full| full(level, subject))?;
        let merchant = GateName::MerchantAtWork(tenant.merchant.id);
        let merchant = gates.enter(merchant, tenant.traffic.in_flight, *wait).await;
        let merchant = merchant.map_err(|Full| full(Level::Merchant, ""))?;
        Ok(AtWork {
            _seats: [own, merchant],
        })
    }

    fn full(&self, tenant: &BoundTenant, level: Level, subject: &str, reason: Reason) -> Refused {
        self.count(tenant, level, subject, reason);
        Refused {
            level,
            reason,
            wait: self.inner.wait,
        }
    }

    /// A request of a merchant that the node is too far behind for.
    #[must_use]
    pub fn shed(&self, tenant: &BoundTenant, class: shedding::Class) -> Option<Refused> {
        self.inner.shedding.sheds(class).then(|| {
            self.count(tenant, Level::Node, "", Reason::Shed);
            Refused {
                level: Level::Node,
                reason: Reason::Shed,
                wait: shed_wait(),
            }
        })
    }
}

/// From one to three seconds, so that those who were refused together do not come back together.
#[must_use]
pub fn shed_wait() -> Duration {
    Duration::from_millis(rand::random_range(1_000..=3_000))
}

fn level_of(counted: Counted) -> Level {
    match counted {
        Counted::Merchant => Level::Merchant,
        Counted::Connection(_) => Level::Connection,
        Counted::ApiKey(_) => Level::ApiKey,
        Counted::Peer(_) | Counted::OtherPeers | Counted::Subject(_) => Level::Peer,
    }
}

fn views(question: &Question, decision: &Decision) -> Vec<QuotaView> {
    let standings = question.windows().zip(&decision.standings);
    standings
        .map(|((counted, _, window), standing)| QuotaView {
            name: format!("{}-{}", level_of(counted).as_str().replace('_', "-"), window.name),
            requests: window.requests,
            seconds: window.seconds,
            remaining: standing.remaining,
            full_in: Duration::from_nanos(standing.full_in),
        })
        .collect()
}
