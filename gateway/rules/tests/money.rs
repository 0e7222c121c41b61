//! `money` in scripts is exact, or it is an error.
#![allow(clippy::unwrap_used)]

mod support;

use plugin_sdk::{Currency, Money};
use proptest::prelude::*;
use support::{check, failure, told};

fn value(expression: &str) -> String {
    told(check(&format!("return accept{{comment = tostring({expression})}}")))
}

#[test]
fn arithmetic() {
    for (expression, expected) in [
        ("money('50.00 RUB')", "50.00 RUB"),
        ("money('50', 'RUB')", "50.00 RUB"),
        ("money('-0.5 RUB')", "-0.50 RUB"),
        ("money('200 JPY')", "200 JPY"),
        ("money('1.234 KWD')", "1.234 KWD"),
        ("money('0.10 RUB') + money('0.20 RUB')", "0.30 RUB"),
        ("money('0.10 RUB') - money('0.20 RUB')", "-0.10 RUB"),
        ("money('150.55 RUB'):times(100)", "15055.00 RUB"),
        ("money('150.55 RUB'):times(-1)", "-150.55 RUB"),
        ("money('100.00 RUB'):percent('2.5', 'half_up')", "2.50 RUB"),
        ("money('0.50 RUB'):percent('1', 'half_up')", "0.01 RUB"),
        ("money('0.50 RUB'):percent('1', 'half_even')", "0.00 RUB"),
        ("money('0.50 RUB'):percent('1', 'half_down')", "0.00 RUB"),
        ("money('-0.50 RUB'):percent('1', 'half_up')", "-0.01 RUB"),
        ("money('0.01 RUB'):percent('0.000000001', 'up')", "0.01 RUB"),
        ("money('1 RUB') < money('2 RUB')", "true"),
        ("money('2 RUB') <= money('2.00 RUB')", "true"),
        ("money('2 RUB') > money('2.01 RUB')", "false"),
        ("money('2 RUB') == money('2.00 RUB')", "true"),
        ("money('2 RUB') ~= money('2.00 RUB')", "false"),
        ("request.amount == money('150.5 RUB')", "true"),
        ("money('1 RUB').amount", "1.00"),
        ("money('1 RUB').currency", "RUB"),
        ("'sum: ' .. money('1 RUB') .. '!'", "sum: 1.00 RUB!"),
        ("1 .. money('1 RUB')", "11.00 RUB"),
        ("`{money('1 RUB')}`", "1.00 RUB"),
        ("('%s'):format(money('1 RUB'))", "1.00 RUB"),
        ("typeof(money('1 RUB'))", "money"),
    ] {
        assert_eq!(value(expression), expected, "{expression}");
    }
}

#[test]
fn overflow_is_an_error() {
    for expression in [
        "money('9999999999999999.99 RUB'):times(1000)",
        "money('9999999999999999.99 RUB'):percent('999999', 'up')",
    ] {
        assert!(
            failure(check(&format!("return {expression}")))
                .message
                .contains("too large"),
            "{expression}"
        );
    }
    let body = "local m = money('9999999999999999.99 RUB') for i = 1, 20 do m += m end return accept()";
    assert!(failure(check(body)).message.contains("too large"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn scripts_and_the_gateway_agree(left in -1_000_000_000_i64..1_000_000_000, right in -1_000_000_000_i64..1_000_000_000) {
        let [a, b] = [left, right].map(|minor| Money::from_minor(minor, Currency::RUB));
        let pair = |sign: &str| value(&format!("money('{a}') {sign} money('{b}')"));
        prop_assert_eq!(pair("+"), a.checked_add(b).unwrap().to_string());
        prop_assert_eq!(pair("-"), a.checked_sub(b).unwrap().to_string());
        prop_assert_eq!(pair("<"), (left < right).to_string());
        prop_assert_eq!(pair("<="), (left <= right).to_string());
        prop_assert_eq!(pair("=="), (left == right).to_string());
    }
}
