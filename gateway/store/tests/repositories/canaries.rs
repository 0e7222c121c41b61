use e2e::Backend::{self, Postgres, Sqlite};
use futures_util::future::join_all;
use plugin_sdk::MerchantId;
use rstest::rstest;
use serde_json::{Value, json};
use store::{CanaryOf, CanaryStatus, Cursor, NewCanary, NewDraft, NewRevision, Store, StoreError};

use crate::world::{World, event, merchant, now};

fn revision(source: &str) -> NewRevision {
    NewRevision {
        source: source.to_owned(),
        author: "ann".to_owned(),
        ..NewRevision::default()
    }
}

fn canary(of: CanaryOf) -> NewCanary {
    NewCanary {
        of,
        share_bp: 500,
        bounds: json!({"error_bp": 100}),
        counts: json!({"n": 0}),
        author: "ann".to_owned(),
    }
}

fn plus_one(counts: Value) -> Result<Value, StoreError> {
    Ok(json!({"n": counts["n"].as_u64().unwrap() + 1}))
}

async fn actions(store: &Store, merchant: MerchantId) -> Vec<String> {
    let trace = store.audit(merchant, &Cursor::new(None, None)).await.unwrap().items;
    trace.into_iter().map(|entry| entry.action).collect()
}

#[rstest]
#[tokio::test]
async fn a_draft_becomes_a_revision_that_is_not_published(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let (store, id) = (&world.store, world.merchant.id);
    let start = |of| store.start_canary(id, canary(of), now());
    let alone = start(CanaryOf::New(revision("return 1"))).await;
    assert!(matches!(alone, Err(StoreError::NotFound(_))), "nothing to compare with");
    store.publish_rules(id, revision("return 1"), now()).await.unwrap();
    let draft = NewDraft {
        source: "return 2".to_owned(),
        message: String::new(),
        author: String::new(),
        checks: json!({}),
    };
    let version = store.save_rule_draft(id, draft, now()).await.unwrap().version;
    let new = NewRevision {
        draft_version: Some(version),
        ..revision("return 2")
    };
    let started = start(CanaryOf::New(new)).await.unwrap();
    assert_eq!((started.revision, started.status), (2, CanaryStatus::Running));
    assert_eq!(store.rule_draft(id).await.unwrap(), None);
    assert_eq!(store.merchant(id).await.unwrap().published_rules, Some(1));
    let (in_service, revision) = store.tenant("acme").await.unwrap().unwrap().canary.unwrap();
    assert_eq!((in_service, revision.source.as_str()), (started, "return 2"));
    assert!(matches!(start(CanaryOf::Revision(2)).await, Err(StoreError::Exists(_))));
    let stranger = merchant(store, "stranger").await.id;
    assert_eq!(store.canary(stranger).await.unwrap(), None);
    for ended in [
        store.stop_canary(stranger, "eve", now()).await.map(drop),
        store.promote_canary(stranger, "eve", now()).await.map(drop),
        store
            .change_canary(stranger, 1, json!({}), "eve", now())
            .await
            .map(drop),
    ] {
        assert!(matches!(ended, Err(StoreError::NotFound(_))));
    }
    assert_eq!(
        actions(store, id).await,
        ["rules.canary_start", "rules.draft_save", "rules.publish"]
    );
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn all_nodes_count_and_one_withdraws(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let (store, id) = (&world.store, world.merchant.id);
    store.publish_rules(id, revision("return 1"), now()).await.unwrap();
    let started = store.start_canary(id, canary(CanaryOf::New(revision("return 2"))), now());
    let started = started.await.unwrap();
    let other = world.another_node().await;
    let node = |n: usize| if n.is_multiple_of(2) { store } else { &other };
    let adding = (0..20).map(|n| node(n).add_to_canary(id, started.id, plus_one, now()));
    assert!(join_all(adding).await.into_iter().all(|added| added.unwrap().is_some()));
    assert_eq!(store.canary(id).await.unwrap().unwrap().counts, json!({"n": 20}));

    let endpoint = world.endpoint(1).await;
    let version = store.config_version().await.unwrap();
    let withdrawing = (0..6).map(|n| {
        let event = event(id, None, &[&endpoint]);
        node(n).withdraw_canary(id, started.id, json!({"bound": "error_bp"}), event, now())
    });
    let withdrawn = join_all(withdrawing).await.into_iter().map(Result::unwrap);
    assert_eq!(withdrawn.filter(|done| *done).count(), 1, "one of many");
    let ended = store.canary(id).await.unwrap().unwrap();
    assert_eq!(
        (ended.status, ended.reason),
        (CanaryStatus::Withdrawn, Some(json!({"bound": "error_bp"})))
    );
    assert_eq!((world.count("events").await, world.count("deliveries").await), (1, 1));
    assert_eq!(
        store.config_version().await.unwrap(),
        version + 1,
        "all nodes hear of it, once"
    );
    assert_eq!(store.tenant("acme").await.unwrap().unwrap().canary, None);
    assert_eq!(
        store.add_to_canary(id, started.id, plus_one, now()).await.unwrap(),
        None
    );
    assert_eq!(actions(store, id).await[0], "rules.canary_withdraw");
}

#[rstest]
#[tokio::test]
async fn a_canary_ends_when_something_else_is_published(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let (store, id) = (&world.store, world.merchant.id);
    store.publish_rules(id, revision("return 1"), now()).await.unwrap();
    let start = async |of| store.start_canary(id, canary(of), now()).await.unwrap();
    start(CanaryOf::New(revision("return 2"))).await;
    let changed = store
        .change_canary(id, 700, json!({"error_bp": 7}), "bob", now())
        .await
        .unwrap();
    assert_eq!((changed.share_bp, &changed.bounds), (700, &json!({"error_bp": 7})));
    let promoted = store.promote_canary(id, "bob", now()).await.unwrap();
    assert_eq!((promoted.revision, promoted.status), (2, CanaryStatus::Promoted));
    assert_eq!(store.merchant(id).await.unwrap().published_rules, Some(2));
    assert_eq!(store.canary(id).await.unwrap().unwrap().status, CanaryStatus::Promoted);
    start(CanaryOf::Revision(1)).await;
    store.publish_rules(id, revision("return 3"), now()).await.unwrap();
    let ended = store.canary(id).await.unwrap().unwrap();
    assert_eq!((ended.status, ended.reason.is_some()), (CanaryStatus::Stopped, true));
    let mut told = actions(store, id).await;
    // Two of them are of one transaction, and may be of one millisecond.
    told.sort_unstable();
    assert_eq!(
        told,
        [
            "rules.canary_change",
            "rules.canary_promote",
            "rules.canary_start",
            "rules.canary_start",
            "rules.canary_stop",
            "rules.publish",
            "rules.publish"
        ]
    );
}
