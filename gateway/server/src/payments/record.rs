//! The record of a decision: all that it takes to decide once more, without what nothing may keep.

use std::sync::Arc;

use plugin_sdk::DecisionId;
use rules::{CallContext, Decision, Input, Outcome};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{NewDecision, Record};

use crate::masking;
use crate::payments::decision::Asked;

/// Texts under these names are identifiers, which may look like card numbers by chance.
const IDENTIFIERS: [&str; 7] = ["account", "txn_id", "order_id", "id", "key", "now", "at"];

/// Which decisions are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecisionsKept {
    All,
    /// Those that failed, and those of a `pay`.
    FailedAndPaid,
    None,
}

impl DecisionsKept {
    #[must_use]
    pub fn keeps(self, command: plugin_sdk::Command, outcome: &Outcome) -> bool {
        match self {
            Self::All => true,
            Self::FailedAndPaid => command == plugin_sdk::Command::Pay || matches!(outcome, Outcome::Failed(_)),
            Self::None => false,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub struct DecisionRecord {
    pub input: Arc<Input>,
    pub context: CallContext,
    pub decision: Decision,
    /// Card data was taken out: what is decided from this record may differ.
    #[serde(default)]
    pub masked: bool,
}

impl Record for DecisionRecord {
    fn write(&self) -> String {
        let plain = serde_json::to_string(self).unwrap_or_default();
        if !masking::may_hide_of_json(&plain) {
            return plain;
        }
        let (mut record, masked) = masked(serde_json::to_value(self).unwrap_or_default());
        if masked && let Value::Object(record) = &mut record {
            record.insert("masked".to_owned(), Value::Bool(true));
        }
        record.to_string()
    }
}

/// Without card data, and whether there was any.
#[must_use]
pub fn masked(mut value: Value) -> (Value, bool) {
    let any = mask(&mut value, "");
    (value, any)
}

/// Hides card data in every text; says whether there was any.
fn mask(value: &mut Value, name: &str) -> bool {
    match value {
        Value::String(text) => {
            if IDENTIFIERS.contains(&name) {
                return false;
            }
            let masked = masking::value(name, text);
            let differs = masked != *text;
            *text = masked;
            differs
        }
        Value::Array(items) => items.iter_mut().fold(false, |any, item| mask(item, name) | any),
        Value::Object(fields) => (fields.iter_mut()).fold(false, |any, (name, field)| mask(field, name) | any),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The row of a decision.
pub fn row(asked: &Asked<'_>, revision: i32, record: Arc<DecisionRecord>) -> NewDecision {
    let decision = &record.decision;
    let reason = match &decision.outcome {
        Outcome::Reject { reason, .. } => Some(reason.as_str()),
        Outcome::Failed(error) => Some(error.kind.as_str()),
        _ => None,
    };
    NewDecision {
        id: DecisionId::generate(),
        merchant_id: asked.tenant.merchant.id,
        connection_id: asked.connection.row.id,
        payment_id: None,
        revision,
        handler: record.input.handler().as_str(),
        command: asked.request.command.as_str(),
        account: asked.request.account.clone().unwrap_or_default(),
        outcome: decision.outcome.as_str(),
        reason,
        steps: decision.steps,
        duration_us: u64::try_from(decision.duration.as_micros()).unwrap_or(u64::MAX),
        created_at: asked.now,
        record,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    proptest! {
        #[test]
        fn where_nothing_may_be_hidden_nothing_is(
            name in "cvv|Cvc|PAN|card_number|data1|account|txn_id",
            text in "[0-9 +=c&%-]{0,40}|4111111111111111|card 4111 1111 1111 1111|%34111111111111111|cvv=1|.*",
        ) {
            let record = json!({ "extras": { name: text } });
            let plain = record.to_string();
            let (_, hidden) = masked(record);
            prop_assert!(!hidden || masking::may_hide_of_json(&plain), "{plain}");
        }
    }

    #[test]
    fn card_data_is_hidden_and_the_record_says_so() {
        let mut record = json!({"input": {"request": {
            "account": "4111111111111111", "extras": {"cvv": "123", "note": "card 4111111111111111", "data1": "x"},
        }}});
        assert!(mask(&mut record, ""));
        let request = &record["input"]["request"];
        assert_eq!(
            request["account"], "4111111111111111",
            "an account is the merchant's own"
        );
        assert_eq!(
            request["extras"],
            json!({"cvv": "***", "note": "card 411111******1111", "data1": "x"})
        );
        assert!(!mask(
            &mut json!({"extras": {"data1": "x"}, "txn_id": "4111111111111111"}),
            ""
        ));
    }
}
