//! Each operation against each fault: what is said of it, what is found out afterwards, and that money moves once at
//! most.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use plugin_sdk::PaymentId;
use plugin_sdk::connector::{
    CaptureMode, ConnectorError, FinishOrder, NextAction, OutboundConnection, PaymentMethod, PayoutOrder, PayoutTarget,
    Report, State, StepKind,
};
use plugin_sdk::testing::Fault;
use rstest::rstest;
use support::*;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Unavailable,
    Uncertain,
    Invalid,
    Fine,
}

fn kind(result: &Result<Report, ConnectorError>) -> Kind {
    match result {
        Ok(_) => Kind::Fine,
        Err(ConnectorError::Unavailable(_)) => Kind::Unavailable,
        Err(ConnectorError::Uncertain(_)) => Kind::Uncertain,
        Err(ConnectorError::Invalid(_)) => Kind::Invalid,
        Err(ConnectorError::Declined(decline)) => panic!("{decline}"),
    }
}

/// A name, the faults of the requests one after the other, what the operation says, and whether the network did it.
fn faults() -> Vec<(&'static str, Vec<Fault>, Kind, bool)> {
    let full = |status, body: &str| (status, body.as_bytes().to_vec());
    let before = |(status, body): (u16, Vec<u8>)| Fault::AnsweredBefore(status, body);
    let after = |(status, body): (u16, Vec<u8>)| Fault::AnswersInstead(status, body);
    let internal = r#"{"errorCode":"internal.error","description":"Internal error"}"#;
    vec![
        ("not sent", vec![Fault::NotSent], Kind::Unavailable, false),
        ("lost request", vec![Fault::LostRequest], Kind::Uncertain, false),
        ("lost answer", vec![Fault::LostAnswer], Kind::Uncertain, true),
        (
            "500 with a body before",
            vec![before(full(500, internal))],
            Kind::Uncertain,
            false,
        ),
        (
            "500 with a body after",
            vec![after(full(500, internal))],
            Kind::Uncertain,
            true,
        ),
        (
            "empty 500 after, then well",
            vec![after(full(500, ""))],
            Kind::Fine,
            true,
        ),
        (
            "empty 500 before, then well",
            vec![before(full(500, ""))],
            Kind::Fine,
            true,
        ),
        (
            "502 twice before",
            vec![before(full(502, "bad")), before(full(502, "bad"))],
            Kind::Uncertain,
            false,
        ),
        (
            "503 after, then not sent",
            vec![after(full(503, "")), Fault::NotSent],
            Kind::Uncertain,
            true,
        ),
        (
            "503 after, then limited",
            vec![after(full(503, "")), before(full(429, ""))],
            Kind::Uncertain,
            true,
        ),
        ("garbage after", vec![after(full(200, "<html>"))], Kind::Uncertain, true),
        ("a list after", vec![after(full(200, "[]"))], Kind::Uncertain, true),
        (
            "too many requests",
            vec![before(full(429, ""))],
            Kind::Unavailable,
            false,
        ),
        ("a proxy's 404", vec![before(full(404, "<html>"))], Kind::Invalid, false),
    ]
}

fn order_faults(shop: &Shop, faults: &[Fault]) {
    for fault in faults {
        shop.wire.fault(fault.clone());
    }
}

#[rstest]
#[tokio::test]
async fn a_payment_is_made_once_whatever_the_wire_does(#[values("card", "bill", "qr")] method: &str) {
    for (name, faults, said, done) in faults() {
        let shop = Shop::open();
        let order = match method {
            "card" => shop.order(card(12, "123"), CaptureMode::Automatic),
            "bill" => shop.order(hosted(), CaptureMode::Automatic),
            _ => shop.order(PaymentMethod::Qr, CaptureMode::Automatic),
        };
        order_faults(&shop, &faults);
        let made = shop.create(&order).await;
        assert_eq!(kind(&made), said, "{method}, {name}");
        // Nothing of the answer is known: the status finds out by the id alone.
        let told = shop
            .status(&shop.reference(&order, None), vec![])
            .await
            .unwrap()
            .remove(0);
        match (done, method) {
            (false, _) => assert_eq!(told.state, State::NotFound, "{method}, {name}"),
            (true, "card") => assert_eq!(told.state, State::Succeeded, "{name}"),
            (true, _) => assert!(matches!(told.state, State::RequiresAction(_)), "{method}, {name}"),
        }
        // A repeat of the order is the same payment.
        shop.create(&order).await.unwrap();
        let captured = shop.moved().0;
        assert_eq!(
            captured,
            if method == "card" { vec!["150.00"] } else { vec![] },
            "{method}, {name}"
        );
    }
}

#[rstest]
#[tokio::test]
async fn a_step_is_taken_once_whatever_the_wire_does(
    #[values(StepKind::Capture, StepKind::Reversal, StepKind::Refund)] step_kind: StepKind,
) {
    for (name, faults, said, done) in faults() {
        let shop = Shop::open();
        let capture = if step_kind == StepKind::Refund {
            CaptureMode::Automatic
        } else {
            CaptureMode::Manual
        };
        let order = shop.order(card(12, "123"), capture);
        let made = shop.create(&order).await.unwrap();
        let payment = shop.reference(&order, Some(&made));
        let context = shop.wire.context();
        let giving = shop.giving_back(&payment, rub(4_000));
        let taking = plugin_sdk::connector::CaptureOrder {
            step: giving.step,
            payment: payment.clone(),
            amount: payment.capturable,
            receipt: None,
        };
        let mut results = Vec::new();
        order_faults(&shop, &faults);
        for _ in 0..2 {
            results.push(match step_kind {
                StepKind::Capture => shop.connection.capture(&context, &taking).await,
                StepKind::Reversal => shop.connection.reverse(&context, &giving).await,
                _ => shop.connection.refund(&context, &giving).await,
            });
            if results.len() == 1 {
                let open = vec![known(&giving.step, step_kind, rub(4_000))];
                let told = shop.status(&payment, open).await.unwrap();
                let step = told
                    .iter()
                    .find(|report| report.operation == Some(giving.step.operation))
                    .unwrap();
                let expected = if done { State::Succeeded } else { State::NotFound };
                assert_eq!((step.kind, &step.state), (step_kind, &expected), "{name}");
            }
        }
        assert_eq!(kind(&results[0]), said, "{step_kind:?}, {name}");
        assert_eq!(
            results[1].as_ref().map(|report| report.state.clone()),
            Ok(State::Succeeded)
        );
        let (captured, refunded) = shop.moved();
        match step_kind {
            StepKind::Capture => assert_eq!((captured[0].as_str(), refunded[0].as_str()), ("150.00", "0.00")),
            _ => assert_eq!(refunded, ["40.00"], "{step_kind:?}, {name}"),
        }
    }
}

#[tokio::test]
async fn a_question_that_gets_no_answer_decides_nothing() {
    let shop = Shop::open();
    let order = shop.order(card(12, "123"), CaptureMode::Automatic);
    let made = shop.create(&order).await.unwrap();
    let payment = shop.reference(&order, Some(&made));
    for fault in [
        Fault::NotSent,
        Fault::LostAnswer,
        // Not the network's own word: a payment must not be given up for it.
        Fault::AnsweredBefore(404, b"<html>no such page</html>".to_vec()),
        Fault::AnsweredBefore(200, b"<html>".to_vec()),
        Fault::AnsweredBefore(500, b"{}".to_vec()),
    ] {
        shop.wire.fault(fault.clone());
        assert!(shop.status(&payment, vec![]).await.is_err(), "{fault:?}");
    }
}

#[tokio::test]
async fn a_capture_after_a_lost_form_answer_finds_the_payment() {
    let shop = Shop::open();
    let order = shop.order(hosted(), CaptureMode::Manual);
    let made = shop.create(&order).await.unwrap();
    shop.pay_on_form(&made, "action=pay&pan=4256000000000003&expiry=12%2F30&cvv=123");
    // The payment's own id was never told.
    let mut payment = shop.reference(&order, Some(&made));
    payment.capturable = order.amount;
    assert_eq!(shop.capture(&payment).await.unwrap().state, State::Succeeded);
    assert_eq!(shop.moved().0, ["150.00"]);
}

#[tokio::test]
async fn an_authentication_ends_once_whatever_the_wire_does() {
    for (name, faults, said, done) in faults() {
        let shop = Shop::open();
        let order = shop.order(card(12, "849"), CaptureMode::Automatic);
        let made = shop.create(&order).await.unwrap();
        let State::RequiresAction(NextAction::ThreeDSecure { acs_url, pareq, .. }) = &made.state else {
            panic!("no 3-D Secure");
        };
        let posted = format!("PaReq={}&TermUrl=/&decision=confirm", pareq.replace('=', "%3D"));
        let page = shop
            .wire
            .visit("POST", &format!("{acs_url}/decide"), &[], posted.as_bytes());
        let page = String::from_utf8(page.body).unwrap();
        let (_, pares) = page.split_once("name=\"PaRes\" value=\"").unwrap();
        let finish = FinishOrder {
            step: order.step,
            payment: shop.reference(&order, Some(&made)),
            posted: vec![("PaRes".to_owned(), pares.split_once('"').unwrap().0.to_owned())],
        };
        order_faults(&shop, &faults);
        let finished = shop.connection.finish(&shop.wire.context(), &finish).await;
        assert_eq!(kind(&finished), said, "{name}");
        let told = shop.status(&finish.payment, vec![]).await.unwrap().remove(0);
        assert_eq!(told.state == State::Succeeded, done, "{name}");
        assert_eq!(told.state == made.state, !done, "{name}");
        shop.connection.finish(&shop.wire.context(), &finish).await.unwrap();
        assert_eq!(shop.moved().0, ["150.00"], "{name}");
    }
}

#[tokio::test]
async fn a_payout_is_made_once_whatever_the_wire_does() {
    for (name, faults, said, done) in faults() {
        let shop = Shop::open();
        let order = shop.order(card(12, "123"), CaptureMode::Automatic);
        let paid = shop.create(&order).await.unwrap();
        let source = shop.reference(&order, Some(&paid));
        let payout = PayoutOrder {
            step: shop.step(),
            payment: PaymentId::generate(),
            number: 2,
            amount: rub(200),
            target: PayoutTarget::Phone {
                phone: "+7 903 123-45-67".to_owned(),
                bank: "100000000009".to_owned(),
            },
            order_id: None,
            description: None,
            source: Some(source.clone()),
            notify_url: None,
            splits: Vec::new(),
            options: serde_json::Map::new(),
        };
        order_faults(&shop, &faults);
        let context = shop.wire.context();
        assert_eq!(kind(&shop.connection.payout(&context, &payout).await), said, "{name}");
        let mut asked = source.clone();
        asked.id = payout.payment;
        asked.kept = serde_json::json!({ "source": source.network_id });
        let told = shop
            .status(&asked, vec![known(&payout.step, StepKind::Payout, rub(200))])
            .await
            .unwrap();
        assert_eq!(
            told[0].state,
            if done { State::Pending } else { State::NotFound },
            "{name}"
        );
        shop.connection.payout(&context, &payout).await.unwrap();
        let truth = shop.truth();
        assert_eq!(
            truth["payments"][0]["payouts"].as_array().map(Vec::len),
            Some(1),
            "{name}"
        );
    }
}
