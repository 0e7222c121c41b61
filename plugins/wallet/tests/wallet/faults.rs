//! What is lost on the way, and what is then true.

use plugin_sdk::testing::Fault;
use rstest::rstest;

use crate::*;

/// Where a fault strikes: each dialect's payment comes after so many other requests.
fn strike(wire: &Wire, dialect: &str, fault: Fault) {
    let before = if dialect == "cas" { 3 } else { 0 };
    for _ in 0..before {
        wire.pass();
    }
    wire.fault(fault);
}

#[rstest]
#[case::not_sent(Fault::NotSent, "unavailable", false)]
#[case::lost_request(Fault::LostRequest, "uncertain", false)]
#[case::lost_answer(Fault::LostAnswer, "uncertain", true)]
#[case::error_before(Fault::AnsweredBefore(500, Vec::new()), "uncertain", false)]
#[case::error_after(Fault::AnswersInstead(502, b"<html>".to_vec()), "uncertain", true)]
#[case::garbage_after(Fault::AnswersInstead(200, b"\0<not { what".to_vec()), "uncertain", true)]
#[case::empty_after(Fault::AnswersInstead(200, Vec::new()), "uncertain", true)]
#[case::busy(Fault::AnsweredBefore(423, Vec::new()), "unavailable", false)]
#[case::too_many(Fault::AnsweredBefore(429, Vec::new()), "unavailable", false)]
#[tokio::test]
async fn a_fault_is_settled_by_the_history_and_money_moves_at_most_once(
    #[case] fault: Fault,
    #[case] expected: &str,
    #[case] moved: bool,
    #[values("cas", "token")] dialect: &str,
) {
    let (wire, connection) = (wire(), connection(dialect));
    strike(&wire, dialect, fault);
    let order = payout(&wire, 77, 10_000);
    let result = connection.payout(&wire.context(), &order).await;
    assert_eq!(kind(&result), expected);
    assert_eq!(transactions(&wire).len(), usize::from(moved));
    wire.advance(seconds(301));
    let early = told(&connection, &wire, &order).await;
    assert_eq!(
        early,
        moved.then_some(State::Succeeded),
        "absence is no answer before ten minutes"
    );
    wire.advance(seconds(300));
    let late = told(&connection, &wire, &order).await;
    assert_eq!(late, Some(if moved { State::Succeeded } else { State::NotFound }));
    // A repeat with the same ids is the same payment.
    connection.payout(&wire.context(), &order).await.unwrap();
    wire.advance(seconds(2));
    assert_eq!(
        (transactions(&wire).len(), balance(&wire, OTHER)),
        (1, "100100".to_owned())
    );
}

/// The network's own fault after it took the money (§8).
#[rstest]
#[tokio::test]
async fn a_500_after_accepting_is_found_in_the_history(#[values("cas", "token")] dialect: &str) {
    let (wire, connection) = (wire(), connection(dialect));
    let order = payout(&wire, 5, 10_050);
    assert_eq!(kind(&connection.payout(&wire.context(), &order).await), "uncertain");
    wire.advance(seconds(2));
    assert_eq!(told(&connection, &wire, &order).await, Some(State::Succeeded));
}

#[tokio::test]
async fn a_payment_that_never_ends_stays_pending() {
    let (wire, connection) = (wire(), connection("token"));
    let order = payout(&wire, 5, 10_099);
    connection.payout(&wire.context(), &order).await.unwrap();
    wire.advance(chrono::Duration::days(30));
    assert_eq!(told(&connection, &wire, &order).await, Some(State::Pending));
}

/// A login that fails moved nothing, whatever was lost in it.
#[rstest]
#[case(0)]
#[case(1)]
#[case(2)]
#[tokio::test]
async fn a_fault_in_the_log_in_leaves_the_payment_unsent(
    #[case] passing: usize,
    #[values(Fault::LostAnswer, Fault::LostRequest, Fault::AnswersInstead(500, Vec::new()))] fault: Fault,
) {
    let (wire, connection) = (wire(), connection("cas"));
    for _ in 0..passing {
        wire.pass();
    }
    wire.fault(fault);
    let order = payout(&wire, 5, 10_000);
    assert_eq!(kind(&connection.payout(&wire.context(), &order).await), "unavailable");
    assert!(transactions(&wire).is_empty());
    connection.payout(&wire.context(), &order).await.unwrap();
    assert_eq!(transactions(&wire).len(), 1);
}

#[rstest]
#[case(Fault::NotSent)]
#[case(Fault::LostAnswer)]
#[case(Fault::AnswersInstead(500, Vec::new()))]
#[case(Fault::AnswersInstead(200, b"<html>".to_vec()))]
#[tokio::test]
async fn a_status_that_nobody_answered_says_nothing(#[case] fault: Fault) {
    let (wire, connection) = (wire(), connection("token"));
    let order = payout(&wire, 5, 10_000);
    connection.payout(&wire.context(), &order).await.unwrap();
    wire.advance(chrono::Duration::hours(1));
    wire.fault(fault);
    let result = status(&connection, &wire.context(), &order).await;
    assert_eq!(kind(&result), "unavailable");
    assert_eq!(told(&connection, &wire, &order).await, Some(State::Succeeded));
}

/// Absence counts only when everything was looked at.
#[tokio::test]
async fn a_payment_on_a_later_page_is_found_and_never_called_absent() {
    let (wire, connection) = (wire(), connection("token"));
    let order = payout(&wire, 1, 10_000);
    connection.payout(&wire.context(), &order).await.unwrap();
    for number in 2..130 {
        connection
            .payout(&wire.context(), &payout(&wire, number, 200))
            .await
            .unwrap();
    }
    wire.advance(chrono::Duration::minutes(20));
    wire.seen();
    assert_eq!(told(&connection, &wire, &order).await, Some(State::Succeeded));
    assert_eq!(wire.seen().len(), 3, "50 rows a page");
}

#[tokio::test]
async fn all_that_ask_within_a_second_share_one_search() {
    let (wire, connection) = (wire(), connection("token"));
    let orders: Vec<_> = (1..=20).map(|number| payout(&wire, number, 10_000)).collect();
    for order in &orders {
        connection.payout(&wire.context(), order).await.unwrap();
    }
    wire.advance(seconds(5));
    wire.seen();
    for order in &orders {
        assert_eq!(told(&connection, &wire, order).await, Some(State::Succeeded));
    }
    assert_eq!(wire.seen().len(), 1);
    wire.advance(seconds(1));
    told(&connection, &wire, &orders[0]).await;
    assert_eq!(wire.seen().len(), 1, "what is a second old is asked again");
}

/// What lies beyond the last page that is looked at is not known, rather than absent.
#[tokio::test]
async fn a_history_that_is_too_long_to_search_proves_nothing() {
    let (wire, connection) = (wire(), connection("token"));
    let (oldest, never_sent) = (payout(&wire, 1, 10_000), payout(&wire, 2, 10_000));
    connection.payout(&wire.context(), &oldest).await.unwrap();
    for number in 3..1_010 {
        connection
            .payout(&wire.context(), &payout(&wire, number, 100))
            .await
            .unwrap();
    }
    wire.advance(chrono::Duration::hours(1));
    for order in [&oldest, &never_sent] {
        assert_eq!(kind(&status(&connection, &wire.context(), order).await), "unavailable");
    }
    // With the network's number it is asked for alone.
    let mut numbered = question(&oldest);
    numbered.steps[0].network_id = transactions(&wire)[0]["txnId"].as_i64().map(|id| id.to_string());
    let reports = connection.status(&wire.context(), &numbered).await.unwrap();
    assert_eq!((reports.len(), &reports[0].state), (1, &State::Succeeded));
}

/// What a wallet does later does not hide what it did.
#[tokio::test]
async fn later_payments_are_not_searched() {
    let (wire, connection) = (wire(), connection("token"));
    let (paid, lost) = (payout(&wire, 1, 10_000), payout(&wire, 2, 10_000));
    connection.payout(&wire.context(), &paid).await.unwrap();
    wire.advance(chrono::Duration::days(2));
    for number in 3..1_010 {
        connection
            .payout(&wire.context(), &payout(&wire, number, 100))
            .await
            .unwrap();
    }
    assert_eq!(told(&connection, &wire, &paid).await, Some(State::Succeeded));
    assert_eq!(told(&connection, &wire, &lost).await, Some(State::NotFound));
}

/// "Never seen" is a word of the network itself.
#[rstest]
#[case(404, "<html>nginx</html>", "invalid")]
#[case(404, r#"{"errorCode":"route.unknown"}"#, "invalid")]
#[case(200, "{}", "unavailable")]
#[case(200, r#"{"error":"maintenance"}"#, "unavailable")]
#[case(200, "[]", "unavailable")]
#[tokio::test]
async fn absence_is_not_read_out_of_somebody_elses_answer(
    #[case] code: u16,
    #[case] body: &str,
    #[case] expected: &str,
    #[values("cas", "token")] dialect: &str,
) {
    let (wire, connection) = (wire(), connection(dialect));
    let order = payout(&wire, 1, 10_000);
    connection.payout(&wire.context(), &order).await.unwrap();
    wire.advance(chrono::Duration::hours(1));
    if dialect == "cas" {
        wire.pass();
    }
    wire.fault(Fault::AnsweredBefore(code, body.as_bytes().to_vec()));
    assert_eq!(kind(&status(&connection, &wire.context(), &order).await), expected);
    assert_eq!(told(&connection, &wire, &order).await, Some(State::Succeeded));
}
