use chrono::TimeDelta;
use e2e::Backend::{self, Postgres, Sqlite};
use plugin_sdk::connector::{CaptureMode, StepKind};
use plugin_sdk::{ApiKeyId, OperationId, PaymentId, PaymentKey, TokenId};
use rstest::rstest;
use serde_json::json;
use store::{
    ApiKey, Cursor, KeyAnswer, KeyClaim, NewOrder, NewPayment, NewPaymentToken, OperationStatus, OrderChange,
    OrderDirection, OrderOperation, OrderWritten, PaymentFilter, PaymentStatus, StoreError,
};

use crate::world::{World, event, merchant, now, rubles};

async fn order(world: &World) -> NewOrder {
    let write = world.payment("unused", &[]).await;
    let number = world.store.numbers().next().await.unwrap();
    let operation = OrderOperation {
        id: OperationId::generate(),
        kind: StepKind::Create,
        status: OperationStatus::Pending,
        connection_id: world.connection.id,
        number,
        amount: write.payment.amount,
        network_id: None,
        fault: None,
        rule_revision: Some(3),
        tries: 0,
        check_at: Some(now() + TimeDelta::seconds(75)),
        created_at: now(),
        updated_at: now(),
    };
    let id = PaymentId::generate();
    NewOrder {
        payment: NewPayment {
            id,
            key: PaymentKey::single(id.to_string()),
            status: PaymentStatus::Created,
            booking: None,
            ..write.payment
        },
        order_id: Some("A-17".to_owned()),
        direction: OrderDirection::In,
        capture: CaptureMode::Manual,
        method: "card".to_owned(),
        details: json!({ "description": "Žofie 😀" }),
        route: json!([]),
        expires_at: None,
        operation,
        decisions: Vec::new(),
    }
}

fn claim(world: &World, key: &str, hash: &str) -> KeyClaim {
    KeyClaim {
        merchant: world.merchant.id,
        key: key.to_owned(),
        request_hash: hash.to_owned(),
        payment: None,
        operation: None,
        lease_until: now() + TimeDelta::seconds(75),
        now: now(),
    }
}

#[rstest]
#[tokio::test]
async fn an_intent_and_what_became_of_it(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let endpoint = world.endpoint(4).await;
    let (store, merchant) = (&world.store, world.merchant.id);
    let new = order(&world).await;
    let (id, operation) = (new.payment.id, new.operation.clone());
    assert_eq!(store.create_order(new, None).await.unwrap(), OrderWritten::Done);
    let mut state = store.order(merchant, id).await.unwrap();
    assert_eq!(
        (state.order.version, state.order.payment.status),
        (1, PaymentStatus::Created)
    );
    assert_eq!(state.operations, std::slice::from_ref(&operation));

    state.order.payment.status = PaymentStatus::Authorized;
    state.order.authorized = rubles(1_045);
    state.order.network_id = Some("net-9".to_owned());
    state.order.progress = json!({ "facts": { "rrn": "123" } });
    let done = OrderOperation {
        status: OperationStatus::Succeeded,
        network_id: Some("net-9".to_owned()),
        check_at: None,
        ..operation
    };
    let change = OrderChange {
        operations: vec![done.clone()],
        events: vec![event(merchant, Some(id), &[&endpoint])],
        tokens: vec![NewPaymentToken {
            id: TokenId::generate(),
            merchant_id: merchant,
            connection_id: world.connection.id,
            customer: Some("c-1".to_owned()),
            token_sealed: "v1.sealed".to_owned(),
            masked_pan: Some("411111******1111".to_owned()),
            expires_at: None,
            payment_id: Some(id),
            created_at: now(),
        }],
        ..OrderChange::default()
    };
    assert_eq!(
        store.change_order(&state.order, change).await.unwrap(),
        OrderWritten::Done
    );
    let after = store.order(merchant, id).await.unwrap();
    assert_eq!(
        (after.order.version, after.order.payment.status),
        (2, PaymentStatus::Authorized)
    );
    assert_eq!(
        (after.order.authorized, after.order.captured),
        (rubles(1_045), rubles(0))
    );
    assert_eq!(after.operations, [done]);
    assert_eq!(store.events_of_payment(merchant, id).await.unwrap().len(), 1);
    let tokens = store
        .payment_tokens(merchant, Some("c-1"), &Cursor::new(None, None))
        .await
        .unwrap()
        .items;
    assert_eq!(tokens.len(), 1);
    let found = store
        .order_by_network_id(merchant, world.connection.id, "net-9")
        .await
        .unwrap();
    assert_eq!(found, Some(id));
    for search in [
        "A-17",
        "net-9",
        &id.to_string(),
        &after.order.payment.number.to_string(),
    ] {
        let filter = PaymentFilter {
            search: Some(search.to_owned()),
            ..PaymentFilter::default()
        };
        let page = store
            .payments(merchant, &filter, &Cursor::new(None, None))
            .await
            .unwrap();
        assert_eq!(page.items.len(), 1, "{search}");
    }
}

#[rstest]
#[tokio::test]
async fn who_did_not_see_the_last_change_is_told(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let store = &world.store;
    let new = order(&world).await;
    let id = new.payment.id;
    store.create_order(new, None).await.unwrap();
    let seen = store.order(world.merchant.id, id).await.unwrap().order;
    let change = || OrderChange {
        events: vec![event(world.merchant.id, Some(id), &[])],
        ..OrderChange::default()
    };
    assert_eq!(store.change_order(&seen, change()).await.unwrap(), OrderWritten::Done);
    assert_eq!(
        store.change_order(&seen, change()).await.unwrap(),
        OrderWritten::Overtaken
    );
    assert_eq!(world.count("events").await, 1, "nothing of the slower one was written");
}

#[rstest]
#[tokio::test]
async fn a_key_happens_once_and_remembers_its_answer(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let (store, merchant) = (&world.store, world.merchant.id);
    let (first, second) = (order(&world).await, order(&world).await);
    let payment = first.payment.id;
    let mine = KeyClaim {
        payment: Some(payment),
        ..claim(&world, "k", "hash")
    };
    assert_eq!(store.create_order(first, Some(mine)).await.unwrap(), OrderWritten::Done);
    let OrderWritten::Known(known) = store
        .create_order(second, Some(claim(&world, "k", "hash")))
        .await
        .unwrap()
    else {
        panic!("the key was free");
    };
    assert_eq!((known.payment, &known.answer), (Some(payment), &None));
    assert_eq!(world.count("payments").await, 1);

    let answer = KeyAnswer {
        merchant,
        key: "k".to_owned(),
        status: 201,
        body: "{\"id\":\"1\"}".to_owned(),
    };
    store.answer_key(&answer).await.unwrap();
    store
        .answer_key(&KeyAnswer {
            body: "other".to_owned(),
            ..answer.clone()
        })
        .await
        .unwrap();
    let known = store.idempotency_key(merchant, "k").await.unwrap().unwrap();
    assert_eq!(known.answer, Some((201, answer.body)), "an answer never changes");
    // A key belongs to its merchant.
    let other = merchant_of(&world).await;
    assert_eq!(store.idempotency_key(other, "k").await.unwrap(), None);
    // One that came to nothing is free again; one with an answer is not.
    assert_eq!(store.claim_key(claim(&world, "l", "h")).await.unwrap(), None);
    store.release_key(merchant, "l").await.unwrap();
    store.release_key(merchant, "k").await.unwrap();
    assert_eq!(store.idempotency_key(merchant, "l").await.unwrap(), None);
    assert!(store.idempotency_key(merchant, "k").await.unwrap().is_some());
    assert_eq!(
        store
            .delete_keys_before(now() + TimeDelta::seconds(1), 10)
            .await
            .unwrap(),
        1
    );
}

#[rstest]
#[tokio::test]
async fn twenty_racers_with_one_key_make_one_payment(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let mut racers = Vec::new();
    for _ in 0..20 {
        let (store, new, claim) = (
            world.another_node().await,
            order(&world).await,
            claim(&world, "k", "hash"),
        );
        racers.push(tokio::spawn(async move { store.create_order(new, Some(claim)).await }));
    }
    let mut made = 0;
    for racer in racers {
        match racer.await.unwrap().unwrap() {
            OrderWritten::Done | OrderWritten::AnsweredBefore => made += 1,
            OrderWritten::Known(_) => {}
            OrderWritten::Overtaken => panic!("nothing to overtake"),
        }
    }
    assert_eq!(
        (made, world.count("payments").await, world.count("operations").await),
        (1, 1, 1)
    );
}

#[rstest]
#[tokio::test]
async fn a_due_operation_is_taken_by_one(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let (one, other) = (&world.store, world.another_node().await);
    let new = order(&world).await;
    let operation = new.operation.clone();
    one.create_order(new, None).await.unwrap();
    let due_at = operation.check_at.unwrap();
    let lease = due_at + TimeDelta::seconds(60);
    assert_eq!(
        one.claim_due_operations(due_at - TimeDelta::seconds(1), lease, 10)
            .await
            .unwrap(),
        []
    );
    let (a, b) = tokio::join!(
        one.claim_due_operations(due_at, lease, 10),
        other.claim_due_operations(due_at, lease, 10)
    );
    let taken: Vec<_> = a.unwrap().into_iter().chain(b.unwrap()).collect();
    assert_eq!(
        taken.iter().map(|due| due.operation_id).collect::<Vec<_>>(),
        [operation.id]
    );
    assert_eq!(
        one.claim_due_operations(lease, lease, 10).await.unwrap().len(),
        1,
        "a lease that ran out"
    );
    let (waiting, oldest) = one.operations_in_doubt().await.unwrap();
    assert_eq!((waiting, oldest), (1, Some(operation.created_at)));
}

#[rstest]
#[tokio::test]
async fn another_merchants_payments_are_not_there(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let store = &world.store;
    let new = order(&world).await;
    let (id, number) = (new.payment.id, new.payment.number);
    store.create_order(new, None).await.unwrap();
    let stranger = merchant_of(&world).await;
    assert!(matches!(store.order(stranger, id).await, Err(StoreError::NotFound(_))));
    assert_eq!(
        store
            .order_by_number(stranger, u64::try_from(number).unwrap())
            .await
            .unwrap(),
        None
    );
    let mut seen = store.order(world.merchant.id, id).await.unwrap().order;
    seen.payment.merchant_id = stranger;
    assert_eq!(
        store.change_order(&seen, OrderChange::default()).await.unwrap(),
        OrderWritten::Overtaken
    );
}

#[rstest]
#[tokio::test]
async fn an_api_key_is_found_until_it_is_revoked(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let (store, merchant) = (&world.store, world.merchant.id);
    let key = ApiKey {
        id: ApiKeyId::generate(),
        merchant_id: merchant,
        name: "shop".to_owned(),
        hash: "00ff".to_owned(),
        public_key: None,
        scopes: vec!["payments:read".to_owned()],
        expires_at: None,
        revoked_at: None,
        used_at: None,
        created_at: now(),
    };
    store.create_api_key(&key).await.unwrap();
    assert_eq!(
        store.api_key(key.id).await.unwrap(),
        Some((key.clone(), "acme".to_owned()))
    );
    store.api_key_used(key.id, now()).await.unwrap();
    let stranger = merchant_of(&world).await;
    assert!(matches!(
        store.revoke_api_key(stranger, key.id, now()).await,
        Err(StoreError::NotFound(_))
    ));
    let later = now() + TimeDelta::seconds(60);
    store.revoke_api_key(merchant, key.id, later).await.unwrap();
    store
        .revoke_api_key(merchant, key.id, later + TimeDelta::seconds(60))
        .await
        .unwrap();
    let known = store.api_keys(merchant).await.unwrap();
    assert_eq!(known[0].revoked_at, Some(later), "a revocation is never put off");
    assert!(known[0].used_at.is_some());
}

async fn merchant_of(world: &World) -> plugin_sdk::MerchantId {
    merchant(&world.store, "other").await.id
}
