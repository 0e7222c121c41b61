//! The config, its schema, and what of a request nobody may read later.

use std::sync::Mutex;

use async_trait::async_trait;
use plugin_qiwi_pay::{QiwiPayConnection, QiwiPayPlugin};
use plugin_sdk::Plugin;
use plugin_sdk::connector::{
    Context, DeviceWallet, HttpClient, HttpFailure, HttpRequest, HttpResponse, OutboundConnection, PaymentMethod,
};
use plugin_sdk::{Secret, SystemClock};
use rstest::rstest;
use serde_json::{Value, json};

use crate::shop::{Shop, card};

#[test]
fn the_schema_draws_the_form() {
    let plugin = QiwiPayPlugin::new();
    insta::assert_snapshot!(serde_json::to_string_pretty(&plugin.manifest().config_schema).unwrap());
}

#[test]
fn the_schema_of_the_options() {
    let plugin = QiwiPayPlugin::new();
    insta::assert_snapshot!(serde_json::to_string_pretty(&plugin.manifest().options_schema).unwrap());
}

#[test]
fn a_site_and_its_secret_are_enough() {
    let minimal = json!({"merchant_site": 99, "secret_key": "s"});
    assert_eq!(QiwiPayPlugin::new().check_config(&minimal), Ok(()));
}

#[rstest]
#[case(json!([]), "config")]
#[case(json!({"secret_key": "s"}), "merchant_site")]
#[case(json!({"merchant_site": 0, "secret_key": "s"}), "merchant_site")]
#[case(json!({"merchant_site": "x", "secret_key": "s"}), "merchant_site")]
#[case(json!({"merchant_site": 99}), "secret_key")]
#[case(json!({"merchant_site": 99, "secret_key": ""}), "secret_key")]
#[case(json!({"merchant_site": 99, "secret_key": "s", "page_by": "post"}), "page_by")]
#[case(json!({"merchant_site": 99, "secret_key": "s", "page_url": "pay.qiwi.com"}), "page_url")]
#[case(json!({"merchant_site": 99, "secret_key": "s", "api_url": "https://a/?b"}), "api_url")]
#[case(json!({"merchant_site": 99, "secret_key": "s", "callback_subnets": ["1.2.3.4/33"]}), "callback_subnets[0]")]
#[case(json!({"merchant_site": 99, "secret_key": "s", "safe_deal": "card"}), "api")]
#[case(json!({"merchant_site": 99, "secret_key": "s", "secret": "s"}), "secret")]
fn a_wrong_key_is_named(#[case] config: Value, #[case] key: &str) {
    let error = QiwiPayPlugin::new().check_config(&config).unwrap_err();
    assert_eq!(error.key, key, "{error}");
}

#[rstest]
#[case(json!({"cf9": "x"}), "cf9")]
#[case(json!({"cf1": "x".repeat(257)}), "cf1")]
#[case(json!({"product_name": "x".repeat(26)}), "product_name")]
#[case(json!({"wallet_type": "QIWI"}), "account_id")]
#[case(json!({"account_id": "12a"}), "account_id")]
#[case(json!({"receiver_name": "Иванов, Иван"}), "receiver_name")]
#[case(json!({"receiver_name": "Ivanov Ivan"}), "receiver_name")]
#[case(json!({"industry_data": {"tickets": []}}), "industry_data.tickets")]
fn a_wrong_option_is_named(#[case] options: Value, #[case] key: &str) {
    let error = Shop::at(99)
        .connection
        .check_options(options.as_object().unwrap())
        .unwrap_err();
    assert_eq!(error.key, key, "{error}");
}

/// Keeps what would be sent.
#[derive(Default)]
struct Kept(Mutex<Vec<HttpRequest>>);

#[async_trait]
impl HttpClient for Kept {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpFailure> {
        self.0.lock().unwrap().push(request);
        Err(HttpFailure::NotSent("kept".to_owned()))
    }
}

async fn sent(method: PaymentMethod) -> (Value, &'static [&'static str]) {
    let shop = Shop::at(99);
    let connection = QiwiPayConnection::new(&crate::shop::config(99)).unwrap();
    let kept = Kept::default();
    let context = Context {
        http: &kept,
        clock: &SystemClock,
    };
    let mut order = shop.order("4678.50", method);
    order.step.at = plugin_sdk::Clock::now(&SystemClock);
    assert!(connection.create(&context, &order).await.is_err());
    let request = kept.0.lock().unwrap().remove(0);
    (serde_json::from_slice(&request.body).unwrap(), request.sensitive)
}

#[tokio::test]
async fn what_is_secret_is_named() {
    let apple = PaymentMethod::DeviceWallet {
        kind: DeviceWallet::ApplePay,
        payload: Secret::new("{}"),
    };
    let google = PaymentMethod::DeviceWallet {
        kind: DeviceWallet::GooglePay,
        payload: Secret::new("{}"),
    };
    let token = PaymentMethod::Token(Secret::new("4d5b363e"));
    let mut carried = Vec::new();
    for method in [card(12, "A B"), apple, google, token] {
        let (body, sensitive) = sent(method).await;
        for name in body.as_object().unwrap().keys() {
            let plain = [
                "opcode",
                "merchant_site",
                "amount",
                "currency",
                "order_id",
                "callback_url",
                "card_name",
            ];
            let personal = [
                "email",
                "phone",
                "ip",
                "country",
                "city",
                "merchant_uid",
                "product_name",
            ];
            let open = plain.contains(&name.as_str()) || personal.contains(&name.as_str());
            assert_ne!(open, sensitive.contains(&name.as_str()), "{name}");
            carried.push(name.clone());
        }
        assert!(sensitive.contains(&"pares") && sensitive.contains(&"pareq"));
    }
    for name in [
        "pan",
        "expiry",
        "cvv2",
        "card_token",
        "apple_pay_encoded_payment_token",
        "sign",
    ] {
        assert!(carried.iter().any(|known| known == name), "{name}");
    }
}

#[tokio::test]
async fn a_request_is_written_as_in_the_document() {
    let (body, _) = sent(card(12, "cardholder name")).await;
    assert_eq!(body["opcode"], 1);
    assert_eq!(body["merchant_site"], 99);
    assert_eq!(body["amount"], "4678.50");
    assert_eq!(body["currency"], 643);
    assert_eq!(body["expiry"], "1230");
    assert_eq!(body["phone"], "79166554321");
    assert_eq!(body["product_name"], "Название услуги, которое ");
    assert!(body["order_id"].as_str().unwrap().starts_with("pay_"));
}
