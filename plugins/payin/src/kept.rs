//! What the connector wants back with a payment: how it was made. A lost answer leaves nothing of it, so nothing here is
//! indispensable but to save questions.

use plugin_sdk::connector::PaymentRef;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// By which method it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<Via>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub two_step: Option<bool>,
    /// Where the network sends notifications of it; captures and refunds say it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback: Option<String>,
    /// Its token was handed over: once is enough.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub token_told: bool,
    /// Of a payout: the network's id of the purchase that it pays out of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    Bill,
    Payment,
    Qr,
    Payout,
}

impl Kept {
    pub fn of(payment: &PaymentRef) -> Self {
        serde_json::from_value(payment.kept.clone()).unwrap_or_default()
    }

    pub fn value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}
