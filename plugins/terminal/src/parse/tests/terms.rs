//! §4.3, §9.5, §14: additional parameters, currency, service and limits; and the order of all objections.

use plugin_sdk::Reason;
use rstest::rstest;
use serde_json::{Value, json};

use super::{CHECK, INFO, PAY, PAY_A, both, objections, with};

const EXTRA: Option<Reason> = Some(Reason::ExtraInvalid);
const INVALID: Option<Reason> = Some(Reason::InvalidRequest);
const SMALL: Option<Reason> = Some(Reason::AmountTooSmall);
const LARGE: Option<Reason> = Some(Reason::AmountTooLarge);

fn limits() -> Value {
    json!({ "min": "10.00", "max": "100.00" })
}

fn enforced() -> Value {
    json!({ "min": "10.00", "max": "100.00", "check_amount": "enforce" })
}

fn exact() -> Value {
    json!({ "exact_amount": "50.00" })
}

#[rstest]
#[case::within(limits(), "50.00", None)]
#[case::at_min(limits(), "10.00", None)]
#[case::at_max(limits(), "100.00", None)]
#[case::below_min(limits(), "9.99", SMALL)]
#[case::above_max(limits(), "100.01", LARGE)]
#[case::exact(exact(), "50.00", None)]
#[case::below_exact(exact(), "49.99", SMALL)]
#[case::above_exact(exact(), "50.01", LARGE)]
#[case::zero(json!({}), "0.00", SMALL)]
#[case::zero_with_limits(limits(), "0.00", SMALL)]
#[case::one_kopeck(json!({}), "0.01", None)]
#[case::the_most_the_wire_carries(json!({}), "999999999999.99", None)]
fn pay_applies_the_limits(#[case] config: Value, #[case] sum: &str, #[case] expected: Option<Reason>) {
    assert_eq!(
        objections(&both(config.clone(), &with(PAY, "sum", sum))),
        [None, None, expected]
    );
    let mut enforcing = config.clone();
    enforcing["check_amount"] = json!("enforce");
    assert_eq!(
        objections(&both(enforcing, &with(CHECK, "sum", sum))),
        [None, None, expected]
    );
    assert_eq!(
        objections(&both(config, &with(CHECK, "sum", sum))),
        [None, None, None],
        "a dummy amount in check"
    );
}

#[rstest]
#[case("1.00")]
#[case("0.00")]
#[case("1000.00")]
fn info_never_applies_the_limits(#[case] sum: &str) {
    assert_eq!(
        objections(&both(enforced(), &with(INFO, "sum", sum))),
        [None, None, None]
    );
}

#[test]
fn variant_a_applies_the_limits_too() {
    let config = json!({ "variant": "A", "currencies": ["KZT", "RUB"] });
    assert_eq!(
        objections(&both(config, &with(PAY_A, "sum", "0.00"))),
        [None, None, SMALL]
    );
    let config = json!({ "variant": "A", "min": "10.46" });
    assert_eq!(objections(&both(config, PAY_A)), [None, None, SMALL]);
}

#[rstest]
#[case::accepted("KZT", None)]
#[case::accepted_by_number("398", None)]
#[case::known_but_not_accepted("USD", INVALID)]
#[case::known_but_not_accepted_by_number("840", INVALID)]
fn another_currency_is_code_300(#[case] sent: &str, #[case] expected: Option<Reason>) {
    let config = json!({ "currencies": ["RUB", "KZT"] });
    for request in [CHECK, PAY, INFO] {
        assert_eq!(
            objections(&both(config.clone(), &with(request, "ccy", sent))),
            [None, None, expected]
        );
    }
}

#[rstest]
#[case::listed(json!({ "services": ["101", "102"] }), "102", None)]
#[case::not_listed(json!({ "services": ["101", "102"] }), "103", INVALID)]
#[case::not_sent(json!({ "services": ["101"] }), "", None)]
#[case::no_list(json!({}), "103", None)]
#[case::no_number(json!({}), "abc", INVALID)]
#[case::too_long(json!({}), "12345678901", INVALID)]
fn another_service_is_code_300(#[case] config: Value, #[case] sent: &str, #[case] expected: Option<Reason>) {
    for request in [CHECK, PAY, INFO] {
        let request = both(config.clone(), &with(request, "prv_id", sent));
        assert_eq!(objections(&request), [None, None, expected]);
        assert_eq!(request.service.as_deref(), Some(sent).filter(|sent| !sent.is_empty()));
    }
}

#[rstest]
#[case::fits("123456", None)]
#[case::letters("12345a", EXTRA)]
#[case::only_a_part_fits("1234567", EXTRA)]
#[case::missing("", EXTRA)]
fn data_is_held_against_its_rule(#[case] sent: &str, #[case] expected: Option<Reason>) {
    let config = json!({ "data": [{ "name": "data1", "regex": "[0-9]{6}", "required": true }] });
    for request in [CHECK, PAY] {
        assert_eq!(
            objections(&both(config.clone(), &with(request, "data1", sent))),
            [None, None, expected]
        );
    }
    let in_info = expected.filter(|_| !sent.is_empty());
    assert_eq!(
        objections(&both(config, &with(INFO, "data1", sent))),
        [None, None, in_info]
    );
}

#[test]
fn data_without_a_rule_and_optional_data_are_accepted() {
    let config = json!({ "data": [{ "name": "data1", "regex": "[0-9]{6}" }] });
    assert_eq!(
        objections(&both(config, &with(PAY, "data2", "anything"))),
        [None, None, None]
    );
    let config = json!({ "data": [{ "name": "data1", "required": true }] });
    assert_eq!(
        objections(&both(config, &with(PAY, "data1", "anything"))),
        [None, None, None]
    );
}

/// §9.5: a request with everything wrong, put right from the front: each time the next objection shows.
#[test]
fn objections_come_in_the_order_of_the_page() {
    let config = json!({
        "account_regex": "[0-9]{10}",
        "services": ["101"],
        "max": "100.00",
        "data": [{ "name": "data1", "regex": "[0-9]+" }],
    });
    let step = |request: &str| {
        let [syntax, account, terms] = objections(&both(config.clone(), request));
        syntax.or(account).or(terms)
    };
    let format = Some(Reason::AccountFormat);
    let mut request = "command=pay&txn_id=x&txn_date=1&account=abc&ccy=USD&sum=200.00&prv_id=9&data1=a".to_owned();
    let repairs = [
        ("", "", INVALID),
        ("txn_id", "1", INVALID),
        ("txn_date", "20230615143000", format),
        ("account", "4957835959", EXTRA),
        ("data1", "7", INVALID),
        ("ccy", "RUB", INVALID),
        ("prv_id", "101", LARGE),
        ("sum", "100.00", None),
    ];
    for (name, value, expected) in repairs {
        if !name.is_empty() {
            request = with(&request, name, value);
        }
        assert_eq!(step(&request), expected, "{request}");
    }
}

#[test]
fn the_three_moments_do_not_hide_each_other() {
    let config = json!({ "account_regex": "[0-9]+", "data": [{ "name": "data1", "required": true }] });
    let request = both(config, "command=pay&account=abc&ccy=RUB");
    assert_eq!(objections(&request), [INVALID, Some(Reason::AccountFormat), EXTRA]);
}

/// §14, the vectors that need no state. A and BC, GET and POST.
#[rstest]
#[case::v1_check("check", "sum=1.00", [None, None, None])]
#[case::v3_check_without_sum("check", "", [INVALID, None, None])]
#[case::v4_check_off_the_regex("check", "sum=1.00&account=abc", [None, Some(Reason::AccountFormat), None])]
#[case::v5_pay("pay", "sum=1.00", [None, None, None])]
#[case::v8_pay_without_sum("pay", "", [INVALID, None, None])]
#[case::v11_pay_without_txn_id("pay", "sum=1.00&txn_id=", [INVALID, None, None])]
#[case::v12_pay_zero("pay", "sum=0", [INVALID, None, None])]
#[case::v12_pay_zero_well_formed("pay", "sum=0.00", [None, None, SMALL])]
#[case::v12_pay_negative("pay", "sum=-100", [INVALID, None, None])]
#[case::v19_pay_with_unknown_parameters("pay", "sum=1.00&custom_field=abc", [None, None, None])]
fn conformance_vectors(#[case] command: &str, #[case] parameters: &str, #[case] expected: [Option<Reason>; 3]) {
    for variant in ["A", "BC"] {
        let mut request = format!("command={command}&txn_id=1&account=4957835959&txn_date=20230615143000");
        if variant == "BC" {
            request = with(&request, "ccy", "RUB");
        }
        for pair in parameters.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap();
            request = with(&request, name, value);
        }
        let request = both(json!({ "variant": variant, "account_regex": "[0-9]{10}" }), &request);
        assert_eq!(objections(&request), expected, "variant {variant}");
        assert_eq!(
            request.extras.contains_key("custom_field"),
            parameters.contains("custom_field")
        );
    }
}
