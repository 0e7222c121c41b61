//! The list of linked cards (§6.7). QIWI never published its form: request and answer are a guess (D-2), behind a switch.

use chrono::{DateTime, Utc};
use plugin_sdk::Secret;
use plugin_sdk::connector::{ConnectorError, Context, IssuedToken};

use crate::connection::{QiwiPayConnection, read};
use crate::errors;
use crate::parameters::{Opcode, Parameters};

/// A card that a customer has linked.
pub struct LinkedCard {
    pub token: Secret,
    pub expires_at: Option<DateTime<Utc>>,
    pub masked_pan: Option<String>,
    pub holder: Option<String>,
    pub issuer: Option<String>,
    /// ISO 3166-1, three letters.
    pub country: Option<String>,
}

impl QiwiPayConnection {
    /// Cards that a customer has linked, by the merchant's own id of the customer. Changes nothing.
    pub async fn linked_cards(&self, context: &Context<'_>, customer: &str) -> Result<Vec<LinkedCard>, ConnectorError> {
        if !self.config().experimental_cards {
            return Err(ConnectorError::unsupported(
                "list of linked cards; it is experimental and switched off in the config",
            ));
        }
        let mut parameters = Parameters::new(Opcode::Cards, self.config().merchant_site);
        parameters.put_within("merchant_uid", Some(customer), 64)?;
        let response = self.ask(context, &parameters).await?;
        let (answer, code) = read(&response)?;
        if code != 0 {
            return Err(errors::of_code(&answer, code));
        }
        let cards = answer.list("cards").unwrap_or_default();
        let cards = cards.iter().filter_map(|card| {
            let IssuedToken {
                token,
                masked_pan,
                expires_at,
                ..
            } = card.token(Some(customer))?;
            let facts = card.facts();
            Some(LinkedCard {
                token,
                expires_at,
                masked_pan,
                holder: facts.more.get("card_name").cloned(),
                issuer: facts.card_issuer,
                country: facts.card_country,
            })
        });
        Ok(cards.collect())
    }
}
