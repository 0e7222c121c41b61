//! Our own paths: what there is, and switches.

use chrono::{DateTime, Utc};
use plugin_sdk::{SandboxAnswer, SandboxRequest};
use serde_json::{Value, json};

use super::pages::{escape, html};
use super::site::{DealKind, Site};
use super::transaction::{Card, Transaction, date};
use super::wire::{Fields, roubles, uuid_of};
use super::{OWN, QiwiPaySandbox};

/// Rows of the page that lists transactions.
const ROWS_MAX: usize = 200;

impl QiwiPaySandbox {
    /// `rest` is the path after our own prefix.
    pub(super) fn own(&mut self, request: &SandboxRequest, rest: &str, now: DateTime<Utc>) -> SandboxAnswer {
        let parts: Vec<_> = rest.split('/').filter(|part| !part.is_empty()).collect();
        match (request.method.as_str(), parts.as_slice()) {
            ("GET", []) => self.overview(),
            ("GET", ["state"]) => SandboxAnswer::json(200, &self.state()),
            ("GET" | "POST", ["form"]) => self.form(request, now),
            ("POST", ["form", "returned"]) => self.form_returned(request, now),
            ("POST", ["acs"]) => self.acs(request),
            ("POST", ["acs", "answer"]) => self.acs_answer(request),
            ("POST", ["sites"]) => self.make_site(&typed(request)),
            ("POST", ["sites", number]) => self.switch_site(number, &typed(request)),
            ("POST", ["cards"]) => self.mint_token(&typed(request)),
            ("POST", ["transactions", id, "clear"]) => self.clear(id),
            _ => SandboxAnswer::json(404, &json!({ "error": "no such path of the simulator" })),
        }
    }

    fn make_site(&mut self, fields: &Fields) -> SandboxAnswer {
        let number = fields.get("merchant_site").and_then(|text| text.parse().ok());
        let Some(number) = number else {
            return wrong("merchant_site must be a number");
        };
        let site = Site::new(number, fields.get("secret").unwrap_or(super::DEMO_SECRET));
        self.sites.entry(number).or_insert(site);
        self.switch_site(&number.to_string(), fields)
    }

    fn switch_site(&mut self, number: &str, fields: &Fields) -> SandboxAnswer {
        let site = number.parse().ok().and_then(|number: u64| self.sites.get_mut(&number));
        let Some(site) = site else {
            return wrong("there is no such site");
        };
        for (name, value) in fields.texts.iter().filter(|(name, _)| *name != "merchant_site") {
            if !site.set(name, value) {
                return wrong(&format!("'{name}' cannot be '{value}'"));
            }
        }
        SandboxAnswer::json(200, &site_json(site))
    }

    /// A stored card without a payment before it.
    fn mint_token(&mut self, fields: &Fields) -> SandboxAnswer {
        let site = fields.get("merchant_site").and_then(|text| text.parse().ok());
        let Some(site) = site.filter(|number| self.sites.contains_key(number)) else {
            return wrong("merchant_site must be a site of the simulator");
        };
        let text = |name: &str, usual: &'static str| fields.get(name).unwrap_or(usual).to_owned();
        let card = Card::new(
            &text("pan", "4111111111111111"),
            &text("expiry", "1230"),
            &text("card_name", "CARD HOLDER"),
        );
        let token = uuid_of(&format!("minted {}", self.next()));
        let owner = fields.get("merchant_uid").map(str::to_owned);
        self.tokens.insert(token.clone(), (site, owner, card));
        SandboxAnswer::json(200, &json!({ "card_token": token }))
    }

    /// The acquirer's clearing, now: status 3 becomes 4.
    fn clear(&mut self, id: &str) -> SandboxAnswer {
        let known = id.parse().ok().and_then(|id: i64| self.transactions.get_mut(&id));
        match known.filter(|known| known.status == 3 && known.is_purchase()) {
            Some(known) => {
                known.status = 4;
                SandboxAnswer::json(200, &transaction_json(known))
            }
            None => wrong("there is no such purchase with status 3"),
        }
    }

    fn state(&self) -> Value {
        let callbacks = self.outbox.waiting().map(|(url, tries, body)| {
            let body: Value = serde_json::from_str(body).unwrap_or_default();
            json!({ "url": url, "tries": tries, "body": body })
        });
        json!({
            "sites": self.sites.values().map(site_json).collect::<Vec<_>>(),
            "transactions": self.transactions.values().map(transaction_json).collect::<Vec<_>>(),
            "callbacks": callbacks.collect::<Vec<_>>(),
        })
    }

    fn overview(&self) -> SandboxAnswer {
        let sites = self.sites.values().map(|site| {
            let switches = site.switches().map(|(name, on)| {
                let (value, word) = if on { ("0", "on") } else { ("1", "off") };
                format!(
                    "<form method=\"post\" action=\"{OWN}/sites/{}\" style=\"display:inline\">\
                     <button class=\"{}\" name=\"{name}\" value=\"{value}\">{name}: {word}</button></form>",
                    site.number,
                    if on { "" } else { "no" },
                )
            });
            format!(
                "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
                site.number,
                escape(&site.title),
                switches.concat()
            )
        });
        let transactions = self.transactions.values().rev().take(ROWS_MAX).map(|known| {
            format!(
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                known.id,
                known.site,
                known.kind,
                known.status,
                roubles(known.kopecks),
                known.error,
                escape(known.order_id.as_deref().unwrap_or_default()),
            )
        });
        let body = format!(
            "<p>The secret of the sites that exist from the start is <code>{}</code>. \
             <a href=\"{OWN}/state\">Everything as JSON</a></p>\
             <table><tr><th>Site</th><th>What it is for</th><th>Switches</th></tr>{}</table>\
             <h1>Transactions</h1><table><tr><th>Id</th><th>Site</th><th>Type</th><th>Status</th><th>Amount</th>\
             <th>Error</th><th>Order</th></tr>{}</table>",
            super::DEMO_SECRET,
            sites.collect::<String>(),
            transactions.collect::<String>(),
        );
        html("QIWI PAY", "wide", &body)
    }
}

fn typed(request: &SandboxRequest) -> Fields {
    let json = Fields::from_json(&request.body);
    json.unwrap_or_else(|| Fields::from_form(&String::from_utf8_lossy(&request.body)))
}

fn wrong(message: &str) -> SandboxAnswer {
    SandboxAnswer::json(422, &json!({ "error": message }))
}

fn site_json(site: &Site) -> Value {
    let mut value = json!({
        "merchant_site": site.number,
        "title": site.title,
        "deal": match site.deal {
            DealKind::None => "none",
            DealKind::Wallet => "wallet",
            DealKind::Card => "card",
        },
        "deal_field": site.deal_field,
        "callback_url": site.callback_url,
    });
    if let Some(object) = value.as_object_mut() {
        object.extend(site.switches().map(|(name, on)| (name.to_owned(), on.into())));
    }
    value
}

fn transaction_json(known: &Transaction) -> Value {
    json!({
        "txn_id": known.id,
        "merchant_site": known.site,
        "txn_type": known.kind,
        "txn_status": known.status,
        "txn_date": date(known.at),
        "error_code": known.error,
        "amount": roubles(known.kopecks),
        "parent": known.parent,
        "order_id": known.order_id,
        "pan": known.card.mask,
        "waits_for_3ds": known.three_ds.is_some(),
    })
}
