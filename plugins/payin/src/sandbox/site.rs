//! A merchant's site at QIWI, with what support can switch on it, and the demo's own.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde_json::{Value, json};

use super::ledger::Ledger;
use super::model::{Bill, Check, Qr, StoredCard};

/// A site that behaves like one in production, with every method switched on.
pub const DEMO_SITE: &str = "demo-00";
pub const DEMO_API_KEY: &str = "demo-payin-api-key";
pub const DEMO_NOTIFICATION_KEY: &str = "demo-payin-notification-key";
pub const DEMO_PUBLIC_KEY: &str = "demo-payin-public-key";
/// A site in test mode (§12): 10 roubles at most.
pub const TEST_SITE: &str = "test-00";
pub const TEST_API_KEY: &str = "test-payin-api-key";
pub const TEST_NOTIFICATION_KEY: &str = "test-payin-notification-key";
pub const TEST_PUBLIC_KEY: &str = "test-payin-public-key";

const DEMO_PAYOUT_KEY: &str = include_str!("../../demo/payout-key.pub.pem");

pub struct Site {
    pub id: String,
    pub api_key: String,
    pub notification_key: String,
    /// Of links that make bills (§7).
    pub public_key: String,
    /// Of the account's settings; single objects may say otherwise.
    pub notification_url: Option<String>,
    /// PEM of the key that payouts are signed with.
    pub payout_key: String,
    pub switches: Switches,
    /// The next card is declined for this reason.
    pub next_reason: Option<String>,
    pub bills: BTreeMap<String, Bill>,
    pub payments: Ledger,
    pub qrs: BTreeMap<String, Qr>,
    pub checks: BTreeMap<String, Check>,
    pub cards: BTreeMap<String, StoredCard>,
    /// Accounts by SBP token.
    pub sbp_tokens: BTreeMap<String, String>,
    /// Operations of a day in test mode.
    pub counted: (NaiveDate, u32),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switches {
    pub test_mode: bool,
    pub sbp: bool,
    pub card_checks: bool,
    pub payouts: bool,
    pub two_stage_payouts: bool,
    /// Values with another count of fraction digits than two are refused.
    pub strict_digits: bool,
    /// Only the cards of the list.
    pub strict_cards: bool,
    /// Lengths of texts, and amounts of six digits.
    pub strict_lengths: bool,
    /// Addresses for notifications need TLS.
    pub strict_urls: bool,
    /// Minutes that refunds wait before they are executed; 0 executes at once.
    pub postponed_refund_minutes: i64,
    /// A hold whose time is over is released instead of captured.
    pub auto_reverse: bool,
    pub hold_hours: i64,
}

impl Switches {
    fn of(test_mode: bool) -> Self {
        Self {
            test_mode,
            sbp: true,
            card_checks: true,
            payouts: true,
            two_stage_payouts: false,
            strict_digits: true,
            strict_cards: false,
            strict_lengths: false,
            strict_urls: false,
            postponed_refund_minutes: 0,
            auto_reverse: false,
            hold_hours: 72,
        }
    }

    fn flags(&mut self) -> [(&'static str, &mut bool); 10] {
        [
            ("test_mode", &mut self.test_mode),
            ("sbp", &mut self.sbp),
            ("card_checks", &mut self.card_checks),
            ("payouts", &mut self.payouts),
            ("two_stage_payouts", &mut self.two_stage_payouts),
            ("strict_digits", &mut self.strict_digits),
            ("strict_cards", &mut self.strict_cards),
            ("strict_lengths", &mut self.strict_lengths),
            ("strict_urls", &mut self.strict_urls),
            ("auto_reverse", &mut self.auto_reverse),
        ]
    }

    /// Sets one by name.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), &'static str> {
        match name {
            "postponed_refund_minutes" => {
                self.postponed_refund_minutes = whole(value, 0, 60 * 24 * 30)?;
                return Ok(());
            }
            "hold_hours" => {
                self.hold_hours = whole(value, 1, 120)?;
                return Ok(());
            }
            _ => {}
        }
        let mut flags = self.flags();
        let found = flags.iter_mut().find(|(known, _)| *known == name);
        let (_, flag) = found.ok_or("there is no such switch")?;
        **flag = match value {
            "true" | "on" | "1" => true,
            "false" | "off" | "0" => false,
            _ => return Err("write true or false"),
        };
        Ok(())
    }

    pub fn json(&self) -> Value {
        let mut copy = self.clone();
        let mut shown = json!({
            "postponed_refund_minutes": self.postponed_refund_minutes,
            "hold_hours": self.hold_hours,
        });
        if let Some(shown) = shown.as_object_mut() {
            let flags = copy.flags();
            shown.extend(
                flags
                    .iter()
                    .map(|(name, flag)| ((*name).to_owned(), Value::Bool(**flag))),
            );
        }
        shown
    }
}

fn whole(text: &str, min: i64, max: i64) -> Result<i64, &'static str> {
    let number = text.parse().map_err(|_| "write a whole number")?;
    if (min..=max).contains(&number) {
        Ok(number)
    } else {
        Err("the number is out of its range")
    }
}

impl Site {
    pub fn new(id: &str, api_key: &str, notification_key: &str, public_key: &str, test_mode: bool) -> Self {
        Self {
            id: id.to_owned(),
            api_key: api_key.to_owned(),
            notification_key: notification_key.to_owned(),
            public_key: public_key.to_owned(),
            notification_url: None,
            payout_key: DEMO_PAYOUT_KEY.to_owned(),
            switches: Switches::of(test_mode),
            next_reason: None,
            bills: BTreeMap::new(),
            payments: Ledger::default(),
            qrs: BTreeMap::new(),
            checks: BTreeMap::new(),
            cards: BTreeMap::new(),
            sbp_tokens: BTreeMap::new(),
            counted: (NaiveDate::default(), 0),
        }
    }

    pub fn demo() -> Vec<Self> {
        vec![
            Self::new(DEMO_SITE, DEMO_API_KEY, DEMO_NOTIFICATION_KEY, DEMO_PUBLIC_KEY, false),
            Self::new(TEST_SITE, TEST_API_KEY, TEST_NOTIFICATION_KEY, TEST_PUBLIC_KEY, true),
        ]
    }

    pub fn objects(&self) -> usize {
        self.bills.len() + self.payments.len() + self.qrs.len() + self.checks.len()
    }
}
