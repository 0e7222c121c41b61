//! QIWI's side, played from `protocols/payin.md` alone. It shares nothing with the client: no types, no constants, no
//! signature code.
//!
//! | Module | Sections |
//! | --- | --- |
//! | `api` | §1, §3, §9.1: routes, keys, verbs |
//! | `json`, `money`, `stamp`, `input`, `refusal` | §2, §4, §9.2: what is read and how it is refused |
//! | `bills`, `payments`, `steps`, `sbp`, `checks`, `payouts` | §5 |
//! | `bank`, `till`, `ledger` | §8.2, §12, §13: outcomes, states, times |
//! | `notices`, `outbox` | §11 |
//! | `form`, `pages` | §7 |
//! | `control` | the simulator's own |

mod api;
mod bank;
mod bills;
mod checks;
mod control;
mod desk;
mod form;
mod input;
mod json;
mod ledger;
mod model;
mod money;
mod notices;
mod outbox;
mod pages;
mod payments;
mod payouts;
mod refusal;
mod sbp;
mod site;
mod stamp;
mod steps;
mod till;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use plugin_sdk::{Sandbox, SandboxAnswer, SandboxNotification, SandboxRequest};
use serde_json::{Value, json};

use desk::Desk;
use site::Site;
pub use site::{
    DEMO_API_KEY, DEMO_NOTIFICATION_KEY, DEMO_PUBLIC_KEY, DEMO_SITE, TEST_API_KEY, TEST_NOTIFICATION_KEY,
    TEST_PUBLIC_KEY, TEST_SITE,
};

const API: &str = "/partner/payin/v1/";
const CONTROL: &str = "/sandbox/payin";
const PAGES: [&str; 4] = ["/form", "/form/", "/create", "/validation/card"];

/// A simulator of QIWI Payin with two sites: one as in production, one in test mode.
pub struct PayinSandbox {
    sites: BTreeMap<String, Site>,
    desk: Desk,
}

impl PayinSandbox {
    #[must_use]
    pub fn new() -> Self {
        Self {
            sites: Site::demo().into_iter().map(|site| (site.id.clone(), site)).collect(),
            desk: Desk::new(),
        }
    }

    fn tick(&mut self, now: DateTime<Utc>) {
        self.desk.now = now;
        for site in self.sites.values_mut() {
            till::tick(site, &mut self.desk);
        }
    }
}

impl Default for PayinSandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Sandbox for PayinSandbox {
    fn serves(&self, path: &str) -> bool {
        let control = path
            .strip_prefix(CONTROL)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        path.starts_with(API) || PAGES.contains(&path) || control
    }

    fn handle(&mut self, request: &SandboxRequest, now: DateTime<Utc>) -> SandboxAnswer {
        self.desk.base_url.clone_from(&request.base_url);
        self.tick(now);
        let (sites, desk) = (&mut self.sites, &mut self.desk);
        if let Some(path) = request.path.strip_prefix(API) {
            return api::answer(sites, desk, request, path);
        }
        if let Some(path) = request.path.strip_prefix(CONTROL) {
            return control::answer(sites, desk, request, path);
        }
        form::answer(sites, desk, request)
    }

    fn due(&mut self, now: DateTime<Utc>) -> Vec<SandboxNotification> {
        if self.next_due().is_some_and(|next| next <= now) {
            self.tick(now);
        }
        self.desk.outbox.due(now)
    }

    fn delivered(&mut self, id: u64, answer: Option<(u16, &[u8])>, _: DateTime<Utc>) {
        self.desk.outbox.delivered(id, answer.map(|(status, _)| status));
    }

    fn next_due(&self) -> Option<DateTime<Utc>> {
        let sites = self.sites.values().filter_map(till::next);
        sites.chain(self.desk.outbox.next()).min()
    }

    fn connect(&mut self, base_url: &str, notify_url: &str) -> Option<Value> {
        self.sites.get_mut(DEMO_SITE)?.notification_url = Some(notify_url.to_owned());
        Some(json!({
            "base_url": format!("{base_url}/partner/"),
            "site_id": DEMO_SITE,
            "api_key": DEMO_API_KEY,
            "notification_key": DEMO_NOTIFICATION_KEY,
            "notification_subnets": ["127.0.0.0/8", "::1/128"],
            "card_data": true,
            "tokens": true,
            "sbp": true,
            "splits": true,
            "payout_private_key": include_str!("../../demo/payout-key.pem"),
        }))
    }

    fn pages(&self) -> Vec<(String, String)> {
        vec![
            (
                "Payin: bills, payments and notifications".to_owned(),
                CONTROL.to_owned(),
            ),
            (
                "Payin: a bill by a link".to_owned(),
                format!("/create?publicKey={DEMO_PUBLIC_KEY}&amount=150.00&comment=Demo"),
            ),
        ]
    }
}
