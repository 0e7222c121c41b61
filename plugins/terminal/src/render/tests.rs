use plugin_sdk::{Command, Field, NetworkAnswer, NetworkRequest, RawRequest, Reason, Refusal};
use rstest::rstest;
use serde_json::{Value, json};

use crate::profile::tests::service;

const CHECK: &str = "command=check&txn_id=1234567890&account=4957835959&ccy=RUB&sum=200.00";
const PAY: &str = "command=pay&txn_id=1234567890&txn_date=20230615143000&account=4957835959&ccy=RUB&sum=200.00";
const INFO: &str = "command=getInfo&account=4957835959&ccy=RUB";

fn request(config: &Value, query: &str) -> NetworkRequest {
    let raw = RawRequest {
        method: "GET",
        query,
        content_type: None,
        body: b"",
    };
    crate::parse::parse(&service(config.clone()), &raw)
}

/// The lines between `<response>` and `</response>`.
fn lines(config: Value, query: &str, answer: &NetworkAnswer) -> Vec<String> {
    let body = super::render(&service(config.clone()), &request(&config, query), answer).body;
    let inner = body
        .strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<response>\n")
        .unwrap();
    let inner = inner.strip_suffix("</response>").unwrap();
    inner.lines().map(str::to_owned).collect()
}

fn line(config: Value, query: &str, answer: &NetworkAnswer, tag: &str) -> Option<String> {
    lines(config, query, answer)
        .into_iter()
        .find(|line| line.starts_with(&format!("<{tag}>")))
}

fn field(name: &str, value: &str) -> Field {
    Field {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

fn accepted_with(fields: Vec<Field>) -> NetworkAnswer {
    NetworkAnswer {
        fields,
        ..NetworkAnswer::accepted()
    }
}

fn refused_with(comment: &str) -> NetworkAnswer {
    NetworkAnswer::refused(Refusal {
        reason: Reason::Forbidden,
        comment: Some(comment.to_owned()),
    })
}

/// Rows of §7.1 and §7.2: code in B/C, code in A, and whether QIWI must not come again.
#[rstest]
#[case(Reason::Temporary, "1", "1", false)]
#[case(Reason::AccountFormat, "4", "4", true)]
#[case(Reason::AccountNotFound, "5", "5", true)]
#[case(Reason::Forbidden, "7", "7", true)]
#[case(Reason::ExtraInvalid, "31", "300", true)]
#[case(Reason::RateChanged, "32", "300", true)]
#[case(Reason::AccountInactive, "79", "79", true)]
#[case(Reason::InProgress, "90", "90", false)]
#[case(Reason::AmountTooSmall, "241", "241", true)]
#[case(Reason::AmountTooLarge, "242", "242", true)]
#[case(Reason::AccountUnverifiable, "243", "243", true)]
#[case(Reason::InvalidRequest, "300", "300", true)]
fn a_reason_has_its_code_and_its_fatality(
    #[case] reason: Reason,
    #[case] code: &str,
    #[case] code_in_a: &str,
    #[case] fatal: bool,
) {
    let answer = NetworkAnswer::refused(reason);
    let result = |config, query| line(config, query, &answer, "result").unwrap();
    for query in [PAY, CHECK, INFO] {
        assert_eq!(result(json!({}), query), format!("<result>{code}</result>"));
    }
    assert_eq!(
        result(json!({ "variant": "A" }), PAY),
        format!("<result>{code_in_a}</result>")
    );
    // The gateway keeps a final refusal for ever, so its notion must be the network's.
    assert_eq!(reason.is_final(), fatal);
    for sent in [code, code_in_a] {
        assert_eq!(!["1", "90"].contains(&sent), fatal);
    }
}

#[test]
fn code_90_can_be_switched_off() {
    let answer = NetworkAnswer::refused(Reason::InProgress);
    let expected = [
        "<osmp_txn_id>1234567890</osmp_txn_id>",
        "<result>1</result>",
        "<comment>Temporary error, repeat later</comment>",
    ];
    assert_eq!(lines(json!({ "use_90": false }), PAY, &answer), expected);
}

#[test]
fn pay_has_its_tags_in_the_order_of_the_page() {
    let answer = NetworkAnswer {
        fields: vec![field("prv-date", "now")],
        ..NetworkAnswer::accepted().with_number(7)
    };
    insta::assert_snapshot!(lines(json!({}), PAY, &answer).join("\n"), @r#"
    <osmp_txn_id>1234567890</osmp_txn_id>
    <prv_txn>7</prv_txn>
    <sum>200.00</sum>
    <ccy>RUB</ccy>
    <result>0</result>
    <comment>OK</comment>
    <fields>
    <field1 name="prv-date">now</field1>
    </fields>
    "#);
}

#[test]
fn check_of_a_paid_payment_names_its_number() {
    insta::assert_snapshot!(lines(json!({}), CHECK, &NetworkAnswer::accepted().with_number(2016)).join("\n"), @r"
    <osmp_txn_id>1234567890</osmp_txn_id>
    <prv_txn>2016</prv_txn>
    <result>0</result>
    <comment>OK</comment>
    ");
}

#[test]
fn info_has_neither_key_nor_number() {
    let answer = NetworkAnswer::accepted().with_number(2016);
    assert_eq!(
        lines(json!({}), INFO, &answer),
        ["<result>0</result>", "<comment>OK</comment>"]
    );
}

#[rstest]
#[case::unless_switched_off(json!({ "echo_ccy": false }), PAY, None)]
#[case::as_received(json!({}), &PAY.replace("RUB", "643"), Some("643"))]
#[case::not_in_a(json!({ "variant": "A" }), PAY, None)]
#[case::in_a_on_demand(json!({ "variant": "A", "echo_ccy": true }), PAY, Some("RUB"))]
#[case::in_a_when_sent(json!({ "variant": "A", "echo_ccy": true }), &PAY.replace("&ccy=RUB", ""), None)]
#[case::not_in_check(json!({}), CHECK, None)]
fn the_currency_is_echoed(#[case] config: Value, #[case] query: &str, #[case] expected: Option<&str>) {
    let found = line(config, query, &NetworkAnswer::accepted().with_number(1), "ccy");
    assert_eq!(found, expected.map(|code| format!("<ccy>{code}</ccy>")));
}

#[rstest]
#[case("RUB", "10.45")]
#[case("RUB", "10.40")]
#[case("RUB", "10.00")]
#[case("JPY", "200.00")]
#[case("KWD", "1.50")]
#[case("KWD", "1.05")]
#[case("KWD", "20.00")]
fn the_sum_has_two_decimals_in_any_currency(#[case] currency: &str, #[case] sum: &str) {
    let config = json!({ "currencies": [currency] });
    let query = PAY.replace("RUB", currency).replace("200.00", sum);
    let found = line(config, &query, &NetworkAnswer::accepted().with_number(1), "sum");
    assert_eq!(found, Some(format!("<sum>{sum}</sum>")));
}

#[rstest]
#[case::check(CHECK, "BC", "OK")]
#[case::pay(PAY, "BC", "OK")]
#[case::info(INFO, "BC", "OK")]
#[case::check_a(CHECK, "A", "")]
#[case::pay_a(PAY, "A", "OK")]
fn a_success_has_its_usual_comment_or_the_given_one(#[case] query: &str, #[case] variant: &str, #[case] usual: &str) {
    let config = || json!({ "variant": variant });
    let answer = NetworkAnswer::accepted().with_number(1);
    assert_eq!(
        line(config(), query, &answer, "comment"),
        Some(format!("<comment>{usual}</comment>"))
    );
    let answer = NetworkAnswer {
        comment: Some("Thank you".to_owned()),
        ..answer
    };
    assert_eq!(
        line(config(), query, &answer, "comment").as_deref(),
        Some("<comment>Thank you</comment>")
    );
}

#[rstest]
#[case::text("a < b & c > d \"e\" 'f'", "a &lt; b &amp; c &gt; d \"e\" 'f'")]
#[case::end_of_cdata("]]>", "]]&gt;")]
#[case::not_in_xml("a\u{0}b\u{8}c\u{1F}d\u{FFFE}e\u{FFFF}f", "abcdef")]
#[case::allowed("\tИван\u{1F600}\u{FFFD}", "\tИван\u{1F600}\u{FFFD}")]
#[case::carriage_return("a\rb", "a&#13;b")]
fn a_comment_is_escaped(#[case] comment: &str, #[case] expected: &str) {
    let found = line(json!({}), PAY, &refused_with(comment), "comment");
    assert_eq!(found, Some(format!("<comment>{expected}</comment>")));
}

#[rstest]
#[case::as_long_as_allowed(255, 255)]
#[case::longer(256, 255)]
fn a_comment_is_cut_in_characters(#[case] given: usize, #[case] kept: usize) {
    // The characters that are dropped do not count, and an escape is never cut in half.
    let comment = format!("\u{0}{}", "&".repeat(given));
    let found = line(json!({}), PAY, &refused_with(&comment), "comment");
    assert_eq!(found, Some(format!("<comment>{}</comment>", "&amp;".repeat(kept))));
}

#[rstest]
#[case::as_received("00012", "00012")]
#[case::escaped("%3Cb%3E%26", "&lt;b&gt;&amp;")]
#[case::cut("123456789012345678901", "12345678901234567890")]
#[case::without_what_xml_lacks("1%012", "12")]
#[case::missing("", "")]
fn the_key_is_echoed(#[case] sent: &str, #[case] expected: &str) {
    let query = PAY.replace("txn_id=1234567890", &format!("txn_id={sent}"));
    let found = line(
        json!({}),
        &query,
        &NetworkAnswer::refused(Reason::InvalidRequest),
        "osmp_txn_id",
    );
    assert_eq!(found, Some(format!("<osmp_txn_id>{expected}</osmp_txn_id>")));
}

#[test]
fn fields_are_numbered_and_escaped() {
    let fields = vec![field("a\"b\n", "<1>"), field("", "2"), field("c", "")];
    insta::assert_snapshot!(lines(json!({}), CHECK, &accepted_with(fields)).join("\n"), @r#"
    <osmp_txn_id>1234567890</osmp_txn_id>
    <result>0</result>
    <comment>OK</comment>
    <fields>
    <field1 name="a&quot;b&#10;">&lt;1&gt;</field1>
    <field2>2</field2>
    <field3 name="c"></field3>
    </fields>
    "#);
}

#[test]
fn fields_are_mapped_in_the_order_of_the_profile_without_gaps() {
    let config = json!({ "fields": [
        { "name": "balance" },
        { "name": "debt", "source": "not_returned" },
        { "name": "fio", "source": "customer" },
    ]});
    let fields = vec![
        field("customer", "Ivanov"),
        field("secret", "x"),
        field("balance", "1.00"),
    ];
    let shown: Vec<_> = lines(config, CHECK, &accepted_with(fields))
        .into_iter()
        .filter(|line| line.starts_with("<field"))
        .collect();
    assert_eq!(
        shown,
        [
            "<fields>",
            "<field1 name=\"balance\">1.00</field1>",
            "<field2 name=\"fio\">Ivanov</field2>"
        ]
    );
}

#[test]
fn a_section_without_fields_is_left_out() {
    let answer = accepted_with(vec![field("fio", "Ivanov")]);
    assert_eq!(line(json!({ "fields": [] }), CHECK, &answer, "fields"), None);
    assert_eq!(
        line(json!({ "fields": [{ "name": "debt" }] }), CHECK, &answer, "fields"),
        None
    );
}

#[test]
fn a_refusal_shows_no_fields_and_no_number() {
    let answer = NetworkAnswer {
        fields: vec![field("fio", "Ivanov")],
        ..refused_with("No").with_number(5)
    };
    let expected = [
        "<osmp_txn_id>1234567890</osmp_txn_id>",
        "<result>7</result>",
        "<comment>No</comment>",
    ];
    assert_eq!(lines(json!({}), PAY, &answer), expected);
}

#[rstest]
#[case::pay_without_number(PAY, NetworkAnswer::accepted(), "1")]
#[case::pay_without_amount("command=pay&txn_id=1", NetworkAnswer::accepted().with_number(1), "1")]
#[case::unknown_command("command=cancel&txn_id=1", NetworkAnswer::accepted().with_number(1), "300")]
fn a_success_that_cannot_be_told_in_full_is_not_told(
    #[case] query: &str,
    #[case] answer: NetworkAnswer,
    #[case] code: &str,
) {
    assert_eq!(
        line(json!({}), query, &answer, "result"),
        Some(format!("<result>{code}</result>"))
    );
    assert_eq!(line(json!({}), query, &answer, "prv_txn"), None);
}

#[test]
fn a_repeat_gets_the_same_bytes() {
    let (config, answer) = (json!({}), NetworkAnswer::accepted().with_number(u64::MAX));
    let bytes = || super::render(&service(config.clone()), &request(&config, PAY), &answer);
    assert_eq!(bytes(), bytes());
    assert!(bytes().body.contains("<prv_txn>18446744073709551615</prv_txn>"));
    assert_eq!(request(&config, PAY).command, Command::Pay);
}
