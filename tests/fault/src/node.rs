//! One gateway with the ways that lead to it and from it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use e2e::{Gateway, gateway};
use nix::sys::signal::{Signal, kill};
use tokio::sync::Mutex;

use crate::clock::NodeClock;
use crate::link::{Link, Speech};
use crate::plan::chance;

/// So short that a run needs not wait for a network's usual patience, in milliseconds.
pub const OPERATION_TIMEOUT: Duration = Duration::from_millis(2_500);
const WEBHOOK_TIMEOUT: Duration = Duration::from_millis(1_500);
/// Pause before a node that did not start is started again, as its supervisor would.
const START_PAUSE: Duration = Duration::from_millis(300);
const STARTS_WITHIN: Duration = Duration::from_secs(120);

/// What a node stands on, by addresses.
pub struct Ground<'a> {
    pub seed: u64,
    pub folder: &'a Path,
    /// URL of the database without ways between.
    pub database: String,
    pub postgres: Option<std::net::SocketAddr>,
    pub redis: Option<std::net::SocketAddr>,
    /// Where networks notify all nodes.
    pub notices: String,
}

pub struct Node {
    pub gateway: Gateway,
    pub clients: Link,
    pub database: Option<Link>,
    pub cache: Option<Link>,
    pub clock: NodeClock,
}

impl Node {
    pub async fn start(number: usize, ground: &Ground<'_>) -> Self {
        let actor = 1_000 + 10 * u64::try_from(number).unwrap();
        let clock = NodeClock::new(ground.folder, number);
        let clients = Link::open(Speech::Http, chance(ground.seed, actor)).await;
        let (mut database, mut cache, mut url) = (None, None, ground.database.clone());
        if let Some(server) = ground.postgres {
            let link = Link::open(Speech::Postgres, chance(ground.seed, actor + 1)).await;
            link.lead_to(vec![server]);
            url = url.replace(&format!(":{}/", server.port()), &format!(":{}/", link.address.port()));
            database = Some(link);
        }
        let mut variables: BTreeMap<String, String> = gateway::settings_of(&url);
        variables.extend(clock.variables());
        variables.extend(settings(&ground.notices));
        if let Some(server) = ground.redis {
            let link = Link::open(Speech::Other, chance(ground.seed, actor + 2)).await;
            link.lead_to(vec![server]);
            variables.insert("TOLLGATE_REDIS__URL".to_owned(), format!("redis://{}/", link.address));
            cache = Some(link);
        }
        let gateway = Gateway::start_from(variables).await;
        clients.lead_to(vec![gateway.public]);
        Self {
            gateway,
            clients,
            database,
            cache,
            clock,
        }
    }

    pub async fn die(&mut self) {
        if self.gateway.is_running() {
            self.gateway.kill().await;
        }
    }

    /// Until it runs; without its database it does not start. Nobody is kept from the node between tries: what keeps it from
    /// starting may be the next to be mended.
    pub async fn revive(node: &Mutex<Self>) {
        let end = Instant::now() + STARTS_WITHIN;
        loop {
            let mut held = node.lock().await;
            if held.gateway.is_running() || held.gateway.try_start_again().await {
                return;
            }
            assert!(
                Instant::now() < end,
                "a node does not start again:\n{}",
                held.gateway.log()
            );
            drop(held);
            tokio::time::sleep(START_PAUSE).await;
        }
    }

    pub fn hang(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub fn go_on(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        if self.gateway.is_running() {
            let _ = kill(self.gateway.pid(), signal);
        }
    }

    /// Whether it says that it can work.
    pub async fn is_ready(&self) -> bool {
        let url = format!("http://{}/readyz", self.gateway.admin_address);
        reqwest::get(url).await.is_ok_and(|answer| answer.status().is_success())
    }
}

fn settings(notices: &str) -> Vec<(String, String)> {
    let text = |name: &str, value: String| (format!("TOLLGATE_{name}"), value);
    vec![
        text("PUBLIC__URL", notices.to_owned()),
        text("CONNECTORS__ALLOW_NETWORKS", "127.0.0.0/8".to_owned()),
        text(
            "CONNECTORS__OPERATION_TIMEOUT_MS",
            OPERATION_TIMEOUT.as_millis().to_string(),
        ),
        text("WEBHOOKS__TIMEOUT_MS", WEBHOOK_TIMEOUT.as_millis().to_string()),
        text("WEBHOOKS__POLL_MS", "200".to_owned()),
        text("REDIS__TIMEOUT_MS", "200".to_owned()),
        text("REDIS__CONNECT_TIMEOUT_MS", "500".to_owned()),
        text("ADMIN__BOOTSTRAP_TOKEN", gateway::BOOTSTRAP_TOKEN.to_owned()),
    ]
}
