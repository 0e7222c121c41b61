//! §4, §9.5, §14: what is well-formed. Everything else is code 300, before account and terms.

use plugin_sdk::{Command, Reason};
use rstest::rstest;
use serde_json::json;

use super::{CHECK, CHECK_A, INFO, PAY, PAY_A, both, objections, with};

const INVALID: Option<Reason> = Some(Reason::InvalidRequest);

#[rstest]
#[case::info(INFO)]
#[case::check(CHECK)]
#[case::pay(PAY)]
fn b_and_c_read_all_three_commands(#[case] request: &str) {
    assert_eq!(objections(&both(json!({}), request)), [None, None, None]);
}

#[rstest]
#[case::check_without_txn_id(CHECK, "txn_id", "")]
#[case::check_without_sum(CHECK, "sum", "")]
#[case::check_without_ccy(CHECK, "ccy", "")]
#[case::pay_without_txn_id(PAY, "txn_id", "")]
#[case::pay_without_sum(PAY, "sum", "")]
#[case::pay_without_ccy(PAY, "ccy", "")]
#[case::pay_without_txn_date(PAY, "txn_date", "")]
#[case::info_without_ccy(INFO, "ccy", "")]
#[case::no_command(PAY, "command", "")]
#[case::cancel(PAY, "command", "cancel")]
#[case::status(PAY, "command", "status")]
#[case::key_with_letters(PAY, "txn_id", "12a")]
#[case::key_of_21_digits(PAY, "txn_id", "123456789012345678901")]
#[case::key_with_a_sign(PAY, "txn_id", "-1")]
#[case::key_with_a_space(PAY, "txn_id", "12+")]
#[case::sum_negative(PAY, "sum", "-100")]
#[case::sum_negative_with_decimals(PAY, "sum", "-100.00")]
#[case::sum_whole(PAY, "sum", "200")]
#[case::sum_with_one_decimal(PAY, "sum", "200.0")]
#[case::sum_with_three_decimals(PAY, "sum", "200.000")]
#[case::sum_with_comma(PAY, "sum", "200,00")]
#[case::sum_without_whole_part(PAY, "sum", ".50")]
#[case::sum_in_words(PAY, "sum", "ten")]
#[case::sum_exponent(PAY, "sum", "1e5.00")]
#[case::sum_too_long(PAY, "sum", "1234567890123.00")]
#[case::sum_with_a_space(PAY, "sum", "+200.00")]
#[case::sum_malformed_in_check(CHECK, "sum", "abc")]
#[case::sum_malformed_in_info(INFO, "sum", "200")]
#[case::ccy_lower_case(PAY, "ccy", "rub")]
#[case::ccy_of_two_letters(PAY, "ccy", "RU")]
#[case::ccy_not_in_iso(PAY, "ccy", "ZZZ")]
#[case::ccy_number_not_in_iso(PAY, "ccy", "000")]
#[case::ccy_mixed(PAY, "ccy", "64R")]
#[case::date_too_short(PAY, "txn_date", "20230615")]
#[case::date_not_in_the_calendar(PAY, "txn_date", "20230230120000")]
#[case::date_with_letters(PAY, "txn_date", "2023061514300Z")]
fn a_malformed_request_is_code_300(#[case] request: &str, #[case] name: &str, #[case] value: &str) {
    assert_eq!(
        objections(&both(json!({}), &with(request, name, value))),
        [INVALID, None, None]
    );
}

#[rstest]
#[case::check_without_txn_id(CHECK_A, "txn_id", "")]
#[case::check_without_sum(CHECK_A, "sum", "")]
#[case::pay_without_txn_id(PAY_A, "txn_id", "")]
#[case::pay_without_sum(PAY_A, "sum", "")]
#[case::pay_without_txn_date(PAY_A, "txn_date", "")]
#[case::info(CHECK_A, "command", "getInfo")]
#[case::sum_whole(PAY_A, "sum", "152")]
#[case::sum_beyond_any_amount(PAY_A, "sum", "12345678901234567.00")]
fn a_malformed_request_of_variant_a_is_code_300(#[case] request: &str, #[case] name: &str, #[case] value: &str) {
    assert_eq!(
        objections(&both(json!({ "variant": "A" }), &with(request, name, value))),
        [INVALID, None, None]
    );
}

#[test]
fn variant_a_has_no_info_and_no_currency() {
    let config = json!({ "variant": "A", "currencies": ["KZT", "RUB"] });
    assert_eq!(
        both(config.clone(), &with(CHECK_A, "command", "getInfo")).command,
        Command::Unknown
    );
    for sent in ["", "RUB", "nonsense"] {
        let request = both(config.clone(), &with(PAY_A, "ccy", sent));
        assert_eq!(objections(&request), [None, None, None]);
        assert_eq!(request.amount.unwrap().to_string(), "10.45 KZT");
        assert_eq!(request.currency_text, None);
        assert_eq!(
            request.extras.get("ccy").map(String::as_str),
            Some(sent).filter(|sent| !sent.is_empty())
        );
    }
}

#[rstest]
#[case("1")]
#[case("0")]
#[case("00000000000000000001")]
#[case("99999999999999999999")]
fn a_key_is_a_text_of_up_to_20_digits(#[case] key: &str) {
    let request = both(json!({}), &with(PAY, "txn_id", key));
    let read = request.key.unwrap();
    assert_eq!((read.key1.as_str(), read.key2.as_str()), (key, ""));
    assert_eq!(request.key_echo, key);
}

#[rstest]
#[case::letters("abc", "abc")]
#[case::markup("%3Cb%3E", "<b>")]
#[case::long("123456789012345678901234567890", "12345678901234567890")]
#[case::long_in_characters(
    "%D0%B8%D0%B8%D0%B8%D0%B8%D0%B8%D0%B8%D0%B8%D0%B8%D0%B8%D0%B8%D0%B8x12345678901",
    "иииииииииииx12345678"
)]
#[case::missing("", "")]
fn a_wrong_key_is_echoed_but_is_no_key(#[case] sent: &str, #[case] echo: &str) {
    let request = both(json!({}), &with(PAY, "txn_id", sent));
    assert_eq!((request.key, request.key_echo.as_str()), (None, echo));
}

#[test]
fn info_has_no_key_even_if_one_is_sent() {
    let request = both(json!({}), &with(INFO, "txn_id", "nonsense"));
    assert_eq!((request.key, request.key_echo.as_str()), (None, ""));
    assert_eq!(request.objections.syntax, None);
    assert_eq!(request.extras["txn_id"], "nonsense");
}

#[test]
fn the_sum_of_info_is_optional() {
    assert_eq!(both(json!({}), INFO).amount, None);
    assert_eq!(
        both(json!({}), &with(INFO, "sum", "5.00")).amount.unwrap().to_string(),
        "5.00 RUB"
    );
}

#[rstest]
#[case("RUB", "200.00 RUB")]
#[case("643", "200.00 RUB")]
#[case("KZT", "200.00 KZT")]
#[case("398", "200.00 KZT")]
#[case("JPY", "200 JPY")]
#[case("KWD", "200.000 KWD")]
fn a_currency_has_letters_or_digits(#[case] sent: &str, #[case] amount: &str) {
    let config = json!({ "currencies": ["RUB", "KZT", "JPY", "KWD"] });
    let request = both(config, &with(PAY, "ccy", sent));
    assert_eq!(request.currency_text.as_deref(), Some(sent));
    assert_eq!(request.amount.unwrap().to_string(), amount);
    assert_eq!(objections(&request), [None, None, None]);
}

#[test]
fn a_sum_finer_than_its_currency_is_malformed() {
    let query = with(&with(PAY, "ccy", "JPY"), "sum", "200.50");
    assert_eq!(
        objections(&both(json!({ "currencies": ["JPY"] }), &query)),
        [INVALID, None, None]
    );
}

#[test]
fn a_repeat_is_recognisable_however_it_is_broken() {
    for (name, value) in [
        ("sum", "x"),
        ("ccy", "x"),
        ("txn_date", "x"),
        ("account", ""),
        ("ccy", ""),
    ] {
        let request = both(json!({}), &with(PAY, name, value));
        assert_eq!(request.key.unwrap().key1, "1234567890");
        assert_eq!(request.account.is_some(), name != "account");
        assert_eq!(
            request.amount.is_some(),
            !(name == "sum" || value == "x" && name == "ccy"),
            "{name}={value}"
        );
        assert_eq!(request.booking.is_some(), name != "txn_date");
    }
}

#[test]
fn a_booking_is_moscow_time() {
    let booking = both(json!({}), PAY).booking.unwrap();
    assert_eq!(booking.text, "20230615143000");
    assert_eq!(booking.at.to_rfc3339(), "2023-06-15T11:30:00+00:00");
}

#[test]
fn a_date_outside_of_pay_is_just_another_parameter() {
    let request = both(json!({}), &with(CHECK, "txn_date", "nonsense"));
    assert_eq!(objections(&request), [None, None, None]);
    assert_eq!(request.booking, None);
    assert_eq!(request.extras["txn_date"], "nonsense");
}
