//! Payouts from their order to their end.

use plugin_sdk::Currency;
use plugin_sdk::Secret;
use plugin_sdk::connector::{DeclineReason, OutboundConnection, PayoutTarget, State};
use rstest::rstest;
use serde_json::json;

use crate::*;

#[rstest]
#[tokio::test]
async fn a_transfer_is_taken_then_settles(#[values("cas", "token")] dialect: &str) {
    let (wire, connection) = (wire(), connection(dialect));
    let order = payout(&wire, 1001, 12_345);
    let report = connection.payout(&wire.context(), &order).await.unwrap();
    assert_eq!(
        (report.state, report.operation),
        (State::Pending, Some(order.step.operation))
    );
    assert_eq!(told(&connection, &wire, &order).await, Some(State::Pending));
    wire.advance(seconds(2));
    let reports = status(&connection, &wire.context(), &order).await.unwrap();
    assert_eq!(reports[0].state, State::Succeeded);
    assert_eq!(
        (reports[0].amount, reports[0].network_id.clone()),
        (Some(rub(12_345)), report.network_id)
    );
    assert_eq!(
        (balance(&wire, WALLET), balance(&wire, OTHER)),
        ("99876.55".to_owned(), "100123.45".to_owned())
    );
}

#[rstest]
#[tokio::test]
async fn a_repeat_with_the_same_step_moves_money_once(#[values("cas", "token")] dialect: &str) {
    let (wire, connection) = (wire(), connection(dialect));
    let order = payout(&wire, 1001, 10_000);
    let first = connection.payout(&wire.context(), &order).await.unwrap();
    let again = connection.payout(&wire.context(), &order).await.unwrap();
    assert_eq!(first.network_id, again.network_id);
    wire.advance(seconds(2));
    assert_eq!(
        (balance(&wire, WALLET), balance(&wire, OTHER)),
        ("99900".to_owned(), "100100".to_owned())
    );
}

/// The same number on another payment: there is one at the network, and nobody here knows which.
#[rstest]
#[tokio::test]
async fn a_number_that_the_network_knows_otherwise_is_uncertain(#[values("cas", "token")] dialect: &str) {
    let (wire, connection) = (wire(), connection(dialect));
    connection
        .payout(&wire.context(), &payout(&wire, 7, 10_000))
        .await
        .unwrap();
    let other = connection.payout(&wire.context(), &payout(&wire, 7, 20_000)).await;
    assert_eq!(kind(&other), "uncertain");
    assert_eq!(transactions(&wire).len(), 1);
}

#[rstest]
#[case(10_020, DeclineReason::InsufficientFunds, "QWPRC-220")]
#[case(50, DeclineReason::AmountInvalid, "QWPRC-241")]
#[case(1_600_000, DeclineReason::AmountInvalid, "QWPRC-242")]
#[tokio::test]
async fn a_refusal_is_final_with_the_networks_code(
    #[case] minor: i64,
    #[case] reason: DeclineReason,
    #[case] code: &str,
    #[values("cas", "cas wrapped", "token")] dialect: &str,
) {
    let wire = wire();
    switch(&wire, "sinap_envelope", i64::from(dialect.ends_with("wrapped")));
    let connection = connection(dialect.split(' ').next().unwrap());
    let refused = connection.payout(&wire.context(), &payout(&wire, 1, minor)).await;
    let Err(ConnectorError::Declined(decline)) = refused else {
        panic!("{}", kind(&refused));
    };
    assert_eq!((decline.reason, decline.code.as_deref()), (reason, Some(code)));
    assert_eq!(balance(&wire, WALLET), "100000");
}

#[rstest]
#[tokio::test]
async fn a_payment_to_nobody_fails_and_the_money_comes_back(#[values("cas", "token")] dialect: &str) {
    let (wire, connection) = (wire(), connection(dialect));
    let mut order = payout(&wire, 1, 10_000);
    order.target = PayoutTarget::Wallet("+79990000000".to_owned());
    connection.payout(&wire.context(), &order).await.unwrap();
    assert_eq!(balance(&wire, WALLET), "99900");
    wire.advance(seconds(2));
    let Some(State::Declined(decline)) = told(&connection, &wire, &order).await else {
        panic!("nobody got it");
    };
    assert_eq!(
        (decline.reason, decline.code.as_deref()),
        (DeclineReason::RecipientInvalid, Some("5"))
    );
    assert_eq!(balance(&wire, WALLET), "100000");
}

#[tokio::test]
async fn a_wrapped_answer_is_the_same_as_a_bare_one() {
    let (wire, connection) = (wire(), connection("cas"));
    switch(&wire, "sinap_envelope", 1);
    let report = connection
        .payout(&wire.context(), &payout(&wire, 1, 10_000))
        .await
        .unwrap();
    assert_eq!(
        (report.state, report.network_id.as_deref()),
        (State::Pending, Some("13353941550"))
    );
}

#[rstest]
#[tokio::test]
async fn a_wallet_that_wants_sms_declines(#[values("cas", "token")] dialect: &str) {
    let (wire, connection) = (wire(), connection(dialect));
    switch(&wire, "sms_confirmation", 1);
    let report = connection
        .payout(&wire.context(), &payout(&wire, 1, 10_000))
        .await
        .unwrap();
    assert!(matches!(report.state, State::Declined(decline) if decline.reason == DeclineReason::NotPermitted));
}

#[tokio::test]
async fn other_currencies_and_targets_are_refused_before_anything_is_sent() {
    let (wire, connection) = (wire(), connection("token"));
    let mut order = payout(&wire, 1, 10_000);
    order.amount = Money::from_minor(10_000, Currency::USD);
    assert_eq!(kind(&connection.payout(&wire.context(), &order).await), "invalid");
    order.amount = rub(10_000);
    order.target = PayoutTarget::Phone {
        phone: OTHER.to_owned(),
        bank: "100000000001".to_owned(),
    };
    assert_eq!(kind(&connection.payout(&wire.context(), &order).await), "invalid");
    order.target = PayoutTarget::Token(Secret::new("t"));
    assert_eq!(kind(&connection.payout(&wire.context(), &order).await), "invalid");
    assert!(wire.seen().is_empty());
}

#[rstest]
#[tokio::test]
async fn a_card_is_paid_through_its_own_provider(#[values("cas", "token")] dialect: &str) {
    let (wire, connection) = (wire(), connection(dialect));
    let mut order = payout(&wire, 1, 10_000);
    order.target = PayoutTarget::Card {
        pan: Secret::new("4111111111111112"),
        holder: None,
    };
    let refused = connection.payout(&wire.context(), &order).await;
    assert_eq!(kind(&refused), "declined", "no card has this check digit");
    order.target = PayoutTarget::Card {
        pan: Secret::new("4111111111111111"),
        holder: None,
    };
    connection.payout(&wire.context(), &order).await.unwrap();
    wire.advance(seconds(2));
    let reports = status(&connection, &wire.context(), &order).await.unwrap();
    assert_eq!(reports[0].state, State::Succeeded);
    assert_eq!(reports[0].facts.more["fee"], "52.00 RUB");
    assert_eq!(transactions(&wire)[0]["provider"], 1963);
}

#[tokio::test]
async fn another_provider_and_its_fields_are_options() {
    let (wire, connection) = (wire(), connection("token"));
    let mut order = payout(&wire, 1, 10_000);
    order.options = json!({ "provider": "466", "fields": { "account_type": "1" } })
        .as_object()
        .unwrap()
        .clone();
    assert!(connection.check_options(&order.options).is_ok());
    connection.payout(&wire.context(), &order).await.unwrap();
    assert_eq!(transactions(&wire)[0]["provider"], 466);
    for (options, key) in [
        (json!({ "provider": "../x" }), "provider"),
        (json!({ "provider": 466 }), "provider"),
        (json!({ "fields": { "account": "x" } }), "fields.account"),
        (json!({ "colour": 1 }), "colour"),
    ] {
        assert_eq!(
            connection.check_options(options.as_object().unwrap()).unwrap_err().key,
            key
        );
    }
}

#[rstest]
#[tokio::test]
async fn a_quote_tells_the_fee(#[values("cas", "cas wrapped", "token")] dialect: &str) {
    let wire = wire();
    switch(&wire, "sinap_envelope", i64::from(dialect.ends_with("wrapped")));
    let connection = connection(dialect.split(' ').next().unwrap());
    let free = PayoutTarget::Wallet(format!("+{OTHER}"));
    let quote = connection.quote(&wire.context(), &free, rub(10_001)).await.unwrap();
    assert_eq!(
        (quote.amount, quote.fee, quote.total),
        (rub(10_001), rub(0), rub(10_001))
    );
    let card = PayoutTarget::Card {
        pan: Secret::new("4111111111111111"),
        holder: None,
    };
    let quote = connection.quote(&wire.context(), &card, rub(1_000)).await.unwrap();
    assert_eq!(
        (quote.fee, quote.total),
        (rub(5_020), rub(6_020)),
        "2 % of 10 rubles and 50"
    );
}

#[tokio::test]
async fn a_tariff_and_an_operator_are_found_without_paying() {
    let wire = wire();
    for dialect in ["cas", "token"] {
        let connection = connection(dialect);
        assert_eq!(
            connection.tariff(&wire.context(), "1963", rub(1_000)).await.unwrap(),
            rub(5_020)
        );
        assert_eq!(
            connection.tariff(&wire.context(), "99", rub(1_000)).await.unwrap(),
            rub(0)
        );
        assert_eq!(
            kind(&connection.tariff(&wire.context(), "../x", rub(1)).await),
            "invalid"
        );
        assert_eq!(
            connection
                .provider_of_phone(&wire.context(), "+79651238341")
                .await
                .unwrap(),
            "2"
        );
        assert!(
            connection
                .provider_of_phone(&wire.context(), "+70000000000")
                .await
                .is_err()
        );
    }
}
