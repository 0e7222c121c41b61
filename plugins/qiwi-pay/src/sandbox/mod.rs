//! QIWI's side of QIWI PAY, played from the document alone: the payment page, the server API, the issuer's 3-D Secure
//! page, callbacks with their retries, and what happens by the clock. It shares nothing with the connector.
//!
//! | Module | What |
//! | --- | --- |
//! | `site` | sites, their switches, and those that exist from the start |
//! | `wire` | requests, their signature, answers |
//! | `validation` | what 8019 lists |
//! | `transaction` | one transaction as answers, lists and callbacks write it |
//! | `direct` | the server API: order of checks (§14), and each operation |
//! | `purchase` | how a sale or an authorization ends |
//! | `passing` | the clock: holds, 3-D Secure, clearing |
//! | `outbox` | callbacks |
//! | `pages`, `control` | what people see and switch |

mod control;
mod direct;
mod outbox;
mod pages;
mod passing;
mod purchase;
mod site;
mod transaction;
mod validation;
mod wire;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, FixedOffset, NaiveDate, Utc};
use plugin_sdk::{Sandbox, SandboxAnswer, SandboxNotification, SandboxRequest};

use outbox::Outbox;
pub use site::DEMO_SECRET;
use site::Site;
use transaction::{Card, Transaction};
use wire::Fields;

const API: &str = "/merchant/direct";
const PAGE: &str = "/paypage/initial";
/// Everything of our own.
const OWN: &str = "/sandbox/qiwi-pay";

/// §12: the network counts days by Moscow.
const MOSCOW_S: i32 = 3 * 3600;

/// An order that was brought to the payment page.
struct Form {
    site: u64,
    fields: Fields,
    transaction: Option<i64>,
}

/// Something that happens by the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    /// A hold is captured by the server.
    AutoCapture(i64),
    /// A safe deal that nobody captured is cancelled.
    DealEnd(i64),
    ThreeDsEnd(i64),
    /// §12: success or decline after three seconds.
    Outcome(i64, bool),
    /// Status 3 becomes 4.
    Clearing(i64),
    /// Status 4 becomes 5.
    Settlement(i64),
}

/// The simulator.
pub struct QiwiPaySandbox {
    sites: BTreeMap<u64, Site>,
    transactions: BTreeMap<i64, Transaction>,
    /// Cards by their tokens, each of one site and one customer.
    tokens: BTreeMap<String, (u64, Option<String>, Card)>,
    forms: BTreeMap<String, Form>,
    timers: BTreeMap<(DateTime<Utc>, u64), Due>,
    outbox: Outbox,
    /// Operations of a test site on a day of Moscow.
    counts: BTreeMap<(u64, NaiveDate), u32>,
    serial: u64,
}

impl Default for QiwiPaySandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl QiwiPaySandbox {
    #[must_use]
    pub fn new() -> Self {
        Self {
            sites: site::demo(),
            transactions: BTreeMap::new(),
            tokens: BTreeMap::new(),
            forms: BTreeMap::new(),
            timers: BTreeMap::new(),
            outbox: Outbox::default(),
            counts: BTreeMap::new(),
            serial: 0,
        }
    }

    fn next(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// Ids do not fit in 32 bits (§1.2).
    fn next_txn(&mut self) -> i64 {
        let serial = i64::try_from(self.next()).unwrap_or_default();
        20_728_000_050 + serial * 1_000
    }

    fn at(&mut self, at: DateTime<Utc>, due: Due) {
        let serial = self.next();
        self.timers.insert((at, serial), due);
    }

    /// The transaction's own operation and everything that was done to it.
    fn children(&self, id: i64, kind: u8) -> impl Iterator<Item = &Transaction> {
        self.transactions
            .values()
            .filter(move |child| child.parent == Some(id) && child.kind == kind && child.status >= 2)
    }

    fn sum_of(&self, id: i64, kind: u8) -> i64 {
        self.children(id, kind).map(|child| child.kopecks).sum()
    }

    /// Tells the merchant, where it wants to be told (§7).
    fn tell(&mut self, id: i64, now: DateTime<Utc>) {
        let Some(transaction) = self.transactions.get(&id) else {
            return;
        };
        let Some(site) = self.sites.get(&transaction.site) else {
            return;
        };
        let root = transaction.parent.and_then(|parent| self.transactions.get(&parent));
        let own = transaction.callback_url.as_ref();
        let url = own.or(root.and_then(|root| root.callback_url.as_ref()));
        let Some(url) = url.or(site.callback_url.as_ref()).cloned() else {
            return;
        };
        let request_id = wire::uuid_of(&format!("request {id} {} {}", transaction.status, self.serial));
        let body = transaction.callback(site, &request_id);
        self.outbox.put(url, body, now);
    }
}

fn moscow_day(at: DateTime<Utc>) -> NaiveDate {
    let zone = FixedOffset::east_opt(MOSCOW_S);
    zone.map_or(at.date_naive(), |zone| at.with_timezone(&zone).date_naive())
}

/// A timer's moment, kept within what the calendar can say.
fn after(now: DateTime<Utc>, by: Duration) -> DateTime<Utc> {
    now.checked_add_signed(by).unwrap_or(now)
}

impl Sandbox for QiwiPaySandbox {
    fn serves(&self, path: &str) -> bool {
        let own = path.strip_prefix(OWN);
        matches!(path, API | PAGE) || own.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    fn handle(&mut self, request: &SandboxRequest, now: DateTime<Utc>) -> SandboxAnswer {
        self.pass(now);
        match request.path.as_str() {
            API => self.direct(request, now),
            PAGE => self.page(request),
            path => match path.strip_prefix(OWN) {
                Some(rest) => self.own(request, rest, now),
                None => SandboxAnswer::empty(404),
            },
        }
    }

    /// To site 555, which wants no client certificate. Payments name their own address for callbacks.
    fn connect(&mut self, base_url: &str, _: &str) -> Option<serde_json::Value> {
        Some(serde_json::json!({
            "merchant_site": 555,
            "secret_key": DEMO_SECRET,
            "api": true,
            "callback_subnets": [],
            "page_url": format!("{base_url}/paypage/initial"),
            "api_url": format!("{base_url}/merchant/direct"),
        }))
    }

    fn due(&mut self, now: DateTime<Utc>) -> Vec<SandboxNotification> {
        self.pass(now);
        self.outbox.due(now)
    }

    fn delivered(&mut self, id: u64, answer: Option<(u16, &[u8])>, _now: DateTime<Utc>) {
        if answer.is_some_and(|(status, _)| status == 200) {
            self.outbox.done(id);
        }
    }

    fn next_due(&self) -> Option<DateTime<Utc>> {
        let timer = self.timers.keys().next().map(|(at, _)| *at);
        timer.into_iter().chain(self.outbox.next_due()).min()
    }

    fn pages(&self) -> Vec<(String, String)> {
        vec![("QIWI PAY: sites and transactions".to_owned(), OWN.to_owned())]
    }
}
