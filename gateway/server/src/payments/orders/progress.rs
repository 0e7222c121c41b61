//! What is known of a payment beside its amounts: stored as JSON with its order.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use plugin_sdk::connector::{Decline, Facts, Hold, NetworkFault, NextAction, Receipt, StoredCredential};
use plugin_sdk::{Money, OperationId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::StoreError;

/// What was asked, without what nothing may keep.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Details {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default)]
    pub customer: CustomerDetails,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    #[serde(default)]
    pub save_method: bool,
    #[serde(default)]
    pub stored_credential: StoredCredential,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub options: Map<String, Value>,
    /// Where a payout goes, masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    /// The network's id of the purchase that a payout pays out of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CustomerDetails {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
}

/// What the network told.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// What the payer has to do; gone once it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<NextAction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    pub facts: Facts,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decline: Option<Decline>,
    /// Why it failed, when nobody declined it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<NetworkFault>,
    /// Of the connector, handed back to it.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub kept: Value,
}

/// One try of a payment at one connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouteStep {
    pub connection: String,
    pub operation: OperationId,
    pub at: DateTime<Utc>,
    /// `tried`, then what became of it.
    pub outcome: String,
}

/// Why an operation did not succeed, as it is stored with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OperationFault {
    /// One word for programs: of a decline its reason, else `invalid`, `unavailable`, `uncertain`, `not_found`.
    pub reason: String,
    pub code: Option<String>,
    pub message: String,
}

impl OperationFault {
    #[must_use]
    pub fn declined(decline: &Decline) -> Self {
        Self {
            reason: decline.reason.as_str().to_owned(),
            code: decline.code.clone(),
            message: decline.message.clone(),
        }
    }

    #[must_use]
    pub fn of(reason: &str, fault: &NetworkFault) -> Self {
        Self {
            reason: reason.to_owned(),
            code: fault.code.clone(),
            message: fault.message.clone(),
        }
    }

    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// Reads one of the stored documents.
pub fn read<T: DeserializeOwned>(value: &Value) -> Result<T, StoreError> {
    T::deserialize(value).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// The document as it is stored.
#[must_use]
pub fn write<T: Serialize>(document: &T) -> Value {
    serde_json::to_value(document).unwrap_or_default()
}

/// An amount that was told, in the payment's currency, or the one that was asked for.
#[must_use]
pub fn told_or(told: Option<Money>, asked: Money) -> Money {
    told.filter(|told| told.currency() == asked.currency()).unwrap_or(asked)
}
