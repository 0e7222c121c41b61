//! What the network knows: wallets, transactions, and what will become of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, Duration, Utc};
use serde_json::Value;

use super::cards::{Card, CardDraft};
use super::cas::Cas;
use super::hooks::{Delivery, Hook};
use super::settings::Settings;

pub const RUB: u16 = 643;
pub const PERMISSIONS: [&str; 5] = ["payments", "history", "balance", "profile", "cards"];
const DEMO_KOPECKS: i64 = 10_000_000;
/// Numbers of transactions have eleven digits.
const FIRST_TXN: i64 = 13_353_941_550;
const TOKEN_DAYS: i64 = 180;

pub struct State {
    pub wallets: BTreeMap<String, Wallet>,
    /// Oldest first; their ids grow.
    pub txns: Vec<Txn>,
    pub cas: Cas,
    pub settings: Settings,
    pub deliveries: Vec<Delivery>,
    pub counter: u64,
}

#[derive(Default)]
pub struct Wallet {
    pub password: String,
    pub tokens: BTreeMap<String, Token>,
    /// By numeric currency, in hundredths.
    pub balances: BTreeMap<u16, i64>,
    /// Payments by the client's id: what was asked, and what was answered.
    pub paid: BTreeMap<String, (String, Value)>,
    pub hook: Option<Hook>,
    pub has_master: bool,
    pub drafts: BTreeMap<String, CardDraft>,
    pub cards: Vec<Card>,
    /// When history was asked for in the last minute.
    pub asked: VecDeque<DateTime<Utc>>,
    pub blocked_until: Option<DateTime<Utc>>,
    pub log_ins: VecDeque<DateTime<Utc>>,
}

pub struct Token {
    pub permissions: BTreeSet<String>,
    /// The simulator's first tokens do not end.
    pub ends: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TxnState {
    Waiting,
    Success,
    Error(u32),
}

pub struct Txn {
    pub id: i64,
    /// The client's id, of a payment.
    pub client_id: String,
    pub payer: Option<String>,
    /// A wallet of this network that gets the money.
    pub payee: Option<String>,
    pub provider: u32,
    pub account: String,
    pub sum: i64,
    pub fee: i64,
    pub comment: Option<String>,
    pub at: DateTime<Utc>,
    pub state: TxnState,
    /// What becomes of it, and when; nothing for one that waits for ever.
    pub plan: Option<(DateTime<Utc>, TxnState)>,
    /// The draft of a card that this pays for.
    pub card_draft: Option<String>,
    pub buys_master: bool,
}

impl State {
    pub fn with_demo_wallets() -> Self {
        let mut state = Self {
            wallets: BTreeMap::new(),
            txns: Vec::new(),
            cas: Cas::default(),
            settings: Settings::default(),
            deliveries: Vec::new(),
            counter: 0,
        };
        for number in 1..=2 {
            let mut wallet = Wallet {
                password: format!("demo-password-{number}"),
                ..Wallet::default()
            };
            wallet.balances.insert(RUB, DEMO_KOPECKS);
            let token = Token {
                permissions: PERMISSIONS.iter().map(|name| (*name).to_owned()).collect(),
                ends: None,
            };
            wallet.tokens.insert(format!("demo-wallet-token-{number}"), token);
            state.wallets.insert(format!("7911000000{number}"), wallet);
        }
        state
    }

    pub fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// Looks random, and is the same in every run.
    pub fn secret_hex(&mut self, what: &str) -> String {
        let number = self.next();
        let hash = digest(&SHA256, format!("wallet sandbox {what} {number}").as_bytes());
        hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub fn uuid(&mut self, what: &str) -> String {
        let hex = self.secret_hex(what);
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
        format!(
            "{}-{}-4{}-8{}-{}",
            part(0, 8),
            part(8, 12),
            part(13, 16),
            part(17, 20),
            part(20, 32)
        )
    }

    /// A new token; the wallet's others are dead.
    pub fn mint(&mut self, wallet: &str, permissions: BTreeSet<String>, now: DateTime<Utc>) -> Option<String> {
        let text = self.secret_hex("token").get(..32)?.to_owned();
        let wallet = self.wallets.get_mut(wallet)?;
        wallet.tokens.clear();
        let token = Token {
            permissions,
            ends: Some(now + Duration::days(TOKEN_DAYS)),
        };
        wallet.tokens.insert(text.clone(), token);
        Some(text)
    }

    pub fn next_txn(&self) -> i64 {
        self.txns.last().map_or(FIRST_TXN, |last| last.id + 1)
    }

    pub fn balance(&mut self, wallet: &str) -> Option<&mut i64> {
        Some(self.wallets.get_mut(wallet)?.balances.entry(RUB).or_default())
    }

    /// Everything that was to happen by now.
    pub fn settle(&mut self, now: DateTime<Utc>) {
        let due = |txn: &Txn| txn.plan.is_some_and(|(at, _)| at <= now);
        let due: Vec<usize> = (0..self.txns.len())
            .filter(|at| self.txns.get(*at).is_some_and(due))
            .collect();
        for at in due {
            if let Some((when, outcome)) = self.txns.get(at).and_then(|txn| txn.plan) {
                self.finish(at, outcome, when);
            }
        }
    }

    /// A final state, once: money arrives, or comes back.
    pub fn finish(&mut self, at: usize, outcome: TxnState, when: DateTime<Utc>) {
        let Some(txn) = self.txns.get_mut(at).filter(|txn| txn.state == TxnState::Waiting) else {
            return;
        };
        txn.state = outcome;
        txn.plan = None;
        let (id, sum, total) = (txn.id, txn.sum, txn.sum + txn.fee);
        let (payer, payee) = (txn.payer.clone(), txn.payee.clone());
        let (draft, buys_master) = (txn.card_draft.clone(), txn.buys_master);
        match outcome {
            TxnState::Success => {
                if let Some(balance) = payee.as_deref().and_then(|payee| self.balance(payee)) {
                    *balance += sum;
                }
                if let Some(wallet) = payer
                    .as_deref()
                    .filter(|_| buys_master)
                    .and_then(|payer| self.wallets.get_mut(payer))
                {
                    wallet.has_master = true;
                }
                if let (Some(payer), Some(draft)) = (&payer, draft) {
                    self.issue(payer, &draft, when);
                }
            }
            TxnState::Error(_) => {
                if let Some(balance) = payer.as_deref().and_then(|payer| self.balance(payer)) {
                    *balance += total;
                }
            }
            TxnState::Waiting => {}
        }
        self.tell(id, when);
    }

    pub fn next_due(&self) -> Option<DateTime<Utc>> {
        let settling = self.txns.iter().filter_map(|txn| txn.plan.map(|(at, _)| at));
        let sending = self.deliveries.iter().filter_map(|delivery| delivery.next_at);
        settling.chain(sending).min()
    }
}
