use e2e::Backend::{self, Postgres, Sqlite};
use rstest::rstest;
use store::{
    Cursor, ListAnswer, ListError, ListImport, ListImportError, ListImportProgress, ListImportStatus, ListQuota,
    NewListImport, StoreError,
};

use crate::lists::{LISTS_MAX, WIDE, assert_size, entry};
use crate::world::{World, merchant, now, seconds};

impl World {
    async fn start(&self, list: &str) -> Result<ListImport, StoreError> {
        let new = NewListImport {
            list: list.to_owned(),
            format: "csv",
            bytes_total: 100,
            lease_until: now() + seconds(60),
        };
        self.store.start_list_import(self.merchant.id, new, now()).await
    }

    async fn append(&self, import: &ListImport, keys: &[&str]) -> Result<(), ListError> {
        let batch: Vec<_> = keys.iter().map(|key| entry(key, Some("1"))).collect();
        let lease = now() + seconds(60);
        self.store
            .append_list_import(import, &batch, progress(keys.len()), lease, now())
            .await
    }

    async fn finish(&self, import: &ListImport, rows: usize, quota: ListQuota) -> Result<(), ListError> {
        let bytes = 2 * rows as i64;
        let finish = self
            .store
            .finish_list_import(import, progress(rows), bytes, quota, LISTS_MAX, now());
        finish.await.map(drop)
    }

    async fn status(&self, import: &ListImport) -> ListImportStatus {
        let import = self.store.list_import(self.merchant.id, import.id).await;
        import.unwrap().status
    }

    async fn has(&self, list: &str, key: &str) -> bool {
        matches!(self.ask(list, key).await, ListAnswer::Present { .. })
    }
}

fn progress(rows: usize) -> ListImportProgress {
    ListImportProgress {
        bytes_total: 100,
        bytes_read: 100,
        rows_read: rows as i64,
        rows_repeated: 0,
        rows_stored: rows as i64,
    }
}

#[rstest]
#[tokio::test]
async fn the_old_content_serves_until_the_new_one_is_whole(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    world.new_list("keys").await;
    world.put("keys", "o", None).await;
    let import = world.start("keys").await.unwrap();
    world.append(&import, &["a", "b"]).await.unwrap();
    // Whose end was not heard of: once more.
    world.append(&import, &["a", "b"]).await.unwrap();
    assert!(world.has("keys", "o").await && !world.has("keys", "a").await);
    let known = world.store.list_import(world.merchant.id, import.id).await.unwrap();
    assert_eq!((known.status, known.progress), (ListImportStatus::Active, progress(2)));
    assert_eq!((known.list.as_str(), known.format.as_str()), ("keys", "csv"));

    let before = world.store.list_version().await.unwrap();
    world.finish(&import, 2, WIDE).await.unwrap();
    assert!(!world.has("keys", "o").await && world.has("keys", "a").await);
    assert_size(&world.store, &world, "keys", 2, 4).await;
    assert_eq!(world.status(&import).await, ListImportStatus::Done);
    let changes = world.store.list_changes_since(before, 10).await.unwrap();
    assert_eq!(changes.len(), 1);
    assert_eq!((changes[0].list.as_str(), &changes[0].key), ("keys", &None));
    assert_eq!(world.store.delete_dropped_entries(None, 10).await.unwrap(), None);
    assert_eq!(world.count("list_entries").await, 2);
}

#[rstest]
#[tokio::test]
async fn an_import_makes_its_list(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let import = world.start("keys").await.unwrap();
    assert_eq!(world.ask("keys", "a").await, ListAnswer::NoList);
    world.append(&import, &["a"]).await.unwrap();
    assert_eq!(world.ask("keys", "a").await, ListAnswer::NoList);
    world.finish(&import, 1, WIDE).await.unwrap();
    assert!(world.has("keys", "a").await);
    for name in ["two", "three"] {
        world.new_list(name).await;
    }
    let import = world.start("four").await.unwrap();
    let refused = world.finish(&import, 0, WIDE).await;
    assert!(
        matches!(refused, Err(ListError::TooManyLists(LISTS_MAX))),
        "{refused:?}"
    );
}

#[rstest]
#[tokio::test]
async fn a_list_has_one_import_at_work(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let first = world.start("keys").await.unwrap();
    let second = world.start("keys").await;
    assert!(matches!(second, Err(StoreError::Exists(_))), "{second:?}");
    world.start("others").await.unwrap();
    let wrong = ListImportError {
        line: Some(7),
        message: "is not UTF-8".to_owned(),
    };
    world
        .store
        .fail_list_import(&first, std::slice::from_ref(&wrong), now())
        .await
        .unwrap();
    let known = world.store.list_import(world.merchant.id, first.id).await.unwrap();
    assert_eq!((known.status, known.errors), (ListImportStatus::Failed, vec![wrong]));
    let second = world.start("keys").await.unwrap();
    let page = world
        .store
        .list_imports(world.merchant.id, "keys", &Cursor::new(None, None))
        .await;
    let ids: Vec<_> = page.unwrap().items.into_iter().map(|import| import.id).collect();
    assert_eq!(ids, [second.id, first.id]);
}

#[rstest]
#[tokio::test]
async fn an_import_that_was_given_up_neither_stores_nor_swaps(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let store = &world.store;
    world.new_list("keys").await;
    world.put("keys", "o", None).await;
    let import = world.start("keys").await.unwrap();
    world.append(&import, &["a"]).await.unwrap();
    assert!(store.lapsed_list_imports(now(), 10).await.unwrap().is_empty());
    let later = now() + seconds(120);
    let lapsed = store.lapsed_list_imports(later, 10).await.unwrap();
    assert_eq!(lapsed.iter().map(|import| import.id).collect::<Vec<_>>(), [import.id]);
    store.fail_list_import(&import, &[], now()).await.unwrap();

    assert!(matches!(
        world.append(&import, &["b"]).await,
        Err(ListError::ImportEnded)
    ));
    assert!(matches!(
        world.finish(&import, 2, WIDE).await,
        Err(ListError::ImportEnded)
    ));
    let renewed = store.renew_list_import(&import, progress(1), later, now()).await;
    assert!(matches!(renewed, Err(ListError::ImportEnded)));
    let again = store.fail_list_import(&import, &[], now()).await;
    assert!(matches!(again, Err(ListError::ImportEnded)));
    assert!(world.has("keys", "o").await && !world.has("keys", "a").await);
    store.delete_dropped_entries(None, 10).await.unwrap();
    assert_eq!(world.count("list_entries").await, 1);
}

#[rstest]
#[tokio::test]
async fn a_swap_over_the_quota_leaves_everything_as_it_was(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    world.new_list("keys").await;
    world.put("keys", "o", None).await;
    let import = world.start("keys").await.unwrap();
    world.append(&import, &["a", "b"]).await.unwrap();
    let narrow = ListQuota { entries_max: 1, ..WIDE };
    let refused = world.finish(&import, 2, narrow).await;
    assert!(
        matches!(
            refused,
            Err(ListError::OverQuota {
                unit: "entries",
                limit: 1,
                wanted: 2
            })
        ),
        "{refused:?}"
    );
    assert!(world.has("keys", "o").await);
    assert_eq!(world.status(&import).await, ListImportStatus::Active);
    // Its own old content does not count beside the new one.
    let just = ListQuota {
        entries_max: 2,
        bytes_max: 4,
    };
    world.store.check_list_import(&import, (2, 4), just).await.unwrap();
    world.finish(&import, 2, just).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn a_chunk_of_a_replaced_list_is_not_given(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let (store, id) = (&world.store, world.merchant.id);
    world.new_list("keys").await;
    for key in ["a", "b", "c"] {
        world.put("keys", key, None).await;
    }
    let list = store.list(id, "keys").await.unwrap();
    let first = store.list_chunk(&list, None, 2).await.unwrap();
    assert_eq!(first, [entry("a", None), entry("b", None)]);
    let rest = store.list_chunk(&list, Some("b"), 2).await.unwrap();
    assert_eq!(rest, [entry("c", None)]);
    let import = world.start("keys").await.unwrap();
    world.finish(&import, 0, WIDE).await.unwrap();
    let stale = store.list_chunk(&list, Some("b"), 2).await;
    assert!(matches!(stale, Err(StoreError::NotFound(_))), "{stale:?}");
}

#[rstest]
#[tokio::test]
async fn a_foreign_import_is_not_found(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let store = &world.store;
    let import = world.start("keys").await.unwrap();
    let stranger = merchant(store, "stranger").await.id;
    let read = store.list_import(stranger, import.id).await;
    assert!(matches!(read, Err(StoreError::NotFound(_))), "{read:?}");
    let page = store
        .list_imports(stranger, "keys", &Cursor::new(None, None))
        .await
        .unwrap();
    assert!(page.items.is_empty());
    let forged = ListImport {
        merchant_id: stranger,
        ..import.clone()
    };
    assert!(matches!(
        world.append(&forged, &["a"]).await,
        Err(ListError::ImportEnded)
    ));
    assert!(matches!(
        world.finish(&forged, 0, WIDE).await,
        Err(ListError::ImportEnded)
    ));
}

#[rstest]
#[tokio::test]
async fn old_records_go_and_imports_at_work_stay(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let store = &world.store;
    world.new_list("keys").await;
    let ended = world.start("keys").await.unwrap();
    store.fail_list_import(&ended, &[], now()).await.unwrap();
    let active = world.start("keys").await.unwrap();
    store
        .delete_list_records_before(now() - seconds(60), now() - seconds(60))
        .await
        .unwrap();
    assert_eq!(
        (world.count("list_changes").await, world.count("list_imports").await),
        (1, 2)
    );
    let later = now() + seconds(60);
    store.delete_list_records_before(later, later).await.unwrap();
    assert_eq!(
        (world.count("list_changes").await, world.count("list_imports").await),
        (0, 1)
    );
    assert_eq!(world.status(&active).await, ListImportStatus::Active);
}
