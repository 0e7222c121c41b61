//! What the gateway asks of a network.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Receipt;
use crate::{Money, OperationId, PaymentId, Secret};

/// The ids of one step, stored before anything is sent. A repeat has the same ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub operation: OperationId,
    /// Unique in the installation and growing, for networks that want decimal ids.
    pub number: u64,
    /// When the intent was stored.
    pub at: DateTime<Utc>,
}

/// The payment that a later step is about, as far as it is known.
#[derive(Debug, Clone, PartialEq)]
pub struct PaymentRef {
    pub id: PaymentId,
    pub number: u64,
    /// The network's own id, once it told one.
    pub network_id: Option<String>,
    pub amount: Money,
    /// What is still held and neither captured nor released.
    pub capturable: Money,
    /// What was captured and not given back.
    pub refundable: Money,
    pub created_at: DateTime<Utc>,
    /// What the connector asked to have kept with the payment ([`super::Report::keep`]); null when nothing. Of a payout
    /// whose first answer never came it is `{"source": "…"}`: the network's id of the purchase that it pays out of.
    pub kept: Value,
}

/// Take money from a payer.
#[derive(Clone)]
pub struct PaymentOrder {
    pub step: Step,
    pub payment: PaymentId,
    /// Unique and growing, as [`Step::number`].
    pub number: u64,
    pub amount: Money,
    pub capture: CaptureMode,
    /// The merchant's own number of the order.
    pub order_id: Option<String>,
    pub description: Option<String>,
    pub method: PaymentMethod,
    pub stored_credential: StoredCredential,
    /// Ask the network for a token of the instrument.
    pub save_method: bool,
    pub customer: Customer,
    /// Where the payer's browser goes afterwards.
    pub success_url: Option<String>,
    pub failure_url: Option<String>,
    /// Where the network sends its notifications of this connection.
    pub notify_url: Option<String>,
    /// The last moment to pay.
    pub expires_at: Option<DateTime<Utc>>,
    pub receipt: Option<Receipt>,
    pub splits: Vec<Split>,
    /// What only this network knows, as the manifest's `options_schema` says.
    pub options: Map<String, Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptureMode {
    /// One step: authorized and captured at once.
    Automatic,
    /// Two steps: held until it is captured.
    Manual,
}

#[derive(Clone)]
pub enum PaymentMethod {
    /// The payer types on the network's own page. Names narrow the choice there; empty leaves it to the network.
    HostedPage {
        allowed: Vec<String>,
    },
    Card(CardData),
    Token(Secret),
    /// A token of a phone's wallet, as it came from the payer's device.
    DeviceWallet {
        kind: DeviceWallet,
        payload: Secret,
    },
    /// A QR code of the fast payment system.
    Qr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceWallet {
    ApplePay,
    GooglePay,
    MirPay,
    YandexPay,
}

#[derive(Clone)]
pub struct CardData {
    pub pan: Secret,
    /// 1 to 12.
    pub expiry_month: u8,
    /// Four digits.
    pub expiry_year: u16,
    pub cvv: Option<Secret>,
    pub holder: Option<String>,
}

/// Who starts a payment with a stored instrument.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoredCredential {
    #[default]
    None,
    /// The payment whose instrument the merchant is going to store.
    First,
    ByCustomer,
    ByMerchant,
    Recurring,
    Installment,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Customer {
    /// The merchant's own id of the customer.
    pub id: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub name: Option<String>,
    pub ip: Option<IpAddr>,
    pub user_agent: Option<String>,
    pub country: Option<String>,
    pub city: Option<String>,
    pub region: Option<String>,
    pub address: Option<String>,
}

/// A part of the amount that belongs to somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// The supplier at the network.
    pub destination: String,
    pub amount: Money,
    pub order_id: Option<String>,
    pub description: Option<String>,
}

/// What the payer's browser brought back from an authentication page.
#[derive(Clone)]
pub struct FinishOrder {
    pub step: Step,
    pub payment: PaymentRef,
    /// Named values as posted by the page: `PaRes`, `MD`, `cres`.
    pub posted: Vec<(String, String)>,
}

/// Take what is held.
#[derive(Debug, Clone, PartialEq)]
pub struct CaptureOrder {
    pub step: Step,
    pub payment: PaymentRef,
    /// Not more than [`PaymentRef::capturable`].
    pub amount: Money,
    pub receipt: Option<Receipt>,
}

/// Release what is held (a reversal), or give back what was captured (a refund).
#[derive(Debug, Clone, PartialEq)]
pub struct ReturnOrder {
    pub step: Step,
    pub payment: PaymentRef,
    pub amount: Money,
    pub receipt: Option<Receipt>,
    pub splits: Vec<Split>,
}

/// Send money to somebody.
#[derive(Clone)]
pub struct PayoutOrder {
    pub step: Step,
    pub payment: PaymentId,
    pub number: u64,
    pub amount: Money,
    pub target: PayoutTarget,
    pub order_id: Option<String>,
    pub description: Option<String>,
    /// The purchase that this pays out of, where the network wants one.
    pub source: Option<PaymentRef>,
    pub notify_url: Option<String>,
    pub splits: Vec<Split>,
    pub options: Map<String, Value>,
}

#[derive(Clone)]
pub enum PayoutTarget {
    Card {
        pan: Secret,
        holder: Option<String>,
    },
    Token(Secret),
    /// A wallet of the network.
    Wallet(String),
    /// A phone at a bank, over the fast payment system.
    Phone {
        phone: String,
        bank: String,
    },
}

/// What became of a payment and of each step of it?
#[derive(Debug, Clone, PartialEq)]
pub struct StatusQuestion {
    pub payment: PaymentRef,
    /// All steps that we know of, oldest first; networks without merchants' ids are matched by these.
    pub steps: Vec<KnownStep>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct KnownStep {
    pub step: Step,
    pub kind: super::StepKind,
    pub amount: Money,
    pub network_id: Option<String>,
    /// Whether it has come to its end as far as we know.
    pub is_final: bool,
}
