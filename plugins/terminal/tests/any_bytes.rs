//! Whatever comes in, something well-formed goes out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use plugin_sdk::{
    Command, Field, InboundConnection, NetworkAnswer, NetworkRequest, Plugin, RawRequest, Reason, Refusal,
};
use plugin_terminal::TerminalPlugin;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::{Value, json};

/// §5.1: characters of a comment.
const COMMENT_MAX: usize = 255;

fn configs() -> Vec<Value> {
    vec![
        json!({}),
        json!({ "variant": "A", "echo_ccy": true, "use_90": false }),
        json!({
            "account_regex": "[0-9]{10}",
            "account_is_phone": true,
            "windows_1251": true,
            "min": "10.00",
            "max": "100.00",
            "check_amount": "enforce",
            "services": ["101"],
            "data": [{ "name": "data1", "regex": "[a-z]+", "required": true }],
            "fields": [{ "name": "fio", "source": "name" }, { "name": "balance" }],
        }),
        json!({ "currencies": ["KWD", "JPY", "RUB"] }),
    ]
}

fn connections() -> Vec<Box<dyn InboundConnection>> {
    let plugin = TerminalPlugin::new();
    configs()
        .iter()
        .map(|config| plugin.inbound().unwrap().bind(config).unwrap())
        .collect()
}

fn any_field() -> impl Strategy<Value = Field> {
    (any::<String>(), any::<String>()).prop_map(|(name, value)| Field { name, value })
}

fn any_answer() -> impl Strategy<Value = NetworkAnswer> {
    let reason = proptest::sample::select(Reason::ALL.to_vec());
    let refusal = (reason, option::of(".{0,300}")).prop_map(|(reason, comment)| Refusal { reason, comment });
    let fields = vec(any_field(), 0..4);
    (
        option::of(refusal),
        option::of(any::<String>()),
        fields,
        option::of(any::<u64>()),
    )
        .prop_map(|(refusal, comment, fields, number)| NetworkAnswer {
            refusal,
            comment,
            fields,
            number,
        })
}

/// Something that often comes near a real request.
fn near_query() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        Just("command"),
        Just("txn_id"),
        Just("txn_date"),
        Just("account"),
        Just("sum"),
        Just("ccy"),
        Just("prv_id"),
        Just("data1"),
        Just("trm_id"),
    ];
    let value = prop_oneof![
        Just("getInfo".to_owned()),
        Just("check".to_owned()),
        Just("pay".to_owned()),
        Just("1234567890".to_owned()),
        Just("20230615143000".to_owned()),
        Just("200.00".to_owned()),
        Just("RUB".to_owned()),
        Just("KWD".to_owned()),
        Just("%FF".to_owned()),
        Just("%00".to_owned()),
        Just("%3Ca%26%22%5D%5D%3E".to_owned()),
        "[0-9.]{0,25}",
        any::<String>(),
    ];
    vec((name, value), 0..9).prop_map(|pairs| {
        pairs
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join("&")
    })
}

fn any_query() -> impl Strategy<Value = String> {
    prop_oneof![near_query(), any::<String>()]
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![near_query().prop_map(String::into_bytes), vec(any::<u8>(), 0..300)]
}

fn any_content_type() -> impl Strategy<Value = Option<String>> {
    option::of(prop_oneof![
        Just("application/x-www-form-urlencoded".to_owned()),
        any::<String>()
    ])
}

/// The elements below the root with their texts, if the document is well-formed.
fn read_xml(xml: &str) -> Result<Vec<(String, String)>, quick_xml::Error> {
    let mut reader = Reader::from_str(xml);
    reader.config_mut().check_end_names = true;
    let (mut open, mut elements): (Vec<String>, Vec<(String, String)>) = (Vec::new(), Vec::new());
    loop {
        match reader.read_event()? {
            Event::Start(tag) => {
                for attribute in tag.attributes() {
                    attribute?;
                }
                let name = tag.name().as_ref().to_owned();
                elements.push((name.clone(), String::new()));
                open.push(name);
            }
            Event::End(_) => {
                open.pop();
            }
            Event::Text(text) => {
                if let Some((name, read)) = elements.last_mut()
                    && open.last() == Some(name)
                {
                    read.push_str(&text);
                }
            }
            Event::GeneralRef(reference) => {
                let character = reference.resolve_char_ref()?.or(match &*reference {
                    "amp" => Some('&'),
                    "lt" => Some('<'),
                    "gt" => Some('>'),
                    "quot" => Some('"'),
                    _ => None,
                });
                elements
                    .last_mut()
                    .unwrap()
                    .1
                    .push(character.expect("a reference that every reader knows"));
            }
            Event::Eof => break,
            Event::Decl(_) => {}
            other => panic!("{other:?} has no place in an answer"),
        }
    }
    assert!(open.is_empty(), "{xml}");
    Ok(elements)
}

/// What the gateway may rely on without looking again.
fn assert_complete(request: &NetworkRequest) {
    let paid_or_checked = matches!(request.command, Command::Check | Command::Pay);
    if request.objections.syntax.is_none() {
        assert_ne!(request.command, Command::Unknown);
        assert!(
            !paid_or_checked || (request.key.is_some() && request.amount.is_some()),
            "{request:?}"
        );
        assert!(
            request.command != Command::Pay || request.booking.is_some(),
            "{request:?}"
        );
    }
    if request.objections.account.is_none() {
        assert!(
            request.account.as_deref().is_some_and(|account| !account.is_empty()),
            "{request:?}"
        );
    }
    assert!(request.key_echo.chars().count() <= 20);
    let stored = [&request.account, &request.currency_text, &request.service]
        .into_iter()
        .flatten();
    let stored = stored.chain(request.extras.iter().flat_map(|(name, value)| [name, value]));
    assert!(
        stored.chain([&request.key_echo]).all(|text| !text.contains('\0')),
        "{request:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn any_bytes_become_a_request_and_any_answer_well_formed_xml(
        method in prop_oneof![Just("GET".to_owned()), Just("POST".to_owned()), any::<String>()],
        query in any_query(),
        content_type in any_content_type(),
        body in any_body(),
        answer in any_answer(),
    ) {
        let raw = RawRequest { method: &method, query: &query, content_type: content_type.as_deref(), body: &body };
        for connection in connections() {
            let request = connection.parse(&raw);
            assert_complete(&request);
            let rendered = connection.render(&request, &answer);
            prop_assert_eq!(rendered.status, 200);
            let elements = read_xml(&rendered.body).unwrap();
            let texts = |name: &str| -> Vec<&str> {
                elements.iter().filter(|(tag, _)| tag == name).map(|(_, text)| text.as_str()).collect()
            };
            prop_assert_eq!(texts("result").len(), 1);
            prop_assert!(texts("comment").iter().all(|comment| comment.chars().count() <= COMMENT_MAX));
            prop_assert_eq!(texts("osmp_txn_id").len(), usize::from(request.command != Command::Info));
        }
    }

    /// What the escaping hides comes back as it was, as far as XML has the characters.
    #[test]
    fn a_comment_reads_back_as_itself(comment in "[ -~а-яё\u{1F600}]{0,255}") {
        let connection = &connections()[0];
        let raw = RawRequest { method: "GET", query: "command=check", content_type: None, body: b"" };
        let request = connection.parse(&raw);
        let refusal = Refusal { reason: Reason::Forbidden, comment: Some(comment.clone()) };
        let rendered = connection.render(&request, &NetworkAnswer::refused(refusal));
        let elements = read_xml(&rendered.body).unwrap();
        prop_assert!(elements.contains(&("comment".to_owned(), comment)));
    }

    #[test]
    fn any_bytes_are_a_settlement_or_an_error(
        name in prop_oneof![Just("QIWI_101_202306151.csv".to_owned()), any::<String>()],
        bytes in prop_oneof![
            vec(any::<u8>(), 0..400),
            "([0-9]{1,3}\t[0-3][0-9].06.2023\t1[0-9]:00:00\t[0-9]\t[0-9]{1,3}.00(\r\n|\n|\r)){0,4}Total:\t[0-4]\t[0-9]{1,3}.00"
                .prop_map(String::into_bytes),
        ],
    ) {
        for connection in connections() {
            if let Ok(settlement) = connection.read_settlement(&name, &bytes) {
                prop_assert!(settlement.period.from < settlement.period.until);
                for row in &settlement.rows {
                    prop_assert!(settlement.period.from <= row.booked_at && row.booked_at < settlement.period.until);
                }
            }
        }
    }
}
