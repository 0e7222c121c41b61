//! Whatever comes in, nothing breaks.

use plugin_sdk::connector::{NotificationRequest, OutboundConnection};
use plugin_sdk::{Sandbox, SandboxRequest};
use plugin_wallet::WalletSandbox;
use proptest::prelude::*;

use crate::*;

fn with_key() -> WalletConnection {
    let mut config = config("token");
    config["hook_key"] = json!("JcyVhjHCvHQwufz+IHXolyqHgEc5MoayBfParl6Guoc=");
    WalletConnection::new(&config).unwrap()
}

fn paths() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "/cas/tgts",
        "/cas/sts",
        "/j_spring_cas_security_check",
        "/user/sinap/api/terms/99/payments/proxy.action",
        "/sinap/api/v2/terms/99/payments",
        "/sinap/api/v2/terms/32064/payments",
        "/sinap/providers/99/onlineCommission",
        "/payment-history/v2/persons/79110000001/payments",
        "/payment-history/v2/persons/79110000001/payments/total",
        "/payment-history/v2/transactions/1",
        "/funding-sources/v2/persons/79110000001/accounts",
        "/cards/v2/persons/79110000001/orders",
        "/cards/v1/cards/1/details",
        "/payment-notifier/v1/hooks",
        "/card/detect.action",
        "/mobile/detect.action",
        "/sandbox/wallet/wallets",
        "/sandbox/wallet/settings",
        "/sandbox/wallet/topups",
    ]);
    prop_oneof![known.prop_map(str::to_owned), "/[a-z0-9/%_.-]{0,60}"]
}

fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let amounts = prop_oneof![
        "-?[0-9]{1,25}(\\.[0-9]{0,5})?",
        "[0-9]e[0-9]{1,3}",
        "\".{0,5}\"",
        "null"
    ];
    let payment = ("[0-9]{0,22}", amounts, ".{0,20}").prop_map(|(id, amount, account)| {
        let account = serde_json::to_string(&account).unwrap_or_default();
        format!(
            r#"{{"id":"{id}","sum":{{"amount":{amount},"currency":"643"}},"paymentMethod":{{"type":"Account",
            "accountId":"643"}},"fields":{{"account":{account}}},"wallet":"79110000001","amount":{amount}}}"#
        )
        .into_bytes()
    });
    prop_oneof![prop::collection::vec(any::<u8>(), 0..200), payment]
}

proptest! {
    #[test]
    fn the_simulator_takes_any_request(
        method in prop::sample::select(vec!["GET", "POST", "PUT", "DELETE", "PATCH"]),
        path in paths(),
        query in ".{0,80}",
        body in bodies(),
        token in prop::bool::ANY,
    ) {
        let mut sandbox = WalletSandbox::new();
        let authorization = if token { "Bearer demo-wallet-token-1" } else { "Token x" };
        let request = SandboxRequest {
            method: method.to_owned(),
            path,
            query,
            headers: vec![
                ("authorization".to_owned(), authorization.to_owned()),
                ("content-type".to_owned(), "application/json".to_owned()),
            ],
            body,
            client_certificate: None,
            base_url: BASE_URL.to_owned(),
        };
        let at = "2026-03-02T09:00:00Z".parse().unwrap();
        let answer = sandbox.handle(&request, at);
        prop_assert!((200..600).contains(&answer.status));
        sandbox.due(at);
    }

    #[test]
    fn a_hook_may_be_anything(body in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        (".{0,40}", ".{0,40}").prop_map(|(fields, hash)| {
            json!({ "payment": { "signFields": fields, "txnId": 1, "type": "OUT" }, "hash": hash }).to_string().into_bytes()
        }),
    ]) {
        let request = NotificationRequest { method: "POST", query: "", headers: &[], body: &body };
        prop_assert!(with_key().parse_notification(&request).is_err());
    }
}

#[test]
fn the_simulator_claims_the_networks_paths_and_no_others() {
    let sandbox = WalletSandbox::new();
    for path in [
        "/cas/tgts",
        "/cards/v1/cards",
        "/cards/v2/persons/1/orders",
        "/sandbox/wallet",
        "/sandbox/wallet/x",
    ] {
        assert!(sandbox.serves(path), "{path}");
    }
    for path in [
        "/",
        "/sandbox/clock",
        "/partner/payin/v1/sites",
        "/merchant/direct",
        "/paypage/initial",
        "/cas",
        "/cards",
    ] {
        assert!(!sandbox.serves(path), "{path}");
    }
}
