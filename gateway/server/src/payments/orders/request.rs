//! What a merchant's system asks, in the words of REST, and what it becomes for a connector.

use std::collections::BTreeMap;
use std::net::IpAddr;

use chrono::{DateTime, Utc};
use plugin_sdk::connector::{
    Capability, CaptureMode, CardData, Customer, DeviceWallet, PaymentMethod, PayoutTarget, Receipt, Split,
    StoredCredential,
};
use plugin_sdk::{Money, Secret, TokenId};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::OrderError;
use super::progress::{CustomerDetails, Details};
use crate::masking;

/// Longest free text of a request, in characters.
const TEXT_MAX: usize = 256;
/// Longest URL, in bytes.
const URL_MAX: usize = 2_000;
/// Entries of `metadata`, parts of a payment, positions of a receipt, at most.
const METADATA_MAX: usize = 50;
const SPLITS_MAX: usize = 100;
const POSITIONS_MAX: usize = 200;

/// A payment to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPaymentRequest {
    #[schema(value_type = Object, example = json!({"amount": "150.00", "currency": "RUB"}))]
    pub amount: Money,
    /// `automatic` takes the money at once; `manual` holds it until it is captured.
    #[serde(default = "automatic")]
    #[schema(value_type = String, example = "automatic")]
    pub capture: CaptureMode,
    /// Your own number of it. Not a key: two payments may have the same one.
    pub order_id: Option<String>,
    pub description: Option<String>,
    pub method: MethodRequest,
    /// Name of a connection; the rules are not asked then.
    pub connection: Option<String>,
    #[serde(default)]
    pub customer: CustomerRequest,
    /// Where the payer's browser goes after it has paid, or not.
    pub success_url: Option<String>,
    pub failure_url: Option<String>,
    /// The last moment to pay.
    pub expires_at: Option<DateTime<Utc>>,
    /// Keep the instrument at the network and give a token for it.
    #[serde(default)]
    pub save_method: bool,
    #[serde(default)]
    #[schema(value_type = String)]
    pub stored_credential: StoredCredential,
    /// Fiscal receipt (54-FZ).
    #[schema(value_type = Option<Object>)]
    pub receipt: Option<Receipt>,
    #[serde(default)]
    pub splits: Vec<SplitRequest>,
    /// Yours to keep: comes back with the payment and its events.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// What only one network knows; see its plugin's `options_schema`.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub options: Map<String, Value>,
}

const fn automatic() -> CaptureMode {
    CaptureMode::Automatic
}

/// How it is paid.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum MethodRequest {
    /// On the network's own page.
    HostedPage {
        #[serde(default)]
        allowed: Vec<String>,
    },
    /// Card data: only for those who may hold it (PCI DSS).
    Card {
        #[schema(value_type = String, format = Password)]
        pan: Secret,
        expiry_month: u8,
        expiry_year: u16,
        #[schema(value_type = Option<String>, format = Password)]
        cvv: Option<Secret>,
        holder: Option<String>,
    },
    /// A stored instrument, `tok_…`.
    Token {
        #[schema(value_type = String)]
        token: TokenId,
    },
    DeviceWallet {
        #[schema(value_type = String, example = "apple_pay")]
        kind: DeviceWallet,
        #[schema(value_type = String, format = Password)]
        payload: Secret,
    },
    /// A QR code of the fast payment system.
    Qr,
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CustomerRequest {
    /// Your own id of the customer; stored instruments belong to it.
    pub id: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub name: Option<String>,
    #[schema(value_type = Option<String>)]
    pub ip: Option<IpAddr>,
    pub user_agent: Option<String>,
    pub country: Option<String>,
    pub city: Option<String>,
    pub region: Option<String>,
    pub address: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitRequest {
    /// The supplier at the network.
    pub destination: String,
    #[schema(value_type = Object)]
    pub amount: Money,
    pub order_id: Option<String>,
    pub description: Option<String>,
}

/// Takes what is held; without an amount all of it.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CaptureRequest {
    #[schema(value_type = Option<Object>)]
    pub amount: Option<Money>,
    #[schema(value_type = Option<Object>)]
    pub receipt: Option<Receipt>,
}

/// Releases what is held, or gives back what was captured; without an amount all of it.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReturnRequest {
    #[schema(value_type = Option<Object>)]
    pub amount: Option<Money>,
    #[schema(value_type = Option<Object>)]
    pub receipt: Option<Receipt>,
    #[serde(default)]
    pub splits: Vec<SplitRequest>,
}

/// Money to be sent to somebody.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPayoutRequest {
    #[schema(value_type = Object)]
    pub amount: Money,
    pub recipient: RecipientRequest,
    pub connection: Option<String>,
    pub order_id: Option<String>,
    pub description: Option<String>,
    /// The purchase that this is paid out of, where the network wants one.
    #[schema(value_type = Option<String>)]
    pub source_payment: Option<plugin_sdk::PaymentId>,
    #[serde(default)]
    pub splits: Vec<SplitRequest>,
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    #[serde(default)]
    #[schema(value_type = Object)]
    pub options: Map<String, Value>,
}

#[derive(Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum RecipientRequest {
    Card {
        #[schema(value_type = String, format = Password)]
        pan: Secret,
        holder: Option<String>,
    },
    /// A stored instrument, `tok_…`.
    Token {
        #[schema(value_type = String)]
        token: TokenId,
    },
    /// A wallet of the network.
    Wallet { account: String },
    /// A phone at a bank, over the fast payment system.
    Phone { phone: String, bank: String },
}

impl NewPaymentRequest {
    /// Refuses what no network could take. What only one of them refuses is its connector's to say.
    pub fn check(&self, now: DateTime<Utc>) -> Result<(), OrderError> {
        check_amount("amount", self.amount)?;
        for (field, text) in [
            ("order_id", &self.order_id),
            ("description", &self.description),
            ("customer.id", &self.customer.id),
            ("customer.email", &self.customer.email),
            ("customer.phone", &self.customer.phone),
            ("customer.name", &self.customer.name),
            ("customer.user_agent", &self.customer.user_agent),
            ("customer.country", &self.customer.country),
            ("customer.city", &self.customer.city),
            ("customer.region", &self.customer.region),
            ("customer.address", &self.customer.address),
        ] {
            check_text(field, text.as_deref())?;
        }
        check_url("success_url", self.success_url.as_deref())?;
        check_url("failure_url", self.failure_url.as_deref())?;
        if self.expires_at.is_some_and(|at| at <= now) {
            return Err(OrderError::field("expires_at", "is in the past"));
        }
        check_metadata(&self.metadata)?;
        check_splits(&self.splits, self.amount)?;
        check_receipt(self.receipt.as_ref())?;
        if self.save_method && self.customer.id.is_none() {
            return Err(OrderError::field(
                "customer.id",
                "is needed to keep the instrument: it belongs to somebody",
            ));
        }
        self.method.check()
    }

    /// What a connection must be able to do for this.
    pub fn needs(&self) -> Vec<Capability> {
        let mut needs = vec![match self.method {
            MethodRequest::HostedPage { .. } => Capability::HostedPage,
            MethodRequest::Card { .. } => Capability::Card,
            MethodRequest::Token { .. } => Capability::Token,
            MethodRequest::DeviceWallet { .. } => Capability::DeviceWallet,
            MethodRequest::Qr => Capability::Qr,
        }];
        let wishes = [
            (self.capture == CaptureMode::Manual, Capability::ManualCapture),
            (self.save_method, Capability::SaveMethod),
            (self.receipt.is_some(), Capability::Receipt),
            (!self.splits.is_empty(), Capability::Split),
        ];
        needs.extend(
            wishes
                .iter()
                .filter(|(wished, _)| *wished)
                .map(|(_, capability)| *capability),
        );
        needs
    }

    pub fn details(&self) -> Details {
        Details {
            // People write what they like; what is kept is no card number.
            description: self.description.as_deref().map(masking::text),
            customer: CustomerDetails {
                id: self.customer.id.clone(),
                email: self.customer.email.clone(),
                phone: self.customer.phone.clone(),
                name: self.customer.name.as_deref().map(masking::text),
                country: self.customer.country.clone(),
            },
            metadata: self.metadata.clone(),
            success_url: self.success_url.clone(),
            failure_url: self.failure_url.clone(),
            receipt: self.receipt.clone(),
            save_method: self.save_method,
            stored_credential: self.stored_credential,
            options: self.options.clone(),
            recipient: None,
            source: None,
        }
    }

    pub fn customer(&self) -> Customer {
        let customer = &self.customer;
        Customer {
            id: customer.id.clone(),
            email: customer.email.clone(),
            phone: customer.phone.clone(),
            name: customer.name.clone(),
            ip: customer.ip,
            user_agent: customer.user_agent.clone(),
            country: customer.country.clone(),
            city: customer.city.clone(),
            region: customer.region.clone(),
            address: customer.address.clone(),
        }
    }
}

impl MethodRequest {
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::HostedPage { .. } => "hosted_page",
            Self::Card { .. } => "card",
            Self::Token { .. } => "token",
            Self::DeviceWallet { .. } => "device_wallet",
            Self::Qr => "qr",
        }
    }

    fn check(&self) -> Result<(), OrderError> {
        let Self::Card {
            pan,
            expiry_month,
            expiry_year,
            ..
        } = self
        else {
            return Ok(());
        };
        check_pan("method.pan", pan)?;
        if !(1..=12).contains(expiry_month) {
            return Err(OrderError::field("method.expiry_month", "is from 1 to 12"));
        }
        if !(2000..=2100).contains(expiry_year) {
            return Err(OrderError::field("method.expiry_year", "has four digits"));
        }
        Ok(())
    }

    /// For a connector. `token` is the network's own, of a token method.
    pub fn for_connector(&self, token: Option<Secret>) -> Result<PaymentMethod, OrderError> {
        Ok(match self {
            Self::HostedPage { allowed } => PaymentMethod::HostedPage {
                allowed: allowed.clone(),
            },
            Self::Card {
                pan,
                expiry_month,
                expiry_year,
                cvv,
                holder,
            } => PaymentMethod::Card(CardData {
                pan: pan.clone(),
                expiry_month: *expiry_month,
                expiry_year: *expiry_year,
                cvv: cvv.clone(),
                holder: holder.clone(),
            }),
            Self::Token { .. } => {
                let token = token.ok_or_else(|| OrderError::field("method.token", "cannot be read"))?;
                PaymentMethod::Token(token)
            }
            Self::DeviceWallet { kind, payload } => PaymentMethod::DeviceWallet {
                kind: *kind,
                payload: payload.clone(),
            },
            Self::Qr => PaymentMethod::Qr,
        })
    }

    /// The first six and the last four digits, which rules and people may see.
    pub fn card_ends(&self) -> Option<(String, String)> {
        let Self::Card { pan, .. } = self else { return None };
        let digits = pan.expose();
        Some((
            digits.get(..6)?.to_owned(),
            digits.get(digits.len().checked_sub(4)?..)?.to_owned(),
        ))
    }
}

impl NewPayoutRequest {
    pub fn check(&self) -> Result<(), OrderError> {
        check_amount("amount", self.amount)?;
        check_text("order_id", self.order_id.as_deref())?;
        check_text("description", self.description.as_deref())?;
        check_metadata(&self.metadata)?;
        check_splits(&self.splits, self.amount)?;
        match &self.recipient {
            RecipientRequest::Card { pan, .. } => check_pan("recipient.pan", pan),
            RecipientRequest::Wallet { account } => check_text("recipient.account", Some(account)),
            RecipientRequest::Phone { phone, bank } => {
                check_text("recipient.phone", Some(phone))?;
                check_text("recipient.bank", Some(bank))
            }
            RecipientRequest::Token { .. } => Ok(()),
        }
    }
}

impl RecipientRequest {
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Card { .. } => "card",
            Self::Token { .. } => "token",
            Self::Wallet { .. } => "wallet",
            Self::Phone { .. } => "phone",
        }
    }

    /// For a connector. `token` is the network's own, of a stored instrument.
    pub fn for_connector(&self, token: Option<Secret>) -> Result<PayoutTarget, OrderError> {
        Ok(match self {
            Self::Card { pan, holder } => PayoutTarget::Card {
                pan: pan.clone(),
                holder: holder.clone(),
            },
            Self::Token { .. } => {
                let token = token.ok_or_else(|| OrderError::field("recipient.token", "cannot be read"))?;
                PayoutTarget::Token(token)
            }
            Self::Wallet { account } => PayoutTarget::Wallet(account.clone()),
            Self::Phone { phone, bank } => PayoutTarget::Phone {
                phone: phone.clone(),
                bank: bank.clone(),
            },
        })
    }

    /// What a person may see of it.
    #[must_use]
    pub fn masked(&self) -> String {
        match self {
            Self::Card { pan, .. } => masking::text(pan.expose()),
            Self::Token { token } => token.to_string(),
            Self::Wallet { account } => account.clone(),
            Self::Phone { phone, .. } => phone.clone(),
        }
    }
}

pub fn splits(requested: &[SplitRequest]) -> Vec<Split> {
    let split = |split: &SplitRequest| Split {
        destination: split.destination.clone(),
        amount: split.amount,
        order_id: split.order_id.clone(),
        description: split.description.clone(),
    };
    requested.iter().map(split).collect()
}

pub fn check_amount(field: &str, amount: Money) -> Result<(), OrderError> {
    if amount.minor() > 0 {
        return Ok(());
    }
    Err(OrderError::field(field, "is more than zero"))
}

fn check_text(field: &str, text: Option<&str>) -> Result<(), OrderError> {
    let Some(text) = text else { return Ok(()) };
    if text.is_empty() || text.chars().count() > TEXT_MAX || text.chars().any(char::is_control) {
        return Err(OrderError::field(
            field,
            format!("has 1 to {TEXT_MAX} characters, none of them a control character"),
        ));
    }
    Ok(())
}

fn check_url(field: &str, text: Option<&str>) -> Result<(), OrderError> {
    let Some(text) = text else { return Ok(()) };
    let good = text.len() <= URL_MAX
        && url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if good {
        return Ok(());
    }
    Err(OrderError::field(
        field,
        format!("is an http or https URL of at most {URL_MAX} bytes"),
    ))
}

fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<(), OrderError> {
    let fits = |text: &str| text.chars().count() <= TEXT_MAX && !text.chars().any(char::is_control);
    if metadata.len() <= METADATA_MAX && metadata.iter().all(|(name, value)| fits(name) && fits(value)) {
        return Ok(());
    }
    let message = format!("has at most {METADATA_MAX} texts of at most {TEXT_MAX} characters");
    Err(OrderError::field("metadata", message))
}

pub fn check_splits(splits: &[SplitRequest], amount: Money) -> Result<(), OrderError> {
    let Some((first, rest)) = splits.split_first() else {
        return Ok(());
    };
    if splits.len() > SPLITS_MAX {
        return Err(OrderError::field("splits", format!("has at most {SPLITS_MAX} parts")));
    }
    for split in splits {
        check_amount("splits", split.amount)?;
        check_text("splits.destination", Some(&split.destination))?;
    }
    let sum = rest
        .iter()
        .try_fold(first.amount, |sum, split| sum.checked_add(split.amount))?;
    if sum == amount {
        return Ok(());
    }
    Err(OrderError::field(
        "splits",
        format!("sum up to {sum}, but the amount is {amount}"),
    ))
}

pub fn check_receipt(receipt: Option<&Receipt>) -> Result<(), OrderError> {
    let Some(receipt) = receipt else { return Ok(()) };
    let inn = receipt.seller_inn.as_str();
    if !matches!(inn.len(), 10 | 12) || !inn.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(OrderError::field("receipt.seller_inn", "has 10 or 12 digits"));
    }
    if !(1..=POSITIONS_MAX).contains(&receipt.positions.len()) {
        return Err(OrderError::field(
            "receipt.positions",
            format!("has 1 to {POSITIONS_MAX} positions"),
        ));
    }
    let quantity = |text: &str| {
        let digits = text.replacen('.', "", 1);
        !digits.is_empty() && digits.len() <= 12 && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !receipt.positions.iter().all(|position| quantity(&position.quantity)) {
        return Err(OrderError::field(
            "receipt.positions.quantity",
            "is a decimal such as 1 or 0.250",
        ));
    }
    Ok(())
}

fn check_pan(field: &str, pan: &Secret) -> Result<(), OrderError> {
    if masking::is_card_number(pan.expose()) {
        return Ok(());
    }
    Err(OrderError::field(
        field,
        "is not a card number: 13 to 19 digits whose check digit is right",
    ))
}
