//! Balances, profile, limits.

use plugin_sdk::SandboxAnswer;
use serde_json::{Value, json};

use super::answers::{dated, invalid, moscow, not_found, number};
use super::call::Call;
use super::cas::Caller;
use super::state::{RUB, State};

const SERVICE: &str = "funding-sources";

pub fn balances(state: &mut State, call: &Call<'_>, caller: &Caller, path: &[&str]) -> SandboxAnswer {
    if let Some(refused) = caller.lacks("balance", call.now) {
        return refused;
    }
    match (call.method, path) {
        ("GET", [_, "v1", "accounts", wallet]) => {
            let wallet = if *wallet == "current" {
                caller.wallet.as_str()
            } else {
                wallet
            };
            if !state.wallets.contains_key(wallet) {
                return not_found(SERVICE, "wallet.not.found", call.now);
            }
            caller.is_not(wallet, call.now).unwrap_or_else(|| old(state, wallet))
        }
        ("GET", [_, "v2", "persons", wallet, "accounts"]) => {
            if !state.wallets.contains_key(*wallet) {
                return not_found(SERVICE, "wallet.not.found", call.now);
            }
            caller
                .is_not(wallet, call.now)
                .unwrap_or_else(|| new(state, call, wallet))
        }
        ("GET", [_, "v2", "persons", _, "accounts", "offer"]) => SandboxAnswer::json(
            200,
            &json!([{ "alias": "qw_wallet_usd", "currency": 840 }, { "alias": "qw_wallet_eur", "currency": 978 }]),
        ),
        ("POST", [_, "v2", "persons", wallet, "accounts"]) => {
            let currency = match call.fields().get("alias").map(String::as_str) {
                Some("qw_wallet_usd") => 840,
                Some("qw_wallet_eur") => 978,
                _ => return invalid(SERVICE, "unknown alias", call.now),
            };
            if let Some(refused) = caller.is_not(wallet, call.now) {
                return refused;
            }
            if let Some(wallet) = state.wallets.get_mut(*wallet) {
                wallet.balances.entry(currency).or_default();
            }
            SandboxAnswer::empty(201)
        }
        ("PATCH", [_, "v2", "persons", _, "accounts", _]) => SandboxAnswer::empty(204),
        _ => not_found(SERVICE, "not.found", call.now),
    }
}

fn old(state: &State, wallet: &str) -> SandboxAnswer {
    let balances = state.wallets.get(wallet).map(|wallet| &wallet.balances);
    let accounts = balances.into_iter().flatten().map(|(currency, amount)| {
        json!({
            "fsAlias": "qb_wallet", "title": "Qiwi Account",
            "type": { "id": "WALLET", "title": "Visa QIWI Wallet" }, "currencyId": currency,
            "balance": { "amount": number(*amount), "currencyId": currency },
        })
    });
    SandboxAnswer::json(200, &json!({ "accounts": accounts.collect::<Vec<_>>() }))
}

fn new(state: &State, call: &Call<'_>, wallet: &str) -> SandboxAnswer {
    let is_slow = state.settings.is_on("slow_balance");
    let mut accounts = vec![json!({
        "alias": "mc_beeline_rub", "fsAlias": "qb_mc_beeline", "bankAlias": "QIWI", "title": "MC",
        "type": { "id": "MC", "title": "Счет мобильного кошелька" },
        "hasBalance": false, "balance": null, "currency": RUB,
    })];
    let balances = state.wallets.get(wallet).map(|wallet| &wallet.balances);
    for (currency, amount) in balances.into_iter().flatten() {
        let alias = match currency {
            840 => "qw_wallet_usd",
            978 => "qw_wallet_eur",
            _ => "qw_wallet_rub",
        };
        let told = !is_slow || call.query("alias") == Some(alias) && call.query("timeout").is_some();
        let balance = told.then(|| json!({ "amount": number(*amount), "currency": currency }));
        accounts.push(json!({
            "alias": alias, "fsAlias": "qb_wallet", "bankAlias": "QIWI", "title": "WALLET",
            "type": { "id": "WALLET", "title": "QIWI Wallet" },
            "hasBalance": true, "balance": balance, "currency": currency, "defaultAccount": *currency == RUB,
        }));
    }
    SandboxAnswer::json(200, &json!({ "accounts": accounts }))
}

pub fn profile(_state: &State, call: &Call<'_>, caller: &Caller) -> SandboxAnswer {
    if let Some(refused) = caller.lacks("profile", call.now) {
        return refused;
    }
    let person = caller.wallet.parse::<i64>().unwrap_or_default();
    let since = "2017-01-07T16:51:06+03:00";
    let part = |name: &str, body: Value| {
        if call.query(name) == Some("false") {
            Value::Null
        } else {
            body
        }
    };
    SandboxAnswer::json(
        200,
        &json!({
            "authInfo": part("authInfoEnabled", json!({
                "personId": person, "registrationDate": since, "boundEmail": null, "ip": "127.0.0.1",
                "lastLoginDate": dated(call.now, moscow()),
                "mobilePinInfo": { "mobilePinUsed": false, "lastMobilePinChange": null, "nextMobilePinChange": null },
                "passInfo": { "passwordUsed": true, "lastPassChange": since, "nextPassChange": since },
                "pinInfo": { "pinUsed": true },
            })),
            "contractInfo": part("contractInfoEnabled", json!({
                "blocked": false, "contractId": person, "creationDate": since, "features": [],
                "identificationInfo": [{ "bankAlias": "QIWI", "identificationLevel": "FULL", "passportExpired": false }],
            })),
            "userInfo": part("userInfoEnabled", json!({
                "defaultPayCurrency": 643, "defaultPaySource": null, "email": null, "firstTxnId": null,
                "language": "ru", "operator": "Sandbox", "phoneHash": "sandbox", "promoEnabled": null,
            })),
        }),
    )
}

pub fn limits(state: &State, call: &Call<'_>, caller: &Caller, wallet: &str) -> SandboxAnswer {
    if let Some(refused) = caller
        .lacks("profile", call.now)
        .or_else(|| caller.is_not(wallet, call.now))
    {
        return refused;
    }
    let largest = number(state.settings.get("payment_max"));
    let until = dated(call.now + chrono::Duration::days(30), moscow());
    let types = call.query.iter().filter(|(name, _)| name.starts_with("types"));
    let limits = types.map(|(_, kind)| {
        json!({ "type": kind, "currency": "RUB", "rest": largest, "max": largest, "spent": 0,
            "interval": { "dateFrom": dated(call.now, moscow()), "dateTill": until } })
    });
    SandboxAnswer::json(200, &json!({ "limits": { "RU": limits.collect::<Vec<_>>() } }))
}
