//! What a merchant and QIWI agreed for one site.

use chrono::Duration;
use ipnet::IpNet;
use plugin_sdk::{ConfigError, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::signing::PayoutKey;

/// D-1: the address of every known client. The path `payin/v1/sites/…` follows it.
pub const BASE_URL: &str = "https://api.qiwi.com/partner/";
/// §11.1: where QIWI's notifications come from.
pub const SUBNETS: [&str; 4] = [
    "79.142.16.0/20",
    "195.189.100.0/22",
    "91.232.230.0/23",
    "91.213.51.0/24",
];
/// §13: hours until a hold ends unless support agreed on another time, and the most that it agrees on.
const HOLD_HOURS: u16 = 72;
const HOLD_HOURS_MAX: u16 = 120;
/// Minutes that a bill waits for its payer when the order says nothing; §13 gives no default.
const BILL_MINUTES: u32 = 24 * 60;
/// A year.
const BILL_MINUTES_MAX: u32 = 366 * 24 * 60;
/// Edge of a QR picture, in pixels.
const IMAGE_MAX: u16 = 2_000;
/// Longest site id; the document gives none.
const SITE_ID_MAX: usize = 100;

/// One site of the merchant at QIWI Payin. The site, its API key and the notification key are shown in the account at
/// kassa.qiwi.com under Settings.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "QIWI Payin")]
pub struct PayinConfig {
    /// Address of the API up to `payin/v1`. Change it for the newer host or for the sandbox.
    #[serde(default = "default_base_url")]
    #[schemars(title = "API address", example = &"https://b2b-api.qiwi.com/partner/", example = &"http://127.0.0.1:8090/partner/")]
    pub base_url: String,

    /// Identifier of the site, as QIWI gave it.
    #[schemars(title = "Site", length(min = 1, max = 100), example = &"sa3khn-09")]
    pub site_id: String,

    /// API access key. It stays the same when the site leaves test mode.
    #[schemars(title = "API key", example = &"5c4b25xx93aa435d9cb8cd17480356f9")]
    pub api_key: Secret,

    /// The key that signs QIWI's notifications (Settings, server notifications). Without it notifications are refused,
    /// and the gateway learns of payments only by asking.
    #[serde(default)]
    #[schemars(title = "Notification key")]
    pub notification_key: Option<Secret>,

    /// Also accept notification signatures in Base64, as one page of the documentation shows them. QIWI sends
    /// hexadecimal digits.
    #[serde(default)]
    #[schemars(title = "Accept Base64 signatures")]
    pub accept_base64_signature: bool,

    /// Subnets that notifications may come from; QIWI's own unless set. An empty list accepts any address: the signature
    /// is checked all the same.
    #[serde(default = "default_subnets")]
    #[schemars(title = "Notification subnets", example = ("127.0.0.0/8",))]
    pub notification_subnets: Vec<String>,

    /// Take card numbers from the merchant's own form. Needs PCI DSS on the merchant's side and QIWI's consent.
    #[serde(default)]
    #[schemars(title = "Cards from the merchant's form")]
    pub card_data: bool,

    /// Pay with stored cards. QIWI switches it on at request.
    #[serde(default)]
    #[schemars(title = "Stored cards")]
    pub tokens: bool,

    /// Payments by QR code of the fast payment system (SBP). QIWI switches it on at request.
    #[serde(default)]
    #[schemars(title = "SBP")]
    pub sbp: bool,

    /// Width and height of the picture of a QR code, in pixels; without it only the code's text is asked for.
    #[serde(default)]
    #[schemars(title = "QR picture", range(min = 50, max = 2000), example = 300)]
    pub qr_image_px: Option<u16>,

    /// Payments in favour of several suppliers. QIWI switches it on at request.
    #[serde(default)]
    #[schemars(title = "Splits")]
    pub splits: bool,

    /// Private RSA key in PEM that signs payouts; QIWI keeps its public half. Without it there are no payouts.
    #[serde(default)]
    #[schemars(title = "Payout key", example = &"-----BEGIN PRIVATE KEY-----…")]
    pub payout_private_key: Option<Secret>,

    /// Minutes that a bill waits for its payer when the order names no last moment.
    #[serde(default = "default_bill_minutes")]
    #[schemars(title = "Life of a bill", range(min = 1, max = 527_040), example = 60)]
    pub bill_minutes: u32,

    /// Hours until QIWI ends a hold by itself, as agreed with support.
    #[serde(default = "default_hold_hours")]
    #[schemars(title = "Life of a hold", range(min = 1, max = 120), example = 72)]
    pub hold_hours: u16,

    /// What QIWI does with a hold whose time is over, as agreed with support.
    #[serde(default)]
    #[schemars(title = "End of a hold")]
    pub hold_ends: HoldEnds,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HoldEnds {
    /// The money is taken.
    #[default]
    Captured,
    /// The money is released.
    Released,
}

fn default_base_url() -> String {
    BASE_URL.to_owned()
}

fn default_subnets() -> Vec<String> {
    SUBNETS.map(str::to_owned).to_vec()
}

const fn default_bill_minutes() -> u32 {
    BILL_MINUTES
}

const fn default_hold_hours() -> u16 {
    HOLD_HOURS
}

/// A config that was looked over.
pub struct Site {
    pub config: PayinConfig,
    /// Up to and with the site: `https://api.qiwi.com/partner/payin/v1/sites/test-01`.
    pub root: String,
    pub subnets: Vec<IpNet>,
    pub payout_key: Option<PayoutKey>,
    pub bill_life: Duration,
    pub hold_life: Duration,
    /// Notification addresses without TLS are offered only to a network without TLS: a simulator.
    pub plain: bool,
}

pub fn read(config: &Value) -> Result<Site, ConfigError> {
    let config = PayinConfig::deserialize(config).map_err(|error| ConfigError::new("config", error.to_string()))?;
    let base = base_url(&config.base_url)?;
    let site_id = checked_site_id(&config.site_id)?;
    for (key, secret) in [
        ("api_key", Some(&config.api_key)),
        ("notification_key", config.notification_key.as_ref()),
    ] {
        if secret
            .is_some_and(|secret| secret.is_empty() || !secret.expose().bytes().all(|byte| byte.is_ascii_graphic()))
        {
            return Err(ConfigError::new(
                key,
                "write the key as QIWI shows it: visible ASCII, no spaces",
            ));
        }
    }
    let subnets = config.notification_subnets.iter().enumerate().map(|(at, subnet)| {
        subnet.parse().map_err(|_| {
            let key = format!("notification_subnets[{at}]");
            ConfigError::new(key, format!("'{subnet}' is not a subnet such as 79.142.16.0/20"))
        })
    });
    let payout_key = config.payout_private_key.as_ref().map(PayoutKey::read).transpose();
    in_range("bill_minutes", config.bill_minutes, 1, BILL_MINUTES_MAX)?;
    in_range("hold_hours", config.hold_hours.into(), 1, HOLD_HOURS_MAX.into())?;
    in_range(
        "qr_image_px",
        config.qr_image_px.unwrap_or(IMAGE_MAX).into(),
        50,
        IMAGE_MAX.into(),
    )?;
    Ok(Site {
        root: format!("{base}/payin/v1/sites/{site_id}"),
        plain: base.starts_with("http://"),
        subnets: subnets.collect::<Result<_, _>>()?,
        payout_key: payout_key.map_err(|message| ConfigError::new("payout_private_key", message))?,
        bill_life: Duration::minutes(config.bill_minutes.into()),
        hold_life: Duration::hours(config.hold_hours.into()),
        config,
    })
}

fn base_url(text: &str) -> Result<String, ConfigError> {
    let wrong = || ConfigError::new("base_url", format!("'{text}' is not an address such as {BASE_URL}"));
    let url = Url::parse(text).map_err(|_| wrong())?;
    let usable = matches!(url.scheme(), "https" | "http")
        && url.has_host()
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty();
    usable
        .then(|| url.as_str().trim_end_matches('/').to_owned())
        .ok_or_else(wrong)
}

/// §2: an opaque text; it becomes a segment of every path.
fn checked_site_id(id: &str) -> Result<&str, ConfigError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let usable = !id.is_empty() && id.len() <= SITE_ID_MAX && id.bytes().all(plain) && id.trim_matches('.') == id;
    let message = "write the site as QIWI shows it: letters, digits, '-' and '_'";
    usable.then_some(id).ok_or_else(|| ConfigError::new("site_id", message))
}

fn in_range(key: &str, value: u32, min: u32, max: u32) -> Result<(), ConfigError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(ConfigError::new(key, format!("must be from {min} to {max}")))
}
