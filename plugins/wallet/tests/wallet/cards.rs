//! QIWI Master.

use plugin_sdk::connector::{CardOrder, OutboundConnection, VirtualCard};
use plugin_sdk::testing::Fault;

use crate::*;

fn step(wire: &Wire, number: u64) -> Step {
    Step {
        operation: OperationId::generate(),
        number,
        at: wire.now(),
    }
}

fn order(wire: &Wire, number: u64) -> CardOrder {
    CardOrder {
        step: step(wire, number),
        product: "qvc-cpa".to_owned(),
        alias: Some("Ads".to_owned()),
    }
}

async fn with_package() -> (Wire, WalletConnection) {
    let (wire, connection) = (wire(), connection("token"));
    connection.buy_master(&wire.context(), &step(&wire, 1)).await.unwrap();
    wire.advance(seconds(2));
    (wire, connection)
}

async fn issue(wire: &Wire, connection: &WalletConnection, number: u64) -> Result<VirtualCard, ConnectorError> {
    let order = order(wire, number);
    connection.cards().unwrap().issue(&wire.context(), &order).await
}

#[tokio::test]
async fn the_package_is_bought_once_for_a_step() {
    let (wire, connection) = with_package().await;
    assert_eq!(balance(&wire, WALLET), "97001");
    let same = step(&wire, 1);
    connection.buy_master(&wire.context(), &same).await.unwrap();
    assert_eq!(balance(&wire, WALLET), "97001");
    assert_eq!(truth(&wire)["wallets"][0]["master"], true);
}

#[tokio::test]
async fn without_the_package_no_card_is_ordered() {
    let (wire, connection) = (wire(), connection("token"));
    assert_eq!(kind(&issue(&wire, &connection, 2).await), "invalid");
}

#[tokio::test]
async fn five_cards_are_free_and_the_sixth_is_paid() {
    let (wire, connection) = with_package().await;
    for number in 2..=6 {
        let card = issue(&wire, &connection, number).await.unwrap();
        assert_eq!((card.alias.as_deref(), card.is_active), (Some("Ads"), true));
    }
    assert_eq!(balance(&wire, WALLET), "97001");
    let sixth = order(&wire, 7);
    let issuer = connection.cards().unwrap();
    let waits = issuer.issue(&wire.context(), &sixth).await;
    assert_eq!(kind(&waits), "uncertain", "it is paid and on its way");
    wire.advance(seconds(2));
    let card = issuer.issue(&wire.context(), &sixth).await.unwrap();
    let again = issuer.issue(&wire.context(), &sixth).await.unwrap();
    assert_eq!(card.id, again.id);
    assert_eq!(
        balance(&wire, WALLET),
        "96902",
        "one price, however often it was asked for"
    );
    let listed = issuer.cards(&wire.context()).await.unwrap();
    assert_eq!(listed.len(), 6);
    let mut ids: Vec<_> = listed.iter().map(|card| &card.id).collect();
    ids.dedup();
    assert_eq!(ids.len(), 6);
}

#[tokio::test]
async fn an_interrupted_order_goes_on_where_it_stopped() {
    let (wire, connection) = with_package().await;
    let order = order(&wire, 2);
    let issuer = connection.cards().unwrap();
    wire.pass();
    wire.pass();
    wire.fault(Fault::LostAnswer);
    assert_eq!(kind(&issuer.issue(&wire.context(), &order).await), "uncertain");
    let card = issuer.issue(&wire.context(), &order).await.unwrap();
    assert!(card.is_active);
    assert_eq!(issuer.cards(&wire.context()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_card_is_shown_blocked_unblocked_and_renamed() {
    let (wire, connection) = with_package().await;
    let card = issue(&wire, &connection, 2).await.unwrap();
    let issuer = connection.cards().unwrap();
    let context = wire.context();
    let look = step(&wire, 3);
    let requisites = issuer.requisites(&context, &card.id, &look).await.unwrap();
    let (pan, last_four) = (requisites.pan.expose(), card.masked_pan.clone().unwrap());
    assert_eq!((pan.len(), &pan[12..]), (16, last_four.trim_start_matches('*')));
    assert_eq!(
        (
            requisites.cvv.expose().len(),
            requisites.expiry_year,
            requisites.expiry_month
        ),
        (3, 2028, 3)
    );
    assert_eq!(
        connection.cards_with_requisites(&context, &look).await.unwrap().len(),
        1
    );

    issuer.block(&context, &card.id).await.unwrap();
    assert_eq!(kind(&issuer.requisites(&context, &card.id, &look).await), "declined");
    assert!(
        connection
            .cards_with_requisites(&context, &look)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(!issuer.cards(&context).await.unwrap()[0].is_active);
    issuer.unblock(&context, &card.id).await.unwrap();
    issuer.rename(&context, &card.id, "Travel").await.unwrap();
    let listed = &issuer.cards(&context).await.unwrap()[0];
    assert_eq!((listed.alias.as_deref(), listed.is_active), (Some("Travel"), true));

    issuer.block(&context, &card.id).await.unwrap();
    wire.advance(chrono::Duration::days(90));
    assert_eq!(
        kind(&issuer.unblock(&context, &card.id).await),
        "declined",
        "90 days are over"
    );
    let until = wire.now();
    let statement = connection
        .card_statement(&context, &card.id, until - chrono::Duration::days(30), until)
        .await;
    assert!(statement.unwrap().bytes.starts_with(b"%PDF"));
    for id in ["1", "../x", ""] {
        assert_eq!(kind(&issuer.block(&context, id).await), "invalid", "{id}");
    }
}
