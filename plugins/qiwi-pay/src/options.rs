//! What only QIWI PAY knows of a payment or a payout (§5, §6.5), as the merchant's system writes it.

use plugin_sdk::ConfigError;
use plugin_sdk::connector::ConnectorError;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::avia::IndustryData;
use crate::config::{DealField, SafeDeal};
use crate::parameters::Parameters;

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "Options of QIWI PAY")]
pub struct Options {
    /// Free text that comes back in callbacks.
    #[schemars(title = "Field 1", length(max = 256))]
    pub cf1: Option<String>,
    #[schemars(title = "Field 2", length(max = 256))]
    pub cf2: Option<String>,
    #[schemars(title = "Field 3", length(max = 256))]
    pub cf3: Option<String>,
    #[schemars(title = "Field 4", length(max = 256))]
    pub cf4: Option<String>,
    #[schemars(title = "Field 5", length(max = 256))]
    pub cf5: Option<String>,
    /// Shown to the payer; the description's beginning unless set.
    #[schemars(title = "Name of the product", length(max = 25))]
    pub product_name: Option<String>,
    /// Kinds of operation agreed with QIWI: aft, moto, or both with a comma between.
    #[schemars(title = "Modifiers", length(max = 64), example = &"aft")]
    pub modifiers: Option<String>,
    #[schemars(title = "The payer's device", length(max = 64))]
    pub user_device_id: Option<String>,
    /// The payer's local time, with its zone.
    #[schemars(title = "The payer's time", example = &"2026-03-15T09:57:21+03:00")]
    pub user_timedate: Option<String>,
    #[schemars(title = "The payer's screen", length(max = 64), example = &"1080x1794")]
    pub user_screen_res: Option<String>,
    /// QIWI when a wallet is topped up; account_id names it then.
    #[schemars(title = "Kind of wallet", length(max = 50), example = &"QIWI")]
    pub wallet_type: Option<String>,
    #[schemars(title = "Wallet to top up", regex(pattern = "^[0-9]{1,50}$"))]
    pub account_id: Option<String>,
    /// Last name, comma, space, first name; Latin.
    #[schemars(title = "Recipient", length(max = 30), example = &"Ivanov, Ivan")]
    pub receiver_name: Option<String>,
    #[schemars(title = "Recipient's card", length(max = 19))]
    pub receiver_pan: Option<String>,
    #[schemars(title = "Recipient's bank account", length(max = 20))]
    pub receiver_bank_account: Option<String>,
    #[schemars(title = "Recipient's bank", length(max = 9))]
    pub receiver_bic: Option<String>,
    #[schemars(title = "Recipient's wallet", length(max = 64))]
    pub receiver_wallet: Option<String>,
    #[schemars(title = "Taxpayer number of the wallet's issuer", length(max = 12))]
    pub receiver_inn: Option<String>,
    #[schemars(title = "Recipient's phone", length(max = 15))]
    pub receiver_phone: Option<String>,
    #[schemars(title = "Upper commission", length(max = 20))]
    pub upper_commission_taken: Option<String>,
    /// Flight data of an airline's sale.
    #[schemars(title = "Flight data")]
    pub industry_data: Option<IndustryData>,
}

/// Length of each text, in characters.
const TEXTS: [(&str, usize); 19] = [
    ("cf1", 256),
    ("cf2", 256),
    ("cf3", 256),
    ("cf4", 256),
    ("cf5", 256),
    ("product_name", 25),
    ("modifiers", 64),
    ("user_device_id", 64),
    ("user_timedate", 64),
    ("user_screen_res", 64),
    ("wallet_type", 50),
    ("account_id", 50),
    ("receiver_name", 30),
    ("receiver_pan", 19),
    ("receiver_bank_account", 20),
    ("receiver_bic", 9),
    ("receiver_wallet", 64),
    ("receiver_inn", 12),
    ("receiver_phone", 15),
];

impl Options {
    pub fn read(options: &Map<String, Value>, deal: SafeDeal, field: DealField) -> Result<Self, ConfigError> {
        let read = Self::deserialize(Value::Object(options.clone()));
        let read = read.map_err(|error| {
            let message = error.to_string();
            let key = message.split('`').nth(1).filter(|_| message.contains("field `"));
            ConfigError::new(key.unwrap_or("options").to_owned(), message)
        })?;
        for (name, max) in TEXTS {
            let long = options.get(name).and_then(Value::as_str);
            if long.is_some_and(|text| text.chars().count() > max) {
                return Err(ConfigError::new(name, format!("is longer than {max} characters")));
            }
        }
        if let Some(data) = &read.industry_data {
            data.check()
                .map_err(|error| ConfigError::new(format!("industry_data.{}", error.key), error.message))?;
        }
        read.check_recipient()?;
        let taken: &[&str] = match deal {
            SafeDeal::Off => &[],
            SafeDeal::Wallet => &["cf1", field.as_str()],
            SafeDeal::Card => &[field.as_str()],
        };
        match taken.iter().find(|name| options.contains_key(**name)) {
            Some(name) => Err(ConfigError::new(*name, "is filled by the safe deal; use splits")),
            None => Ok(read),
        }
    }

    fn check_recipient(&self) -> Result<(), ConfigError> {
        if self.wallet_type.as_deref() == Some("QIWI") && self.account_id.is_none() {
            return Err(ConfigError::new(
                "account_id",
                "must name the wallet when wallet_type is QIWI",
            ));
        }
        if let Some(id) = &self.account_id
            && !id.bytes().all(|byte| byte.is_ascii_digit())
        {
            return Err(ConfigError::new("account_id", "has digits only"));
        }
        if let Some(name) = &self.receiver_name {
            let halves = name.split_once(", ");
            let latin = |part: &str| {
                let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b' ');
                !part.is_empty() && part.bytes().all(allowed)
            };
            if !halves.is_some_and(|(last, first)| latin(last) && !last.contains(' ') && latin(first)) {
                let message = "must be written as 'Ivanov, Ivan': Latin letters, a comma and a space";
                return Err(ConfigError::new("receiver_name", message));
            }
        }
        Ok(())
    }

    /// The fields that the page, the server API and payouts all take.
    pub fn put_common(&self, parameters: &mut Parameters) {
        for (name, value) in [
            ("cf1", &self.cf1),
            ("cf2", &self.cf2),
            ("cf3", &self.cf3),
            ("cf4", &self.cf4),
            ("cf5", &self.cf5),
            ("product_name", &self.product_name),
        ] {
            parameters.put(name, value.as_deref().unwrap_or_default());
        }
    }

    /// What a purchase over the server API takes beyond that.
    pub fn put_purchase(&self, parameters: &mut Parameters) -> Result<(), ConnectorError> {
        for (name, value) in [
            ("modifiers", &self.modifiers),
            ("user_device_id", &self.user_device_id),
            ("user_timedate", &self.user_timedate),
            ("user_screen_res", &self.user_screen_res),
            ("wallet_type", &self.wallet_type),
            ("account_id", &self.account_id),
            ("receiver_name", &self.receiver_name),
            ("receiver_pan", &self.receiver_pan),
            ("receiver_bank_account", &self.receiver_bank_account),
            ("receiver_bic", &self.receiver_bic),
            ("receiver_wallet", &self.receiver_wallet),
            ("receiver_inn", &self.receiver_inn),
            ("receiver_phone", &self.receiver_phone),
            ("upper_commission_taken", &self.upper_commission_taken),
        ] {
            parameters.put(name, value.as_deref().unwrap_or_default());
        }
        if let Some(data) = &self.industry_data {
            parameters.put_nested("industry_data", data.json()?);
        }
        Ok(())
    }
}
