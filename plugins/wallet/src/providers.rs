//! Whose a card or a phone is (§6.6): its provider's number, found without paying.

use plugin_sdk::Secret;
use plugin_sdk::connector::{ConnectorError, Context, Decline, DeclineReason, HttpMethod, HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::json;

use crate::fault::unreadable;
use crate::network::{Ask, Network};
use crate::wire::{Word, encoded};

const FORM: &str = "application/x-www-form-urlencoded";
/// The reference container that names a card's provider.
const CARD_CONTAINER: &str = "/sinap/api/refs/bd6fb248-2bdf-49ed-bcb2-9b0a789cfde8/containers";
const CONTAINER_JSON: &str = "application/vnd.qiwi.v1+json";

#[derive(Deserialize)]
struct Detected {
    code: DetectedCode,
    #[serde(default)]
    message: Word,
}

#[derive(Deserialize)]
struct DetectedCode {
    value: Word,
}

#[derive(Deserialize)]
struct Container {
    #[serde(default)]
    elements: Vec<Element>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Element {
    name: Word,
    value: Word,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Operators {
    #[serde(default)]
    mobile_operator_provider_list: Vec<Operator>,
}

#[derive(Deserialize)]
struct Operator {
    id: Word,
}

impl Network {
    /// The provider through which this card is paid.
    pub async fn provider_of_card(&self, context: &Context<'_>, pan: &Secret) -> Result<String, ConnectorError> {
        if self.profile.is_cas() {
            return self.detect(context, "card", "cardNumber", pan.expose()).await;
        }
        let ask = Ask::new(HttpMethod::Post, CARD_CONTAINER)
            .accepting(CONTAINER_JSON)
            .json(&json!({ "account": pan.expose() }))?;
        let container: Container = self.read_json(context, ask, "provider of the card").await?;
        let terms = container
            .elements
            .iter()
            .find(|element| element.name.text() == Some("termsId"));
        provider(terms.and_then(|element| element.value.told()))
    }

    /// The operator of a phone, as the provider that it is topped up through.
    pub async fn provider_of_phone(&self, context: &Context<'_>, phone: &str) -> Result<String, ConnectorError> {
        let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
        if self.profile.is_cas() {
            return self.detect(context, "mobile", "phone", &format!("+{digits}")).await;
        }
        let path = format!("/qw-mobile-providers-resolver/v1/providers?phoneNumber={digits}");
        let operators: Operators = self.read_json(context, Ask::get(path), "operator of the phone").await?;
        let first = operators.mobile_operator_provider_list.first();
        provider(first.and_then(|operator| operator.id.told()))
    }

    /// The site's own detection: always status 200, the provider in the message.
    async fn detect(
        &self,
        context: &Context<'_>,
        what: &str,
        name: &str,
        value: &str,
    ) -> Result<String, ConnectorError> {
        let url = format!("{}/{what}/detect.action", self.profile.site_base);
        let request = HttpRequest::new(HttpMethod::Post, url)
            .header("accept", "application/json")
            .body(FORM, format!("{name}={}", encoded(value)));
        let response: HttpResponse = self.ask_anyone(context, request).await?;
        let detected: Detected = serde_json::from_slice(&response.body).map_err(|_| unreadable("provider"))?;
        let found = (detected.code.value.text() == Some("0")).then(|| detected.message.told());
        provider(found.flatten())
    }
}

/// It becomes a part of a path: digits or nothing.
fn provider(found: Option<String>) -> Result<String, ConnectorError> {
    let found = found.filter(|number| number.len() <= 6 && number.bytes().all(|byte| byte.is_ascii_digit()));
    found.ok_or_else(|| {
        ConnectorError::Declined(Decline {
            reason: DeclineReason::RecipientInvalid,
            code: None,
            message: "the network has no provider for this number".to_owned(),
            try_elsewhere: true,
        })
    })
}
