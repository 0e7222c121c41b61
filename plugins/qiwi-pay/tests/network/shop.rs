//! A merchant with one site: orders, and the simulator's truth to compare with.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use plugin_qiwi_pay::{QiwiPayConnection, QiwiPayPlugin};
use plugin_sdk::connector::{
    CaptureMode, CaptureOrder, CardData, Customer, FinishOrder, KnownStep, NextAction, OutboundConnection,
    PaymentMethod, PaymentOrder, PaymentRef, PayoutOrder, PayoutTarget, Report, ReturnOrder, Split, State,
    StatusQuestion, Step, StepKind, StoredCredential,
};
use plugin_sdk::testing::{BASE_URL, Wire};
use plugin_sdk::{Currency, Money, OperationId, PaymentId, Plugin, Secret};
use serde_json::{Map, Value, json};

pub const CERTIFICATE: &str = "ab12";

pub fn rub(text: &str) -> Money {
    Money::parse(text, Currency::RUB).unwrap()
}

pub struct Shop {
    pub wire: Arc<Wire>,
    pub connection: QiwiPayConnection,
}

pub fn config(site: u64) -> Value {
    json!({
        "merchant_site": site,
        "secret_key": "secret_key",
        "api": true,
        "page_url": format!("{BASE_URL}/paypage/initial"),
        "api_url": format!("{BASE_URL}/merchant/direct"),
    })
}

pub fn start() -> DateTime<Utc> {
    "2026-03-09T10:00:00Z".parse().unwrap()
}

impl Shop {
    pub fn at(site: u64) -> Self {
        Self::with(&config(site))
    }

    pub fn with(config: &Value) -> Self {
        let sandbox = QiwiPayPlugin::new().sandbox().unwrap();
        Self {
            wire: Arc::new(Wire::new(sandbox, start()).with_certificate(CERTIFICATE)),
            connection: QiwiPayConnection::new(config).unwrap(),
        }
    }

    pub fn step(&self) -> Step {
        Step {
            operation: OperationId::generate(),
            number: 1,
            at: self.wire.now(),
        }
    }

    pub fn order(&self, amount: &str, method: PaymentMethod) -> PaymentOrder {
        PaymentOrder {
            step: self.step(),
            payment: PaymentId::generate(),
            number: 7,
            amount: rub(amount),
            capture: CaptureMode::Automatic,
            order_id: Some("A-1".to_owned()),
            description: Some("Название услуги, которое длиннее строки".to_owned()),
            method,
            stored_credential: StoredCredential::None,
            save_method: false,
            customer: Customer {
                id: Some("10001".to_owned()),
                email: Some("merchant@qiwi.com".to_owned()),
                phone: Some("+79166554321".to_owned()),
                ip: Some("127.0.0.1".parse().unwrap()),
                country: Some("RUS".to_owned()),
                city: Some("Moscow".to_owned()),
                ..Customer::default()
            },
            success_url: Some("https://shop.example/thanks".to_owned()),
            failure_url: Some("https://shop.example/sorry".to_owned()),
            notify_url: Some("https://gate.example/in/shop/card".to_owned()),
            expires_at: None,
            receipt: None,
            splits: Vec::new(),
            options: Map::new(),
        }
    }

    pub fn hold(&self, amount: &str) -> PaymentOrder {
        PaymentOrder {
            capture: CaptureMode::Manual,
            ..self.order(amount, card(12, "CARD HOLDER"))
        }
    }

    pub async fn pay(&self, order: &PaymentOrder) -> Report {
        self.connection.create(&self.wire.context(), order).await.unwrap()
    }

    pub async fn status(&self, payment: &PaymentRef, steps: Vec<KnownStep>) -> Vec<Report> {
        let question = StatusQuestion {
            payment: payment.clone(),
            steps,
        };
        self.connection.status(&self.wire.context(), &question).await.unwrap()
    }

    pub fn capture_of(&self, payment: &PaymentRef) -> CaptureOrder {
        CaptureOrder {
            step: self.step(),
            payment: payment.clone(),
            amount: payment.capturable,
            receipt: None,
        }
    }

    pub fn return_of(&self, payment: &PaymentRef, amount: &str) -> ReturnOrder {
        ReturnOrder {
            step: self.step(),
            payment: payment.clone(),
            amount: rub(amount),
            receipt: None,
            splits: Vec::new(),
        }
    }

    pub fn payout(&self, amount: &str, token: &str, source: Option<&PaymentRef>) -> PayoutOrder {
        PayoutOrder {
            step: self.step(),
            payment: PaymentId::generate(),
            number: 8,
            amount: rub(amount),
            target: PayoutTarget::Token(Secret::new(token)),
            order_id: None,
            description: Some("Выплата".to_owned()),
            source: source.cloned(),
            notify_url: None,
            splits: Vec::new(),
            options: Map::new(),
        }
    }

    /// The issuer's page, answered.
    pub fn authenticate(&self, report: &Report, result: &str) -> Vec<(String, String)> {
        let State::RequiresAction(NextAction::ThreeDSecure { acs_url, pareq, md }) = &report.state else {
            panic!("no 3-D Secure: {:?}", report.state);
        };
        let fields = [
            ("PaReq", pareq.as_str()),
            ("MD", md.as_deref().unwrap_or_default()),
            ("TermUrl", "https://shop.example/3ds"),
        ];
        let asked = self.post(acs_url, &fields);
        let fields: Vec<_> = hidden(&asked)
            .into_iter()
            .chain([("result".to_owned(), result.to_owned())])
            .collect();
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        hidden(&self.post(&format!("{acs_url}/answer"), &fields))
    }

    pub fn finish_of(&self, payment: &PaymentRef, step: Step, posted: Vec<(String, String)>) -> FinishOrder {
        FinishOrder {
            step,
            payment: payment.clone(),
            posted,
        }
    }

    pub fn post(&self, url: &str, fields: &[(&str, &str)]) -> String {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let answer = self.wire.visit("POST", url, &form, body.as_bytes());
        String::from_utf8(answer.body).unwrap()
    }

    pub fn set(&self, site: u64, name: &str, value: &str) {
        let answer = self.post(&format!("{BASE_URL}/sandbox/qiwi-pay/sites/{site}"), &[(name, value)]);
        assert!(answer.contains("merchant_site"), "{answer}");
    }

    /// Every transaction of the simulator: type, status, amount.
    pub fn truth(&self) -> Vec<(i64, i64, String)> {
        let answer = self
            .wire
            .visit("GET", &format!("{BASE_URL}/sandbox/qiwi-pay/state"), &[], b"");
        let state: Value = serde_json::from_slice(&answer.body).unwrap();
        let all = state["transactions"].as_array().unwrap().iter();
        all.map(|known| {
            let number = |name: &str| known[name].as_i64().unwrap();
            (
                number("txn_type"),
                number("txn_status"),
                known["amount"].as_str().unwrap().to_owned(),
            )
        })
        .collect()
    }

    pub fn days(&self, days: i64) {
        self.wire.advance(Duration::days(days));
        self.wire.notifications();
    }
}

pub fn card(month: u8, holder: &str) -> PaymentMethod {
    PaymentMethod::Card(CardData {
        pan: Secret::new("4111111111111111"),
        expiry_month: month,
        expiry_year: 2030,
        cvv: Some(Secret::new("123")),
        holder: Some(holder.to_owned()),
    })
}

/// The payment as the gateway would know it after this report.
pub fn known(order: &PaymentOrder, report: &Report, capturable: &str, refundable: &str) -> PaymentRef {
    PaymentRef {
        id: order.payment,
        number: order.number,
        network_id: report.network_id.clone(),
        amount: order.amount,
        capturable: rub(capturable),
        refundable: rub(refundable),
        created_at: order.step.at,
        kept: report.keep.clone().unwrap_or_default(),
    }
}

pub fn open_step(step: Step, kind: StepKind, amount: &str) -> KnownStep {
    KnownStep {
        step,
        kind,
        amount: rub(amount),
        network_id: None,
        is_final: false,
    }
}

pub fn done_step(step: Step, kind: StepKind, amount: &str, report: &Report) -> KnownStep {
    KnownStep {
        network_id: report.network_id.clone(),
        is_final: true,
        ..open_step(step, kind, amount)
    }
}

pub fn part(destination: &str, amount: &str) -> Vec<Split> {
    vec![Split {
        destination: destination.to_owned(),
        amount: rub(amount),
        order_id: None,
        description: None,
    }]
}

/// Hidden inputs of a page.
pub fn hidden(page: &str) -> Vec<(String, String)> {
    let inputs = page.split("<input type=\"hidden\" name=\"").skip(1);
    inputs
        .map(|input| {
            let (name, rest) = input.split_once('"').unwrap();
            let (_, rest) = rest.split_once("value=\"").unwrap();
            let (value, _) = rest.split_once('"').unwrap();
            (name.to_owned(), value.replace("&amp;", "&"))
        })
        .collect()
}
