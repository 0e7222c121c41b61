//! §2.1: from bytes to named texts.

use plugin_sdk::{Command, RawRequest, Reason};
use rstest::rstest;
use serde_json::json;

use super::super::parameters::{EXTRAS_MAX, NAME_MAX, PARAMETERS_MAX, VALUE_MAX};
use super::{CHECK, FORM, both, get, objections, post, service, with};

const SYNTAX: [Option<Reason>; 3] = [Some(Reason::InvalidRequest), None, None];
const NONE: [Option<Reason>; 3] = [None, None, None];

#[test]
fn the_body_wins_over_the_query() {
    let request = post(json!({}), CHECK, b"sum=5.00&account=777");
    assert_eq!(request.amount.unwrap().decimal(), "5.00");
    assert_eq!(request.account.as_deref(), Some("777"));
    assert_eq!(objections(&request), NONE);
}

#[test]
fn an_empty_value_in_the_body_does_not_win() {
    let request = post(json!({}), CHECK, b"sum=&account");
    assert_eq!(request.amount.unwrap().decimal(), "200.00");
    assert_eq!(request.account.as_deref(), Some("4957835959"));
}

#[test]
fn an_unreadable_account_in_the_query_does_not_matter_under_a_readable_one() {
    let request = post(json!({}), &with(CHECK, "account", "%FF"), b"account=777");
    assert_eq!(objections(&request), NONE);
}

#[test]
fn the_body_of_a_get_is_not_looked_at() {
    let raw = RawRequest {
        method: "GET",
        query: CHECK,
        content_type: FORM,
        body: b"sum=5.00",
    };
    let request = crate::parse::parse(&service(json!({})), &raw);
    assert_eq!(request.amount.unwrap().decimal(), "200.00");
}

#[rstest]
#[case::plain(Some("application/x-www-form-urlencoded"), NONE)]
#[case::charset(Some("Application/X-WWW-Form-Urlencoded ; charset=utf-8"), NONE)]
#[case::missing(None, NONE)]
#[case::empty(Some(""), NONE)]
#[case::json(Some("application/json"), [Some(Reason::InvalidRequest), Some(Reason::AccountFormat), None])]
#[case::multipart(Some("multipart/form-data; boundary=x"), [Some(Reason::InvalidRequest), Some(Reason::AccountFormat), None])]
fn only_a_form_is_read(#[case] content_type: Option<&str>, #[case] expected: [Option<Reason>; 3]) {
    let raw = RawRequest {
        method: "POST",
        query: "",
        content_type,
        body: CHECK.as_bytes(),
    };
    assert_eq!(objections(&crate::parse::parse(&service(json!({})), &raw)), expected);
}

#[test]
fn a_name_twice_in_one_place_is_refused() {
    let once_more = format!("{CHECK}&sum=200.00");
    let request = both(json!({}), &once_more);
    assert_eq!(objections(&request), SYNTAX);
    assert_eq!(request.amount.unwrap().decimal(), "200.00", "both say the same");
    assert_eq!(request.key_echo, "1234567890");
}

#[rstest]
#[case::other_sum("sum=1.00")]
#[case::other_key("txn_id=1")]
#[case::unknown_name("x=1&x=2")]
#[case::empty_once("sum=")]
#[case::name_spelled_otherwise("%73um=1.00")]
fn of_two_values_neither_is_believed(#[case] more: &str) {
    let request = both(json!({}), &format!("{CHECK}&{more}"));
    assert_eq!(objections(&request)[0], Some(Reason::InvalidRequest));
    assert!(request.amount.is_none() || request.key.is_none() || more.starts_with('x'));
    assert_eq!(request.key_echo, "1234567890", "the first is echoed all the same");
    assert!(!request.extras.contains_key("x"));
}

#[rstest]
#[case::percent("account=4957%38%335959", "4957835959")]
#[case::lower_hex("account=%d0%98%d0%b2%d0%b0%d0%bd", "Иван")]
#[case::plus_is_space("account=a+b", "a b")]
#[case::escaped_plus("account=a%2Bb", "a+b")]
#[case::escaped_ampersand("account=a%26b%3Dc", "a&b=c")]
#[case::second_equals_sign("account=a=b", "a=b")]
#[case::stray_percent("account=100%", "100%")]
#[case::raw_utf8("account=Иван", "Иван")]
fn values_are_percent_decoded(#[case] pair: &str, #[case] account: &str) {
    let (name, value) = pair.split_once('=').unwrap();
    let request = both(json!({}), &with(CHECK, name, value));
    assert_eq!(request.account.as_deref(), Some(account));
    assert_eq!(objections(&request), NONE);
}

#[test]
fn empty_pairs_are_nothing() {
    assert_eq!(get(json!({}), &format!("&&{CHECK}&&")), get(json!({}), CHECK));
}

#[rstest]
#[case::account("account", "%C8%E2%E0%ED", [None, Some(Reason::AccountFormat), None])]
#[case::data("data1", "%C8%E2%E0%ED", [None, None, Some(Reason::ExtraInvalid)])]
#[case::data_without_a_rule("data77", "%FF", [None, None, Some(Reason::ExtraInvalid)])]
#[case::no_data_name("data01", "%FF", SYNTAX)]
#[case::unknown("shop", "%FF", SYNTAX)]
#[case::terminal("trm_id", "%FF", SYNTAX)]
#[case::nul_in_account("account", "1%002", [None, Some(Reason::AccountFormat), None])]
#[case::nul_in_data("data1", "1%002", [None, None, Some(Reason::ExtraInvalid)])]
#[case::nul_elsewhere("shop", "1%002", SYNTAX)]
fn unreadable_text_is_answered_where_it_stands(
    #[case] name: &str,
    #[case] value: &str,
    #[case] expected: [Option<Reason>; 3],
) {
    assert_eq!(objections(&both(json!({}), &with(CHECK, name, value))), expected);
}

#[test]
fn an_unreadable_name_is_refused() {
    assert_eq!(objections(&both(json!({}), &format!("{CHECK}&%FF=1"))), SYNTAX);
}

#[test]
fn windows_1251_is_read_where_the_profile_says_so() {
    let config = json!({ "windows_1251": true });
    let cyrillic = with(&with(CHECK, "account", "%C8%E2%E0%ED"), "data1", "%CF%E5%F2%F0");
    let request = both(config.clone(), &cyrillic);
    assert_eq!(request.account.as_deref(), Some("Иван"));
    assert_eq!(request.extras["data1"], "Петр");
    assert_eq!(objections(&request), NONE);
    // Real UTF-8 stays what it is, and no other parameter is guessed at.
    assert_eq!(
        both(config.clone(), &with(CHECK, "account", "%D0%98"))
            .account
            .as_deref(),
        Some("И")
    );
    assert_eq!(objections(&both(config, &with(CHECK, "shop", "%C8"))), SYNTAX);
}

#[rstest]
#[case("command=getInfo", Command::Info)]
#[case("command=getinfo", Command::Info)]
#[case("command=GETINFO", Command::Info)]
#[case("command=Check", Command::Check)]
#[case("command=PAY", Command::Pay)]
#[case("command=cancel", Command::Unknown)]
#[case("command=", Command::Unknown)]
#[case("Command=pay", Command::Unknown)]
#[case("command=pay%20", Command::Unknown)]
fn commands_have_no_case_and_names_have(#[case] query: &str, #[case] command: Command) {
    let request = get(json!({}), query);
    assert_eq!(request.command, command);
    assert!(request.objections.syntax.is_some());
}

#[test]
fn unknown_parameters_are_kept() {
    let more = "pay_type=1&trm_id=4151200&agt_id=7&sum_from=110.00&data1=5&custom_field=x+y";
    let request = both(json!({}), &format!("{CHECK}&prv_id=101&{more}"));
    let kept: Vec<_> = request
        .extras
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(
        kept,
        [
            "agt_id=7",
            "custom_field=x y",
            "data1=5",
            "pay_type=1",
            "sum_from=110.00",
            "trm_id=4151200"
        ]
    );
    assert_eq!(objections(&request), NONE);
}

#[test]
fn parameters_are_bounded_in_number() {
    let filler = |count: usize| (0..count).map(|index| format!("&p{index}=1")).collect::<String>();
    assert_eq!(
        objections(&get(json!({}), &format!("{CHECK}{}", filler(PARAMETERS_MAX - 5)))),
        NONE
    );
    let beyond = get(json!({}), &format!("{CHECK}{}", filler(PARAMETERS_MAX - 4)));
    assert_eq!(objections(&beyond), SYNTAX);
    assert_eq!(beyond.key.unwrap().key1, "1234567890", "what came before is read");
}

#[test]
fn names_and_values_are_bounded_in_length() {
    let request = |name: usize, value: usize| {
        let (name, value) = ("n".repeat(name), "%D0%B8".repeat(value));
        get(json!({}), &format!("{CHECK}&{name}={value}"))
    };
    assert_eq!(objections(&request(NAME_MAX, VALUE_MAX)), NONE);
    assert_eq!(objections(&request(NAME_MAX + 1, 1)), SYNTAX);
    assert_eq!(objections(&request(1, VALUE_MAX + 1)), SYNTAX);
    assert_eq!(request(1, 100_000).extras["n"].chars().count(), VALUE_MAX);
    assert_eq!(
        objections(&get(json!({}), &format!("{CHECK}&n={}", "x".repeat(1_000_000)))),
        SYNTAX
    );
}

#[test]
fn extras_are_bounded_as_a_whole() {
    let filler = |count: usize| {
        (10..10 + count)
            .map(|index| format!("&e{index}={}", "x".repeat(VALUE_MAX)))
            .collect::<String>()
    };
    let fitting = EXTRAS_MAX / (VALUE_MAX + 3);
    assert_eq!(
        objections(&get(json!({}), &format!("{CHECK}{}", filler(fitting)))),
        NONE
    );
    let beyond = get(json!({}), &format!("{CHECK}{}", filler(fitting + 1)));
    assert_eq!(objections(&beyond), SYNTAX);
    assert_eq!(beyond.extras.len(), fitting);
}
