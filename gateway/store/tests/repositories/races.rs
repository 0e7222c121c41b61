//! What must hold when many do it at once, over several nodes.

use std::collections::HashSet;

use e2e::Backend::{self, Postgres, Sqlite};
use futures_util::future::join_all;
use plugin_sdk::PaymentId;
use rstest::rstest;
use sea_orm::ConnectionTrait;
use store::{PaymentWriter, StoreError, WriteOutcome};

use crate::world::World;

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_identical_writes_over_two_nodes_are_one_payment(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let endpoint = world.endpoint(4).await;
    let other = world.another_node().await;
    let writers = [PaymentWriter::start(&world.store), PaymentWriter::start(&other)];
    let mut writes = Vec::new();
    for _ in 0..64 {
        writes.push(world.payment("1", &[&endpoint]).await);
    }
    let racing = writes.into_iter().enumerate().map(|(n, write)| {
        let writer = writers[n % 2].clone();
        tokio::spawn(async move { (write.payment.id, writer.write(write).await.unwrap()) })
    });
    let outcomes: Vec<_> = join_all(racing).await.into_iter().map(Result::unwrap).collect();

    let stored: Vec<PaymentId> = outcomes
        .iter()
        .filter(|(_, outcome)| *outcome == WriteOutcome::Stored)
        .map(|(id, _)| *id)
        .collect();
    assert_eq!(stored.len(), 1);
    let existing = outcomes.iter().filter_map(|(_, outcome)| match outcome {
        WriteOutcome::Existing(payment) => Some(payment.id),
        WriteOutcome::Stored => None,
    });
    assert_eq!(existing.collect::<Vec<_>>(), vec![stored[0]; 63]);
    for table in ["payments", "operations", "events", "deliveries", "exchanges"] {
        assert_eq!(world.count(table).await, 1, "{table}");
    }
}

/// The same keys in opposite orders, so that two groups want the same rows: neither may wait for the other for ever.
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn groups_of_the_same_keys_do_not_block_each_other(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let other = world.another_node().await;
    let writers = [PaymentWriter::start(&world.store), PaymentWriter::start(&other)];
    let mut racing = Vec::new();
    for n in 0..200_u32 {
        for (node, key) in [n, 199 - n].into_iter().enumerate() {
            let (write, writer) = (world.payment(&key.to_string(), &[]).await, writers[node].clone());
            racing.push(tokio::spawn(async move { writer.write(write).await }));
        }
    }
    let outcomes: Vec<_> = join_all(racing)
        .await
        .into_iter()
        .map(|done| done.unwrap().unwrap())
        .collect();
    let stored = outcomes
        .iter()
        .filter(|outcome| **outcome == WriteOutcome::Stored)
        .count();
    assert_eq!((stored, world.count("payments").await), (200, 200));
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_poisoned_row_fails_alone(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let writer = PaymentWriter::start(&world.store);
    let mut writes = Vec::new();
    for n in 0..20 {
        writes.push(world.payment(&n.to_string(), &[]).await);
    }
    // The event's id is taken, so the database refuses the whole transaction that holds it.
    let taken = world.payment("taken", &[]).await;
    writes[7].event.id = taken.event.id;
    world.write(&writer, taken).await;

    let racing: Vec<_> = writes
        .into_iter()
        .map(|write| {
            let writer = writer.clone();
            tokio::spawn(async move { writer.write(write).await })
        })
        .collect();
    let outcomes: Vec<_> = join_all(racing).await.into_iter().map(Result::unwrap).collect();
    for (n, outcome) in outcomes.iter().enumerate() {
        match outcome {
            Ok(WriteOutcome::Stored) => assert_ne!(n, 7),
            refused => assert!(
                n == 7 && matches!(refused, Err(StoreError::Refused(_) | StoreError::Unavailable(_))),
                "{n}: {refused:?}"
            ),
        }
    }
    for table in ["payments", "operations", "events", "exchanges"] {
        assert_eq!(world.count(table).await, 20, "{table}");
    }
}

/// A number that is used already is as poisonous, though no statement fails.
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_row_with_a_used_number_fails_alone(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let writer = PaymentWriter::start(&world.store);
    let first = world.payment("first", &[]).await;
    world.write(&writer, first.clone()).await;
    let mut twin = world.payment("twin", &[]).await;
    twin.payment.number = first.payment.number;
    let neighbour = world.payment("neighbour", &[]).await;
    let (twin, neighbour) = tokio::join!(writer.write(twin), writer.write(neighbour));
    assert!(matches!(twin, Err(StoreError::Corrupt(_))), "{twin:?}");
    assert_eq!(neighbour.unwrap(), WriteOutcome::Stored);
    assert_eq!(world.count("payments").await, 2);
}

/// PostgreSQL's texts have no NUL and its index entries have an end; a network may send either.
#[rstest]
#[tokio::test]
async fn texts_that_postgresql_cannot_hold_hurt_nobody_else(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let writer = PaymentWriter::start(&world.store);
    let mut with_nul = world.payment("nul", &[]).await;
    with_nul.payment.account = "a\0b".to_owned();
    let endless: String = (0..20_000).map(|_| rand_letter()).collect();
    let endless = world.payment(&endless, &[]).await;
    let neighbour = world.payment("neighbour", &[]).await;
    let id = with_nul.payment.id;
    let (with_nul, endless, neighbour) =
        tokio::join!(writer.write(with_nul), writer.write(endless), writer.write(neighbour));
    assert_eq!(
        (with_nul.unwrap(), neighbour.unwrap()),
        (WriteOutcome::Stored, WriteOutcome::Stored)
    );
    assert_eq!(world.store.payment(world.merchant.id, id).await.unwrap().account, "ab");
    match backend {
        Sqlite => assert_eq!(endless.unwrap(), WriteOutcome::Stored),
        Postgres => assert!(matches!(endless, Err(StoreError::Refused(_))), "{endless:?}"),
    }
}

/// Hard to compress, so that it stays long in an index.
fn rand_letter() -> char {
    char::from(u8::try_from(rand::random_range(33..127_u32)).unwrap())
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn numbers_are_unique_over_two_nodes(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let nodes = [world.store.clone(), world.another_node().await];
    let takers = (0..16).map(|n| {
        let node = nodes[n % 2].clone();
        tokio::spawn(async move {
            let mut taken = Vec::new();
            // More than a block in all, so that both nodes go back for another.
            for _ in 0..300 {
                taken.push(node.numbers().next().await.unwrap());
            }
            taken
        })
    });
    let numbers: Vec<i64> = join_all(takers).await.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(numbers.iter().collect::<HashSet<_>>().len(), 16 * 300);
    assert!(numbers.iter().all(|number| *number > 1_000));
}

#[rstest]
#[tokio::test]
async fn a_number_is_never_used_again_after_a_restart(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let before = world.store.numbers().next().await.unwrap();
    world.store.clone().close().await.unwrap();
    let after = world.another_node().await.numbers().next().await.unwrap();
    assert!(after > before);
}

/// While the database takes nothing, the queue fills. What does not fit is refused at once and leaves no trace; what
/// was taken in is stored when the database is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_the_queue_is_refused_at_once() {
    let world = World::new(Sqlite).await;
    let writer = PaymentWriter::start(&world.store);
    let mut writes = Vec::new();
    for n in 0..5_000 {
        writes.push(world.payment(&n.to_string(), &[]).await);
    }
    let intruder = world.database.connect().await;
    intruder.execute_unprepared("BEGIN EXCLUSIVE").await.unwrap();
    let trying: Vec<_> = writes
        .into_iter()
        .map(|write| {
            let writer = writer.clone();
            tokio::spawn(async move { writer.write(write).await })
        })
        .collect();
    e2e::soon("a full queue", async || {
        (trying.iter().any(tokio::task::JoinHandle::is_finished) && writer.waiting() > 4_000).then_some(())
    })
    .await;
    intruder.execute_unprepared("ROLLBACK").await.unwrap();
    let outcomes: Vec<_> = join_all(trying).await.into_iter().map(Result::unwrap).collect();
    let busy = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Err(StoreError::Busy)))
        .count();
    let stored = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Ok(WriteOutcome::Stored)))
        .count();
    assert!(busy > 0);
    assert_eq!(busy + stored, outcomes.len(), "{outcomes:?}");
    assert_eq!(world.count("payments").await, i64::try_from(stored).unwrap());
}
