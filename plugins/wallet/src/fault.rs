//! What the network says when it does not do what it was asked (§4, §6.4), and what that means.

use plugin_sdk::connector::{ConnectorError, Decline, DeclineReason, HttpFailure, HttpResponse, NetworkFault};
use serde_json::Value;

use crate::throttle::SHUT_FOR;

/// Characters of the network's text that are kept.
const MESSAGE_MAX: usize = 300;
/// §6.4: after these a payment may have been made all the same.
const UNCERTAIN: [u32; 3] = [300, 749, 750];
/// There is a payment with this id: perhaps the one that an earlier, lost try made.
const DUPLICATE: u32 = 408;
/// What stands before the number of a payment's error (§4, E2).
const PREFIX: &str = "QWPRC-";

/// An answer's complaint, from whichever of the shapes E1, E2, E3 or that of CAS it came in.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Said {
    pub code: Option<String>,
    pub message: Option<String>,
    /// Status of the inner service, where the site wraps its answer.
    pub inner_status: Option<u16>,
}

impl Said {
    /// Any bytes: an empty 401 and a proxy's HTML page say nothing.
    pub fn read(body: &[u8]) -> Self {
        let Ok(root) = serde_json::from_slice::<Value>(body) else {
            return Self::default();
        };
        let at = |pointer: &str| root.pointer(pointer).and_then(word);
        let first = |pointers: &[&str]| pointers.iter().find_map(|pointer| at(pointer));
        let status = root.pointer("/data/status").and_then(Value::as_u64);
        Self {
            code: first(&[
                "/data/body/code",
                "/entity/error/code",
                "/errorCode",
                "/code",
                "/code/value",
            ])
            .filter(|code| code != "0"),
            message: first(&[
                "/data/body/message",
                "/data/message",
                "/entity/error/message",
                "/message",
                "/userMessage",
                "/description",
            ]),
            inner_status: status.and_then(|status| u16::try_from(status).ok()),
        }
    }

    pub fn fault(self, status: u16) -> NetworkFault {
        NetworkFault::coded(
            self.code.unwrap_or_else(|| status.to_string()),
            self.message.unwrap_or_else(|| meaning(status)),
        )
    }

    /// The number of §9.2, with or without what stands before it.
    fn number(&self) -> Option<u32> {
        let code = self.code.as_deref()?;
        code.strip_prefix(PREFIX).unwrap_or(code).parse().ok()
    }

    fn is_technical(&self) -> bool {
        let text = self.message.as_deref().unwrap_or_default().to_lowercase();
        text.contains("техническ") || text.contains("technical error")
    }
}

fn word(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let text: String = text.chars().take(MESSAGE_MAX).collect();
    (!text.is_empty()).then_some(text)
}

fn meaning(status: u16) -> String {
    match status {
        401 => "the network does not accept the wallet's token, password or ticket; renew it".to_owned(),
        403 => "the wallet's token lacks the permission for this, or the wallet is another one".to_owned(),
        404 => "the network does not know this".to_owned(),
        423 | 429 => "the network answered that there were too many requests".to_owned(),
        other => format!("the network answered with status {other} and nothing that can be read"),
    }
}

pub const fn is_throttled(status: u16) -> bool {
    matches!(status, 423 | 429)
}

/// Nobody answered a question that changes nothing.
pub fn unasked(failure: &HttpFailure) -> ConnectorError {
    ConnectorError::Unavailable(NetworkFault::new(failure.to_string()))
}

pub fn throttled(said: Said, status: u16) -> ConnectorError {
    ConnectorError::Unavailable(NetworkFault {
        retry_after: SHUT_FOR.to_std().ok(),
        ..said.fault(status)
    })
}

/// Why a question that changes nothing was not answered.
pub fn of_question(response: &HttpResponse) -> ConnectorError {
    let said = Said::read(&response.body);
    match response.status {
        423 | 429 => throttled(said, response.status),
        400..=499 => ConnectorError::Invalid(said.fault(response.status)),
        status => ConnectorError::Unavailable(said.fault(status)),
    }
}

/// An answer that ought to be readable and is not, to a question that changes nothing.
pub fn unreadable(what: &str) -> ConnectorError {
    ConnectorError::Unavailable(NetworkFault::new(format!("the network's {what} cannot be read")))
}

/// Why a change was not made, or may have been (§6.4). The page is sure of 4xx alone.
pub fn of_change(response: &HttpResponse) -> ConnectorError {
    let said = Said::read(&response.body);
    let status = said
        .inner_status
        .filter(|_| response.is_success())
        .unwrap_or(response.status);
    match status {
        423 | 429 => return throttled(said, status),
        401 | 403 | 404 => return ConnectorError::Invalid(said.fault(status)),
        200..=299 | 400..=499 if said.code.is_none() && said.message.is_none() => {
            let fault = said.fault(status);
            // §4.1: 400 is a malformed request or a refused payment, whoever wrote its body.
            return if status == 400 {
                ConnectorError::Invalid(fault)
            } else {
                ConnectorError::Uncertain(fault)
            };
        }
        200..=299 | 400..=499 => {}
        _ => return ConnectorError::Uncertain(said.fault(status)),
    }
    let number = said.number();
    if said.is_technical() || number.is_some_and(|number| UNCERTAIN.contains(&number) || number == DUPLICATE) {
        return ConnectorError::Uncertain(said.fault(status));
    }
    // A word for a code is the API's own complaint of the request; a number is a refusal of the payment.
    if number.is_none() && said.code.is_some() {
        return ConnectorError::Invalid(said.fault(status));
    }
    ConnectorError::Declined(decline(number, said.code.clone(), said.message))
}

/// §9.2: a number of the network in words that hold for all networks.
pub fn decline(number: Option<u32>, code: Option<String>, message: Option<String>) -> Decline {
    let reason = number.map_or(DeclineReason::Other, reason);
    Decline {
        reason,
        message: message.unwrap_or_else(|| "the network refused the payment and gave no reason".to_owned()),
        code,
        // What is wrong with this wallet or this network is not wrong with another; a wrong recipient stays wrong.
        try_elsewhere: matches!(
            reason,
            DeclineReason::InsufficientFunds
                | DeclineReason::LimitExceeded
                | DeclineReason::NetworkError
                | DeclineReason::NotPermitted
        ),
    }
}

pub const fn reason(number: u32) -> DeclineReason {
    match number {
        3 | 8 | 202 | 271 | 300 | 500 | 749 | 750 => DeclineReason::NetworkError,
        4 | 5 | 303 | 522 | 542 | 57 | 167 | 561 | 702 => DeclineReason::RecipientInvalid,
        131 | 166 | 204 | 309 | 319 | 1021 => DeclineReason::NotPermitted,
        220 | 407 | 455 | 472 => DeclineReason::InsufficientFunds,
        241 | 242 | 254 | 558 => DeclineReason::AmountInvalid,
        408 | 797 => DeclineReason::WrongState,
        461 | 893 | 901 => DeclineReason::PayerTimedOut,
        547 | 7000 => DeclineReason::CardInvalid,
        548 => DeclineReason::CardExpired,
        700 | 704 | 705 | 710 | 711 | 716 | 717 | 746 | 747 | 757 | 852 | 866 | 867 | 943 | 1050 => {
            DeclineReason::LimitExceeded
        }
        780 => DeclineReason::Suspicious,
        7600 => DeclineReason::IssuerDeclined,
        _ => DeclineReason::Other,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn answer(status: u16, body: &str) -> HttpResponse {
        HttpResponse {
            status,
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
        }
    }

    const E1: &str = r#"{"serviceName":"payment-history","errorCode":"auth.forbidden","description":"Access denied",
        "userMessage":"Access denied","dateTime":"2018-08-21T12:13:34.514+03:00","traceId":"dfe5e6296491abfb"}"#;
    const E2: &str = r#"{"code":"QWPRC-220","message":"Недостаточно средств "}"#;
    const E3: &str = r#"{"code":{"value":"0","_name":"NORMAL"},
        "data":{"body":{"code":"QWPRC-542","message":"Неверный номер карты получателя"},"status":400},
        "message":null,"messages":null}"#;
    const CAS: &str = r#"{"entity":{"error":{"message":"Неверный логин или пароль","code":"401"}},"links":[]}"#;

    #[rstest]
    #[case::e1(E1, Some("auth.forbidden"), Some("Access denied"))]
    #[case::e2(E2, Some("QWPRC-220"), Some("Недостаточно средств"))]
    #[case::e3(E3, Some("QWPRC-542"), Some("Неверный номер карты получателя"))]
    #[case::cas(CAS, Some("401"), Some("Неверный логин или пароль"))]
    #[case::html("<html>502</html>", None, None)]
    #[case::empty("", None, None)]
    fn every_documented_error_body_is_read(#[case] body: &str, #[case] code: Option<&str>, #[case] text: Option<&str>) {
        let said = Said::read(body.as_bytes());
        assert_eq!((said.code.as_deref(), said.message.as_deref()), (code, text));
    }

    fn kind(error: &ConnectorError) -> &'static str {
        match error {
            ConnectorError::Declined(_) => "declined",
            ConnectorError::Invalid(_) => "invalid",
            ConnectorError::Unavailable(_) => "unavailable",
            ConnectorError::Uncertain(_) => "uncertain",
        }
    }

    #[rstest]
    #[case(400, E2, "declined")]
    #[case(400, E3, "declined")]
    #[case(200, E2, "declined")]
    #[case(200, E3, "declined")]
    #[case(400, r#"{"errorCode":"validation.error","userMessage":"bad"}"#, "invalid")]
    #[case(400, "<html>bad request</html>", "invalid")]
    #[case(400, r#"{"code":"QWPRC-300","message":"Техническая ошибка"}"#, "uncertain")]
    #[case(400, r#"{"code":"QWPRC-749","message":"x"}"#, "uncertain")]
    #[case(400, r#"{"code":"QWPRC-750","message":"x"}"#, "uncertain")]
    #[case(400, r#"{"code":"QWPRC-9999","message":"Техническая ошибка"}"#, "uncertain")]
    #[case(400, r#"{"code":"QWPRC-408","message":"У вас уже есть такой платеж"}"#, "uncertain")]
    #[case(400, r#"{"code":"QWPRC-99999","message":"new"}"#, "declined")]
    #[case(400, r#"{"message":"Сервер занят, повторите запрос через минуту"}"#, "declined")]
    #[case(401, "", "invalid")]
    #[case(403, E1, "invalid")]
    #[case(423, "", "unavailable")]
    #[case(429, "", "unavailable")]
    #[case(500, "", "uncertain")]
    #[case(500, E2, "uncertain")]
    #[case(502, "<html>", "uncertain")]
    #[case(302, "", "uncertain")]
    #[case(200, "garbage", "uncertain")]
    #[case(200, r#"{"code":{"value":"0"},"data":{"body":{},"status":500}}"#, "uncertain")]
    #[case(200, r#"{"code":{"value":"0"},"data":{"body":null,"status":401}}"#, "invalid")]
    fn a_refused_payment_is_certain_only_where_the_page_is(
        #[case] status: u16,
        #[case] body: &str,
        #[case] expected: &str,
    ) {
        assert_eq!(kind(&of_change(&answer(status, body))), expected);
    }

    #[rstest]
    #[case(401, "", "invalid")]
    #[case(404, E1, "invalid")]
    #[case(422, r#"{"errorCode":"hook.already.exists"}"#, "invalid")]
    #[case(423, r#"{"errorCode":"request.blocked"}"#, "unavailable")]
    #[case(429, "", "unavailable")]
    #[case(500, "", "unavailable")]
    #[case(302, "", "unavailable")]
    fn a_question_is_never_uncertain(#[case] status: u16, #[case] body: &str, #[case] expected: &str) {
        assert_eq!(kind(&of_question(&answer(status, body))), expected);
    }

    #[test]
    fn a_shut_network_says_for_how_long() {
        let ConnectorError::Unavailable(fault) = of_question(&answer(423, "")) else {
            panic!("it is certain that nothing happened");
        };
        assert_eq!(fault.retry_after, Some(std::time::Duration::from_secs(300)));
    }

    #[test]
    fn every_number_of_the_list_has_a_reason_and_others_are_other() {
        let listed = [
            3, 4, 5, 8, 57, 131, 166, 167, 202, 204, 220, 241, 242, 254, 271, 300, 303, 309, 319, 407, 408, 455, 461,
            472, 500, 522, 542, 547, 548, 558, 561, 700, 702, 704, 705, 710, 711, 716, 717, 746, 747, 749, 750, 757,
            780, 797, 852, 866, 867, 893, 901, 943, 1021, 1050, 7000, 7600,
        ];
        for number in listed {
            assert_ne!(reason(number), DeclineReason::Other, "{number}");
        }
        for number in [0, 934, 1002, 1018, 123_456] {
            assert_eq!(reason(number), DeclineReason::Other, "{number}");
        }
    }
}
