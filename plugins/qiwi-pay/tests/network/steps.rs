//! Reversals and refunds, and how the status matches them with ours.

use plugin_sdk::connector::{ConnectorError, DeclineReason, OutboundConnection, State, StepKind};
use plugin_sdk::testing::Fault;

use crate::shop::{Shop, card, done_step, known, open_step, rub};

#[tokio::test]
async fn a_hold_is_reversed_in_parts_and_the_rest_is_captured() {
    let shop = Shop::at(99);
    let order = shop.hold("100.00");
    let held = shop.pay(&order).await;
    let payment = known(&order, &held, "100.00", "0");
    let reversal = shop.return_of(&payment, "30.00");
    let report = shop.connection.reverse(&shop.wire.context(), &reversal).await.unwrap();
    assert_eq!((&report.state, report.amount), (&State::Succeeded, Some(rub("30.00"))));
    assert_ne!(report.network_id, held.network_id);
    let payment = known(&order, &held, "70.00", "0");
    let capture = shop.capture_of(&payment);
    shop.connection.capture(&shop.wire.context(), &capture).await.unwrap();
    let steps = vec![
        done_step(order.step, StepKind::Create, "100.00", &held),
        done_step(reversal.step, StepKind::Reversal, "30.00", &report),
        open_step(capture.step, StepKind::Capture, "70.00"),
    ];
    let reports = shop.status(&payment, steps).await;
    let told: Vec<_> = reports
        .iter()
        .map(|told| (told.kind, told.operation, told.amount))
        .collect();
    assert_eq!(
        told,
        [
            (StepKind::Create, Some(order.step.operation), Some(rub("100.00"))),
            (StepKind::Capture, Some(capture.step.operation), Some(rub("70.00"))),
            (StepKind::Reversal, Some(reversal.step.operation), Some(rub("30.00"))),
        ]
    );
}

#[tokio::test]
async fn refunds_are_bounded_by_what_was_paid() {
    let shop = Shop::at(99);
    let order = shop.order("100.00", card(12, "A B"));
    let payment = known(&order, &shop.pay(&order).await, "0", "100.00");
    let part = shop.return_of(&payment, "60.00");
    let report = shop.connection.refund(&shop.wire.context(), &part).await.unwrap();
    assert_eq!((report.kind, &report.state), (StepKind::Refund, &State::Succeeded));
    let over = shop.return_of(&payment, "40.01");
    let refused = shop.connection.refund(&shop.wire.context(), &over).await;
    assert!(
        matches!(refused, Err(ConnectorError::Declined(decline)) if decline.reason == DeclineReason::AmountInvalid)
    );
    let rest = shop.return_of(&payment, "40.00");
    shop.connection.refund(&shop.wire.context(), &rest).await.unwrap();
    assert_eq!(shop.truth().iter().filter(|(kind, ..)| *kind == 3).count(), 2);
}

#[tokio::test]
async fn a_declined_refund_is_known_by_its_transaction() {
    let shop = Shop::at(99);
    let order = shop.order("115.00", card(12, "A B"));
    let payment = known(&order, &shop.pay(&order).await, "0", "115.00");
    shop.set(99, "next_error", "8160");
    let refund = shop.return_of(&payment, "115.00");
    let report = shop.connection.refund(&shop.wire.context(), &refund).await.unwrap();
    assert!(matches!(&report.state, State::Declined(decline) if decline.code.as_deref() == Some("8160")));
    assert!(report.network_id.is_some());
    let reports = shop
        .status(&payment, vec![open_step(refund.step, StepKind::Refund, "115.00")])
        .await;
    assert_eq!(reports[1].operation, Some(refund.step.operation));
    assert!(matches!(reports[1].state, State::Declined(_)));
}

#[tokio::test]
async fn a_sale_is_taken_back_only_on_its_day_and_before_the_clearing() {
    let shop = Shop::at(777);
    let order = shop.order("50.00", card(12, "A B"));
    let payment = known(&order, &shop.pay(&order).await, "0", "50.00");
    assert_eq!(shop.truth(), [(1, 3, "50.00".to_owned())]);
    let early = shop
        .connection
        .refund(&shop.wire.context(), &shop.return_of(&payment, "10.00"))
        .await;
    assert!(matches!(early, Err(ConnectorError::Declined(decline)) if decline.reason == DeclineReason::WrongState));
    let reversal = shop.return_of(&payment, "10.00");
    shop.connection.reverse(&shop.wire.context(), &reversal).await.unwrap();
    shop.wire.advance(chrono::Duration::hours(14));
    let late = shop
        .connection
        .reverse(&shop.wire.context(), &shop.return_of(&payment, "10.00"))
        .await;
    assert!(matches!(late, Err(ConnectorError::Declined(_))));
    shop.days(1);
    shop.connection
        .refund(&shop.wire.context(), &shop.return_of(&payment, "40.00"))
        .await
        .unwrap();
}

#[tokio::test]
async fn returns_of_equal_amounts_are_matched_oldest_with_oldest() {
    let shop = Shop::at(99);
    let order = shop.order("100.00", card(12, "A B"));
    let payment = known(&order, &shop.pay(&order).await, "0", "100.00");
    let (first, second, third) = (
        shop.return_of(&payment, "10.00"),
        shop.return_of(&payment, "10.00"),
        shop.return_of(&payment, "10.00"),
    );
    for lost in [&first, &second] {
        shop.wire.fault(Fault::LostAnswer);
        assert!(shop.connection.refund(&shop.wire.context(), lost).await.is_err());
    }
    shop.wire.fault(Fault::LostRequest);
    assert!(shop.connection.refund(&shop.wire.context(), &third).await.is_err());
    let steps = [&first, &second, &third].map(|order| open_step(order.step, StepKind::Refund, "10.00"));
    let reports = shop.status(&payment, steps.to_vec()).await;
    let told: Vec<_> = reports[1..]
        .iter()
        .map(|told| (told.operation, told.state == State::Succeeded))
        .collect();
    let expected = [(&first, true), (&second, true), (&third, false)];
    assert_eq!(told, expected.map(|(order, done)| (Some(order.step.operation), done)));
    assert_eq!(reports[3].state, State::NotFound);
}

#[tokio::test]
async fn what_came_to_its_end_here_is_not_what_a_person_made_there() {
    let shop = Shop::at(99);
    let order = shop.hold("100.00");
    let payment = known(&order, &shop.pay(&order).await, "100.00", "0");
    let ended = |kind, amount| plugin_sdk::connector::KnownStep {
        is_final: true,
        ..open_step(shop.step(), kind, amount)
    };
    let declined = vec![ended(StepKind::Reversal, "10.00"), ended(StepKind::Capture, "100.00")];
    shop.connection
        .reverse(&shop.wire.context(), &shop.return_of(&payment, "10.00"))
        .await
        .unwrap();
    shop.days(4);
    let reports = shop.status(&payment, declined).await;
    let told: Vec<_> = reports[1..]
        .iter()
        .map(|told| (told.kind, told.operation, told.amount))
        .collect();
    assert_eq!(
        told,
        [
            (StepKind::Capture, None, Some(rub("90.00"))),
            (StepKind::Reversal, None, Some(rub("10.00")))
        ]
    );
}

#[tokio::test]
async fn a_refund_that_a_person_made_is_told_without_a_step() {
    let shop = Shop::at(99);
    let order = shop.order("100.00", card(12, "A B"));
    let payment = known(&order, &shop.pay(&order).await, "0", "100.00");
    shop.connection
        .refund(&shop.wire.context(), &shop.return_of(&payment, "25.00"))
        .await
        .unwrap();
    let other = shop.step();
    let reports = shop
        .status(&payment, vec![open_step(other, StepKind::Refund, "10.00")])
        .await;
    assert_eq!((reports[1].operation, reports[1].amount), (None, Some(rub("25.00"))));
    assert_eq!(
        (reports[2].operation, &reports[2].state),
        (Some(other.operation), &State::NotFound)
    );
}
