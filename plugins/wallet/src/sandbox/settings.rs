//! What a tester may switch.

use std::collections::BTreeMap;

/// Each switch with its usual value and what it does.
pub const SWITCHES: [(&str, i64, &str); 13] = [
    (
        "sinap_envelope",
        0,
        "1: the site wraps answers to payments and commissions",
    ),
    ("key_status", 201, "status of answers with a hook's key: 200 or 201"),
    ("settle_seconds", 1, "how long a payment stays WAITING"),
    ("payment_max", 1_500_000, "largest payment, in kopecks"),
    ("ticket_seconds", 300, "how long an unused service ticket lives"),
    ("broken_hash", 0, "1: hooks carry a wrong hash"),
    ("duplicate_hooks", 0, "1: each hook is sent twice"),
    ("slow_balance", 0, "1: balances come only when asked for alone"),
    ("free_cards", 5, "virtual cards that cost nothing"),
    ("card_price", 9_900, "price of a further card, in kopecks"),
    ("master_price", 299_900, "price of the QIWI Master package, in kopecks"),
    ("auth_limit", 0, "1: the site answers that there were too many log-ins"),
    ("sms_confirmation", 0, "1: payments wait for a confirmation by SMS"),
];

#[derive(Default)]
pub struct Settings {
    changed: BTreeMap<String, i64>,
}

impl Settings {
    pub fn get(&self, name: &str) -> i64 {
        let usual = || {
            SWITCHES
                .iter()
                .find(|(known, ..)| *known == name)
                .map(|(_, value, _)| *value)
        };
        self.changed.get(name).copied().or_else(usual).unwrap_or_default()
    }

    pub fn is_on(&self, name: &str) -> bool {
        self.get(name) != 0
    }

    /// Whether there is such a switch.
    pub fn set(&mut self, name: &str, value: i64) -> bool {
        let is_known = SWITCHES.iter().any(|(known, ..)| *known == name);
        if is_known {
            self.changed.insert(name.to_owned(), value);
        }
        is_known
    }
}
