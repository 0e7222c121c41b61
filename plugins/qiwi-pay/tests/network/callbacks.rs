//! Callbacks: who they are about, what of them is proven, and their retries.

use plugin_sdk::connector::{
    Notification, NotificationError, NotificationRequest, OutboundConnection, State, StepKind, Subject,
};
use plugin_sdk::{PaymentId, SandboxNotification};
use rstest::rstest;

use crate::shop::{Shop, card, known, rub};

fn headers() -> Vec<(String, String)> {
    vec![("content-type".to_owned(), "application/json".to_owned())]
}

fn parse(shop: &Shop, query: &str, body: &[u8]) -> Result<Notification, NotificationError> {
    let request = NotificationRequest {
        method: "POST",
        query,
        headers: &headers(),
        body,
    };
    shop.connection.parse_notification(&request)
}

fn arrive(shop: &Shop, message: &SandboxNotification) -> Notification {
    let (url, query) = message.url.split_once('?').unwrap();
    assert_eq!(url, "https://gate.example/in/shop/card");
    parse(shop, query, &message.body).unwrap_or_else(|error| panic!("{error}"))
}

fn forged(result: &Result<Notification, NotificationError>) -> bool {
    matches!(result, Err(NotificationError::Forged(answer)) if answer.status == 403)
}

#[tokio::test]
async fn every_type_is_told_and_verified() {
    let shop = Shop::at(99);
    let sale = shop.order("12.30", card(12, "A B"));
    let paid = shop.pay(&sale).await;
    let hold = shop.hold("10.00");
    let held = shop.pay(&hold).await;
    let declined = shop.order("1.00", card(2, "A B"));
    shop.pay(&declined).await;
    let payment = known(&hold, &held, "10.00", "0");
    shop.connection
        .reverse(&shop.wire.context(), &shop.return_of(&payment, "4.00"))
        .await
        .unwrap();
    let rest = known(&hold, &held, "6.00", "0");
    shop.connection
        .capture(&shop.wire.context(), &shop.capture_of(&rest))
        .await
        .unwrap();
    let sold = known(&sale, &paid, "0", "12.30");
    shop.connection
        .refund(&shop.wire.context(), &shop.return_of(&sold, "2.30"))
        .await
        .unwrap();
    let told: Vec<_> = shop
        .wire
        .notifications()
        .iter()
        .map(|message| arrive(&shop, message))
        .collect();
    let seen: Vec<_> = told
        .iter()
        .map(|told| (told.subject.clone(), told.reports[0].kind, told.must_confirm))
        .collect();
    let about = |payment: PaymentId| Subject::Payment(payment);
    assert_eq!(
        seen,
        [
            (about(sale.payment), StepKind::Create, false),
            (about(hold.payment), StepKind::Create, false),
            (about(declined.payment), StepKind::Create, false),
            (about(hold.payment), StepKind::Reversal, true),
            (about(hold.payment), StepKind::Create, true),
            (about(sale.payment), StepKind::Refund, true),
        ]
    );
    assert_eq!(told[0].reports[0].state, State::Succeeded);
    assert_eq!(told[0].reports[0].amount, Some(rub("12.30")));
    assert_eq!(told[0].reports[0].network_id, paid.network_id);
    assert_eq!(told[1].reports[0].state, State::Authorized);
    assert!(matches!(&told[2].reports[0].state, State::Declined(no) if no.code.as_deref() == Some("8160")));
    assert_eq!(told[4].reports[1].kind, StepKind::Capture);
    assert_eq!(told[0].answer.status, 200);
}

#[tokio::test]
async fn a_payout_is_told() {
    let shop = Shop::at(555);
    let order = shop.order("12.30", card(12, "A B"));
    let paid = shop.pay(&order).await;
    shop.wire.notifications();
    let mut payout = shop.payout("2.00", "none", Some(&known(&order, &paid, "0", "12.30")));
    payout.target = plugin_sdk::connector::PayoutTarget::Card {
        pan: plugin_sdk::Secret::new("4111111111111111"),
        holder: None,
    };
    payout.notify_url.clone_from(&order.notify_url);
    shop.connection.payout(&shop.wire.context(), &payout).await.unwrap();
    let told = arrive(&shop, &shop.wire.notifications()[0]);
    assert_eq!(told.subject, Subject::Payment(payout.payment));
    assert_eq!(
        (told.reports[0].kind, &told.reports[0].state),
        (StepKind::Payout, &State::Succeeded)
    );
}

#[tokio::test]
async fn what_is_signed_cannot_be_changed() {
    let shop = Shop::at(99);
    shop.pay(&shop.order("12.30", card(12, "A B"))).await;
    let message = shop.wire.notifications().remove(0);
    let query = message.url.split_once('?').unwrap().1.to_owned();
    let body = String::from_utf8(message.body).unwrap();
    for (is, becomes) in [
        ("\"amount\":12.30", "\"amount\":99.30"),
        ("\"txn_status\":4", "\"txn_status\":5"),
        ("\"txn_type\":1", "\"txn_type\":2"),
        ("\"currency\":643", "\"currency\":840"),
        ("\"error_code\":0", "\"error_code\":1"),
        ("\"email\":\"m", "\"email\":\"n"),
        ("\"sign\":\"", "\"sign\":\"00"),
        ("\"sign\":", "\"other\":"),
    ] {
        assert!(body.contains(is), "{is}");
        assert!(
            forged(&parse(&shop, &query, body.replace(is, becomes).as_bytes())),
            "{is}"
        );
    }
    assert!(parse(&shop, &query, body.as_bytes()).is_ok());
    let mut other = crate::shop::config(99);
    other["secret_key"] = "another".into();
    assert!(forged(&parse(&Shop::with(&other), &query, body.as_bytes())));
}

#[tokio::test]
async fn a_genuine_callback_does_not_speak_for_another_payment() {
    let shop = Shop::at(99);
    let order = shop.order("12.30", card(12, "A B"));
    shop.pay(&order).await;
    let message = shop.wire.notifications().remove(0);
    let query = message.url.split_once('?').unwrap().1;
    let (own, other) = (order.payment.to_string(), PaymentId::generate().to_string());
    let body = String::from_utf8(message.body.clone()).unwrap();
    assert!(forged(&parse(&shop, &query.replace(&own, &other), &message.body)));
    assert!(forged(&parse(&shop, query, body.replace(&own, &other).as_bytes())));
    assert!(forged(&parse(&shop, "payment=pay_x&proof=", &message.body)));
    // At the address without a proof the order is not covered by anything: the network is asked.
    let unbound = parse(&shop, "", body.replace(&own, &other).as_bytes()).unwrap();
    assert!(unbound.must_confirm);
}

#[rstest]
#[case::whole("1856", "7E5BA1E606E01F159B67758A6351D868BC6259DAAD324FE542F5A41E845B949F")]
#[case::whole_signed_with_decimals("1856", "99D5D5026183C8F49053E76FDE44D8337684B34B92880DAED8B9484577F51EA0")]
#[case::decimals("1856.00", "99D5D5026183C8F49053E76FDE44D8337684B34B92880DAED8B9484577F51EA0")]
#[case::text("\"1856.00\"", "99D5D5026183C8F49053E76FDE44D8337684B34B92880DAED8B9484577F51EA0")]
#[tokio::test]
async fn the_amount_is_verified_as_it_is_written(#[case] amount: &str, #[case] sign: &str) {
    let shop = Shop::at(99);
    let body = format!(
        r#"{{"request_id":"d861cxxxx9cayyy","txn_id":806930407050,"txn_date":"2021-10-08T12:12:53+00:00","txn_status":3,
        "txn_type":1,"issuer_name":"Сбербанк России","issuer_country":"RUS","card_name":"cardholder+name",
        "card_token":"d0f3c937-xxxx","card_token_expire":"2022-05-30T21:00:00+00:00","pan":"400000******0002",
        "amount":{amount},"currency":643,"auth_code":"255723","eci":"","error_code":0,"unknown":{{"a":1}},"sign":"{sign}"}}"#
    );
    let told = parse(&shop, "", body.as_bytes()).unwrap();
    let report = &told.reports[0];
    assert_eq!(told.subject, Subject::NetworkId("806930407050".to_owned()));
    assert_eq!(
        (&report.state, report.amount),
        (&State::Succeeded, Some(rub("1856.00")))
    );
    assert_eq!(report.facts.more["card_name"], "cardholder name");
    assert_eq!(report.facts.card_issuer.as_deref(), Some("Сбербанк России"));
    assert!(report.token.is_none(), "nobody asked to keep the card");
}

#[tokio::test]
async fn a_form_is_read_like_json() {
    let shop = Shop::at(99);
    let fields = "txn_id=806930407050&txn_status=3&txn_type=1&amount=1856&currency=643&error_code=0&\
        sign=7E5BA1E606E01F159B67758A6351D868BC6259DAAD324FE542F5A41E845B949F";
    let headers = [(
        "content-type".to_owned(),
        "application/x-www-form-urlencoded".to_owned(),
    )];
    let request = |query, body, headers| NotificationRequest {
        method: "POST",
        query,
        headers,
        body,
    };
    let posted = request("", fields.as_bytes(), &headers[..]);
    let in_address = request(fields, b"", &[]);
    for request in [posted, in_address] {
        let told = shop
            .connection
            .parse_notification(&request)
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(told.reports[0].amount, Some(rub("1856.00")));
    }
}

#[tokio::test]
async fn a_token_that_was_asked_for_comes_with_the_callback() {
    let shop = Shop::at(99);
    let mut order = shop.order("12.30", card(12, "A B"));
    order.save_method = true;
    shop.pay(&order).await;
    let message = shop.wire.notifications().remove(0);
    assert!(arrive(&shop, &message).reports[0].token.is_some());
    let without = message.url.replace("&save=1", "");
    assert!(forged(&parse(&shop, without.split_once('?').unwrap().1, &message.body)));
}

#[tokio::test]
async fn without_the_server_api_the_signature_has_to_do() {
    let mut config = crate::shop::config(99);
    config["api"] = false.into();
    let (gate, api) = (Shop::with(&config), Shop::at(99));
    api.pay(&api.order("12.30", card(12, "A B"))).await;
    let message = api.wire.notifications().remove(0);
    assert!(!parse(&gate, "", &message.body).unwrap().must_confirm);
}

#[tokio::test]
async fn a_callback_is_repeated_for_a_day_until_it_is_taken() {
    let shop = Shop::at(99);
    shop.pay(&shop.order("12.30", card(12, "A B"))).await;
    let mut pauses = Vec::new();
    let first = shop.wire.notifications().remove(0);
    shop.wire.delivered(first.id, Some((500, b"")));
    let mut before = shop.wire.now();
    for _ in 0..8 {
        let next = shop.wire.next_due().unwrap();
        pauses.push((next - before).num_seconds());
        shop.wire.advance(next - before);
        before = next;
        let again = shop.wire.notifications();
        assert_eq!((again.len(), &again[0].body), (1, &first.body));
    }
    assert_eq!(pauses, [10, 60, 300, 900, 3_600, 10_800, 21_600, 43_200]);
    shop.days(2);
    assert!(shop.wire.notifications().is_empty());

    shop.pay(&shop.order("1.00", card(12, "A B"))).await;
    let taken = shop.wire.notifications().remove(0);
    shop.wire.delivered(taken.id, Some((200, b"")));
    shop.wire.advance(chrono::Duration::hours(1));
    assert!(shop.wire.notifications().is_empty());
}

#[test]
fn callbacks_come_from_the_networks_subnets_unless_the_config_says_otherwise() {
    let shop = Shop::at(99);
    let subnets: Vec<_> = shop
        .connection
        .notification_subnets()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        subnets,
        [
            "79.142.16.0/20",
            "195.189.100.0/22",
            "91.232.230.0/23",
            "91.213.51.0/24"
        ]
    );
    for address in ["91.232.231.36", "79.142.22.81", "79.142.28.154", "195.189.102.81"] {
        let address: std::net::IpAddr = address.parse().unwrap();
        assert!(
            shop.connection
                .notification_subnets()
                .iter()
                .any(|subnet| subnet.contains(&address))
        );
    }
    let mut config = crate::shop::config(99);
    config["callback_subnets"] = serde_json::json!([]);
    assert!(Shop::with(&config).connection.notification_subnets().is_empty());
}
