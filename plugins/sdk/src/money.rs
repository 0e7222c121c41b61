use std::cmp::Ordering;
use std::fmt;

use iso_currency::Currency;
use serde::{Deserialize, Serialize};

/// Digits of the largest amount that fits: `i64` holds 18 whole digits.
const DIGITS_MAX: usize = 18;

/// An exact amount: integer minor units and an ISO 4217 currency. No float ever touches it.
///
/// In JSON it is `{"amount": "150.00", "currency": "RUB"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    minor: i64,
    currency: Currency,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    #[error("'{0}' is not an amount; write digits with an optional fraction after a dot, such as 150.00")]
    Malformed(String),
    #[error("'{amount}' has more decimal places than {currency} has; it has {exponent}")]
    TooPrecise {
        amount: String,
        currency: &'static str,
        exponent: u32,
    },
    #[error("the amount is too large; at most {DIGITS_MAX} digits are supported")]
    TooLarge,
    #[error("'{0}' is not an ISO 4217 currency code")]
    UnknownCurrency(String),
    #[error("amounts in {0} and {1} cannot be combined; convert one of them first")]
    CurrencyMismatch(&'static str, &'static str),
}

impl Money {
    #[must_use]
    pub const fn from_minor(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// Reads a decimal text such as `150`, `150.5` or `150.00`. Zeros beyond the currency's places are allowed
    /// (`200.00` JPY is 200 yen), other digits there are refused.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        let malformed = || MoneyError::Malformed(text.chars().take(40).collect());
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || digits.ends_with('.') || !all_digits(whole) || !all_digits(fraction) {
            return Err(malformed());
        }
        let exponent = exponent_of(currency);
        let places = exponent as usize;
        let (kept, beyond) = fraction.split_at_checked(places).unwrap_or((fraction, ""));
        if beyond.bytes().any(|byte| byte != b'0') {
            return Err(MoneyError::TooPrecise {
                amount: text.chars().take(40).collect(),
                currency: currency.code(),
                exponent,
            });
        }
        if whole.len() + places > DIGITS_MAX {
            return Err(MoneyError::TooLarge);
        }
        let missing = std::iter::repeat_n(b'0', places - kept.len());
        let minor = (whole.bytes().chain(kept.bytes()).chain(missing))
            .try_fold(0_i64, |minor, digit| {
                minor.checked_mul(10)?.checked_add(i64::from(digit - b'0'))
            })
            .ok_or(MoneyError::TooLarge)?;
        Ok(Self {
            minor: if negative { -minor } else { minor },
            currency,
        })
    }

    #[must_use]
    pub const fn minor(self) -> i64 {
        self.minor
    }

    #[must_use]
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// Decimal places of the currency (2 for RUB, 0 for JPY, 3 for KWD).
    #[must_use]
    pub fn exponent(self) -> u32 {
        exponent_of(self.currency)
    }

    /// The amount with exactly the currency's places: `150.00`.
    #[must_use]
    pub fn decimal(self) -> String {
        let places = self.exponent() as usize;
        let sign = if self.minor < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", self.minor.unsigned_abs(), width = places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        if fraction.is_empty() {
            format!("{sign}{whole}")
        } else {
            format!("{sign}{whole}.{fraction}")
        }
    }

    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        let minor = self.minor.checked_add(other.minor).ok_or(MoneyError::TooLarge)?;
        Ok(Self { minor, ..self })
    }

    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        let minor = self.minor.checked_sub(other.minor).ok_or(MoneyError::TooLarge)?;
        Ok(Self { minor, ..self })
    }

    /// Compares amounts of one currency; amounts of two currencies have no order.
    pub fn compare(self, other: Self) -> Result<Ordering, MoneyError> {
        self.same_currency(other)?;
        Ok(self.minor.cmp(&other.minor))
    }

    fn same_currency(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            Ok(())
        } else {
            Err(MoneyError::CurrencyMismatch(
                self.currency.code(),
                other.currency.code(),
            ))
        }
    }
}

fn exponent_of(currency: Currency) -> u32 {
    // Currencies without minor units (gold, test codes) count in whole units.
    currency.exponent().map_or(0, u32::from)
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.decimal(), self.currency.code())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MoneyJson {
    amount: String,
    currency: String,
}

impl Serialize for Money {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        MoneyJson {
            amount: self.decimal(),
            currency: self.currency.code().to_owned(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let MoneyJson { amount, currency } = MoneyJson::deserialize(deserializer)?;
        let currency = Currency::from_code(&currency)
            .ok_or_else(|| serde::de::Error::custom(MoneyError::UnknownCurrency(currency)))?;
        Self::parse(&amount, currency).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write() {
        let rub = |text| Money::parse(text, Currency::RUB).map(Money::minor);
        assert_eq!(rub("10.45"), Ok(1045));
        assert_eq!(rub("10.4"), Ok(1040));
        assert_eq!(rub("10"), Ok(1000));
        assert_eq!(rub("-100"), Ok(-10000));
        assert_eq!(rub("0.01"), Ok(1));
        assert_eq!(rub("10.450"), Ok(1045));
        assert_eq!(Money::parse("200.00", Currency::JPY).map(Money::minor), Ok(200));
        assert_eq!(Money::parse("1.5", Currency::KWD).map(Money::minor), Ok(1500));
    }

    #[test]
    fn refuses_what_is_not_exact() {
        for text in ["", ".", "1.", ".5", "1,5", "1e3", "+1", "--1", " 1", "1 ", "NaN", "٣"] {
            assert!(
                matches!(Money::parse(text, Currency::RUB), Err(MoneyError::Malformed(_))),
                "{text:?}"
            );
        }
        assert!(matches!(
            Money::parse("10.455", Currency::RUB),
            Err(MoneyError::TooPrecise { .. })
        ));
        assert!(matches!(
            Money::parse("10.5", Currency::JPY),
            Err(MoneyError::TooPrecise { .. })
        ));
        assert_eq!(
            Money::parse("99999999999999999", Currency::RUB),
            Err(MoneyError::TooLarge)
        );
    }

    #[test]
    fn currencies_do_not_mix() {
        let rub = Money::from_minor(1, Currency::RUB);
        let usd = Money::from_minor(1, Currency::USD);
        assert_eq!(rub.checked_add(usd), Err(MoneyError::CurrencyMismatch("RUB", "USD")));
        assert!(rub.compare(usd).is_err());
        assert_eq!(
            Money::from_minor(i64::MAX, Currency::RUB).checked_add(rub),
            Err(MoneyError::TooLarge)
        );
    }

    proptest! {
        #[test]
        fn a_decimal_reads_back_as_itself(minor in -999_999_999_999_999_i64..=999_999_999_999_999) {
            for currency in [Currency::RUB, Currency::JPY, Currency::KWD] {
                let money = Money::from_minor(minor, currency);
                prop_assert_eq!(Money::parse(&money.decimal(), currency), Ok(money));
            }
        }

        #[test]
        fn any_text_is_an_amount_or_a_refusal(text in ".*") {
            let _ = Money::parse(&text, Currency::RUB);
        }
    }
}
