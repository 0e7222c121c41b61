//! A connection's config: which wallet, by which dialect of the API (§1), and where.

use plugin_sdk::{ConfigError, Currency, Money, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

/// §4.2: the client's own cap of reading requests a minute; the network shuts the API for 5 minutes above 100.
pub const REQUESTS_PER_MINUTE: u32 = 90;
const REQUESTS_PER_MINUTE_MAX: u32 = 100;
/// Digits of a wallet's number with its country code.
const WALLET_DIGITS: std::ops::RangeInclusive<usize> = 11..=15;
const SECRETS: [&str; 3] = ["password", "token", "hook_key"];

/// Which edition of the API the wallet is used through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// Wallet number and password, tickets of CAS, a web session for payments.
    Cas,
    /// A token made on the network's site. The only one with virtual cards, receipts and hooks.
    #[default]
    Token,
}

/// One wallet. Payouts leave from it, and history, balances and cards are its own.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "QIWI Wallet")]
pub struct WalletConfig {
    /// How the wallet is used: "token" with an API token from the network's site, "cas" with number and password.
    #[schemars(title = "Dialect")]
    pub dialect: Dialect,

    /// Number of the wallet with its country code, without plus.
    #[schemars(title = "Wallet", regex(pattern = "^[0-9]{11,15}$"), example = &"79112223344")]
    pub wallet: String,

    /// Password of the wallet. Only for dialect "cas". Confirmation of payments by SMS must be switched off.
    #[schemars(title = "Password")]
    pub password: Option<Secret>,

    /// API token of the wallet. Only for dialect "token". It lives 180 days and needs the permissions for payments
    /// without SMS, payment history and wallet balance; for cards also virtual card management and profile.
    #[schemars(title = "API token")]
    pub token: Option<Secret>,

    /// Key that the network signs its hooks with, in Base64 as it was given out. Without it hooks are refused and
    /// payments are settled by asking alone.
    #[schemars(title = "Hook key")]
    pub hook_key: Option<Secret>,

    /// Requests for history and statistics in a minute. The network allows 100 for each wallet and then shuts it for
    /// five minutes. Divide it among the gateway's nodes when there are several.
    #[schemars(title = "Reading requests a minute", range(min = 1, max = 100))]
    pub requests_per_minute: u32,

    /// What the QIWI Master package costs, in rubles, by the wallet's tariff.
    #[schemars(title = "Price of QIWI Master", regex(pattern = r"^[0-9]{1,9}(\.[0-9]{1,2})?$"), example = &"2999.00")]
    pub master_price: String,

    /// Address of the log-in service, for dialect "cas".
    #[schemars(title = "Log-in address", example = &"https://auth.qiwi.com")]
    pub auth_base: String,

    /// Address of the site, for payments in dialect "cas" and for finding a phone's operator.
    #[schemars(title = "Site address", example = &"https://qiwi.com")]
    pub site_base: String,

    /// Address of the API.
    #[schemars(title = "API address", example = &"https://edge.qiwi.com")]
    pub edge_base: String,
}

impl Default for WalletConfig {
    fn default() -> Self {
        Self {
            dialect: Dialect::default(),
            wallet: String::new(),
            password: None,
            token: None,
            hook_key: None,
            requests_per_minute: REQUESTS_PER_MINUTE,
            master_price: "2999.00".to_owned(),
            auth_base: "https://auth.qiwi.com".to_owned(),
            site_base: "https://qiwi.com".to_owned(),
            edge_base: "https://edge.qiwi.com".to_owned(),
        }
    }
}

/// A config that was checked.
pub struct Profile {
    pub wallet: String,
    pub access: Access,
    pub auth_base: String,
    pub site_base: String,
    pub edge_base: String,
    pub requests_per_minute: u32,
    pub master_price: Money,
    /// 32 bytes by the page; whatever Base64 gives is taken.
    pub hook_key: Option<Vec<u8>>,
}

/// How we prove who we are; it decides the dialect.
pub enum Access {
    Cas { password: Secret },
    Token(Secret),
}

impl Profile {
    pub const fn is_cas(&self) -> bool {
        matches!(self.access, Access::Cas { .. })
    }

    pub fn read(config: &Value) -> Result<Self, ConfigError> {
        let config = located(config)?;
        let digits = config.wallet.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || !WALLET_DIGITS.contains(&config.wallet.len()) {
            return Err(ConfigError::new(
                "wallet",
                "must be the wallet's number: 11 to 15 digits with the country code, without plus, such as 79112223344",
            ));
        }
        if !(1..=REQUESTS_PER_MINUTE_MAX).contains(&config.requests_per_minute) {
            return Err(ConfigError::new("requests_per_minute", "must be from 1 to 100"));
        }
        let master_price = Money::parse(&config.master_price, Currency::RUB)
            .ok()
            .filter(|price| price.minor() > 0)
            .ok_or_else(|| ConfigError::new("master_price", "must be an amount in rubles, such as 2999.00"))?;
        let access = access(&config)?;
        Ok(Self {
            access,
            auth_base: base("auth_base", &config.auth_base)?,
            site_base: base("site_base", &config.site_base)?,
            edge_base: base("edge_base", &config.edge_base)?,
            requests_per_minute: config.requests_per_minute,
            master_price,
            hook_key: config.hook_key.as_ref().map(hook_key).transpose()?,
            wallet: config.wallet,
        })
    }
}

/// serde says what is wrong but not where, and repeats the value: each key is read alone, and secrets are not repeated.
fn located(config: &Value) -> Result<WalletConfig, ConfigError> {
    let Value::Object(keys) = config else {
        return Err(ConfigError::new(
            "config",
            "must be an object; write its keys with their values in { }",
        ));
    };
    for (key, value) in keys {
        let alone = Value::Object(Map::from_iter([(key.clone(), value.clone())]));
        if let Err(error) = WalletConfig::deserialize(&alone) {
            let message = if SECRETS.contains(&key.as_str()) {
                "must be a text".to_owned()
            } else {
                error.to_string()
            };
            return Err(ConfigError::new(key, message));
        }
    }
    WalletConfig::deserialize(config).map_err(|_| ConfigError::new("config", "cannot be read"))
}

fn access(config: &WalletConfig) -> Result<Access, ConfigError> {
    let given = |secret: &Option<Secret>| secret.clone().filter(|secret| !secret.is_empty());
    match config.dialect {
        Dialect::Cas => {
            let password = given(&config.password);
            let missing = || ConfigError::new("password", "is needed for dialect \"cas\": the wallet's password");
            Ok(Access::Cas {
                password: password.ok_or_else(missing)?,
            })
        }
        Dialect::Token => {
            let missing = || ConfigError::new("token", "is needed for dialect \"token\": the wallet's API token");
            let token = given(&config.token).ok_or_else(missing)?;
            if !token.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(ConfigError::new(
                    "token",
                    "must not hold spaces or letters beyond ASCII",
                ));
            }
            Ok(Access::Token(token))
        }
    }
}

fn base(key: &str, text: &str) -> Result<String, ConfigError> {
    let trimmed = text.trim_end_matches('/');
    let is_base = Url::parse(trimmed)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none());
    if is_base {
        Ok(trimmed.to_owned())
    } else {
        Err(ConfigError::new(
            key,
            "must be an address without a query, such as https://edge.qiwi.com",
        ))
    }
}

fn hook_key(key: &Secret) -> Result<Vec<u8>, ConfigError> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(key.expose().trim());
    let bytes = bytes.ok().filter(|bytes| !bytes.is_empty());
    bytes.ok_or_else(|| ConfigError::new("hook_key", "must be the Base64 text that the network gave out"))
}
