//! What networks send.

use std::sync::LazyLock;

use plugin_payin::PayinPlugin;
use plugin_qiwi_pay::QiwiPayPlugin;
use plugin_sdk::connector::{NotificationRequest, OutboundConnection, Subject};
use plugin_sdk::{InboundConnection, NetworkAnswer, Plugin, RawRequest, Reason};
use plugin_terminal::TerminalPlugin;
use plugin_wallet::WalletPlugin;
use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::{Value, json};

use crate::split;

/// Profiles that read differently.
static TERMINALS: LazyLock<Vec<Box<dyn InboundConnection>>> = LazyLock::new(|| {
    let plugin = TerminalPlugin::new();
    let configs = [
        json!({}),
        json!({ "variant": "A", "echo_ccy": true, "use_90": false }),
        json!({
            "account_regex": "[0-9]{10}", "account_is_phone": true, "windows_1251": true,
            "min": "10.00", "max": "100.00", "check_amount": "enforce", "services": ["101"],
            "data": [{ "name": "data1", "regex": "[a-z]+", "required": true }],
        }),
        json!({ "currencies": ["KWD", "JPY", "RUB"] }),
    ];
    let bind = |config| plugin.inbound().unwrap().bind(config).unwrap();
    configs.iter().map(bind).collect()
});

/// First byte: profile and method. Then the query, and after a NUL the body. Every answer is one XML document.
pub fn terminal(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else {
        return;
    };
    let connection = &TERMINALS[usize::from(*first) % TERMINALS.len()];
    let (query, body) = split(rest, 0);
    let query = String::from_utf8_lossy(query);
    let raw = RawRequest {
        method: if first & 0x80 == 0 { "GET" } else { "POST" },
        query: &query,
        content_type: (first & 0x40 == 0).then_some("application/x-www-form-urlencoded"),
        body,
    };
    let request = connection.parse(&raw);
    let refused = NetworkAnswer::refused(Reason::ALL[usize::from(*first) % Reason::ALL.len()]);
    for answer in [NetworkAnswer::accepted(), refused] {
        let rendered = connection.render(&request, &answer);
        let mut reader = Reader::from_str(&rendered.body);
        while !matches!(reader.read_event().expect("one XML document"), Event::Eof) {}
    }
}

/// A registry that an operator uploads, under a name that is part of it.
pub fn settlement(bytes: &[u8]) {
    let (name, file) = split(bytes, 0);
    let _ = TERMINALS[0].read_settlement(&String::from_utf8_lossy(name), file);
}

/// Up to the first NUL a header's value, then the body.
fn notified(connection: &dyn OutboundConnection, header: &str, bytes: &[u8]) {
    let (value, body) = split(bytes, 0);
    let headers = [
        ("content-type".to_owned(), "application/json".to_owned()),
        (header.to_owned(), String::from_utf8_lossy(value).into_owned()),
    ];
    let request = NotificationRequest {
        method: "POST",
        query: "",
        headers: &headers,
        body,
    };
    // Nobody signed these bytes: what is not refused must mean nothing, such as a kind that the plugin does not know.
    if let Ok(told) = connection.parse_notification(&request) {
        let means_nothing = matches!(told.subject, Subject::Nothing) && told.reports.is_empty();
        assert!(means_nothing, "believed without a signature");
    }
}

fn connection(plugin: &dyn Plugin, config: &Value) -> Box<dyn OutboundConnection> {
    plugin.connector().unwrap().bind(config).unwrap()
}

pub fn payin_notification(bytes: &[u8]) {
    static CONNECTION: LazyLock<Box<dyn OutboundConnection>> = LazyLock::new(|| {
        let config = json!({
            "base_url": "https://network.test/partner/", "site_id": "site", "api_key": "key",
            "notification_key": "a-key-that-nobody-knows",
        });
        connection(&PayinPlugin::new(), &config)
    });
    notified(&**CONNECTION, "signature", bytes);
}

pub fn qiwi_pay_notification(bytes: &[u8]) {
    static CONNECTION: LazyLock<Box<dyn OutboundConnection>> = LazyLock::new(|| {
        let config = json!({
            "merchant_site": 99, "secret_key": "a-key-that-nobody-knows", "api": true,
            "page_url": "https://network.test/paypage/initial", "api_url": "https://network.test/merchant/direct",
        });
        connection(&QiwiPayPlugin::new(), &config)
    });
    notified(&**CONNECTION, "x-request-id", bytes);
}

pub fn wallet_notification(bytes: &[u8]) {
    static CONNECTION: LazyLock<Box<dyn OutboundConnection>> = LazyLock::new(|| {
        let base = "https://network.test";
        let config = json!({
            "dialect": "token", "wallet": "79110000001", "token": "token",
            "auth_base": base, "site_base": base, "edge_base": base,
            "hook_key": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        });
        connection(&WalletPlugin::new(), &config)
    });
    notified(&**CONNECTION, "x-request-id", bytes);
}
