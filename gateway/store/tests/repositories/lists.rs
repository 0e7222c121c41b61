use e2e::Backend::{self, Postgres, Sqlite};
use futures_util::future::join_all;
use rstest::rstest;
use store::{Cursor, ListAnswer, ListEntry, ListError, ListQuota, MerchantChange, MerchantStatus, Store, StoreError};

use crate::world::{World, merchant, now};

pub const LISTS_MAX: u64 = 3;
pub const WIDE: ListQuota = ListQuota {
    entries_max: 1_000_000,
    bytes_max: 100_000_000,
};

pub fn entry(key: &str, value: Option<&str>) -> ListEntry {
    ListEntry {
        key: key.to_owned(),
        value: value.map(str::to_owned),
    }
}

impl World {
    pub async fn new_list(&self, name: &str) {
        let made = self.store.create_list(self.merchant.id, name, LISTS_MAX, now()).await;
        assert_eq!(made.unwrap().entries, 0);
    }

    pub async fn put(&self, list: &str, key: &str, value: Option<&str>) -> bool {
        let entry = entry(key, value);
        let put = self.store.put_list_entry(self.merchant.id, list, &entry, WIDE, now());
        put.await.unwrap()
    }

    pub async fn ask(&self, list: &str, key: &str) -> ListAnswer {
        self.store.list_entry(self.merchant.id, list, key).await.unwrap()
    }

    async fn keys(&self, list: &str, prefix: &str, cursor: &Cursor) -> Vec<String> {
        let page = self
            .store
            .list_entries(self.merchant.id, list, prefix, cursor)
            .await
            .unwrap();
        page.items.into_iter().map(|entry| entry.key).collect()
    }
}

/// The list's own count of itself is what it holds.
pub async fn assert_size(store: &Store, world: &World, list: &str, entries: i64, bytes: i64) {
    let list = store.list(world.merchant.id, list).await.unwrap();
    assert_eq!((list.entries, list.bytes), (entries, bytes));
}

#[rstest]
#[tokio::test]
async fn an_entry_is_put_read_and_removed_any_number_of_times(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    assert_eq!(world.ask("contracts", "a").await, ListAnswer::NoList);
    world.new_list("contracts").await;
    let generation = world
        .store
        .list(world.merchant.id, "contracts")
        .await
        .unwrap()
        .generation;
    assert_eq!(world.ask("contracts", "a").await, ListAnswer::Absent { generation });

    assert!(world.put("contracts", "a", None).await);
    assert!(!world.put("contracts", "a", None).await, "nothing changed");
    assert!(world.put("contracts", "a", Some(r#"{"limit":5}"#)).await);
    assert!(world.put("contracts", "Žofie", Some("1.10")).await);
    let value = Some("1.10".to_owned());
    let present = ListAnswer::Present { generation, value };
    assert_eq!(world.ask("contracts", "Žofie").await, present);
    assert_size(&world.store, &world, "contracts", 2, 1 + 11 + 6 + 4).await;

    let remove = async || {
        let (store, id) = (&world.store, world.merchant.id);
        store.remove_list_entry(id, "contracts", "a", now()).await.unwrap()
    };
    assert!(remove().await);
    assert!(!remove().await);
    assert_eq!(world.ask("contracts", "a").await, ListAnswer::Absent { generation });
    assert_size(&world.store, &world, "contracts", 1, 6 + 4).await;
}

#[rstest]
#[tokio::test]
async fn keys_are_bytes_and_nothing_is_made_alike(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    world.new_list("keys").await;
    let alike = ["a", "A", " a", "a ", "á", "a\u{301}", "'; --", "\\u0000", "%"];
    for key in alike {
        assert!(world.put("keys", key, Some(&format!("{:?}", key))).await, "{key:?}");
    }
    assert_size(
        &world.store,
        &world,
        "keys",
        9,
        alike
            .iter()
            .map(|key| (key.len() + format!("{key:?}").len()) as i64)
            .sum(),
    )
    .await;
    for key in alike {
        let ListAnswer::Present { value, .. } = world.ask("keys", key).await else {
            panic!("{key:?} is absent")
        };
        assert_eq!(value, Some(format!("{key:?}")));
    }
}

#[rstest]
#[tokio::test]
async fn pages_follow_the_order_of_bytes(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    world.new_list("keys").await;
    let sorted = ["B", "a", "a-1", "a1", "b", "ä"];
    for key in sorted.iter().rev() {
        world.put("keys", key, None).await;
    }
    assert_eq!(world.keys("keys", "", &Cursor::new(None, None)).await, sorted);
    assert_eq!(
        world.keys("keys", "a", &Cursor::new(None, None)).await,
        ["a", "a-1", "a1"]
    );
    let mut seen = Vec::new();
    let mut cursor = Cursor::new(None, Some(2));
    loop {
        let page = world
            .store
            .list_entries(world.merchant.id, "keys", "a", &cursor)
            .await
            .unwrap();
        seen.extend(page.items.into_iter().map(|entry| entry.key));
        match page.next {
            Some(next) => cursor.after = Some(next),
            None => break,
        }
    }
    assert_eq!(seen, ["a", "a-1", "a1"]);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn changes_at_once_add_up_and_are_told_without_gaps(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let other = world.another_node().await;
    world.new_list("keys").await;
    let before = world.store.list_version().await.unwrap();
    let keys: Vec<String> = (0..40).map(|n| format!("key-{n}")).collect();
    let puts = keys.iter().enumerate().map(|(n, key)| {
        let (store, id) = (if n % 2 == 0 { &world.store } else { &other }, world.merchant.id);
        async move { store.put_list_entry(id, "keys", &entry(key, None), WIDE, now()).await }
    });
    for put in join_all(puts).await {
        assert!(put.unwrap());
    }
    assert_size(
        &world.store,
        &world,
        "keys",
        40,
        keys.iter().map(|key| key.len() as i64).sum(),
    )
    .await;
    let changes = other.list_changes_since(before, 100).await.unwrap();
    let versions: Vec<i64> = changes.iter().map(|change| change.version - before).collect();
    assert_eq!(versions, (1..=40).collect::<Vec<_>>());
    let mut told: Vec<_> = changes.into_iter().filter_map(|change| change.key).collect();
    told.sort();
    let mut keys = keys;
    keys.sort();
    assert_eq!(told, keys);
}

#[rstest]
#[tokio::test]
async fn a_quota_is_over_all_lists_and_lets_nothing_by(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let (store, id) = (&world.store, world.merchant.id);
    world.new_list("one").await;
    world.new_list("two").await;
    let narrow = ListQuota {
        entries_max: 2,
        bytes_max: 10,
    };
    let put = async |list: &str, key: &str, value: Option<&str>| {
        store.put_list_entry(id, list, &entry(key, value), narrow, now()).await
    };
    assert!(put("one", "a", None).await.unwrap());
    assert!(put("two", "b", None).await.unwrap());
    let refused = put("two", "c", None).await;
    assert!(
        matches!(
            refused,
            Err(ListError::OverQuota {
                unit: "entries",
                limit: 2,
                wanted: 3
            })
        ),
        "{refused:?}"
    );
    assert!(put("two", "b", Some("12345678")).await.unwrap());
    let refused = put("one", "a", Some("1")).await;
    assert!(
        matches!(
            refused,
            Err(ListError::OverQuota {
                unit: "bytes",
                limit: 10,
                wanted: 11
            })
        ),
        "{refused:?}"
    );
    // What makes it smaller is always taken, whatever the quota became.
    let none = ListQuota {
        entries_max: 0,
        bytes_max: 0,
    };
    assert!(
        store
            .put_list_entry(id, "two", &entry("b", None), none, now())
            .await
            .unwrap()
    );
    assert_size(store, &world, "two", 1, 1).await;

    assert_eq!(store.list_quota(id).await.unwrap(), None);
    store.set_list_quota(id, Some(none)).await.unwrap();
    store.set_list_quota(id, Some(narrow)).await.unwrap();
    assert_eq!(store.list_quota(id).await.unwrap(), Some(narrow));
    store.set_list_quota(id, None).await.unwrap();
    assert_eq!(store.list_quota(id).await.unwrap(), None);
}

#[rstest]
#[tokio::test]
async fn lists_are_counted_and_made_once(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let (store, id) = (&world.store, world.merchant.id);
    for name in ["c", "a", "b"] {
        world.new_list(name).await;
    }
    world.put("a", "key", None).await;
    let again = store.create_list(id, "a", LISTS_MAX, now()).await.unwrap();
    assert_eq!(again.entries, 1, "what is there stays");
    let refused = store.create_list(id, "d", LISTS_MAX, now()).await;
    assert!(
        matches!(refused, Err(ListError::TooManyLists(LISTS_MAX))),
        "{refused:?}"
    );
    let names: Vec<_> = store
        .lists(id)
        .await
        .unwrap()
        .into_iter()
        .map(|list| list.name)
        .collect();
    assert_eq!(names, ["a", "b", "c"]);
}

#[rstest]
#[tokio::test]
async fn a_deleted_list_is_gone_at_once_and_its_entries_by_and_by(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let (store, id) = (&world.store, world.merchant.id);
    world.new_list("keys").await;
    world.new_list("stays").await;
    world.put("stays", "a", None).await;
    for n in 0..25 {
        world.put("keys", &format!("{n:02}"), None).await;
    }
    store.delete_list(id, "keys", now()).await.unwrap();
    assert_eq!(world.ask("keys", "07").await, ListAnswer::NoList);
    assert!(matches!(
        store.delete_list(id, "keys", now()).await,
        Err(StoreError::NotFound(_))
    ));
    assert_eq!(world.count("list_entries").await, 26);
    let (mut cursor, mut rounds) = (None, 0);
    loop {
        cursor = store.delete_dropped_entries(cursor, 10).await.unwrap();
        rounds += 1;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!((rounds, world.count("list_entries").await), (3, 1));
    assert_eq!(world.count("list_generations").await, 1);
    // The name is free for another content.
    world.new_list("keys").await;
    assert!(matches!(world.ask("keys", "07").await, ListAnswer::Absent { .. }));
}

#[rstest]
#[tokio::test]
async fn a_merchant_that_is_deleted_takes_its_lists_along(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let (store, id) = (&world.store, world.merchant.id);
    world.new_list("keys").await;
    world.put("keys", "a", None).await;
    let neighbour = merchant(store, "neighbour").await.id;
    store.create_list(neighbour, "keys", LISTS_MAX, now()).await.unwrap();
    let put = store
        .put_list_entry(neighbour, "keys", &entry("a", None), WIDE, now())
        .await;
    assert!(put.unwrap());

    let deleted = MerchantChange {
        name: None,
        status: Some(MerchantStatus::Deleted),
    };
    store.change_merchant(id, deleted, now()).await.unwrap();
    let put = store.put_list_entry(id, "keys", &entry("b", None), WIDE, now()).await;
    assert!(matches!(put, Err(ListError::Store(StoreError::NotFound(_)))), "{put:?}");
    assert_eq!(store.drop_lists_of_deleted_merchants().await.unwrap(), 1);
    assert_eq!(store.delete_dropped_entries(None, 10).await.unwrap(), None);
    assert_eq!(world.count("list_entries").await, 1);
    assert_eq!(store.lists(id).await.unwrap(), []);
    let kept = store.list_entry(neighbour, "keys", "a").await.unwrap();
    assert!(matches!(kept, ListAnswer::Present { .. }), "{kept:?}");
}

#[rstest]
#[tokio::test]
async fn a_foreign_list_is_neither_read_nor_changed(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let store = &world.store;
    world.new_list("keys").await;
    world.put("keys", "a", Some("1")).await;
    let stranger = merchant(store, "stranger").await.id;
    assert_eq!(
        store.list_entry(stranger, "keys", "a").await.unwrap(),
        ListAnswer::NoList
    );
    assert_eq!(store.lists(stranger).await.unwrap(), []);
    let cursor = Cursor::new(None, None);
    assert!(
        store
            .list_entries(stranger, "keys", "", &cursor)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    let not_found = |result: Result<(), StoreError>| assert!(matches!(result, Err(StoreError::NotFound(_))));
    not_found(store.list(stranger, "keys").await.map(drop));
    not_found(store.delete_list(stranger, "keys", now()).await);
    not_found(store.remove_list_entry(stranger, "keys", "a", now()).await.map(drop));
    let put = store
        .put_list_entry(stranger, "keys", &entry("a", None), WIDE, now())
        .await;
    assert!(matches!(put, Err(ListError::Store(StoreError::NotFound(_)))), "{put:?}");
    // A list of the same name is another list.
    store.create_list(stranger, "keys", LISTS_MAX, now()).await.unwrap();
    let answer = store.list_entry(stranger, "keys", "a").await.unwrap();
    assert!(matches!(answer, ListAnswer::Absent { .. }), "{answer:?}");
    assert_size(store, &world, "keys", 1, 2).await;
}
