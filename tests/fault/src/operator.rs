//! An operator who renames merchants while everything breaks. Each change that was told is one entry of the audit trail.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use e2e::gateway::BOOTSTRAP_TOKEN;
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::json;

use crate::wire;

#[derive(Clone)]
pub struct Operator {
    told: Arc<Mutex<Vec<String>>>,
    client: reqwest::Client,
    /// Where nodes take orders.
    nodes: Vec<SocketAddr>,
    merchants: Vec<String>,
}

impl Operator {
    #[must_use]
    pub fn new(nodes: Vec<SocketAddr>, merchants: Vec<String>) -> Self {
        Self {
            told: Arc::default(),
            client: wire::client(),
            nodes,
            merchants,
        }
    }

    /// Names that were taken.
    #[must_use]
    pub fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }

    pub async fn work(self, until: Instant, mut chance: StdRng) {
        let mut made = 0;
        while Instant::now() < until {
            made += 1;
            let name = format!("Renamed {made}");
            let merchant = &self.merchants[chance.random_range(0..self.merchants.len())];
            let node = wire::any(&self.nodes, &mut chance);
            let request = (self
                .client
                .patch(format!("http://{node}/admin/v1/merchants/{merchant}")))
            .bearer_auth(BOOTSTRAP_TOKEN)
            .json(&json!({ "name": name }));
            if wire::send(request).await.is_some_and(|heard| heard.status == 200) {
                self.told.lock().unwrap().push(name);
            }
            tokio::time::sleep(Duration::from_millis(chance.random_range(100..700))).await;
        }
    }
}
