//! Whole flows, from order to the simulator's truth.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use chrono::Duration;
use plugin_sdk::connector::{
    CaptureMode, CaptureOrder, ConnectorError, Customer, DeclineReason, FinishOrder, HoldEnd, NextAction,
    OutboundConnection, PaymentMethod, PayoutOrder, PayoutTarget, Split, State, StepKind,
};
use plugin_sdk::{PaymentId, Secret};
use serde_json::{Map, json};
use support::*;

const PAY: &str = "action=pay&pan=4256000000000003&expiry=12%2F30&cvv=123&holder=IVAN";

#[tokio::test]
async fn a_bill_is_paid_in_one_step() {
    let shop = Shop::open();
    let mut order = shop.order(hosted(), CaptureMode::Automatic);
    order.success_url = Some("https://shop.test/thanks?a=b&c".to_owned());
    let made = shop.create(&order).await.unwrap();
    assert_eq!(made.network_id, None);
    let (status, _) = shop.pay_on_form(&made, PAY);
    assert_eq!(status, 303);
    let told = shop.status(&shop.reference(&order, Some(&made)), vec![]).await.unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].state, State::Succeeded);
    assert_eq!(told[0].amount, Some(rub(15_000)));
    assert_eq!(told[0].facts.masked_pan.as_deref(), Some("425600******0003"));
    assert_eq!(shop.moved(), (vec!["150.00".to_owned()], vec!["0.00".to_owned()]));
}

#[tokio::test]
async fn a_bill_is_paid_in_two_steps_and_partly_refunded() {
    let shop = Shop::open();
    let order = shop.order(hosted(), CaptureMode::Manual);
    let made = shop.create(&order).await.unwrap();
    shop.pay_on_form(&made, PAY);
    let held = shop
        .status(&shop.reference(&order, Some(&made)), vec![])
        .await
        .unwrap()
        .remove(0);
    assert_eq!(held.state, State::Authorized);
    assert_ne!(held.network_id, Some(order.payment.to_string()));
    let hold = held.hold.unwrap();
    assert_eq!(
        (hold.until - shop.wire.now(), hold.then),
        (Duration::hours(72), HoldEnd::Captured)
    );
    let payment = shop.reference(&order, Some(&held));
    let captured = shop.capture(&payment).await.unwrap();
    assert_eq!((captured.state, captured.amount), (State::Succeeded, Some(rub(15_000))));
    let context = shop.wire.context();
    let refund = shop.giving_back(&payment, rub(4_000));
    let refunded = shop.connection.refund(&context, &refund).await.unwrap();
    assert_eq!((refunded.state, refunded.amount), (State::Succeeded, Some(rub(4_000))));
    // The same step again gives nothing back again.
    shop.connection.refund(&context, &refund).await.unwrap();
    assert_eq!(shop.moved(), (vec!["150.00".to_owned()], vec!["40.00".to_owned()]));
}

#[tokio::test]
async fn the_form_asks_for_3ds_and_the_payer_may_fail_and_try_again() {
    let shop = Shop::open();
    let order = shop.order(hosted(), CaptureMode::Automatic);
    let made = shop.create(&order).await.unwrap();
    let secured = PAY.replace("cvv=123", "cvv=849");
    for decision in ["decline", "confirm"] {
        let (_, page) = shop.pay_on_form(&made, &secured);
        let pareq = value_of(&page, "PaReq");
        let posted = format!(
            "PaReq={}&MD=1&TermUrl=%2Fform&decision={decision}",
            pareq.replace('=', "%3D")
        );
        let back = shop
            .wire
            .visit("POST", "/sandbox/payin/acs/decide", &[], posted.as_bytes());
        let pares = value_of(&String::from_utf8(back.body).unwrap(), "PaRes");
        shop.pay_on_form(&made, &format!("PaRes={}", pares.replace('=', "%3D")));
        let told = shop
            .status(&shop.reference(&order, Some(&made)), vec![])
            .await
            .unwrap()
            .remove(0);
        if decision == "decline" {
            assert!(matches!(told.state, State::RequiresAction(_)));
            assert!(told.facts.more["last_attempt"].contains("authentication_failed"));
            assert_eq!(told.network_id, None);
        } else {
            assert_eq!(told.state, State::Succeeded);
        }
    }
    let mut captured = shop.moved().0;
    captured.sort();
    assert_eq!(captured, ["0.00", "150.00"]);
}

fn value_of(page: &str, name: &str) -> String {
    let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\"")).unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

#[tokio::test]
async fn a_bill_that_nobody_pays_expires() {
    let shop = Shop::open();
    let order = shop.order(hosted(), CaptureMode::Automatic);
    let made = shop.create(&order).await.unwrap();
    shop.wire.advance(Duration::hours(25));
    let told = shop.status(&shop.reference(&order, Some(&made)), vec![]).await.unwrap();
    assert_eq!(told[0].state, State::Expired);
    // A repeat of the order gets the stored bill, over as it is.
    assert_eq!(shop.create(&order).await.unwrap().state, State::Expired);
}

#[tokio::test]
async fn a_card_pays_at_once_and_is_declined_at_once() {
    let shop = Shop::open();
    let paid = shop
        .create(&shop.order(card(12, "123"), CaptureMode::Automatic))
        .await
        .unwrap();
    assert_eq!(paid.state, State::Succeeded);
    let declined = shop
        .create(&shop.order(card(2, "123"), CaptureMode::Automatic))
        .await
        .unwrap();
    let State::Declined(decline) = declined.state else {
        panic!("not declined");
    };
    assert_eq!(decline.reason, DeclineReason::IssuerDeclined);
    assert_eq!(decline.code.as_deref(), Some("ACQUIRING_NOT_PERMITTED/05"));
    assert_eq!(declined.facts.masked_pan.as_deref(), Some("425600******0003"));
}

#[tokio::test]
async fn a_no_of_the_networks_own_may_be_tried_elsewhere() {
    let shop = Shop::open();
    shop.control("sites/demo-00/next-decline", "reason=GATEWAY_TECHNICAL_ERROR");
    let error = shop
        .create(&shop.order(card(12, "123"), CaptureMode::Automatic))
        .await
        .err()
        .unwrap();
    assert!(matches!(error, ConnectorError::Declined(decline) if decline.try_elsewhere));
}

#[tokio::test]
async fn a_slow_bank_is_pending_until_it_answers() {
    let shop = Shop::open();
    for (month, succeeds) in [(3, true), (4, false)] {
        let order = shop.order(card(month, "123"), CaptureMode::Manual);
        let made = shop.create(&order).await.unwrap();
        assert_eq!(made.state, State::Pending);
        shop.wire.advance(Duration::seconds(3));
        let told = shop.status(&shop.reference(&order, Some(&made)), vec![]).await.unwrap();
        assert_eq!(told[0].state == State::Authorized, succeeds);
        assert_eq!(matches!(told[0].state, State::Declined(_)), !succeeds);
    }
}

#[tokio::test]
async fn three_ds_is_passed_refused_or_too_late() {
    let shop = Shop::open();
    for decision in ["confirm", "decline", "late"] {
        let order = shop.order(card(12, "849"), CaptureMode::Automatic);
        let made = shop.create(&order).await.unwrap();
        let State::RequiresAction(NextAction::ThreeDSecure { acs_url, pareq, md }) = &made.state else {
            panic!("no 3-D Secure: {:?}", made.state);
        };
        assert_eq!(md.as_deref(), Some(order.payment.to_string().as_str()));
        let field = pareq.replace('=', "%3D");
        let page = shop.wire.visit(
            "POST",
            acs_url,
            &[],
            format!("PaReq={field}&MD=1&TermUrl=https%3A%2F%2Fshop.test").as_bytes(),
        );
        assert_eq!(page.status, 200);
        let posted = format!("PaReq={field}&MD=1&TermUrl=https%3A%2F%2Fshop.test&decision={decision}");
        let back = shop
            .wire
            .visit("POST", &format!("{acs_url}/decide"), &[], posted.as_bytes());
        let pares = value_of(&String::from_utf8(back.body).unwrap(), "PaRes");
        if decision == "late" {
            shop.wire.advance(Duration::minutes(16));
        }
        let finish = FinishOrder {
            step: shop.step(),
            payment: shop.reference(&order, Some(&made)),
            posted: vec![("MD".to_owned(), "1".to_owned()), ("PaRes".to_owned(), pares)],
        };
        for _ in 0..2 {
            let done = shop.connection.finish(&shop.wire.context(), &finish).await.unwrap();
            match (decision, done.state) {
                ("confirm", State::Succeeded) => {}
                ("decline", State::Declined(decline)) => {
                    assert_eq!(decline.reason, DeclineReason::AuthenticationFailed)
                }
                ("late", State::Declined(decline)) => assert_eq!(decline.reason, DeclineReason::PayerTimedOut),
                (decision, state) => panic!("{decision}: {state:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_card_is_stored_paid_with_and_deleted() {
    let shop = Shop::open();
    let customer = Customer {
        id: Some("customer-1".to_owned()),
        ..Customer::default()
    };
    let mut order = shop.order(card(12, "123"), CaptureMode::Automatic);
    order.save_method = true;
    assert!(
        matches!(shop.create(&order).await, Err(ConnectorError::Invalid(_))),
        "a token belongs to a customer"
    );
    order.customer = customer.clone();
    let stored = shop.create(&order).await.unwrap();
    let token = stored.token.clone().unwrap();
    assert_eq!(token.customer.as_deref(), Some("customer-1"));
    assert_eq!(token.masked_pan.as_deref(), Some("425600******0003"));
    // Told once: the status does not hand it over again.
    let told = shop
        .status(&shop.reference(&order, Some(&stored)), vec![])
        .await
        .unwrap();
    assert!(told[0].token.is_none());

    let mut again = shop.order(PaymentMethod::Token(token.token.clone()), CaptureMode::Automatic);
    again.customer = customer.clone();
    assert_eq!(shop.create(&again).await.unwrap().state, State::Succeeded);
    let context = shop.wire.context();
    for _ in 0..2 {
        shop.connection
            .delete_token(&context, &token.token, Some("customer-1"))
            .await
            .unwrap();
    }
    let mut late = shop.order(PaymentMethod::Token(token.token), CaptureMode::Automatic);
    late.customer = customer;
    let Err(ConnectorError::Declined(decline)) = shop.create(&late).await else {
        panic!("a dead token paid");
    };
    assert_eq!(decline.reason, DeclineReason::DoNotRetry);
}

#[tokio::test]
async fn a_part_of_a_hold_is_released_and_the_rest_is_captured() {
    let shop = Shop::open();
    let order = shop.order(card(12, "123"), CaptureMode::Manual);
    let held = shop.create(&order).await.unwrap();
    let mut payment = shop.reference(&order, Some(&held));
    let released = shop
        .connection
        .reverse(&shop.wire.context(), &shop.giving_back(&payment, rub(5_000)))
        .await
        .unwrap();
    assert_eq!((released.kind, released.state), (StepKind::Reversal, State::Succeeded));
    // Nothing less than all that is held can be captured.
    let part = CaptureOrder {
        step: shop.step(),
        payment: payment.clone(),
        amount: rub(10_000),
        receipt: None,
    };
    let refused = shop.connection.capture(&shop.wire.context(), &part).await;
    assert!(matches!(refused, Err(ConnectorError::Invalid(_))));
    payment.capturable = rub(10_000);
    let captured = shop.capture(&payment).await.unwrap();
    assert_eq!(captured.amount, Some(rub(10_000)));
    assert_eq!(shop.moved(), (vec!["100.00".to_owned()], vec!["50.00".to_owned()]));
    // Another capture is told that it is too late.
    let Err(ConnectorError::Declined(decline)) = shop.capture(&payment).await else {
        panic!("captured twice");
    };
    assert_eq!(decline.reason, DeclineReason::WrongState);
}

#[tokio::test]
async fn more_than_is_left_is_not_given_back() {
    let shop = Shop::open();
    let order = shop.order(card(12, "123"), CaptureMode::Automatic);
    let paid = shop.create(&order).await.unwrap();
    let payment = shop.reference(&order, Some(&paid));
    let context = shop.wire.context();
    let refund = shop
        .connection
        .refund(&context, &shop.giving_back(&payment, rub(15_001)))
        .await
        .unwrap();
    let State::Declined(decline) = refund.state else {
        panic!("given back");
    };
    assert_eq!(decline.reason, DeclineReason::AmountInvalid);
    assert_eq!(shop.moved().1, ["0.00"]);
}

#[tokio::test]
async fn a_hold_that_nobody_captures_is_captured_by_the_network() {
    let shop = Shop::open();
    let order = shop.order(card(12, "123"), CaptureMode::Manual);
    let held = shop.create(&order).await.unwrap();
    let payment = shop.reference(&order, Some(&held));
    shop.wire.advance(Duration::hours(73));
    let told = shop.status(&payment, vec![]).await.unwrap();
    assert_eq!(told[1].kind, StepKind::Capture);
    assert_eq!((&told[1].state, told[1].amount), (&State::Succeeded, Some(rub(15_000))));
    assert_eq!(told[1].operation, None);
}

#[tokio::test]
async fn what_a_person_gave_back_in_the_cabinet_is_told() {
    let shop = Shop::open();
    let order = shop.order(card(12, "123"), CaptureMode::Automatic);
    let paid = shop.create(&order).await.unwrap();
    let url = format!(
        "/partner/payin/v1/sites/demo-00/payments/{}/refunds/by-hand",
        order.payment
    );
    let key = ("authorization", "Bearer demo-payin-api-key");
    shop.wire
        .visit("PUT", &url, &[key], br#"{"amount":{"value":"3.00","currency":"RUB"}}"#);
    let told = shop.status(&shop.reference(&order, Some(&paid)), vec![]).await.unwrap();
    assert_eq!((told[1].kind, told[1].operation), (StepKind::Refund, None));
    assert_eq!(
        (told[1].network_id.as_deref(), told[1].amount),
        (Some("by-hand"), Some(rub(300)))
    );
}

#[tokio::test]
async fn a_postponed_refund_is_withdrawn() {
    let shop = Shop::open();
    shop.control("sites/demo-00/switches", "postponed_refund_minutes=60");
    let order = shop.order(card(12, "123"), CaptureMode::Automatic);
    let paid = shop.create(&order).await.unwrap();
    let payment = shop.reference(&order, Some(&paid));
    let context = shop.wire.context();
    let refund = shop.giving_back(&payment, rub(5_000));
    assert_eq!(
        shop.connection.refund(&context, &refund).await.unwrap().state,
        State::Succeeded
    );
    let withdrawn = shop
        .connection
        .decline_refund(&context, &payment, refund.step.operation)
        .await
        .unwrap();
    assert!(matches!(withdrawn.state, State::Declined(_)));
    assert_eq!(shop.moved().1, ["0.00"]);
    let late = shop
        .connection
        .decline_refund(&context, &payment, refund.step.operation)
        .await;
    assert!(matches!(late, Err(ConnectorError::Declined(_))));
}

#[tokio::test]
async fn a_qr_code_is_paid_and_pays_again_by_the_stored_account() {
    let shop = Shop::open();
    let mut order = shop.order(PaymentMethod::Qr, CaptureMode::Automatic);
    order.save_method = true;
    order.customer.id = Some("customer-1".to_owned());
    let made = shop.create(&order).await.unwrap();
    assert!(
        matches!(&made.state, State::RequiresAction(NextAction::ShowQr { payload, .. }) if payload.contains("sum=15000"))
    );
    shop.control(&format!("sites/demo-00/qr/{}/pay", order.payment), "");
    let told = shop
        .status(&shop.reference(&order, Some(&made)), vec![])
        .await
        .unwrap()
        .remove(0);
    assert_eq!(told.state, State::Succeeded);
    let token = told.token.clone().unwrap().token;
    assert!(token.expose().starts_with("sbp:"));
    let payment = shop.reference(&order, Some(&told));
    let refund = shop
        .connection
        .refund(&shop.wire.context(), &shop.giving_back(&payment, rub(100)))
        .await
        .unwrap();
    assert_eq!(refund.state, State::Succeeded);

    let mut again = shop.order(PaymentMethod::Token(token), CaptureMode::Automatic);
    again.customer.id = Some("customer-1".to_owned());
    let made = shop.create(&again).await.unwrap();
    assert_eq!(made.state, State::Pending);
    shop.wire.advance(Duration::seconds(3));
    let told = shop.status(&shop.reference(&again, Some(&made)), vec![]).await.unwrap();
    assert_eq!(told[0].state, State::Succeeded);
}

#[tokio::test]
async fn a_qr_code_expires_or_is_declined() {
    let shop = Shop::open();
    let order = shop.order(PaymentMethod::Qr, CaptureMode::Automatic);
    let made = shop.create(&order).await.unwrap();
    let declined = shop.order(PaymentMethod::Qr, CaptureMode::Automatic);
    shop.create(&declined).await.unwrap();
    shop.control(&format!("sites/demo-00/qr/{}/decline", declined.payment), "");
    shop.wire.advance(Duration::hours(73));
    let told = shop.status(&shop.reference(&order, Some(&made)), vec![]).await.unwrap();
    assert_eq!(told[0].state, State::Expired);
    let told = shop.status(&shop.reference(&declined, None), vec![]).await.unwrap();
    assert!(matches!(told[0].state, State::Declined(_)));
    let manual = shop.order(PaymentMethod::Qr, CaptureMode::Manual);
    assert!(matches!(shop.create(&manual).await, Err(ConnectorError::Invalid(_))));
}

#[tokio::test]
async fn a_safe_deal_is_paid_out() {
    let shop = Shop::open();
    let mut order = shop.order(card(12, "123"), CaptureMode::Automatic);
    order.splits = vec![Split {
        destination: "Obuc-00".to_owned(),
        amount: order.amount,
        order_id: None,
        description: None,
    }];
    let paid = shop.create(&order).await.unwrap();
    let source = shop.reference(&order, Some(&paid));
    let payout = |amount| PayoutOrder {
        step: shop.step(),
        payment: PaymentId::generate(),
        number: 2,
        amount: rub(amount),
        target: PayoutTarget::Card {
            pan: Secret::new("8600330000000000"),
            holder: Some("Ivan Ivanov".to_owned()),
        },
        order_id: None,
        description: None,
        source: Some(source.clone()),
        notify_url: None,
        splits: Vec::new(),
        options: Map::new(),
    };
    for two_stages in ["false", "true"] {
        shop.control("sites/demo-00/switches", &format!("two_stage_payouts={two_stages}"));
        for (amount, first, then) in [(200, "waits", "done"), (500, "refused", ""), (510, "waits", "refused")] {
            let order = payout(amount);
            let made = shop.connection.payout(&shop.wire.context(), &order).await;
            if first == "refused" {
                assert!(matches!(made, Err(ConnectorError::Declined(_))));
                continue;
            }
            let made = made.unwrap();
            assert_eq!((made.kind, &made.state), (StepKind::Payout, &State::Pending));
            shop.wire.advance(Duration::seconds(3));
            let mut payment = shop.reference(&shop.order(hosted(), CaptureMode::Automatic), Some(&made));
            payment.id = order.payment;
            let told = shop.status(&payment, vec![]).await.unwrap();
            assert_eq!(told[0].state == State::Succeeded, then == "done", "{amount}");
            // Had the first answer been lost, the gateway would know the purchase, and that is enough.
            payment.kept = json!({ "source": source.network_id });
            let again = shop
                .status(&payment, vec![known(&order.step, StepKind::Payout, order.amount)])
                .await
                .unwrap();
            assert_eq!((again[0].kind, &again[0].state), (StepKind::Payout, &told[0].state));
        }
    }
    let refused = shop.connection.payout(&shop.wire.context(), &payout(1_000_000)).await;
    assert!(matches!(refused, Err(ConnectorError::Invalid(fault)) if fault.field.as_deref() == Some("amount")));
    // Refunds of split payments are split as well.
    let refund = shop
        .connection
        .refund(&shop.wire.context(), &shop.giving_back(&source, rub(100)))
        .await;
    assert!(matches!(refund, Err(ConnectorError::Invalid(fault)) if fault.field.as_deref() == Some("refundSplits")));
}

#[tokio::test]
async fn a_card_is_checked_without_a_payment() {
    use plugin_payin::CheckState;
    let shop = Shop::open();
    let context = shop.wire.context();
    let checked = shop
        .connection
        .check_card(&context, "check-1", &card_data(12, "123"), Some("c1"))
        .await
        .unwrap();
    assert_eq!(checked.state, CheckState::Valid);
    assert!(checked.token.is_some());
    let refused = shop
        .connection
        .check_card(&context, "check-2", &card_data(2, "123"), Some("c1"))
        .await
        .unwrap();
    assert_eq!(refused.state, CheckState::NotValid);
    assert!(refused.token.is_none());
    let asked = shop
        .connection
        .check_card(&context, "check-3", &card_data(12, "849"), None)
        .await
        .unwrap();
    let CheckState::ThreeDSecure { .. } = asked.state else {
        panic!("no 3-D Secure");
    };
    let done = shop
        .connection
        .finish_card_check(&context, "check-3", "nonsense")
        .await
        .unwrap();
    assert_eq!(done.state, CheckState::NotValid);
    let unknown = shop.connection.card_check(&context, "check-9").await.unwrap();
    assert_eq!(unknown.state, CheckState::NotFound);
}

#[tokio::test]
async fn test_mode_takes_ten_roubles_at_most() {
    let mut config = config();
    config["site_id"] = json!(plugin_payin::sandbox::TEST_SITE);
    config["api_key"] = json!(plugin_payin::sandbox::TEST_API_KEY);
    let shop = Shop::with(config);
    let refused = shop
        .create(&shop.order(card(12, "123"), CaptureMode::Automatic))
        .await
        .unwrap();
    assert!(matches!(refused.state, State::Declined(decline) if decline.reason == DeclineReason::AmountInvalid));
    let mut small = shop.order(card(12, "123"), CaptureMode::Automatic);
    small.amount = rub(1_000);
    let paid = shop.create(&small).await.unwrap();
    assert_eq!(paid.state, State::Succeeded);
    assert_eq!(
        (paid.facts.rrn.as_deref(), paid.facts.auth_code.as_deref()),
        (Some("123"), Some("181218"))
    );
    // §12.2: one sum works.
    let qr = shop
        .create(&shop.order(PaymentMethod::Qr, CaptureMode::Automatic))
        .await
        .unwrap();
    assert!(matches!(qr.state, State::Declined(_)));
    let mut works = shop.order(PaymentMethod::Qr, CaptureMode::Automatic);
    works.amount = rub(20_000);
    assert!(matches!(
        shop.create(&works).await.unwrap().state,
        State::RequiresAction(_)
    ));
}
