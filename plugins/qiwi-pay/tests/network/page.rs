//! The payment page (§4), walked as a payer's browser walks it.

use plugin_sdk::connector::{
    Capability, CaptureMode, ConnectorError, NextAction, OutboundConnection, PaymentMethod, PaymentOrder, Receipt,
    ReceiptKind, ReceiptPaymentMethod, ReceiptPosition, ReceiptSubject, State, StepKind, TaxSystem, Vat,
};
use plugin_sdk::testing::BASE_URL;
use rstest::rstest;

use crate::shop::{Shop, config, hidden, known, open_step, rub};

fn hosted(shop: &Shop) -> PaymentOrder {
    shop.order("150.00", PaymentMethod::HostedPage { allowed: vec![] })
}

/// Where the page sends the browser, and what it shows there.
fn open(shop: &Shop, action: &State) -> (u16, String, String) {
    let State::RequiresAction(action) = action else {
        panic!("{action:?}")
    };
    let answer = match action {
        NextAction::Redirect { url } => shop.wire.visit("GET", url, &[], b""),
        NextAction::PostForm { url, fields } => {
            let body = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs(fields)
                .finish();
            shop.wire.visit("POST", url, &[], body.as_bytes())
        }
        other => panic!("{other:?}"),
    };
    let location = answer.headers.iter().find(|(name, _)| *name == "location");
    let Some((_, location)) = location else {
        return (answer.status, String::new(), String::from_utf8(answer.body).unwrap());
    };
    let form = shop.wire.visit("GET", location, &[], b"");
    (answer.status, location.clone(), String::from_utf8(form.body).unwrap())
}

fn token_of(location: &str) -> &str {
    location.split_once("token=").unwrap().1
}

fn pay(shop: &Shop, location: &str, expiry: &str, name: &str) -> String {
    let fields = [
        ("token", token_of(location)),
        ("pan", "4111111111111111"),
        ("expiry", expiry),
        ("cvv2", "123"),
        ("card_name", name),
        ("action", "pay"),
    ];
    shop.post(&format!("{BASE_URL}/sandbox/qiwi-pay/form"), &fields)
}

#[rstest]
#[case::link("link")]
#[case::form("form")]
#[tokio::test]
async fn a_payer_pays_on_the_page(#[case] by: &str) {
    let mut config = config(99);
    config["page_by"] = by.into();
    let shop = Shop::with(&config);
    let order = hosted(&shop);
    let report = shop.pay(&order).await;
    assert!(
        shop.wire.seen().is_empty(),
        "the browser brings the order, nothing is asked"
    );
    let payment = known(&order, &report, "0", "0");
    let step = || vec![open_step(order.step, StepKind::Create, "150.00")];
    assert_eq!(shop.status(&payment, step()).await[0].state, State::Pending);
    let (status, location, form) = open(&shop, &report.state);
    assert_eq!(status, 302);
    assert!(
        form.contains("150.00 RUB") && !form.contains("src=") && !form.contains("<script"),
        "{form}"
    );
    let declined = pay(&shop, &location, "0230", "A B");
    assert!(
        declined.contains("Declined") && declined.contains("https://shop.example/sorry"),
        "{declined}"
    );
    let paid = pay(&shop, &location, "1230", "A B");
    assert!(
        paid.contains("Paid") && paid.contains("https://shop.example/thanks"),
        "{paid}"
    );
    assert!(pay(&shop, &location, "1230", "A B").contains("Paid"));
    let reports = shop.status(&payment, step()).await;
    assert_eq!(
        (&reports[0].state, reports[0].amount),
        (&State::Succeeded, Some(rub("150.00")))
    );
    assert_eq!(shop.truth().iter().filter(|(_, status, _)| *status == 4).count(), 1);
    assert_eq!(shop.wire.notifications().len(), 2);
    let (_, _, again) = open(&shop, &report.state);
    assert!(again.contains("8055"), "{again}");
}

#[tokio::test]
async fn a_payer_passes_three_d_secure_on_the_page() {
    let shop = Shop::at(99);
    let report = shop.pay(&hosted(&shop)).await;
    let (_, location, _) = open(&shop, &report.state);
    let asked = pay(&shop, &location, "1230", "unknown name");
    let post = |path: &str, page: &str, more: &[(&str, &str)]| {
        let fields = hidden(page);
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .chain(more.iter().copied())
            .collect();
        shop.post(&format!("{BASE_URL}{path}"), &fields)
    };
    let question = post("/sandbox/qiwi-pay/acs", &asked, &[]);
    let answered = post("/sandbox/qiwi-pay/acs/answer", &question, &[("result", "Y")]);
    assert!(post("/sandbox/qiwi-pay/form/returned", &answered, &[]).contains("Paid"));
    assert_eq!(shop.truth(), [(1, 4, "150.00".to_owned())]);
}

#[tokio::test]
async fn a_hold_of_the_page_is_captured_by_the_server_api() {
    let shop = Shop::at(99);
    let order = PaymentOrder {
        capture: CaptureMode::Manual,
        ..hosted(&shop)
    };
    let report = shop.pay(&order).await;
    let (_, location, _) = open(&shop, &report.state);
    pay(&shop, &location, "1230", "A B");
    let held = shop
        .status(
            &known(&order, &report, "0", "0"),
            vec![open_step(order.step, StepKind::Create, "150.00")],
        )
        .await;
    assert_eq!(held[0].state, State::Authorized);
    let payment = known(&order, &held[0], "150.00", "0");
    shop.connection
        .capture(&shop.wire.context(), &shop.capture_of(&payment))
        .await
        .unwrap();
    assert_eq!(shop.truth(), [(2, 4, "150.00".to_owned())]);
}

#[tokio::test]
async fn an_order_that_nobody_paid_in_time_is_expired() {
    let shop = Shop::at(99);
    let order = PaymentOrder {
        expires_at: Some(shop.wire.now() + chrono::Duration::minutes(10)),
        ..hosted(&shop)
    };
    let report = shop.pay(&order).await;
    let (_, location, _) = open(&shop, &report.state);
    let payment = known(&order, &report, "0", "0");
    let step = || vec![open_step(order.step, StepKind::Create, "150.00")];
    shop.wire.advance(chrono::Duration::minutes(11));
    assert!(pay(&shop, &location, "1230", "A B").contains("8023"));
    assert_eq!(shop.status(&payment, step()).await[0].state, State::Pending);
    shop.wire.advance(chrono::Duration::minutes(30));
    assert_eq!(shop.status(&payment, step()).await[0].state, State::Expired);
}

#[tokio::test]
async fn a_receipt_goes_with_the_order() {
    let shop = Shop::at(99);
    let receipt = Receipt {
        seller_inn: "3123011520".to_owned(),
        kind: ReceiptKind::Income,
        customer_contact: "foo@domain.tld".to_owned(),
        tax_system: TaxSystem::Osn,
        positions: vec![ReceiptPosition {
            description: "Товар".to_owned(),
            quantity: "0.250".to_owned(),
            price: rub("600.00"),
            vat: Vat::Included20,
            payment_method: ReceiptPaymentMethod::FullPayment,
            payment_subject: ReceiptSubject::Goods,
        }],
    };
    let order = PaymentOrder {
        receipt: Some(receipt),
        ..hosted(&shop)
    };
    let report = shop.pay(&order).await;
    assert_eq!(open(&shop, &report.state).0, 302);
    let by_card = PaymentOrder {
        method: crate::shop::card(12, "A B"),
        ..order
    };
    assert_eq!(shop.pay(&by_card).await.state, State::Succeeded);
}

#[tokio::test]
async fn a_link_that_was_changed_is_not_served() {
    let shop = Shop::at(99);
    let report = shop.pay(&hosted(&shop)).await;
    let State::RequiresAction(NextAction::Redirect { url }) = report.state else {
        panic!()
    };
    let cheaper = url.replace("amount=150.00", "amount=1.00");
    assert_ne!(cheaper, url);
    let answer = shop.wire.visit("GET", &cheaper, &[], b"");
    let page = String::from_utf8(answer.body).unwrap();
    assert_eq!(answer.status, 200);
    assert!(page.contains("8054"), "{page}");
}

#[tokio::test]
async fn an_amount_may_be_typed_on_the_page() {
    let shop = Shop::at(99);
    let signed = "opcode=1&merchant_site=99&currency=643&order_id=77&sign=";
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"secret_key");
    let sign = aws_lc_rs::hmac::sign(&key, b"643|99|1|77");
    let sign: String = sign.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let answer = shop
        .wire
        .visit("GET", &format!("{BASE_URL}/paypage/initial?{signed}{sign}"), &[], b"");
    let location = &answer.headers.iter().find(|(name, _)| *name == "location").unwrap().1;
    let form = shop.wire.visit("GET", location, &[], b"");
    assert!(String::from_utf8(form.body).unwrap().contains("name=\"amount\""));
    let fields = [
        ("token", token_of(location)),
        ("amount", "12.50"),
        ("pan", "4111111111111111"),
        ("expiry", "1230"),
        ("cvv2", "123"),
        ("action", "pay"),
    ];
    assert!(
        shop.post(&format!("{BASE_URL}/sandbox/qiwi-pay/form"), &fields)
            .contains("Paid")
    );
    assert_eq!(shop.truth(), [(1, 4, "12.50".to_owned())]);
}

#[tokio::test]
async fn without_the_server_api_only_the_page_works() {
    let mut config = config(99);
    config["api"] = false.into();
    let shop = Shop::with(&config);
    let able = shop.connection.capabilities();
    assert!(able.contains(&Capability::HostedPage) && !able.contains(&Capability::Refund));
    assert!(!shop.connection.wants_client_certificate());
    let report = shop.pay(&hosted(&shop)).await;
    assert!(matches!(report.state, State::RequiresAction(_)));
    let manual = PaymentOrder {
        capture: CaptureMode::Manual,
        ..hosted(&shop)
    };
    let refused = shop.connection.create(&shop.wire.context(), &manual).await;
    assert!(matches!(refused, Err(ConnectorError::Invalid(_))));
}
