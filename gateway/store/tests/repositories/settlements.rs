use e2e::Backend::{self, Postgres, Sqlite};
use plugin_sdk::{ConnectionId, PaymentKey, Settlement, SettlementId, SettlementPeriod, SettlementRow};
use rstest::rstest;
use store::{
    Cursor, NewSettlement, Outcome, PaymentStatus, PaymentWriter, SettlementFilter, SettlementSummary, StoreError,
};

use crate::world::{World, moscow_noon, now, rubles, seconds};

fn row(txn_id: &str, account: &str, kopecks: i64) -> SettlementRow {
    SettlementRow {
        line: 1,
        key: PaymentKey::single(txn_id),
        booked_at: moscow_noon(),
        account: account.to_owned(),
        amount: rubles(kopecks),
    }
}

fn file(world: &World, name: &str, rows: Vec<SettlementRow>) -> NewSettlement {
    let period = SettlementPeriod {
        from: moscow_noon() - seconds(43_200),
        until: moscow_noon() + seconds(43_200),
    };
    let total = rubles(rows.iter().map(|row| row.amount.minor()).sum());
    NewSettlement {
        merchant_id: world.merchant.id,
        connection_id: world.connection.id,
        file_name: name.to_owned(),
        sha256: format!("sha-of-{name}"),
        settlement: Settlement { period, rows, total },
    }
}

/// Credited payments of 10.45 to account 4957835959.
async fn paid(world: &World, txn_ids: &[&str]) {
    let writer = PaymentWriter::start(&world.store);
    for txn_id in txn_ids {
        world.write(&writer, world.payment(txn_id, &[]).await).await;
    }
}

fn of(outcome: Outcome) -> SettlementFilter {
    SettlementFilter {
        outcome: Some(outcome),
        resolved: None,
    }
}

fn counted(summary: &SettlementSummary) -> Vec<(&'static str, u64)> {
    summary
        .counts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(outcome, count)| (outcome.as_str(), *count))
        .collect()
}

async fn keys(world: &World, id: SettlementId, outcome: Outcome) -> Vec<String> {
    let cursor = Cursor::new(None, None);
    let rows = world
        .store
        .settlement_rows(world.merchant.id, id, of(outcome), &cursor)
        .await
        .unwrap()
        .items;
    rows.into_iter().map(|row| row.key.key1).collect()
}

#[rstest]
#[tokio::test]
async fn every_outcome_is_told(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    paid(&world, &["same", "missing", "other sum", "other account"]).await;
    let writer = PaymentWriter::start(&world.store);
    let mut declined = world.payment("declined", &[]).await;
    declined.payment.status = PaymentStatus::Declined;
    world.write(&writer, declined).await;
    let mut other_day = world.payment("other day", &[]).await;
    other_day.payment.booking.as_mut().unwrap().at = moscow_noon() + seconds(86_400);
    world.write(&writer, other_day).await;

    let rows = vec![
        row("same", "4957835959", 1_045),
        row("other sum", "4957835959", 1_046),
        row("other account", "1", 1_045),
        row("unknown", "4957835959", 1_045),
        row("declined", "4957835959", 1_045),
    ];
    let summary = world
        .store
        .import_settlement(&file(&world, "day.csv", rows), now())
        .await
        .unwrap();
    assert!(!summary.repeated);
    assert_eq!((summary.file.payment_count, summary.file.total_minor), (5, 5_226));
    let expected = [
        ("matched", 1),
        ("ours_only", 1),
        ("theirs_only", 2),
        ("amount_mismatch", 1),
        ("account_mismatch", 1),
    ];
    assert_eq!(counted(&summary), expected);
    let id = summary.file.id;
    assert_eq!(keys(&world, id, Outcome::Matched).await, ["same"]);
    assert_eq!(keys(&world, id, Outcome::OursOnly).await, ["missing"]);
    assert_eq!(keys(&world, id, Outcome::TheirsOnly).await, ["unknown", "declined"]);
    assert_eq!(keys(&world, id, Outcome::AmountMismatch).await, ["other sum"]);
    assert_eq!(keys(&world, id, Outcome::AccountMismatch).await, ["other account"]);
    assert_eq!(
        world.store.settlement_summary(world.merchant.id, id).await.unwrap(),
        summary
    );
}

#[rstest]
#[tokio::test]
async fn the_same_file_twice_changes_nothing(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    paid(&world, &["1", "2"]).await;
    let new = file(&world, "day.csv", vec![row("1", "4957835959", 1_045)]);
    let first = world.store.import_settlement(&new, now()).await.unwrap();
    let rows = world.count("settlement_rows").await;
    let second = world.store.import_settlement(&new, now()).await.unwrap();
    assert!(second.repeated);
    assert_eq!((second.file, second.counts), (first.file.clone(), first.counts));
    assert_eq!(
        (
            world.count("settlement_files").await,
            world.count("settlement_rows").await
        ),
        (1, rows)
    );
    let listed = world
        .store
        .settlement_files(world.merchant.id, &Cursor::new(None, None))
        .await
        .unwrap()
        .items;
    assert_eq!(listed, [first.file]);
}

#[rstest]
#[tokio::test]
async fn two_files_of_one_day_complete_each_other(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    paid(&world, &["1", "2", "3"]).await;
    let morning = file(&world, "1.csv", vec![row("1", "4957835959", 1_045)]);
    let morning = world.store.import_settlement(&morning, now()).await.unwrap();
    assert_eq!(counted(&morning), [("matched", 1), ("ours_only", 2)]);
    let evening = file(&world, "2.csv", vec![row("2", "4957835959", 1_045)]);
    let evening = world.store.import_settlement(&evening, now()).await.unwrap();
    assert_eq!(counted(&evening), [("matched", 1), ("ours_only", 1)]);
    assert_eq!(keys(&world, evening.file.id, Outcome::OursOnly).await, ["3"]);
    assert_eq!(
        world
            .database
            .number("SELECT count(*) FROM settlement_rows WHERE outcome = 'ours_only'")
            .await,
        1
    );
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn imports_at_once_follow_one_another(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    paid(&world, &["1", "2", "3"]).await;
    let other = world.another_node().await;
    let morning = file(&world, "1.csv", vec![row("1", "4957835959", 1_045)]);
    let evening = file(&world, "2.csv", vec![row("2", "4957835959", 1_045)]);
    let (morning, again, evening) = tokio::join!(
        world.store.import_settlement(&morning, now()),
        other.import_settlement(&morning, now()),
        other.import_settlement(&evening, now()),
    );
    assert_ne!(morning.unwrap().repeated, again.unwrap().repeated);
    evening.unwrap();
    let lonely = world
        .database
        .texts("SELECT key1 FROM settlement_rows WHERE outcome = 'ours_only'")
        .await;
    assert_eq!(lonely, ["3"]);
}

/// More rows than one statement takes.
#[rstest]
#[tokio::test]
async fn a_long_file_is_compared_whole(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    paid(&world, &["1500"]).await;
    let rows = (0..2_500).map(|n| row(&n.to_string(), "4957835959", 1_045)).collect();
    let summary = world
        .store
        .import_settlement(&file(&world, "long.csv", rows), now())
        .await
        .unwrap();
    assert_eq!(counted(&summary), [("matched", 1), ("theirs_only", 2_499)]);
    let cursor = Cursor::new(None, Some(200));
    let first = world
        .store
        .settlement_rows(world.merchant.id, summary.file.id, SettlementFilter::default(), &cursor)
        .await
        .unwrap();
    let cursor = Cursor::new(first.next, Some(1));
    let second = world
        .store
        .settlement_rows(world.merchant.id, summary.file.id, SettlementFilter::default(), &cursor)
        .await
        .unwrap();
    assert_eq!(
        (first.items[0].key.key1.as_str(), second.items[0].key.key1.as_str()),
        ("0", "200")
    );
}

#[rstest]
#[tokio::test]
async fn an_unknown_connection_is_refused_and_nothing_stored(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let mut new = file(&world, "day.csv", vec![row("1", "4957835959", 1_045)]);
    new.connection_id = ConnectionId::generate();
    let refused = world.store.import_settlement(&new, now()).await;
    assert!(matches!(refused, Err(StoreError::NotFound(_))), "{refused:?}");
    assert_eq!(world.count("settlement_files").await, 0);
}
