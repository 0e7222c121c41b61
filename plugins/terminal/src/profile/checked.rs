//! The profile, checked and compiled: what the connection works with.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use plugin_sdk::{Access, AuthMode, ConfigError, Currency, Money};
use regex::{Regex, RegexBuilder};

use super::{
    ACCOUNT_MAX, ACCOUNT_MAX_A, Auth, CheckAmount, DataParameter, FieldMapping, Registry, ServiceProfile, Variant,
};

/// Bytes of a compiled pattern.
const PATTERN_SIZE_MAX: usize = 1 << 20;
/// Characters of a pattern's text.
const PATTERN_MAX: usize = 2_000;
/// Digits of an amount before the dot, as §4.1 allows them on the wire.
const WHOLE_DIGITS_MAX: usize = 12;
/// Digits of an amount after the dot.
const FRACTION_DIGITS_MAX: usize = 2;
/// Digits of a `prv_id` (§4.1).
pub const SERVICE_DIGITS_MAX: usize = 10;
/// Entries of any list in a profile.
const ENTRIES_MAX: usize = 1_000;
/// Characters of any name or address in a profile.
const TEXT_MAX: usize = 2_000;

/// A service as its connection serves it.
#[derive(Debug)]
pub struct Service {
    pub variant: Variant,
    pub account: AccountRule,
    pub windows_1251: bool,
    /// The service's own currency: the first of those accepted.
    pub own_currency: Currency,
    pub currencies: Vec<Currency>,
    pub limits: Limits,
    pub limits_in_check: bool,
    pub require_check: bool,
    pub use_90: bool,
    pub services: Option<BTreeSet<String>>,
    pub data: Vec<DataRule>,
    pub fields: Option<Vec<FieldMapping>>,
    pub echo_ccy: bool,
    pub access: Access,
    pub check_url: Option<String>,
    pub registry_service_id: Option<String>,
}

#[derive(Debug)]
pub struct AccountRule {
    pub regex: Option<Regex>,
    /// In characters.
    pub max: usize,
    pub is_phone: bool,
}

#[derive(Debug)]
pub struct DataRule {
    pub name: String,
    pub regex: Option<Regex>,
    pub required: bool,
}

/// All in the service's own currency, which is the only one wherever there are limits.
#[derive(Debug)]
pub struct Limits {
    pub min: Option<Money>,
    pub max: Option<Money>,
    pub exact: Option<Money>,
}

impl Service {
    pub fn check(profile: ServiceProfile) -> Result<Self, ConfigError> {
        let is_a = profile.variant == Variant::A;
        if is_a && profile.require_check {
            let message = "check does not register payments in variant A, so no pay could pass; switch it off";
            return Err(ConfigError::new("require_check", message));
        }
        let currencies = currencies(&profile.currencies)?;
        let own_currency = *currencies
            .first()
            .ok_or_else(|| ConfigError::new("currencies", NO_CURRENCY))?;
        let registry = profile.registry.clone().unwrap_or_default();
        check_registry(&registry)?;
        Ok(Self {
            variant: profile.variant,
            account: account(&profile)?,
            windows_1251: profile.windows_1251,
            own_currency,
            limits: limits(&profile, own_currency)?,
            currencies,
            limits_in_check: profile.check_amount == CheckAmount::Enforce,
            require_check: profile.require_check,
            use_90: profile.use_90,
            services: profile.services.as_deref().map(services).transpose()?,
            data: data(&profile.data)?,
            fields: profile.fields.as_deref().map(fields).transpose()?,
            echo_ccy: profile.echo_ccy.unwrap_or(!is_a),
            access: access(&profile)?,
            check_url: profile.check_url.map(check_url).transpose()?,
            registry_service_id: registry.service_id,
        })
    }
}

const NO_CURRENCY: &str = "names no currency; list at least one, such as \"RUB\"";

fn currencies(codes: &[String]) -> Result<Vec<Currency>, ConfigError> {
    bounded("currencies", codes.len())?;
    let mut found = Vec::new();
    for (index, code) in codes.iter().enumerate() {
        let key = format!("currencies[{index}]");
        let currency = Currency::from_code(code).ok_or_else(|| {
            ConfigError::new(
                &key,
                format!(
                    "'{}' is not an ISO 4217 code; write three capital letters such as RUB",
                    cut(code)
                ),
            )
        })?;
        if found.contains(&currency) {
            return Err(ConfigError::new(
                key,
                format!("{code} is listed twice; remove one of the two"),
            ));
        }
        found.push(currency);
    }
    Ok(found)
}

fn account(profile: &ServiceProfile) -> Result<AccountRule, ConfigError> {
    let usual = if profile.variant == Variant::A {
        ACCOUNT_MAX_A
    } else {
        ACCOUNT_MAX
    };
    let max = profile.account_max.unwrap_or(usual);
    if max == 0 || max > ACCOUNT_MAX {
        return Err(ConfigError::new(
            "account_max",
            format!("{max} is out of range; choose 1 to {ACCOUNT_MAX}"),
        ));
    }
    let regex = profile
        .account_regex
        .as_deref()
        .map(|text| pattern("account_regex", text))
        .transpose()?;
    Ok(AccountRule {
        regex,
        max: usize::from(max),
        is_phone: profile.account_is_phone,
    })
}

/// Compiles a pattern that matches whole values only.
fn pattern(key: &str, text: &str) -> Result<Regex, ConfigError> {
    if text.is_empty() {
        return Err(ConfigError::new(
            key,
            "is empty; write a pattern, or leave the key out to accept any value",
        ));
    }
    if text.chars().count() > PATTERN_MAX {
        return Err(ConfigError::new(
            key,
            format!("is too long; shorten it to {PATTERN_MAX} characters"),
        ));
    }
    // Alone first: a stray bracket must not pair with those that anchor it.
    compile(key, text)?;
    compile(key, &format!(r"\A(?:{text})\z"))
}

fn compile(key: &str, text: &str) -> Result<Regex, ConfigError> {
    RegexBuilder::new(text)
        .size_limit(PATTERN_SIZE_MAX)
        .dfa_size_limit(PATTERN_SIZE_MAX)
        .build()
        .map_err(|error| {
            let message = match error {
                regex::Error::CompiledTooBig(_) => "is too large when compiled; use smaller repetitions".to_owned(),
                other => format!("is not a usable regular expression; correct it: {other}"),
            };
            ConfigError::new(key, message)
        })
}

fn limits(profile: &ServiceProfile, currency: Currency) -> Result<Limits, ConfigError> {
    let read = |key, text: &Option<String>| text.as_deref().map(|text| limit(key, text, currency)).transpose();
    let (min, max) = (read("min", &profile.min)?, read("max", &profile.max)?);
    let exact = read("exact_amount", &profile.exact_amount)?;
    let set = [("min", min), ("max", max), ("exact_amount", exact)];
    if let Some((key, _)) = set.into_iter().find(|(_, limit)| limit.is_some())
        && profile.currencies.len() > 1
    {
        let message =
            "one number cannot limit several currencies; keep one currency here and make a connection for each other";
        return Err(ConfigError::new(key, message));
    }
    if above(min, max) {
        return Err(ConfigError::new("max", "is below min; raise max or lower min"));
    }
    if above(min, exact) || above(exact, max) {
        return Err(ConfigError::new(
            "exact_amount",
            "lies outside of min and max; leave those two out",
        ));
    }
    Ok(Limits { min, max, exact })
}

fn above(low: Option<Money>, high: Option<Money>) -> bool {
    matches!((low, high), (Some(low), Some(high)) if low.compare(high) == Ok(Ordering::Greater))
}

fn limit(key: &str, text: &str, currency: Currency) -> Result<Money, ConfigError> {
    let amount = Money::parse(text, currency).map_err(|error| ConfigError::new(key, error.to_string()))?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.len() > WHOLE_DIGITS_MAX || fraction.len() > FRACTION_DIGITS_MAX {
        let message = "no payment can have such an amount; use at most 12 digits before and 2 after the dot";
        return Err(ConfigError::new(key, message));
    }
    if amount.minor() <= 0 {
        return Err(ConfigError::new(
            key,
            "must be more than zero; leave the key out for no limit",
        ));
    }
    Ok(amount)
}

fn services(list: &[String]) -> Result<BTreeSet<String>, ConfigError> {
    bounded("services", list.len())?;
    if list.is_empty() {
        return Err(ConfigError::new(
            "services",
            "is empty; list the accepted prv_id, or leave the key out to accept any",
        ));
    }
    for (index, service) in list.iter().enumerate() {
        if !is_service(service) {
            let message = format!(
                "'{}' is not a prv_id; write 1 to {SERVICE_DIGITS_MAX} digits",
                cut(service)
            );
            return Err(ConfigError::new(format!("services[{index}]"), message));
        }
    }
    Ok(list.iter().cloned().collect())
}

/// Whether a text has the form of a `prv_id` (§4.1).
pub fn is_service(text: &str) -> bool {
    (1..=SERVICE_DIGITS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn data(parameters: &[DataParameter]) -> Result<Vec<DataRule>, ConfigError> {
    bounded("data", parameters.len())?;
    let mut rules: Vec<DataRule> = Vec::new();
    for (index, parameter) in parameters.iter().enumerate() {
        let key = format!("data[{index}].name");
        if !is_data_name(&parameter.name) {
            let message = format!(
                "'{}' is not an additional parameter; write data1, data2 and so on",
                cut(&parameter.name)
            );
            return Err(ConfigError::new(key, message));
        }
        if rules.iter().any(|rule| rule.name == parameter.name) {
            return Err(ConfigError::new(
                key,
                format!("{} is listed twice; remove one of the two", parameter.name),
            ));
        }
        let regex = parameter
            .regex
            .as_deref()
            .map(|text| pattern(&format!("data[{index}].regex"), text))
            .transpose()?;
        rules.push(DataRule {
            name: parameter.name.clone(),
            regex,
            required: parameter.required,
        });
    }
    Ok(rules)
}

/// Whether a parameter is one of `data1` … `dataN` (§13 #17).
pub fn is_data_name(name: &str) -> bool {
    name.len() <= TEXT_MAX
        && name.strip_prefix("data").is_some_and(|number| {
            !number.starts_with('0') && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
}

fn fields(mappings: &[FieldMapping]) -> Result<Vec<FieldMapping>, ConfigError> {
    bounded("fields", mappings.len())?;
    for (index, mapping) in mappings.iter().enumerate() {
        filled(&format!("fields[{index}].name"), &mapping.name)?;
        if let Some(source) = &mapping.source {
            filled(&format!("fields[{index}].source"), source)?;
        }
    }
    Ok(mappings.to_vec())
}

fn access(profile: &ServiceProfile) -> Result<Access, ConfigError> {
    bounded("subnets", profile.subnets.len())?;
    let subnets = profile
        .subnets
        .iter()
        .enumerate()
        .map(|(index, text)| subnet(index, text))
        .collect::<Result<Vec<_>, _>>()?;
    let auth = match profile.auth {
        Auth::Basic => AuthMode::Basic,
        Auth::Mtls => AuthMode::ClientCertificate,
        Auth::Both => AuthMode::BasicAndClientCertificate,
        Auth::Either => AuthMode::BasicOrClientCertificate,
        Auth::None => AuthMode::None,
    };
    if auth == AuthMode::None {
        check_unauthenticated(&subnets, profile.allow_any_source)?;
    }
    Ok(Access { auth, subnets })
}

/// §3: without any proof the source address is all there is, so it must say something.
fn check_unauthenticated(subnets: &[IpNet], allow_any_source: bool) -> Result<(), ConfigError> {
    if subnets.is_empty() {
        let message = "\"none\" needs the source subnets that may call; list them in subnets, or choose \"basic\"";
        return Err(ConfigError::new("auth", message));
    }
    // Merged first: two halves of the address space are the whole of it.
    if !allow_any_source
        && IpNet::aggregate(&subnets.to_vec())
            .iter()
            .any(|net| net.prefix_len() == 0)
    {
        let message = "lets everyone in while auth is \"none\"; list the network's own subnets, choose \"basic\", \
                       or set allow_any_source to true for a test";
        return Err(ConfigError::new("subnets", message));
    }
    Ok(())
}

fn subnet(index: usize, text: &str) -> Result<IpNet, ConfigError> {
    let net = text
        .parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    net.map(|net| net.trunc()).map_err(|_| {
        let message = format!("'{}' is not a subnet; write one such as 79.142.16.0/20", cut(text));
        ConfigError::new(format!("subnets[{index}]"), message)
    })
}

fn check_url(text: String) -> Result<String, ConfigError> {
    let wrong = |message: &str| Err(ConfigError::new("check_url", message));
    let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
        return wrong("must be an absolute address; begin it with https:// or http://");
    };
    if text.len() > TEXT_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return wrong("must be at most 2000 plain characters without spaces; percent-encode all others");
    }
    if text.contains('#') {
        return wrong("has a fragment, which is never sent; remove it from the # on");
    }
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.contains('@') {
        return wrong(
            "has a login in it, which would be stored unsealed; remove it and let the address itself be secret",
        );
    }
    if !is_host(authority) {
        return wrong("names no host; write an address such as https://billing.example.com/accounts/check");
    }
    Ok(text)
}

/// `name`, `name:port`, `[IPv6]` or `[IPv6]:port`.
fn is_host(authority: &str) -> bool {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse::<u16>().ok()),
        _ => (authority, Some(1)),
    };
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let known = bracketed.map_or_else(
        || {
            !host.is_empty()
                && host
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
        },
        |address| address.parse::<std::net::Ipv6Addr>().is_ok(),
    );
    known && port.is_some_and(|port| port > 0)
}

fn check_registry(registry: &Registry) -> Result<(), ConfigError> {
    if let Some(address) = &registry.address {
        filled("registry.address", address)?;
    }
    if let Some(id) = &registry.service_id
        && (id.is_empty()
            || id.len() > TEXT_MAX
            || !id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)))
    {
        let message = "must be the service's number as it stands in the file's name; use letters, digits, - and _";
        return Err(ConfigError::new("registry.service_id", message));
    }
    match &registry.cut_off {
        Some(time) if !is_time(time) => Err(ConfigError::new(
            "registry.cut_off",
            format!("'{}' is not a time of day; write one such as 12:00", cut(time)),
        )),
        _ => Ok(()),
    }
}

/// `HH:MM`.
fn is_time(text: &str) -> bool {
    text.split_once(':')
        .is_some_and(|(hour, minute)| crate::moscow::read_time(hour, minute, "00").is_some())
}

fn filled(key: &str, text: &str) -> Result<(), ConfigError> {
    if text.trim().is_empty() || text.chars().count() > TEXT_MAX || text.chars().any(char::is_control) {
        let message = format!("must be 1 to {TEXT_MAX} characters without line breaks; fill it in");
        return Err(ConfigError::new(key, message));
    }
    Ok(())
}

fn bounded(key: &str, entries: usize) -> Result<(), ConfigError> {
    if entries > ENTRIES_MAX {
        return Err(ConfigError::new(
            key,
            format!("has {entries} entries; list at most {ENTRIES_MAX}"),
        ));
    }
    Ok(())
}

/// A value to show in a message.
fn cut(text: &str) -> String {
    text.chars().take(40).collect()
}
