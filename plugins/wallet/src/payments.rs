//! Transfers (§6): the client's id is the step's own number, so a repeat is the same payment, and what becomes of it is
//! found in the history by that number.

use std::collections::BTreeMap;

use plugin_sdk::connector::{
    ConnectorError, Context, DeclineReason, HttpMethod, HttpResponse, NetworkFault, PayoutOrder, PayoutTarget, Report,
    State, Step, StepKind,
};
use plugin_sdk::{ConfigError, Money};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::fault::{decline, of_change};
use crate::network::{Ask, Network};
use crate::wire::{RUBLE, Sum, Word};

/// §6.6: transfer to a wallet of the network.
pub const TO_WALLET: &str = "99";
/// §6.6: conversion to the wallet's own account in another currency; the only other one that takes a comment.
const CONVERSION: &str = "1099";
const FIELDS_MAX: usize = 40;
const FIELD_CHARACTERS_MAX: usize = 200;
/// Digits of a Russian number without and with its country code.
const NATIONAL_DIGITS: usize = 10;
const RUSSIAN_DIGITS: usize = 11;
const DIGITS_MAX: usize = 15;

/// What a payout may say beside its recipient.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "Payout from a QIWI wallet")]
pub struct PayoutOptions {
    /// Number of the provider that is paid. 99, a transfer to a wallet, unless set; a card's is found by its number.
    #[schemars(title = "Provider", regex(pattern = "^[0-9]{1,6}$"), example = &"99", example = &"466")]
    pub provider: Option<String>,

    /// Further fields that the provider wants, by their names at the network. The recipient's account is not one of
    /// them.
    #[schemars(title = "Fields", example = &serde_json::json!({ "account_type": "1" }))]
    pub fields: BTreeMap<String, String>,
}

impl PayoutOptions {
    pub fn read(options: &Map<String, Value>) -> Result<Self, ConfigError> {
        for (key, value) in options {
            let alone = Value::Object(Map::from_iter([(key.clone(), value.clone())]));
            Self::deserialize(&alone).map_err(|error| ConfigError::new(key, error.to_string()))?;
        }
        let options = Self::deserialize(&Value::Object(options.clone()));
        let options = options.map_err(|error| ConfigError::new("options", error.to_string()))?;
        if let Some(provider) = &options.provider
            && !((1..=6).contains(&provider.len()) && provider.bytes().all(|byte| byte.is_ascii_digit()))
        {
            return Err(ConfigError::new(
                "provider",
                "must be the provider's number, such as \"99\"",
            ));
        }
        if options.fields.len() > FIELDS_MAX {
            return Err(ConfigError::new(
                "fields",
                format!("has more than {FIELDS_MAX} members"),
            ));
        }
        for (name, value) in &options.fields {
            if name == "account" {
                return Err(ConfigError::new(
                    "fields.account",
                    "is the payout's recipient; name it there",
                ));
            }
            if name.chars().count().max(value.chars().count()) > FIELD_CHARACTERS_MAX {
                let key = format!("fields.{}", name.chars().take(FIELD_CHARACTERS_MAX).collect::<String>());
                return Err(ConfigError::new(
                    key,
                    format!("is longer than {FIELD_CHARACTERS_MAX} characters"),
                ));
            }
        }
        Ok(options)
    }
}

/// §6.2.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Transfer<'a> {
    id: String,
    sum: Sum,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'static str>,
    payment_method: PaymentMethod,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<&'a str>,
    fields: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentMethod {
    #[serde(rename = "type")]
    kind: &'static str,
    account_id: &'static str,
}

/// Paid from the wallet's ruble account.
pub const FROM_RUBLES: PaymentMethod = PaymentMethod {
    kind: "Account",
    account_id: RUBLE,
};

/// Who is paid through which provider.
pub struct Recipient {
    pub provider: String,
    pub account: String,
}

/// §6.3, bare or in the site's envelope.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Answered {
    id: Word,
    transaction: Option<Accepted>,
    data: Option<Envelope>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Envelope {
    body: Option<Box<Answered>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Accepted {
    id: Word,
    state: AcceptedState,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AcceptedState {
    code: Word,
}

impl Network {
    pub async fn pay_out(&self, context: &Context<'_>, order: &PayoutOrder) -> Result<Report, ConnectorError> {
        let options = PayoutOptions::read(&order.options);
        let options = options.map_err(|error| ConnectorError::invalid(error.to_string()))?;
        let recipient = self.recipient(context, &order.target, options.provider).await?;
        let mut fields = options.fields;
        fields.insert("account".to_owned(), recipient.account);
        let comment = order.description.as_deref();
        let paid = self
            .transfer(
                context,
                &order.step,
                &recipient.provider,
                order.amount,
                comment,
                &fields,
            )
            .await?;
        Ok(paid.of(order.step.operation))
    }

    /// One payment of any provider. The same step gives the same id, and the network makes each id once.
    pub async fn transfer(
        &self,
        context: &Context<'_>,
        step: &Step,
        provider: &str,
        amount: Money,
        comment: Option<&str>,
        fields: &BTreeMap<String, String>,
    ) -> Result<Report, ConnectorError> {
        let sum = Sum::of(amount).ok_or_else(|| only_rubles(amount))?;
        let comment = comment.filter(|_| [TO_WALLET, CONVERSION].contains(&provider));
        let is_cas = self.profile.is_cas();
        let body = Transfer {
            id: step.number.to_string(),
            sum,
            source: is_cas.then_some("account_643"),
            payment_method: FROM_RUBLES,
            comment: if is_cas {
                Some(comment.unwrap_or_default())
            } else {
                comment
            },
            fields,
        };
        let response = if is_cas {
            let path = format!("/user/sinap/api/terms/{provider}/payments/proxy.action");
            let ask = Ask::new(HttpMethod::Post, path).change().json(&body)?;
            self.site(context, ask).await?
        } else {
            let path = format!("/sinap/api/v2/terms/{provider}/payments");
            let ask = Ask::new(HttpMethod::Post, path).change().json(&body)?;
            self.edge(context, &ask, ConnectorError::from).await?
        };
        accepted(&response, &body.id, amount)
    }

    pub async fn recipient(
        &self,
        context: &Context<'_>,
        target: &PayoutTarget,
        provider: Option<String>,
    ) -> Result<Recipient, ConnectorError> {
        match target {
            PayoutTarget::Wallet(account) => {
                let provider = provider.unwrap_or_else(|| TO_WALLET.to_owned());
                let account = if provider == TO_WALLET {
                    phone(account, self.profile.is_cas())?
                } else {
                    account.clone()
                };
                Ok(Recipient { provider, account })
            }
            PayoutTarget::Card { pan, .. } => {
                let provider = match provider {
                    Some(provider) => provider,
                    None => self.provider_of_card(context, pan).await?,
                };
                let account = pan.expose().to_owned();
                Ok(Recipient { provider, account })
            }
            PayoutTarget::Token(_) => Err(ConnectorError::unsupported("payouts to tokens")),
            PayoutTarget::Phone { .. } => Err(ConnectorError::unsupported(
                "payouts over the fast payment system; pay to a wallet or a card",
            )),
        }
    }
}

pub fn only_rubles(amount: Money) -> ConnectorError {
    ConnectorError::Invalid(NetworkFault {
        field: Some("amount".to_owned()),
        ..NetworkFault::new(format!(
            "the wallet pays in RUB only; this is in {}",
            amount.currency().code()
        ))
    })
}

/// §1: ten digits without the country code in `cas`, a plus and all of them in `token`.
fn phone(account: &str, is_cas: bool) -> Result<String, ConnectorError> {
    let written = account.trim();
    let digits: String = (written.strip_prefix('+').unwrap_or(written).chars())
        .filter(|character| !matches!(character, ' ' | '-' | '(' | ')'))
        .collect();
    let is_number =
        digits.bytes().all(|byte| byte.is_ascii_digit()) && (NATIONAL_DIGITS..=DIGITS_MAX).contains(&digits.len());
    if !is_number {
        return Err(ConnectorError::Declined(plugin_sdk::connector::Decline {
            reason: DeclineReason::RecipientInvalid,
            code: None,
            message: "a wallet is a phone number with its country code, such as +79121112233".to_owned(),
            try_elsewhere: false,
        }));
    }
    let national = match digits.strip_prefix('7') {
        Some(national) if digits.len() == RUSSIAN_DIGITS => Some(national),
        _ if digits.len() == NATIONAL_DIGITS => Some(digits.as_str()),
        _ => None,
    };
    Ok(match (national, is_cas) {
        (Some(national), true) => national.to_owned(),
        (Some(national), false) => format!("+7{national}"),
        (None, true) => digits,
        (None, false) => format!("+{digits}"),
    })
}

/// §6.3, §6.4. A transaction is a payment that the network took; anything else is a refusal, or nobody knows.
fn accepted(response: &HttpResponse, id: &str, amount: Money) -> Result<Report, ConnectorError> {
    let answered: Answered = serde_json::from_slice(&response.body).unwrap_or_default();
    let answered = match answered.data {
        Some(Envelope { body: Some(body) }) => *body,
        _ => answered,
    };
    let Some(transaction) = answered.transaction else {
        return Err(of_change(response));
    };
    let echoed = answered.id.or_empty();
    let is_ours = echoed.is_empty() || echoed.strip_prefix(':').unwrap_or(echoed) == id;
    let (true, true, Some(network_id)) = (response.is_success(), is_ours, transaction.id.told()) else {
        return Err(ConnectorError::Uncertain(NetworkFault::coded(
            response.status.to_string(),
            "the network's answer to the payment contradicts itself",
        )));
    };
    let state = match transaction.state.code.or_empty() {
        "AwaitingSMSConfirmation" => State::Declined(awaits_sms()),
        // Taken, and not final (§6.3); so is a word that nobody knows, until the history says what became of it.
        _ => State::Pending,
    };
    Ok(Report::new(StepKind::Payout, state)
        .with_network_id(network_id)
        .with_amount(amount))
}

fn awaits_sms() -> plugin_sdk::connector::Decline {
    let message = "the wallet wants payments confirmed by SMS; switch that off in the wallet's settings";
    plugin_sdk::connector::Decline {
        reason: DeclineReason::NotPermitted,
        ..decline(
            None,
            Some("AwaitingSMSConfirmation".to_owned()),
            Some(message.to_owned()),
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use plugin_sdk::Currency;
    use rstest::rstest;

    #[rstest]
    #[case("+79121112233", "9121112233", "+79121112233")]
    #[case("79121112233", "9121112233", "+79121112233")]
    #[case("9121112233", "9121112233", "+79121112233")]
    #[case("+7 (912) 111-22-33", "9121112233", "+79121112233")]
    #[case("+380501112233", "380501112233", "+380501112233")]
    fn recipients_are_written_as_the_dialect_wants_them(#[case] given: &str, #[case] cas: &str, #[case] token: &str) {
        assert_eq!(phone(given, true).unwrap(), cas);
        assert_eq!(phone(given, false).unwrap(), token);
    }

    #[test]
    fn what_is_no_number_is_declined_before_anything_is_sent() {
        for account in ["", "12345", "borya", "+7912111223x", "7912111223344556"] {
            assert!(
                matches!(phone(account, false), Err(ConnectorError::Declined(_))),
                "{account}"
            );
        }
    }

    const PAGE: &str = r#"{"id":"11111111111111","terms":"99","fields":{"account":"9121112233"},
        "sum":{"amount":100,"currency":"643"},"source":"account_643",
        "transaction":{"id":"4969142201","state":{"code":"Accepted"}},"comment":"test"}"#;

    fn answered(status: u16, body: &str) -> Result<Report, ConnectorError> {
        let response = HttpResponse {
            status,
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
        };
        accepted(&response, "11111111111111", Money::from_minor(10_000, Currency::RUB))
    }

    #[test]
    fn the_answer_of_the_page_is_read_bare_wrapped_and_with_its_misprint() {
        let wrapped = format!(
            r#"{{"code":{{"value":"0","_name":"NORMAL"}},"data":{{"body":{PAGE},"status":200}},"message":null,"messages":null}}"#
        );
        let misprint = PAGE.replace("\"11111111111111\"", "\":11111111111111\"");
        for body in [PAGE, &wrapped, &misprint] {
            let report = answered(200, body).unwrap();
            assert_eq!(
                (report.state, report.network_id.as_deref()),
                (State::Pending, Some("4969142201"))
            );
        }
    }

    #[test]
    fn an_sms_confirmation_is_a_decline_that_says_what_to_switch_off() {
        let report = answered(200, &PAGE.replace("Accepted", "AwaitingSMSConfirmation")).unwrap();
        let State::Declined(decline) = report.state else {
            panic!("the payment waits for a person");
        };
        assert_eq!(decline.reason, DeclineReason::NotPermitted);
    }

    #[rstest]
    #[case::another_id(200, &PAGE.replace("\"11111111111111\"", "\"2\""))]
    #[case::a_transaction_with_an_error_status(500, PAGE)]
    #[case::no_number(200, &PAGE.replace("\"4969142201\"", "null"))]
    #[case::half(200, &PAGE[..100])]
    fn an_answer_that_contradicts_itself_is_uncertain(#[case] status: u16, #[case] body: &str) {
        assert!(matches!(answered(status, body), Err(ConnectorError::Uncertain(_))));
    }

    #[test]
    fn a_state_that_nobody_knows_is_asked_after() {
        assert_eq!(
            answered(200, &PAGE.replace("Accepted", "Teleported")).unwrap().state,
            State::Pending
        );
    }
}
