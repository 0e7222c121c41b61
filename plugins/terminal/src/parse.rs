//! From bytes to a request with its objections (`protocols/terminal.md` §2.1, §4, §9.5).
//!
//! A check or pay without a syntax objection has its key and amount, a pay also its booking; any command without an
//! account objection has its account. Whatever can be read is filled in all the same, so that the repeat of an old
//! payment is recognised however badly it is written.

mod parameters;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use plugin_sdk::{Booking, Command, Currency, Money, NetworkRequest, Objections, PaymentKey, RawRequest, Reason};

use crate::moscow;
use crate::profile::{AccountRule, Limits, Service, Variant, is_service};
use parameters::Parameters;

/// Digits of a `txn_id` (§4.1); also what is echoed of a malformed one (§6.6).
pub const KEY_MAX: usize = 20;
/// Digits of a B/C `sum` before the dot (§4.1). In A there is no published bound but that of the amount itself.
const WHOLE_DIGITS_MAX: usize = 12;
/// Digits of a `sum` after the dot.
const FRACTION_DIGITS: usize = 2;

/// What became of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading<T> {
    Absent,
    Malformed,
    Read(T),
}

impl<T> Reading<T> {
    fn of<'a>(text: Option<&'a str>, read: impl FnOnce(&'a str) -> Option<T>) -> Self {
        text.map_or(Self::Absent, |text| read(text).map_or(Self::Malformed, Self::Read))
    }

    fn is_read(&self) -> bool {
        matches!(self, Self::Read(_))
    }

    fn is_malformed(&self) -> bool {
        matches!(self, Self::Malformed)
    }

    fn ok(self) -> Option<T> {
        match self {
            Self::Read(value) => Some(value),
            Self::Absent | Self::Malformed => None,
        }
    }
}

/// The parameters that decide whether a request is well-formed.
struct Essentials {
    key: Reading<PaymentKey>,
    currency: Reading<Currency>,
    amount: Reading<Money>,
    booking: Reading<Booking>,
}

pub fn parse(service: &Service, raw: &RawRequest<'_>) -> NetworkRequest {
    let mut parameters = Parameters::collect(raw, service.windows_1251);
    let command = read_command(service.variant, parameters.take("command").as_deref());
    let account_readable = parameters.is_readable("account");
    let data_readable = parameters.data_is_readable();
    let key_echo = key_echo(command, &parameters);
    let currency_text = if service.variant == Variant::A {
        None
    } else {
        parameters.take("ccy")
    };
    let essentials = essentials(service, command, currency_text.as_deref(), &mut parameters);
    let account = parameters
        .take("account")
        .and_then(|text| normalise_account(&service.account, &text));
    let prv_id = parameters.take("prv_id");
    let (extras, malformed) = parameters.into_extras();

    let syntax = (malformed || !is_well_formed(command, &essentials)).then_some(Reason::InvalidRequest);
    let account_objection = object_to_account(&service.account, account.as_deref(), account_readable);
    let terms = object_to_data(service, command, &extras, data_readable)
        .or_else(|| object_to_currency(service, &essentials.currency))
        .or_else(|| object_to_service(service, prv_id.as_deref()))
        .or_else(|| object_to_amount(service, command, &essentials.amount));
    NetworkRequest {
        command,
        key: essentials.key.ok(),
        key_echo,
        account,
        amount: essentials.amount.ok(),
        currency_text,
        service: prv_id,
        booking: essentials.booking.ok(),
        extras,
        objections: Objections {
            syntax: syntax.map(Into::into),
            account: account_objection.map(Into::into),
            terms: terms.map(Into::into),
        },
    }
}

/// §2.1.3. A has no getInfo (§1), and no variant has cancel (§9.7).
fn read_command(variant: Variant, text: Option<&str>) -> Command {
    let known = [
        ("getinfo", Command::Info),
        ("check", Command::Check),
        ("pay", Command::Pay),
    ];
    known
        .into_iter()
        .find(|(name, _)| text.is_some_and(|text| text.eq_ignore_ascii_case(name)))
        .map(|(_, command)| command)
        .filter(|command| variant != Variant::A || *command != Command::Info)
        .unwrap_or(Command::Unknown)
}

/// §6.6: the `txn_id` as received, cut, whatever it is. getInfo carries none (§4.1).
fn key_echo(command: Command, parameters: &Parameters) -> String {
    match command {
        Command::Info => String::new(),
        _ => parameters
            .received("txn_id")
            .unwrap_or_default()
            .chars()
            .take(KEY_MAX)
            .collect(),
    }
}

fn essentials(
    service: &Service,
    command: Command,
    currency_text: Option<&str>,
    parameters: &mut Parameters,
) -> Essentials {
    // Left among the extras where the protocol has no such parameter: a txn_id in getInfo, a txn_date outside of pay,
    // a ccy in A.
    let key = match command {
        Command::Info => Reading::Absent,
        _ => Reading::of(parameters.take("txn_id").as_deref(), read_key),
    };
    let booking = match command {
        Command::Pay => Reading::of(parameters.take("txn_date").as_deref(), read_booking),
        _ => Reading::Absent,
    };
    let currency = match service.variant {
        Variant::A => Reading::Read(service.own_currency),
        Variant::BC => Reading::of(currency_text, read_currency),
    };
    let sum = parameters.take("sum");
    let amount = match currency {
        // No amount at all rather than one in a currency that was not meant.
        Reading::Malformed => Reading::Malformed,
        Reading::Absent => Reading::of(sum.as_deref(), |text| read_sum(service, text, service.own_currency)),
        Reading::Read(currency) => Reading::of(sum.as_deref(), |text| read_sum(service, text, currency)),
    };
    Essentials {
        key,
        currency,
        amount,
        booking,
    }
}

/// `^[0-9]{1,20}$`, as text: 20 digits overflow 64 bits, and leading zeros are echoed.
fn read_key(text: &str) -> Option<PaymentKey> {
    is_key(text).then(|| PaymentKey::single(text))
}

pub fn is_key(text: &str) -> bool {
    (1..=KEY_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// §4.1: `YYYYMMDDHHMMSS`, Moscow time.
fn read_booking(text: &str) -> Option<Booking> {
    let at = moscow::read_compact(text).and_then(moscow::to_utc)?;
    Some(Booking {
        text: text.to_owned(),
        at,
    })
}

/// §13 #10: alphabetic or numeric. A code that is not in ISO 4217 is malformed, not merely not accepted, since no
/// amount can be read in it.
fn read_currency(text: &str) -> Option<Currency> {
    let three = text.len() == 3;
    if three && text.bytes().all(|byte| byte.is_ascii_uppercase()) {
        Currency::from_code(text)
    } else if three && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Currency::from_numeric(text.parse().ok()?)
    } else {
        None
    }
}

/// `^[0-9]{1,12}\.[0-9]{2}$`; any number of whole digits in A. A sign is malformed, so a negative amount is code 300
/// (§14 #12 leaves the choice between 300 and 241).
fn read_sum(service: &Service, text: &str, currency: Currency) -> Option<Money> {
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = text.split_once('.')?;
    let whole_fits = service.variant == Variant::A || whole.len() <= WHOLE_DIGITS_MAX;
    let well_formed =
        !whole.is_empty() && whole_fits && digits(whole) && fraction.len() == FRACTION_DIGITS && digits(fraction);
    if well_formed {
        Money::parse(text, currency).ok()
    } else {
        None
    }
}

fn is_well_formed(command: Command, essentials: &Essentials) -> bool {
    let Essentials {
        key,
        currency,
        amount,
        booking,
    } = essentials;
    match command {
        Command::Info => currency.is_read() && !amount.is_malformed(),
        Command::Check => key.is_read() && currency.is_read() && amount.is_read(),
        Command::Pay => key.is_read() && currency.is_read() && amount.is_read() && booking.is_read(),
        Command::Unknown => false,
    }
}

/// §2.1.5. An account of nothing but white space is none. Also for the accounts of a settlement file, which are
/// compared with these.
pub fn normalise_account(rule: &AccountRule, text: &str) -> Option<String> {
    let trimmed = text.trim();
    let account = if rule.is_phone {
        normalise_phone(trimmed)
    } else {
        trimmed.to_owned()
    };
    (!account.is_empty()).then_some(account)
}

/// Removes what people put between a phone number's digits. What is not a phone number stays as it is.
fn normalise_phone(text: &str) -> String {
    let number = text.strip_prefix('+').unwrap_or(text);
    let digits: String = number
        .chars()
        .filter(|character| !matches!(character, ' ' | '-' | '(' | ')'))
        .collect();
    let is_phone = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_phone { digits } else { text.to_owned() }
}

fn object_to_account(rule: &AccountRule, account: Option<&str>, readable: bool) -> Option<Reason> {
    let fits = account.is_some_and(|account| {
        let characters_fit = account.chars().count() <= rule.max && !account.chars().any(char::is_control);
        let phone_fits = !rule.is_phone || account.bytes().all(|byte| byte.is_ascii_digit());
        characters_fit && phone_fits && rule.regex.as_ref().is_none_or(|regex| regex.is_match(account))
    });
    (!fits || !readable).then_some(Reason::AccountFormat)
}

/// getInfo may come before the payer has filled anything in, so only check and pay need what is required.
fn object_to_data(
    service: &Service,
    command: Command,
    extras: &BTreeMap<String, String>,
    readable: bool,
) -> Option<Reason> {
    let all_fit = service.data.iter().all(|rule| match extras.get(&rule.name) {
        Some(value) => rule.regex.as_ref().is_none_or(|regex| regex.is_match(value)),
        None => !rule.required || command == Command::Info,
    });
    (!all_fit || !readable).then_some(Reason::ExtraInvalid)
}

fn object_to_currency(service: &Service, currency: &Reading<Currency>) -> Option<Reason> {
    match currency {
        Reading::Read(currency) if !service.currencies.contains(currency) => Some(Reason::InvalidRequest),
        _ => None,
    }
}

/// `prv_id` is optional in every command, so its absence is no other service.
fn object_to_service(service: &Service, prv_id: Option<&str>) -> Option<Reason> {
    let served = prv_id
        .is_none_or(|id| is_service(id) && service.services.as_ref().is_none_or(|services| services.contains(id)));
    (!served).then_some(Reason::InvalidRequest)
}

/// §4.3: pay always applies the limits, check only where the profile says so.
fn object_to_amount(service: &Service, command: Command, amount: &Reading<Money>) -> Option<Reason> {
    let applies = command == Command::Pay || (command == Command::Check && service.limits_in_check);
    match amount {
        Reading::Read(amount) if applies => limit_broken(&service.limits, *amount),
        _ => None,
    }
}

/// Zero is well-formed but no payment: it is too small even without a limit (§14 #12).
fn limit_broken(limits: &Limits, amount: Money) -> Option<Reason> {
    let is = |order: Ordering, limit: Option<Money>| limit.is_some_and(|limit| amount.compare(limit) == Ok(order));
    if amount.minor() <= 0 || is(Ordering::Less, limits.exact) || is(Ordering::Less, limits.min) {
        Some(Reason::AmountTooSmall)
    } else if is(Ordering::Greater, limits.exact) || is(Ordering::Greater, limits.max) {
        Some(Reason::AmountTooLarge)
    } else {
        None
    }
}
