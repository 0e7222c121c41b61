//! The merchants of `tollgate demo --traffic`, made by the admin REST as an operator would make them.

use serde_json::{Value, json};

use super::callers::Office;
use crate::cli::Failure;

/// The demo's own rule, and one that brakes accounts which pay too often and has a flaw.
const PLAIN_RULE: &str = include_str!("../../../../../scripts/demo.lua");
const BRAKE_RULE: &str = include_str!("rules/brake.lua");
/// How a webhook that failed is tried again: soon, so that a demo sees it recover.
const RETRIES: [(&str, u32); 4] = [("first_s", 2), ("factor", 2), ("max_s", 15), ("jitter_percent", 10)];

/// What a merchant does here.
pub struct House {
    pub slug: &'static str,
    name: &'static str,
    /// Whether networks' terminals bring it payments.
    pub terminal: bool,
    /// Whether its connection takes money from cards, or sends money.
    pub cards: bool,
    pub payouts: bool,
    rule: &'static str,
    /// Where its webhooks go, on the demo's inspector.
    hook: &'static str,
}

pub const HOUSES: [House; 4] = [
    House {
        slug: super::MERCHANT,
        name: "Demo Telecom",
        terminal: true,
        cards: true,
        payouts: false,
        rule: PLAIN_RULE,
        hook: "webhook",
    },
    House {
        slug: "northwind",
        name: "Northwind Books",
        terminal: false,
        cards: true,
        payouts: false,
        rule: PLAIN_RULE,
        hook: "webhook",
    },
    House {
        slug: "harbour",
        name: "Harbour Games",
        terminal: true,
        cards: false,
        payouts: true,
        rule: PLAIN_RULE,
        hook: "flaky",
    },
    House {
        slug: "metro",
        name: "Metro Mobile",
        terminal: true,
        cards: false,
        payouts: false,
        rule: BRAKE_RULE,
        hook: "webhook",
    },
];

/// A connection to a network that is played: its plugin, its config, and what it can do.
#[derive(Clone)]
pub struct Played {
    pub plugin: &'static str,
    pub config: Value,
    pub cards: bool,
    pub payouts: bool,
}

impl House {
    /// Makes what is missing of it. Which connection takes cards, or sends money.
    pub async fn open(
        &self,
        office: &Office,
        networks: &[Played],
        hooks: &str,
    ) -> Result<Option<&'static str>, Failure> {
        let merchant = format!("/merchants/{}", self.slug);
        office
            .make("/merchants", &json!({ "slug": self.slug, "name": self.name }))
            .await?;
        let mut chosen = None;
        if self.slug == super::MERCHANT {
            chosen = networks.iter().find(|played| played.cards).map(|played| played.plugin);
        } else if let Some(played) = self.network(networks) {
            chosen = Some(played.plugin);
            let body = json!({ "slug": played.plugin, "plugin": played.plugin, "config": played.config });
            if !office.make(&format!("{merchant}/connections"), &body).await? {
                // Its simulator started anew, on another port perhaps.
                let path = format!("{merchant}/connections/{}", played.plugin);
                office.patch(&path, &json!({ "config": played.config })).await?;
            }
        }
        if self.slug == super::MERCHANT {
            return Ok(chosen);
        }
        if self.terminal {
            let config = json!({ "variant": "BC", "auth": "none", "subnets": ["127.0.0.0/8", "::1/128"] });
            let body = json!({ "slug": super::CONNECTION, "plugin": "terminal", "config": config });
            office.make(&format!("{merchant}/connections"), &body).await?;
        }
        if office.get(&format!("{merchant}/rules")).await?.is_none() {
            self.furnish(office, &merchant, hooks).await?;
        }
        Ok(chosen)
    }

    /// The last network that does what the house does: the first one tells the demo's own merchant of its payments.
    fn network<'a>(&self, networks: &'a [Played]) -> Option<&'a Played> {
        let fits = |played: &&Played| (self.cards && played.cards) || (self.payouts && played.payouts && !played.cards);
        networks.iter().rev().find(fits)
    }

    /// Everything that is made once.
    async fn furnish(&self, office: &Office, merchant: &str, hooks: &str) -> Result<(), Failure> {
        let schedule: serde_json::Map<String, Value> = RETRIES
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        let endpoint = json!({ "url": format!("{hooks}/{}", self.hook), "retry_schedule": schedule });
        office.make(&format!("{merchant}/webhook-endpoints"), &endpoint).await?;
        let blocked = format!("{merchant}/lists/blocked");
        office.put(&blocked, &json!({})).await?;
        for account in ["9000000013", "9000000666"] {
            let entry = json!({ "value": { "since": "2026-01-01", "why": "chargebacks" } });
            office.put(&format!("{blocked}/entries/{account}"), &entry).await?;
        }
        let rules = json!({ "source": self.rule, "message": "The first rules" });
        office.put(&format!("{merchant}/rules"), &rules).await?;
        let draft = self.rule.replace("Ivan I.", "I. Ivan");
        office
            .put(
                &format!("{merchant}/rules/draft"),
                &json!({ "source": draft, "message": "Another name" }),
            )
            .await?;
        if self.rule == BRAKE_RULE {
            let few = json!({ "rates": [{ "name": "second", "requests": 4, "seconds": 1 }] });
            let path = format!("{merchant}/connections/{}/limits", super::CONNECTION);
            office.put(&path, &few).await?;
        }
        Ok(())
    }
}
