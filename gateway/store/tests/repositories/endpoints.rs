use e2e::Backend::{self, Postgres, Sqlite};
use rstest::rstest;
use store::{
    Cursor, DeliveryFilter, DeliveryStatus, EndpointChange, EndpointStatus, PaymentWriter, RetrySchedule, StoreError,
};

use crate::world::{World, now, seconds};

#[rstest]
#[tokio::test]
async fn an_endpoint_is_read_as_it_was_made(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let endpoint = world.endpoint(4).await;
    assert_eq!(
        world.store.endpoint(world.merchant.id, endpoint.id).await.unwrap(),
        endpoint
    );
    assert_eq!(world.store.endpoints(world.merchant.id).await.unwrap(), [endpoint]);
}

#[rstest]
#[tokio::test]
async fn a_change_touches_only_what_it_names(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let made = world.endpoint(4).await;
    let until = now() + seconds(60);
    let schedule = RetrySchedule {
        first_s: 1,
        factor: 3,
        max_s: 9,
        jitter_percent: 0,
    };
    let change = EndpointChange {
        event_types: Some(vec!["payment.succeeded".to_owned()]),
        retry_schedule: Some(schedule),
        rotate_secret: Some(("sealed-2".to_owned(), until)),
        ..EndpointChange::default()
    };
    let changed = world
        .store
        .change_endpoint(world.merchant.id, made.id, change, now())
        .await
        .unwrap();
    assert_eq!(changed.secret_sealed, "sealed-2");
    assert_eq!(changed.previous_secret, Some(("sealed-1".to_owned(), until)));
    assert_eq!(
        (changed.retry_schedule, changed.url, changed.max_in_flight),
        (schedule, made.url, 4)
    );
    assert_eq!(changed.event_types, ["payment.succeeded"]);
}

#[rstest]
#[tokio::test]
async fn a_deleted_endpoint_cancels_what_waits_for_it(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let (gone, kept) = (world.endpoint(4).await, world.endpoint(4).await);
    let writer = PaymentWriter::start(&world.store);
    world.write(&writer, world.payment("1", &[&gone, &kept]).await).await;
    let delete = EndpointChange {
        status: Some(EndpointStatus::Deleted),
        ..EndpointChange::default()
    };
    world
        .store
        .change_endpoint(world.merchant.id, gone.id, delete, now())
        .await
        .unwrap();

    assert!(matches!(
        world.store.endpoint(world.merchant.id, gone.id).await,
        Err(StoreError::NotFound(_))
    ));
    let all = world
        .store
        .deliveries(world.merchant.id, &DeliveryFilter::default(), &Cursor::new(None, None))
        .await
        .unwrap()
        .items;
    let status_at = |endpoint| {
        all.iter()
            .find(|delivery| delivery.endpoint_id == endpoint)
            .unwrap()
            .status
    };
    assert_eq!(status_at(gone.id), DeliveryStatus::Cancelled);
    assert_eq!(status_at(kept.id), DeliveryStatus::Pending);
    let waiting = world.store.waiting_endpoints(now()).await.unwrap();
    assert_eq!(
        waiting.iter().map(|endpoint| endpoint.id).collect::<Vec<_>>(),
        [kept.id]
    );
}
