//! Facts that happened, and their way to merchants.

mod body;
mod payload;
mod sender;
mod signature;

pub use body::{WebhookBody, container_body, standard_body};
pub use payload::{new_payment_object, payment_object};
pub use sender::{Attempt, Sender};
pub use signature::{SecretError, Signer, generate_secret, secret_place};

use store::{Endpoint, NewDelivery};

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
/// Sent on request, to see whether an endpoint works.
pub const ENDPOINT_TEST: &str = "endpoint.test";

/// Every type of event there is.
pub const TYPES: [&str; 6] = [
    PAYMENT_SUCCEEDED,
    PAYMENT_DECLINED,
    PAYMENT_CONTRADICTED,
    RULES_FAILED,
    CANARY_WITHDRAWN,
    ENDPOINT_TEST,
];

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
