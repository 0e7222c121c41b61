use e2e::Backend::{self, Postgres, Sqlite};
use futures_util::future::join_all;
use rstest::rstest;
use serde_json::json;
use store::{Cursor, LogWriter, NewDraft, NewRevision, RuleFailure, StoreError};

use crate::world::{World, merchant, now, seconds};

fn revision(source: &str) -> NewRevision {
    NewRevision {
        source: source.to_owned(),
        message: format!("about {source}"),
        author: "ann".to_owned(),
        ..NewRevision::default()
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
    store.unpublish_rules(id, "bob", now()).await.unwrap();
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

fn draft(source: &str) -> NewDraft {
    NewDraft {
        source: source.to_owned(),
        message: "work".to_owned(),
        author: "ann".to_owned(),
        checks: json!({"findings": []}),
    }
}

#[rstest]
#[tokio::test]
async fn a_draft_is_one_and_goes_when_it_is_published(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let (store, id) = (&world.store, world.merchant.id);
    assert_eq!(store.rule_draft(id).await.unwrap(), None);
    let first = store.save_rule_draft(id, draft("return 1"), now()).await.unwrap();
    let second = store.save_rule_draft(id, draft("return 2"), now()).await.unwrap();
    assert_eq!(
        (first.version, second.version, second.source.as_str()),
        (1, 2, "return 2")
    );
    assert_eq!(store.rule_draft(id).await.unwrap(), Some(second));
    let publish = |version| {
        let new = NewRevision {
            draft_version: Some(version),
            ..revision("return 2")
        };
        store.publish_rules(id, new, now())
    };
    // Somebody looked at the first one.
    assert!(matches!(publish(1).await, Err(StoreError::NotFound(_))));
    assert_eq!(store.merchant(id).await.unwrap().published_rules, None);
    assert_eq!(publish(2).await.unwrap().number, 1);
    assert_eq!(store.rule_draft(id).await.unwrap(), None);
    let stranger = merchant(store, "stranger").await.id;
    store.save_rule_draft(id, draft("secret"), now()).await.unwrap();
    assert_eq!(store.rule_draft(stranger).await.unwrap(), None);
    store.delete_rule_draft(stranger, "eve", now()).await.unwrap();
    assert!(store.rule_draft(id).await.unwrap().is_some());
    store.delete_rule_draft(id, "bob", now()).await.unwrap();
    let trace = store.audit(id, &Cursor::new(None, None)).await.unwrap().items;
    let told: Vec<_> = (trace.iter())
        .map(|entry| {
            (
                entry.action.as_str(),
                entry.actor.as_str(),
                entry.before.is_some(),
                entry.after.is_some(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("rules.draft_delete", "bob", true, false),
            ("rules.draft_save", "ann", false, true),
            ("rules.publish", "ann", false, true),
            ("rules.draft_save", "ann", true, true),
            ("rules.draft_save", "ann", false, true),
        ]
    );
    assert!(!format!("{trace:?}").contains("secret"), "the text stays where it is");
    let theirs = store.audit(stranger, &Cursor::new(None, None)).await.unwrap().items;
    assert_eq!(theirs, [], "nothing was thrown away");
}

#[rstest]
#[tokio::test]
async fn every_change_of_what_is_in_service_leaves_its_trace(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let (store, id) = (&world.store, world.merchant.id);
    for source in ["return 1", "return 2", "return 3"] {
        store.publish_rules(id, revision(source), now()).await.unwrap();
    }
    assert_eq!(
        store.roll_back_rules(id, 1, "bob", now()).await.unwrap().source,
        "return 1"
    );
    assert!(matches!(
        store.roll_back_rules(id, 9, "bob", now()).await,
        Err(StoreError::NotFound(_))
    ));
    store.unpublish_rules(id, "eve", now()).await.unwrap();
    let trace = store.audit(id, &Cursor::new(None, None)).await.unwrap().items;
    let told: Vec<_> = trace
        .iter()
        .map(|entry| (entry.actor.as_str(), entry.action.as_str(), &entry.before, &entry.after))
        .collect();
    let at = |number: i32| Some(json!({"revision": number}));
    assert_eq!(
        told,
        [
            ("eve", "rules.unpublish", &at(1), &None),
            ("bob", "rules.rollback", &at(3), &at(1)),
            ("ann", "rules.publish", &at(2), &at(3)),
            ("ann", "rules.publish", &at(1), &at(2)),
            ("ann", "rules.publish", &None, &at(1)),
        ]
    );
    let stranger = merchant(store, "stranger").await.id;
    assert!(
        store
            .audit(stranger, &Cursor::new(None, None))
            .await
            .unwrap()
            .items
            .is_empty()
    );
    assert!(
        store
            .rule_revisions(stranger, &Cursor::new(None, None))
            .await
            .unwrap()
            .items
            .is_empty()
    );
    let page = store.rule_revisions(id, &Cursor::new(None, Some(2))).await.unwrap();
    assert_eq!(
        page.items.iter().map(|revision| revision.number).collect::<Vec<_>>(),
        [3, 2]
    );
    let rest = store
        .rule_revisions(id, &Cursor::new(page.next, Some(2)))
        .await
        .unwrap();
    assert_eq!((rest.items.len(), rest.items[0].number, rest.next), (1, 1, None));
    assert_eq!(store.rule_revision_before(id, 3).await.unwrap().unwrap().number, 2);
}

#[rstest]
#[tokio::test]
async fn failures_of_all_nodes_add_up_until_a_fresh_start(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let (store, id) = (&world.store, world.merchant.id);
    store.publish_rules(id, revision("return 1"), now()).await.unwrap();
    let nodes = [LogWriter::start(store), LogWriter::start(&world.another_node().await)];
    let start = now();
    for (n, node) in [0, 0, 1, 0].into_iter().zip(0..) {
        let failure = RuleFailure {
            merchant_id: id,
            revision: 1,
            kind: "runtime",
            message: format!("failure {node}"),
            line: Some(7),
            at: start + seconds(node),
        };
        nodes[n].rule_failure(failure).unwrap();
        nodes[n].flush().await;
    }
    let trouble = store.rule_troubles(id).await.unwrap().remove(0);
    assert_eq!((trouble.revision, trouble.failures, trouble.line), (1, 4, Some(7)));
    assert_eq!(
        (trouble.since, trouble.last_at, trouble.message.as_str()),
        (start, start + seconds(3), "failure 3")
    );
    store.roll_back_rules(id, 1, "bob", now()).await.unwrap();
    assert_eq!(store.rule_troubles(id).await.unwrap(), []);
}

#[rstest]
#[tokio::test]
async fn settings_are_replaced_whole(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let (store, id) = (&world.store, world.merchant.id);
    assert_eq!(store.rule_settings(id).await.unwrap(), None);
    let version = store.config_version().await.unwrap();
    let set = async |settings| {
        let change = |_| Ok::<_, StoreError>(settings);
        store.change_rule_settings(id, "bob", now(), change).await.unwrap()
    };
    set(json!({"a": 1})).await;
    assert_eq!(set(json!({"b": 2})).await, json!({"b": 2}));
    let refused = (store.change_rule_settings(id, "bob", now(), |_| Err(StoreError::Busy))).await;
    assert!(matches!(refused, Err(StoreError::Busy)), "nothing of it is kept");
    assert_eq!(store.rule_settings(id).await.unwrap(), Some(json!({"b": 2})));
    assert_eq!(
        store.tenant("acme").await.unwrap().unwrap().rule_settings,
        Some(json!({"b": 2}))
    );
    assert_eq!(store.config_version().await.unwrap(), version + 2);
    let trace = store.audit(id, &Cursor::new(None, None)).await.unwrap().items;
    assert_eq!(
        (trace.len(), &trace[0].before, &trace[0].after),
        (2, &Some(json!({"a": 1})), &Some(json!({"b": 2})))
    );
}
