use e2e::Backend::{self, Postgres, Sqlite};
use e2e::TestDatabase;
use rstest::rstest;

use crate::world::{World, merchant, open};

async fn tables(database: &TestDatabase) -> Vec<String> {
    let sql = match database.backend() {
        Sqlite => {
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY name"
        }
        Postgres => "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1",
    };
    database.texts(sql).await
}

#[rstest]
#[tokio::test]
async fn the_schema_goes_down_and_up_again(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let whole = tables(&world.database).await;
    assert!(whole.len() > 12, "{whole:?}");
    assert_eq!(world.store.pending_migrations().await.unwrap(), 0);

    world.store.migrate_down(Some(1)).await.unwrap();
    assert_eq!(world.store.pending_migrations().await.unwrap(), 1);
    world.store.migrate_down(None).await.unwrap();
    assert_eq!(tables(&world.database).await, ["seaql_migrations"]);

    world.store.migrate().await.unwrap();
    assert_eq!(tables(&world.database).await, whole);
    merchant(&world.store, "acme").await;
}

/// Several nodes are started at once on an empty database.
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_that_migrate_at_once_do_not_fail(#[values(Sqlite, Postgres)] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let nodes = [open(&database).await, open(&database).await, open(&database).await];
    let (first, second, third) = tokio::join!(nodes[0].migrate(), nodes[1].migrate(), nodes[2].migrate());
    first.and(second).and(third).unwrap();
    assert_eq!(nodes[0].pending_migrations().await.unwrap(), 0);
}
