//! Hooks of the network (§11.1, §11.2). The signature covers the amount, the account and the transaction, but neither its
//! state nor the message: so a hook is a reason to ask, never a proof.

use std::collections::BTreeMap;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use plugin_sdk::RawAnswer;
use plugin_sdk::connector::{Notification, NotificationError, NotificationRequest, Report, StepKind, Subject};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::status::state;
use crate::wire::{Amount, Transaction, Word, scalar};

/// What has to be signed: whoever could leave one out could write it.
const SIGNED: [&str; 5] = ["sum.currency", "sum.amount", "type", "account", "txnId"];
/// Fields that one message may sign, and steps of a path.
const SIGN_FIELDS_MAX: usize = 32;
const PATH_STEPS_MAX: usize = 8;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hook {
    #[serde(default)]
    message_id: Word,
    #[serde(default)]
    payment: Option<Box<RawValue>>,
    #[serde(default)]
    hash: Word,
    #[serde(default)]
    test: Word,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Signed {
    #[serde(default)]
    sign_fields: Word,
}

/// `key` is what its Base64 says.
pub fn read(key: &[u8], request: &NotificationRequest<'_>) -> Result<Notification, NotificationError> {
    let hook: Hook = serde_json::from_slice(request.body).map_err(|_| malformed("it is no hook"))?;
    let id = hook.message_id.told();
    let Some(payment) = hook.payment else {
        // §15 A20: a test call; there is nothing in it to sign and nothing to do.
        if hook.test.is_true() {
            return Ok(notification(id, Subject::Nothing, Vec::new()));
        }
        return Err(malformed("it tells of no payment"));
    };
    let signed: Signed = serde_json::from_str(payment.get()).map_err(|_| malformed("its payment is no object"))?;
    let hash = hook.hash.or_empty();
    if !is_signed(key, &payment, signed.sign_fields.or_empty(), hash) {
        return Err(NotificationError::Forged(answer(401)));
    }
    let transaction: Transaction =
        serde_json::from_str(payment.get()).map_err(|_| malformed("its payment cannot be read"))?;
    let Some(txn_id) = transaction.txn_id.told() else {
        return Err(malformed("its payment has no number"));
    };
    if hook.test.is_true() || transaction.kind.text() != Some("OUT") {
        // Money that came in is nobody's order; the history has it.
        return Ok(notification(id, Subject::Nothing, Vec::new()));
    }
    let mut report = Report::new(StepKind::Payout, state(&transaction)).with_network_id(txn_id.clone());
    report.amount = transaction.sum.as_ref().and_then(Amount::money);
    report.at = transaction.at();
    Ok(notification(id, Subject::NetworkId(txn_id), vec![report]))
}

/// §11.2. Numbers are taken as they were written; when that fails, in their shortest form.
fn is_signed(key: &[u8], payment: &RawValue, sign_fields: &str, hash: &str) -> bool {
    let fields: Vec<&str> = sign_fields.split(',').map(str::trim).collect();
    let covers = SIGNED.iter().all(|wanted| fields.contains(wanted));
    if !covers || fields.len() > SIGN_FIELDS_MAX {
        return false;
    }
    let verify = |shorten: bool| {
        let parts: Vec<_> = fields.iter().map(|path| rendered(payment, path, shorten)).collect();
        let expected = sign(key, &parts.join("|"));
        verify_slices_are_equal(expected.as_bytes(), hash.as_bytes()).is_ok()
    };
    verify(false) || verify(true)
}

/// Lower-case hexadecimal digits of HMAC-SHA256.
fn sign(key: &[u8], text: &str) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes());
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What stands at a path of the payment; `null` when nothing does.
fn rendered(payment: &RawValue, path: &str, shorten: bool) -> String {
    let mut at = payment.to_owned();
    for name in path.split('.').take(PATH_STEPS_MAX) {
        let members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(at.get()).unwrap_or_default();
        match members.into_iter().find(|(known, _)| known == name) {
            Some((_, value)) => at = value,
            None => return "null".to_owned(),
        }
    }
    let text = scalar(&at).unwrap_or_else(|| "null".to_owned());
    if shorten && !at.get().starts_with('"') {
        shortest(&text)
    } else {
        text
    }
}

/// `1.00` as `1`, `1.50` as `1.5`.
fn shortest(number: &str) -> String {
    match number.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|byte| byte.is_ascii_digit()) => {
            match fraction.trim_end_matches('0') {
                "" => whole.to_owned(),
                rest => format!("{whole}.{rest}"),
            }
        }
        _ => number.to_owned(),
    }
}

fn notification(id: Option<String>, subject: Subject, reports: Vec<Report>) -> Notification {
    Notification {
        id,
        subject,
        reports,
        must_confirm: true,
        answer: answer(200),
    }
}

fn malformed(message: &str) -> NotificationError {
    NotificationError::Malformed {
        message: message.to_owned(),
        answer: answer(400),
    }
}

/// The network reads the status alone.
fn answer(status: u16) -> RawAnswer {
    RawAnswer {
        status,
        content_type: None,
        headers: Vec::new(),
        body: String::new(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use rstest::rstest;

    const KEY: &str = "JcyVhjHCvHQwufz+IHXolyqHgEc5MoayBfParl6Guoc=";
    const HASH: &str = "f05c4e7bdf00620205d47696d77f924bfd3ba4d02b0398ac8a626e737dc27243";

    fn key() -> Vec<u8> {
        base64::engine::general_purpose::STANDARD.decode(KEY).unwrap()
    }

    #[rstest]
    #[case("643|1|IN|+79161112233|13353941550", HASH)]
    #[case(
        "643|1.73|OUT|9121112233|13117338074",
        "99c23818663ec6d14d094ad9a84a2e2673a141f09ffd60a35262639651e6165a"
    )]
    #[case(
        "643|1.01|OUT|borya241203|13126423989",
        "5353723e54ebcf5c84a647c4e69fac948371b0a33355e562e98b0bf340b37f3c"
    )]
    #[case(
        "643|100|OUT|+79121112233|4969142201",
        "6661d5e50e282ff047e574be63fef7cd23aba90d38b29cf6c326a7867c666df8"
    )]
    fn every_vector_of_the_page_is_signed_as_it_says(#[case] text: &str, #[case] hash: &str) {
        assert_eq!(sign(&key(), text), hash);
    }

    /// The page's own message, with the hash that its text computes.
    fn message(amount: &str, hash: &str) -> String {
        format!(
            r#"{{"messageId":"7814c49d-2d29-4b14-b2dc-36b377c76156","hookId":"5e2027d1-f5f3-4ad1-b409-058b8b8a8c22",
            "payment":{{"txnId":"13353941550","date":"2018-06-27T13:39:00+03:00","type":"IN","status":"SUCCESS",
            "errorCode":"0","personId":78000008000,"account":"+79161112233","comment":"","provider":7,
            "sum":{{"amount":{amount},"currency":643}},"commission":{{"amount":0,"currency":643}},
            "total":{{"amount":1,"currency":643}},
            "signFields":"sum.currency,sum.amount,type,account,txnId"}},
            "hash":"{hash}","version":"1.0.0","test":false}}"#
        )
    }

    fn parse(key: &[u8], body: &str) -> Result<Notification, NotificationError> {
        let request = NotificationRequest {
            method: "POST",
            query: "",
            headers: &[],
            body: body.as_bytes(),
        };
        read(key, &request)
    }

    #[test]
    fn the_message_of_the_page_verifies_and_tells_of_nothing_of_ours() {
        let read = parse(&key(), &message("1", HASH)).unwrap();
        assert_eq!(read.id.as_deref(), Some("7814c49d-2d29-4b14-b2dc-36b377c76156"));
        assert_eq!((read.subject, read.answer.status), (Subject::Nothing, 200));
    }

    #[test]
    fn numbers_verify_as_written_and_in_their_shortest_form() {
        assert!(parse(&key(), &message("1.00", HASH)).is_ok());
        let as_written = sign(&key(), "643|1.00|IN|+79161112233|13353941550");
        assert!(parse(&key(), &message("1.00", &as_written)).is_ok());
        assert!(parse(&key(), &message("1", &as_written)).is_err());
    }

    #[rstest]
    #[case::key_as_text(message("1", "4856e3d5f359977314bc5a17c0c4e4cb1aeeafb977c6e216e945dbd62933f773"))]
    #[case::no_key(message("1", "11300ce9f0950d312e06de7c97c3505f4071afe41708b31c568fe5e7e64d16d0"))]
    #[case::docs_sample(message("1", "76687ffe5c516c793faa46fafba0994e7ca7a6d735966e0e0c0b65eaa43bdca0"))]
    #[case::another_amount(message("2", HASH))]
    #[case::upper_case(message("1", &HASH.to_uppercase()))]
    #[case::no_hash(message("1", ""))]
    #[case::unsigned_amount(message("1", HASH).replace("sum.currency,sum.amount,", ""))]
    fn what_the_key_did_not_sign_is_refused(#[case] body: String) {
        let Err(NotificationError::Forged(answer)) = parse(&key(), &body) else {
            panic!("a forgery was believed");
        };
        assert_eq!(answer.status, 401);
    }

    /// The signed text can be rebuilt from a field of the forger's own, if only that one has to be signed.
    #[test]
    fn a_message_cannot_choose_what_it_signs() {
        let body = message("5000", HASH)
            .replace("\"comment\":\"\"", "\"comment\":\"643|1|IN|+79161112233|13353941550\"")
            .replace("sum.currency,sum.amount,type,account,txnId", "comment");
        assert!(matches!(parse(&key(), &body), Err(NotificationError::Forged(_))));
    }

    #[test]
    fn missing_and_null_fields_are_signed_as_the_word_null() {
        let payment = RawValue::from_string(r#"{"a":null,"b":true,"c":{"d":"x"}}"#.to_owned()).unwrap();
        let text = |path| rendered(&payment, path, false);
        assert_eq!(
            [text("a"), text("b"), text("c.d"), text("c"), text("e.f")],
            ["null", "true", "x", "null", "null"]
        );
    }

    #[test]
    fn a_payment_of_ours_is_told_by_its_number_and_has_to_be_confirmed() {
        let hash = sign(&key(), "643|1|OUT|+79161112233|13353941550");
        let read = parse(&key(), &message("1", &hash).replace("\"IN\"", "\"OUT\"")).unwrap();
        assert_eq!(read.subject, Subject::NetworkId("13353941550".to_owned()));
        assert!(read.must_confirm && read.reports.len() == 1);
    }

    #[test]
    fn a_test_call_is_only_acknowledged() {
        let body = r#"{"messageId":null,"hookId":"x","payment":null,"hash":null,"version":"1.0.0","test":true}"#;
        assert_eq!(parse(&key(), body).unwrap().subject, Subject::Nothing);
        assert!(parse(&key(), &body.replace("true", "false")).is_err());
    }
}
