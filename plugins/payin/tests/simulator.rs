//! The simulator by itself, as a third party's client would find it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use plugin_payin::sandbox::PayinSandbox;
use plugin_sdk::SandboxAnswer;
use plugin_sdk::testing::Wire;
use rstest::rstest;
use serde_json::{Value, json};

const SITE: &str = "/partner/payin/v1/sites/demo-00";

fn wire() -> Wire {
    Wire::new(Box::new(PayinSandbox::new()), "2026-11-22T12:00:00Z".parse().unwrap())
}

fn ask(wire: &Wire, method: &str, path: &str, body: &str) -> (u16, Value) {
    let headers = [
        ("authorization", "Bearer demo-payin-api-key"),
        ("accept", "application/json"),
        ("content-type", "application/json"),
    ];
    read(wire.visit(method, &format!("{SITE}{path}"), &headers, body.as_bytes()))
}

fn read(answer: SandboxAnswer) -> (u16, Value) {
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
}

const BILL: &str = r#"{"amount":{"currency":"RUB","value":150.00},"comment":"Spasibo",
 "expirationDateTime":"2026-12-07T14:30:00+03:00","flags":["SALE"]}"#;

#[test]
fn the_printed_bill_is_made_and_made_once() {
    let wire = wire();
    let (status, bill) = ask(&wire, "PUT", "/bills/1234567890", BILL);
    assert_eq!(status, 200);
    assert_eq!(bill["amount"], json!({"currency": "RUB", "value": "150.00"}));
    assert_eq!(
        (&bill["status"]["value"], &bill["flags"]),
        (&json!("CREATED"), &json!(["SALE"]))
    );
    assert_eq!(bill["expirationDateTime"], "2026-12-07T14:30:00+03:00");
    let url = bill["payUrl"].as_str().unwrap();
    assert!(url.starts_with("http://sandbox.test/form?invoiceUid="));
    // §10: the stored one wins, whatever the body.
    let (status, again) = ask(&wire, "PUT", "/bills/1234567890", &BILL.replace("150.00", "151.00"));
    assert_eq!((status, &again), (200, &bill));
    assert_eq!(ask(&wire, "GET", "/bills/1234567890", "").1, json!([]));
    assert_eq!(wire.visit("GET", url, &[], b"").status, 200);
}

#[rstest]
#[case("PUT", "/bills/1", "not json", 400, "http.message.conversion.failed", Value::Null)]
#[case("PUT", "/bills/1", "[]", 400, "http.message.conversion.failed", Value::Null)]
#[case("PUT", "/bills/1", r#"{"amount":{"currency":"RUB","value":3.0},"expirationDateTime":"2026-12-07T14:30:00+03:00"}"#, 400, "validation.error", json!({"amount": ["Invalid money format. Should have 2 fraction digits"]}))]
#[case("PUT", "/bills/1", r#"{"amount":{"currency":"RUB","value":"0.00"},"expirationDateTime":"2026-12-07T14:30:00+03:00"}"#, 400, "validation.error", json!({"amount": ["Invalid format. Amount value must be greater then zero"]}))]
#[case("PUT", "/bills/1", r#"{"amount":{"currency":"RUB","value":"3.00"},"expirationDateTime":"2020-12-07T14:30:00+03:00"}"#, 400, "validation.error", json!({"expirationDateTime": ["must be in the future"]}))]
#[case("GET", "/bills/unknown/details", "", 404, "payin.resource.not.found", Value::Null)]
#[case("GET", "/payments/unknown", "", 404, "payin.resource.not.found", Value::Null)]
#[case(
    "PUT",
    "/payments/unknown/refunds/1",
    r#"{"amount":{"currency":"RUB","value":"3.00"}}"#,
    404,
    "payin.resource.not.found",
    Value::Null
)]
#[case("GET", "/nowhere", "", 404, "payin.resource.not.found", Value::Null)]
#[case("DELETE", "/bills/1", "", 405, "http.method.not.allowed", Value::Null)]
#[case("POST", "/payments/1", "{}", 405, "http.method.not.allowed", Value::Null)]
#[case("PUT", "/payments/1", r#"{"amount":{"currency":"RUB","value":"3.00"},"customer":{"account":"a"},"paymentMethod":{"type":"TOKEN","paymentToken":"gone"}}"#, 400, "validation.error", json!({"paymentToken": ["Exchange token error. Token disabled, please create new one"]}))]
#[case(
    "DELETE",
    "/tokens",
    r#"{"customerAccountId":"a","token":"gone"}"#,
    404,
    "payin.resource.not.found",
    Value::Null
)]
fn a_wrong_request_is_refused_in_the_printed_words(
    #[case] method: &str,
    #[case] path: &str,
    #[case] body: &str,
    #[case] status: u16,
    #[case] code: &str,
    #[case] cause: Value,
) {
    let (answered, error) = ask(&wire(), method, path, body);
    assert_eq!((answered, error["errorCode"].as_str()), (status, Some(code)));
    assert_eq!(error["cause"], cause);
    assert_eq!(error["serviceName"], "payin-core");
    assert_eq!(error["traceId"].as_str().map(str::len), Some(16));
    assert!(error["dateTime"].as_str().is_some_and(|at| at.ends_with("+03:00")));
}

#[rstest]
#[case(&[], 401, "auth.unauthorized")]
#[case(&[("authorization", "Bearer nobody")], 401, "auth.unauthorized")]
#[case(&[("authorization", "Bearer test-payin-api-key")], 403, "auth.forbidden")]
#[case(&[("authorization", "Bearer demo-payin-api-key"), ("accept", "text/xml")], 406, "http.not.acceptable")]
fn the_key_is_looked_at_first(#[case] headers: &[(&str, &str)], #[case] status: u16, #[case] code: &str) {
    let (answered, error) = read(wire().visit("PUT", &format!("{SITE}/bills/1"), headers, b"not json"));
    assert_eq!((answered, error["errorCode"].as_str()), (status, Some(code)));
}

#[test]
fn a_second_capture_gets_the_error_of_production() {
    let wire = wire();
    let payment = r#"{"amount":{"currency":"RUB","value":"6.77"},"paymentMethod":{"type":"CARD",
        "pan":"4256000000000003","expiryDate":"12/30","cvv2":"123"}}"#;
    let (_, made) = ask(&wire, "PUT", "/payments/1811", payment);
    assert_eq!(
        (&made["status"]["value"], &made["capturedAmount"]["value"]),
        (&json!("COMPLETED"), &json!("0.00"))
    );
    let (status, captured) = ask(&wire, "PUT", "/payments/1811/captures/bxwd8096", "");
    assert_eq!((status, &captured["amount"]["value"]), (200, &json!("6.77")));
    assert_eq!(ask(&wire, "PUT", "/payments/1811/captures/bxwd8096", "{}").1, captured);
    let (status, error) = ask(&wire, "PUT", "/payments/1811/captures/other", "{}");
    assert_eq!(
        (status, &error["errorCode"]),
        (400, &json!("payin.incorrect-method-invocation"))
    );
    assert_eq!(error["userMessage"], "Cannot perform this operation");
    assert_eq!(error["description"], "Successful capture already done for this payment");
}

#[test]
fn a_paid_bill_is_not_paid_again() {
    let wire = wire();
    ask(&wire, "PUT", "/bills/b1", BILL);
    let payment = r#"{"amount":{"currency":"RUB","value":"150.00"},"billId":"b1","flags":["SALE"],
        "paymentMethod":{"type":"CARD","pan":"4256000000000003","expiryDate":"12/30","cvv2":"123"}}"#;
    assert_eq!(
        ask(&wire, "PUT", "/payments/p1", payment).1["status"]["value"],
        "COMPLETED"
    );
    let (_, second) = ask(&wire, "PUT", "/payments/p2", payment);
    assert_eq!(second["status"]["reason"], "BILL_ALREADY_PAID");
    let (_, bill) = ask(&wire, "GET", "/bills/b1/details", "");
    assert_eq!(bill["status"]["value"], "PAID");
    assert_eq!(bill["payments"][0]["paymentId"], "p2", "newest first");
}

#[test]
fn a_link_makes_a_bill() {
    let wire = wire();
    let made = wire.visit(
        "GET",
        "/create?publicKey=demo-payin-public-key&amount=10&extras%5Bcf1%5D=x",
        &[],
        b"",
    );
    assert_eq!(made.status, 303);
    let (_, form) = made.headers.iter().find(|(name, _)| *name == "location").unwrap();
    let page = wire.visit("GET", form, &[], b"");
    assert!(String::from_utf8(page.body).unwrap().contains("10.00 RUB"));
}

#[test]
fn the_control_page_shows_what_there_is_and_escapes_it() {
    let wire = wire();
    ask(&wire, "PUT", "/bills/%3Cscript%3E", BILL);
    let page = String::from_utf8(wire.visit("GET", "/sandbox/payin", &[], b"").body).unwrap();
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script"));
    let (status, made) = read(wire.visit(
        "POST",
        "/sandbox/payin/sites/mine-01",
        &[],
        b"api_key=secret&notification_url=https%3A%2F%2Fa.test",
    ));
    assert_eq!((status, &made["api_key"]), (200, &json!("secret")));
    let strict = wire.visit(
        "POST",
        "/sandbox/payin/sites/mine-01/switches",
        &[],
        b"strict_cards=true&hold_hours=24",
    );
    assert_eq!(read(strict).1["switches"]["hold_hours"], 24);
    assert_eq!(
        wire.visit("POST", "/sandbox/payin/sites/mine-01/switches", &[], b"unknown=true")
            .status,
        400
    );
}
