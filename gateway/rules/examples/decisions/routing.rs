//! Three static rules and a default: as a script, and written out in Rust.

use chrono::Utc;
use plugin_sdk::{Currency, Money};
use rules::{Input, Outcome, Payment};

use crate::account::Question;

pub const RULE: &str = include_str!("routing.lua");

/// Falls through all three rules.
fn payment() -> Payment {
    Payment {
        method: Some(String::from("pay_later")),
        country: Some(String::from("US")),
        ..Payment::new(Money::from_minor(3_200, Currency::USD), Utc::now())
    }
}

pub fn question() -> Question {
    Question::of(Input::Route(payment()))
}

pub struct InRust {
    payment: Payment,
}

impl InRust {
    pub fn new() -> Self {
        Self { payment: payment() }
    }

    pub fn decide(&self) -> Outcome {
        const SMALL: i64 = 4_000;
        const LARGE: i64 = 6_000;
        let payment = std::hint::black_box(&self.payment);
        let method = payment.method.as_deref().unwrap_or_default();
        let dollars = (payment.amount.currency() == Currency::USD).then(|| payment.amount.minor());
        if method == "card" && dollars == Some(SMALL) {
            return route(&["stripe", "aci"]);
        }
        if matches!(method, "card" | "bank_redirect") && dollars.is_some_and(|amount| amount > LARGE) {
            return route(&["adyen", "checkout"]);
        }
        if method == "wallet" && payment.country.as_deref() == Some("US") {
            return route(&["authorizedotnet", "adyen"]);
        }
        route(&["stripe", "adyen", "checkout"])
    }
}

fn route(names: &[&str]) -> Outcome {
    let mut names = names.iter().map(|name| (*name).to_owned());
    Outcome::Route {
        connection: names.next().unwrap_or_default(),
        fallbacks: names.collect(),
    }
}
