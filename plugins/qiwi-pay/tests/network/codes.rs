//! Every documented code (§13.2), as an answer without a transaction and as a declined one.

use plugin_sdk::connector::{ConnectorError, DeclineReason as R, OutboundConnection, State};
use plugin_sdk::testing::Fault;
use rstest::rstest;

use crate::shop::{Shop, card};

#[derive(Debug, PartialEq, Eq)]
enum Means {
    Uncertain,
    Unavailable,
    Invalid,
    Declined(R, bool),
}

#[rstest]
#[case(8001, Means::Uncertain)]
#[case(8002, Means::Invalid)]
#[case(8004, Means::Unavailable)]
#[case(8005, Means::Declined(R::NetworkError, true))]
#[case(8006, Means::Declined(R::CardInvalid, false))]
#[case(8008, Means::Declined(R::RecipientInvalid, false))]
#[case(8018, Means::Invalid)]
#[case(8019, Means::Invalid)]
#[case(8020, Means::Declined(R::AmountInvalid, false))]
#[case(8021, Means::Invalid)]
#[case(8022, Means::Declined(R::WrongState, false))]
#[case(8023, Means::Declined(R::PayerTimedOut, false))]
#[case(8025, Means::Invalid)]
#[case(8026, Means::Declined(R::WrongState, false))]
#[case(8027, Means::Declined(R::WrongState, false))]
#[case(8028, Means::Declined(R::CardExpired, false))]
#[case(8051, Means::Invalid)]
#[case(8052, Means::Declined(R::WrongState, false))]
#[case(8054, Means::Invalid)]
#[case(8055, Means::Uncertain)]
#[case(8056, Means::Uncertain)]
#[case(8057, Means::Unavailable)]
#[case(8058, Means::Invalid)]
#[case(8059, Means::Invalid)]
#[case(8060, Means::Declined(R::LimitExceeded, false))]
#[case(8061, Means::Declined(R::AmountInvalid, false))]
#[case(8062, Means::Unavailable)]
#[case(8069, Means::Declined(R::LimitExceeded, false))]
#[case(8070, Means::Declined(R::LimitExceeded, false))]
#[case(8151, Means::Declined(R::AuthenticationFailed, false))]
#[case(8152, Means::Declined(R::Suspicious, true))]
#[case(8153, Means::Declined(R::DoNotRetry, false))]
#[case(8154, Means::Declined(R::IssuerDeclined, false))]
#[case(8160, Means::Declined(R::IssuerDeclined, false))]
#[case(8161, Means::Declined(R::IssuerDeclined, false))]
#[case(8162, Means::Declined(R::IssuerDeclined, false))]
#[case(8163, Means::Declined(R::IssuerDeclined, false))]
#[case(8164, Means::Declined(R::LimitExceeded, false))]
#[case(8165, Means::Declined(R::CardInvalid, false))]
#[case(8166, Means::Declined(R::CardInvalid, false))]
#[case(8167, Means::Declined(R::CardInvalid, false))]
#[case(8168, Means::Declined(R::NotPermitted, false))]
#[case(8169, Means::Declined(R::LimitExceeded, false))]
#[case(8170, Means::Declined(R::AuthenticationFailed, false))]
#[case(8171, Means::Declined(R::DoNotRetry, false))]
#[case(9999, Means::Declined(R::Other, false))]
#[tokio::test]
async fn a_code_means_what_the_document_says(#[case] code: i64, #[case] means: Means) {
    let shop = Shop::at(99);
    let order = shop.order("10.00", card(12, "A B"));
    let body = format!(r#"{{"error_message":"In its own words","error_code":"{code}","surprise":[{{}}]}}"#);
    shop.wire.fault(Fault::AnsweredBefore(200, body.into_bytes()));
    let error = shop
        .connection
        .create(&shop.wire.context(), &order)
        .await
        .err()
        .unwrap();
    let (told, kept, words) = match error {
        ConnectorError::Uncertain(fault) => (Means::Uncertain, fault.code, fault.message),
        ConnectorError::Unavailable(fault) => (Means::Unavailable, fault.code, fault.message),
        ConnectorError::Invalid(fault) => (Means::Invalid, fault.code, fault.message),
        ConnectorError::Declined(no) => (Means::Declined(no.reason, no.try_elsewhere), no.code, no.message),
    };
    assert_eq!(told, means);
    assert_eq!((kept, words.as_str()), (Some(code.to_string()), "In its own words"));
}

#[rstest]
#[case(8151, R::AuthenticationFailed)]
#[case(8160, R::IssuerDeclined)]
#[case(8171, R::DoNotRetry)]
#[tokio::test]
async fn a_declined_transaction_carries_its_code(#[case] code: i64, #[case] reason: R) {
    let shop = Shop::at(99);
    shop.set(99, "next_error", &code.to_string());
    let report = shop.pay(&shop.order("10.00", card(12, "A B"))).await;
    let State::Declined(no) = report.state else { panic!() };
    assert_eq!((no.reason, no.code), (reason, Some(code.to_string())));
    assert!(report.network_id.is_some());
}

#[tokio::test]
async fn a_security_services_no_may_be_tried_elsewhere() {
    let shop = Shop::at(99);
    shop.set(99, "next_error", "8152");
    let error = shop
        .connection
        .create(&shop.wire.context(), &shop.order("10.00", card(12, "A B")))
        .await;
    assert!(matches!(error, Err(ConnectorError::Declined(no)) if no.try_elsewhere));
}

#[tokio::test]
async fn validation_errors_name_their_fields() {
    let shop = Shop::at(99);
    let body = br#"{"errors":[{"field":"pan","message":"length of [pan] cannot be less than 13"},
        {"field":"expiry","message":"card expired"}],"error_message":"Validation errors","error_code":8019}"#;
    shop.wire.fault(Fault::AnsweredBefore(200, body.to_vec()));
    let error = shop
        .connection
        .create(&shop.wire.context(), &shop.order("10.00", card(12, "A B")))
        .await;
    let Err(ConnectorError::Invalid(fault)) = error else {
        panic!()
    };
    assert_eq!(fault.field.as_deref(), Some("pan"));
    assert_eq!(
        fault.message,
        "Validation errors: length of [pan] cannot be less than 13; card expired"
    );
}

#[tokio::test]
async fn numbers_may_be_texts() {
    let shop = Shop::at(99);
    let body = br#"{"txn_id":"806930407050","txn_status":"3","txn_type":"1","txn_date":"2017-03-09T17:16:06+00:00",
        "error_code":"0","pan":"4111111111111111","amount":"10.0","currency":"643","eci":null,"is_test":true}"#;
    shop.wire.fault(Fault::AnsweredBefore(200, body.to_vec()));
    let report = shop.pay(&shop.order("10.00", card(12, "A B"))).await;
    assert_eq!(
        (&report.state, report.network_id.as_deref()),
        (&State::Succeeded, Some("806930407050"))
    );
    assert_eq!(report.amount, Some(crate::shop::rub("10.00")));
    assert_eq!(report.facts.masked_pan, None, "a number that is not masked is not kept");
}

#[rstest]
#[case::amount("11.00", 8070)]
#[tokio::test]
async fn a_test_site_has_limits(#[case] amount: &str, #[case] code: i64) {
    let shop = Shop::at(123_321);
    let code_of = |error: Option<ConnectorError>| match error {
        Some(ConnectorError::Declined(no)) => no.code,
        _ => None,
    };
    let over = shop
        .connection
        .create(&shop.wire.context(), &shop.order(amount, card(12, "A B")))
        .await;
    assert_eq!(code_of(over.err()), Some(code.to_string()));
    for _ in 0..100 {
        let report = shop.pay(&shop.order("10.00", card(12, "A B"))).await;
        assert_eq!(report.facts.more["is_test"], "true");
    }
    let many = shop
        .connection
        .create(&shop.wire.context(), &shop.order("10.00", card(12, "A B")))
        .await;
    assert_eq!(code_of(many.err()).as_deref(), Some("8069"));
    // Midnight of Moscow is 21:00 UTC; it is 10:00.
    shop.wire.advance(chrono::Duration::hours(11));
    shop.pay(&shop.order("10.00", card(12, "A B"))).await;
}

#[rstest]
#[case::unreadable("{", 8018)]
#[case::unknown_opcode(r#"{"opcode":4,"merchant_site":555,"sign":"00"}"#, 8002)]
#[case::unknown_site(r#"{"opcode":5,"merchant_site":99999,"txn_id":1,"sign":"00"}"#, 8021)]
#[case::legacy(r#"{"opcode":10,"merchant_site":555,"sign":"00"}"#, 8025)]
#[case::cards_off(r#"{"opcode":"40","merchant_site":"555","sign":"00"}"#, 8025)]
#[case::short_card(r#"{"opcode":1,"merchant_site":555,"amount":"1.00","currency":643,"pan":"4","expiry":"1010","cvv2":"1","sign":"00"}"#, 8019)]
#[case::no_ids(r#"{"opcode":30,"merchant_site":555,"sign":"00"}"#, 8019)]
#[case::unsigned(r#"{"opcode":2,"merchant_site":555,"txn_id":1,"pares":"x"}"#, 8019)]
#[case::bad_cheque(r#"{"opcode":5,"merchant_site":555,"txn_id":1,"cheque":"AAAA","sign":"00"}"#, 8019)]
#[case::wrong_sign(r#"{"opcode":5,"merchant_site":555,"txn_id":1,"sign":"00"}"#, 8054)]
#[tokio::test]
async fn the_simulator_checks_in_the_documents_order(#[case] body: &str, #[case] code: i64) {
    let shop = Shop::at(99);
    shop.set(99, "certificate", "0");
    // What names no site of ours needs a certificate, as the real server does; see the connector's own test.
    let url = format!("{}/merchant/direct", plugin_sdk::testing::BASE_URL);
    let request = plugin_sdk::connector::HttpRequest::new(plugin_sdk::connector::HttpMethod::Post, url)
        .body("application/json", body.as_bytes());
    let answer = shop.wire.context().http.send(request).await.unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer["error_code"], code, "{answer}");
}
