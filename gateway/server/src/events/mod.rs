//! Facts that happened, and their way to merchants.

mod body;
mod payload;
mod sender;
mod signature;

pub use body::{WebhookBody, container_body, standard_body};
pub use payload::{moment, new_payment_object, payment_object};
pub use sender::{Attempt, Sender};
pub use signature::{SecretError, Signer, generate_secret, secret_place};

use plugin_sdk::connector::StepKind;
use store::{Endpoint, NewDelivery, OperationStatus, PaymentStatus};

/// A payment was credited.
pub const PAYMENT_SUCCEEDED: &str = "payment.succeeded";
/// A payment was refused for ever.
pub const PAYMENT_DECLINED: &str = "payment.declined";
/// A network used a paid key with other data; a person should look.
pub const PAYMENT_CONTRADICTED: &str = "payment.contradicted";
/// The merchant's rules failed instead of answering.
pub const RULES_FAILED: &str = "rules.failed";
/// A revision that decided for a part of the accounts left its bounds, and decides no more.
pub const CANARY_WITHDRAWN: &str = "rules.canary_withdrawn";
/// A certificate of the merchant ends soon.
pub const CERTIFICATE_EXPIRING: &str = "certificate.expiring";
/// Sent on request, to see whether an endpoint works.
pub const ENDPOINT_TEST: &str = "endpoint.test";

/// Every type of event there is.
pub const TYPES: [&str; 29] = [
    PAYMENT_SUCCEEDED,
    PAYMENT_DECLINED,
    PAYMENT_CONTRADICTED,
    "payment.requires_action",
    "payment.authorized",
    "payment.partially_captured",
    "payment.partially_refunded",
    "payment.refunded",
    "payment.reversed",
    "payment.expired",
    "payment.failed",
    "payment.in_doubt",
    "capture.succeeded",
    "capture.declined",
    "capture.failed",
    "reversal.succeeded",
    "reversal.declined",
    "reversal.failed",
    "refund.succeeded",
    "refund.declined",
    "refund.failed",
    "payout.succeeded",
    "payout.declined",
    "payout.failed",
    "payout.in_doubt",
    RULES_FAILED,
    CANARY_WITHDRAWN,
    CERTIFICATE_EXPIRING,
    ENDPOINT_TEST,
];

/// The event that tells of a payment's new state; `None` of those that nobody waits for.
#[must_use]
pub const fn of_status(status: PaymentStatus, outgoing: bool) -> Option<&'static str> {
    if outgoing {
        return match status {
            PaymentStatus::Succeeded => Some("payout.succeeded"),
            PaymentStatus::Declined | PaymentStatus::Expired => Some("payout.declined"),
            PaymentStatus::Failed => Some("payout.failed"),
            PaymentStatus::InDoubt => Some("payout.in_doubt"),
            _ => None,
        };
    }
    match status {
        PaymentStatus::Created | PaymentStatus::Processing => None,
        PaymentStatus::RequiresAction => Some("payment.requires_action"),
        PaymentStatus::Authorized => Some("payment.authorized"),
        PaymentStatus::PartiallyCaptured => Some("payment.partially_captured"),
        PaymentStatus::Succeeded => Some(PAYMENT_SUCCEEDED),
        PaymentStatus::PartiallyRefunded => Some("payment.partially_refunded"),
        PaymentStatus::Refunded => Some("payment.refunded"),
        PaymentStatus::Reversed => Some("payment.reversed"),
        PaymentStatus::Declined => Some(PAYMENT_DECLINED),
        PaymentStatus::Expired => Some("payment.expired"),
        PaymentStatus::Failed => Some("payment.failed"),
        PaymentStatus::InDoubt => Some("payment.in_doubt"),
    }
}

/// The event that tells how a step on a payment ended. A payment's own create is told by its state.
#[must_use]
pub const fn of_step(kind: StepKind, status: OperationStatus) -> Option<&'static str> {
    match (kind, status) {
        (StepKind::Capture, OperationStatus::Succeeded) => Some("capture.succeeded"),
        (StepKind::Capture, OperationStatus::Declined) => Some("capture.declined"),
        (StepKind::Capture, OperationStatus::Failed) => Some("capture.failed"),
        (StepKind::Reversal, OperationStatus::Succeeded) => Some("reversal.succeeded"),
        (StepKind::Reversal, OperationStatus::Declined) => Some("reversal.declined"),
        (StepKind::Reversal, OperationStatus::Failed) => Some("reversal.failed"),
        (StepKind::Refund, OperationStatus::Succeeded) => Some("refund.succeeded"),
        (StepKind::Refund, OperationStatus::Declined) => Some("refund.declined"),
        (StepKind::Refund, OperationStatus::Failed) => Some("refund.failed"),
        _ => None,
    }
}

/// One delivery for each endpoint that wants events of this type.
#[must_use]
pub fn deliveries_for(endpoints: &[Endpoint], event_type: &str) -> Vec<NewDelivery> {
    endpoints
        .iter()
        .filter(|endpoint| endpoint.wants(event_type))
        .map(|endpoint| NewDelivery {
            endpoint_id: endpoint.id,
        })
        .collect()
}
