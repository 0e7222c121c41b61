//! The connector against the network's simulator: every flow, every fault, and what the simulator then holds as true.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod any_bytes;
mod cards;
mod config;
mod faults;
mod flows;
mod hooks;
mod masking;
mod reading;
mod sessions;
mod third_party;

use chrono::{DateTime, Utc};
use plugin_sdk::connector::{
    ConnectorError, Context, KnownStep, OutboundConnection, PaymentRef, PayoutOrder, PayoutTarget, Report, State,
    StatusQuestion, Step, StepKind,
};
use plugin_sdk::testing::{BASE_URL, Wire};
use plugin_sdk::{Currency, Money, OperationId, PaymentId};
use plugin_wallet::{WalletConnection, WalletSandbox};
use serde_json::{Map, Value, json};

pub const WALLET: &str = "79110000001";
pub const OTHER: &str = "79110000002";

pub fn wire() -> Wire {
    let at: DateTime<Utc> = "2026-03-02T09:00:00Z".parse().unwrap();
    Wire::new(Box::new(WalletSandbox::new()), at)
}

pub fn config(dialect: &str) -> Value {
    let secret = match dialect {
        "cas" => ("password", "demo-password-1"),
        _ => ("token", "demo-wallet-token-1"),
    };
    json!({ "dialect": dialect, "wallet": WALLET, (secret.0): secret.1,
        "auth_base": BASE_URL, "site_base": BASE_URL, "edge_base": BASE_URL })
}

pub fn connection(dialect: &str) -> WalletConnection {
    WalletConnection::new(&config(dialect)).unwrap()
}

pub fn rub(minor: i64) -> Money {
    Money::from_minor(minor, Currency::RUB)
}

pub fn payout(wire: &Wire, number: u64, minor: i64) -> PayoutOrder {
    PayoutOrder {
        step: Step {
            operation: OperationId::generate(),
            number,
            at: wire.now(),
        },
        payment: PaymentId::generate(),
        number,
        amount: rub(minor),
        target: PayoutTarget::Wallet(format!("+{OTHER}")),
        order_id: None,
        description: Some("for the work".to_owned()),
        source: None,
        notify_url: None,
        splits: Vec::new(),
        options: Map::new(),
    }
}

pub fn question(order: &PayoutOrder) -> StatusQuestion {
    StatusQuestion {
        payment: PaymentRef {
            id: order.payment,
            number: order.number,
            network_id: None,
            amount: order.amount,
            capturable: rub(0),
            refundable: rub(0),
            created_at: order.step.at,
            kept: Value::Null,
        },
        steps: vec![KnownStep {
            step: order.step,
            kind: StepKind::Payout,
            amount: order.amount,
            network_id: None,
            is_final: false,
        }],
    }
}

pub async fn status(
    connection: &WalletConnection,
    context: &Context<'_>,
    order: &PayoutOrder,
) -> Result<Vec<Report>, ConnectorError> {
    connection.status(context, &question(order)).await
}

/// The one state that the network tells of; `None` when it says nothing.
pub async fn told(connection: &WalletConnection, wire: &Wire, order: &PayoutOrder) -> Option<State> {
    let reports = status(connection, &wire.context(), order).await.unwrap();
    assert!(reports.len() <= 1);
    reports.into_iter().next().map(|report| {
        assert_eq!(report.operation, Some(order.step.operation));
        report.state
    })
}

pub fn seconds(seconds: i64) -> chrono::Duration {
    chrono::Duration::seconds(seconds)
}

/// What the simulator holds as true.
pub fn truth(wire: &Wire) -> Value {
    let answer = wire.visit("GET", &format!("{BASE_URL}/sandbox/wallet/state.json"), &[], b"");
    serde_json::from_slice(&answer.body).unwrap()
}

pub fn balance(wire: &Wire, wallet: &str) -> String {
    let truth = truth(wire);
    let wallets = truth["wallets"].as_array().unwrap();
    let found = wallets.iter().find(|known| known["wallet"] == wallet).unwrap();
    found["balance"].as_str().unwrap().to_owned()
}

pub fn transactions(wire: &Wire) -> Vec<Value> {
    truth(wire)["transactions"].as_array().unwrap().clone()
}

pub fn control(wire: &Wire, path: &str, body: &Value) -> Value {
    let url = format!("{BASE_URL}/sandbox/wallet/{path}");
    let headers = [("content-type", "application/json")];
    let answer = wire.visit("POST", &url, &headers, body.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    serde_json::from_slice(&answer.body).unwrap()
}

pub fn switch(wire: &Wire, name: &str, value: i64) {
    control(wire, "settings", &json!({ "name": name, "value": value }));
}

pub fn kind<T>(result: &Result<T, ConnectorError>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(ConnectorError::Declined(_)) => "declined",
        Err(ConnectorError::Invalid(_)) => "invalid",
        Err(ConnectorError::Unavailable(_)) => "unavailable",
        Err(ConnectorError::Uncertain(_)) => "uncertain",
    }
}
