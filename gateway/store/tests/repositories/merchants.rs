use e2e::Backend::{self, Postgres, Sqlite};
use rstest::rstest;
use serde_json::json;
use store::{
    ConnectionChange, ConnectionStatus, Cursor, MerchantChange, MerchantStatus, NewConnection, NewMerchant,
    NewRevision, StoreError,
};

use crate::world::{World, connection, merchant, new_connection, new_endpoint, now};

#[rstest]
#[tokio::test]
async fn a_merchant_is_found_by_id_and_by_slug(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    assert_eq!(world.store.merchant(world.merchant.id).await.unwrap(), world.merchant);
    assert_eq!(world.store.merchant_by_slug("acme").await.unwrap(), world.merchant);
    assert!(matches!(
        world.store.merchant_by_slug("nobody").await,
        Err(StoreError::NotFound(_))
    ));
}

#[rstest]
#[tokio::test]
async fn a_slug_is_taken_once(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let again = NewMerchant {
        slug: "acme".to_owned(),
        name: "Other".to_owned(),
    };
    assert!(matches!(
        world.store.create_merchant(again, now()).await,
        Err(StoreError::Exists(_))
    ));
    let again = world
        .store
        .create_connection(world.merchant.id, new_connection("terminal"), now())
        .await;
    assert!(matches!(again, Err(StoreError::Exists(_))));
}

#[rstest]
#[tokio::test]
async fn merchants_come_page_by_page(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    for slug in ["b", "c", "d", "e"] {
        merchant(&world.store, slug).await;
    }
    let mut slugs = Vec::new();
    let mut after = None;
    loop {
        let page = world.store.merchants(&Cursor::new(after, Some(2))).await.unwrap();
        assert!(page.items.len() <= 2);
        slugs.extend(page.items.into_iter().map(|merchant| merchant.slug));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    slugs.sort();
    assert_eq!(slugs, ["acme", "b", "c", "d", "e"]);
}

#[rstest]
#[tokio::test]
async fn a_change_touches_only_what_it_names(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let suspend = MerchantChange {
        status: Some(MerchantStatus::Suspended),
        ..MerchantChange::default()
    };
    let suspended = world
        .store
        .change_merchant(world.merchant.id, suspend, now())
        .await
        .unwrap();
    assert_eq!(suspended.status, MerchantStatus::Suspended);
    assert_eq!(suspended.name, world.merchant.name);
    let rename = MerchantChange {
        name: Some("Acme AG".to_owned()),
        ..MerchantChange::default()
    };
    let renamed = world
        .store
        .change_merchant(world.merchant.id, rename, now())
        .await
        .unwrap();
    assert_eq!(
        (renamed.status, renamed.name.as_str()),
        (MerchantStatus::Suspended, "Acme AG")
    );
    assert_eq!(world.store.merchant(world.merchant.id).await.unwrap(), renamed);
}

#[rstest]
#[tokio::test]
async fn a_deleted_merchant_keeps_its_slug_and_takes_no_change(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let delete = MerchantChange {
        status: Some(MerchantStatus::Deleted),
        ..MerchantChange::default()
    };
    world
        .store
        .change_merchant(world.merchant.id, delete.clone(), now())
        .await
        .unwrap();
    assert!(world.store.tenant("acme").await.unwrap().is_none());
    assert!(
        world
            .store
            .merchants(&Cursor::new(None, None))
            .await
            .unwrap()
            .items
            .is_empty()
    );
    let again = world.store.change_merchant(world.merchant.id, delete, now()).await;
    assert!(matches!(again, Err(StoreError::NotFound(_))));
    let into_it = world
        .store
        .create_connection(world.merchant.id, new_connection("late"), now())
        .await;
    assert!(matches!(into_it, Err(StoreError::NotFound(_))));
    assert!(matches!(
        world.store.merchant_by_slug("acme").await,
        Err(StoreError::NotFound(_))
    ));
    // Networks may repeat payments at its URLs; nobody else may answer there.
    let heir = NewMerchant {
        slug: "acme".to_owned(),
        name: "Heir".to_owned(),
    };
    assert!(matches!(
        world.store.create_merchant(heir, now()).await,
        Err(StoreError::Exists(_))
    ));
    assert_eq!(
        world.store.merchant(world.merchant.id).await.unwrap().status,
        MerchantStatus::Deleted
    );
}

#[rstest]
#[tokio::test]
async fn a_connection_is_changed_and_deleted(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let (store, id) = (&world.store, world.connection.id);
    let change = ConnectionChange {
        config: Some(json!({"variant": "A"})),
        basic: Some(Some(("login".to_owned(), "$argon2id$…".to_owned()))),
        ..ConnectionChange::default()
    };
    let changed = store
        .change_connection(world.merchant.id, id, change, now())
        .await
        .unwrap();
    assert_eq!(changed.config, json!({"variant": "A"}));
    assert_eq!(changed.basic_login.as_deref(), Some("login"));
    let change = ConnectionChange {
        basic: Some(None),
        ..ConnectionChange::default()
    };
    let changed = store
        .change_connection(world.merchant.id, id, change, now())
        .await
        .unwrap();
    assert_eq!(
        (changed.basic_login.clone(), changed.basic_password_hash.clone()),
        (None, None)
    );
    assert_eq!(
        store.connection_by_slug(world.merchant.id, "terminal").await.unwrap(),
        changed
    );
    assert_eq!(store.connections(world.merchant.id).await.unwrap(), [changed]);

    let delete = ConnectionChange {
        status: Some(ConnectionStatus::Deleted),
        ..ConnectionChange::default()
    };
    store
        .change_connection(world.merchant.id, id, delete.clone(), now())
        .await
        .unwrap();
    assert!(store.connections(world.merchant.id).await.unwrap().is_empty());
    let again = store.change_connection(world.merchant.id, id, delete, now()).await;
    assert!(matches!(again, Err(StoreError::NotFound(_))));
    // It comes back as itself, with its payments.
    assert_eq!(connection(store, &world.merchant, "terminal").await.id, id);
    let otherwise = NewConnection {
        plugin: "other".to_owned(),
        ..new_connection("terminal")
    };
    let otherwise = store.create_connection(world.merchant.id, otherwise, now()).await;
    assert!(matches!(otherwise, Err(StoreError::Exists(_))));
}

#[rstest]
#[tokio::test]
async fn a_tenant_is_everything_that_serves_it(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let endpoint = world
        .store
        .create_endpoint(world.merchant.id, new_endpoint(4), now())
        .await
        .unwrap();
    let revision = NewRevision {
        source: "return {}".to_owned(),
        message: "first".to_owned(),
        author: "ann".to_owned(),
        ..NewRevision::default()
    };
    let revision = world
        .store
        .publish_rules(world.merchant.id, revision, now())
        .await
        .unwrap();
    let tenant = world.store.tenant("acme").await.unwrap().unwrap();
    assert_eq!(tenant.merchant.id, world.merchant.id);
    assert_eq!(tenant.connections, std::slice::from_ref(&world.connection));
    assert_eq!(tenant.endpoints, [endpoint]);
    assert_eq!(tenant.rules, Some(revision));
}

#[rstest]
#[tokio::test]
async fn a_login_names_a_connection_when_only_one_has_it(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let with_login = |slug: &str, login: &str| NewConnection {
        basic: Some((login.to_owned(), "hash".to_owned())),
        ..new_connection(slug)
    };
    let (store, id) = (&world.store, world.merchant.id);
    store
        .create_connection(id, with_login("one", "single"), now())
        .await
        .unwrap();
    store
        .create_connection(id, with_login("two", "shared"), now())
        .await
        .unwrap();
    let third = store
        .create_connection(id, with_login("three", "shared"), now())
        .await
        .unwrap();
    let named = Some(("acme".to_owned(), "one".to_owned()));
    assert_eq!(store.connection_by_login("single").await.unwrap(), named);
    assert_eq!(store.connection_by_login("shared").await.unwrap(), None);
    assert_eq!(store.connection_by_login("unknown").await.unwrap(), None);
    let delete = ConnectionChange {
        status: Some(ConnectionStatus::Deleted),
        ..ConnectionChange::default()
    };
    store.change_connection(id, third.id, delete, now()).await.unwrap();
    let named = Some(("acme".to_owned(), "two".to_owned()));
    assert_eq!(store.connection_by_login("shared").await.unwrap(), named);
}

#[rstest]
#[tokio::test]
async fn every_change_is_seen_by_its_version(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let other = merchant(&world.store, "other").await;
    let mut version = world.store.config_version().await.unwrap();
    assert!(
        world
            .store
            .merchants_changed_since(version, 10)
            .await
            .unwrap()
            .is_empty()
    );
    connection(&world.store, &world.merchant, "second").await;
    world.endpoint(1).await;
    let rules = NewRevision {
        source: String::new(),
        message: String::new(),
        author: String::new(),
        ..NewRevision::default()
    };
    world.store.publish_rules(other.id, rules, now()).await.unwrap();
    let changed = world.store.merchants_changed_since(version, 10).await.unwrap();
    let ids: Vec<_> = changed.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [world.merchant.id, other.id]);
    version = changed.last().unwrap().1;
    assert_eq!(version, world.store.config_version().await.unwrap());
    world.store.unpublish_rules(other.id, "ann", now()).await.unwrap();
    assert_eq!(world.store.merchants_changed_since(version, 10).await.unwrap().len(), 1);
}
