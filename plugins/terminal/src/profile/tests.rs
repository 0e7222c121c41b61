use plugin_sdk::{AuthMode, ConfigError, Plugin};
use rstest::rstest;
use serde_json::{Value, json};

use super::{ACCOUNT_MAX, SUBNETS, Service, ServiceProfile, read_config};
use crate::TerminalPlugin;

/// A service as `config` describes it.
pub fn service(config: Value) -> Service {
    check(config).unwrap()
}

fn check(config: Value) -> Result<Service, ConfigError> {
    Service::check(read_config(&config)?)
}

#[test]
fn an_empty_config_is_the_usual_service() {
    let usual = service(json!({}));
    assert_eq!(usual.account.max, usize::from(ACCOUNT_MAX));
    assert_eq!(usual.own_currency.code(), "RUB");
    assert_eq!(usual.access.auth, AuthMode::Basic);
    assert_eq!(
        usual.access.subnets.iter().map(ToString::to_string).collect::<Vec<_>>(),
        SUBNETS
    );
    assert!(usual.echo_ccy && usual.use_90 && !usual.require_check && !usual.limits_in_check);
}

#[test]
fn variant_a_has_its_own_defaults() {
    let old = service(json!({ "variant": "A" }));
    assert_eq!(old.account.max, 50);
    assert!(!old.echo_ccy);
    let set = service(json!({ "variant": "A", "account_max": 200, "echo_ccy": true }));
    assert_eq!(set.account.max, 200);
    assert!(set.echo_ccy);
}

#[rstest]
#[case("basic", AuthMode::Basic)]
#[case("mtls", AuthMode::ClientCertificate)]
#[case("both", AuthMode::BasicAndClientCertificate)]
#[case("none", AuthMode::None)]
fn each_way_to_prove_oneself_has_a_name(#[case] name: &str, #[case] mode: AuthMode) {
    assert_eq!(service(json!({ "auth": name })).access.auth, mode);
}

#[rstest]
#[case::the_whole(json!([]), "config")]
#[case::null(json!(null), "config")]
#[case::values_without_keys(json!(["A"]), "config")]
#[case::values_without_keys_in_list(json!({ "data": [{ "name": "data1" }, ["data2", null, true]] }), "data[1]")]
#[case::values_without_keys_in_object(json!({ "registry": ["r@example.com"] }), "registry")]
#[case::unknown_key(json!({ "acount_max": 5 }), "acount_max")]
#[case::unknown_variant(json!({ "variant": "D" }), "variant")]
#[case::wrong_type(json!({ "min": 10 }), "min")]
#[case::wrong_type_in_list(json!({ "currencies": ["RUB", 643] }), "currencies[1]")]
#[case::wrong_type_deep_down(json!({ "data": [{ "name": "data1" }, { "name": "data2", "required": "yes" }] }), "data[1].required")]
#[case::unknown_key_deep_down(json!({ "registry": { "cutoff": "12:00" } }), "registry.cutoff")]
#[case::unknown_key_in_list(json!({ "fields": [{ "name": "fio", "from": "name" }] }), "fields[0].from")]
#[case::second_error_does_not_hide_the_first(json!({ "auth": "token", "use_90": true }), "auth")]
#[case::pattern_broken(json!({ "account_regex": "[0-9" }), "account_regex")]
#[case::pattern_empty(json!({ "account_regex": "" }), "account_regex")]
#[case::pattern_too_large(json!({ "account_regex": r"(\w{100}){100}" }), "account_regex")]
#[case::pattern_too_long(json!({ "account_regex": "a".repeat(2_001) }), "account_regex")]
#[case::pattern_escapes_its_anchors(json!({ "account_regex": "a)|(?:b" }), "account_regex")]
#[case::pattern_hides_its_anchor(json!({ "account_regex": "(?x)a # b" }), "account_regex")]
#[case::account_of_no_length(json!({ "account_max": 0 }), "account_max")]
#[case::account_too_long(json!({ "account_max": 201 }), "account_max")]
#[case::account_negative(json!({ "account_max": -1 }), "account_max")]
#[case::no_currency(json!({ "currencies": [] }), "currencies")]
#[case::unknown_currency(json!({ "currencies": ["RUB", "RUR?"] }), "currencies[1]")]
#[case::numeric_currency(json!({ "currencies": ["643"] }), "currencies[0]")]
#[case::currency_twice(json!({ "currencies": ["RUB", "KZT", "RUB"] }), "currencies[2]")]
#[case::limit_is_no_number(json!({ "min": "ten" }), "min")]
#[case::limit_is_zero(json!({ "min": "0.00" }), "min")]
#[case::limit_is_negative(json!({ "max": "-5.00" }), "max")]
#[case::limit_too_precise(json!({ "max": "5.001" }), "max")]
#[case::limit_too_precise_for_the_wire(json!({ "currencies": ["KWD"], "max": "5.001" }), "max")]
#[case::limit_beyond_the_wire(json!({ "max": "1000000000000.00" }), "max")]
#[case::limits_crossed(json!({ "min": "10.00", "max": "9.99" }), "max")]
#[case::exact_below_min(json!({ "min": "10.00", "exact_amount": "9.99" }), "exact_amount")]
#[case::exact_above_max(json!({ "max": "10.00", "exact_amount": "10.01" }), "exact_amount")]
#[case::limit_for_two_currencies(json!({ "currencies": ["RUB", "KZT"], "max": "10.00" }), "max")]
#[case::check_is_not_registered_in_a(json!({ "variant": "A", "require_check": true }), "require_check")]
#[case::no_services(json!({ "services": [] }), "services")]
#[case::service_is_no_number(json!({ "services": ["101", "abc"] }), "services[1]")]
#[case::service_too_long(json!({ "services": ["12345678901"] }), "services[0]")]
#[case::data_without_name(json!({ "data": [{ "regex": "a" }] }), "data[0].name")]
#[case::data_zero(json!({ "data": [{ "name": "data0" }] }), "data[0].name")]
#[case::data_of_another_name(json!({ "data": [{ "name": "extra1" }] }), "data[0].name")]
#[case::data_twice(json!({ "data": [{ "name": "data1" }, { "name": "data1" }] }), "data[1].name")]
#[case::data_pattern_broken(json!({ "data": [{ "name": "data1", "regex": "(" }] }), "data[0].regex")]
#[case::field_without_name(json!({ "fields": [{ "source": "fio" }] }), "fields[0].name")]
#[case::field_with_empty_source(json!({ "fields": [{ "name": "fio", "source": " " }] }), "fields[0].source")]
#[case::subnet_is_no_subnet(json!({ "subnets": ["79.142.16.0/20", "qiwi.com"] }), "subnets[1]")]
#[case::nobody_to_trust(json!({ "auth": "none", "subnets": [] }), "auth")]
#[case::everybody_trusted(json!({ "auth": "none", "subnets": ["0.0.0.0/0"] }), "subnets")]
#[case::everybody_of_ipv6(json!({ "auth": "none", "subnets": ["79.142.16.0/20", "::/0"] }), "subnets")]
#[case::everybody_in_two_halves(json!({ "auth": "none", "subnets": ["0.0.0.0/1", "128.0.0.0/1"] }), "subnets")]
#[case::url_relative(json!({ "check_url": "/accounts" }), "check_url")]
#[case::url_of_another_scheme(json!({ "check_url": "ftp://example.com/" }), "check_url")]
#[case::url_without_host(json!({ "check_url": "https:///accounts" }), "check_url")]
#[case::url_with_a_bad_port(json!({ "check_url": "https://example.com:99999/" }), "check_url")]
#[case::url_with_a_space(json!({ "check_url": "https://example.com/a b" }), "check_url")]
#[case::url_with_a_login(json!({ "check_url": "https://user:secret@example.com/" }), "check_url")]
#[case::url_with_a_fragment(json!({ "check_url": "https://example.com/#top" }), "check_url")]
#[case::registry_without_address(json!({ "registry": { "address": "" } }), "registry.address")]
#[case::registry_of_odd_service(json!({ "registry": { "service_id": "10/1" } }), "registry.service_id")]
#[case::registry_at_no_time(json!({ "registry": { "cut_off": "24:00" } }), "registry.cut_off")]
fn a_wrong_config_names_its_wrong_key(#[case] config: Value, #[case] key: &str) {
    let error = check(config.clone()).unwrap_err();
    assert_eq!(error.key, key, "{error}");
    assert!(!error.message.is_empty());
    assert_eq!(TerminalPlugin::new().check_config(&config), Err(error.clone()));
    assert_eq!(
        TerminalPlugin::new().inbound().unwrap().bind(&config).err(),
        Some(error)
    );
}

#[rstest]
#[case::any_source_on_purpose(json!({ "auth": "none", "subnets": ["0.0.0.0/0"], "allow_any_source": true }))]
#[case::any_source_with_a_login(json!({ "auth": "basic", "subnets": ["0.0.0.0/0", "::/0"] }))]
#[case::no_source_with_a_login(json!({ "auth": "basic", "subnets": [] }))]
#[case::single_address(json!({ "subnets": ["89.218.54.34", "2001:db8::1"] }))]
#[case::subnet_with_host_bits(json!({ "subnets": ["79.142.16.7/20"] }))]
#[case::exact_within_limits(json!({ "min": "10", "max": "10.5", "exact_amount": "10.50" }))]
#[case::unlimited_currencies(json!({ "currencies": ["RUB", "KZT", "USD"] }))]
#[case::url_with_query(json!({ "check_url": "http://10.0.0.5:8080/check?shop=7" }))]
#[case::url_of_ipv6(json!({ "check_url": "http://[2001:db8::1]:8080/check" }))]
#[case::registry(json!({ "registry": { "address": "r@example.com", "service_id": "101", "cut_off": "09:30" } }))]
#[case::nulls_are_absent(json!({ "min": null, "account_regex": null, "registry": null, "services": null }))]
fn a_usable_config_is_accepted(#[case] config: Value) {
    assert_eq!(check(config).map(|_| ()), Ok(()));
}

#[test]
fn every_example_and_default_of_the_schema_is_accepted() {
    let schema = serde_json::to_value(&TerminalPlugin::new().manifest().config_schema).unwrap();
    let properties = schema["properties"].as_object().unwrap();
    for (key, property) in properties {
        let value = property["examples"].get(0).unwrap_or(&property["default"]);
        let config = json!({ key.as_str(): value });
        assert_eq!(check(config.clone()).map(|_| ()), Ok(()), "{config}");
        assert!(
            property["title"].is_string() && property["description"].is_string(),
            "{key} has no words"
        );
    }
}

#[test]
fn the_schema_is_what_the_form_is_drawn_from() {
    let manifest = TerminalPlugin::new().manifest().clone();
    assert_eq!((manifest.name, manifest.title), ("terminal", "QIWI terminals"));
    insta::assert_snapshot!(serde_json::to_string_pretty(&manifest.config_schema).unwrap());
}

#[test]
fn a_profile_survives_its_json() {
    let profile = ServiceProfile {
        min: Some("5.00".to_owned()),
        ..ServiceProfile::default()
    };
    let json = serde_json::to_value(&profile).unwrap();
    assert_eq!(read_config(&json), Ok(profile));
}

#[test]
fn a_message_says_what_to_do() {
    let error = check(json!({ "auth": "none", "subnets": [] })).unwrap_err();
    assert_eq!(
        error.to_string(),
        "auth: \"none\" needs the source subnets that may call; list them in subnets, or choose \"basic\""
    );
    let error = check(json!({ "acount_max": 5 })).unwrap_err();
    assert!(error.message.contains("`account_max`"), "{error}");
}
