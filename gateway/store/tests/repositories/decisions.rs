use std::sync::Arc;

use e2e::Backend::{self, Postgres, Sqlite};
use plugin_sdk::{DecisionId, MerchantId};
use rstest::rstest;
use store::{Cursor, DecisionFilter, DecisionShare, LogWriter, NewDecision, PaymentWriter, Record, StoreError};

use crate::world::{World, merchant, now, seconds};

#[derive(Debug)]
struct Text(String);

impl Record for Text {
    fn write(&self) -> String {
        self.0.clone()
    }
}

fn decision(world: &World, merchant: MerchantId, account: &str, age: i64) -> NewDecision {
    NewDecision {
        id: DecisionId::generate(),
        merchant_id: merchant,
        connection_id: world.connection.id,
        payment_id: None,
        revision: 3,
        handler: "check",
        command: "check",
        account: account.to_owned(),
        outcome: "reject",
        reason: Some("forbidden"),
        steps: 20,
        duration_us: 7,
        record: Arc::new(Text(format!(
            "{{\"seed\": {}, \"of\": \"{account} \\\"😀\\\"\"}}",
            u64::MAX
        ))),
        created_at: now() - seconds(age),
    }
}

#[rstest]
#[tokio::test]
async fn a_decision_is_read_back_to_the_byte_and_only_by_its_merchant(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let (store, id) = (&world.store, world.merchant.id);
    let log = LogWriter::start(store);
    let (first, second) = (decision(&world, id, "1", 0), decision(&world, id, "2", 0));
    for decision in [&first, &second] {
        log.decision(decision.clone()).unwrap();
    }
    log.flush().await;
    let stored = store.decision(id, first.id).await.unwrap();
    assert_eq!(stored.record, first.record.write());
    assert_eq!(
        (stored.steps, stored.reason.as_deref(), stored.created_at),
        (20, Some("forbidden"), first.created_at)
    );
    let page = store
        .decisions(id, &DecisionFilter::default(), &Cursor::new(None, Some(1)))
        .await
        .unwrap();
    let newest = first.id.max(second.id);
    assert_eq!((page.items[0].id, page.next), (newest, Some(newest.to_string())));
    let of = |account: &str| DecisionFilter {
        account: Some(account.to_owned()),
        ..DecisionFilter::default()
    };
    assert_eq!(
        store
            .decisions(id, &of("1"), &Cursor::new(None, None))
            .await
            .unwrap()
            .items
            .len(),
        1
    );
    let stranger = merchant(store, "stranger").await.id;
    assert!(matches!(
        store.decision(stranger, first.id).await,
        Err(StoreError::NotFound(_))
    ));
    assert!(
        store
            .decisions(stranger, &of("1"), &Cursor::new(None, None))
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

#[rstest]
#[tokio::test]
async fn the_decision_of_a_payment_is_stored_with_it_or_not_at_all(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let (store, id) = (&world.store, world.merchant.id);
    let writer = PaymentWriter::start(store);
    let mut write = world.payment("1", &[]).await;
    write.decisions = vec![decision(&world, id, "1", 0), decision(&world, id, "1", 0)];
    let payment = write.payment.id;
    world.write(&writer, write).await;
    let mut repeat = world.payment("1", &[]).await;
    repeat.decisions = vec![decision(&world, id, "1", 0)];
    writer.write(repeat).await.unwrap();
    let filter = DecisionFilter {
        payment_id: Some(payment),
        ..DecisionFilter::default()
    };
    assert_eq!(
        store
            .decisions(id, &filter, &Cursor::new(None, None))
            .await
            .unwrap()
            .items
            .len(),
        2
    );
    assert_eq!(world.count("decisions").await, 2);
}

#[rstest]
#[tokio::test]
async fn old_decisions_go_and_so_do_those_beyond_a_merchants_share(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let store = &world.store;
    let other = merchant(store, "other").await.id;
    let log = LogWriter::start(store);
    // Ids of one millisecond have no order of their own.
    let mut ids = [(); 6].map(|()| DecisionId::generate());
    ids.sort_unstable();
    let ages = [
        (300, "acme 300"),
        (200, "acme 200"),
        (100, "acme 100"),
        (50, "acme 50"),
        (0, "acme 0"),
        (0, "other"),
    ];
    for (id, (age, account)) in ids.into_iter().zip(ages) {
        let merchant = if account == "other" { other } else { world.merchant.id };
        let stored = NewDecision {
            id,
            ..decision(&world, merchant, account, age)
        };
        log.decision(stored).unwrap();
    }
    log.flush().await;
    let left = async || world.database.texts("SELECT account FROM decisions ORDER BY id").await;
    let until = now() - seconds(150);
    assert_eq!(store.delete_decisions_before(until, 100).await.unwrap(), 2);
    assert_eq!(left().await, ["acme 100", "acme 50", "acme 0", "other"]);
    let mut share = DecisionShare::new(store.clone(), 2, 1);
    assert_eq!(share.sweep(now()).await.unwrap(), 1);
    assert_eq!(left().await, ["acme 50", "acme 0", "other"]);
}

#[rstest]
#[tokio::test]
async fn a_merchants_share_is_counted_as_decisions_come(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let store = &world.store;
    let other = merchant(store, "other").await.id;
    let log = LogWriter::start(store);
    let at = |minute: i64| now() + chrono::TimeDelta::minutes(minute);
    let mut share = DecisionShare::new(store.clone(), 20, 2);
    let decided = async |minute, merchant, times: usize| {
        for _ in 0..times {
            let stored = NewDecision {
                id: DecisionId::generate_at(at(minute)),
                ..decision(&world, merchant, "a", 0)
            };
            log.decision(stored).unwrap();
        }
        log.flush().await;
    };
    let left = async || world.database.texts("SELECT id FROM decisions").await.len();
    assert_eq!(share.sweep(at(0)).await.unwrap(), 0);
    // A twentieth more than the share may stay.
    decided(1, world.merchant.id, 21).await;
    decided(1, other, 3).await;
    assert_eq!(share.sweep(at(5)).await.unwrap(), 0);
    decided(6, world.merchant.id, 5).await;
    // A node with a clock that is ahead keeps nobody else's from being counted.
    decided(60, other, 1).await;
    assert_eq!(share.sweep(at(10)).await.unwrap(), 6);
    assert_eq!(left().await, 24);
    decided(11, world.merchant.id, 1).await;
    assert_eq!(share.sweep(at(15)).await.unwrap(), 0);
    decided(16, world.merchant.id, 1).await;
    // It is not settled yet.
    assert_eq!(share.sweep(at(17)).await.unwrap(), 0);
    assert_eq!(share.sweep(at(20)).await.unwrap(), 2);
    assert_eq!(left().await, 24);
    // Another node, or this one after a start, counts what is there.
    decided(21, other, 30).await;
    let mut fresh = DecisionShare::new(store.clone(), 20, 100);
    assert_eq!(fresh.sweep(at(25)).await.unwrap(), 14);
    assert_eq!(fresh.sweep(at(30)).await.unwrap(), 0);
}
