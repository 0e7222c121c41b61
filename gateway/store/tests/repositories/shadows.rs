use std::collections::BTreeMap;

use e2e::Backend::{self, Postgres, Sqlite};
use futures_util::future::join_all;
use rstest::rstest;
use serde_json::json;
use store::{Cursor, NewShadow, ShadowCounts, ShadowGroup, StoreError};

use crate::world::{World, merchant, now};

fn shadow(source: &str) -> NewShadow {
    NewShadow {
        target: json!({"draft": 1}),
        source: source.to_owned(),
        author: "ann".to_owned(),
    }
}

/// One change of 10.45, with an example of this number.
fn found(change: &str, number: usize) -> ShadowCounts {
    ShadowCounts {
        decided: 3,
        same: 1,
        changed: 1,
        not_comparable: 1,
        dropped: 2,
        groups: vec![ShadowGroup {
            change: change.to_owned(),
            count: 1,
            amounts: BTreeMap::from([("RUB".to_owned(), 1_045)]),
            examples: vec![json!({"account": number})],
        }],
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_all_nodes_found_adds_up(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let (store, id) = (&world.store, world.merchant.id);
    let other = world.another_node().await;
    let started = store.start_shadow(id, shadow("return {}"), now()).await.unwrap();
    let adding = (0..30_usize).map(|n| {
        let node = if n.is_multiple_of(2) { store } else { &other };
        node.add_to_shadow(id, started.id, found("accept → reject", n), now())
    });
    assert!(join_all(adding).await.into_iter().all(Result::unwrap));
    let (read, counts) = store.shadow(id).await.unwrap().unwrap();
    assert!(read.running && read.source == "return {}");
    assert_eq!(
        (counts.decided, counts.same, counts.changed, counts.dropped),
        (90, 30, 30, 60)
    );
    let group = &counts.groups[0];
    assert_eq!((group.count, group.amounts["RUB"]), (30, 31_350));
    assert_eq!(group.examples.len(), 20, "over all nodes");
}

#[rstest]
#[tokio::test]
async fn scripts_cannot_make_changes_without_end(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let (store, id) = (&world.store, world.merchant.id);
    let started = store.start_shadow(id, shadow("return {}"), now()).await.unwrap();
    let mut many = found("", 0);
    many.groups = (0..150)
        .flat_map(|n| found(&format!("route: a → {n}"), n).groups)
        .collect();
    assert!(store.add_to_shadow(id, started.id, many, now()).await.unwrap());
    let (_, counts) = store.shadow(id).await.unwrap().unwrap();
    assert_eq!(counts.groups.len(), 101);
    assert_eq!(
        (counts.groups[0].change.as_str(), counts.groups[0].count),
        ("other changes", 50)
    );
    let most = ShadowGroup {
        change: "fee".to_owned(),
        count: u64::MAX,
        amounts: BTreeMap::from([("RUB".to_owned(), i64::MAX)]),
        examples: Vec::new(),
    };
    let most = ShadowCounts {
        groups: vec![most.clone(), most],
        ..ShadowCounts::default()
    };
    store.start_shadow(id, shadow("return {}"), now()).await.unwrap();
    let (again, counts) = store.shadow(id).await.unwrap().unwrap();
    assert_eq!(counts, ShadowCounts::default(), "a new one starts with nothing");
    assert!(store.add_to_shadow(id, again.id, most, now()).await.unwrap());
    let (_, counts) = store.shadow(id).await.unwrap().unwrap();
    assert_eq!(counts.groups[0].amounts["RUB"], i64::MAX);
}

#[rstest]
#[tokio::test]
async fn a_shadow_is_its_merchants_until_it_is_stopped(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let (store, id) = (&world.store, world.merchant.id);
    let stranger = merchant(store, "stranger").await.id;
    let not_found = |stopped| matches!(stopped, Err(StoreError::NotFound(_)));
    assert!(not_found(store.stop_shadow(id, "bob", now()).await));
    let version = store.config_version().await.unwrap();
    let started = store.start_shadow(id, shadow("return {}"), now()).await.unwrap();
    assert_eq!(
        store.tenant("acme").await.unwrap().unwrap().shadow,
        Some(started.clone())
    );
    assert_eq!(store.shadow(stranger).await.unwrap(), None);
    assert!(not_found(store.stop_shadow(stranger, "eve", now()).await));
    let add = async |merchant| (store.add_to_shadow(merchant, started.id, found("fee", 1), now()).await).unwrap();
    assert!(!add(stranger).await);
    assert!(add(id).await);
    store.stop_shadow(id, "bob", now()).await.unwrap();
    assert!(!add(id).await, "nothing is added to what was stopped");
    assert_eq!(store.config_version().await.unwrap(), version + 2, "nodes hear of both");
    assert_eq!(store.tenant("acme").await.unwrap().unwrap().shadow, None);
    let (read, counts) = store.shadow(id).await.unwrap().unwrap();
    assert_eq!((read.running, counts.decided), (false, 3), "what it found stays");
    let trace = store.audit(id, &Cursor::new(None, None)).await.unwrap().items;
    let told: Vec<_> = trace
        .iter()
        .map(|entry| (entry.actor.as_str(), entry.action.as_str()))
        .collect();
    assert_eq!(told, [("bob", "rules.shadow_stop"), ("ann", "rules.shadow_start")]);
}
