//! Log-ins, tickets, sessions (`cas`), and the rate limit.

use plugin_sdk::connector::{HistoryQuery, OutboundConnection};
use plugin_sdk::testing::Fault;
use rstest::rstest;

use crate::*;

fn paths(wire: &Wire) -> Vec<String> {
    let seen = wire.seen();
    let path = |target: &str| target.split('?').next().unwrap().to_owned();
    seen.iter().map(|(_, target, _)| path(target)).collect()
}

const LOG_IN: [&str; 3] = ["/cas/tgts", "/cas/sts", "/j_spring_cas_security_check"];
const PAY: &str = "/user/sinap/api/terms/99/payments/proxy.action";

#[tokio::test]
async fn one_log_in_serves_many_payments_and_each_question_takes_its_own_ticket() {
    let (wire, connection) = (wire(), connection("cas"));
    for number in 1..=3 {
        connection
            .payout(&wire.context(), &payout(&wire, number, 10_000))
            .await
            .unwrap();
    }
    connection.balances(&wire.context()).await.unwrap();
    connection.balances(&wire.context()).await.unwrap();
    let balance = format!("/funding-sources/v1/accounts/{WALLET}");
    let mut expected: Vec<&str> = LOG_IN.to_vec();
    expected.extend([PAY, PAY, PAY, "/cas/sts", &balance, "/cas/sts", &balance]);
    assert_eq!(paths(&wire), expected);
}

#[rstest]
#[case::idle(chrono::Duration::hours(2))]
#[case::old(chrono::Duration::hours(9))]
#[tokio::test]
async fn a_ticket_that_is_too_old_is_not_used(#[case] pause: chrono::Duration) {
    let (wire, connection) = (wire(), connection("cas"));
    connection
        .payout(&wire.context(), &payout(&wire, 1, 10_000))
        .await
        .unwrap();
    wire.advance(pause);
    wire.seen();
    connection
        .payout(&wire.context(), &payout(&wire, 2, 10_000))
        .await
        .unwrap();
    let mut expected = LOG_IN.to_vec();
    expected.push(PAY);
    assert_eq!(paths(&wire), expected);
}

#[tokio::test]
async fn a_payment_after_a_401_goes_out_again_with_the_same_number() {
    let (wire, connection) = (wire(), connection("cas"));
    connection
        .payout(&wire.context(), &payout(&wire, 1, 10_000))
        .await
        .unwrap();
    wire.seen();
    wire.fault(Fault::AnsweredBefore(401, Vec::new()));
    connection
        .payout(&wire.context(), &payout(&wire, 2, 10_000))
        .await
        .unwrap();
    assert_eq!(paths(&wire), ["/cas/sts", "/j_spring_cas_security_check", PAY]);
    assert_eq!(transactions(&wire).len(), 2);
}

#[tokio::test]
async fn a_session_that_died_at_the_network_is_logged_in_anew_once() {
    let (wire, connection) = (wire(), connection("cas"));
    connection.balances(&wire.context()).await.unwrap();
    wire.seen();
    // The network forgot the ticket: the service ticket is refused, then all is made anew.
    wire.fault(Fault::AnsweredBefore(401, Vec::new()));
    connection.balances(&wire.context()).await.unwrap();
    assert_eq!(paths(&wire)[..2], ["/cas/tgts", "/cas/sts"]);
}

#[tokio::test]
async fn a_question_that_is_refused_twice_is_not_asked_a_third_time() {
    let (wire, connection) = (wire(), connection("cas"));
    for fault in [None, None, Some(401), None, Some(401)] {
        match fault {
            Some(status) => wire.fault(Fault::AnsweredBefore(status, Vec::new())),
            None => wire.pass(),
        }
    }
    assert_eq!(kind(&connection.balances(&wire.context()).await), "invalid");
    assert_eq!(paths(&wire), ["/cas/tgts", "/cas/sts", "/cas/sts"]);
}

#[tokio::test]
async fn wrong_credentials_are_never_tried_again() {
    let wire = wire();
    let mut config = config("cas");
    config["password"] = json!("wrong");
    let connection = WalletConnection::new(&config).unwrap();
    for _ in 0..10 {
        let refused = connection.payout(&wire.context(), &payout(&wire, 1, 10_000)).await;
        let Err(ConnectorError::Invalid(fault)) = refused else {
            panic!("{}", kind(&refused));
        };
        assert!(fault.message.contains("Неверный логин или пароль"), "{fault}");
    }
    assert_eq!(paths(&wire), ["/cas/tgts"]);
}

#[tokio::test]
async fn too_many_log_ins_stop_everything_for_five_minutes() {
    let (wire, connection) = (wire(), connection("cas"));
    switch(&wire, "auth_limit", 1);
    wire.seen();
    let order = payout(&wire, 1, 10_000);
    assert_eq!(kind(&connection.payout(&wire.context(), &order).await), "unavailable");
    assert_eq!(kind(&connection.balances(&wire.context()).await), "unavailable");
    assert_eq!(paths(&wire).len(), 3, "the second was not asked");
    switch(&wire, "auth_limit", 0);
    assert!(connection.throttled_until(wire.now()).is_some());
    wire.advance(seconds(300));
    assert!(connection.throttled_until(wire.now()).is_none());
    connection.payout(&wire.context(), &order).await.unwrap();
}

#[tokio::test]
async fn logging_out_ends_the_ticket_and_the_next_call_logs_in() {
    let (wire, connection) = (wire(), connection("cas"));
    assert!(!connection.is_logged_in(&wire.context()).await.unwrap());
    connection.balances(&wire.context()).await.unwrap();
    assert!(connection.is_logged_in(&wire.context()).await.unwrap());
    connection.log_out(&wire.context()).await.unwrap();
    assert!(!connection.is_logged_in(&wire.context()).await.unwrap());
    connection.log_out(&wire.context()).await.unwrap();
    connection.balances(&wire.context()).await.unwrap();
}

fn query() -> HistoryQuery {
    HistoryQuery {
        limit: 10,
        ..HistoryQuery::default()
    }
}

#[tokio::test]
async fn the_rate_is_kept_before_the_network_bites() {
    let (wire, connection) = (wire(), connection("token"));
    for _ in 0..90 {
        connection.history(&wire.context(), &query()).await.unwrap();
    }
    wire.advance(seconds(20));
    let Err(ConnectorError::Unavailable(fault)) = connection.history(&wire.context(), &query()).await else {
        panic!("the ninety-first went out");
    };
    assert_eq!(fault.retry_after, Some(std::time::Duration::from_secs(40)));
    assert_eq!(wire.seen().len(), 90);
    let order = payout(&wire, 1, 10_000);
    assert!(
        connection.payout(&wire.context(), &order).await.is_ok(),
        "payments are not counted"
    );
    wire.advance(seconds(40));
    connection.history(&wire.context(), &query()).await.unwrap();
}

#[rstest]
#[case(423)]
#[case(429)]
#[tokio::test]
async fn a_shut_network_is_left_alone_for_five_minutes(#[case] status: u16) {
    let (wire, connection) = (wire(), connection("token"));
    wire.fault(Fault::AnsweredBefore(status, Vec::new()));
    assert_eq!(
        kind(&connection.history(&wire.context(), &query()).await),
        "unavailable"
    );
    wire.advance(seconds(299));
    assert_eq!(
        kind(&connection.history(&wire.context(), &query()).await),
        "unavailable"
    );
    assert_eq!(
        kind(&connection.payout(&wire.context(), &payout(&wire, 1, 10_000)).await),
        "unavailable"
    );
    assert!(wire.seen().is_empty());
    wire.advance(seconds(1));
    connection.history(&wire.context(), &query()).await.unwrap();
}

/// Two payments at once meet one log-in.
#[tokio::test]
async fn log_ins_of_one_wallet_are_never_parallel() {
    let (wire, connection) = (wire(), connection("cas"));
    let (one, two) = (payout(&wire, 1, 10_000), payout(&wire, 2, 10_000));
    let context = wire.context();
    let (first, second) = tokio::join!(connection.payout(&context, &one), connection.payout(&context, &two));
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(paths(&wire).iter().filter(|path| *path == "/cas/tgts").count(), 1);
}
