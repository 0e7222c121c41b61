//! Hooks: registered, sent, verified.

use plugin_sdk::SandboxNotification;
use plugin_sdk::connector::{Notification, NotificationError, NotificationRequest, OutboundConnection, Subject};
use plugin_wallet::HookDirection;

use crate::*;

const URL: &str = "http://merchant.test/in/shop/wallet";

async fn hooked(wire: &Wire) -> WalletConnection {
    let setup = connection("token")
        .set_up_hook(&wire.context(), URL, HookDirection::Both)
        .await
        .unwrap();
    assert_eq!(
        (setup.hook.url.as_str(), setup.hook.transactions.as_str()),
        (URL, "BOTH")
    );
    let mut config = config("token");
    config["hook_key"] = json!(setup.key.expose());
    WalletConnection::new(&config).unwrap()
}

fn parse(connection: &WalletConnection, sent: &SandboxNotification) -> Result<Notification, NotificationError> {
    connection.parse_notification(&NotificationRequest {
        method: sent.method,
        query: "",
        headers: &[],
        body: &sent.body,
    })
}

#[tokio::test]
async fn a_payout_is_told_while_it_waits_and_when_it_ends() {
    let wire = wire();
    let connection = hooked(&wire).await;
    let paid = connection.payout(&wire.context(), &payout(&wire, 1, 10_150)).await;
    assert_eq!(kind(&paid), "uncertain", "kopecks .50");
    let paid = connection
        .payout(&wire.context(), &payout(&wire, 2, 10_173))
        .await
        .unwrap();
    wire.advance(seconds(2));
    let sent = wire.notifications();
    let told: Vec<_> = sent.iter().map(|sent| parse(&connection, sent).unwrap()).collect();
    assert!(sent.iter().all(|sent| sent.url == URL));
    let subject = Subject::NetworkId(paid.network_id.unwrap());
    let states: Vec<_> = (told.iter())
        .filter(|told| told.subject == subject)
        .map(|told| told.reports[0].state.clone())
        .collect();
    assert_eq!(states, [State::Pending, State::Succeeded]);
    assert!(told.iter().all(|told| told.must_confirm && told.answer.status == 200));
}

#[tokio::test]
async fn a_failure_and_money_that_comes_in_are_told_too() {
    let wire = wire();
    let connection = hooked(&wire).await;
    connection
        .payout(&wire.context(), &payout(&wire, 1, 10_005))
        .await
        .unwrap();
    wire.advance(seconds(2));
    let sent = wire.notifications();
    let last = parse(&connection, sent.last().unwrap()).unwrap();
    assert!(matches!(last.reports[0].state, State::Declined(_)));
    for sent in sent {
        wire.delivered(sent.id, Some((200, b"")));
    }
    control(&wire, "topups", &json!({ "wallet": WALLET, "amount": "5" }));
    let sent = wire.notifications();
    assert_eq!(parse(&connection, &sent[0]).unwrap().subject, Subject::Nothing);
}

#[tokio::test]
async fn a_hook_is_tried_three_times_and_repeats_are_the_same_message() {
    let wire = wire();
    let connection = hooked(&wire).await;
    connection
        .payout(&wire.context(), &payout(&wire, 1, 10_099))
        .await
        .unwrap();
    let first = wire.notifications();
    assert_eq!(first.len(), 1);
    wire.delivered(first[0].id, Some((500, b"")));
    wire.advance(chrono::Duration::minutes(9));
    assert!(wire.notifications().is_empty());
    wire.advance(chrono::Duration::minutes(1));
    let second = wire.notifications();
    assert_eq!(second[0].body, first[0].body);
    assert_eq!(wire.next_due(), Some(wire.now() + chrono::Duration::hours(1)));
    wire.advance(chrono::Duration::hours(1));
    assert_eq!(wire.notifications().len(), 1);
    wire.advance(chrono::Duration::days(1));
    assert!(wire.notifications().is_empty());
    assert_eq!(
        parse(&connection, &second[0]).unwrap().id,
        parse(&connection, &first[0]).unwrap().id
    );
}

#[tokio::test]
async fn an_acknowledged_hook_is_not_repeated() {
    let wire = wire();
    let connection = hooked(&wire).await;
    connection
        .payout(&wire.context(), &payout(&wire, 1, 10_099))
        .await
        .unwrap();
    let sent = wire.notifications();
    wire.delivered(sent[0].id, Some((200, b"")));
    assert_eq!(wire.next_due(), None);
}

#[tokio::test]
async fn tampered_broken_and_foreign_hooks_are_refused() {
    let wire = wire();
    let connection = hooked(&wire).await;
    connection
        .payout(&wire.context(), &payout(&wire, 1, 10_000))
        .await
        .unwrap();
    let sent = wire.notifications().remove(0);
    let body = String::from_utf8(sent.body.clone()).unwrap();
    for (from, to) in [
        ("\"amount\":100", "\"amount\":1000"),
        ("13353941550", "13353941551"),
        ("\"OUT\"", "\"IN\""),
    ] {
        let tampered = SandboxNotification {
            body: body.replacen(from, to, 1).into_bytes(),
            ..sent.clone()
        };
        assert_ne!(tampered.body, sent.body);
        let read = parse(&connection, &tampered);
        let is_refused = matches!(read, Err(NotificationError::Forged(_)));
        // "total" comes with the same digits and is not signed; only what is signed has to be refused.
        assert!(is_refused || from == "\"amount\":100", "{from}");
    }
    switch(&wire, "broken_hash", 1);
    connection
        .payout(&wire.context(), &payout(&wire, 2, 10_000))
        .await
        .unwrap();
    let broken = wire.notifications().pop().unwrap();
    assert!(matches!(parse(&connection, &broken), Err(NotificationError::Forged(_))));

    let hook = connection.hook(&wire.context()).await.unwrap().unwrap();
    let fresh = connection.renew_hook_key(&wire.context(), &hook.id).await.unwrap();
    let mut other = config("token");
    other["hook_key"] = json!(fresh.expose());
    let other = WalletConnection::new(&other).unwrap();
    assert!(
        matches!(parse(&other, &sent), Err(NotificationError::Forged(_))),
        "the old key is dead"
    );
    assert!(matches!(
        parse(&crate::connection("token"), &sent),
        Err(NotificationError::NotSupported)
    ));
}

#[tokio::test]
async fn a_hook_is_registered_shown_tested_and_deleted() {
    let (wire, connection) = (wire(), connection("token"));
    let context = wire.context();
    assert_eq!(connection.hook(&context).await.unwrap(), None);
    let hook = connection
        .register_hook(&context, URL, HookDirection::Out)
        .await
        .unwrap();
    assert_eq!(hook.transactions, "OUT");
    assert_eq!(connection.hook(&context).await.unwrap(), Some(hook.clone()));
    let Err(ConnectorError::Invalid(fault)) = connection.register_hook(&context, URL, HookDirection::Out).await else {
        panic!("there is one already");
    };
    assert_eq!(fault.code.as_deref(), Some("hook.already.exists"));
    for status in [200, 201] {
        switch(&wire, "key_status", status);
        assert_eq!(
            connection.hook_key(&context, &hook.id).await.unwrap().expose().len(),
            44
        );
    }
    connection.send_test_hook(&context).await.unwrap();
    let sent = wire.notifications();
    let hooked = hooked(&wire).await;
    assert_eq!(parse(&hooked, &sent[0]).unwrap().subject, Subject::Nothing);
    let hook = connection.hook(&context).await.unwrap().unwrap();
    connection.delete_hook(&context, &hook.id).await.unwrap();
    assert_eq!(kind(&connection.send_test_hook(&context).await), "invalid");
    let long = format!("http://merchant.test/{}", "x".repeat(100));
    assert_eq!(
        kind(&connection.register_hook(&context, &long, HookDirection::In).await),
        "invalid"
    );
}
