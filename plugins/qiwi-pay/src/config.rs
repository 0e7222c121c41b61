//! What a merchant and QIWI agreed for one site, and what of it cannot be right.

use ipnet::IpNet;
use plugin_sdk::{ConfigError, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// §1: the network's own addresses.
const PAGE_URL: &str = "https://pay.qiwi.com/paypage/initial";
const API_URL: &str = "https://acquiring.qiwi.com/merchant/direct";

/// §7: where callbacks come from.
const CALLBACK_SUBNETS: [&str; 4] = [
    "79.142.16.0/20",
    "195.189.100.0/22",
    "91.232.230.0/23",
    "91.213.51.0/24",
];

/// One site at QIWI PAY. Only the site, its secret and whether the server API is open have to be filled in.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "QIWI PAY")]
pub struct Config {
    /// Number of the site that QIWI issued (merchant_site).
    #[schemars(title = "Site", range(min = 1), example = 99)]
    pub merchant_site: u64,

    /// The secret that requests and callbacks are signed with.
    #[schemars(title = "Secret key")]
    pub secret_key: Secret,

    /// The server API is open to the site, and the connection has its client certificate. Without it only the payment
    /// page works: no captures, reversals, refunds, payouts or questions for the status.
    #[serde(default)]
    #[schemars(title = "Server API")]
    pub api: bool,

    /// How the payer's browser is sent to the payment page. By link is simplest for those who show it; by form keeps the
    /// payer's data out of addresses.
    #[serde(default)]
    #[schemars(title = "Way to the payment page")]
    pub page_by: PageBy,

    /// Safe deal: the amount is split between a performer and the platform.
    #[serde(default)]
    #[schemars(title = "Safe deal")]
    pub safe_deal: SafeDeal,

    /// The field in which a safe deal's sub-sums are sent. Sites that were connected before June 2021 use cf3.
    #[serde(default)]
    #[schemars(title = "Field of the sub-sums")]
    pub safe_deal_field: DealField,

    /// How flight data enter a request's signature; QIWI's documents do not say.
    #[serde(default)]
    #[schemars(title = "Flight data in the signature")]
    pub industry_data_in_signature: NestedSign,

    /// Allow the list of linked cards (opcode 40), whose format QIWI never published.
    #[serde(default)]
    #[schemars(title = "List of linked cards (experimental)")]
    pub experimental_cards: bool,

    /// Subnets that callbacks may come from. An empty list accepts any: the signature alone proves them then.
    #[serde(default = "callback_subnets")]
    #[schemars(title = "Sources of callbacks", example = ("79.142.16.0/20", "195.189.100.0/22"))]
    pub callback_subnets: Vec<String>,

    /// Address of the payment page.
    #[serde(default = "page_url")]
    #[schemars(title = "Payment page", url, example = &"https://pay.qiwi.com/paypage/initial")]
    pub page_url: String,

    /// Address of the server API.
    #[serde(default = "api_url")]
    #[schemars(title = "Address of the server API", url, example = &"https://acquiring.qiwi.com/merchant/direct")]
    pub api_url: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PageBy {
    /// A signed link.
    #[default]
    Link,
    /// A signed form that the browser posts.
    Form,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SafeDeal {
    /// Payments are not split.
    #[default]
    Off,
    /// The performer is paid to a QIWI wallet when the hold is captured.
    Wallet,
    /// The performer is paid to a card by a payout of its own.
    Card,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DealField {
    /// As documented since June 2021.
    #[default]
    Cf2,
    /// As before.
    Cf3,
}

impl DealField {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cf2 => "cf2",
            Self::Cf3 => "cf3",
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NestedSign {
    /// They are left out.
    #[default]
    Omitted,
    /// Their compact JSON is signed like any value.
    CompactJson,
}

fn callback_subnets() -> Vec<String> {
    CALLBACK_SUBNETS.map(str::to_owned).to_vec()
}

fn page_url() -> String {
    PAGE_URL.to_owned()
}

fn api_url() -> String {
    API_URL.to_owned()
}

/// A config that was looked over.
pub struct Site {
    pub config: Config,
    pub subnets: Vec<IpNet>,
}

impl Site {
    pub fn read(config: &Value) -> Result<Self, ConfigError> {
        if !config.is_object() {
            return Err(ConfigError::new("config", "must be an object"));
        }
        let config = Config::deserialize(config).map_err(|error| located(config, &error))?;
        if config.merchant_site == 0 {
            return Err(ConfigError::new("merchant_site", "must be the number that QIWI issued"));
        }
        if config.secret_key.is_empty() {
            return Err(ConfigError::new("secret_key", "must not be empty"));
        }
        check_url("page_url", &config.page_url)?;
        check_url("api_url", &config.api_url)?;
        if config.safe_deal != SafeDeal::Off && !config.api {
            return Err(ConfigError::new(
                "api",
                "a safe deal needs the server API; switch it on",
            ));
        }
        let subnets = config.callback_subnets.iter().enumerate();
        let subnets = subnets.map(|(at, text)| {
            let subnet = text.parse::<IpNet>();
            subnet.map_err(|_| {
                let message = format!("'{text}' is not a subnet; write it as 79.142.16.0/20");
                ConfigError::new(format!("callback_subnets[{at}]"), message)
            })
        });
        Ok(Self {
            subnets: subnets.collect::<Result<_, _>>()?,
            config,
        })
    }
}

fn check_url(key: &str, text: &str) -> Result<(), ConfigError> {
    let parsed = url::Url::parse(text).ok();
    let usable = parsed.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.query().is_none());
    usable.then_some(()).ok_or_else(|| {
        ConfigError::new(
            key,
            "must be a whole address that starts with https:// and has no query",
        )
    })
}

/// serde says what is wrong, but not where: the wrong key is the one without whose value the complaint changes.
fn located(config: &Value, error: &serde_json::Error) -> ConfigError {
    let message = error.to_string();
    let mut keys = config.as_object().into_iter().flat_map(serde_json::Map::keys);
    let quoted = message.split('`').nth(1).map(str::to_owned);
    let quoted = quoted.filter(|_| message.contains("field `"));
    if let Some(key) = quoted {
        return ConfigError::new(key, message);
    }
    let wrong = keys.find(|key| {
        let mut without = config.clone();
        without.as_object_mut().map(|map| map.remove(key.as_str()));
        Config::deserialize(&without).map_or_else(|other| other.to_string() != message, |_| true)
    });
    ConfigError::new(wrong.map_or("config", String::as_str), message)
}
