//! Words of a network in every order, twice, late and contradictory.

use chrono::{DateTime, Duration, TimeZone, Utc};
use plugin_sdk::connector::{
    CaptureMode, ConnectorError, Decline, DeclineReason, NetworkFault, NextAction, Report, State, StepKind,
};
use plugin_sdk::{ConnectionId, Currency, MerchantId, Money, OperationId, PaymentId, PaymentKey};
use proptest::prelude::*;
use serde_json::json;
use store::{OperationStatus, Order, OrderDirection, OrderOperation, OrderState, Payment, PaymentStatus};

use super::settle::{Settled, Settling};

const ON_ITS_WAY: Duration = Duration::seconds(90);

fn rub(minor: i64) -> Money {
    Money::from_minor(minor, Currency::RUB)
}

fn start() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 22, 12, 0, 0).unwrap()
}

fn operation(kind: StepKind, minor: i64) -> OrderOperation {
    OrderOperation {
        id: OperationId::generate(),
        kind,
        status: OperationStatus::Pending,
        connection_id: ConnectionId::generate(),
        number: 1,
        amount: rub(minor),
        network_id: None,
        fault: None,
        rule_revision: None,
        tries: 0,
        check_at: Some(start()),
        created_at: start(),
        updated_at: start(),
    }
}

/// A payment of 100.00 whose create is on its way.
fn fresh() -> OrderState {
    let create = operation(StepKind::Create, 10_000);
    let payment = Payment {
        id: PaymentId::generate(),
        merchant_id: MerchantId::generate(),
        connection_id: create.connection_id,
        channel: "payin".to_owned(),
        key: PaymentKey::single("k"),
        number: 7,
        account: String::new(),
        amount: rub(10_000),
        fee: None,
        currency_text: None,
        service: None,
        status: PaymentStatus::Created,
        reason: None,
        answer: String::new(),
        booking: None,
        booking_suspect: false,
        extras: Default::default(),
        received_at: start(),
        created_at: start(),
    };
    let order = Order {
        order_id: None,
        direction: OrderDirection::In,
        capture: CaptureMode::Manual,
        method: "card".to_owned(),
        authorized: rub(0),
        captured: rub(0),
        reversed: rub(0),
        refunded: rub(0),
        network_id: None,
        details: json!({}),
        progress: json!({}),
        route: json!([{ "connection": "main", "operation": create.id, "at": start(), "outcome": "tried" }]),
        version: 1,
        expires_at: None,
        updated_at: start(),
        payment,
    };
    OrderState {
        order,
        operations: vec![create],
    }
}

fn settling() -> Settling {
    Settling::of(fresh(), start(), ON_ITS_WAY).unwrap()
}

fn later(state: OrderState, by: Duration) -> Settling {
    Settling::of(state, start() + by, ON_ITS_WAY).unwrap()
}

/// Events are told in the order of these moments, whatever the clocks of nodes say.
#[test]
fn a_clock_that_went_back_takes_no_payment_back_in_time() {
    let mut known = fresh();
    known.order.updated_at = start() + Duration::seconds(11);
    let before = known.order.updated_at;
    let first = Settling::of(known, start(), ON_ITS_WAY).unwrap().done();
    assert!(first.order.updated_at > before);
    let second = later(first.clone(), Duration::seconds(1)).done();
    assert!(second.order.updated_at > first.order.updated_at);
    let right_again = later(second, Duration::seconds(60)).done();
    assert_eq!(right_again.order.updated_at, start() + Duration::seconds(60));
}

fn create(state: State) -> Report {
    Report::new(StepKind::Create, state).with_network_id("n-1")
}

fn status(settling: &Settling) -> PaymentStatus {
    settling.state.order.payment.status
}

fn events(settled: &Settled) -> Vec<&'static str> {
    settled.events.iter().map(|(event, _)| *event).collect()
}

fn with_step(kind: StepKind, minor: i64) -> (Settling, OperationId) {
    let mut settling = settling();
    settling.report(create(State::Authorized));
    let step = operation(kind, minor);
    let id = step.id;
    settling.state.operations.push(step);
    (settling, id)
}

fn decline() -> Decline {
    Decline {
        reason: DeclineReason::InsufficientFunds,
        code: Some("ACQUIRING_INSUFFICIENT_FUNDS".to_owned()),
        message: "no money".to_owned(),
        try_elsewhere: false,
    }
}

#[test]
fn a_payment_in_two_steps_tells_of_each() {
    let mut settling = settling();
    assert_eq!(
        events(&settling.report(create(State::Authorized))),
        ["payment.authorized"]
    );
    let step = operation(StepKind::Capture, 10_000);
    let id = step.id;
    settling.state.operations.push(step);
    let captured = Report::new(StepKind::Capture, State::Succeeded)
        .of(id)
        .with_network_id("c-1");
    assert_eq!(
        events(&settling.report(captured.clone())),
        ["payment.succeeded", "capture.succeeded"]
    );
    assert!(!settling.report(captured).changed, "told twice, applied once");
    assert_eq!(settling.state.order.captured, rub(10_000));
    assert_eq!(settling.state.order.network_id.as_deref(), Some("n-1"));
}

#[test]
fn a_notification_may_come_before_our_own_answer() {
    let mut settling = settling();
    settling.report(create(State::Succeeded));
    let id = settling.state.operations[0].id;
    let lost = ConnectorError::Uncertain(NetworkFault::new("timed out"));
    assert!(
        !settling.failure(id, &lost).changed,
        "the answer that was lost changes nothing"
    );
    assert!(!settling.report(create(State::Succeeded).of(id)).changed);
    assert_eq!(status(&settling), PaymentStatus::Succeeded);
}

#[test]
fn a_lost_answer_is_doubt_until_the_network_says() {
    let mut settling = settling();
    let id = settling.state.operations[0].id;
    let lost = ConnectorError::Uncertain(NetworkFault::new("timed out"));
    assert_eq!(events(&settling.failure(id, &lost)), ["payment.in_doubt"]);
    assert!(settling.state.operations[0].check_at.is_some(), "it will be asked for");
    assert!(
        !settling.report(create(State::NotFound)).changed,
        "it may still be on its way"
    );
    let mut settling = later(settling.done(), Duration::seconds(91));
    let settled = settling.report(create(State::NotFound));
    assert_eq!(
        (status(&settling), events(&settled)),
        (PaymentStatus::Failed, vec!["payment.failed"])
    );
    assert_eq!(settling.state.operations[0].check_at, None);
    // And yet it had been executed: the network is right, whenever it says so.
    settling.report(create(State::Succeeded));
    assert_eq!(status(&settling), PaymentStatus::Succeeded);
}

#[test]
fn a_decline_is_kept_with_the_networks_words() {
    let mut settling = settling();
    let settled = settling.report(create(State::Declined(decline())));
    assert_eq!(events(&settled), ["payment.declined"]);
    assert_eq!(settling.progress.decline, Some(decline()));
    let fault = settling.state.operations[0].fault.clone().unwrap();
    assert_eq!(
        (&fault["reason"], &fault["code"]),
        (&json!("insufficient_funds"), &json!("ACQUIRING_INSUFFICIENT_FUNDS"))
    );
    assert_eq!(settling.state.order.route[0]["outcome"], "declined");
}

#[test]
fn the_payers_action_is_shown_until_it_is_done() {
    let mut settling = settling();
    let action = NextAction::Redirect {
        url: "https://pay.example/x".to_owned(),
    };
    settling.report(create(State::RequiresAction(action.clone())));
    assert_eq!(
        (status(&settling), settling.progress.action.clone()),
        (PaymentStatus::RequiresAction, Some(action.clone()))
    );
    // The network waits, and so does the payer's page.
    settling.report(create(State::Pending));
    assert_eq!(
        (status(&settling), settling.progress.action.clone()),
        (PaymentStatus::RequiresAction, Some(action))
    );
    settling.report(create(State::Authorized));
    assert_eq!(
        (status(&settling), settling.progress.action.clone()),
        (PaymentStatus::Authorized, None)
    );
}

#[test]
fn a_step_that_failed_leaves_the_payment_as_it_was() {
    let (mut settling, id) = with_step(StepKind::Capture, 10_000);
    let gone = ConnectorError::Unavailable(NetworkFault::new("no connection"));
    assert_eq!(events(&settling.failure(id, &gone)), ["capture.failed"]);
    assert_eq!(status(&settling), PaymentStatus::Authorized);
    let declined = Report::new(StepKind::Capture, State::Declined(decline())).of(id);
    assert!(!settling.report(declined).changed, "it has come to its end");
}

#[test]
fn a_network_captures_by_itself_when_the_time_is_over() {
    let mut settling = settling();
    settling.report(create(State::Authorized));
    let by_itself = Report::new(StepKind::Capture, State::Succeeded).with_network_id("auto-1");
    assert_eq!(
        events(&settling.report(by_itself.clone())),
        ["payment.succeeded", "capture.succeeded"]
    );
    assert!(!settling.report(by_itself).changed, "known by the network's id");
    // Told as a payment that succeeded, and not as a capture.
    let mut other = later(fresh(), Duration::zero());
    other.report(create(State::Authorized));
    assert_eq!(
        events(&other.report(create(State::Succeeded))),
        ["payment.succeeded", "capture.succeeded"]
    );
    assert!(!other.report(create(State::Succeeded)).changed);
}

#[test]
fn who_asked_before_a_step_was_stored_does_not_make_it_twice() {
    let (mut settling, id) = with_step(StepKind::Reversal, 10_000);
    let unknown = |network_id: &str| {
        Report::new(StepKind::Reversal, State::Succeeded)
            .with_network_id(network_id)
            .with_amount(rub(10_000))
    };
    // A network that numbers steps by itself: it may be ours, so the open step is waited for.
    assert!(!settling.report(unknown("17")).changed);
    assert_eq!(settling.state.operations.len(), 2);
    // A network that echoes our id.
    settling.report(unknown(&id.to_string()));
    assert_eq!(
        (status(&settling), settling.state.operations.len()),
        (PaymentStatus::Reversed, 2)
    );
    assert_eq!(settling.state.operations[1].status, OperationStatus::Succeeded);
}

#[test]
fn a_capture_in_doubt_is_settled_by_a_payment_that_is_captured() {
    let (mut settling, id) = with_step(StepKind::Capture, 10_000);
    settling.failure(id, &ConnectorError::Uncertain(NetworkFault::new("timed out")));
    settling.report(create(State::Succeeded));
    assert_eq!(settling.state.operations.len(), 2, "no second capture");
    assert_eq!(settling.state.operations[1].status, OperationStatus::Succeeded);
    assert_eq!(status(&settling), PaymentStatus::Succeeded);
}

#[test]
fn a_reversal_of_captured_money_is_given_back() {
    let mut settling = settling();
    settling.report(create(State::Succeeded));
    let step = operation(StepKind::Reversal, 10_000);
    let id = step.id;
    settling.state.operations.push(step);
    settling.report(Report::new(StepKind::Reversal, State::Succeeded).of(id));
    assert_eq!(
        (status(&settling), settling.state.order.refunded),
        (PaymentStatus::Refunded, rub(10_000))
    );
}

#[test]
fn a_word_that_cannot_be_true_is_not_applied() {
    let mut settling = settling();
    settling.report(create(State::Succeeded));
    let too_much = Report::new(StepKind::Refund, State::Succeeded)
        .with_network_id("r-1")
        .with_amount(rub(10_001));
    settling.report(too_much);
    assert_eq!(
        (status(&settling), settling.state.order.refunded),
        (PaymentStatus::Succeeded, rub(0))
    );
    assert_eq!(settling.state.operations.len(), 1, "nothing stays open for it");
    assert!(!settling.report(create(State::Declined(decline()))).changed);
}

proptest! {
    /// A create, a capture of 60.00 and two refunds, told in any order, any number of times: once all was told in an
    /// order that makes sense at the end, the end is the same.
    #[test]
    fn whatever_the_order_the_end_is_the_same(
        told in prop::collection::vec(0..4_usize, 0..40),
        twice in any::<bool>(),
    ) {
        let (settling, capture) = with_step(StepKind::Capture, 10_000);
        let mut state = fresh();
        state.operations.push(settling.state.operations[1].clone());
        let refunds = [operation(StepKind::Refund, 2_000), operation(StepKind::Refund, 3_000)];
        let ids = [refunds[0].id, refunds[1].id];
        state.operations.extend(refunds);
        let mut settling = later(state, Duration::zero());
        let report = |which: usize| match which {
            0 => create(State::Authorized),
            1 => Report::new(StepKind::Capture, State::Succeeded).of(capture),
            2 => Report::new(StepKind::Refund, State::Succeeded).of(ids[0]),
            _ => Report::new(StepKind::Refund, State::Succeeded).of(ids[1]),
        };
        for which in told.into_iter().chain(0..4).chain(if twice { 0..4 } else { 0..0 }) {
            settling.report(report(which));
        }
        let order = &settling.state.order;
        prop_assert_eq!(order.payment.status, PaymentStatus::PartiallyRefunded);
        prop_assert_eq!((order.authorized, order.captured, order.refunded), (rub(10_000), rub(10_000), rub(5_000)));
        prop_assert!(settling.state.operations.iter().all(|known| known.status == OperationStatus::Succeeded));
    }
}

#[test]
fn a_payout_of_which_nothing_was_told_still_names_its_purchase() {
    let mut state = fresh();
    state.order.details = json!({ "source": "a1" });
    assert_eq!(super::payment_ref(&state).unwrap().kept, json!({ "source": "a1" }));
    state.order.progress = json!({ "kept": { "via": "payout" } });
    assert_eq!(super::payment_ref(&state).unwrap().kept, json!({ "via": "payout" }));
}
