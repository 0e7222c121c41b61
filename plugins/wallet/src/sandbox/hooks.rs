//! Hooks: one for each wallet, signed, tried three times.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Duration, Utc};
use plugin_sdk::{SandboxAnswer, SandboxNotification};
use serde_json::{Value, json};

use super::answers::{dated, invalid, moscow, not_found, number, service_error, shortest};
use super::call::Call;
use super::cas::Caller;
use super::state::{State, Txn, TxnState};

const SERVICE: &str = "payment-notifier";
const URL_MAX: usize = 100;
/// After the first attempt, and after the second.
const AGAIN: [Duration; 2] = [Duration::minutes(10), Duration::hours(1)];

#[derive(Clone)]
pub struct Hook {
    pub id: String,
    pub url: String,
    /// 0 in, 1 out, 2 both.
    txn_type: u8,
    key: Vec<u8>,
}

pub struct Delivery {
    id: u64,
    pub url: String,
    body: Vec<u8>,
    attempts: usize,
    /// Nothing once there is no attempt left.
    pub next_at: Option<DateTime<Utc>>,
}

pub fn handle(state: &mut State, call: &Call<'_>, caller: &Caller, rest: &[&str]) -> SandboxAnswer {
    if let Some(refused) = caller.lacks("history", call.now) {
        return refused;
    }
    let hook = state.wallets.get(&caller.wallet).and_then(|wallet| wallet.hook.clone());
    if (call.method, rest) == ("PUT", &[][..]) {
        return register(state, call, &caller.wallet, hook.is_some());
    }
    let Some(hook) = hook else {
        return not_found(SERVICE, "hook.not.found", call.now);
    };
    match (call.method, rest) {
        ("GET", ["active"]) => SandboxAnswer::json(200, &shown(&hook)),
        ("GET", ["test"]) => {
            let body = json!({ "messageId": null, "hookId": hook.id, "payment": null, "hash": null,
                "version": "1.0.0", "test": true });
            state.send(&hook, &body, call.now);
            SandboxAnswer::json(200, &json!({ "response": "Webhook sent" }))
        }
        (_, [id, ..]) if *id != hook.id => not_found(SERVICE, "hook.not.found", call.now),
        ("DELETE", [_]) => {
            if let Some(wallet) = state.wallets.get_mut(&caller.wallet) {
                wallet.hook = None;
            }
            SandboxAnswer::json(200, &json!({ "response": "Hook deleted" }))
        }
        ("GET", [_, "key"]) => key(state, &hook.key),
        ("POST", [_, "newkey"]) => {
            let fresh = new_key(state);
            if let Some(hook) = state
                .wallets
                .get_mut(&caller.wallet)
                .and_then(|wallet| wallet.hook.as_mut())
            {
                hook.key.clone_from(&fresh);
            }
            key(state, &fresh)
        }
        _ => not_found(SERVICE, "not.found", call.now),
    }
}

fn register(state: &mut State, call: &Call<'_>, wallet: &str, is_there: bool) -> SandboxAnswer {
    let (Some(kind), Some(url), Some(txn_type)) = (call.query("hookType"), call.query("param"), call.query("txnType"))
    else {
        return invalid(SERVICE, "hookType, param and txnType are required", call.now);
    };
    if url.chars().count() > URL_MAX {
        return SandboxAnswer::empty(500);
    }
    let txn_type = txn_type.parse::<u8>().ok().filter(|kind| *kind <= 2);
    let is_url = url.starts_with("http://") || url.starts_with("https://");
    let (Some(txn_type), "1", true) = (txn_type, kind, is_url) else {
        return service_error(422, SERVICE, "validation.error", "bad hook", call.now);
    };
    if is_there {
        return service_error(422, SERVICE, "hook.already.exists", "Hook already exists", call.now);
    }
    let hook = Hook {
        id: state.uuid("hook"),
        url: url.to_owned(),
        txn_type,
        key: new_key(state),
    };
    let answer = shown(&hook);
    if let Some(wallet) = state.wallets.get_mut(wallet) {
        wallet.hook = Some(hook);
    }
    SandboxAnswer::json(200, &answer)
}

fn shown(hook: &Hook) -> Value {
    let word = match hook.txn_type {
        0 => "IN",
        1 => "OUT",
        _ => "BOTH",
    };
    json!({ "hookId": hook.id, "hookParameters": { "url": hook.url }, "hookType": "WEB", "txnType": word })
}

/// 32 bytes.
fn new_key(state: &mut State) -> Vec<u8> {
    let hex = state.secret_hex("hook key");
    let byte = |at: usize| u8::from_str_radix(hex.get(at..at + 2).unwrap_or("00"), 16).unwrap_or_default();
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn key(state: &State, key: &[u8]) -> SandboxAnswer {
    let status = if state.settings.get("key_status") == 200 {
        200
    } else {
        201
    };
    SandboxAnswer::json(status, &json!({ "key": STANDARD.encode(key) }))
}

impl State {
    /// What the wallets of a transaction are told of its state.
    pub fn tell(&mut self, txn: i64, now: DateTime<Utc>) {
        let Some(at) = self.txns.iter().position(|known| known.id == txn) else {
            return;
        };
        let sides = self.txns.get(at).map(|txn| {
            let arrived = txn.state == TxnState::Success;
            let payee = txn.payee.clone().filter(|_| arrived);
            [(txn.payer.clone(), 1), (payee, 0)]
        });
        for (wallet, side) in sides.into_iter().flatten() {
            let Some(wallet) = wallet else { continue };
            let hook = self.wallets.get(&wallet).and_then(|wallet| wallet.hook.clone());
            let Some(hook) = hook.filter(|hook| hook.txn_type == 2 || hook.txn_type == side) else {
                continue;
            };
            let message = self.uuid("message");
            let is_broken = self.settings.is_on("broken_hash");
            let Some(body) = self
                .txns
                .get(at)
                .map(|txn| notification(txn, &wallet, side, &hook, &message, is_broken))
            else {
                continue;
            };
            for _ in 0..=i64::from(self.settings.is_on("duplicate_hooks")) {
                self.send(&hook, &body, now);
            }
        }
    }

    fn send(&mut self, hook: &Hook, body: &Value, now: DateTime<Utc>) {
        let id = self.next();
        self.deliveries.push(Delivery {
            id,
            url: hook.url.clone(),
            body: body.to_string().into_bytes(),
            attempts: 0,
            next_at: Some(now),
        });
    }

    pub fn due_hooks(&mut self, now: DateTime<Utc>) -> Vec<SandboxNotification> {
        let mut due = Vec::new();
        for delivery in &mut self.deliveries {
            if delivery.next_at.is_some_and(|at| at <= now) {
                due.push(SandboxNotification {
                    id: delivery.id,
                    method: "POST",
                    url: delivery.url.clone(),
                    headers: vec![("content-type", "application/json".to_owned())],
                    body: delivery.body.clone(),
                });
                delivery.next_at = AGAIN.get(delivery.attempts).map(|wait| now + *wait);
                delivery.attempts += 1;
            }
        }
        self.deliveries.retain(|delivery| delivery.next_at.is_some());
        due
    }

    pub fn hook_arrived(&mut self, id: u64) {
        self.deliveries.retain(|delivery| delivery.id != id);
    }
}

fn notification(txn: &Txn, wallet: &str, side: u8, hook: &Hook, message: &str, is_broken: bool) -> Value {
    let is_out = side == 1;
    let (status, code) = match txn.state {
        TxnState::Waiting => ("WAITING", 0),
        TxnState::Success => ("SUCCESS", 0),
        TxnState::Error(code) => ("ERROR", code),
    };
    let kind = if is_out { "OUT" } else { "IN" };
    let account = match (&txn.payer, is_out) {
        (Some(payer), false) => format!("+{payer}"),
        _ => txn.account.clone(),
    };
    let fee = if is_out { txn.fee } else { 0 };
    let money = |kopecks: i64| json!({ "amount": number(kopecks), "currency": 643 });
    let commission = (txn.state == TxnState::Success).then(|| money(fee));
    let signed = format!("643|{}|{kind}|{account}|{}", shortest(txn.sum), txn.id);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &hook.key), signed.as_bytes());
    let mut hash: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    if is_broken {
        hash = hash.chars().rev().collect();
    }
    json!({
        "messageId": message, "hookId": hook.id,
        "payment": {
            "txnId": txn.id.to_string(), "date": dated(txn.at, moscow()), "type": kind, "status": status,
            "errorCode": code.to_string(), "personId": wallet.parse::<i64>().unwrap_or_default(),
            "account": account, "comment": txn.comment.clone().unwrap_or_default(), "provider": txn.provider,
            "sum": money(txn.sum), "commission": commission, "total": money(txn.sum + fee),
            "signFields": "sum.currency,sum.amount,type,account,txnId",
        },
        "hash": hash, "version": "1.0.0", "test": false,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    /// The page's vectors, made by the sender.
    #[test]
    fn hooks_are_signed_as_the_page_shows() {
        let hook = Hook {
            id: "hook".to_owned(),
            url: String::new(),
            txn_type: 2,
            key: STANDARD.decode("JcyVhjHCvHQwufz+IHXolyqHgEc5MoayBfParl6Guoc=").unwrap(),
        };
        let vectors = [
            (
                0,
                100,
                "79161112233",
                "",
                13_353_941_550,
                "f05c4e7bdf00620205d47696d77f924bfd3ba4d02b0398ac8a626e737dc27243",
            ),
            (
                1,
                173,
                "x",
                "9121112233",
                13_117_338_074,
                "99c23818663ec6d14d094ad9a84a2e2673a141f09ffd60a35262639651e6165a",
            ),
            (
                1,
                101,
                "x",
                "borya241203",
                13_126_423_989,
                "5353723e54ebcf5c84a647c4e69fac948371b0a33355e562e98b0bf340b37f3c",
            ),
            (
                1,
                10_000,
                "x",
                "+79121112233",
                4_969_142_201,
                "6661d5e50e282ff047e574be63fef7cd23aba90d38b29cf6c326a7867c666df8",
            ),
        ];
        for (side, sum, payer, account, id, hash) in vectors {
            let txn = Txn {
                id,
                client_id: String::new(),
                payer: Some(payer.to_owned()),
                payee: None,
                provider: 7,
                account: account.to_owned(),
                sum,
                fee: 0,
                comment: None,
                at: DateTime::UNIX_EPOCH,
                state: TxnState::Success,
                plan: None,
                card_draft: None,
                buys_master: false,
            };
            assert_eq!(notification(&txn, "1", side, &hook, "m", false)["hash"], hash);
            assert_ne!(notification(&txn, "1", side, &hook, "m", true)["hash"], hash);
        }
    }
}
