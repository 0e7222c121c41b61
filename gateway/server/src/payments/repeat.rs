//! What a request means when its key was seen before (`protocols/terminal.md §9.2, §9.3`).

use plugin_sdk::NetworkRequest;
use store::{Payment, Registration};

/// Whether a `pay` says something else than the payment that is stored under its key. The accounting moment may
/// differ: it is the network's, and a repeat may carry a new one.
pub fn contradicts(request: &NetworkRequest, payment: &Payment) -> bool {
    let other_account = request.account.as_deref() != Some(payment.account.as_str());
    let other_amount = request.amount.map(plugin_sdk::Money::minor) != Some(payment.amount.minor());
    let other_service = request.service.is_some() && request.service != payment.service;
    other_account || other_amount || other_service || other_currency(request, payment)
}

/// Whether a `check` speaks of another payer than the payment under its key. Its amount may be a dummy.
pub fn checks_another_account(request: &NetworkRequest, payment: &Payment) -> bool {
    request.account.as_deref() != Some(payment.account.as_str()) || other_currency(request, payment)
}

/// Whether a `pay` names another account or currency than the `check` that registered it.
pub fn differs_from_registration(request: &NetworkRequest, registration: &Registration) -> bool {
    let other_account = request.account.as_deref() != Some(registration.account.as_str());
    let currency = request.amount.map(|amount| amount.currency().code());
    let other_currency = currency
        .zip(registration.currency.as_deref())
        .is_some_and(|(now, then)| now != then);
    other_account || other_currency
}

fn other_currency(request: &NetworkRequest, payment: &Payment) -> bool {
    match (&request.currency_text, request.amount) {
        (None, _) => false,
        (Some(_), Some(amount)) => amount.currency() != payment.amount.currency(),
        // Sent, but not understood together with the amount.
        (Some(text), None) => Some(text) != payment.currency_text.as_ref(),
    }
}
