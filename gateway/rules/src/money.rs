//! `money("50.00 RUB")`: exact amounts for scripts. A Lua number never becomes money, and money never a number.

use std::cmp::Ordering;

use mlua::{
    AnyUserData, Either, Lua, MetaMethod, Result as LuaResult, UserData, UserDataFields, UserDataMethods, UserDataRef,
    Value,
};
use plugin_sdk::{Currency, Money};

use crate::blame;
use crate::budget::unlimited;
use crate::fields::{key_bytes, shorten, unknown_field};
use crate::limits::MONEY_TEXT_BYTES;

pub(crate) const MONEY_FIELDS: [&str; 4] = ["amount", "currency", "times", "percent"];

/// Digits of a percentage after its point.
const PERCENT_PLACES: usize = 9;
/// Digits of a percentage before its point.
const PERCENT_DIGITS: usize = 6;

/// Largest whole number that a Lua number holds exactly.
const WHOLE_MAX: i64 = 1 << 53;

#[derive(Debug, Clone, Copy)]
pub(crate) struct LuaMoney(pub(crate) Money);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rounding {
    /// A half goes away from zero.
    HalfUp,
    /// A half goes toward zero.
    HalfDown,
    /// A half goes to the even neighbour.
    HalfEven,
    /// Away from zero.
    Up,
    /// Toward zero.
    Down,
}

impl Rounding {
    const ALL: [(&'static str, Self); 5] = [
        ("half_up", Self::HalfUp),
        ("half_down", Self::HalfDown),
        ("half_even", Self::HalfEven),
        ("up", Self::Up),
        ("down", Self::Down),
    ];

    fn named(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|(known, _)| *known == name)
            .map(|(_, mode)| mode)
            .ok_or_else(|| {
                let names = Self::ALL.map(|(known, _)| known);
                format!("'{}' is no rounding; use one of {}", shorten(name), names.join(", "))
            })
    }

    /// `dividend / divisor`, rounded; the divisor is positive.
    fn divide(self, dividend: i128, divisor: i128) -> i128 {
        let (quotient, rest) = (dividend / divisor, (dividend % divisor).abs());
        let away = dividend.signum();
        let add = match (self, (rest * 2).cmp(&divisor)) {
            _ if rest == 0 => false,
            (Self::Up, _) => true,
            (Self::Down, _) => false,
            (_, Ordering::Greater) => true,
            (_, Ordering::Less) => false,
            (Self::HalfUp, Ordering::Equal) => true,
            (Self::HalfDown, Ordering::Equal) => false,
            (Self::HalfEven, Ordering::Equal) => quotient % 2 != 0,
        };
        if add { quotient + away } else { quotient }
    }
}

impl UserData for LuaMoney {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_meta_field(MetaMethod::Type, "money");
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::ToString, |_, this, ()| Ok(this.0.to_string()));
        methods.add_meta_function(MetaMethod::Concat, |lua, (left, right): (Value, Value)| {
            Ok(joined(lua, &left)? + &joined(lua, &right)?)
        });
        methods.add_meta_function(MetaMethod::Add, |lua, pair| {
            combine(lua, &pair, "+", Money::checked_add)
        });
        methods.add_meta_function(MetaMethod::Sub, |lua, pair| {
            combine(lua, &pair, "-", Money::checked_sub)
        });
        methods.add_meta_function(MetaMethod::Lt, |lua, pair| {
            Ok(compare(lua, &pair, "<")? == Ordering::Less)
        });
        methods.add_meta_function(MetaMethod::Le, |lua, pair| {
            Ok(compare(lua, &pair, "<=")? != Ordering::Greater)
        });
        methods.add_meta_function(MetaMethod::Eq, |lua, pair| {
            Ok(compare(lua, &pair, "==")? == Ordering::Equal)
        });
        for (operator, cure) in [
            (MetaMethod::Mul, "money has no *; write amount:times(3)"),
            (
                MetaMethod::Div,
                "money has no /; write amount:percent(\"50\", \"half_up\") for a half",
            ),
            (
                MetaMethod::IDiv,
                "money has no //; write amount:percent(\"50\", \"down\") for a half",
            ),
            (
                MetaMethod::Mod,
                "money has no %; write amount:percent(\"2.5\", \"half_up\") for a percentage",
            ),
            (MetaMethod::Pow, "money has no ^"),
            (MetaMethod::Unm, "money has no unary -; subtract from money(\"0 RUB\")"),
            (MetaMethod::Len, "money has no length"),
        ] {
            methods.add_meta_function(operator, move |lua, _: Value| Err::<(), _>(blame::error(lua, cure)));
        }
        methods.add_method("times", |lua, this, factor: Value| {
            times(this.0, &factor).map_err(|text| blame::error(lua, text))
        });
        methods.add_method("percent", |lua, this, (percent, rounding): (Value, Value)| {
            percentage(this.0, &percent, &rounding).map_err(|text| blame::error(lua, text))
        });
        methods.add_meta_method(MetaMethod::Index, |lua, this, key: Value| {
            match key_bytes(&key).as_deref() {
                Some(b"amount") => Ok(this.0.decimal()),
                Some(b"currency") => Ok(String::from(this.0.currency().code())),
                _ => Err(unknown_field(lua, "money", &key, &MONEY_FIELDS)),
            }
        });
        methods.add_meta_function(MetaMethod::NewIndex, |lua, _: Value| {
            Err::<(), _>(blame::error(lua, "money cannot be changed; + and - make new amounts"))
        });
    }
}

/// `money("50.00 RUB")` or `money("50.00", "RUB")`.
pub(crate) fn construct(lua: &Lua, (amount, currency): (Value, Value)) -> LuaResult<AnyUserData> {
    let money = parse(&amount, &currency).map_err(|text| blame::error(lua, text))?;
    made(lua, money)
}

fn made(lua: &Lua, money: Money) -> LuaResult<AnyUserData> {
    unlimited(lua, || lua.create_userdata(LuaMoney(money)))
}

fn parse(amount: &Value, currency: &Value) -> Result<Money, String> {
    const FORM: &str = "write money(\"50.00 RUB\")";
    let amount = match amount {
        Value::String(text) => text
            .to_str()
            .map_err(|_| format!("money: the text is not UTF-8; {FORM}"))?,
        Value::Integer(_) | Value::Number(_) => {
            return Err(format!(
                "money: a number cannot be exact money; {FORM}, with the amount as text"
            ));
        }
        other => return Err(format!("money: expected text, got {}; {FORM}", kind_of(other))),
    };
    if amount.len() > MONEY_TEXT_BYTES {
        return Err(format!(
            "money: the text is longer than {MONEY_TEXT_BYTES} bytes; {FORM}"
        ));
    }
    let named;
    let (digits, code) = match currency {
        Value::Nil => amount
            .split_once(' ')
            .ok_or_else(|| format!("money: '{}' names no currency; {FORM}", shorten(&amount)))?,
        Value::String(code) => {
            named = code
                .to_str()
                .map_err(|_| format!("money: the currency is not UTF-8; {FORM}"))?;
            (&*amount, &*named)
        }
        other => {
            return Err(format!(
                "money: expected the currency as text, got {}; {FORM}",
                kind_of(other)
            ));
        }
    };
    let currency = Currency::from_code(code)
        .ok_or_else(|| format!("money: '{}' is not an ISO 4217 currency code; {FORM}", shorten(code)))?;
    Money::parse(digits, currency).map_err(|error| format!("money: {error}"))
}

type Operation = fn(Money, Money) -> Result<Money, plugin_sdk::MoneyError>;

/// One side of an operator: money is read where it stands, without a handle.
type Operand = Either<UserDataRef<LuaMoney>, Value>;

fn combine(lua: &Lua, pair: &(Operand, Operand), sign: &str, operation: Operation) -> LuaResult<AnyUserData> {
    let (left, right) = both(lua, pair, sign)?;
    let result = operation(left, right).map_err(|error| blame::error(lua, format!("money {sign} money: {error}")))?;
    made(lua, result)
}

fn compare(lua: &Lua, pair: &(Operand, Operand), sign: &str) -> LuaResult<Ordering> {
    let (left, right) = both(lua, pair, sign)?;
    left.compare(right)
        .map_err(|error| blame::error(lua, format!("money {sign} money: {error}")))
}

fn both(lua: &Lua, pair: &(Operand, Operand), sign: &str) -> LuaResult<(Money, Money)> {
    let stranger = match pair {
        (Either::Left(left), Either::Left(right)) => return Ok((left.0, right.0)),
        (Either::Left(_), Either::Right(stranger)) | (Either::Right(stranger), _) => stranger,
    };
    let cure = match stranger {
        Value::Nil => "the other side is nil: is it absent from the request?",
        Value::Integer(_) | Value::Number(_) => "write the number as money, such as money(\"50.00 RUB\")",
        Value::String(_) => "write the text as money, such as money(\"50.00 RUB\")",
        _ => "both sides must be money",
    };
    Err(blame::error(
        lua,
        format!("money {sign} {} is not possible; {cure}", kind_of(stranger)),
    ))
}

fn times(amount: Money, factor: &Value) -> Result<LuaMoney, String> {
    let factor =
        whole(factor).ok_or("money:times takes a whole number; use :percent(\"2.5\", \"half_up\") for parts")?;
    let minor = amount
        .minor()
        .checked_mul(factor)
        .ok_or_else(|| plugin_sdk::MoneyError::TooLarge.to_string())?;
    Ok(LuaMoney(Money::from_minor(minor, amount.currency())))
}

fn percentage(amount: Money, percent: &Value, rounding: &Value) -> Result<LuaMoney, String> {
    const FORM: &str = "write amount:percent(\"2.5\", \"half_up\")";
    let (Value::String(percent), Value::String(rounding)) = (percent, rounding) else {
        return Err(format!(
            "money:percent takes the percentage and the rounding as texts; {FORM}"
        ));
    };
    let percent = percent.to_str().map_err(|_| FORM)?;
    let rounding = Rounding::named(&rounding.to_str().map_err(|_| FORM)?)?;
    let (numerator, scale) =
        parse_percent(&percent).ok_or_else(|| format!("'{}' is not a percentage; {FORM}", shorten(&percent)))?;
    let minor = rounding.divide(i128::from(amount.minor()) * numerator, scale * 100);
    let minor = i64::try_from(minor).map_err(|_| plugin_sdk::MoneyError::TooLarge.to_string())?;
    Ok(LuaMoney(Money::from_minor(minor, amount.currency())))
}

/// `2.5` is 25 with a scale of 10. Digits are bounded, so that the product with an amount fits 128 bits.
fn parse_percent(text: &str) -> Option<(i128, i128)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fits = (1..=PERCENT_DIGITS).contains(&whole.len()) && fraction.len() <= PERCENT_PLACES && !text.ends_with('.');
    let digits = format!("{whole}{fraction}");
    if !fits || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    Some((digits.parse().ok()?, scale))
}

pub(crate) fn money_of(value: &Value) -> Option<Money> {
    match value {
        Value::UserData(data) => data
            .borrow::<LuaMoney>()
            .ok()
            .map(|money: UserDataRef<LuaMoney>| money.0),
        _ => None,
    }
}

/// A Lua number that is a whole number and was not rounded on its way.
pub(crate) fn whole(value: &Value) -> Option<i64> {
    match *value {
        Value::Integer(number) => (-WHOLE_MAX..=WHOLE_MAX).contains(&number).then_some(number),
        // Negative zero is the only whole number that arrives in this form.
        Value::Number(0.0) => Some(0),
        _ => None,
    }
}

/// The type of a value in a script author's words.
pub(crate) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) | Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Nil => "nil",
        Value::Boolean(_) => "a boolean",
        Value::Table(_) => "a table",
        Value::Function(_) => "a function",
        Value::UserData(data) if data.is::<LuaMoney>() => "money",
        _ => "an object",
    }
}

fn joined(lua: &Lua, value: &Value) -> LuaResult<String> {
    if let Some(money) = money_of(value) {
        return Ok(money.to_string());
    }
    match value {
        Value::String(text) => Ok(text.to_str()?.to_owned()),
        Value::Integer(number) => Ok(number.to_string()),
        other => Err(blame::error(
            lua,
            format!("money .. {} is not possible; use tostring", kind_of(other)),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percent(minor: i64, percent: &str, mode: Rounding) -> i128 {
        let (numerator, scale) = parse_percent(percent).unwrap();
        mode.divide(i128::from(minor) * numerator, scale * 100)
    }

    #[test]
    fn percentages_round_as_named() {
        // 2.5 % of 1.00 is 2.5 minor units, of 3.00 is 7.5, of 0.50 is 1.25.
        let rows = [
            (Rounding::HalfUp, [3, 8, 1, -3]),
            (Rounding::HalfDown, [2, 7, 1, -2]),
            (Rounding::HalfEven, [2, 8, 1, -2]),
            (Rounding::Up, [3, 8, 2, -3]),
            (Rounding::Down, [2, 7, 1, -2]),
        ];
        for (mode, expected) in rows {
            assert_eq!(
                [100, 300, 50, -100].map(|minor| percent(minor, "2.5", mode)),
                expected,
                "{mode:?}"
            );
        }
        assert_eq!(
            percent(i64::MAX, "999999.999999999", Rounding::Up),
            92_233_720_368_547_665_836_280
        );
    }

    #[test]
    fn percentages_are_plain_decimals() {
        assert_eq!(parse_percent("2.5"), Some((25, 10)));
        assert_eq!(parse_percent("100"), Some((100, 1)));
        assert_eq!(parse_percent("0"), Some((0, 1)));
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "1e3",
            "1,5",
            "1.0000000001",
            "1234567",
            "٣",
            "2.5%",
        ] {
            assert_eq!(parse_percent(text), None, "{text:?}");
        }
    }
}
