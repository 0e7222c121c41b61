//! What an answer that is no success means (§13): above all, whether money may have moved.

use plugin_sdk::connector::{ConnectorError, Decline, DeclineReason, HttpResponse, NetworkFault};

use crate::answer::Answer;

/// §13.2: the network, and nobody else, knows what became of it.
const INTERNAL_ERROR: i64 = 8001;
const TRANSACTION_NOT_FOUND: i64 = 8022;
const ORDER_ALREADY_PAID: i64 = 8055;
const IN_PROCESS: i64 = 8056;

/// The longest part of a foreign answer that is kept as its words, in characters.
const KEPT_TEXT: usize = 200;

/// What a code asks of us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Success,
    /// Ask for the status.
    Uncertain,
    /// Not executed, and may be tried again.
    Retry,
    /// Our request or the connection's config is wrong.
    Invalid,
    /// Final; `true` when the no is QIWI's and not the card's.
    Declined(DeclineReason, bool),
}

/// §13.2, each code of the Russian table. A code that is not in it is a no whose cause is not known.
pub const fn class(code: i64) -> Class {
    use DeclineReason as R;
    match code {
        0 => Class::Success,
        INTERNAL_ERROR | ORDER_ALREADY_PAID | IN_PROCESS => Class::Uncertain,
        8004 | 8057 | 8062 => Class::Retry,
        8002 | 8018 | 8019 | 8021 | 8025 | 8051 | 8054 | 8058 | 8059 => Class::Invalid,
        8005 => Class::Declined(R::NetworkError, true),
        8006 | 8165..=8167 => Class::Declined(R::CardInvalid, false),
        8008 => Class::Declined(R::RecipientInvalid, false),
        8020 | 8061 => Class::Declined(R::AmountInvalid, false),
        TRANSACTION_NOT_FOUND | 8026 | 8027 | 8052 => Class::Declined(R::WrongState, false),
        8023 => Class::Declined(R::PayerTimedOut, false),
        8028 => Class::Declined(R::CardExpired, false),
        8060 | 8069 | 8070 | 8164 | 8169 => Class::Declined(R::LimitExceeded, false),
        8151 | 8170 => Class::Declined(R::AuthenticationFailed, false),
        8152 => Class::Declined(R::Suspicious, true),
        8153 | 8171 => Class::Declined(R::DoNotRetry, false),
        8154 | 8160..=8163 => Class::Declined(R::IssuerDeclined, false),
        8168 => Class::Declined(R::NotPermitted, false),
        _ => Class::Declined(R::Other, false),
    }
}

/// Words for a code that came without any.
const fn meaning(code: i64) -> &'static str {
    match code {
        INTERNAL_ERROR => "technical error of the acquirer",
        8002 => "operation not supported",
        8004 | 8062 => "temporary error, repeat later",
        8005 => "no route for the transaction",
        8006 => "card not supported",
        8008 => "recipient data are wrong",
        8018 => "the request could not be read",
        8019 => "validation error",
        8020 => "more than what is left of the payment",
        8021 => "the site was not found",
        TRANSACTION_NOT_FOUND => "transaction not found",
        8023 => "3-D Secure was not finished within 15 minutes",
        8025 => "the operation is not allowed to the site",
        8026 => "the payment's status does not allow it",
        8027 => "the payment's kind does not allow it",
        8028 => "card expired",
        8051 => "the merchant is disabled",
        8052 => "the transaction's state does not allow it",
        8054 => "wrong signature: is the secret key right?",
        ORDER_ALREADY_PAID => "the order is paid already",
        IN_PROCESS => "the order is being processed",
        8057 => "another transaction runs on the card",
        8058 => "access denied",
        8059 => "the currency is not allowed",
        8060 => "more than may be paid out",
        8061 => "another currency than the purchase's",
        8069 => "the test site's number of operations for today is reached",
        8070 => "more than a test site may take",
        8151 => "3-D Secure failed",
        8152 => "rejected by the security service",
        8153 | 8171 => "must not be tried again with this card",
        8154 => "try again later",
        8160..=8162 => "rejected by the issuer",
        8163 => "rejected by the issuer; contact QIWI",
        8164 | 8169 => "limit exceeded; contact the card's bank",
        8165 => "rejected by the issuer: check the payment's details",
        8166 | 8167 => "rejected by the issuer: check the card's details",
        8168 => "forbidden by the issuer; contact the card's bank",
        8170 => "wrong code from the message",
        _ => "the network gave no words for its code",
    }
}

/// The no of an answer with this code; the code is not 0.
pub fn decline(answer: &Answer<'_>, code: i64) -> Decline {
    let (reason, try_elsewhere) = match class(code) {
        Class::Declined(reason, elsewhere) => (reason, elsewhere),
        Class::Uncertain | Class::Retry => (DeclineReason::NetworkError, false),
        Class::Success | Class::Invalid => (DeclineReason::Other, false),
    };
    Decline {
        reason,
        code: Some(code.to_string()),
        message: answer.error_message().unwrap_or_else(|| meaning(code).to_owned()),
        try_elsewhere,
    }
}

/// What a code that stands for no transaction means.
pub fn of_code(answer: &Answer<'_>, code: i64) -> ConnectorError {
    let fault = fault(answer, code);
    match class(code) {
        Class::Uncertain | Class::Success => ConnectorError::Uncertain(fault),
        Class::Retry => ConnectorError::Unavailable(fault),
        Class::Invalid => ConnectorError::Invalid(fault),
        Class::Declined(..) => ConnectorError::Declined(decline(answer, code)),
    }
}

fn fault(answer: &Answer<'_>, code: i64) -> NetworkFault {
    let mut fault = NetworkFault::coded(
        code.to_string(),
        answer.error_message().unwrap_or_else(|| meaning(code).to_owned()),
    );
    let complaints = answer.list("errors").unwrap_or_default();
    let words: Vec<_> = complaints
        .iter()
        .filter_map(|complaint| complaint.text("message"))
        .collect();
    if !words.is_empty() {
        let words = words.join("; ");
        fault.message = format!("{}: {}", fault.message, cut(&words));
    }
    let field = complaints.first().and_then(|complaint| complaint.text("field"));
    fault.field = field.map(|field| cut(&field));
    fault
}

/// An answer that is not the API's own (§1.1): a web server's page, or nothing that can be read.
pub fn of_foreign(response: &HttpResponse) -> ConnectorError {
    let text = String::from_utf8_lossy(&response.body);
    let fault = NetworkFault::coded(format!("HTTP {}", response.status), cut(&plain(&text)));
    match response.status {
        // The certificate and the rights of who asks are looked at before anything is read.
        400 | 401 | 403 | 404 | 405 | 413 | 415 => ConnectorError::Invalid(fault),
        429 => ConnectorError::Unavailable(fault),
        _ => ConnectorError::Uncertain(fault),
    }
}

/// Text of a page without its tags.
fn plain(page: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for character in page.chars().take(KEPT_TEXT * 10) {
        match character {
            '<' => inside = true,
            '>' => {
                inside = false;
                text.push(' ');
            }
            other if !inside && !other.is_control() => text.push(other),
            _ => {}
        }
    }
    let words: Vec<_> = text.split_whitespace().collect();
    match words.as_slice() {
        [] => "no text".to_owned(),
        words => words.join(" "),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(KEPT_TEXT).collect()
}
