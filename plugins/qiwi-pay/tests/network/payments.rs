//! Sales, holds, 3-D Secure, phones' wallets, stored cards and payouts.

use plugin_sdk::Secret;
use plugin_sdk::connector::{
    CaptureMode, ConnectorError, DeclineReason, DeviceWallet, HoldEnd, OutboundConnection, PaymentMethod, PaymentOrder,
    State, StepKind,
};
use rstest::rstest;
use serde_json::json;

use crate::shop::{Shop, card, done_step, known, open_step, rub};

#[tokio::test]
async fn a_sale_is_paid_at_once() {
    let shop = Shop::at(99);
    let order = PaymentOrder {
        save_method: true,
        ..shop.order("4678.50", card(12, "CARD HOLDER"))
    };
    let report = shop.pay(&order).await;
    assert_eq!(report.state, State::Succeeded);
    assert_eq!(report.amount, Some(rub("4678.50")));
    assert_eq!(report.operation, Some(order.step.operation));
    assert_eq!(report.facts.masked_pan.as_deref(), Some("411111******1111"));
    assert_eq!(report.facts.auth_code.as_deref(), Some("181218"));
    let token = report.token.as_ref().unwrap();
    assert_eq!(token.customer.as_deref(), Some("10001"));
    assert_eq!(shop.truth(), [(1, 4, "4678.50".to_owned())]);

    let again = shop.order("5.00", PaymentMethod::Token(Secret::new(token.token.expose())));
    assert_eq!(shop.pay(&again).await.state, State::Succeeded);
}

#[tokio::test]
async fn a_hold_is_captured_and_its_end_is_known() {
    let shop = Shop::at(99);
    let order = shop.hold("100.00");
    let held = shop.pay(&order).await;
    assert_eq!(held.state, State::Authorized);
    let hold = held.hold.unwrap();
    assert_eq!(
        (hold.until, hold.then),
        (shop.wire.now() + chrono::Duration::hours(72), HoldEnd::Captured)
    );
    let payment = known(&order, &held, "100.00", "0");
    let capture = shop.capture_of(&payment);
    let taken = shop.connection.capture(&shop.wire.context(), &capture).await.unwrap();
    assert_eq!((taken.kind, &taken.state), (StepKind::Capture, &State::Succeeded));
    assert_eq!(taken.network_id, held.network_id);
    assert_eq!(shop.truth(), [(2, 4, "100.00".to_owned())]);
    let again = shop
        .connection
        .capture(&shop.wire.context(), &shop.capture_of(&payment))
        .await;
    assert!(matches!(again, Err(ConnectorError::Declined(decline)) if decline.reason == DeclineReason::WrongState));
}

#[tokio::test]
async fn a_hold_that_nobody_captures_is_captured_by_the_network() {
    let shop = Shop::at(99);
    let order = shop.hold("100.00");
    let held = shop.pay(&order).await;
    shop.days(4);
    let payment = known(&order, &held, "100.00", "0");
    let create = done_step(order.step, StepKind::Create, "100.00", &held);
    let reports = shop.status(&payment, vec![create]).await;
    assert_eq!((&reports[0].state, reports[0].hold), (&State::Authorized, None));
    assert_eq!(
        (reports[1].kind, reports[1].operation, reports[1].amount),
        (StepKind::Capture, None, Some(rub("100.00")))
    );
}

#[tokio::test]
async fn a_part_of_a_hold_cannot_be_captured() {
    let shop = Shop::at(99);
    let order = shop.hold("100.00");
    let payment = known(&order, &shop.pay(&order).await, "100.00", "0");
    let part = plugin_sdk::connector::CaptureOrder {
        amount: rub("40.00"),
        ..shop.capture_of(&payment)
    };
    let refused = shop.connection.capture(&shop.wire.context(), &part).await;
    assert!(matches!(refused, Err(ConnectorError::Invalid(_))));
    assert_eq!(shop.truth(), [(2, 2, "100.00".to_owned())]);
}

#[rstest]
#[case::asked_for(true)]
#[case::not_asked_for(false)]
#[tokio::test]
async fn a_card_is_stored_only_when_that_was_asked_for(#[case] save_method: bool) {
    let shop = Shop::at(99);
    let order = PaymentOrder {
        save_method,
        ..shop.order("10.00", card(12, "A B"))
    };
    assert_eq!(shop.pay(&order).await.token.is_some(), save_method);
    let order = PaymentOrder {
        save_method,
        ..shop.order("10.00", card(12, "unknown name"))
    };
    let asked = shop.pay(&order).await;
    let posted = shop.authenticate(&asked, "Y");
    let finish = shop.finish_of(&known(&order, &asked, "0", "0"), order.step, posted);
    let token = shop
        .connection
        .finish(&shop.wire.context(), &finish)
        .await
        .unwrap()
        .token;
    let customer = token.map(|token| token.customer);
    assert_eq!(customer, save_method.then(|| Some("10001".to_owned())));
}

#[rstest]
#[case::passed("Y", true)]
#[case::failed("N", false)]
#[tokio::test]
async fn three_d_secure_decides(#[case] result: &str, #[case] passes: bool) {
    let shop = Shop::at(99);
    let order = shop.order("10.00", card(12, "unknown name"));
    let asked = shop.pay(&order).await;
    let payment = known(&order, &asked, "0", "0");
    let waiting = shop
        .status(&payment, vec![open_step(order.step, StepKind::Create, "10.00")])
        .await;
    assert_eq!(waiting[0].state, State::Pending);
    let posted = shop.authenticate(&asked, result);
    let finish = shop.finish_of(&payment, order.step, posted);
    let report = shop.connection.finish(&shop.wire.context(), &finish).await.unwrap();
    match report.state {
        State::Succeeded => assert!(passes),
        State::Declined(decline) => {
            assert_eq!((passes, decline.reason), (false, DeclineReason::AuthenticationFailed));
            assert_eq!(decline.code.as_deref(), Some("8151"));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_browser_that_comes_twice_does_not_decline_what_was_paid() {
    let shop = Shop::at(99);
    let order = shop.order("10.00", card(12, "unknown name"));
    let asked = shop.pay(&order).await;
    let posted = shop.authenticate(&asked, "Y");
    let payment = known(&order, &asked, "0", "0");
    let finish = shop.finish_of(&payment, order.step, posted);
    shop.wire.fault(plugin_sdk::testing::Fault::LostAnswer);
    for _ in 0..2 {
        let doubt = shop.connection.finish(&shop.wire.context(), &finish).await;
        assert!(matches!(doubt, Err(ConnectorError::Uncertain(_))));
    }
    let step = open_step(order.step, StepKind::Create, "10.00");
    assert_eq!(shop.status(&payment, vec![step]).await[0].state, State::Succeeded);
    assert_eq!(shop.truth(), [(1, 4, "10.00".to_owned())]);
}

#[tokio::test]
async fn three_d_secure_ends_after_a_quarter_of_an_hour() {
    let shop = Shop::at(99);
    let order = shop.order("10.00", card(12, "unknown name"));
    let asked = shop.pay(&order).await;
    let posted = shop.authenticate(&asked, "Y");
    shop.wire.advance(chrono::Duration::minutes(15));
    let finish = shop.finish_of(&known(&order, &asked, "0", "0"), order.step, posted);
    let late = shop.connection.finish(&shop.wire.context(), &finish).await;
    assert!(matches!(late, Err(ConnectorError::Declined(decline)) if decline.reason == DeclineReason::PayerTimedOut));
    assert_eq!(shop.truth(), [(1, 1, "10.00".to_owned())]);
}

#[rstest]
#[case::declined(2, 1)]
#[case::paid(11, 4)]
#[tokio::test]
async fn the_month_of_the_expiry_decides(#[case] month: u8, #[case] status: i64) {
    let shop = Shop::at(99);
    let report = shop.pay(&shop.order("10.00", card(month, "A B"))).await;
    assert_eq!(matches!(report.state, State::Declined(_)), status == 1);
    assert_eq!(shop.truth()[0].1, status);
}

#[rstest]
#[case::paid(3, true)]
#[case::declined(4, false)]
#[tokio::test]
async fn a_late_outcome_is_pending_until_it_is_there(#[case] month: u8, #[case] paid: bool) {
    let shop = Shop::at(99);
    let order = shop.order("10.00", card(month, "A B"));
    let report = shop.pay(&order).await;
    assert_eq!(report.state, State::Pending);
    shop.wire.advance(chrono::Duration::seconds(3));
    let payment = known(&order, &report, "0", "0");
    let reports = shop
        .status(&payment, vec![open_step(order.step, StepKind::Create, "10.00")])
        .await;
    assert_eq!(reports[0].state == State::Succeeded, paid);
    assert_eq!(matches!(reports[0].state, State::Declined(_)), !paid);
}

#[rstest]
#[case::apple(DeviceWallet::ApplePay, r#"{"paymentData":{"version":"EC_v1"}}"#, true)]
#[case::google(
    DeviceWallet::GooglePay,
    r#"{"signature":"x","signedMessage":"CRYPTOGRAM_3DS"}"#,
    true
)]
#[case::google_pan_only(DeviceWallet::GooglePay, r#"{"signedMessage":"PAN_ONLY"}"#, false)]
#[tokio::test]
async fn a_phone_pays(#[case] kind: DeviceWallet, #[case] payload: &str, #[case] at_once: bool) {
    let shop = Shop::at(99);
    let method = PaymentMethod::DeviceWallet {
        kind,
        payload: Secret::new(payload),
    };
    let report = shop.pay(&shop.order("10.00", method)).await;
    assert_eq!(report.state == State::Succeeded, at_once);
    assert_eq!(matches!(report.state, State::RequiresAction(_)), !at_once);
}

#[tokio::test]
async fn what_the_network_does_not_have_is_refused_before_anything_is_sent() {
    let shop = Shop::at(99);
    let mir = PaymentMethod::DeviceWallet {
        kind: DeviceWallet::MirPay,
        payload: Secret::new("{}"),
    };
    for method in [PaymentMethod::Qr, mir] {
        let refused = shop
            .connection
            .create(&shop.wire.context(), &shop.order("10.00", method))
            .await;
        assert!(matches!(refused, Err(ConnectorError::Invalid(_))));
    }
    assert!(shop.wire.seen().is_empty());
}

#[tokio::test]
async fn flight_data_go_with_the_hold_or_with_the_capture() {
    let shop = Shop::at(99);
    let data = json!({"pnr": "6Q32R2", "tickets": [{"number": "1", "passenger_name": "Ivan Ivanov", "amount": "500",
        "amount_total": "700.00", "restricted": false, "agency_code": "avi", "agency_name": "avia company",
        "airport_code": "air", "segments": [{"amount": "500.00", "service_class": "A", "fare_basis_code": "B",
        "dest_city": "XYB", "carrier_code": "AI", "stopover_code": "X", "departure_date": "2016-12-30T02:45:00Z",
        "flight_number": "12545"}]}]});
    let mut order = PaymentOrder {
        capture: CaptureMode::Manual,
        ..shop.order("700.00", card(12, "A B"))
    };
    order.options.insert("industry_data".to_owned(), data.clone());
    let held = shop.pay(&order).await;
    assert_eq!(held.state, State::Authorized);
    let capture = shop.capture_of(&known(&order, &held, "700.00", "0"));
    let data = serde_json::from_value(data).unwrap();
    let taken = shop
        .connection
        .capture_with_flight_data(&shop.wire.context(), &capture, &data)
        .await;
    assert_eq!(taken.unwrap().state, State::Succeeded);

    order.options["industry_data"]["tickets"][0]["segments"][0]["flight_number"] = "SU 12".into();
    let error = shop.connection.check_options(&order.options).unwrap_err();
    assert_eq!(error.key, "industry_data.tickets[0].segments[0].flight_number");
}

#[tokio::test]
async fn a_payout_is_bounded_by_its_purchase() {
    let shop = Shop::at(555);
    let order = PaymentOrder {
        save_method: true,
        ..shop.order("100.00", card(12, "A B"))
    };
    let paid = shop.pay(&order).await;
    let payment = known(&order, &paid, "0", "100.00");
    let token = paid.token.unwrap();
    let payout = shop.payout("60.00", token.token.expose(), Some(&payment));
    let report = shop.connection.payout(&shop.wire.context(), &payout).await.unwrap();
    assert_eq!((report.kind, &report.state), (StepKind::Payout, &State::Succeeded));
    let more = shop.payout("60.00", token.token.expose(), Some(&payment));
    let refused = shop.connection.payout(&shop.wire.context(), &more).await;
    assert!(
        matches!(refused, Err(ConnectorError::Declined(decline)) if decline.reason == DeclineReason::LimitExceeded)
    );
    let paid_out = plugin_sdk::connector::PaymentRef {
        id: payout.payment,
        network_id: report.network_id.clone(),
        ..payment
    };
    let reports = shop
        .status(&paid_out, vec![open_step(payout.step, StepKind::Payout, "60.00")])
        .await;
    assert_eq!(reports.len(), 1);
    assert_eq!(
        (reports[0].kind, &reports[0].state),
        (StepKind::Payout, &State::Succeeded)
    );
}

#[tokio::test]
async fn linked_cards_are_listed_where_both_sides_allow_it() {
    let mut config = crate::shop::config(99);
    config["experimental_cards"] = true.into();
    let shop = Shop::with(&config);
    shop.pay(&shop.order("10.00", card(12, "A B"))).await;
    let refused = shop.connection.linked_cards(&shop.wire.context(), "10001").await;
    assert!(matches!(refused, Err(ConnectorError::Invalid(fault)) if fault.code.as_deref() == Some("8025")));
    shop.set(99, "cards", "1");
    let cards = shop
        .connection
        .linked_cards(&shop.wire.context(), "10001")
        .await
        .unwrap();
    assert_eq!(cards[0].masked_pan.as_deref(), Some("411111******1111"));
    assert!(
        shop.connection
            .linked_cards(&shop.wire.context(), "2")
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        Shop::at(99)
            .connection
            .linked_cards(&shop.wire.context(), "10001")
            .await
            .is_err()
    );
}
