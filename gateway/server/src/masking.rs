//! What nothing may keep: credentials and card numbers.

mod named;

use std::borrow::Cow;
use std::collections::BTreeMap;

use actix_web::http::header::HeaderMap;
use arrayvec::ArrayVec;

pub use named::{named, named_url};

/// Headers that prove who somebody is.
const SECRET_HEADERS: [&str; 5] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
];
/// Names of parameters whose values are card data, whatever they look like.
const CARD_PARAMETERS: [&str; 5] = ["cvv", "cvc", "cvv2", "pan", "card_number"];
/// What stands for a value that nobody may read.
pub const MASK: &str = "***";
/// Card numbers have 13 to 19 digits (ISO/IEC 7812).
const PAN_LENGTHS: std::ops::RangeInclusive<usize> = 13..=PAN_LENGTH_MAX;
const PAN_LENGTH_MAX: usize = 19;
/// Digits of a card number that may be kept, at its start and at its end (PCI DSS 3.4.1).
const PAN_START_SHOWN: usize = 6;
const PAN_END_SHOWN: usize = 4;
/// Separators that stand between two groups of a number at most, such as " - ".
const SEPARATORS_MAX: usize = 3;
/// Headers that are logged, and the longest value of one, in characters.
const HEADERS_MAX: usize = 64;
const HEADER_LENGTH_MAX: usize = 1_024;

/// Whether a header proves who somebody is.
#[must_use]
pub fn is_secret_header(name: &str) -> bool {
    SECRET_HEADERS.iter().any(|secret| secret.eq_ignore_ascii_case(name))
}

#[must_use]
pub fn headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut masked = BTreeMap::new();
    for (name, value) in headers.iter().take(HEADERS_MAX) {
        let value = if is_secret_header(name.as_str()) {
            MASK.to_owned()
        } else {
            text(&String::from_utf8_lossy(value.as_bytes()))
                .chars()
                .take(HEADER_LENGTH_MAX)
                .collect()
        };
        masked.insert(name.as_str().to_owned(), value);
    }
    masked
}

/// Named values without card data.
#[must_use]
pub fn parameters(parameters: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    parameters
        .iter()
        .map(|(name, given)| (name.clone(), value(name, given)))
        .collect()
}

/// One named value without card data.
#[must_use]
pub fn value(name: &str, given: &str) -> String {
    if CARD_PARAMETERS.iter().any(|card| name.eq_ignore_ascii_case(card)) {
        MASK.to_owned()
    } else {
        text(given)
    }
}

/// A text with every card number cut to its first six and last four digits, and card parameters emptied.
///
/// A terminal's `txn_id` is a long number too; one in ten of them passes the check digit of cards by chance. So a
/// number is a card only where it may be one: not as the value of a parameter that names a payment.
#[must_use]
pub fn text(input: &str) -> String {
    let input = plain_digits(input);
    let mut output = String::with_capacity(input.len());
    let mut rest = input.as_ref();
    while let Some(start) = rest.find(|character: char| character.is_ascii_digit() || character == '=') {
        let (before, found) = rest.split_at(start);
        output.push_str(before);
        rest = if let Some(value) = found.strip_prefix('=') {
            output.push('=');
            if names_card_data(&output) {
                hide_value(&mut output, value)
            } else {
                value
            }
        } else {
            let (number, after) = found.split_at(number_length(found));
            push_number(&mut output, number);
            after
        };
    }
    output.push_str(rest);
    output
}

/// Digits need no percent-encoding, so nothing is lost by taking it off them, and no card number hides behind it.
fn plain_digits(input: &str) -> Cow<'_, str> {
    if !input.contains("%3") {
        return Cow::Borrowed(input);
    }
    let mut plain = input.to_owned();
    for digit in '0'..='9' {
        plain = plain.replace(&format!("%3{digit}"), digit.encode_utf8(&mut [0; 4]));
    }
    Cow::Owned(plain)
}

/// Whether the text ends with `name=` of a parameter whose value is card data.
fn names_card_data(text: &str) -> bool {
    let name = text.strip_suffix('=').unwrap_or(text).as_bytes();
    CARD_PARAMETERS.iter().any(|card| {
        let Some((before, end)) = name.split_at_checked(name.len().wrapping_sub(card.len())) else {
            return false;
        };
        let starts_here = before
            .last()
            .is_none_or(|byte| matches!(byte, b'&' | b'?' | b' ' | b'\n'));
        starts_here && end.eq_ignore_ascii_case(card.as_bytes())
    })
}

/// Writes the mask for a parameter's value and returns what follows it.
fn hide_value<'a>(output: &mut String, from_value: &'a str) -> &'a str {
    let end = from_value.find(['&', ' ', '"', '\n']).unwrap_or(from_value.len());
    output.push_str(MASK);
    from_value.split_at(end).1
}

/// How far a number goes that starts here: digits, with a few separators between them as people type cards.
fn number_length(text: &str) -> usize {
    let mut end = 0;
    loop {
        let rest = text.get(end..).unwrap_or_default();
        end += group_length(rest);
        let rest = text.get(end..).unwrap_or_default();
        let separator = separator_length(rest);
        let goes_on = rest.as_bytes().get(separator).is_some_and(u8::is_ascii_digit);
        if separator == 0 || !goes_on {
            return end;
        }
        end += separator;
    }
}

fn push_number(output: &mut String, number: &str) {
    // An identifier has no separators.
    let names_payment = group_length(number) == number.len()
        && ["txn_id=", "osmp_txn_id>", "prv_txn>", "txn_date="]
            .iter()
            .any(|name| output.ends_with(name));
    let hidden = (!names_payment).then(|| hidden_bytes(output, number)).flatten();
    let Some(hidden) = hidden else {
        output.push_str(number);
        return;
    };
    let marked = number.chars().zip(hidden);
    output.extend(marked.map(|(digit, is_hidden)| if is_hidden { '*' } else { digit }));
}

/// Which bytes of a number must not be kept, if any: of each row of whole groups that can be a card, all but the first
/// six and the last four digits. Who types a card adds its date, its code or a telephone, so a number may have more
/// groups than the card, and every row is looked at: one that passes the check digit by chance must not stand for the card.
fn hidden_bytes(before: &str, number: &str) -> Option<Vec<bool>> {
    let mut hidden = None;
    // Most numbers are too short for a card; this is asked of each of them in each exchange and decision.
    if number.len() >= *PAN_LENGTHS.start() {
        for start in group_starts(before, number) {
            hide_cards_from(start, number, &mut hidden);
        }
    }
    hidden
}

/// Where groups of digits begin. Behind `%20` one begins for who reads a URL, and at its `20` for who reads a text.
fn group_starts<'a>(before: &'a str, number: &'a str) -> impl Iterator<Item = usize> + 'a {
    const ESCAPE_LENGTH: usize = 3;
    let (before, number) = (before.as_bytes(), number.as_bytes());
    let back = move |at: usize, by: usize| match at.checked_sub(by) {
        Some(at) => number.get(at),
        None => before.get((before.len() + at).checked_sub(by)?),
    };
    let is_behind_escape = move |at: usize| {
        back(at, ESCAPE_LENGTH) == Some(&b'%')
            && (1..ESCAPE_LENGTH).all(|by| back(at, by).is_some_and(u8::is_ascii_hexdigit))
    };
    let is_start = move |at: usize| at == 0 || !back(at, 1).is_some_and(u8::is_ascii_digit) || is_behind_escape(at);
    (0..number.len()).filter(move |at| number.get(*at).is_some_and(u8::is_ascii_digit) && is_start(*at))
}

/// Hides what must not be kept of each card number that begins at `start` and ends with a group.
fn hide_cards_from(start: usize, number: &str, hidden: &mut Option<Vec<bool>>) {
    let mut digits = ArrayVec::<u8, PAN_LENGTH_MAX>::new();
    let mut places = ArrayVec::<usize, PAN_LENGTH_MAX>::new();
    let mut at = start;
    loop {
        let rest = number.get(at..).unwrap_or_default();
        let group = group_length(rest);
        if group == 0 || digits.len() + group > PAN_LENGTH_MAX {
            return;
        }
        digits.extend(rest.bytes().take(group));
        places.extend(at..at + group);
        if PAN_LENGTHS.contains(&digits.len()) && passes_luhn(&digits) {
            let hidden = hidden.get_or_insert_with(|| vec![false; number.len()]);
            for place in places
                .get(PAN_START_SHOWN..places.len() - PAN_END_SHOWN)
                .unwrap_or_default()
            {
                if let Some(mark) = hidden.get_mut(*place) {
                    *mark = true;
                }
            }
        }
        at += group;
        at += separator_length(number.get(at..).unwrap_or_default());
    }
}

/// How many digits stand at the beginning.
fn group_length(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// How long the separators at the beginning are, as people put them between the digits of a card; 0 where there is none.
fn separator_length(text: &str) -> usize {
    const EACH: [&str; 9] = [" ", "-", "+", "\t", "%20", "%2D", "%2d", "%2B", "%2b"];
    let mut length = 0;
    for _ in 0..SEPARATORS_MAX {
        let rest = text.get(length..).unwrap_or_default();
        let found = EACH.iter().find(|separator| rest.starts_with(**separator));
        length += found.map_or(0, |separator| separator.len());
    }
    length
}

/// Whether [`value`] may hide something of the texts that stand in this JSON. It says yes too often, never too seldom,
/// and is much quicker than to look at each text.
#[must_use]
pub fn may_hide_of_json(json: &str) -> bool {
    // What is escaped may be a digit or a letter of a name.
    let escaped = json.contains("\\u") || json.contains("%3");
    escaped || names_card_parameter(json) || may_hold_card_number(json)
}

fn names_card_parameter(text: &str) -> bool {
    let bytes = text.as_bytes();
    let starts = |at: usize| {
        let rest = bytes.get(at..).unwrap_or_default();
        CARD_PARAMETERS.iter().any(|name| {
            rest.get(..name.len())
                .is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()))
        })
    };
    let mut candidates = bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| matches!(byte, b'c' | b'C' | b'p' | b'P'));
    candidates.any(|(at, _)| starts(at))
}

fn may_hold_card_number(text: &str) -> bool {
    let mut at = 0;
    while let Some(next) = text
        .get(at..)
        .and_then(|rest| rest.find(|character: char| character.is_ascii_digit()))
    {
        let (before, found) = text.split_at(at + next);
        let length = number_length(found);
        let (number, _) = found.split_at(length);
        if hidden_bytes(before, number).is_some() {
            return true;
        }
        at += next + length;
    }
    false
}

/// Whether a text is a whole card number and nothing else.
#[must_use]
pub fn is_card_number(text: &str) -> bool {
    let digits = text.as_bytes();
    PAN_LENGTHS.contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit) && passes_luhn(digits)
}

fn passes_luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .map(|byte| u32::from(byte - b'0'))
        .enumerate()
        .map(|(at, digit)| match (at % 2, digit * 2) {
            (0, _) => digit,
            (_, doubled) if doubled > 9 => doubled - 9,
            (_, doubled) => doubled,
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("account=4111111111111111&sum=1", "account=411111******1111&sum=1")]
    #[case("card 5500005555555559.", "card 550000******5559.")]
    #[case("txn_id=4111111111111111", "txn_id=4111111111111111")]
    #[case(
        "<osmp_txn_id>4111111111111111</osmp_txn_id>",
        "<osmp_txn_id>4111111111111111</osmp_txn_id>"
    )]
    #[case("account=4111111111111112", "account=4111111111111112")]
    #[case("account=9123456789", "account=9123456789")]
    #[case("?cvv=123&x=1", "?cvv=***&x=1")]
    #[case("a=1&CVV2=999", "a=1&CVV2=***")]
    #[case("recvv=1", "recvv=1")]
    #[case("cvv=1", "cvv=***")]
    #[case("account=4111 1111 1111 1111", "account=4111 11** **** 1111")]
    #[case("account=4111+1111+1111+1111&sum=1", "account=4111+11**+****+1111&sum=1")]
    #[case("account=4111-1111-1111-1111", "account=4111-11**-****-1111")]
    #[case("account=4111%201111%201111%201111", "account=4111%2011**%20****%201111")]
    #[case("account=%34111111111111111", "account=411111******1111")]
    #[case("txn_id=1&sum=10.45", "txn_id=1&sum=10.45")]
    #[case("4111111111111111 12 2026 123", "411111******1111 12 2026 123")]
    #[case("4111-1111-1111-1111 123", "4111-11**-****-1111 123")]
    #[case("12 4111%201111%201111%201111", "12 4111%2011**%20****%201111")]
    #[case("4111111111111111 5500005555555559", "411111******1111 550000******5559")]
    #[case("42560000009165238-1111-1345", "425600*******5238-1111-1345")]
    #[case("79161234567 79161234568", "79161234567 79161234568")]
    #[case("txn_id=4111 1111 1111 1111", "txn_id=4111 11** **** 1111")]
    #[case("note=card%204111111111111111", "note=card%20411111******1111")]
    #[case("%224111111111111111%22", "%22411111******1111%22")]
    #[case("%C2%A04111111111111111", "%C2%A041111*******1111")]
    #[case("100%4111111111111111", "100%411111******1111")]
    #[case("4111 - 1111 - 1111 - 1111", "4111 - 11** - **** - 1111")]
    #[case("79161234564 4111 1111 1111 1111", "791612***** 4111 11** **** 1111")]
    #[case("12345678901234567890123", "12345678901234567890123")]
    fn masks_cards_and_nothing_else(#[case] input: &str, #[case] expected: &str) {
        assert_eq!(text(input), expected);
    }

    #[test]
    fn credentials_are_not_logged() {
        use actix_web::http::header::{AUTHORIZATION, HeaderValue, USER_AGENT};
        let mut map = HeaderMap::new();
        map.insert(AUTHORIZATION, HeaderValue::from_static("Basic TG9naW46UGFzc3dvcmQ="));
        map.insert(USER_AGENT, HeaderValue::from_static("kiosk"));
        let masked = headers(&map);
        assert_eq!(masked["authorization"], "***");
        assert_eq!(masked["user-agent"], "kiosk");
    }

    #[test]
    fn parameters_of_cards_are_emptied() {
        let given = [
            ("cvv", "123"),
            ("PAN", "4111111111111111"),
            ("data1", "4111111111111111"),
            ("data2", "7"),
        ];
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let masked = parameters(&given);
        let values: Vec<_> = masked.values().map(String::as_str).collect();
        assert_eq!(values, ["***", "***", "411111******1111", "7"]);
    }

    #[test]
    fn hostile_texts_take_linear_time() {
        let started = std::time::Instant::now();
        for hostile in ["=", "cvv=", "1 ", "1-", "%20", "%31", "4111111111111111&"] {
            let _ = text(&hostile.repeat(200_000 / hostile.len()));
        }
        // Quadratic work on these takes minutes.
        assert!(
            started.elapsed() < std::time::Duration::from_secs(5),
            "{:?}",
            started.elapsed()
        );
    }

    proptest! {
        #[test]
        fn any_text_is_masked_without_harm(input in ".*") {
            let _ = text(&input);
        }

        #[test]
        fn no_card_is_left_among_other_groups(
            before in "([0-9]{1,11}[ -]){0,3}",
            card in prop::sample::select(vec![
                "4111111111111111", "4222222222222", "4111 1111 1111 1111", "5500-0055-5555-5559", "3782 822463 10005",
            ]),
            after in "([ -][0-9]{1,4}){0,3}",
        ) {
            let digits = |text: &str| text.chars().filter(|c| c.is_ascii_digit() || *c == '*').collect::<String>();
            let input = format!("{before}{card}{after}");
            let (masked, found) = (text(&input), may_hold_card_number(&input));
            prop_assert!(!digits(&masked).contains(&digits(card)), "{}", masked);
            prop_assert_eq!(masked.len(), input.len());
            prop_assert!(found);
        }
    }
}
