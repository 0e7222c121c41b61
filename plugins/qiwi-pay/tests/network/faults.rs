//! Every operation with every fault: what is said is true, and a repeat moves money at most once.

use plugin_sdk::connector::{ConnectorError, OutboundConnection, Report, State, StepKind};
use plugin_sdk::testing::Fault;
use rstest::rstest;

use crate::shop::{Shop, card, known, open_step};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Create,
    Capture,
    Reversal,
    Refund,
    Payout,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Unavailable,
    Uncertain,
    Invalid,
}

fn says(result: &Result<Report, ConnectorError>) -> Option<Says> {
    match result {
        Err(ConnectorError::Unavailable(_)) => Some(Says::Unavailable),
        Err(ConnectorError::Uncertain(_)) => Some(Says::Uncertain),
        Err(ConnectorError::Invalid(_)) => Some(Says::Invalid),
        _ => None,
    }
}

#[rstest]
#[tokio::test]
async fn money_moves_at_most_once_and_the_status_tells_the_truth(
    #[values(What::Create, What::Capture, What::Reversal, What::Refund, What::Payout)] what: What,
    #[values(
        (Fault::NotSent, Says::Unavailable, false),
        (Fault::LostRequest, Says::Uncertain, false),
        (Fault::LostAnswer, Says::Uncertain, true),
        (Fault::AnsweredBefore(500, vec![]), Says::Uncertain, false),
        (Fault::AnsweredBefore(502, b"<html><h1>Bad Gateway</h1></html>".to_vec()), Says::Uncertain, false),
        (Fault::AnsweredBefore(403, b"<html>Forbidden</html>".to_vec()), Says::Invalid, false),
        (Fault::AnsweredBefore(429, vec![]), Says::Unavailable, false),
        (Fault::AnswersInstead(500, b"{\"error_code\":8054}".to_vec()), Says::Uncertain, true),
        (Fault::AnswersInstead(200, b"\0<not { what [ you expect".to_vec()), Says::Uncertain, true),
        (Fault::AnswersInstead(200, b"{}".to_vec()), Says::Uncertain, true),
        (Fault::AnswersInstead(200, b"{\"error_code\":0}".to_vec()), Says::Uncertain, true),
        (Fault::AnswersInstead(200, b"{\"error_code\":\"8001\"}".to_vec()), Says::Uncertain, true)
    )]
    fault: (Fault, Says, bool),
) {
    let (fault, expected, executed) = fault;
    let shop = Shop::at(99);
    let context = shop.wire.context();
    let sale = shop.order("100.00", card(12, "A B"));
    let hold = shop.hold("100.00");
    let (order, capturable, refundable) = match what {
        What::Capture | What::Reversal => (&hold, "100.00", "0"),
        _ => (&sale, "0", "100.00"),
    };
    let mut payment = known(order, &Report::new(StepKind::Create, State::Pending), "0", "0");
    if what != What::Create {
        payment = known(order, &shop.pay(order).await, capturable, refundable);
    }
    let minted = shop.post(
        &format!("{}/sandbox/qiwi-pay/cards", plugin_sdk::testing::BASE_URL),
        &[("merchant_site", "99")],
    );
    let minted: serde_json::Value = serde_json::from_str(&minted).unwrap();
    let (capture, back) = (shop.capture_of(&payment), shop.return_of(&payment, "40.00"));
    let payout = shop.payout("40.00", minted["card_token"].as_str().unwrap(), None);
    let run = async || match what {
        What::Create => shop.connection.create(&context, &sale).await,
        What::Capture => shop.connection.capture(&context, &capture).await,
        What::Reversal => shop.connection.reverse(&context, &back).await,
        What::Refund => shop.connection.refund(&context, &back).await,
        What::Payout => shop.connection.payout(&context, &payout).await,
    };
    let (step, kind, amount) = match what {
        What::Create => (sale.step, StepKind::Create, "100.00"),
        What::Capture => (capture.step, StepKind::Capture, "100.00"),
        What::Reversal => (back.step, StepKind::Reversal, "40.00"),
        What::Refund => (back.step, StepKind::Refund, "40.00"),
        What::Payout => (payout.step, StepKind::Payout, "40.00"),
    };

    shop.wire.fault(fault);
    let first = run().await;
    assert_eq!(says(&first), Some(expected), "{:?}", first.map(|report| report.state));
    let moved = || {
        shop.truth()
            .iter()
            .filter(|(txn, status, _)| is_moved(what, *txn, *status))
            .count()
    };
    assert_eq!(moved(), usize::from(executed));

    // The network is asked, as the gateway would.
    shop.wire.advance(chrono::Duration::minutes(4));
    let mut asked = payment.clone();
    if what == What::Payout {
        asked.id = payout.payment;
    }
    let reports = shop.status(&asked, vec![open_step(step, kind, amount)]).await;
    let mine = reports
        .iter()
        .find(|report| report.operation == Some(step.operation))
        .unwrap();
    let truth = if executed { State::Succeeded } else { State::NotFound };
    assert_eq!((mine.kind, &mine.state), (kind, &truth));

    // The same step once more: carried out if it was not, and told if it was.
    let again = run().await.unwrap();
    assert_eq!((again.state, again.operation), (State::Succeeded, Some(step.operation)));
    assert_eq!(moved(), 1);
}

fn is_moved(what: What, txn_type: i64, status: i64) -> bool {
    match what {
        What::Create => txn_type == 1 && status >= 3,
        What::Capture => txn_type == 2 && status >= 3,
        What::Reversal => txn_type == 4,
        What::Refund => txn_type == 3,
        What::Payout => txn_type == 8,
    }
}

#[tokio::test]
async fn an_order_that_is_paid_cannot_be_paid_again() {
    let shop = Shop::at(99);
    let order = shop.order("10.00", card(12, "A B"));
    shop.pay(&order).await;
    let again = shop.connection.create(&shop.wire.context(), &order).await;
    assert!(matches!(again, Err(ConnectorError::Uncertain(fault)) if fault.code.as_deref() == Some("8055")));
    assert_eq!(shop.truth().len(), 1);
    let waiting = shop.order("10.00", card(12, "unknown name"));
    shop.pay(&waiting).await;
    let again = shop.connection.create(&shop.wire.context(), &waiting).await;
    assert!(matches!(again, Err(ConnectorError::Uncertain(fault)) if fault.code.as_deref() == Some("8056")));
}

#[tokio::test]
async fn a_capture_is_not_repeated_within_three_minutes() {
    let shop = Shop::at(99);
    let order = shop.hold("10.00");
    let payment = known(&order, &shop.pay(&order).await, "10.00", "0");
    let capture = shop.capture_of(&payment);
    shop.wire.fault(Fault::LostRequest);
    assert!(shop.connection.capture(&shop.wire.context(), &capture).await.is_err());
    shop.wire.advance(chrono::Duration::seconds(60));
    let early = shop.connection.capture(&shop.wire.context(), &capture).await;
    assert_eq!(says(&early), Some(Says::Uncertain));
    let reports = shop
        .status(&payment, vec![open_step(capture.step, StepKind::Capture, "10.00")])
        .await;
    assert_eq!(reports[1].state, State::Pending);
    assert_eq!(shop.truth()[0].1, 2);
}

#[tokio::test]
async fn a_connection_without_a_certificate_is_told_so() {
    let shop = Shop {
        wire: std::sync::Arc::new(plugin_sdk::testing::Wire::new(
            plugin_sdk::Plugin::sandbox(&plugin_qiwi_pay::QiwiPayPlugin::new()).unwrap(),
            crate::shop::start(),
        )),
        ..Shop::at(99)
    };
    assert!(shop.connection.wants_client_certificate());
    let refused = shop
        .connection
        .create(&shop.wire.context(), &shop.order("10.00", card(12, "A B")))
        .await;
    let Err(ConnectorError::Invalid(fault)) = refused else {
        panic!()
    };
    assert_eq!(fault.code.as_deref(), Some("HTTP 400"));
    assert!(fault.message.contains("The SSL certificate error"), "{}", fault.message);
    shop.set(99, "certificate", "0");
    assert_eq!(
        shop.pay(&shop.order("10.00", card(12, "A B"))).await.state,
        State::Succeeded
    );
}
