use e2e::Backend::{self, Postgres, Sqlite};
use plugin_sdk::PaymentKey;
use rstest::rstest;
use store::{Cursor, ExchangeFilter, LogWriter, PaymentLookup, Registration, Wanted};

use crate::world::{World, event, now, seconds};

fn registration(world: &World, txn_id: &str, account: &str) -> Registration {
    Registration {
        connection_id: world.connection.id,
        merchant_id: world.merchant.id,
        key: PaymentKey::single(txn_id),
        account: account.to_owned(),
        currency: Some("RUB".to_owned()),
        created_at: now(),
    }
}

#[rstest]
#[tokio::test]
async fn after_a_flush_everything_is_there(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let endpoint = world.endpoint(4).await;
    let log = LogWriter::start(&world.store);
    for n in 0..1_200 {
        log.exchange(world.exchange(&format!("/in/acme/terminal?n={n}")))
            .unwrap();
    }
    log.event(event(world.merchant.id, None, &[&endpoint])).unwrap();
    log.registration(registration(&world, "1", "42")).unwrap();
    log.flush().await;
    assert_eq!(world.count("exchanges").await, 1_200);
    assert_eq!(world.count("registrations").await, 1);
    assert_eq!((world.count("events").await, world.count("deliveries").await), (1, 1));
    log.room().await.unwrap();
}

#[rstest]
#[tokio::test]
async fn who_asks_for_room_waits_until_there_is_some(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let log = LogWriter::start(&world.store);
    let mut added = 0_u32;
    // This thread's runtime writes nothing until somebody waits, so the queue fills.
    while log
        .exchange(world.exchange(&format!("/in/acme/terminal?n={added}")))
        .is_ok()
    {
        added += 1;
    }
    log.room().await.unwrap();
    log.exchange(world.exchange("/in/acme/terminal")).unwrap();
    log.flush().await;
    assert_eq!(world.count("exchanges").await, i64::from(added) + 1);
}

/// The payer saw the last check.
#[rstest]
#[tokio::test]
async fn the_newest_registration_of_a_key_wins(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let log = LogWriter::start(&world.store);
    let other_node = LogWriter::start(&world.another_node().await);
    let lookup = PaymentLookup::new(&world.store);
    let known = async || {
        let key = PaymentKey::single("1");
        let known = lookup
            .find(world.connection.id, key, Wanted::PaymentAndRegistration)
            .await;
        known.unwrap().registration.unwrap().account
    };
    // Within one group, in a later group, and from another node.
    log.registration(registration(&world, "1", "first")).unwrap();
    log.registration(registration(&world, "1", "second")).unwrap();
    log.flush().await;
    assert_eq!(known().await, "second");
    log.registration(registration(&world, "1", "third")).unwrap();
    log.flush().await;
    assert_eq!(known().await, "third");
    other_node.registration(registration(&world, "1", "fourth")).unwrap();
    other_node.flush().await;
    assert_eq!(known().await, "fourth");
    // A group that was held up does not bring an old check back.
    let mut late = registration(&world, "1", "late");
    late.created_at = now() - seconds(60);
    log.registration(late).unwrap();
    log.flush().await;
    assert_eq!(known().await, "fourth");
    assert_eq!(world.count("registrations").await, 1);
}

#[rstest]
#[tokio::test]
async fn exchanges_come_newest_first_and_page_by_page(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let log = LogWriter::start(&world.store);
    for n in 0..5 {
        log.exchange(world.exchange(&format!("/{n}"))).unwrap();
    }
    log.flush().await;
    let filter = ExchangeFilter {
        connection_id: Some(world.connection.id),
        ..ExchangeFilter::default()
    };
    let page = async |after, limit| {
        world
            .store
            .exchanges(world.merchant.id, &filter, &Cursor::new(after, Some(limit)))
            .await
            .unwrap()
    };
    let first = page(None, 3).await;
    assert_eq!(
        first
            .items
            .iter()
            .map(|exchange| exchange.url.as_str())
            .collect::<Vec<_>>(),
        ["/4", "/3", "/2"]
    );
    let rest = page(first.next, 3).await;
    assert_eq!(
        rest.items
            .iter()
            .map(|exchange| exchange.url.as_str())
            .collect::<Vec<_>>(),
        ["/1", "/0"]
    );
    assert_eq!(rest.next, None);
    assert_eq!(page(None, 5).await.next, None);
}

#[rstest]
#[tokio::test]
async fn a_refused_entry_takes_no_neighbour_with_it(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let log = LogWriter::start(&world.store);
    // Both databases refuse the group that holds it.
    world.database.execute(match backend {
        Sqlite => "CREATE TRIGGER refuse BEFORE INSERT ON exchanges WHEN NEW.url = '/poison' BEGIN SELECT RAISE(ABORT, 'no'); END",
        Postgres => "ALTER TABLE exchanges ADD CONSTRAINT refuse CHECK (url <> '/poison')",
    }).await;
    for url in ["/a", "/poison", "/b"] {
        log.exchange(world.exchange(url)).unwrap();
    }
    log.registration(registration(&world, "1", "42")).unwrap();
    log.flush().await;
    assert_eq!(
        world.database.texts("SELECT url FROM exchanges ORDER BY url").await,
        ["/a", "/b"]
    );
    assert_eq!(world.count("registrations").await, 1);
}

#[rstest]
#[tokio::test]
async fn retention_takes_the_old_and_leaves_the_new(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let log = LogWriter::start(&world.store);
    for age in [300, 200, 100, 0] {
        let mut exchange = world.exchange(&format!("/{age}"));
        exchange.created_at = now() - seconds(age);
        log.exchange(exchange).unwrap();
        let mut old = registration(&world, &age.to_string(), "42");
        old.created_at = now() - seconds(age);
        log.registration(old).unwrap();
    }
    log.flush().await;
    let until = now() - seconds(150);
    assert_eq!(world.store.delete_exchanges_before(until, 1).await.unwrap(), 1);
    assert_eq!(world.store.delete_exchanges_before(until, 100).await.unwrap(), 1);
    assert_eq!(world.store.delete_exchanges_before(until, 100).await.unwrap(), 0);
    assert_eq!(
        world.database.texts("SELECT url FROM exchanges ORDER BY id").await,
        ["/100", "/0"]
    );
    assert_eq!(world.store.delete_registrations_before(until, 100).await.unwrap(), 2);
    assert_eq!(world.count("registrations").await, 2);
}
