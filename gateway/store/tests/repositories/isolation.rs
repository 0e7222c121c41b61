//! Tenants cannot reach each other's rows, whatever ids they guess.

use e2e::Backend::{self, Postgres, Sqlite};
use plugin_sdk::{MerchantId, Settlement, SettlementPeriod};
use rstest::rstest;
use store::{
    Claim, ConnectionChange, Cursor, DeliveryFilter, EndpointChange, ExchangeFilter, NewRevision, NewSettlement,
    PaymentFilter, PaymentWriter, StoreError,
};

use crate::world::{World, merchant, moscow_noon, now, rubles, seconds};

fn assert_not_found<T: std::fmt::Debug>(what: &str, result: Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::NotFound(_))), "{what}: {result:?}");
}

/// One of everything for the first merchant; the id of a second one.
async fn two_tenants(backend: Backend) -> (World, MerchantId) {
    let world = World::new(backend).await;
    let stranger = merchant(&world.store, "stranger").await.id;
    (world, stranger)
}

#[rstest]
#[tokio::test]
async fn a_foreign_id_finds_nothing(#[values(Sqlite, Postgres)] backend: Backend) {
    let (world, stranger) = two_tenants(backend).await;
    let (store, endpoint) = (&world.store, world.endpoint(1).await);
    let write = world.payment("1", &[&endpoint]).await;
    world.write(&PaymentWriter::start(store), write.clone()).await;
    let rules = NewRevision {
        source: "secret".to_owned(),
        message: String::new(),
        author: String::new(),
        ..NewRevision::default()
    };
    store.publish_rules(world.merchant.id, rules, now()).await.unwrap();

    assert_not_found("payment", store.payment(stranger, write.payment.id).await);
    assert_not_found("endpoint", store.endpoint(stranger, endpoint.id).await);
    assert_not_found("rules", store.rule_revision(stranger, 1).await);
    assert_not_found("connection", store.connection_by_slug(stranger, "terminal").await);
    assert_eq!(store.operations(stranger, write.payment.id).await.unwrap(), []);
    assert_eq!(store.events_of_payment(stranger, write.payment.id).await.unwrap(), []);
    let cursor = Cursor::new(None, None);
    assert!(
        store
            .payments(stranger, &PaymentFilter::default(), &cursor)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    assert!(store.events(stranger, &cursor).await.unwrap().items.is_empty());
    assert!(
        store
            .deliveries(
                stranger,
                &DeliveryFilter {
                    endpoint_id: Some(endpoint.id),
                    ..DeliveryFilter::default()
                },
                &cursor
            )
            .await
            .unwrap()
            .items
            .is_empty()
    );
    let of_payment = ExchangeFilter {
        payment_id: Some(write.payment.id),
        ..ExchangeFilter::default()
    };
    assert!(
        store
            .exchanges(stranger, &of_payment, &cursor)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    assert_eq!(store.connections(stranger).await.unwrap(), []);
    assert_eq!(store.endpoints(stranger).await.unwrap(), []);
}

#[rstest]
#[tokio::test]
async fn a_foreign_id_changes_nothing(#[values(Sqlite, Postgres)] backend: Backend) {
    let (world, stranger) = two_tenants(backend).await;
    let (store, endpoint) = (&world.store, world.endpoint(1).await);
    world
        .write(&PaymentWriter::start(store), world.payment("1", &[&endpoint]).await)
        .await;
    let claim = Claim {
        node: "node",
        now: now(),
        lease_until: now(),
        ahead: 1,
    };
    let delivery = store
        .claim_deliveries(&endpoint, &claim)
        .await
        .unwrap()
        .remove(0)
        .delivery;

    let change = ConnectionChange {
        basic: Some(None),
        ..ConnectionChange::default()
    };
    assert_not_found(
        "connection",
        store
            .change_connection(stranger, world.connection.id, change, now())
            .await,
    );
    let change = EndpointChange {
        url: Some("https://thief.example".to_owned()),
        ..EndpointChange::default()
    };
    assert_not_found(
        "endpoint",
        store.change_endpoint(stranger, endpoint.id, change, now()).await,
    );
    assert_not_found("delivery", store.resend_delivery(stranger, delivery.id, now()).await);
    assert_eq!(store.delivery_attempts(stranger, delivery.id).await.unwrap(), []);
    assert_eq!(
        store.endpoint(world.merchant.id, endpoint.id).await.unwrap().url,
        endpoint.url
    );
}

#[rstest]
#[tokio::test]
async fn a_foreign_settlement_is_neither_made_nor_read(#[values(Sqlite, Postgres)] backend: Backend) {
    let (world, stranger) = two_tenants(backend).await;
    let store = &world.store;
    let period = SettlementPeriod {
        from: moscow_noon(),
        until: moscow_noon() + seconds(1),
    };
    let mut new = NewSettlement {
        merchant_id: stranger,
        connection_id: world.connection.id,
        file_name: "day.csv".to_owned(),
        sha256: "00".to_owned(),
        settlement: Settlement {
            period,
            rows: Vec::new(),
            total: rubles(0),
        },
    };
    assert_not_found("import", store.import_settlement(&new, now()).await);
    new.merchant_id = world.merchant.id;
    let own = store.import_settlement(&new, now()).await.unwrap();
    assert_not_found("summary", store.settlement_summary(stranger, own.file.id).await);
    let cursor = Cursor::new(None, None);
    assert!(
        store
            .settlement_rows(stranger, own.file.id, store::SettlementFilter::default(), &cursor)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    assert!(
        store
            .settlement_files(stranger, &cursor)
            .await
            .unwrap()
            .items
            .is_empty()
    );
}
