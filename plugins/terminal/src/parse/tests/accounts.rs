//! §2.1.5, §4, §9.5: accounts (code 4).

use plugin_sdk::Reason;
use rstest::rstest;
use serde_json::{Value, json};

use super::{CHECK, CHECK_A, INFO, PAY, both, objections, with};

const FORMAT: Option<Reason> = Some(Reason::AccountFormat);

#[rstest]
#[case::trimmed("++4957835959%09+", json!({}), "4957835959")]
#[case::plus_sent_unescaped("+79031234567", json!({ "account_is_phone": true }), "79031234567")]
#[case::plus_sent_escaped("%2B79031234567", json!({ "account_is_phone": true }), "79031234567")]
#[case::phone_as_people_write("%2B7+(903)+123-45-67", json!({ "account_is_phone": true }), "79031234567")]
#[case::plus_is_kept_elsewhere("%2B79031234567", json!({}), "+79031234567")]
#[case::inner_space_is_kept("a++b", json!({}), "a  b")]
#[case::letters_and_symbols("AB-12/7_%23", json!({}), "AB-12/7_#")]
fn accounts_are_normalised(#[case] sent: &str, #[case] config: Value, #[case] account: &str) {
    for request in [CHECK, PAY, INFO] {
        let request = both(config.clone(), &with(request, "account", sent));
        assert_eq!(request.account.as_deref(), Some(account));
        assert_eq!(objections(&request), [None, None, None]);
    }
}

#[rstest]
#[case::missing("", json!({}))]
#[case::white_space("+%09+", json!({}))]
#[case::only_a_plus("%2B", json!({ "account_is_phone": true }))]
#[case::letters_for_a_phone("903x234567", json!({ "account_is_phone": true }))]
#[case::eight_letters("abcdefgh", json!({ "account_regex": "[0-9]{10}" }))]
#[case::too_many_digits("49578359590", json!({ "account_regex": "[0-9]{10}" }))]
#[case::pattern_in_the_middle("x4957835959", json!({ "account_regex": "[0-9]{10}" }))]
#[case::half_of_an_alternative("abc", json!({ "account_regex": "a|b|abd" }))]
#[case::line_feed_at_the_end("4957835959%0Ax", json!({ "account_regex": "(?m)^[0-9]{10}$" }))]
#[case::control_character("12%0134", json!({}))]
#[case::longer_than_the_profile("12345", json!({ "account_max": 4 }))]
fn an_account_off_its_format_is_code_4(#[case] sent: &str, #[case] config: Value) {
    for request in [CHECK, PAY, INFO] {
        assert_eq!(
            objections(&both(config.clone(), &with(request, "account", sent))),
            [None, FORMAT, None]
        );
    }
}

#[rstest]
#[case::alternatives_are_tried_whole("ab", json!({ "account_regex": "a|ab" }))]
#[case::own_anchors_do_no_harm("4957835959", json!({ "account_regex": "^[0-9]{10}$" }))]
fn a_pattern_matches_the_whole_account(#[case] sent: &str, #[case] config: Value) {
    assert_eq!(
        objections(&both(config, &with(CHECK, "account", sent))),
        [None, None, None]
    );
}

#[rstest]
#[case(CHECK, "BC", 200)]
#[case(CHECK_A, "A", 50)]
fn the_longest_account_is_counted_in_characters(#[case] request: &str, #[case] variant: &str, #[case] max: usize) {
    let of = |length: usize| {
        objections(&both(
            json!({ "variant": variant }),
            &with(request, "account", &"%D0%B8".repeat(length)),
        ))
    };
    assert_eq!(of(max), [None, None, None]);
    assert_eq!(of(max + 1), [None, FORMAT, None]);
}
