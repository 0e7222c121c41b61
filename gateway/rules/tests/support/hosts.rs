//! Hosts as a test wants them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use plugin_sdk::{Currency, Money};
use rules::{Host, HostAnswer, HostError, HostFuture, HostQuestion, NameKind, Totals};
use serde_json::json;

/// Answers at once, or after so many polls, always the same to the same question.
#[derive(Default)]
pub struct Gateway {
    /// How often the runtime has to come back before an answer is there.
    pub polls: u32,
    pub asked: RefCell<Vec<HostQuestion>>,
    /// Each question waits by the clock for so long.
    pub pause: Duration,
    pub failing: Cell<bool>,
}

impl Gateway {
    fn answer(&self, question: &HostQuestion) -> Result<HostAnswer, HostError> {
        if self.failing.get() {
            return Err(HostError::Unavailable {
                message: String::from("the database does not answer"),
            });
        }
        match question {
            HostQuestion::ListGet { list, key } => listed(list, key),
            HostQuestion::Velocity { windows, .. } => Ok(HostAnswer::Velocity {
                totals: windows
                    .iter()
                    .map(|window| Totals {
                        count: u64::from(window.seconds() / 60),
                        sums: vec![
                            Money::from_minor(i64::from(window.seconds()), Currency::RUB),
                            Money::from_minor(100, Currency::USD),
                        ],
                    })
                    .collect(),
            }),
            HostQuestion::Health { connection } if connection == "nope" => Err(HostError::UnknownName {
                kind: NameKind::Connection,
                name: connection.clone(),
                known: vec![String::from("card-main")],
            }),
            HostQuestion::Health { connection } => Ok(HostAnswer::Health {
                up: connection != "down",
                requests: 20,
                success_percent: Some(95),
                latency_ms: Some(120),
            }),
            HostQuestion::Http(question) if question.url.contains("forbidden") => Err(HostError::Refused {
                message: String::from("the host forbidden.example is not on the merchant's list of allowed hosts"),
            }),
            HostQuestion::Http(question) if question.url.contains("slow") => Err(HostError::Timeout),
            HostQuestion::Http(question) => Ok(HostAnswer::Http {
                status: 200,
                headers: BTreeMap::from([(String::from("Content-Type"), String::from("application/json"))]),
                body: match &question.body {
                    Some(body) => format!(r#"{{"got": {body}}}"#),
                    None => String::from(
                        r#"{"balance": 150.55, "big": 12345678901234567890, "whole": 7, "on": true, "none": null,
                            "list": [1, null, "x"], "deep": {"a": {"b": "c"}}}"#,
                    ),
                },
            }),
        }
    }
}

fn listed(list: &str, key: &str) -> Result<HostAnswer, HostError> {
    match list {
        "contracts" => Ok(HostAnswer::List {
            present: key.starts_with('4'),
            value: Some(json!({"tariff": "gold", "limit": {"amount": "100.00", "currency": "RUB"}, "rate": 1.5})),
        }),
        "blocked" => Ok(HostAnswer::List {
            present: false,
            value: None,
        }),
        _ => Err(HostError::UnknownName {
            kind: NameKind::List,
            name: list.to_owned(),
            known: vec![String::from("contracts"), String::from("blocked")],
        }),
    }
}

impl Host for Gateway {
    fn ask<'a>(&'a self, question: &'a HostQuestion) -> HostFuture<'a> {
        Box::pin(async move {
            self.asked.borrow_mut().push(question.clone());
            for _ in 0..self.polls {
                tokio::task::yield_now().await;
            }
            if !self.pause.is_zero() {
                tokio::time::sleep(self.pause).await;
            }
            self.answer(question)
        })
    }
}

/// Never answers.
pub struct Silent;

impl Host for Silent {
    fn ask<'a>(&'a self, _: &'a HostQuestion) -> HostFuture<'a> {
        Box::pin(std::future::pending())
    }
}

/// Panics: before it gives a future, or in it.
pub struct Panics {
    pub at_once: bool,
}

impl Host for Panics {
    fn ask<'a>(&'a self, _: &'a HostQuestion) -> HostFuture<'a> {
        assert!(!self.at_once, "a bug of the host's");
        Box::pin(async { panic!("a bug of the host's") })
    }
}
