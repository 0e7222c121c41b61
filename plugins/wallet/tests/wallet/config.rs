//! Configs: what is taken, what is refused, and how the form looks.

use plugin_sdk::{Connector, Plugin};
use plugin_wallet::WalletPlugin;
use rstest::rstest;

use crate::*;

#[test]
fn the_schema_draws_the_form() {
    let plugin = WalletPlugin::new();
    let manifest = plugin.manifest();
    let pretty = |schema: &schemars::Schema| serde_json::to_string_pretty(schema).unwrap();
    insta::assert_snapshot!("config_schema", pretty(&manifest.config_schema));
    insta::assert_snapshot!("options_schema", pretty(manifest.options_schema.as_ref().unwrap()));
}

#[rstest]
#[case(json!([]), "config")]
#[case(json!({}), "wallet")]
#[case(json!({ "wallet": "+79112223344" }), "wallet")]
#[case(json!({ "wallet": 79_112_223_344_u64 }), "wallet")]
#[case(json!({ "wallet": WALLET }), "token")]
#[case(json!({ "wallet": WALLET, "token": "" }), "token")]
#[case(json!({ "wallet": WALLET, "token": "a b" }), "token")]
#[case(json!({ "wallet": WALLET, "dialect": "cas", "token": "t" }), "password")]
#[case(json!({ "wallet": WALLET, "dialect": "st" }), "dialect")]
#[case(json!({ "wallet": WALLET, "token": "t", "hook_key": "not base64!" }), "hook_key")]
#[case(json!({ "wallet": WALLET, "token": "t", "requests_per_minute": 0 }), "requests_per_minute")]
#[case(json!({ "wallet": WALLET, "token": "t", "requests_per_minute": 101 }), "requests_per_minute")]
#[case(json!({ "wallet": WALLET, "token": "t", "master_price": "0" }), "master_price")]
#[case(json!({ "wallet": WALLET, "token": "t", "edge_base": "edge.qiwi.com" }), "edge_base")]
#[case(json!({ "wallet": WALLET, "token": "t", "site_base": "ftp://qiwi.com" }), "site_base")]
#[case(json!({ "wallet": WALLET, "token": "t", "colour": "red" }), "colour")]
fn a_config_that_cannot_work_is_refused_by_its_key(#[case] config: Value, #[case] key: &str) {
    let refused = WalletPlugin::new().check_config(&config).unwrap_err();
    assert_eq!(refused.key, key, "{refused}");
}

#[test]
fn a_refusal_never_repeats_a_secret() {
    for key in ["password", "token", "hook_key"] {
        let refused = WalletPlugin::new()
            .check_config(&json!({ key: 123_456_789 }))
            .unwrap_err();
        assert_eq!(refused.key, key);
        assert!(!refused.to_string().contains("123456789"));
    }
}

#[rstest]
fn a_config_binds(#[values("cas", "token")] dialect: &str) {
    let plugin = WalletPlugin::new();
    assert!(plugin.check_config(&config(dialect)).is_ok());
    let bound = Connector::bind(&plugin, &config(dialect)).unwrap();
    assert!(
        bound.notification_subnets().is_empty(),
        "a simulator calls from anywhere"
    );
    let real = json!({ "wallet": WALLET, "token": "t" });
    assert_eq!(Connector::bind(&plugin, &real).unwrap().notification_subnets().len(), 4);
}
