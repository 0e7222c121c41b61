//! The simulator's own pages and controls, under `/sandbox/wallet`.

use chrono::SubsecRound;
use plugin_sdk::SandboxAnswer;
use serde_json::{Value, json};

use super::answers::{kopecks, shortest};
use super::call::Call;
use super::settings::SWITCHES;
use super::state::{PERMISSIONS, RUB, State, Txn, TxnState, Wallet};

const WALLETS_MAX: usize = 10_000;
/// Transactions that the page shows.
const SHOWN_MAX: usize = 50;
const HOME: &str = "/sandbox/wallet";

pub fn handle(state: &mut State, call: &Call<'_>, rest: &[&str]) -> SandboxAnswer {
    let done = match (call.method, rest) {
        ("GET", []) => return SandboxAnswer::html(200, page(state)),
        ("GET", ["state.json"]) => return SandboxAnswer::json(200, &whole(state)),
        ("POST", ["wallets"]) => add_wallet(state, call),
        ("POST", ["tokens"]) => mint(state, call),
        ("POST", ["topups"]) => top_up(state, call),
        ("POST", ["settings"]) => switch(state, call),
        ("POST", ["transactions", id]) => finish(state, call, id),
        _ => return SandboxAnswer::json(404, &json!({ "error": "GET /sandbox/wallet tells what there is" })),
    };
    match done {
        // A person sees the page again, a program what was done.
        Ok(_) if call.is_form() => SandboxAnswer::empty(303).header("location", HOME),
        Ok(done) => SandboxAnswer::json(200, &done),
        Err(why) => SandboxAnswer::json(422, &json!({ "error": why })),
    }
}

fn add_wallet(state: &mut State, call: &Call<'_>) -> Result<Value, &'static str> {
    let fields = call.fields();
    let number = fields
        .get("wallet")
        .filter(|number| (11..=15).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit()));
    let number = number.ok_or("wallet: 11 to 15 digits with the country code")?;
    if state.wallets.contains_key(number) || state.wallets.len() >= WALLETS_MAX {
        return Err("wallet: there is one already, or there are too many");
    }
    let amount = fields
        .get("balance")
        .map_or(Some(0), |balance| kopecks(&Value::String(balance.clone())));
    let mut wallet = Wallet {
        password: fields.get("password").cloned().unwrap_or_else(|| "password".to_owned()),
        ..Wallet::default()
    };
    wallet
        .balances
        .insert(RUB, amount.ok_or("balance: rubles, such as 1000.00")?);
    state.wallets.insert(number.clone(), wallet);
    Ok(json!({ "wallet": number }))
}

fn mint(state: &mut State, call: &Call<'_>) -> Result<Value, &'static str> {
    let fields = call.fields();
    let wanted = fields
        .get("permissions")
        .cloned()
        .unwrap_or_else(|| PERMISSIONS.join(","));
    let permissions = wanted
        .split(',')
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty());
    let wallet = fields.get("wallet").ok_or("wallet: whose token")?;
    let token = state.mint(wallet, permissions.take(PERMISSIONS.len()).collect(), call.now);
    Ok(json!({ "token": token.ok_or("wallet: there is none with this number")? }))
}

/// Money from a terminal.
fn top_up(state: &mut State, call: &Call<'_>) -> Result<Value, &'static str> {
    let fields = call.fields();
    let sum = fields
        .get("amount")
        .and_then(|amount| kopecks(&Value::String(amount.clone())));
    let sum = sum.filter(|sum| *sum > 0).ok_or("amount: rubles, such as 100.00")?;
    let wallet = fields.get("wallet").ok_or("wallet: who gets it")?;
    if !state.wallets.contains_key(wallet) {
        return Err("wallet: there is none with this number");
    }
    let id = state.next_txn();
    state.txns.push(Txn {
        id,
        client_id: id.to_string(),
        payer: None,
        payee: Some(wallet.clone()),
        provider: 7,
        account: "Terminal 4151200".to_owned(),
        sum,
        fee: 0,
        comment: None,
        at: call.now.trunc_subsecs(0),
        state: TxnState::Waiting,
        plan: None,
        card_draft: None,
        buys_master: false,
    });
    state.finish(state.txns.len() - 1, TxnState::Success, call.now);
    Ok(json!({ "txnId": id }))
}

fn switch(state: &mut State, call: &Call<'_>) -> Result<Value, &'static str> {
    let fields = call.fields();
    let name = fields.get("name").ok_or("name: which switch")?;
    let value = fields.get("value").and_then(|value| value.parse().ok());
    let value = value.ok_or("value: a whole number")?;
    if !state.settings.set(name, value) {
        return Err("name: there is no such switch");
    }
    Ok(json!({ "name": name, "value": value }))
}

fn finish(state: &mut State, call: &Call<'_>, id: &str) -> Result<Value, &'static str> {
    let fields = call.fields();
    let code = fields.get("code").and_then(|code| code.parse().ok()).unwrap_or(797);
    let outcome = match fields.get("outcome").map(String::as_str) {
        Some("success") => TxnState::Success,
        Some("error") => TxnState::Error(code),
        _ => return Err("outcome: success or error"),
    };
    let at = state
        .txns
        .iter()
        .position(|txn| txn.id.to_string() == id && txn.state == TxnState::Waiting);
    state.finish(
        at.ok_or("there is no such transaction, or it is final")?,
        outcome,
        call.now,
    );
    Ok(json!({ "txnId": id }))
}

fn word(txn: &Txn) -> &'static str {
    match txn.state {
        TxnState::Waiting => "WAITING",
        TxnState::Success => "SUCCESS",
        TxnState::Error(_) => "ERROR",
    }
}

/// The truth, for tests. Passwords, tokens and cards' secrets are not in it.
fn whole(state: &State) -> Value {
    let wallets = state.wallets.iter().map(|(number, wallet)| {
        json!({
            "wallet": number, "balance": shortest(wallet.balances.get(&RUB).copied().unwrap_or_default()),
            "master": wallet.has_master, "cards": wallet.cards.len(),
            "hook": wallet.hook.as_ref().map(|hook| &hook.url),
        })
    });
    let txns = state.txns.iter().map(|txn| {
        json!({ "txnId": txn.id, "id": txn.client_id, "payer": txn.payer, "payee": txn.payee, "provider": txn.provider,
            "sum": shortest(txn.sum), "fee": shortest(txn.fee), "status": word(txn) })
    });
    json!({ "wallets": wallets.collect::<Vec<_>>(), "transactions": txns.collect::<Vec<_>>() })
}

fn page(state: &State) -> String {
    let wallets: String = (state.wallets.iter())
        .map(|(number, wallet)| {
            let rubles = shortest(wallet.balances.get(&RUB).copied().unwrap_or_default());
            let hook = wallet.hook.as_ref().map_or("none", |hook| hook.url.as_str());
            format!(
                "<tr><td>{number}</td><td class=\"n\">{rubles} RUB</td><td>{}</td><td>{}</td></tr>",
                wallet.cards.len(),
                escaped(hook)
            )
        })
        .collect();
    let txns: String = state.txns.iter().rev().take(SHOWN_MAX).map(row).collect();
    let switches: String = (SWITCHES.iter())
        .map(|(name, _, help)| {
            let value = state.settings.get(name);
            format!(
                "<tr><td>{name}</td><td>{help}</td><td><form method=\"post\" action=\"{HOME}/settings\">\
                 <input type=\"hidden\" name=\"name\" value=\"{name}\"><input name=\"value\" value=\"{value}\" \
                 aria-label=\"{name}\"> <button>Set</button></form></td></tr>"
            )
        })
        .collect();
    include_str!("page.html")
        .replace("{{wallets}}", &wallets)
        .replace("{{transactions}}", &txns)
        .replace("{{switches}}", &switches)
}

fn row(txn: &Txn) -> String {
    let buttons = if txn.state == TxnState::Waiting {
        format!(
            "<form method=\"post\" action=\"{HOME}/transactions/{}\"><button name=\"outcome\" value=\"success\">Succeed\
             </button> <button name=\"outcome\" value=\"error\">Fail</button></form>",
            txn.id
        )
    } else {
        String::new()
    };
    format!(
        "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td class=\"n\">{} RUB</td><td>{}</td><td>{buttons}</td></tr>",
        txn.id,
        escaped(&txn.client_id),
        txn.payer.as_deref().unwrap_or("terminal"),
        escaped(txn.payee.as_deref().unwrap_or(&txn.account)),
        shortest(txn.sum),
        word(txn)
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
