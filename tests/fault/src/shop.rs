//! Merchants' back ends on `/v1`: each request has its key and is repeated until it is answered. They remember what they
//! were told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use crate::wire::{self, Heard};
use crate::witness::Witness;

const TRIES: usize = 3;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sale,
    Hold,
    Payout,
    Capture,
    Reversal,
    Refund,
}

impl Kind {
    /// The kind of the operation that it becomes.
    #[must_use]
    pub const fn operation(self) -> &'static str {
        match self {
            Self::Sale | Self::Hold => "create",
            Self::Payout => "payout",
            Self::Capture => "capture",
            Self::Reversal => "reversal",
            Self::Refund => "refund",
        }
    }

    #[must_use]
    pub const fn makes_a_payment(self) -> bool {
        matches!(self, Self::Sale | Self::Hold | Self::Payout)
    }
}

/// One request, with all that was heard of it.
#[derive(Debug, Clone)]
pub struct Ask {
    pub merchant: String,
    pub api_key: String,
    pub key: String,
    pub kind: Kind,
    pub path: String,
    pub body: Value,
    pub kopecks: u64,
    /// Of a step, the payment.
    pub payment: Option<String>,
    /// The answer that said that it was taken.
    pub told: Option<Heard>,
    /// It was refused: it may be asked for anew, under another key.
    pub refused: Option<Heard>,
}

#[derive(Clone)]
pub struct Shops {
    pub asks: Arc<Mutex<Vec<Ask>>>,
    client: reqwest::Client,
    witness: Arc<Witness>,
}

pub struct ShopKeeper {
    shops: Shops,
    merchant: String,
    api_key: String,
    number: usize,
    ways: Vec<SocketAddr>,
    chance: StdRng,
    made: u64,
    /// Payments that steps can be asked on, with the connection.
    payments: Vec<(String, u64, Kind)>,
}

fn roubles(kopecks: u64) -> Value {
    json!({ "amount": format!("{}.{:02}", kopecks / 100, kopecks % 100), "currency": "RUB" })
}

/// Nothing is said about the request yet.
fn come_again(heard: &Heard) -> bool {
    let code: Value = serde_json::from_str(&heard.body).unwrap_or_default();
    matches!(heard.status, 408 | 429 | 500..=599) || code["code"] == "idempotency_key_in_flight"
}

impl Shops {
    #[must_use]
    pub fn new(witness: Arc<Witness>) -> Self {
        Self {
            asks: Arc::default(),
            client: wire::client(),
            witness,
        }
    }

    #[must_use]
    pub fn keeper(
        &self,
        number: usize,
        merchant: &crate::stage::Merchant,
        ways: Vec<SocketAddr>,
        chance: StdRng,
    ) -> ShopKeeper {
        ShopKeeper {
            shops: self.clone(),
            merchant: merchant.slug.clone(),
            api_key: merchant.api_key.clone(),
            number,
            ways,
            chance,
            made: 0,
            payments: Vec::new(),
        }
    }

    /// One try; whether it is over.
    async fn send(&self, at: usize, way: SocketAddr) -> bool {
        let ask = self.asks.lock().unwrap()[at].clone();
        let Some(heard) = self.post(&ask, &ask.body, way).await else {
            return false;
        };
        if come_again(&heard) {
            return false;
        }
        let mut asks = self.asks.lock().unwrap();
        let known = &mut asks[at];
        if heard.status >= 300 {
            if known.told.is_some() {
                let message = format!("{}: first told {:?}, then {heard:?}", known.key, known.told);
                self.witness.violation(message);
            }
            known.refused = Some(heard);
            return true;
        }
        match &known.told {
            None => known.told = Some(heard),
            Some(before) if *before == heard => {}
            Some(before) => {
                let message = format!("{}: first told {before:?}, then {heard:?}", known.key);
                self.witness.violation(message);
            }
        }
        true
    }

    async fn post(&self, ask: &Ask, body: &Value, way: SocketAddr) -> Option<Heard> {
        let request = (self.client.post(format!("http://{way}/v1{}", ask.path)))
            .bearer_auth(&ask.api_key)
            .header("idempotency-key", &ask.key)
            .json(body);
        wire::send(request).await
    }

    /// Repeats what was never answered until it is.
    pub async fn settle(&self, ways: &[SocketAddr], within: Duration) {
        let end = Instant::now() + within;
        let open: Vec<usize> = {
            let asks = self.asks.lock().unwrap();
            let open = asks
                .iter()
                .enumerate()
                .filter(|(_, ask)| ask.told.is_none() && ask.refused.is_none());
            open.map(|(at, _)| at).collect()
        };
        self.witness
            .note(format!("{} requests were never answered", open.len()));
        let work = open.into_iter().map(|at| async move {
            while !self.send(at, ways[at % ways.len()]).await {
                if Instant::now() > end {
                    let key = self.asks.lock().unwrap()[at].key.clone();
                    self.witness.violation(format!("{key}: not answered within {within:?}"));
                    return;
                }
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        });
        futures_util::future::join_all(work).await;
    }

    /// Whatever was taken is answered the same once more.
    pub async fn repeat_all(&self, ways: &[SocketAddr]) {
        let taken: Vec<usize> = {
            let asks = self.asks.lock().unwrap();
            let taken = asks.iter().enumerate().filter(|(_, ask)| ask.told.is_some());
            taken.map(|(at, _)| at).collect()
        };
        for some in taken.chunks(16) {
            let calls = some.iter().map(|at| self.send(*at, ways[at % ways.len()]));
            futures_util::future::join_all(calls).await;
        }
    }
}

impl ShopKeeper {
    pub async fn work(mut self, until: Instant) {
        while Instant::now() < until {
            match self.chance.random_range(0..100) {
                0..40 => self.new_payment().await,
                40..85 => self.step().await,
                85..95 => self.repeat().await,
                _ => self.other_body().await,
            }
            let pause = Duration::from_millis(self.chance.random_range(0..80));
            tokio::time::sleep(pause).await;
        }
    }

    /// Asks under a new key, at one node or at two at once, and again while nothing is said.
    async fn ask(
        &mut self,
        kind: Kind,
        path: String,
        mut body: Value,
        kopecks: u64,
        payment: Option<String>,
    ) -> Option<Value> {
        self.made += 1;
        let key = format!("{}-{}-{}", self.merchant, self.number, self.made);
        if kind.makes_a_payment() {
            body["order_id"] = json!(key);
        }
        let at = {
            let mut asks = self.shops.asks.lock().unwrap();
            asks.push(Ask {
                merchant: self.merchant.clone(),
                api_key: self.api_key.clone(),
                key,
                kind,
                path,
                body,
                kopecks,
                payment,
                told: None,
                refused: None,
            });
            asks.len() - 1
        };
        let at_once = if self.chance.random_bool(0.1) { 2 } else { 1 };
        for _ in 0..TRIES {
            let ways: Vec<_> = (0..at_once).map(|_| wire::any(&self.ways, &mut self.chance)).collect();
            let calls = ways.into_iter().map(|way| self.shops.send(at, way));
            if futures_util::future::join_all(calls).await.contains(&true) {
                break;
            }
            wire::pause(&mut self.chance).await;
        }
        let told = self.shops.asks.lock().unwrap()[at].told.clone();
        told.and_then(|heard| serde_json::from_str(&heard.body).ok())
    }

    async fn new_payment(&mut self) {
        // Whole roubles: kopecks are how the wallet's simulator is told to behave otherwise.
        let kopecks = self.chance.random_range(10..900) * 100;
        // 12 is paid, 3 is paid three seconds later, 2 is declined.
        let month = [12, 12, 12, 12, 3, 2][self.chance.random_range(0..6)];
        let (kind, path, body) = match self.chance.random_range(0..10) {
            0..3 => (Kind::Sale, "/payments", card("payin", month, "automatic")),
            3..6 => (Kind::Hold, "/payments", card("payin", month, "manual")),
            6..8 => (Kind::Sale, "/payments", card("qiwi-pay", 12, "automatic")),
            _ => (Kind::Payout, "/payouts", payout()),
        };
        let mut body = body;
        body["amount"] = roubles(kopecks);
        let Some(made) = self.ask(kind, path.to_owned(), body, kopecks, None).await else {
            return;
        };
        if let (Some(id), true) = (made["id"].as_str(), kind != Kind::Payout) {
            self.payments.push((id.to_owned(), kopecks, kind));
        }
    }

    async fn step(&mut self) {
        if self.payments.is_empty() {
            return;
        }
        let newest = self.payments.len().saturating_sub(6);
        let at = self.chance.random_range(newest..self.payments.len());
        let (payment, whole, kind) = self.payments[at].clone();
        let (step, path) = match (kind, self.chance.random_range(0..4)) {
            (Kind::Hold, 0..2) => (Kind::Capture, "capture"),
            (Kind::Hold, 2) => (Kind::Reversal, "reverse"),
            _ => (Kind::Refund, "refunds"),
        };
        // Steps on one payment are of different amounts, so that one that was made twice shows.
        let kopecks = if step == Kind::Refund {
            self.chance.random_range(1..=whole / 3)
        } else {
            whole
        };
        let body = json!({ "amount": roubles(kopecks) });
        let path = format!("/payments/{payment}/{path}");
        self.ask(step, path, body, kopecks, Some(payment)).await;
    }

    fn known(&mut self) -> Option<usize> {
        let asks = self.shops.asks.lock().unwrap();
        if asks.is_empty() {
            return None;
        }
        let at = self.chance.random_range(0..asks.len());
        asks[at].told.is_some().then_some(at)
    }

    async fn repeat(&mut self) {
        let Some(at) = self.known() else { return };
        let way = wire::any(&self.ways, &mut self.chance);
        self.shops.send(at, way).await;
    }

    /// The key of another request is no key for this one.
    async fn other_body(&mut self) {
        let Some(at) = self.known() else { return };
        let way = wire::any(&self.ways, &mut self.chance);
        let ask = self.shops.asks.lock().unwrap()[at].clone();
        let mut other = ask.body.clone();
        other["amount"] = roubles(ask.kopecks + 1);
        let Some(heard) = self.shops.post(&ask, &other, way).await else {
            return;
        };
        let refused = come_again(&heard) || heard.status == 409 && heard.body.contains("idempotency_key_reused");
        (self.shops.witness).expect(refused, || {
            format!("{}: another body was not refused: {heard:?}", ask.key)
        });
    }
}

fn card(connection: &str, month: u8, capture: &str) -> Value {
    json!({
        "connection": connection,
        "capture": capture,
        "method": { "type": "card", "pan": "4111111111111111", "expiry_month": month, "expiry_year": 2030,
            "cvv": "123", "holder": "CARD HOLDER" },
    })
}

fn payout() -> Value {
    json!({ "connection": "wallet", "recipient": { "type": "wallet", "account": "+79110000002" } })
}
