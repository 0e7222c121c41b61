//! The network itself, played from its document: wallets with money in them, CAS, the API, the site, QIWI Master and
//! hooks. Nothing here is shared with the client.

mod accounts;
mod answers;
mod call;
mod cards;
mod cas;
mod control;
mod history;
mod hooks;
mod pay;
mod providers;
mod settings;
mod state;

use chrono::{DateTime, Utc};
use plugin_sdk::{Sandbox, SandboxAnswer, SandboxNotification, SandboxRequest};

use answers::{not_found, unauthorized};
use call::Call;
use state::State;

/// Paths of the real network, each with what stands under it.
const PATHS: [&str; 16] = [
    "/cas/tgts",
    "/cas/sts",
    "/j_spring_cas_security_check",
    "/user/sinap/",
    "/sinap/",
    "/mobile/detect.action",
    "/card/detect.action",
    "/payment-history/",
    "/funding-sources/",
    "/cards/v",
    "/payment-notifier/",
    "/person-profile/",
    "/qw-limits/",
    "/qw-mobile-providers-resolver/",
    "/sandbox/wallet/",
    "/sandbox/wallet",
];

/// The simulator of the wallets' network.
pub struct WalletSandbox {
    state: State,
}

impl WalletSandbox {
    /// Two wallets with money, known by everybody: 79110000001 and 79110000002, with the passwords `demo-password-1`
    /// and `demo-password-2` and the tokens `demo-wallet-token-1` and `demo-wallet-token-2`.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: State::with_demo_wallets(),
        }
    }
}

impl Default for WalletSandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Sandbox for WalletSandbox {
    fn serves(&self, path: &str) -> bool {
        PATHS.iter().any(|known| {
            let is_whole = !known.ends_with('/') && *known != "/cards/v";
            if is_whole {
                path == *known
            } else {
                path.starts_with(known)
            }
        })
    }

    fn handle(&mut self, request: &SandboxRequest, now: DateTime<Utc>) -> SandboxAnswer {
        self.state.settle(now);
        let call = Call::read(request, now);
        route(&mut self.state, &call)
    }

    /// Without a hook: its key would have to be fetched first, and the gateway asks by itself.
    fn connect(&mut self, base_url: &str, _: &str) -> Option<serde_json::Value> {
        Some(serde_json::json!({
            "dialect": "token",
            "wallet": "79110000001",
            "token": "demo-wallet-token-1",
            "auth_base": base_url,
            "site_base": base_url,
            "edge_base": base_url,
        }))
    }

    fn due(&mut self, now: DateTime<Utc>) -> Vec<SandboxNotification> {
        self.state.settle(now);
        self.state.due_hooks(now)
    }

    fn delivered(&mut self, id: u64, answer: Option<(u16, &[u8])>, _now: DateTime<Utc>) {
        if answer.is_some_and(|(status, _)| status == 200) {
            self.state.hook_arrived(id);
        }
    }

    fn next_due(&self) -> Option<DateTime<Utc>> {
        self.state.next_due()
    }

    fn pages(&self) -> Vec<(String, String)> {
        vec![(
            "Wallets, transactions and switches".to_owned(),
            "/sandbox/wallet".to_owned(),
        )]
    }
}

fn route(state: &mut State, call: &Call<'_>) -> SandboxAnswer {
    let path: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    match (call.method, path.as_slice()) {
        (_, ["cas", ..]) => cas::tickets(state, call, &path),
        ("GET" | "POST", ["j_spring_cas_security_check"]) => cas::open_session(state, call),
        (_, ["sandbox", "wallet", rest @ ..]) => control::handle(state, call, rest),
        ("POST", ["mobile", "detect.action"]) => providers::detect_mobile(call),
        ("POST", ["card", "detect.action"]) => providers::detect_card(call),
        ("POST", ["user", "sinap", "api", kind, provider, what, "proxy.action"]) => {
            site(state, call, (kind, provider, what))
        }
        _ => edge(state, call, &path),
    }
}

/// Calls of the site, by its session cookie.
fn site(state: &mut State, call: &Call<'_>, (kind, provider, what): (&str, &str, &str)) -> SandboxAnswer {
    let Some(wallet) = cas::web_caller(state, call) else {
        return unauthorized();
    };
    match (kind, what) {
        ("terms", "payments") => pay::pay(state, call, &wallet, provider, pay::Door::Site),
        ("terms", "validations") => answers::enveloped(200, &serde_json::json!({})),
        ("providers", "onlineCommission") => pay::commission(state, call, provider, pay::Door::Site),
        _ => not_found("sinap", "not.found", call.now),
    }
}

/// Calls of the API, by token or ticket.
fn edge(state: &mut State, call: &Call<'_>, path: &[&str]) -> SandboxAnswer {
    if let ("GET", ["sinap", "providers", provider, "form"]) = (call.method, path) {
        return pay::tariff(provider);
    }
    let caller = match cas::edge_caller(state, call) {
        Ok(caller) => caller,
        Err(refused) => return refused,
    };
    match (call.method, path) {
        ("POST", ["sinap", "api", "v2", "terms", provider, "payments"]) if !caller.is_cas => {
            if let Some(refused) = caller.lacks("payments", call.now) {
                return refused;
            }
            pay::pay(state, call, &caller.wallet, provider, pay::Door::Api)
        }
        ("POST", ["sinap", "providers", provider, "onlineCommission"]) if !caller.is_cas => {
            pay::commission(state, call, provider, pay::Door::Api)
        }
        ("POST", ["sinap", "api", "refs", _, "containers"]) => providers::card_container(call),
        ("GET", ["qw-mobile-providers-resolver", "v1", "providers"]) => providers::mobile_operator(call),
        (_, ["payment-history", version, rest @ ..]) => history::handle(state, call, &caller, version, rest),
        (_, ["funding-sources", ..]) => accounts::balances(state, call, &caller, path),
        ("GET", ["person-profile", "v1", "profile", "current"]) => accounts::profile(state, call, &caller),
        ("GET", ["qw-limits", "v1", "persons", wallet, "actual-limits"]) => {
            accounts::limits(state, call, &caller, wallet)
        }
        (_, ["cards", rest @ ..]) if !caller.is_cas => cards::handle(state, call, &caller, rest),
        (_, ["payment-notifier", "v1", "hooks", rest @ ..]) if !caller.is_cas => {
            hooks::handle(state, call, &caller, rest)
        }
        _ => not_found("edge", "not.found", call.now),
    }
}
