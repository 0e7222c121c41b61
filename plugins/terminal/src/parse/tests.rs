mod accounts;
mod bytes;
mod syntax;
mod terms;

use plugin_sdk::{NetworkRequest, RawRequest, Reason};
use serde_json::Value;

use crate::profile::tests::service;

const FORM: Option<&str> = Some("application/x-www-form-urlencoded");

const CHECK: &str = "command=check&txn_id=1234567890&account=4957835959&ccy=RUB&sum=200.00";
const PAY: &str = "command=pay&txn_id=1234567890&txn_date=20230615143000&account=4957835959&ccy=RUB&sum=200.00";
const INFO: &str = "command=getInfo&account=4957835959&ccy=RUB";
const PAY_A: &str = "command=pay&txn_id=1234567&txn_date=20090815120133&account=4957835959&sum=10.45";
const CHECK_A: &str = "command=check&txn_id=1234567&account=4957835959&sum=10.45";

fn get(config: Value, query: &str) -> NetworkRequest {
    super::parse(
        &service(config),
        &RawRequest {
            method: "GET",
            query,
            content_type: None,
            body: b"",
        },
    )
}

fn post(config: Value, query: &str, body: &[u8]) -> NetworkRequest {
    super::parse(
        &service(config),
        &RawRequest {
            method: "POST",
            query,
            content_type: FORM,
            body,
        },
    )
}

/// Reads the parameters by GET, by POST, and split over both, which must make no difference.
fn both(config: Value, parameters: &str) -> NetworkRequest {
    let by_get = get(config.clone(), parameters);
    assert_eq!(
        post(config.clone(), "", parameters.as_bytes()),
        by_get,
        "by POST: {parameters}"
    );
    let (query, body) = parameters.split_once('&').unwrap_or((parameters, ""));
    let names = |text: &str| {
        text.split('&')
            .filter_map(|pair| pair.split('=').next())
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    if names(query).iter().all(|name| !names(body).contains(name)) {
        assert_eq!(
            post(config, query, body.as_bytes()),
            by_get,
            "in both places: {parameters}"
        );
    }
    by_get
}

/// The three objections, in the order in which they count.
fn objections(request: &NetworkRequest) -> [Option<Reason>; 3] {
    let objections = &request.objections;
    [&objections.syntax, &objections.account, &objections.terms]
        .map(|refusal| refusal.as_ref().map(|refusal| refusal.reason))
}

/// `text` with the value of one parameter replaced; an empty value removes it.
fn with(text: &str, name: &str, value: &str) -> String {
    let others = text
        .split('&')
        .filter(|pair| pair.split('=').next() != Some(name))
        .map(str::to_owned);
    let own = (!value.is_empty()).then(|| format!("{name}={value}"));
    others.chain(own).collect::<Vec<_>>().join("&")
}
