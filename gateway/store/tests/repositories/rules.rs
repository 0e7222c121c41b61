use e2e::Backend::{self, Postgres, Sqlite};
use futures_util::future::join_all;
use rstest::rstest;
use store::{NewRevision, StoreError};

use crate::world::{World, now};

fn revision(source: &str) -> NewRevision {
    NewRevision {
        source: source.to_owned(),
        message: format!("about {source}"),
        author: "ann".to_owned(),
    }
}

#[rstest]
#[tokio::test]
async fn publishing_counts_up_and_keeps_every_revision(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let (store, id) = (&world.store, world.merchant.id);
    let first = store.publish_rules(id, revision("return 1"), now()).await.unwrap();
    let second = store.publish_rules(id, revision("return 2"), now()).await.unwrap();
    assert_eq!((first.number, second.number), (1, 2));
    assert_eq!(store.rule_revision(id, 1).await.unwrap(), first);
    assert_eq!(store.merchant(id).await.unwrap().published_rules, Some(2));
    store.unpublish_rules(id).await.unwrap();
    assert_eq!(store.merchant(id).await.unwrap().published_rules, None);
    assert_eq!(store.rule_revision(id, 2).await.unwrap(), second);
    assert!(matches!(store.rule_revision(id, 3).await, Err(StoreError::NotFound(_))));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn publishers_at_once_get_a_number_each(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let sources: Vec<String> = (0..8).map(|n| format!("return {n}")).collect();
    let published = sources
        .iter()
        .map(|source| world.store.publish_rules(world.merchant.id, revision(source), now()));
    let mut numbers: Vec<i32> = join_all(published)
        .await
        .into_iter()
        .map(|done| done.unwrap().number)
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=8).collect::<Vec<_>>());
}
