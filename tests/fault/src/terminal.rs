//! A network of terminals: checks, pays, repeats until it is told, repeats later, and sometimes contradicts itself. It
//! remembers what it was told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;

use crate::wire::{self, Heard};
use crate::witness::Witness;

const TRIES: usize = 4;
/// Credited.
const OK: u32 = 0;
/// Come again: nothing is said about the payment.
const LATER: [u32; 2] = [1, 90];
/// The id of a credited payment with other data.
const OTHER_DATA: u32 = 300;

/// A payment as its network knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pay {
    pub account: String,
    pub kopecks: u64,
    /// The first answer that said something, and its code.
    pub told: Option<(u32, String)>,
}

/// By merchant and the network's id.
pub type Pays = BTreeMap<(String, String), Pay>;

#[derive(Clone)]
pub struct Terminals {
    pub pays: Arc<Mutex<Pays>>,
    client: reqwest::Client,
    witness: Arc<Witness>,
}

pub struct Terminal {
    network: Terminals,
    merchant: String,
    number: usize,
    ways: Vec<SocketAddr>,
    chance: StdRng,
    made: u32,
}

fn roubles(kopecks: u64) -> String {
    format!("{}.{:02}", kopecks / 100, kopecks % 100)
}

#[must_use]
pub fn tag<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(content, _)| content)
}

impl Terminals {
    #[must_use]
    pub fn new(witness: Arc<Witness>) -> Self {
        Self {
            pays: Arc::default(),
            client: wire::client(),
            witness,
        }
    }

    #[must_use]
    pub fn terminal(&self, number: usize, merchant: &str, ways: Vec<SocketAddr>, chance: StdRng) -> Terminal {
        Terminal {
            network: self.clone(),
            merchant: merchant.to_owned(),
            number,
            ways,
            chance,
            made: 0,
        }
    }

    async fn call(&self, way: SocketAddr, merchant: &str, txn: &str, pay: &Pay, command: &str) -> Option<(u32, Heard)> {
        let query = [
            ("command", command),
            ("txn_id", txn),
            ("txn_date", "20260615143000"),
            ("account", &pay.account),
            ("ccy", "RUB"),
            ("sum", &roubles(pay.kopecks)),
        ];
        let query = query.map(|(name, value)| format!("{name}={value}")).join("&");
        let request = self.client.get(format!("http://{way}/in/{merchant}/terminal?{query}"));
        let heard = wire::send(request).await?;
        let code = tag(&heard.body, "result").and_then(|code| code.parse().ok());
        if let (200, None) = (heard.status, code) {
            self.witness
                .violation(format!("{merchant}/{txn}: answered with no result: {heard:?}"));
        }
        Some((code?, heard))
    }

    /// One pay; what it is told must be what it was told before.
    async fn pay(&self, way: SocketAddr, merchant: &str, txn: &str) -> bool {
        let key = (merchant.to_owned(), txn.to_owned());
        let pay = self.pays.lock().unwrap()[&key].clone();
        let Some((code, heard)) = self.call(way, merchant, txn, &pay, "pay").await else {
            return false;
        };
        if LATER.contains(&code) {
            return false;
        }
        if code == OK {
            let sum = tag(&heard.body, "sum");
            let right = sum == Some(roubles(pay.kopecks).as_str());
            self.witness.expect(right, || {
                format!("{merchant}/{txn}: another sum was credited: {heard:?}")
            });
        }
        let mut pays = self.pays.lock().unwrap();
        let known = pays.get_mut(&key).unwrap();
        match &known.told {
            None => known.told = Some((code, heard.body)),
            Some((_, before)) if *before == heard.body => {}
            Some((_, before)) => {
                let message = format!("{merchant}/{txn}: first told {before}, then {}", heard.body);
                self.witness.violation(message);
            }
        }
        true
    }

    /// Repeats what was never told until it is; at the end of a run, over ways that work.
    pub async fn settle(&self, ways: &[SocketAddr], within: Duration) {
        let end = Instant::now() + within;
        let open: Vec<_> = {
            let pays = self.pays.lock().unwrap();
            let open = pays.iter().filter(|(_, pay)| pay.told.is_none());
            open.map(|(key, _)| key.clone()).collect()
        };
        self.witness
            .note(format!("{} pays were never told how they went", open.len()));
        let work = open.into_iter().enumerate().map(|(at, (merchant, txn))| async move {
            while !self.pay(ways[at % ways.len()], &merchant, &txn).await {
                if Instant::now() > end {
                    self.witness
                        .violation(format!("{merchant}/{txn}: not told within {within:?}"));
                    return;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
        futures_util::future::join_all(work).await;
    }

    /// Everything once more; a word that changed is a broken promise.
    pub async fn repeat_all(&self, ways: &[SocketAddr]) {
        let all: Vec<_> = self.pays.lock().unwrap().keys().cloned().collect();
        for (at, some) in all.chunks(32).enumerate() {
            let way = ways[at % ways.len()];
            let calls = some.iter().map(|(merchant, txn)| self.pay(way, merchant, txn));
            futures_util::future::join_all(calls).await;
        }
    }
}

impl Terminal {
    pub async fn work(mut self, until: Instant) {
        while Instant::now() < until {
            match self.chance.random_range(0..100) {
                0..60 => self.new_pay("4957835959", 1).await,
                60..70 => self.new_pay("4957835959", 2).await,
                70..76 => self.new_pay("refuse-account_inactive", 1).await,
                76..78 => self.new_pay("12", 1).await,
                78..90 => self.repeat().await,
                90..96 => self.contradict().await,
                _ => self.check().await,
            }
            let pause = Duration::from_millis(self.chance.random_range(0..30));
            tokio::time::sleep(pause).await;
        }
    }

    fn way(&mut self) -> SocketAddr {
        wire::any(&self.ways, &mut self.chance)
    }

    /// The same ids at all merchants: they must not be taken for each other.
    async fn new_pay(&mut self, account: &str, at_once: usize) {
        self.made += 1;
        let txn = format!("{}{:06}", self.number + 1, self.made);
        let pay = Pay {
            account: account.to_owned(),
            kopecks: self.chance.random_range(100..900_000),
            told: None,
        };
        let key = (self.merchant.clone(), txn.clone());
        self.network.pays.lock().unwrap().insert(key, pay.clone());
        if self.chance.random_bool(0.2) {
            let way = self.way();
            self.network.call(way, &self.merchant, &txn, &pay, "check").await;
        }
        for _ in 0..TRIES {
            let ways: Vec<_> = (0..at_once).map(|_| self.way()).collect();
            let calls = ways.into_iter().map(|way| self.network.pay(way, &self.merchant, &txn));
            if futures_util::future::join_all(calls).await.contains(&true) {
                return;
            }
            wire::pause(&mut self.chance).await;
        }
    }

    /// One that was told already.
    fn known(&mut self) -> Option<(String, Pay)> {
        let number = self.chance.random_range(0..=self.made);
        let txn = format!("{}{number:06}", self.number + 1);
        let pays = self.network.pays.lock().unwrap();
        let pay = pays.get(&(self.merchant.clone(), txn.clone()))?.clone();
        pay.told.is_some().then_some((txn, pay))
    }

    async fn repeat(&mut self) {
        let Some((txn, _)) = self.known() else { return };
        let way = self.way();
        self.network.pay(way, &self.merchant, &txn).await;
    }

    /// The id of a credited payment with another sum credits nothing.
    async fn contradict(&mut self) {
        let Some((txn, pay)) = self.known() else { return };
        if pay.told.as_ref().is_none_or(|(code, _)| *code != OK) {
            return;
        }
        let other = Pay {
            kopecks: pay.kopecks + 1,
            ..pay
        };
        let way = self.way();
        let Some((code, heard)) = self.network.call(way, &self.merchant, &txn, &other, "pay").await else {
            return;
        };
        let refused = code == OTHER_DATA || LATER.contains(&code);
        let merchant = &self.merchant;
        (self.network.witness).expect(refused, || {
            format!("{merchant}/{txn}: another sum was not refused: {heard:?}")
        });
    }

    async fn check(&mut self) {
        let pay = Pay {
            account: "4957835959".to_owned(),
            kopecks: 100,
            told: None,
        };
        let way = self.way();
        self.network.call(way, &self.merchant, "900000000", &pay, "check").await;
    }
}
