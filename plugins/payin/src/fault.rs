//! Answers that are not the object that was asked for (§9.1, §9.2), and what they mean for the money.

use std::collections::BTreeMap;
use std::time::Duration;

use plugin_sdk::connector::{ConnectorError, Decline, DeclineReason, HttpResponse, NetworkFault};
use serde::Deserialize;

use crate::wire::{Text, owned};

/// Of a body that is not the network's, so many characters are kept for people to see.
const EXCERPT: usize = 200;
const TOKEN_FIELD: &str = "paymentToken";

/// The envelope of errors.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Envelope {
    error_code: Option<Text>,
    description: Option<Text>,
    user_message: Option<Text>,
    trace_id: Option<Text>,
    cause: Option<BTreeMap<String, Vec<Text>>>,
}

/// What stands in the way of an answer.
#[derive(Debug)]
pub enum Fault {
    /// The network, and nobody in between, says that it has no such object.
    NotFound(NetworkFault),
    Error(ConnectorError),
}

impl From<Fault> for ConnectorError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NotFound(fault) => Self::Invalid(fault),
            Fault::Error(error) => error,
        }
    }
}

/// §9.1: the network asks for the same request again. Ids make that harmless.
pub fn wants_repeat(response: &HttpResponse) -> bool {
    match response.status {
        500 => response.body.iter().all(u8::is_ascii_whitespace),
        502 | 503 => true,
        _ => false,
    }
}

/// `None` when the answer may be the object itself. D-11: an envelope counts whatever its status.
pub fn of(response: &HttpResponse) -> Option<Fault> {
    // A list is no envelope, though its members would fit the fields one after the other.
    let envelope: Option<Envelope> = is_object(&response.body)
        .then(|| serde_json::from_slice(&response.body).ok())
        .flatten();
    let envelope = envelope.filter(|envelope| envelope.error_code.is_some());
    match envelope {
        Some(envelope) => Some(of_envelope(response, &envelope)),
        None if response.is_success() => None,
        None => Some(Fault::Error(of_status(response))),
    }
}

pub fn is_object(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"{")
}

fn of_envelope(response: &HttpResponse, envelope: &Envelope) -> Fault {
    let code = owned(envelope.error_code.as_ref()).unwrap_or_default();
    let fault = read(response, envelope);
    let error = match code.as_str() {
        "payin.resource.not.found" => return Fault::NotFound(fault),
        "validation.error" if fault.field.as_deref() == Some(TOKEN_FIELD) => {
            // §5.13: the token is known and dead.
            ConnectorError::Declined(declined(fault, DeclineReason::DoNotRetry))
        }
        "validation.error" | "http.message.conversion.failed" => ConnectorError::Invalid(fault),
        "payin.incorrect-method-invocation" => ConnectorError::Declined(declined(fault, DeclineReason::WrongState)),
        "internal.error" => ConnectorError::Uncertain(fault),
        _ => by_status(response.status, fault),
    };
    Fault::Error(error)
}

fn declined(fault: NetworkFault, reason: DeclineReason) -> Decline {
    Decline {
        reason,
        code: fault.code,
        message: fault.message,
        try_elsewhere: false,
    }
}

fn read(response: &HttpResponse, envelope: &Envelope) -> NetworkFault {
    let cause = envelope.cause.as_ref().and_then(|cause| cause.first_key_value());
    let mut message = owned(envelope.description.as_ref())
        .or_else(|| owned(envelope.user_message.as_ref()))
        .unwrap_or_default();
    if let Some((field, texts)) = cause {
        let texts: Vec<&str> = texts.iter().map(Text::as_str).collect();
        message = format!("{message}: {field}: {}", texts.join("; "));
    }
    if let Some(trace) = owned(envelope.trace_id.as_ref()) {
        message = format!("{message} [trace {trace}]");
    }
    NetworkFault {
        code: owned(envelope.error_code.as_ref()),
        message,
        field: cause.map(|(field, _)| field.clone()),
        retry_after: retry_after(response),
    }
}

fn of_status(response: &HttpResponse) -> ConnectorError {
    let text = String::from_utf8_lossy(&response.body);
    let excerpt: String = text.trim().chars().take(EXCERPT).collect();
    let message = match excerpt.as_str() {
        "" => format!("HTTP {} without a text", response.status),
        excerpt => format!("HTTP {}: {excerpt}", response.status),
    };
    let fault = NetworkFault {
        retry_after: retry_after(response),
        ..NetworkFault::coded(response.status.to_string(), message)
    };
    by_status(response.status, fault)
}

/// §9.1. Only the codes that the document lists as refusals are certain; whatever else comes may hide an execution.
fn by_status(status: u16, fault: NetworkFault) -> ConnectorError {
    match status {
        400 | 401 | 403 | 404 | 405 | 406 | 410 => ConnectorError::Invalid(fault),
        429 => ConnectorError::Unavailable(fault),
        _ => ConnectorError::Uncertain(fault),
    }
}

fn retry_after(response: &HttpResponse) -> Option<Duration> {
    let seconds = response.header("retry-after")?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// A success that cannot be read: it was executed, or something in between answered.
pub fn unreadable(response: &HttpResponse) -> ConnectorError {
    let text = String::from_utf8_lossy(&response.body);
    let excerpt: String = text.trim().chars().take(EXCERPT).collect();
    ConnectorError::Uncertain(NetworkFault::coded(
        response.status.to_string(),
        format!("the answer cannot be read: {excerpt}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn answer(status: u16, body: &str) -> HttpResponse {
        HttpResponse {
            status,
            headers: vec![("retry-after".to_owned(), "7".to_owned())],
            body: body.as_bytes().to_vec(),
        }
    }

    fn kind(fault: Option<Fault>) -> &'static str {
        match fault {
            None => "none",
            Some(Fault::NotFound(_)) => "not found",
            Some(Fault::Error(ConnectorError::Declined(_))) => "declined",
            Some(Fault::Error(ConnectorError::Invalid(_))) => "invalid",
            Some(Fault::Error(ConnectorError::Unavailable(_))) => "unavailable",
            Some(Fault::Error(ConnectorError::Uncertain(_))) => "uncertain",
        }
    }

    #[rstest]
    #[case(400, r#"{"errorCode":"validation.error","cause":{"amount":["Invalid money format. Should have 2 fraction digits"]}}"#, "invalid")]
    #[case(
        400,
        r#"{"errorCode":"http.message.conversion.failed","description":"Bad request"}"#,
        "invalid"
    )]
    #[case(404, r#"{"errorCode":"payin.resource.not.found"}"#, "not found")]
    #[case(400, r#"{"errorCode":"payin.incorrect-method-invocation","description":"Successful capture already done for this payment"}"#, "declined")]
    #[case(400, r#"{"errorCode":"validation.error","cause":{"paymentToken":["Exchange token error. Token disabled, please create new one"]}}"#, "declined")]
    #[case(500, r#"{"errorCode":"internal.error"}"#, "uncertain")]
    #[case(200, r#"{"errorCode":"validation.error"}"#, "invalid")]
    #[case(200, r#"{"errorCode":"something.new"}"#, "uncertain")]
    #[case(401, r#"{"errorCode":"auth.unauthorized"}"#, "invalid")]
    #[case(403, r#"{"errorCode":"auth.forbidden"}"#, "invalid")]
    #[case(405, r#"{"errorCode":"http.method.not.allowed"}"#, "invalid")]
    #[case(406, "", "invalid")]
    #[case(410, "", "invalid")]
    #[case(429, r#"{"errorCode":"too.many.requests"}"#, "unavailable")]
    #[case(404, "<html>nginx</html>", "invalid")]
    #[case(500, "", "uncertain")]
    #[case(502, "<html>bad gateway</html>", "uncertain")]
    #[case(503, "", "uncertain")]
    #[case(408, "", "uncertain")]
    #[case(302, "", "uncertain")]
    #[case(200, r#"{"billId":"1"}"#, "none")]
    fn an_answer_has_its_kind(#[case] status: u16, #[case] body: &str, #[case] expected: &str) {
        assert_eq!(kind(of(&answer(status, body))), expected);
    }

    #[test]
    fn the_networks_words_are_kept() {
        let body = r#"{"serviceName":"payin-core","errorCode":"validation.error","description":"Validation error",
            "traceId":"97c89e6fb2bdd2e9","cause":{"amount":["Incorrect payout amount"]}}"#;
        let Some(Fault::Error(ConnectorError::Invalid(fault))) = of(&answer(400, body)) else {
            panic!("not invalid");
        };
        assert_eq!(fault.code.as_deref(), Some("validation.error"));
        assert_eq!(fault.field.as_deref(), Some("amount"));
        assert_eq!(
            fault.message,
            "Validation error: amount: Incorrect payout amount [trace 97c89e6fb2bdd2e9]"
        );
    }

    #[test]
    fn a_limit_says_how_long_to_stay_away() {
        let Some(Fault::Error(ConnectorError::Unavailable(fault))) = of(&answer(429, "")) else {
            panic!("not unavailable");
        };
        assert_eq!(fault.retry_after, Some(Duration::from_secs(7)));
    }
}
