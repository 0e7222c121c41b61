//! Every wire example of `protocols/terminal.md` §6: the requests as they are read, by GET and by POST, and the answers
//! byte for byte.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use plugin_sdk::{
    Field, InboundConnection, NetworkAnswer, NetworkRequest, Plugin, RawAnswer, RawRequest, Reason, Refusal,
};
use plugin_terminal::TerminalPlugin;
use rstest::rstest;
use serde_json::json;

fn connection(variant: &str) -> Box<dyn InboundConnection> {
    TerminalPlugin::new()
        .inbound()
        .unwrap()
        .bind(&json!({ "variant": variant }))
        .unwrap()
}

fn get(variant: &str, query: &str) -> NetworkRequest {
    connection(variant).parse(&RawRequest {
        method: "GET",
        query,
        content_type: None,
        body: b"",
    })
}

fn post(variant: &str, body: &str) -> NetworkRequest {
    let content_type = Some("application/x-www-form-urlencoded");
    connection(variant).parse(&RawRequest {
        method: "POST",
        query: "",
        content_type,
        body: body.as_bytes(),
    })
}

fn field(name: &str, value: &str) -> Field {
    Field {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

fn refused(reason: Reason, comment: &str) -> NetworkAnswer {
    NetworkAnswer::refused(Refusal {
        reason,
        comment: Some(comment.to_owned()),
    })
}

const INFO: &str = "command=getInfo&account=4957835959&ccy=RUB&prv_id=101&sum=200.00";
const INFO_WITH_DATA: &str = "command=getInfo&account=4957835959&ccy=RUB&prv_id=101&sum=200.00&data1=123456";
const CHECK_A: &str = "command=check&txn_id=1234567&account=4957835959&sum=10.45";
const CHECK_A_WITH_OPTIONS: &str =
    "command=check&txn_id=1234567&account=4957835959&sum=200.00&pay_type=1&trm_id=4151200&data1=123456";
const CHECK: &str = "command=check&txn_id=1234567890&account=4957835959&ccy=RUB&sum=200.00&prv_id=101&data1=123456";
const PAY_A: &str = "command=pay&txn_id=1234567&txn_date=20090815120133&account=4957835959&sum=10.45";
const PAY_A_WITH_OPTIONS: &str = "command=pay&txn_id=1234567&account=4957835959&sum=500.00&txn_date=20110101120005\
                                  &pay_type=1&trm_id=4151200&data1=123456";
const PAY: &str = "command=pay&txn_id=1234567890&txn_date=20230615143000&account=4957835959&ccy=RUB&sum=200.00\
                   &prv_id=101&data1=123456";

#[rstest]
#[case::info("6_1_info", "BC", INFO)]
#[case::info_with_data("6_1_info_with_data", "BC", INFO_WITH_DATA)]
#[case::check_a("6_2_check_a", "A", CHECK_A)]
#[case::check_a_with_options("6_2_check_a_with_options", "A", CHECK_A_WITH_OPTIONS)]
#[case::check("6_3_check", "BC", CHECK)]
#[case::pay_a("6_4_pay_a", "A", PAY_A)]
#[case::pay_a_with_options("6_4_pay_a_with_options", "A", PAY_A_WITH_OPTIONS)]
#[case::pay("6_5_pay", "BC", PAY)]
fn a_request_is_read_the_same_by_get_and_by_post(#[case] name: &str, #[case] variant: &str, #[case] parameters: &str) {
    let request = get(variant, parameters);
    assert_eq!(request, post(variant, parameters));
    assert_eq!(request.objections, plugin_sdk::Objections::default());
    insta::assert_snapshot!(format!("request_{name}"), format!("{request:#?}"));
}

/// The page's own arithmetic, so that the constants above are its bodies and not something near them.
#[rstest]
#[case(INFO_WITH_DATA, 77)]
#[case(CHECK_A, 57)]
#[case(CHECK, 93)]
#[case(PAY_A, 79)]
#[case(PAY, 115)]
fn a_request_body_has_the_printed_length(#[case] body: &str, #[case] content_length: usize) {
    assert_eq!(body.len(), content_length);
}

fn assert_answer(name: &str, request: &NetworkRequest, variant: &str, answer: &NetworkAnswer, content_length: usize) {
    let RawAnswer {
        status,
        content_type,
        headers,
        body,
    } = connection(variant).render(request, answer);
    assert_eq!((status, content_type), (200, Some("text/xml; charset=utf-8")));
    assert_eq!(headers, []);
    assert_eq!(body.len(), content_length, "{body}");
    assert!(!body.contains('\r') && !body.ends_with('\n'));
    insta::assert_snapshot!(format!("answer_{name}"), body);
}

#[test]
fn info_succeeds() {
    let fields = vec![field("fio", "Ivanov I. P."), field("balance", "152.17")];
    let answer = NetworkAnswer {
        fields,
        ..NetworkAnswer::accepted()
    };
    assert_answer("6_1_info", &get("BC", INFO), "BC", &answer, 201);
}

#[test]
fn info_finds_nobody() {
    let answer = refused(Reason::AccountNotFound, "Subscriber not found");
    assert_answer("6_1_info_not_found", &get("BC", INFO), "BC", &answer, 120);
}

#[test]
fn check_of_variant_a_succeeds_with_an_empty_comment() {
    assert_answer("6_2_check_a", &get("A", CHECK_A), "A", &NetworkAnswer::accepted(), 135);
}

#[test]
fn check_succeeds_with_fields() {
    let answer = NetworkAnswer {
        fields: vec![field("fio", "Ivanov I. P.")],
        ..NetworkAnswer::accepted()
    };
    assert_answer("6_3_check", &get("BC", CHECK), "BC", &answer, 200);
}

/// The shape that QIWI printed is indented: four spaces before each of three lines, so 196 bytes there are 184 here.
#[test]
fn check_fails_in_the_words_that_qiwi_printed() {
    let answer = refused(
        Reason::AccountNotFound,
        "Subscriber not found or incorrect phone number",
    );
    assert_answer("6_3_check_not_found", &get("BC", CHECK), "BC", &answer, 196 - 3 * 4);
}

#[test]
fn pay_of_variant_a_succeeds() {
    assert_answer(
        "6_4_pay_a",
        &get("A", PAY_A),
        "A",
        &NetworkAnswer::accepted().with_number(2016),
        178,
    );
}

#[test]
fn pay_succeeds() {
    assert_answer(
        "6_5_pay",
        &get("BC", PAY),
        "BC",
        &NetworkAnswer::accepted().with_number(2016),
        197,
    );
}

#[rstest]
#[case(Reason::Temporary, 1, 167)]
#[case(Reason::AccountFormat, 4, 158)]
#[case(Reason::AccountNotFound, 5, 155)]
#[case(Reason::Forbidden, 7, 163)]
#[case(Reason::ExtraInvalid, 31, 165)]
#[case(Reason::RateChanged, 32, 160)]
#[case(Reason::AccountInactive, 79, 160)]
#[case(Reason::InProgress, 90, 165)]
#[case(Reason::AmountTooSmall, 241, 159)]
#[case(Reason::AmountTooLarge, 242, 159)]
#[case(Reason::AccountUnverifiable, 243, 171)]
#[case(Reason::InvalidRequest, 300, 154)]
fn every_error_has_its_printed_body(#[case] reason: Reason, #[case] code: u16, #[case] content_length: usize) {
    let answer = NetworkAnswer::refused(reason);
    for request in [get("BC", PAY), get("BC", CHECK)] {
        assert_answer(&format!("6_6_error_{code}"), &request, "BC", &answer, content_length);
    }
    assert!(
        connection("BC")
            .render(&get("BC", PAY), &answer)
            .body
            .contains(&format!("<result>{code}</result>"))
    );
}

#[test]
fn a_missing_txn_id_is_echoed_as_an_empty_tag() {
    let request = get("BC", "command=check&account=4957835959&ccy=RUB&sum=200.00");
    let refusal = request.objections.syntax.clone().unwrap();
    assert_answer(
        "6_6_error_without_txn_id",
        &request,
        "BC",
        &NetworkAnswer::refused(refusal),
        144,
    );
}

#[test]
fn a_wrong_login_gets_a_challenge_and_nothing_else() {
    let headers = vec![("WWW-Authenticate", "Basic realm=\"terminal\"".to_owned())];
    let expected = RawAnswer {
        status: 401,
        content_type: None,
        headers,
        body: String::new(),
    };
    assert_eq!(connection("BC").render_unauthorized(), expected);
}
