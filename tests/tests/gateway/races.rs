//! The same payment, many times at once.

use std::collections::HashSet;

use e2e::Backend::{self, Postgres, Sqlite};
use e2e::{Answer, Kiosk};
use futures_util::future::join_all;
use rstest::rstest;

use crate::stage::Stage;

async fn at_once(calls: impl Iterator<Item = (Kiosk, String, String)>) -> Vec<Answer> {
    let calls =
        calls.map(|(kiosk, txn_id, sum)| tokio::spawn(async move { kiosk.pay(&txn_id, "4957835959", &sum).await }));
    join_all(calls).await.into_iter().map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_pays_over_two_nodes_are_one_payment() {
    let stage = Stage::new(Postgres).await;
    let other = stage.another_node().await;
    let kiosks = [stage.kiosk(), other.kiosk("acme", "terminal")];
    for round in 1..=10 {
        let txn_id = round.to_string();
        let calls = (0..64).map(|n| (kiosks[n % 2].clone(), txn_id.clone(), "10.45".to_owned()));
        let answers = at_once(calls).await;
        let numbers: HashSet<u64> = answers.iter().map(Answer::prv_txn).collect();
        let bodies: HashSet<&str> = answers.iter().map(|answer| answer.body.as_str()).collect();
        assert_eq!((numbers.len(), bodies.len()), (1, 1), "{numbers:?}");
        assert!(answers.iter().all(|answer| answer.result() == 0));
        assert_eq!(stage.count("payments").await, round);
    }
    assert_eq!((stage.count("events").await, stage.count("operations").await), (10, 10));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn of_contradicting_pays_one_wins(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let other = match backend {
        Sqlite => None,
        Postgres => Some(stage.another_node().await),
    };
    let second = other
        .as_ref()
        .map_or_else(|| stage.kiosk(), |node| node.kiosk("acme", "terminal"));
    let kiosks = [stage.kiosk(), second];
    for round in 1..=10_i64 {
        let calls = (0..32).map(|n| (kiosks[n % 2].clone(), round.to_string(), format!("{}.00", n % 4 + 1)));
        let answers = at_once(calls).await;
        let winners: Vec<&Answer> = answers.iter().filter(|answer| answer.result() == 0).collect();
        assert_eq!(winners.len(), 8, "eight said the sum that won");
        assert!(winners.iter().all(|answer| answer.body == winners[0].body));
        assert!(answers.iter().all(|answer| [0, 300].contains(&answer.result())));
        let newest = stage.list("payments?limit=1").await.remove(0);
        assert_eq!(newest["amount"]["amount"].as_str(), winners[0].sum());
        assert_eq!(stage.count("payments").await, round);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn different_pays_at_once_have_different_numbers(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let kiosk = stage.kiosk();
    let answers = at_once((0..200).map(|n| (kiosk.clone(), n.to_string(), "1.00".to_owned()))).await;
    let numbers: HashSet<u64> = answers.iter().map(Answer::prv_txn).collect();
    assert_eq!(numbers.len(), 200);
}
