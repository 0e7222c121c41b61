//! Safe deals (§10): both kinds, their sub-sums, and what may be cancelled when.

use plugin_sdk::Secret;
use plugin_sdk::connector::{
    CaptureMode, ConnectorError, DeclineReason, OutboundConnection, PaymentOrder, ReturnOrder, State, StepKind,
};

use crate::shop::{Shop, card, config, known, part, rub};

fn shop(site: u64, kind: &str) -> Shop {
    let mut config = config(site);
    config["safe_deal"] = kind.into();
    Shop::with(&config)
}

fn deal(shop: &Shop, capture: CaptureMode, destination: &str) -> PaymentOrder {
    PaymentOrder {
        capture,
        splits: part(destination, "250.10"),
        ..shop.order("450.20", card(12, "A B"))
    }
}

#[tokio::test]
async fn a_performer_is_paid_to_a_card_after_the_capture() {
    let shop = shop(10_001, "card");
    let mut order = deal(&shop, CaptureMode::Manual, "performer");
    order.save_method = true;
    let held = shop.pay(&order).await;
    let payment = known(&order, &held, "450.20", "0");
    let reversal = ReturnOrder {
        splits: part("performer", "50.10"),
        ..shop.return_of(&payment, "100.10")
    };
    shop.connection.reverse(&shop.wire.context(), &reversal).await.unwrap();
    let rest = known(&order, &held, "350.10", "0");
    let capture = shop.capture_of(&rest);
    let taken = shop.connection.capture(&shop.wire.context(), &capture).await.unwrap();
    assert_eq!(taken.state, State::Succeeded);
    let captured = known(&order, &held, "0", "350.10");
    let token = held.token.unwrap();
    let over = shop.payout("200.01", token.token.expose(), Some(&captured));
    let refused = shop.connection.payout(&shop.wire.context(), &over).await;
    assert!(matches!(refused, Err(ConnectorError::Declined(no)) if no.reason == DeclineReason::LimitExceeded));
    let payout = shop.payout("200.00", token.token.expose(), Some(&captured));
    assert_eq!(
        shop.connection
            .payout(&shop.wire.context(), &payout)
            .await
            .unwrap()
            .state,
        State::Succeeded
    );
    let late = ReturnOrder {
        splits: part("performer", "10.00"),
        ..shop.return_of(&captured, "10.00")
    };
    let refused = shop.connection.refund(&shop.wire.context(), &late).await;
    assert!(matches!(refused, Err(ConnectorError::Declined(no)) if no.reason == DeclineReason::WrongState));
    let homeless = shop.payout("1.00", token.token.expose(), None);
    assert!(matches!(
        shop.connection.payout(&shop.wire.context(), &homeless).await,
        Err(ConnectorError::Invalid(_))
    ));
}

#[tokio::test]
async fn a_performer_is_paid_to_a_wallet_by_the_capture() {
    let shop = shop(10_002, "wallet");
    let order = deal(&shop, CaptureMode::Manual, "79111111111");
    let held = shop.pay(&order).await;
    assert_eq!(held.hold, None, "the server does not say how it ends");
    let payment = known(&order, &held, "450.20", "0");
    let taken = shop
        .connection
        .capture(&shop.wire.context(), &shop.capture_of(&payment))
        .await
        .unwrap();
    assert_eq!(taken.state, State::Succeeded);
}

#[tokio::test]
async fn a_wallet_deal_that_nobody_captures_is_cancelled() {
    let shop = shop(10_002, "wallet");
    let order = deal(&shop, CaptureMode::Manual, "79111111111");
    let payment = known(&order, &shop.pay(&order).await, "450.20", "0");
    shop.days(4);
    assert_eq!(shop.truth().len(), 1, "a deal is not captured after three days");
    shop.days(1);
    let reports = shop.status(&payment, vec![]).await;
    assert_eq!(
        (reports[1].kind, reports[1].amount),
        (StepKind::Reversal, Some(rub("450.20")))
    );
}

#[tokio::test]
async fn the_whole_is_returned_without_naming_its_parts() {
    let shop = shop(10_001, "card");
    let order = deal(&shop, CaptureMode::Automatic, "performer");
    let payment = known(&order, &shop.pay(&order).await, "0", "450.20");
    let some = shop.return_of(&payment, "10.00");
    assert!(matches!(
        shop.connection.refund(&shop.wire.context(), &some).await,
        Err(ConnectorError::Invalid(_))
    ));
    let whole = shop.return_of(&payment, "450.20");
    assert_eq!(
        shop.connection
            .refund(&shop.wire.context(), &whole)
            .await
            .unwrap()
            .state,
        State::Succeeded
    );
}

#[tokio::test]
async fn sub_sums_stand_in_the_field_of_the_site() {
    let mut old = config(10_001);
    old["safe_deal"] = "card".into();
    old["safe_deal_field"] = "cf3".into();
    let shop = Shop::with(&old);
    let order = deal(&shop, CaptureMode::Automatic, "performer");
    let refused = shop.connection.create(&shop.wire.context(), &order).await;
    assert!(matches!(refused, Err(ConnectorError::Invalid(fault)) if fault.field.as_deref() == Some("cf2")));
    shop.set(10_001, "deal_field", "cf3");
    assert_eq!(shop.pay(&order).await.state, State::Succeeded);
    let mut taken = order;
    taken.options.insert("cf3".to_owned(), "mine".into());
    assert_eq!(shop.connection.check_options(&taken.options).unwrap_err().key, "cf3");
}

#[tokio::test]
async fn parts_that_are_no_deal_are_refused_before_anything_is_sent() {
    let shop = shop(10_002, "wallet");
    let order = deal(&shop, CaptureMode::Automatic, "79111111111");
    let two = [part("79111111111", "1.00"), part("79111111111", "1.00")].concat();
    let over = part("79111111111", "450.21");
    let nobody = part("performer", "1.00");
    for splits in [vec![], two, over, nobody] {
        let order = PaymentOrder {
            splits,
            ..order.clone()
        };
        let refused = shop.connection.create(&shop.wire.context(), &order).await;
        assert!(matches!(refused, Err(ConnectorError::Invalid(_))));
    }
    assert!(shop.wire.seen().is_empty());
    let plain = Shop::at(99);
    let order = PaymentOrder {
        splits: part("x", "1.00"),
        ..plain.order("2.00", plugin_sdk::connector::PaymentMethod::Token(Secret::new("t")))
    };
    assert!(plain.connection.create(&plain.wire.context(), &order).await.is_err());
}
