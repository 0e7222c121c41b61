//! A merchant system's payment as people and programs see it, in REST and in events alike.

use plugin_sdk::OperationId;
use plugin_sdk::connector::StepKind;
use serde_json::{Map, Value, json};
use store::{Order, OrderDirection, OrderOperation, OrderState};

use super::progress::{self, Details, Progress};
use super::{Answer, settle};
use crate::events::moment;
use crate::tenancy::BoundTenant;

/// The payment with its operations.
#[must_use]
pub fn payment(state: &OrderState, tenant: &BoundTenant) -> Value {
    let mut seen = summary(&state.order, Some(tenant));
    if let Value::Object(seen) = &mut seen {
        let amounts = settle::amounts(state);
        seen.insert("capturable".to_owned(), json!(amounts.capturable().ok()));
        seen.insert("refundable".to_owned(), json!(amounts.refundable().ok()));
        let operations = state.operations.iter().map(|known| operation(known, tenant));
        seen.insert("operations".to_owned(), operations.collect());
    }
    seen
}

/// The answer to a request that changed the payment and has no key.
#[must_use]
pub fn answer(state: &OrderState, tenant: &BoundTenant) -> Answer {
    Answer::new(200, &payment(state, tenant))
}

/// The payment as one of a list.
#[must_use]
pub fn summary(order: &Order, tenant: Option<&BoundTenant>) -> Value {
    let details: Details = progress::read(&order.details).unwrap_or_default();
    let progress: Progress = progress::read(&order.progress).unwrap_or_default();
    let payment = &order.payment;
    let connection = tenant.and_then(|tenant| connection_name(tenant, payment.connection_id));
    let mut seen = json!({
        "id": payment.id,
        "object": if order.direction == OrderDirection::Out { "payout" } else { "payment" },
        "status": payment.status.as_str(),
        "amount": payment.amount,
        "authorized": order.authorized,
        "captured": order.captured,
        "reversed": order.reversed,
        "refunded": order.refunded,
        "capture": order.capture,
        "method": order.method,
        "channel": payment.channel,
        "connection": connection,
        "connection_id": payment.connection_id,
        "order_id": order.order_id,
        "network_id": order.network_id,
        "number": payment.number.to_string(),
        "description": details.description,
        "customer": details.customer,
        "metadata": details.metadata,
        "action": progress.action,
        "hold": progress.hold,
        "decline": progress.decline,
        "failure": progress.fault,
        "card": card(&progress),
        "rrn": progress.facts.rrn,
        "auth_code": progress.facts.auth_code,
        "receipt_url": progress.facts.receipt_url,
        "network_facts": progress.facts.more,
        "route": order.route,
        "expires_at": order.expires_at.map(moment),
        "created_at": moment(payment.created_at),
        "updated_at": moment(order.updated_at),
    });
    if let (Value::Object(seen), Some(recipient)) = (&mut seen, details.recipient) {
        seen.insert(
            "recipient".to_owned(),
            json!({ "type": order.method, "masked": recipient }),
        );
    }
    seen
}

/// A refund as an object of its own.
#[must_use]
pub fn operation(operation: &OrderOperation, tenant: &BoundTenant) -> Value {
    json!({
        "id": operation.id,
        "object": operation.kind.as_str(),
        "status": operation.status.as_str(),
        "amount": operation.amount,
        "connection": connection_name(tenant, operation.connection_id),
        "network_id": operation.network_id,
        "failure": operation.fault,
        "created_at": moment(operation.created_at),
        "updated_at": moment(operation.updated_at),
    })
}

/// What an event about the payment tells, and which operation it is about.
#[must_use]
pub fn event(state: &OrderState, tenant: &BoundTenant, about: Option<OperationId>) -> Value {
    let mut data = payment(state, tenant);
    let known = about.and_then(|id| state.operations.iter().find(|known| known.id == id));
    if let (Value::Object(data), Some(known)) = (&mut data, known) {
        data.insert("operation".to_owned(), operation(known, tenant));
    }
    data
}

/// The payment as rules see it.
#[must_use]
pub fn for_rules(state: &OrderState, tenant: &BoundTenant) -> rules::Payment {
    let order = &state.order;
    let details: Details = progress::read(&order.details).unwrap_or_default();
    rules::Payment {
        id: Some(order.payment.id.to_string()),
        method: Some(order.method.clone()),
        account: Some(order.payment.account.clone()).filter(|account| !account.is_empty()),
        order_id: order.order_id.clone(),
        txn_id: order.network_id.clone(),
        country: details.customer.country,
        connection: connection_name(tenant, order.payment.connection_id).map(str::to_owned),
        status: Some(order.payment.status.as_str().to_owned()),
        extras: details.metadata,
        ..rules::Payment::new(order.payment.amount, order.payment.created_at)
    }
}

/// The newest refund of the payment.
#[must_use]
pub fn is_refund(operation: &OrderOperation) -> bool {
    operation.kind == StepKind::Refund
}

fn card(progress: &Progress) -> Value {
    let facts = &progress.facts;
    let mut card = Map::new();
    for (name, value) in [
        ("masked_pan", &facts.masked_pan),
        ("scheme", &facts.card_scheme),
        ("issuer", &facts.card_issuer),
        ("country", &facts.card_country),
    ] {
        if let Some(value) = value {
            card.insert(name.to_owned(), json!(value));
        }
    }
    if card.is_empty() {
        Value::Null
    } else {
        Value::Object(card)
    }
}

fn connection_name(tenant: &BoundTenant, id: plugin_sdk::ConnectionId) -> Option<&str> {
    let mut connections = tenant.connections.values();
    connections
        .find(|connection| connection.row.id == id)
        .map(|connection| connection.row.slug.as_str())
}
