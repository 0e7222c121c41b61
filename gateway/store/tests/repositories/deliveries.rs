use std::collections::HashSet;

use chrono::{DateTime, Utc};
use e2e::Backend::{self, Postgres, Sqlite};
use futures_util::future::join_all;
use rstest::rstest;
use store::{
    AttemptRecord, Claim, ClaimedDelivery, Cursor, Delivery, DeliveryFilter, DeliveryStatus, Endpoint, EndpointChange,
    EndpointStatus, LogWriter, NextStep, PaymentWriter, Store, StoreError,
};

use crate::world::{World, event, now, seconds};

/// So many payments, each with an event for the endpoint.
async fn events_for(world: &World, endpoint: &Endpoint, count: usize) {
    let writer = PaymentWriter::start(&world.store);
    for n in 0..count {
        world
            .write(&writer, world.payment(&n.to_string(), &[endpoint]).await)
            .await;
    }
}

async fn claim(store: &Store, endpoint: &Endpoint, at: DateTime<Utc>) -> Vec<ClaimedDelivery> {
    claim_ahead(store, endpoint, at, "node", 0).await
}

async fn claim_ahead(
    store: &Store,
    endpoint: &Endpoint,
    at: DateTime<Utc>,
    node: &str,
    ahead: u32,
) -> Vec<ClaimedDelivery> {
    let claim = Claim {
        node,
        now: at,
        lease_until: at + seconds(30),
        ahead,
    };
    store.claim_deliveries(endpoint, &claim).await.unwrap()
}

fn attempt(claimed: &Delivery, next: NextStep) -> AttemptRecord {
    AttemptRecord {
        delivery: claimed.id,
        merchant: claimed.merchant_id,
        number: claimed.attempts + 1,
        status: Some(if next == NextStep::Delivered { 200 } else { 500 }),
        error: None,
        answer: "thanks".to_owned(),
        duration_ms: 12,
        at: now(),
        next,
    }
}

async fn all(world: &World) -> Vec<Delivery> {
    world
        .store
        .deliveries(
            world.merchant.id,
            &DeliveryFilter::default(),
            &Cursor::new(None, Some(200)),
        )
        .await
        .unwrap()
        .items
}

#[rstest]
#[tokio::test]
async fn a_claim_takes_no_more_than_may_be_on_the_way(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let endpoint = world.endpoint(3).await;
    events_for(&world, &endpoint, 5).await;
    let other = world.another_node().await;
    let first = claim(&world.store, &endpoint, now()).await;
    assert_eq!(first.len(), 3);
    assert_eq!(claim(&other, &endpoint, now()).await, []);
    world
        .store
        .record_attempts(&[attempt(&first[0].delivery, NextStep::Delivered)])
        .await
        .unwrap();
    let next = claim(&other, &endpoint, now()).await;
    assert_eq!(next.len(), 1);
    assert!(first.iter().all(|claimed| claimed.delivery.id != next[0].delivery.id));
    assert_eq!(first[0].event.payload["amount"]["amount"], "10.45");
}

/// On tables that were never analysed, as they are minutes after the first payments of an installation.
#[rstest]
#[tokio::test]
async fn a_long_queue_is_taken_from_its_head(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let endpoint = world.endpoint(3).await;
    events_for(&world, &endpoint, 1).await;
    let numbers = match backend {
        Sqlite => "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 30000)",
        Postgres => "WITH n(n) AS (SELECT generate_series(1, 30000))",
    };
    // Comparing each with each would take far longer than a statement may.
    let digits = match backend {
        Sqlite => "substr('00000000000000000000000000' || n, -26)",
        Postgres => "lpad(n::text, 26, '0')",
    };
    let sql = format!(
        "{numbers} INSERT INTO deliveries (id, merchant_id, endpoint_id, event_id, payment_id, status, attempts, due_at,
                                           created_at)
         SELECT 'dlv_' || {digits}, merchant_id, endpoint_id, event_id, 'pay_' || {digits}, status, 0, due_at, created_at
         FROM n, deliveries"
    );
    world.database.execute(&sql).await;
    assert_eq!(claim_ahead(&world.store, &endpoint, now(), "a", 200).await.len(), 200);
    assert_eq!(claim_ahead(&world.store, &endpoint, now(), "a", 256).await.len(), 56);
}

#[rstest]
#[tokio::test]
async fn only_who_is_alone_takes_ahead(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let endpoint = world.endpoint(2).await;
    events_for(&world, &endpoint, 12).await;
    let (store, other) = (&world.store, world.another_node().await);
    let first = claim_ahead(store, &endpoint, now(), "a", 6).await;
    assert_eq!(first.len(), 6);
    assert_eq!(
        claim_ahead(&other, &endpoint, now(), "b", 6).await,
        [],
        "all that may be on the way is"
    );
    let told: Vec<_> = (first.iter().take(5))
        .map(|claimed| attempt(&claimed.delivery, NextStep::Delivered))
        .collect();
    store.record_attempts(&told).await.unwrap();
    assert_eq!(
        claim_ahead(&other, &endpoint, now(), "b", 6).await.len(),
        1,
        "up to two of both"
    );
    assert_eq!(claim_ahead(store, &endpoint, now(), "a", 6).await, []);
    // What the other one gives back is due at once, for whoever comes first; nobody else can give it back.
    let [last] = &first[5..] else { panic!("{first:?}") };
    other.give_back_delivery(&last.delivery, "b").await.unwrap();
    assert_eq!(claim_ahead(&other, &endpoint, now(), "b", 1).await, []);
    store.give_back_delivery(&last.delivery, "a").await.unwrap();
    let again = claim_ahead(&other, &endpoint, now(), "b", 6).await;
    assert_eq!(again.len(), 5, "alone now");
    assert!(again.iter().any(|claimed| claimed.delivery.id == last.delivery.id));
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_that_claim_at_once_share_the_limit(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let endpoint = world.endpoint(5).await;
    events_for(&world, &endpoint, 40).await;
    let nodes = [
        world.store.clone(),
        world.another_node().await,
        world.another_node().await,
    ];
    let mut delivered = HashSet::new();
    while delivered.len() < 40 {
        let at = now();
        let claims = (0..12).map(|n| {
            let (node, endpoint) = (nodes[n % 3].clone(), endpoint.clone());
            tokio::spawn(async move { claim(&node, &endpoint, at).await })
        });
        let claimed: Vec<_> = join_all(claims).await.into_iter().flat_map(Result::unwrap).collect();
        assert!(
            !claimed.is_empty() && claimed.len() <= 5,
            "{} on their way",
            claimed.len()
        );
        for taken in &claimed {
            assert!(delivered.insert(taken.delivery.id), "{} twice", taken.delivery.id);
        }
        let attempts: Vec<_> = claimed
            .iter()
            .map(|taken| attempt(&taken.delivery, NextStep::Delivered))
            .collect();
        world.store.record_attempts(&attempts).await.unwrap();
    }
    assert!(
        all(&world)
            .await
            .iter()
            .all(|delivery| delivery.status == DeliveryStatus::Delivered)
    );
}

/// Nodes' clocks differ, and ids are made by clocks: the events' own moments are what counts.
#[rstest]
#[tokio::test]
async fn a_payments_events_arrive_in_the_order_of_their_moments(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let endpoint = world.endpoint(8).await;
    let payment = world.payment("1", &[]).await.payment.id;
    let mut later = event(world.merchant.id, Some(payment), &[&endpoint]);
    later.created_at += seconds(10);
    let mut earlier = event(world.merchant.id, Some(payment), &[&endpoint]);
    earlier.created_at += seconds(9);
    let (first, second) = (earlier.id, later.id);
    world.store.create_event(later).await.unwrap();
    world.store.create_event(earlier).await.unwrap();
    for expected in [first, second] {
        let claimed = claim(&world.store, &endpoint, now() + seconds(60)).await;
        let events: Vec<_> = claimed.iter().map(|claimed| claimed.event.id).collect();
        assert_eq!(events, [expected]);
        let delivered = attempt(&claimed[0].delivery, NextStep::Delivered);
        world.store.record_attempts(&[delivered]).await.unwrap();
    }
}

#[rstest]
#[tokio::test]
async fn a_payments_events_arrive_in_order(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let endpoint = world.endpoint(10).await;
    events_for(&world, &endpoint, 1).await;
    let (earlier, payment) = {
        let delivery = all(&world).await.remove(0);
        (delivery.event_id, delivery.payment_id)
    };
    let log = LogWriter::start(&world.store);
    let later = event(world.merchant.id, payment, &[&endpoint]);
    let later_id = later.id;
    log.event(later).unwrap();
    log.flush().await;

    let first = claim(&world.store, &endpoint, now()).await;
    assert_eq!(
        first.iter().map(|claimed| claimed.event.id).collect::<Vec<_>>(),
        [earlier]
    );
    let retry_at = now() + seconds(10);
    world
        .store
        .record_attempts(&[attempt(&first[0].delivery, NextStep::RetryAt(retry_at))])
        .await
        .unwrap();
    assert_eq!(
        claim(&world.store, &endpoint, now()).await,
        [],
        "the later one overtook"
    );
    let again = claim(&world.store, &endpoint, retry_at).await;
    assert_eq!(
        again.iter().map(|claimed| claimed.event.id).collect::<Vec<_>>(),
        [earlier]
    );
    world
        .store
        .record_attempts(&[attempt(&again[0].delivery, NextStep::Delivered)])
        .await
        .unwrap();
    let last = claim(&world.store, &endpoint, retry_at).await;
    assert_eq!(
        last.iter().map(|claimed| claimed.event.id).collect::<Vec<_>>(),
        [later_id]
    );
}

#[rstest]
#[tokio::test]
async fn a_node_that_dies_gives_its_deliveries_back(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let endpoint = world.endpoint(2).await;
    events_for(&world, &endpoint, 2).await;
    let start = now();
    let lost = claim(&world.store, &endpoint, start).await;
    assert_eq!(claim(&world.store, &endpoint, start + seconds(29)).await, []);
    let found = claim(&world.another_node().await, &endpoint, start + seconds(31)).await;
    assert_eq!(found.len(), lost.len());
}

#[rstest]
#[tokio::test]
async fn only_endpoints_with_something_due_are_waiting(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let (busy, paused, _idle) = (
        world.endpoint(1).await,
        world.endpoint(1).await,
        world.endpoint(1).await,
    );
    events_for(&world, &busy, 2).await;
    let writer = PaymentWriter::start(&world.store);
    world.write(&writer, world.payment("paused", &[&paused]).await).await;
    let pause = EndpointChange {
        status: Some(EndpointStatus::Paused),
        ..EndpointChange::default()
    };
    world
        .store
        .change_endpoint(world.merchant.id, paused.id, pause, now())
        .await
        .unwrap();

    let waiting = world.store.waiting_endpoints(now()).await.unwrap();
    assert_eq!(waiting, std::slice::from_ref(&busy));
    assert_eq!(world.store.waiting_endpoints(now() - seconds(60)).await.unwrap(), []);
    let resume = EndpointChange {
        status: Some(EndpointStatus::Active),
        ..EndpointChange::default()
    };
    world
        .store
        .change_endpoint(world.merchant.id, paused.id, resume, now())
        .await
        .unwrap();
    assert_eq!(world.store.waiting_endpoints(now()).await.unwrap().len(), 2);
}

#[rstest]
#[tokio::test]
async fn every_attempt_is_kept(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let endpoint = world.endpoint(1).await;
    events_for(&world, &endpoint, 1).await;
    let claimed = claim(&world.store, &endpoint, now()).await.remove(0).delivery;
    let mut failed = attempt(&claimed, NextStep::RetryAt(now()));
    (failed.status, failed.error) = (None, Some("connection refused".to_owned()));
    world
        .store
        .record_attempts(std::slice::from_ref(&failed))
        .await
        .unwrap();
    let claimed = claim(&world.store, &endpoint, now() + seconds(1))
        .await
        .remove(0)
        .delivery;
    assert_eq!(claimed.attempts, 1);
    let succeeded = attempt(&claimed, NextStep::Delivered);
    world
        .store
        .record_attempts(std::slice::from_ref(&succeeded))
        .await
        .unwrap();
    world.store.record_attempts(&[]).await.unwrap();

    let delivery = all(&world).await.remove(0);
    assert_eq!((delivery.status, delivery.attempts), (DeliveryStatus::Delivered, 2));
    assert_eq!(delivery.delivered_at, Some(succeeded.at));
    let attempts = world
        .store
        .delivery_attempts(world.merchant.id, delivery.id)
        .await
        .unwrap();
    assert_eq!(attempts.len(), 2);
    assert_eq!(
        (attempts[0].status, attempts[0].error.as_deref()),
        (None, Some("connection refused"))
    );
    assert_eq!(
        (attempts[1].number, attempts[1].status, attempts[1].at),
        (2, Some(200), succeeded.at)
    );
}

#[rstest]
#[tokio::test]
async fn one_delivery_is_sent_again(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let endpoint = world.endpoint(1).await;
    events_for(&world, &endpoint, 1).await;
    let claimed = claim(&world.store, &endpoint, now()).await.remove(0).delivery;
    let resend = || world.store.resend_delivery(world.merchant.id, claimed.id, now());
    resend().await.expect("what is on its way exists");
    assert_eq!(claim(&world.store, &endpoint, now()).await, [], "sent twice at once");
    world
        .store
        .record_attempts(&[attempt(&claimed, NextStep::Delivered)])
        .await
        .unwrap();
    assert_eq!(claim(&world.store, &endpoint, now()).await, []);
    resend().await.unwrap();
    assert_eq!(claim(&world.store, &endpoint, now()).await.len(), 1);
}

#[rstest]
#[tokio::test]
async fn what_waits_for_a_retry_is_sent_at_once_on_demand(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let endpoint = world.endpoint(1).await;
    events_for(&world, &endpoint, 1).await;
    let claimed = claim(&world.store, &endpoint, now()).await.remove(0).delivery;
    let in_an_hour = now() + seconds(3_600);
    world
        .store
        .record_attempts(&[attempt(&claimed, NextStep::RetryAt(in_an_hour))])
        .await
        .unwrap();
    assert_eq!(claim(&world.store, &endpoint, now()).await, []);
    world
        .store
        .resend_delivery(world.merchant.id, claimed.id, now())
        .await
        .unwrap();
    assert_eq!(claim(&world.store, &endpoint, now()).await.len(), 1);
}

#[rstest]
#[tokio::test]
async fn a_cancelled_delivery_is_not_sent_again(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let endpoint = world.endpoint(1).await;
    events_for(&world, &endpoint, 1).await;
    let delivery = all(&world).await.remove(0);
    let delete = EndpointChange {
        status: Some(EndpointStatus::Deleted),
        ..EndpointChange::default()
    };
    world
        .store
        .change_endpoint(world.merchant.id, endpoint.id, delete, now())
        .await
        .unwrap();
    let resent = world.store.resend_delivery(world.merchant.id, delivery.id, now()).await;
    assert!(matches!(resent, Err(StoreError::NotFound(_))));
}

#[rstest]
#[tokio::test]
async fn a_new_endpoint_is_sent_what_it_missed(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let old = world.endpoint(10).await;
    let writer = PaymentWriter::start(&world.store);
    let mut long_ago = world.payment("long ago", &[&old]).await;
    long_ago.event.created_at = now() - seconds(3_600);
    world.write(&writer, long_ago).await;
    events_for(&world, &old, 3).await;
    let new = world.endpoint(10).await;
    let since = now() - seconds(60);
    assert_eq!(world.store.resend_since(&new, since, now()).await.unwrap(), 3);
    assert_eq!(claim(&world.store, &new, now()).await.len(), 3);

    let delivered: Vec<_> = claim(&world.store, &old, now()).await;
    let attempts: Vec<_> = delivered
        .iter()
        .map(|taken| attempt(&taken.delivery, NextStep::Delivered))
        .collect();
    world.store.record_attempts(&attempts).await.unwrap();
    assert_eq!(world.store.resend_since(&old, since, now()).await.unwrap(), 3);
    assert_eq!(claim(&world.store, &old, now()).await.len(), 3);
    assert_eq!(world.count("deliveries").await, 7);
}

#[rstest]
#[tokio::test]
async fn an_endpoint_is_not_sent_what_it_does_not_want(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let other = world.endpoint(1).await;
    events_for(&world, &other, 1).await;
    let picky = world.endpoint(1).await;
    let change = EndpointChange {
        event_types: Some(vec!["payment.declined".to_owned()]),
        ..EndpointChange::default()
    };
    let picky = world
        .store
        .change_endpoint(world.merchant.id, picky.id, change, now())
        .await
        .unwrap();
    assert_eq!(
        world
            .store
            .resend_since(&picky, now() - seconds(60), now())
            .await
            .unwrap(),
        0
    );
}

#[rstest]
#[tokio::test]
async fn deliveries_are_filtered_and_paged(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let endpoint = world.endpoint(1).await;
    events_for(&world, &endpoint, 3).await;
    let claimed = claim(&world.store, &endpoint, now()).await.remove(0).delivery;
    world
        .store
        .record_attempts(&[attempt(&claimed, NextStep::Delivered)])
        .await
        .unwrap();
    let list = |status, cursor: Cursor| {
        let (store, merchant) = (&world.store, world.merchant.id);
        let filter = DeliveryFilter {
            endpoint_id: Some(endpoint.id),
            status,
            ..DeliveryFilter::default()
        };
        async move { store.deliveries(merchant, &filter, &cursor).await.unwrap() }
    };
    let delivered = list(Some(DeliveryStatus::Delivered), Cursor::new(None, None))
        .await
        .items;
    assert_eq!(
        delivered.iter().map(|delivery| delivery.id).collect::<Vec<_>>(),
        [claimed.id]
    );
    let first = list(None, Cursor::new(None, Some(2))).await;
    let rest = list(None, Cursor::new(first.next.clone(), Some(2))).await;
    assert_eq!((first.items.len(), rest.items.len(), rest.next), (2, 1, None));
}
