//! Error answers (§9.2, D-11, D-22).

use chrono::{DateTime, Utc};
use plugin_sdk::SandboxAnswer;
use serde_json::{Value, json};

use super::stamp;

#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    Unauthorized,
    Forbidden,
    NotFound,
    WrongVerb,
    NotAcceptable,
    Unreadable,
    /// Field and text.
    Invalid(String, String),
    /// The reason, in words.
    WrongCall(&'static str),
    Full,
}

pub fn invalid(field: &str, text: &str) -> Refusal {
    Refusal::Invalid(field.to_owned(), text.to_owned())
}

impl Refusal {
    pub fn answer(&self, trace: u64, now: DateTime<Utc>) -> SandboxAnswer {
        let (status, code, description, user_message) = match self {
            Self::Unauthorized => (401, "auth.unauthorized", "Unauthorized", "Unauthorized"),
            Self::Forbidden => (403, "auth.forbidden", "Forbidden", "Forbidden"),
            Self::NotFound => (
                404,
                "payin.resource.not.found",
                "Resource not found",
                "Resource not found",
            ),
            Self::WrongVerb => (
                405,
                "http.method.not.allowed",
                "Method not allowed",
                "Method not allowed",
            ),
            Self::NotAcceptable => (406, "http.not.acceptable", "Not acceptable", "Not acceptable"),
            Self::Unreadable => (400, "http.message.conversion.failed", "Bad request", "Bad request"),
            Self::Invalid(..) => (400, "validation.error", "Validation error", "Validation error"),
            Self::WrongCall(reason) => (
                400,
                "payin.incorrect-method-invocation",
                *reason,
                "Cannot perform this operation",
            ),
            Self::Full => (
                500,
                "internal.error",
                "The simulator is full; restart it",
                "Internal error",
            ),
        };
        let mut body = json!({
            "serviceName": "payin-core",
            "errorCode": code,
            "description": description,
            "userMessage": user_message,
            "dateTime": stamp::with_micros(now),
            "traceId": format!("{trace:016x}"),
        });
        if let (Self::Invalid(field, text), Some(body)) = (self, body.as_object_mut()) {
            body.insert(
                "cause".to_owned(),
                Value::Object([(field.clone(), json!([text]))].into_iter().collect()),
            );
        }
        SandboxAnswer::json(status, &body)
    }
}
