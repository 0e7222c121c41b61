//! The service profile (`protocols/terminal.md` §9.8): what a merchant and QIWI agreed for one connection.

mod checked;
mod locate;
#[cfg(test)]
pub mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use checked::{AccountRule, Limits, Service, is_data_name, is_service};
pub use locate::read_config;

/// §2: the subnets of the newest text. Oldest deployments list fewer, national branches others, so it is a default.
pub const SUBNETS: [&str; 4] = [
    "79.142.16.0/20",
    "195.189.100.0/22",
    "91.232.230.0/23",
    "91.213.51.0/24",
];

/// §4.1: characters of an account in B/C, and the most that any variant may be set to.
pub const ACCOUNT_MAX: u16 = 200;

/// §4.2: characters of an account in A.
pub const ACCOUNT_MAX_A: u16 = 50;

/// What was agreed with QIWI for this service. Only what differs from the usual has to be filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "QIWI terminals")]
pub struct ServiceProfile {
    /// The edition of QIWI's protocol that the service was connected under. BC has getInfo, check and pay and sends
    /// the currency; A is the older one with check and pay only.
    #[schemars(title = "Protocol variant")]
    pub variant: Variant,

    /// Regular expression that a whole account must match, as given to QIWI at connection. Anything else is answered
    /// with code 4. Leave it out to accept any account.
    #[schemars(title = "Account pattern", example = &"[0-9]{10}", example = &"[A-Z]{2}-[0-9]{6}")]
    pub account_regex: Option<String>,

    /// The longest account, in characters. 200 unless set, 50 in variant A.
    #[schemars(title = "Longest account", range(min = 1, max = 200), example = 20)]
    pub account_max: Option<u16>,

    /// Accounts are phone numbers: a leading plus, spaces, hyphens and brackets are removed before the account is
    /// looked at, and what is left must be digits.
    #[schemars(title = "Accounts are phone numbers")]
    pub account_is_phone: bool,

    /// Read accounts and additional parameters that are not UTF-8 as Windows-1251. Only for old installations that
    /// send Cyrillic letters so.
    #[schemars(title = "Accept Windows-1251")]
    pub windows_1251: bool,

    /// ISO 4217 codes of the currencies that are accepted. The first one is the service's own: it counts where the
    /// network names none, and in settlement files.
    #[schemars(title = "Currencies", length(min = 1), inner(regex(pattern = "^[A-Z]{3}$")), example = ("RUB",))]
    pub currencies: Vec<String>,

    /// The smallest amount of one payment. A smaller one is answered with code 241.
    #[schemars(title = "Smallest amount", regex(pattern = r"^[0-9]{1,12}(\.[0-9]{1,2})?$"), example = &"10.00")]
    pub min: Option<String>,

    /// The largest amount of one payment. A larger one is answered with code 242.
    #[schemars(title = "Largest amount", regex(pattern = r"^[0-9]{1,12}(\.[0-9]{1,2})?$"), example = &"15000.00")]
    pub max: Option<String>,

    /// The one amount that is accepted, when the service has a fixed price.
    #[schemars(title = "Exact amount", regex(pattern = r"^[0-9]{1,12}(\.[0-9]{1,2})?$"), example = &"499.00")]
    pub exact_amount: Option<String>,

    /// Whether check applies the limits. Terminals often check before the payer puts money in, with a made-up amount,
    /// so usually only pay does.
    #[schemars(title = "Amount in check")]
    pub check_amount: CheckAmount,

    /// Refuse a pay whose check never came. Usually off, since cash that was taken hours ago may arrive without one.
    #[schemars(title = "Refuse pay without check")]
    pub require_check: bool,

    /// Answer a payment that is still being processed with code 90. Switch it off for networks that do not know the
    /// code: they get code 1.
    #[schemars(title = "Use code 90")]
    pub use_90: bool,

    /// Numbers of the merchant's services (`prv_id`) that are served here. Leave it out to accept any.
    #[schemars(title = "Services", inner(regex(pattern = "^[0-9]{1,10}$")), example = ("101", "102"))]
    pub services: Option<Vec<String>>,

    /// Rules for the additional parameters data1, data2 and so on. A wrong one is answered with code 31.
    #[schemars(title = "Additional parameters")]
    pub data: Vec<DataParameter>,

    /// Which of the fields that the merchant's rules return are shown to the payer, in this order and under these
    /// names. Leave it out to show all of them as they come.
    #[schemars(title = "Fields for the payer")]
    pub fields: Option<Vec<FieldMapping>>,

    /// Repeat the currency in the answer to pay. On in BC, off in A, unless set.
    #[schemars(title = "Repeat the currency")]
    pub echo_ccy: Option<bool>,

    /// How the network proves itself.
    #[schemars(title = "Authentication")]
    pub auth: Auth,

    /// Networks that may call, as address/prefix. The usual ones are those that QIWI publishes.
    #[schemars(title = "Source subnets", example = ("79.142.16.0/20",))]
    pub subnets: Vec<String>,

    /// Allow authentication "none" for callers from anywhere. For tests only: everyone on the internet could then
    /// report payments.
    #[schemars(title = "Allow any source without authentication")]
    pub allow_any_source: bool,

    /// Address of the merchant's own account check: called with ?account=…, status 200 means that the account exists.
    #[schemars(title = "Account check address", example = &"https://billing.example.com/accounts/check")]
    pub check_url: Option<String>,

    /// The daily settlement file.
    #[schemars(title = "Settlement file")]
    pub registry: Option<Registry>,
}

impl Default for ServiceProfile {
    fn default() -> Self {
        Self {
            variant: Variant::BC,
            account_regex: None,
            account_max: None,
            account_is_phone: false,
            windows_1251: false,
            currencies: vec!["RUB".to_owned()],
            min: None,
            max: None,
            exact_amount: None,
            check_amount: CheckAmount::FormatOnly,
            require_check: false,
            use_90: true,
            services: None,
            data: Vec::new(),
            fields: None,
            echo_ccy: None,
            auth: Auth::Basic,
            subnets: SUBNETS.map(str::to_owned).to_vec(),
            allow_any_source: false,
            check_url: None,
            registry: None,
        }
    }
}

/// Edition of the protocol (`protocols/terminal.md` §1). B and C are one on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Variant {
    /// check and pay, without currency.
    A,
    /// getInfo, check and pay, with currency.
    BC,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckAmount {
    /// The amount in check must be well-formed, no more.
    FormatOnly,
    /// The limits apply in check as they do in pay.
    Enforce,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// Login and password.
    Basic,
    /// A client certificate.
    Mtls,
    /// Login, password and a client certificate.
    Both,
    /// A client certificate, or login and password: for the time in which a network changes over.
    Either,
    /// Nothing but the source subnet.
    None,
}

/// What is agreed for one additional parameter.
// Every key has a default, so that one key alone can be tried: that is how a wrong one is found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DataParameter {
    /// The parameter: data1, data2 and so on.
    #[schemars(title = "Name", required, regex(pattern = "^data[1-9][0-9]*$"), example = &"data1")]
    pub name: String,

    /// Regular expression that the whole value must match.
    #[schemars(title = "Pattern", example = &"[0-9]{6}")]
    pub regex: Option<String>,

    /// Refuse check and pay without it.
    #[schemars(title = "Required")]
    pub required: bool,
}

/// One field of the answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FieldMapping {
    /// Name of the field as QIWI knows it.
    #[schemars(title = "Name", required, length(min = 1), example = &"fio")]
    pub name: String,

    /// Name of the field as the merchant's rules return it. The same as the name unless set.
    #[schemars(title = "Source", example = &"customer_name")]
    pub source: Option<String>,
}

/// What was agreed about the daily settlement file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Registry {
    /// Where QIWI sends the file.
    #[schemars(title = "Address", example = &"registry@merchant.example")]
    pub address: Option<String>,

    /// Number of the service at QIWI, as it stands in the file's name. A file of another service is refused.
    #[schemars(title = "Service id", example = &"12345")]
    pub service_id: Option<String>,

    /// Time of day in Moscow by which the file must have come.
    #[schemars(title = "Due by", regex(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$"), example = &"12:00")]
    pub cut_off: Option<String>,
}
