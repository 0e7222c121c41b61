//! History, statistics, balances, receipts.

use plugin_sdk::connector::{Direction, EntryState, HistoryQuery, OutboundConnection};
use rstest::rstest;

use crate::*;

async fn pay(wire: &Wire, connection: &WalletConnection, count: u64) {
    for number in 1..=count {
        let order = payout(wire, number, 10_000 + i64::try_from(number).unwrap() * 100);
        connection.payout(&wire.context(), &order).await.unwrap();
        wire.advance(seconds(10));
    }
}

fn query(limit: u16) -> HistoryQuery {
    HistoryQuery {
        limit,
        ..HistoryQuery::default()
    }
}

#[rstest]
#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repeat(#[values("cas", "token")] dialect: &str) {
    let (wire, connection) = (wire(), connection(dialect));
    pay(&wire, &connection, 7).await;
    let mut numbers = Vec::new();
    let mut asked = query(3);
    loop {
        let page = connection.history(&wire.context(), &asked).await.unwrap();
        assert!(page.entries.len() <= 3);
        numbers.extend(page.entries.iter().map(|entry| entry.number.unwrap()));
        match page.next {
            Some(next) => asked.cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(numbers, [7, 6, 5, 4, 3, 2, 1]);
}

#[rstest]
#[tokio::test]
async fn an_entry_tells_both_sides_exactly(#[values("cas", "token")] dialect: &str) {
    let (wire, connection) = (wire(), connection(dialect));
    connection
        .payout(&wire.context(), &payout(&wire, 42, 829))
        .await
        .unwrap();
    wire.advance(seconds(5));
    control(&wire, "topups", &json!({ "wallet": WALLET, "amount": "1.73" }));
    let page = connection.history(&wire.context(), &query(50)).await.unwrap();
    let [incoming, outgoing] = page.entries.as_slice() else {
        panic!("{:?}", page.entries);
    };
    assert_eq!(
        (outgoing.number, outgoing.direction, outgoing.state),
        (Some(42), Direction::Out, EntryState::Succeeded)
    );
    assert_eq!(
        (outgoing.amount, outgoing.fee, outgoing.total),
        (rub(829), rub(0), rub(829))
    );
    assert_eq!(outgoing.comment.as_deref(), Some("for the work"));
    assert_eq!(
        (incoming.number, incoming.direction, incoming.amount),
        (None, Direction::In, rub(173))
    );
    for (direction, count) in [(Direction::In, 1), (Direction::Out, 1), (Direction::Card, 0)] {
        let mut asked = query(50);
        asked.direction = Some(direction);
        assert_eq!(
            connection.history(&wire.context(), &asked).await.unwrap().entries.len(),
            count
        );
    }
    let mut asked = query(50);
    asked.accounts = vec!["CARD".to_owned(), "MK".to_owned()];
    assert!(
        connection
            .history(&wire.context(), &asked)
            .await
            .unwrap()
            .entries
            .is_empty()
    );
}

#[rstest]
#[tokio::test]
async fn a_window_holds_over_its_pages(#[values("cas", "token")] dialect: &str) {
    let (wire, connection) = (wire(), connection(dialect));
    pay(&wire, &connection, 3).await;
    wire.advance(chrono::Duration::days(2));
    let from = wire.now();
    pay(&wire, &connection, 0).await;
    assert!(
        connection
            .history(&wire.context(), &query(10))
            .await
            .unwrap()
            .entries
            .is_empty(),
        "24 hours by default"
    );
    let mut asked = query(2);
    asked.from = Some(from - chrono::Duration::days(3));
    let page = connection.history(&wire.context(), &asked).await.unwrap();
    asked.cursor = page.next;
    assert_eq!((page.entries.len(), asked.cursor.is_some()), (2, true));
    let page = connection.history(&wire.context(), &asked).await.unwrap();
    assert_eq!((page.entries.len(), page.next), (1, None));
}

#[tokio::test]
async fn what_the_network_would_not_take_is_refused_here() {
    let (wire, connection) = (wire(), connection("token"));
    let now = wire.now();
    let long = (Some(now - chrono::Duration::days(91)), Some(now));
    let backwards = (Some(now), Some(now - seconds(1)));
    for (limit, (from, until), cursor) in [
        (0, (None, None), None),
        (51, (None, None), None),
        (10, long, None),
        (10, backwards, None),
        (10, (None, None), Some("1&x=y@2017-01-31T15:24:10+03:00")),
        (10, (None, None), Some("1@yesterday")),
    ] {
        let asked = HistoryQuery {
            limit,
            from,
            until,
            cursor: cursor.map(str::to_owned),
            ..HistoryQuery::default()
        };
        assert_eq!(kind(&connection.history(&wire.context(), &asked).await), "invalid");
    }
    let statistics = connection
        .statistics(&wire.context(), now - chrono::Duration::days(91), now)
        .await;
    assert_eq!(kind(&statistics), "invalid");
    assert_eq!(kind(&connection.receipt(&wire.context(), "../../x").await), "invalid");
    assert!(wire.seen().is_empty());
    let mut asked = query(10);
    asked.accounts = vec!["PURSE".to_owned()];
    assert_eq!(
        kind(&connection.history(&wire.context(), &asked).await),
        "invalid",
        "the network says so"
    );
}

#[rstest]
#[tokio::test]
async fn statistics_count_what_succeeded(#[values("cas", "token")] dialect: &str) {
    let (wire, connection) = (wire(), connection(dialect));
    let span = |wire: &Wire| (wire.now() - chrono::Duration::days(30), wire.now());
    let (from, until) = span(&wire);
    let none = connection.statistics(&wire.context(), from, until).await.unwrap();
    assert!(none.incoming.is_empty() && none.outgoing.is_empty());
    connection
        .payout(&wire.context(), &payout(&wire, 1, 349_740))
        .await
        .unwrap();
    connection
        .payout(&wire.context(), &payout(&wire, 2, 10_005))
        .await
        .unwrap();
    connection
        .payout(&wire.context(), &payout(&wire, 3, 10_099))
        .await
        .unwrap();
    control(&wire, "topups", &json!({ "wallet": WALLET, "amount": "3500" }));
    wire.advance(seconds(5));
    let (from, until) = span(&wire);
    let sums = connection.statistics(&wire.context(), from, until).await.unwrap();
    assert_eq!((sums.incoming, sums.outgoing), (vec![rub(350_000)], vec![rub(349_740)]));
}

#[rstest]
#[tokio::test]
async fn balances_are_exact(#[values("cas", "token", "token slow")] dialect: &str) {
    let wire = wire();
    switch(&wire, "slow_balance", i64::from(dialect.ends_with("slow")));
    let connection = connection(dialect.split(' ').next().unwrap());
    connection
        .payout(&wire.context(), &payout(&wire, 1, 101))
        .await
        .unwrap();
    let balances = connection.balances(&wire.context()).await.unwrap();
    assert_eq!(balances.len(), 1);
    assert_eq!(balances[0].amount, rub(9_999_899));
}

#[tokio::test]
async fn a_receipt_is_there_once_the_payment_succeeded() {
    let (wire, connection) = (wire(), connection("token"));
    let paid = connection
        .payout(&wire.context(), &payout(&wire, 1, 10_000))
        .await
        .unwrap();
    let id = paid.network_id.unwrap();
    let Err(ConnectorError::Invalid(fault)) = connection.receipt(&wire.context(), &id).await else {
        panic!("it is not paid yet");
    };
    assert_eq!(fault.code.as_deref(), Some("cheque.not.available"));
    wire.advance(seconds(2));
    let receipt = connection.receipt(&wire.context(), &id).await.unwrap();
    assert!(receipt.bytes.starts_with(b"%PDF") && receipt.content_type == "application/pdf");
    connection
        .mail_receipt(&wire.context(), &id, "my@example.com")
        .await
        .unwrap();
    let entry = connection.transaction(&wire.context(), &id).await.unwrap();
    assert_eq!((entry.number, entry.state), (Some(1), EntryState::Succeeded));
    assert_eq!(kind(&connection.transaction(&wire.context(), "1").await), "invalid");
}

#[tokio::test]
async fn what_only_tokens_have_is_not_promised_with_tickets() {
    let (wire, connection) = (wire(), connection("cas"));
    assert!(connection.cards().is_none());
    assert!(
        !connection
            .capabilities()
            .contains(&plugin_sdk::connector::Capability::VirtualCards)
    );
    assert_eq!(kind(&connection.receipt(&wire.context(), "1").await), "invalid");
    assert_eq!(kind(&connection.hook(&wire.context()).await), "invalid");
    assert!(wire.seen().is_empty());
}

#[rstest]
#[case("history", "payments")]
#[case("balance", "history")]
#[tokio::test]
async fn a_token_without_the_permission_is_refused_and_says_so(#[case] missing: &str, #[case] has: &str) {
    let wire = wire();
    let minted = control(&wire, "tokens", &json!({ "wallet": WALLET, "permissions": has }));
    let mut config = config("token");
    config["token"] = minted["token"].clone();
    let connection = WalletConnection::new(&config).unwrap();
    let fault = match missing {
        "history" => connection.history(&wire.context(), &query(10)).await.err(),
        _ => connection.balances(&wire.context()).await.err(),
    };
    let Some(ConnectorError::Invalid(fault)) = fault else {
        panic!("it was allowed");
    };
    assert_eq!(fault.code.as_deref(), Some("auth.forbidden"));
}
