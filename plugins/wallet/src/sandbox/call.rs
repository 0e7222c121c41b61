//! One request, taken apart.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use percent_encoding::percent_decode_str;
use plugin_sdk::SandboxRequest;
use serde_json::Value;

/// Parameters of one request that are looked at.
const PARAMETERS_MAX: usize = 100;

pub struct Call<'a> {
    pub method: &'a str,
    /// Of the path, decoded, empty ones left out.
    pub segments: Vec<String>,
    pub query: BTreeMap<String, String>,
    pub request: &'a SandboxRequest,
    pub now: DateTime<Utc>,
}

impl<'a> Call<'a> {
    pub fn read(request: &'a SandboxRequest, now: DateTime<Utc>) -> Self {
        let segments = request.path.split('/').filter(|segment| !segment.is_empty());
        Self {
            method: &request.method,
            segments: segments.take(PARAMETERS_MAX).map(decoded).collect(),
            query: parameters(&request.query, false),
            request,
            now,
        }
    }

    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.request.body).ok()
    }

    /// Fields of a form, or the members of a JSON object as texts.
    pub fn fields(&self) -> BTreeMap<String, String> {
        match self.json() {
            Some(Value::Object(members)) => (members.into_iter())
                .filter_map(|(name, value)| match value {
                    Value::String(text) => Some((name, text)),
                    Value::Number(number) => Some((name, number.to_string())),
                    Value::Bool(flag) => Some((name, flag.to_string())),
                    _ => None,
                })
                .collect(),
            _ => parameters(&String::from_utf8_lossy(&self.request.body), true),
        }
    }

    pub fn is_form(&self) -> bool {
        let content_type = self.request.header("content-type").unwrap_or_default();
        content_type.starts_with("application/x-www-form-urlencoded")
    }

    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    pub fn cookie(&self, name: &str) -> Option<&str> {
        let cookies = self.request.header("cookie")?.split(';');
        let mut pairs = cookies.filter_map(|cookie| cookie.trim().split_once('='));
        pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn parameters(text: &str, is_form: bool) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty()).take(PARAMETERS_MAX);
    let pairs = pairs.map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        // In a query a plus is a plus to those who write dates; a form's plus is a space.
        let spaced = |part: &str| {
            if is_form {
                decoded(&part.replace('+', " "))
            } else {
                decoded(part)
            }
        };
        (spaced(name), spaced(value))
    });
    pairs.collect()
}
