use e2e::Backend::{self, Postgres, Sqlite};
use plugin_sdk::{PaymentKey, Reason};
use rstest::rstest;
use store::{
    Cursor, DeliveryFilter, ExchangeFilter, LogWriter, PaymentFilter, PaymentLookup, PaymentStatus, PaymentWriter,
    Registration, StoreError, Wanted, WriteOutcome,
};

use crate::world::{World, connection, now, rubles, seconds};

#[rstest]
#[tokio::test]
async fn a_payment_and_all_its_consequences_are_stored(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let endpoint = world.endpoint(4).await;
    let writer = PaymentWriter::start(&world.store);
    let write = world.payment("00123", &[&endpoint]).await;
    world.write(&writer, write.clone()).await;

    let (store, merchant, new) = (&world.store, world.merchant.id, &write.payment);
    let payment = store.payment(merchant, new.id).await.unwrap();
    assert_eq!(
        (&payment.key, payment.amount, payment.number),
        (&new.key, new.amount, new.number)
    );
    assert_eq!(
        (&payment.answer, &payment.extras, &payment.booking),
        (&new.answer, &new.extras, &new.booking)
    );
    assert_eq!(
        (payment.received_at, payment.created_at),
        (new.received_at, new.created_at)
    );
    let operations = store.operations(merchant, new.id).await.unwrap();
    assert_eq!(operations.len(), 1);
    assert_eq!(
        (operations[0].rule_revision, &operations[0].decision),
        (Some(3), &write.operation.decision)
    );
    let events = store.events_of_payment(merchant, new.id).await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(
        (events[0].id, &events[0].payload),
        (write.event.id, &write.event.payload)
    );
    let cursor = Cursor::new(None, None);
    assert_eq!(store.events(merchant, &cursor).await.unwrap().items, events);
    let deliveries = store
        .deliveries(
            merchant,
            &DeliveryFilter {
                endpoint_id: Some(endpoint.id),
                ..DeliveryFilter::default()
            },
            &cursor,
        )
        .await
        .unwrap()
        .items;
    assert_eq!(
        deliveries.iter().map(|delivery| delivery.event_id).collect::<Vec<_>>(),
        [write.event.id]
    );
    let filter = ExchangeFilter {
        payment_id: Some(new.id),
        ..ExchangeFilter::default()
    };
    let exchanges = store.exchanges(merchant, &filter, &cursor).await.unwrap().items;
    assert_eq!(exchanges.len(), 1);
    assert_eq!(exchanges[0].request_headers["host"], "service.someprv.ru");
}

#[rstest]
#[tokio::test]
async fn a_declined_payment_keeps_its_reason(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let writer = PaymentWriter::start(&world.store);
    let mut write = world.payment("1", &[]).await;
    write.payment.status = PaymentStatus::Declined;
    write.payment.reason = Some(Reason::AccountNotFound);
    write.payment.booking = None;
    world.write(&writer, write.clone()).await;
    let payment = world.store.payment(world.merchant.id, write.payment.id).await.unwrap();
    assert_eq!(
        (payment.status, payment.reason),
        (PaymentStatus::Declined, Some(Reason::AccountNotFound))
    );
    assert_eq!(payment.booking, None);
}

#[rstest]
#[tokio::test]
async fn the_second_write_of_a_key_gets_the_first(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let endpoint = world.endpoint(4).await;
    let writer = PaymentWriter::start(&world.store);
    let first = world.payment("1", &[&endpoint]).await;
    world.write(&writer, first.clone()).await;
    let mut second = world.payment("1", &[&endpoint]).await;
    second.payment.amount = rubles(99);
    let WriteOutcome::Existing(existing) = writer.write(second).await.unwrap() else {
        panic!("stored twice")
    };
    assert_eq!((existing.id, existing.amount), (first.payment.id, first.payment.amount));
    for table in ["payments", "operations", "events", "deliveries", "exchanges"] {
        assert_eq!(world.count(table).await, 1, "{table}");
    }
}

#[rstest]
#[tokio::test]
async fn one_key_is_two_payments_at_two_connections(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let second = connection(&world.store, &world.merchant, "second").await;
    let writer = PaymentWriter::start(&world.store);
    world.write(&writer, world.payment("1", &[]).await).await;
    let mut write = world.payment("1", &[]).await;
    write.payment.connection_id = second.id;
    world.write(&writer, write).await;
    let mut write = world.payment("1", &[]).await;
    write.payment.key.key2 = "other system".to_owned();
    world.write(&writer, write).await;
    assert_eq!(world.count("payments").await, 3);
}

#[rstest]
#[tokio::test]
async fn a_lookup_tells_payments_registrations_and_unknown_keys_apart(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let (writer, log) = (PaymentWriter::start(&world.store), LogWriter::start(&world.store));
    let paid = world.payment("paid", &[]).await;
    world.write(&writer, paid.clone()).await;
    let registration = Registration {
        connection_id: world.connection.id,
        merchant_id: world.merchant.id,
        key: PaymentKey::single("checked"),
        account: "42".to_owned(),
        currency: None,
        created_at: now(),
    };
    log.registration(registration.clone()).unwrap();
    log.flush().await;

    let lookup = PaymentLookup::new(&world.store);
    let find = |key: &str, wanted| lookup.find(world.connection.id, PaymentKey::single(key), wanted);
    let (known, checked, unasked, unknown) = tokio::join!(
        find("paid", Wanted::Payment),
        find("checked", Wanted::PaymentAndRegistration),
        find("checked", Wanted::Payment),
        find("unknown", Wanted::PaymentAndRegistration),
    );
    assert_eq!(known.unwrap().payment.unwrap().id, paid.payment.id);
    assert_eq!(checked.unwrap().registration, Some(registration));
    assert_eq!(unasked.unwrap().payment, None);
    assert_eq!(unknown.unwrap(), store::KnownPayment::default());
}

#[rstest]
#[tokio::test]
async fn payments_are_searched(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let writer = PaymentWriter::start(&world.store);
    let mut wanted = world.payment("777", &[]).await;
    wanted.payment.account = "needle".to_owned();
    wanted.payment.created_at = now() - seconds(3_600);
    let mut declined = world.payment("778", &[]).await;
    declined.payment.status = PaymentStatus::Declined;
    world.write(&writer, wanted.clone()).await;
    world.write(&writer, declined.clone()).await;

    let any = PaymentFilter::default;
    let by = |search: String| PaymentFilter {
        search: Some(search),
        ..any()
    };
    let filters = [
        by(wanted.payment.id.to_string()),
        by(wanted.payment.number.to_string()),
        by("777".to_owned()),
        by("needle".to_owned()),
        PaymentFilter {
            status: Some(PaymentStatus::Succeeded),
            ..any()
        },
        PaymentFilter {
            created_until: Some(now() - seconds(60)),
            ..any()
        },
    ];
    for filter in filters {
        let found = world
            .store
            .payments(world.merchant.id, &filter, &Cursor::new(None, None))
            .await
            .unwrap()
            .items;
        assert_eq!(
            found.iter().map(|payment| payment.id).collect::<Vec<_>>(),
            [wanted.payment.id],
            "{filter:?}"
        );
    }
    let recent = PaymentFilter {
        created_from: Some(now() - seconds(60)),
        ..any()
    };
    let found = world
        .store
        .payments(world.merchant.id, &recent, &Cursor::new(None, None))
        .await
        .unwrap()
        .items;
    assert_eq!(found[0].id, declined.payment.id);
    let nowhere = PaymentFilter {
        connection_id: Some(plugin_sdk::ConnectionId::generate()),
        ..any()
    };
    let found = world
        .store
        .payments(world.merchant.id, &nowhere, &Cursor::new(None, None))
        .await
        .unwrap()
        .items;
    assert!(found.is_empty());
}

#[rstest]
#[tokio::test]
async fn what_is_not_there_is_not_found(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let missing = world
        .store
        .payment(world.merchant.id, plugin_sdk::PaymentId::generate())
        .await;
    assert!(matches!(missing, Err(StoreError::NotFound(_))));
    world.store.ping().await.unwrap();
}

/// Whatever bytes a network sends as a text, the payment is stored and read back.
#[rstest]
#[tokio::test]
async fn odd_texts_survive(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let writer = PaymentWriter::start(&world.store);
    for (number, odd) in [
        "'; DROP TABLE payments --",
        "a\\u0000b",
        "\u{202e}\u{fffd}",
        "{\"a\":1}",
        "null",
        "1e3",
    ]
    .iter()
    .enumerate()
    {
        let mut write = world.payment(&number.to_string(), &[]).await;
        write.payment.account = (*odd).to_owned();
        write.payment.extras.insert("data2".to_owned(), (*odd).to_owned());
        world.write(&writer, write.clone()).await;
        let payment = world.store.payment(world.merchant.id, write.payment.id).await.unwrap();
        assert_eq!(
            (payment.account.as_str(), &payment.extras),
            (*odd, &write.payment.extras)
        );
    }
}
