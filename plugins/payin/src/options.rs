//! What only Payin knows of a payment (§4.3 to §4.5, §7).

use std::collections::BTreeMap;

use plugin_sdk::ConfigError;
use plugin_sdk::connector::ConnectorError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::wire::put;

/// §4.5: characters of a custom field.
const FIELD_MAX: usize = 256;
/// Custom fields of one payment; the document gives no limit.
const FIELDS_MAX: usize = 50;
/// The name that the gateway itself fills in.
const CALLBACK_FIELD: &str = "invoice_callback_url";
/// Longest of the other texts, in characters; the document gives none for most of them.
const TEXT_MAX: usize = 1_000;

/// Everything here may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "QIWI Payin")]
pub struct PayinOptions {
    /// Free texts that come back in answers and notifications: cf1 to cf5, contract_id, customer_last_name and others.
    #[schemars(title = "Custom fields", example = &serde_json::json!({"cf1": "Some data", "contract_id": "ID12345"}))]
    pub custom_fields: BTreeMap<String, String>,

    /// Alias of a form that was styled for the site.
    #[schemars(title = "Form style")]
    pub theme_code: Option<String>,

    /// Language of the form.
    #[schemars(title = "Form language")]
    pub lang: Option<Lang>,

    /// Who receives the money, when the payment is a money transfer.
    #[schemars(title = "Recipient")]
    pub receiver: Option<Receiver>,

    /// What the merchant's own form knows of the payer's device.
    #[schemars(title = "Device")]
    pub device: Option<Device>,

    /// The payment with which the card was stored, for payments by the merchant's own initiative.
    #[schemars(title = "First transaction")]
    pub first_transaction: Option<FirstTransaction>,

    /// What a QR code that stores the payer's account says it is for.
    #[schemars(title = "Purpose of storing", length(max = 140))]
    pub tokenization_purpose: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Lang {
    Ru,
    En,
}

impl Lang {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ru => "ru",
            Self::En => "en",
        }
    }
}

/// §4.3 without the card number, which options could not keep secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Receiver {
    #[schemars(length(max = 64))]
    pub wallet: Option<String>,
    #[schemars(length(max = 12))]
    pub inn: Option<String>,
    #[schemars(length(max = 15))]
    pub phone: Option<String>,
    #[schemars(length(max = 20))]
    pub bank_account: Option<String>,
    #[schemars(length(max = 9))]
    pub bic: Option<String>,
}

/// §4.4; the address and the browser come with the customer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Device {
    pub fingerprint: Option<String>,
    #[schemars(example = &"1280x1024")]
    pub screen_resolution: Option<String>,
    /// Seconds.
    pub time_on_page: Option<u32>,
    #[schemars(example = &"2017-09-03T14:30:00+03:00")]
    pub datetime: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FirstTransaction {
    pub payment_id: String,
    /// Its id at the national payment card system.
    pub trn_id: String,
}

impl PayinOptions {
    pub fn read(options: &Map<String, Value>) -> Result<Self, ConfigError> {
        let read: Self = serde_json::from_value(Value::Object(options.clone()))
            .map_err(|error| ConfigError::new("options", error.to_string()))?;
        if read.custom_fields.len() > FIELDS_MAX {
            return Err(ConfigError::new(
                "custom_fields",
                format!("at most {FIELDS_MAX} are sent"),
            ));
        }
        for (name, value) in &read.custom_fields {
            let key = format!("custom_fields.{name}");
            if name == CALLBACK_FIELD {
                return Err(ConfigError::new(key, "the gateway itself says where notifications go"));
            }
            at_most(&key, Some(value), FIELD_MAX)?;
        }
        at_most("theme_code", read.theme_code.as_deref(), FIELD_MAX)?;
        at_most("tokenization_purpose", read.tokenization_purpose.as_deref(), 140)?;
        if let Some(receiver) = &read.receiver {
            at_most("receiver.wallet", receiver.wallet.as_deref(), 64)?;
            at_most("receiver.inn", receiver.inn.as_deref(), 12)?;
            at_most("receiver.phone", receiver.phone.as_deref(), 15)?;
            at_most("receiver.bank_account", receiver.bank_account.as_deref(), 20)?;
            at_most("receiver.bic", receiver.bic.as_deref(), 9)?;
        }
        if let Some(device) = &read.device {
            at_most(
                "device.screen_resolution",
                device.screen_resolution.as_deref(),
                TEXT_MAX,
            )?;
        }
        Ok(read)
    }

    pub fn of(options: &Map<String, Value>) -> Result<Self, ConnectorError> {
        Self::read(options).map_err(|error| ConnectorError::invalid(error.to_string()))
    }

    /// `customFields`; of a bill they also say where its notifications go.
    pub fn custom_fields(&self, bill_callback: Option<&str>) -> Option<Value> {
        let mut fields = self.custom_fields.clone();
        if let Some(theme) = &self.theme_code {
            fields.insert("themeCode".to_owned(), theme.clone());
        }
        if let Some(callback) = bill_callback {
            fields.insert(CALLBACK_FIELD.to_owned(), callback.to_owned());
        }
        (!fields.is_empty()).then(|| json!(fields))
    }

    pub fn receiver(&self) -> Option<Value> {
        let receiver = self.receiver.as_ref()?;
        let mut data = json!({});
        put(&mut data, "wallet", receiver.wallet.as_deref());
        put(&mut data, "inn", receiver.inn.as_deref());
        put(&mut data, "phone", receiver.phone.as_deref());
        put(&mut data, "bankAccount", receiver.bank_account.as_deref());
        put(&mut data, "bic", receiver.bic.as_deref());
        Some(data)
    }
}

fn at_most(key: &str, text: Option<&str>, max: usize) -> Result<(), ConfigError> {
    match text {
        Some(text) if text.chars().count() > max => {
            Err(ConfigError::new(key, format!("is too long: at most {max} characters")))
        }
        _ => Ok(()),
    }
}
