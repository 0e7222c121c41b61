//! Sites of the simulator and what may be switched on each.

use std::collections::BTreeMap;

/// A safe deal's kind (§10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DealKind {
    None,
    Wallet,
    Card,
}

pub struct Site {
    pub number: u64,
    pub secret: String,
    pub title: String,
    pub enabled: bool,
    /// §12: limits, any card, and the mark.
    pub test_mode: bool,
    /// §1.1.
    pub certificate: bool,
    /// §2: sales and captures answer 3, and become 4 at the clearing.
    pub deferred: bool,
    /// D-20.
    pub sale_reversal: bool,
    pub tokens: bool,
    pub payouts: bool,
    /// D-2.
    pub cards: bool,
    pub deal: DealKind,
    /// D-11.
    pub deal_field: &'static str,
    pub callback_url: Option<String>,
    /// What the next operation is answered, and whether it is executed before.
    pub next_error: Option<(i64, bool)>,
}

/// Secret of every site that exists from the start.
pub const DEMO_SECRET: &str = "secret_key";

pub fn demo() -> BTreeMap<u64, Site> {
    let open = |number, title: &str| Site {
        title: title.to_owned(),
        ..Site::new(number, DEMO_SECRET)
    };
    let sites = [
        Site {
            certificate: true,
            ..open(99, "Certificate required")
        },
        open(555, "No certificate needed"),
        Site {
            test_mode: true,
            ..open(123_321, "Test mode: at most 10 roubles")
        },
        Site {
            deferred: true,
            sale_reversal: true,
            ..open(777, "Deferred acquirer")
        },
        Site {
            deal: DealKind::Card,
            ..open(10_001, "Safe deal, performers paid to cards")
        },
        Site {
            deal: DealKind::Wallet,
            ..open(10_002, "Safe deal, performers paid to wallets")
        },
    ];
    sites.into_iter().map(|site| (site.number, site)).collect()
}

impl Site {
    pub fn new(number: u64, secret: &str) -> Self {
        Self {
            number,
            secret: secret.to_owned(),
            title: "Made by hand".to_owned(),
            enabled: true,
            test_mode: false,
            certificate: false,
            deferred: false,
            sale_reversal: false,
            tokens: true,
            payouts: true,
            cards: false,
            deal: DealKind::None,
            deal_field: "cf2",
            callback_url: None,
            next_error: None,
        }
    }

    pub fn switches(&self) -> [(&'static str, bool); 8] {
        [
            ("enabled", self.enabled),
            ("test_mode", self.test_mode),
            ("certificate", self.certificate),
            ("deferred", self.deferred),
            ("sale_reversal", self.sale_reversal),
            ("tokens", self.tokens),
            ("payouts", self.payouts),
            ("cards", self.cards),
        ]
    }

    /// Sets one option by name; `false` when there is none of that name or value.
    pub fn set(&mut self, name: &str, value: &str) -> bool {
        let on = matches!(value, "1" | "true" | "on" | "yes");
        let switch = match name {
            "enabled" => &mut self.enabled,
            "test_mode" => &mut self.test_mode,
            "certificate" => &mut self.certificate,
            "deferred" => &mut self.deferred,
            "sale_reversal" => &mut self.sale_reversal,
            "tokens" => &mut self.tokens,
            "payouts" => &mut self.payouts,
            "cards" => &mut self.cards,
            _ => return self.set_text(name, value),
        };
        *switch = on;
        true
    }

    fn set_text(&mut self, name: &str, value: &str) -> bool {
        match (name, value) {
            ("secret", _) if !value.is_empty() => value.clone_into(&mut self.secret),
            ("title", _) => value.clone_into(&mut self.title),
            ("deal", "none") => self.deal = DealKind::None,
            ("deal", "wallet") => self.deal = DealKind::Wallet,
            ("deal", "card") => self.deal = DealKind::Card,
            ("deal_field", "cf2") => self.deal_field = "cf2",
            ("deal_field", "cf3") => self.deal_field = "cf3",
            ("callback_url", _) => self.callback_url = Some(value.to_owned()).filter(|url| !url.is_empty()),
            ("next_error" | "next_error_after", "") => self.next_error = None,
            ("next_error" | "next_error_after", code) => match code.parse() {
                Ok(code) => self.next_error = Some((code, name == "next_error_after")),
                Err(_) => return false,
            },
            _ => return false,
        }
        true
    }
}
