use plugin_sdk::{Settlement, SettlementError};
use rstest::rstest;
use serde_json::{Value, json};

use crate::profile::tests::service;

/// §9.9, the page's own example.
const EXAMPLE: &str = "1234567890\t15.06.2023\t14:30:00\t4957835959\t200.00\n\
                       1234567891\t15.06.2023\t14:31:12\t4957835960\t50.50\n\
                       Total:\t2\t250.50";

const NAME: &str = "QIWI_101_202306151.csv";

fn read(config: Value, name: &str, bytes: &[u8]) -> Result<Settlement, SettlementError> {
    super::read(&service(config), name, bytes)
}

fn error(bytes: &[u8]) -> String {
    read(json!({}), NAME, bytes).unwrap_err().to_string()
}

fn period(settlement: &Settlement) -> (String, String) {
    (
        settlement.period.from.to_rfc3339(),
        settlement.period.until.to_rfc3339(),
    )
}

/// One row and its total.
fn one(row: &str) -> String {
    format!("{row}\nTotal:\t1\t200.00")
}

#[test]
fn the_example_of_the_page_is_read() {
    insta::assert_snapshot!(format!("{:#?}", read(json!({}), NAME, EXAMPLE.as_bytes()).unwrap()));
}

#[rstest]
#[case::cr_lf("\r\n")]
#[case::cr("\r")]
#[case::lf("\n")]
#[case::blank_lines("\r\n\r\n")]
fn every_line_end_is_read(#[case] end: &str) {
    let expected = read(json!({}), NAME, EXAMPLE.as_bytes()).unwrap();
    for last in ["", end] {
        let text = EXAMPLE.replace('\n', end) + last;
        let settlement = read(json!({}), NAME, text.as_bytes()).unwrap();
        assert_eq!((settlement.total, settlement.rows.len()), (expected.total, 2));
        assert_eq!(settlement.period, expected.period);
    }
}

#[test]
fn lines_are_counted_as_an_editor_counts_them() {
    let text = format!("To: merchant\r\n\r\n{}", EXAMPLE.replace('\n', "\r\n"));
    let settlement = read(json!({}), NAME, text.as_bytes()).unwrap();
    assert_eq!(settlement.rows.iter().map(|row| row.line).collect::<Vec<_>>(), [3, 4]);
}

#[test]
fn both_forms_of_a_date_are_read() {
    let dashed = EXAMPLE.replace("15.06.2023", "2023-06-15");
    assert_eq!(
        read(json!({}), NAME, dashed.as_bytes()),
        read(json!({}), NAME, EXAMPLE.as_bytes())
    );
}

#[test]
fn a_byte_order_mark_is_skipped() {
    let marked = format!("\u{FEFF}{EXAMPLE}");
    assert_eq!(
        read(json!({}), NAME, marked.as_bytes()),
        read(json!({}), NAME, EXAMPLE.as_bytes())
    );
}

#[test]
fn windows_1251_is_read_when_it_is_not_utf_8() {
    let mut bytes = b"\xCA\xEE\xEC\xF3: \xCC\xE0\xE3\xE0\xE7\xE8\xED\r\n".to_vec();
    bytes.extend_from_slice(b"1\t15.06.2023\t14:30:00\t\xC8\xE2\xE0\xED\t200.00\r\nTotal:\t1\t200.00");
    assert_eq!(read(json!({}), NAME, &bytes).unwrap().rows[0].account, "Иван");
}

#[test]
fn accounts_look_as_they_do_in_requests() {
    let text = one("1\t15.06.2023\t14:30:00\t +7 903 123-45-67 \t200.00");
    let account = |config| read(config, NAME, text.as_bytes()).unwrap().rows[0].account.clone();
    assert_eq!(account(json!({ "account_is_phone": true })), "79031234567");
    assert_eq!(account(json!({})), "+7 903 123-45-67");
}

#[rstest]
#[case::whole_days("15.06.2023", "15.06.2023", "2023-06-14T21:00:00+00:00", "2023-06-15T21:00:00+00:00")]
#[case::several_days_in_any_order("17.06.2023", "15.06.2023", "2023-06-14T21:00:00+00:00", "2023-06-17T21:00:00+00:00")]
#[case::a_day_of_25_hours("26.10.2014", "26.10.2014", "2014-10-25T20:00:00+00:00", "2014-10-26T21:00:00+00:00")]
fn the_period_is_the_moscow_days_of_the_rows(
    #[case] first: &str,
    #[case] second: &str,
    #[case] from: &str,
    #[case] until: &str,
) {
    let text = format!("1\t{first}\t00:00:00\ta\t1.00\n2\t{second}\t23:59:59\tb\t1.00\nTotal:\t2\t2.00");
    let settlement = read(json!({}), "any.csv", text.as_bytes()).unwrap();
    assert_eq!(period(&settlement), (from.to_owned(), until.to_owned()));
    for row in &settlement.rows {
        assert!(settlement.period.from <= row.booked_at && row.booked_at < settlement.period.until);
    }
}

#[test]
fn a_file_without_payments_speaks_of_the_day_in_its_name() {
    let settlement = read(json!({}), NAME, b"Total:\t0\t0.00").unwrap();
    assert_eq!(settlement.rows, []);
    assert_eq!(
        period(&settlement),
        (
            "2023-06-14T21:00:00+00:00".to_owned(),
            "2023-06-15T21:00:00+00:00".to_owned()
        )
    );
    assert!(read(json!({}), "june.csv", b"Total:\t0\t0.00").is_err());
}

#[rstest]
#[case::own_service(NAME, true)]
#[case::second_file_of_the_day("QIWI_101_2023061512.csv", true)]
#[case::in_a_directory("incoming/QIWI_101_202306151.csv", true)]
#[case::other_service("QIWI_102_202306151.csv", false)]
#[case::other_service_in_a_directory("incoming/QIWI_102_202306151.csv", false)]
#[case::service_that_looks_alike("QIWI_1_101_202306151.csv", false)]
#[case::payers("QIWI_PAYER_101_202306151.csv", false)]
#[case::agreed_otherwise("registry-2023-06-15.txt", true)]
#[case::no_serial_number("QIWI_102_20230615.csv", true)]
#[case::no_such_day("QIWI_102_202306311.csv", true)]
fn a_file_of_another_service_is_refused(#[case] name: &str, #[case] accepted: bool) {
    let config = json!({ "registry": { "service_id": "101" } });
    assert_eq!(read(config, name, EXAMPLE.as_bytes()).is_ok(), accepted);
}

#[test]
fn without_a_service_id_any_service_is_accepted() {
    assert!(read(json!({}), "QIWI_102_202306151.csv", EXAMPLE.as_bytes()).is_ok());
}

#[test]
fn amounts_are_in_the_first_currency() {
    let settlement = read(json!({ "currencies": ["KZT", "RUB"] }), NAME, EXAMPLE.as_bytes()).unwrap();
    assert_eq!(settlement.total.to_string(), "250.50 KZT");
}

#[rstest]
#[case::empty_file("", "no Total: row")]
#[case::no_total("1\t15.06.2023\t14:30:00\ta\t200.00", "no Total: row")]
#[case::wrong_count(&EXAMPLE.replace("\t2\t", "\t3\t"), "line 3: the total says 3 payments")]
#[case::wrong_sum(&EXAMPLE.replace("250.50", "250.51"), "250.51 RUB, the rows are 2 of 250.50 RUB")]
#[case::total_without_sum(&EXAMPLE.replace("\t250.50", ""), "line 3: the total must have 3 fields")]
#[case::total_is_no_amount(&EXAMPLE.replace("250.50", "250,50"), "line 3: '250,50' is not an amount")]
#[case::row_after_the_total(&format!("{EXAMPLE}\n1\t15.06.2023\t14:30:00\ta\t1.00"), "line 4: something follows")]
#[case::text_after_the_total(&format!("{EXAMPLE}\nRegards"), "line 4: something follows")]
#[case::text_between_rows(&EXAMPLE.replacen('\n', "\npage 2\n", 1), "line 2: a row must have 5 fields")]
#[case::payment_twice(&EXAMPLE.replace("1234567891", "1234567890"), "line 2: payment 1234567890 is in the file twice")]
#[case::four_fields(&one("1\t15.06.2023\t14:30:00\t200.00"), "line 1: a row must have 5 fields")]
#[case::six_fields(&one("1\t15.06.2023\t14:30:00\ta\t200.00\tx"), "line 1: a row must have 5 fields")]
#[case::heading(&one("txn_id\tdate\ttime\taccount\tsum"), "line 1: the first field is not a txn_id")]
#[case::key_too_long(&one("123456789012345678901\t15.06.2023\t14:30:00\ta\t200.00"), "not a txn_id")]
#[case::date_american(&one("1\t06/15/2023\t14:30:00\ta\t200.00"), "the second field is not a date")]
#[case::date_impossible(&one("1\t31.06.2023\t14:30:00\ta\t200.00"), "the second field is not a date")]
#[case::date_short(&one("1\t15.06.23\t14:30:00\ta\t200.00"), "the second field is not a date")]
#[case::date_mixed(&one("1\t2023-06.15\t14:30:00\ta\t200.00"), "the second field is not a date")]
#[case::time_short(&one("1\t15.06.2023\t14:30\ta\t200.00"), "the third field is not a time")]
#[case::time_impossible(&one("1\t15.06.2023\t25:30:00\ta\t200.00"), "the third field is not a time")]
#[case::account_empty(&one("1\t15.06.2023\t14:30:00\t \t200.00"), "the fourth field is not an account")]
#[case::account_too_long(&one(&format!("1\t15.06.2023\t14:30:00\t{}\t200.00", "a".repeat(201))), "not an account")]
#[case::amount_negative(&one("1\t15.06.2023\t14:30:00\ta\t-200.00"), "the amount is negative")]
#[case::amount_too_precise(&one("1\t15.06.2023\t14:30:00\ta\t200.001"), "more decimal places")]
#[case::amount_empty(&one("1\t15.06.2023\t14:30:00\ta\t"), "is not an amount")]
fn a_wrong_file_says_what_is_wrong(#[case] text: &str, #[case] message: &str) {
    let found = error(text.as_bytes());
    assert!(found.contains(message), "{found}");
}

#[test]
fn a_file_is_bounded() {
    assert!(error(&vec![b'\n'; super::BYTES_MAX + 1]).contains("bytes"));
    let rows: String = (0..=super::ROWS_MAX)
        .map(|key| format!("{key}\t15.06.2023\t14:30:00\ta\t1.00\n"))
        .collect();
    assert!(error(rows.as_bytes()).contains("more than 1000000 payments"));
}
