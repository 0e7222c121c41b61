//! Whatever comes, neither side falls over.

use plugin_qiwi_pay::QiwiPayPlugin;
use plugin_sdk::connector::{NotificationRequest, OutboundConnection};
use plugin_sdk::{Plugin, SandboxRequest};
use proptest::prelude::*;

use crate::shop::{Shop, start};

fn paths() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("/merchant/direct".to_owned()),
        Just("/paypage/initial".to_owned()),
        Just("/sandbox/qiwi-pay/form".to_owned()),
        Just("/sandbox/qiwi-pay/acs/answer".to_owned()),
        Just("/sandbox/qiwi-pay/sites/99".to_owned()),
        "/sandbox/qiwi-pay/[a-z0-9/]{0,20}",
        ".{0,40}",
    ]
}

/// Something like a request, with values that may be anything.
fn objects() -> impl Strategy<Value = Vec<u8>> {
    let names = prop::sample::select(vec![
        "opcode",
        "merchant_site",
        "txn_id",
        "amount",
        "sign",
        "pan",
        "expiry",
        "cvv2",
        "currency",
        "order_id",
        "txn_status",
        "txn_type",
        "error_code",
        "cheque",
        "industry_data",
        "card_token",
        "cf2",
        "email",
    ]);
    let values = prop_oneof![
        "[0-9]{1,19}",
        "\"[0-9.;]{0,20}\"",
        Just("null".to_owned()),
        Just("{\"type\":\"avia\",\"tickets\":[{}]}".to_owned()),
        Just("[]".to_owned()),
        Just("\"\\u0000Ж\"".to_owned()),
    ];
    prop::collection::vec((names, values), 0..12).prop_map(|members| {
        let members: Vec<_> = members
            .iter()
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        format!("{{{}}}", members.join(",")).into_bytes()
    })
}

fn bodies() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        objects(),
        "[a-zA-Z]{1,6}=[^&]{0,20}".prop_map(String::into_bytes)
    ]
}

proptest! {
    #[test]
    fn a_notification_is_read_or_refused(query in ".{0,80}", body in bodies(), kind in ".{0,30}") {
        let headers = [("content-type".to_owned(), kind)];
        let request = NotificationRequest { method: "POST", query: &query, headers: &headers, body: &body };
        prop_assert!(Shop::at(99).connection.parse_notification(&request).is_err());
    }

    #[test]
    fn the_simulator_answers(method in "GET|POST|PUT", path in paths(), query in ".{0,60}", body in bodies(), shown in any::<bool>()) {
        let mut sandbox = QiwiPayPlugin::new().sandbox().unwrap();
        let request = SandboxRequest {
            method, path, query, body,
            client_certificate: shown.then(|| "ab".to_owned()),
            ..SandboxRequest::default()
        };
        let answer = sandbox.handle(&request, start());
        prop_assert!((200..500).contains(&answer.status));
        sandbox.due(start());
    }
}
