//! The config's form, what is refused, what requests carry, and what the log may show of them.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::sync::Mutex;

use async_trait::async_trait;
use plugin_payin::PayinConnection;
use plugin_sdk::connector::{
    Capability, CaptureMode, Context, Customer, HttpClient, HttpFailure, HttpRequest, HttpResponse, OutboundConnection,
    PaymentMethod, StoredCredential,
};
use plugin_sdk::{Plugin, Secret, SystemClock};
use rstest::rstest;
use serde_json::{Value, json};
use support::*;

#[test]
fn the_form_is_drawn_from_this_schema() {
    let plugin = plugin();
    insta::assert_snapshot!(serde_json::to_string_pretty(&plugin.manifest().config_schema).unwrap());
}

#[test]
fn the_options_are_described_by_this_schema() {
    let plugin = plugin();
    insta::assert_snapshot!(serde_json::to_string_pretty(&plugin.manifest().options_schema).unwrap());
}

#[test]
fn site_and_key_are_enough() {
    let connection = PayinConnection::bind(&json!({ "site_id": "sa3khn-09", "api_key": "k" })).unwrap();
    assert_eq!(connection.notification_subnets().len(), 4);
    let has = |capability| connection.capabilities().contains(&capability);
    assert!(has(Capability::HostedPage) && has(Capability::ManualCapture) && has(Capability::PartialRefund));
    // What QIWI switches on at request is off, and the page has no partial capture.
    assert!(!has(Capability::Card) && !has(Capability::Qr) && !has(Capability::Payout) && !has(Capability::Token));
    assert!(!has(Capability::PartialCapture));
}

#[rstest]
#[case("base_url", json!("ftp://api.qiwi.com"))]
#[case("base_url", json!("api.qiwi.com"))]
#[case("base_url", json!("https://api.qiwi.com/?a=b"))]
#[case("site_id", json!(""))]
#[case("site_id", json!("../other"))]
#[case("site_id", json!(".."))]
#[case("api_key", json!(""))]
#[case("api_key", json!("a b"))]
#[case("notification_key", json!(""))]
#[case("notification_subnets[0]", json!(["79.142.16.0/99"]))]
#[case("payout_private_key", json!("-----BEGIN PUBLIC KEY-----"))]
#[case("bill_minutes", json!(0))]
#[case("hold_hours", json!(121))]
#[case("qr_image_px", json!(3))]
#[case("config", json!("x"))]
fn a_config_that_cannot_work_is_refused_by_its_key(#[case] key: &str, #[case] value: Value) {
    let mut config = config();
    let name = key.split('[').next().unwrap();
    let name = if name == "config" { "unknown_key" } else { name };
    config[name] = value;
    let error = plugin().check_config(&config).unwrap_err();
    assert_eq!(error.key, key, "{error}");
}

#[rstest]
#[case(json!({"custom_fields": {"cf1": "x".repeat(257)}}))]
#[case(json!({"custom_fields": {"invoice_callback_url": "https://elsewhere.test"}}))]
#[case(json!({"receiver": {"inn": "1234567890123"}}))]
#[case(json!({"receiver": {"pan": "4111111111111111"}}))]
#[case(json!({"unknown": 1}))]
fn options_that_the_network_would_not_take_are_refused(#[case] options: Value) {
    let connection = PayinConnection::bind(&config()).unwrap();
    assert!(connection.check_options(options.as_object().unwrap()).is_err());
}

/// Keeps what it was given.
#[derive(Default)]
struct Recorder(Mutex<Vec<HttpRequest>>);

#[async_trait]
impl HttpClient for Recorder {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpFailure> {
        self.0.lock().unwrap().push(request);
        Err(HttpFailure::NotSent("recorded".to_owned()))
    }
}

async fn recorded(change: impl FnOnce(&mut plugin_sdk::connector::PaymentOrder)) -> (HttpRequest, Value) {
    let shop = Shop::open();
    let mut order = shop.order(hosted(), CaptureMode::Automatic);
    order.customer = Customer {
        id: Some("c1".to_owned()),
        email: Some("a@example.com".to_owned()),
        phone: Some("79031234567".to_owned()),
        ip: Some("127.0.0.1".parse().unwrap()),
        country: Some("RUS".to_owned()),
        ..Customer::default()
    };
    order.options = json!({"custom_fields": {"cf1": "Some data"}, "theme_code": "dark"})
        .as_object()
        .unwrap()
        .clone();
    change(&mut order);
    let recorder = Recorder::default();
    let context = Context {
        http: &recorder,
        clock: &SystemClock,
    };
    let _ = shop.connection.create(&context, &order).await;
    let sent = recorder.0.lock().unwrap().remove(0);
    let mut body: Value = serde_json::from_slice(&sent.body).unwrap();
    if let Some(date) = body.get_mut("expirationDateTime") {
        *date = json!("2026-11-23T15:00:00+03:00");
    }
    (sent, body)
}

#[tokio::test]
async fn a_bill_is_ordered_as_the_page_says() {
    let (sent, body) = recorded(|order| {
        order.method = PaymentMethod::HostedPage {
            allowed: vec!["card".to_owned(), "SBP".to_owned()],
        }
    })
    .await;
    assert_eq!(sent.method.as_str(), "PUT");
    assert!(
        sent.url
            .starts_with("http://sandbox.test/partner/payin/v1/sites/demo-00/bills/pay_")
    );
    let expected = json!({
        "amount": {"value": "150.00", "currency": "RUB"},
        "expirationDateTime": "2026-11-23T15:00:00+03:00",
        "comment": "Two tickets",
        "billPaymentMethodsType": ["CARD", "SBP"],
        "flags": ["SALE"],
        "customer": {"account": "c1", "email": "a@example.com", "phone": "79031234567"},
        "address": {"country": "RUS"},
        "customFields": {"cf1": "Some data", "themeCode": "dark", "invoice_callback_url": NOTIFY_URL},
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_card_is_sent_as_the_page_says_and_the_log_is_told_what_to_hide() {
    let (sent, body) = recorded(|order| {
        order.method = card(2, "123");
        order.capture = CaptureMode::Manual;
        order.save_method = true;
        order.stored_credential = StoredCredential::First;
    })
    .await;
    let expected = json!({
        "amount": {"value": "150.00", "currency": "RUB"},
        "paymentMethod": {"type": "CARD", "pan": "4256000000000003", "expiryDate": "02/30", "cvv2": "123",
            "holderName": "IVAN IVANOV", "cardTokenPaymentType": "FIRST_PAYMENT"},
        "callbackUrl": NOTIFY_URL,
        "comment": "Two tickets",
        "flags": ["BIND_PAYMENT_TOKEN"],
        "customer": {"account": "c1", "email": "a@example.com", "phone": "79031234567", "address": {"country": "RUS"}},
        "deviceData": {"ip": "127.0.0.1"},
        "customFields": {"cf1": "Some data", "themeCode": "dark"},
    });
    assert_eq!(body, expected);
    for secret in ["pan", "cvv2", "expiryDate", "holderName"] {
        assert!(
            body["paymentMethod"].get(secret).is_some() && sent.sensitive.contains(&secret),
            "{secret}"
        );
    }
    for secret in [
        "authorization",
        "x-digital-sign",
        "createdToken",
        "token",
        "paymentToken",
        "pares",
        "pareq",
    ] {
        assert!(sent.sensitive.contains(&secret), "{secret}");
    }
}

#[tokio::test]
async fn a_token_is_sent_as_the_page_says() {
    let (sent, body) = recorded(|order| {
        order.method = PaymentMethod::Token(Secret::new("c5ba4a05-21c9-4a36-af7a-b709b4caa4d6"));
        order.stored_credential = StoredCredential::Recurring;
    })
    .await;
    let expected = json!({"type": "TOKEN", "paymentToken": "c5ba4a05-21c9-4a36-af7a-b709b4caa4d6",
        "cardTokenPaymentType": "RECURRING_PAYMENT"});
    assert_eq!(body["paymentMethod"], expected);
    assert!(sent.sensitive.contains(&"paymentToken"));
}

#[tokio::test]
async fn an_address_without_tls_is_told_to_a_simulator_only() {
    let (_, told) = recorded(|order| order.notify_url = Some("http://127.0.0.1:8080/in/a/b".to_owned())).await;
    assert_eq!(
        told["customFields"]["invoice_callback_url"],
        "http://127.0.0.1:8080/in/a/b"
    );
    let mut real = config();
    real["base_url"] = json!("https://api.qiwi.com/partner/");
    let shop = Shop::with(real);
    let mut order = shop.order(card(12, "123"), CaptureMode::Automatic);
    order.notify_url = Some("http://127.0.0.1:8080/in/a/b".to_owned());
    let recorder = Recorder::default();
    let context = Context {
        http: &recorder,
        clock: &SystemClock,
    };
    let _ = shop.connection.create(&context, &order).await;
    let body: Value = serde_json::from_slice(&recorder.0.lock().unwrap()[0].body).unwrap();
    assert_eq!(body.get("callbackUrl"), None);
}
