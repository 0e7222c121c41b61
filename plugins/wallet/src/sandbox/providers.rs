//! Whose a phone or a card is.

use plugin_sdk::SandboxAnswer;
use serde_json::json;

use super::answers::{not_found, site_says};
use super::call::Call;

pub fn detect_mobile(call: &Call<'_>) -> SandboxAnswer {
    found(call.fields().get("phone").and_then(|phone| mobile(phone)))
}

pub fn detect_card(call: &Call<'_>) -> SandboxAnswer {
    found(call.fields().get("cardNumber").and_then(|pan| card(pan)))
}

/// Always 200; the provider is the message.
fn found(provider: Option<u32>) -> SandboxAnswer {
    match provider {
        Some(provider) => site_says(200, "0", Some(&provider.to_string())),
        None => site_says(200, "2", Some("Провайдер не найден")),
    }
}

pub fn card_container(call: &Call<'_>) -> SandboxAnswer {
    let provider = call.fields().get("account").and_then(|pan| card(pan));
    let elements =
        provider.map(|provider| json!({ "type": "field", "name": "termsId", "value": provider.to_string() }));
    SandboxAnswer::json(200, &json!({ "elements": elements.into_iter().collect::<Vec<_>>() }))
}

pub fn mobile_operator(call: &Call<'_>) -> SandboxAnswer {
    match call.query("phoneNumber").and_then(mobile) {
        Some(id) => SandboxAnswer::json(
            200,
            &json!({ "mobileOperatorProviderList": [{ "id": id, "shortName": "Operator", "logoUrl": null }] }),
        ),
        None => not_found("qw-mobile-providers-resolver", "provider.not.found", call.now),
    }
}

fn mobile(phone: &str) -> Option<u32> {
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    let national = digits.strip_prefix('7').filter(|rest| rest.len() == 10)?;
    match national.get(..3)?.parse::<u32>().ok()? {
        910..=919 | 980..=989 => Some(1),
        903 | 905 | 906 | 909 | 960..=968 => Some(2),
        920..=938 => Some(3),
        900 | 902 | 904 | 908 | 950..=953 => Some(42),
        _ => None,
    }
}

fn card(pan: &str) -> Option<u32> {
    let digits: String = pan.chars().filter(|character| *character != ' ').collect();
    if !(13..=19).contains(&digits.len()) || !luhn(&digits) {
        return None;
    }
    match digits.get(..1)? {
        "4" if digits.starts_with("4890") => Some(22_351),
        "4" => Some(1963),
        "5" => Some(21_013),
        "2" => Some(31_652),
        _ => None,
    }
}

/// ISO/IEC 7812-1.
pub fn luhn(digits: &str) -> bool {
    let mut sum = 0;
    for (place, character) in digits.chars().rev().enumerate() {
        let Some(digit) = character.to_digit(10) else {
            return false;
        };
        let counted = if place % 2 == 1 { digit * 2 } else { digit };
        sum += if counted > 9 { counted - 9 } else { counted };
    }
    sum % 10 == 0
}
