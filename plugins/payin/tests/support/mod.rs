//! A connector, its simulator and the wire between them.

#![allow(dead_code, reason = "each test file uses its part")]

use plugin_payin::sandbox::{DEMO_API_KEY, DEMO_NOTIFICATION_KEY, DEMO_SITE, PayinSandbox};
use plugin_payin::{PayinConnection, PayinPlugin};
use plugin_sdk::connector::{
    CaptureMode, CaptureOrder, CardData, ConnectorError, Customer, KnownStep, NotificationRequest, OutboundConnection,
    PaymentMethod, PaymentOrder, PaymentRef, Report, ReturnOrder, State, StatusQuestion, Step, StepKind,
    StoredCredential,
};
use plugin_sdk::testing::{BASE_URL, Wire};
use plugin_sdk::{Currency, Money, OperationId, PaymentId, Plugin, Secret};
use serde_json::{Map, Value, json};

pub const NOTIFY_URL: &str = "https://gate.test/in/shop/payin";
pub const PAYOUT_KEY: &str = include_str!("../../demo/payout-key.pem");

pub fn config() -> Value {
    json!({
        "base_url": format!("{BASE_URL}/partner/"),
        "site_id": DEMO_SITE,
        "api_key": DEMO_API_KEY,
        "notification_key": DEMO_NOTIFICATION_KEY,
        "card_data": true,
        "tokens": true,
        "sbp": true,
        "splits": true,
        "payout_private_key": PAYOUT_KEY,
    })
}

pub struct Shop {
    pub wire: Wire,
    pub connection: PayinConnection,
}

impl Shop {
    pub fn open() -> Self {
        Self::with(config())
    }

    pub fn with(config: Value) -> Self {
        Self {
            wire: Wire::new(Box::new(PayinSandbox::new()), "2026-11-22T12:00:00Z".parse().unwrap()),
            connection: PayinConnection::bind(&config).unwrap(),
        }
    }

    pub fn step(&self) -> Step {
        Step {
            operation: OperationId::generate(),
            number: 1,
            at: self.wire.now(),
        }
    }

    pub fn order(&self, method: PaymentMethod, capture: CaptureMode) -> PaymentOrder {
        PaymentOrder {
            step: self.step(),
            payment: PaymentId::generate(),
            number: 1,
            amount: rub(15_000),
            capture,
            order_id: None,
            description: Some("Two tickets".to_owned()),
            method,
            stored_credential: StoredCredential::None,
            save_method: false,
            customer: Customer::default(),
            success_url: None,
            failure_url: None,
            notify_url: Some(NOTIFY_URL.to_owned()),
            expires_at: None,
            receipt: None,
            splits: Vec::new(),
            options: Map::new(),
        }
    }

    pub async fn create(&self, order: &PaymentOrder) -> Result<Report, ConnectorError> {
        self.connection.create(&self.wire.context(), order).await
    }

    pub fn reference(&self, order: &PaymentOrder, report: Option<&Report>) -> PaymentRef {
        let paid = report.is_some_and(|report| report.state == State::Succeeded);
        let held = report.is_some_and(|report| report.state == State::Authorized);
        PaymentRef {
            id: order.payment,
            number: 1,
            network_id: report.and_then(|report| report.network_id.clone()),
            amount: order.amount,
            capturable: if held { order.amount } else { rub(0) },
            refundable: if paid { order.amount } else { rub(0) },
            created_at: self.wire.now(),
            kept: report.and_then(|report| report.keep.clone()).unwrap_or(Value::Null),
        }
    }

    pub async fn status(&self, payment: &PaymentRef, steps: Vec<KnownStep>) -> Result<Vec<Report>, ConnectorError> {
        let question = StatusQuestion {
            payment: payment.clone(),
            steps,
        };
        self.connection.status(&self.wire.context(), &question).await
    }

    pub async fn capture(&self, payment: &PaymentRef) -> Result<Report, ConnectorError> {
        let order = CaptureOrder {
            step: self.step(),
            payment: payment.clone(),
            amount: payment.capturable,
            receipt: None,
        };
        self.connection.capture(&self.wire.context(), &order).await
    }

    pub fn giving_back(&self, payment: &PaymentRef, amount: Money) -> ReturnOrder {
        ReturnOrder {
            step: self.step(),
            payment: payment.clone(),
            amount,
            receipt: None,
            splits: Vec::new(),
        }
    }

    /// What the simulator holds of this site.
    pub fn truth(&self) -> Value {
        let shown = self.wire.visit("GET", "/sandbox/payin/objects", &[], b"");
        let shown: Value = serde_json::from_slice(&shown.body).unwrap();
        let sites = shown["sites"].as_array().unwrap();
        sites.iter().find(|site| site["site_id"] == DEMO_SITE).unwrap().clone()
    }

    /// Captured and given back at the network, over all its payments.
    pub fn moved(&self) -> (Vec<String>, Vec<String>) {
        let truth = self.truth();
        let payments = truth["payments"].as_array().unwrap();
        let of = |name: &str| {
            let values = payments
                .iter()
                .map(|payment| payment[name]["value"].as_str().unwrap().to_owned());
            values.collect()
        };
        (of("capturedAmount"), of("refundedAmount"))
    }

    /// Pays on the form as a person would, and returns the page.
    pub fn pay_on_form(&self, report: &Report, fields: &str) -> (u16, String) {
        let answer = self.wire.visit("POST", &redirect(report), &[], fields.as_bytes());
        (answer.status, String::from_utf8(answer.body).unwrap())
    }

    pub fn control(&self, path: &str, body: &str) -> Value {
        let answer = self
            .wire
            .visit("POST", &format!("/sandbox/payin/{path}"), &[], body.as_bytes());
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// What was sent by now, each taken by its receiver.
    pub fn inbox(&self) -> Vec<plugin_sdk::SandboxNotification> {
        let sent = self.wire.notifications();
        for notice in &sent {
            self.wire.delivered(notice.id, Some((200, b"")));
        }
        sent
    }
}

pub fn rub(minor: i64) -> Money {
    Money::from_minor(minor, Currency::RUB)
}

pub fn hosted() -> PaymentMethod {
    PaymentMethod::HostedPage { allowed: Vec::new() }
}

pub fn card(month: u8, cvv: &str) -> PaymentMethod {
    PaymentMethod::Card(card_data(month, cvv))
}

pub fn card_data(month: u8, cvv: &str) -> CardData {
    CardData {
        pan: Secret::new("4256000000000003"),
        expiry_month: month,
        expiry_year: 2030,
        cvv: Some(Secret::new(cvv)),
        holder: Some("IVAN IVANOV".to_owned()),
    }
}

pub fn redirect(report: &Report) -> String {
    match &report.state {
        State::RequiresAction(plugin_sdk::connector::NextAction::Redirect { url }) => url.clone(),
        other => panic!("no redirect: {other:?}"),
    }
}

pub fn known(step: &Step, kind: StepKind, amount: Money) -> KnownStep {
    KnownStep {
        step: *step,
        kind,
        amount,
        network_id: None,
        is_final: false,
    }
}

pub fn plugin() -> PayinPlugin {
    let plugin = PayinPlugin::new();
    assert_eq!(plugin.manifest().name, "payin");
    plugin
}

/// As the gateway hands it over.
pub fn parse<'a>(headers: &'a [(String, String)], body: &'a [u8]) -> NotificationRequest<'a> {
    NotificationRequest {
        method: "POST",
        query: "",
        headers,
        body,
    }
}

pub fn headers(notice: &plugin_sdk::SandboxNotification) -> Vec<(String, String)> {
    notice
        .headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect()
}
