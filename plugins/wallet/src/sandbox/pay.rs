//! Payments and what they cost.

use chrono::{Duration, SubsecRound};
use plugin_sdk::SandboxAnswer;
use serde_json::{Map, Value, json};

use super::answers::{enveloped, invalid, kopecks, not_found, number, payment_error};
use super::call::Call;
use super::cards::Price;
use super::state::{State, Txn, TxnState};

const SERVICE: &str = "sinap";
const ACCEPT: [&str; 3] = ["application/json", "application/vnd.qiwi.v2+json", "*/*"];
const LEAST: i64 = 100;
const TO_WALLET: u32 = 99;
const MASTER: u32 = 28_004;
const CARD: u32 = 32_064;
/// Providers of cards: the standard tariff of the page's sample.
const BY_CARD: [u32; 6] = [1963, 21_013, 31_652, 22_351, 1960, 21_012];
const CARD_FIXED: i64 = 5_000;
const CARD_PER_CENT: i64 = 2;

/// Where a payment comes in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Site,
    Api,
}

/// What was asked, once it is known to be well formed.
struct Asked {
    id: String,
    sum: i64,
    account: String,
    comment: Option<String>,
    body: Map<String, Value>,
}

/// What becomes of a well-formed payment.
enum Verdict {
    Refused(u32, &'static str),
    Unknown,
    Accepted(Box<Txn>),
}

pub fn pay(state: &mut State, call: &Call<'_>, wallet: &str, provider: &str, door: Door) -> SandboxAnswer {
    let Ok(provider) = provider.parse::<u32>() else {
        return invalid(SERVICE, "unknown provider", call.now);
    };
    let asked = match read(call, door) {
        Ok(asked) => asked,
        Err(text) => return invalid(SERVICE, text, call.now),
    };
    let fields = asked.body.get("fields").cloned().unwrap_or_default();
    let fingerprint = format!("{provider}|{}|{fields}", asked.sum);
    let known = state
        .wallets
        .get(wallet)
        .and_then(|wallet| wallet.paid.get(&asked.id))
        .cloned();
    if let Some((before, answer)) = known {
        return if before == fingerprint {
            answered(state, door, 200, &answer)
        } else {
            refused(
                state,
                door,
                408,
                "У вас уже есть такой платеж — оплатите или отмените его",
            )
        };
    }
    let txn = match judge(state, call, wallet, provider, &asked) {
        Verdict::Refused(code, text) => return refused(state, door, code, text),
        Verdict::Unknown => return not_found(SERVICE, "order.not.found", call.now),
        Verdict::Accepted(txn) => *txn,
    };
    let answer = accepted(state, &asked, &txn, door);
    let (id, total) = (txn.id, txn.sum + txn.fee);
    if let Some(balance) = state.balance(wallet) {
        *balance -= total;
    }
    if let Some(wallet) = state.wallets.get_mut(wallet) {
        wallet.paid.insert(asked.id.clone(), (fingerprint, answer.clone()));
    }
    state.txns.push(txn);
    state.tell(id, call.now);
    match asked.sum % 100 {
        50 => SandboxAnswer::empty(500),
        51 => answered(state, door, 200, &answer).header("x-sandbox-delay-seconds", "70"),
        _ => answered(state, door, 200, &answer),
    }
}

fn read(call: &Call<'_>, door: Door) -> Result<Asked, &'static str> {
    let accept = call.request.header("accept").unwrap_or("*/*");
    if !ACCEPT.iter().any(|known| accept.contains(known)) {
        return Err("unknown Accept");
    }
    if !(call.request.header("content-type")).is_some_and(|kind| kind.starts_with("application/json")) {
        return Err("Content-Type must be application/json");
    }
    let Some(Value::Object(body)) = call.json() else {
        return Err("the body must be a JSON object");
    };
    let root = Value::Object(body.clone());
    let text = |pointer: &str| root.pointer(pointer).and_then(Value::as_str);
    let id = text("/id").unwrap_or_default().to_owned();
    if !(1..=20).contains(&id.len()) || !id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("id must be a string of 1 to 20 digits");
    }
    let amount = root.pointer("/sum/amount").filter(|amount| amount.is_number());
    let sum = amount
        .and_then(kopecks)
        .filter(|sum| *sum > 0)
        .ok_or("sum.amount must be positive")?;
    if text("/sum/currency") != Some("643") {
        return Err("sum.currency must be 643");
    }
    if text("/paymentMethod/type") != Some("Account") || text("/paymentMethod/accountId") != Some("643") {
        return Err("paymentMethod must be Account 643");
    }
    if door == Door::Site && (text("/source") != Some("account_643") || text("/comment").is_none()) {
        return Err("source must be account_643, and comment must be there");
    }
    let account = text("/fields/account").filter(|account| !account.is_empty());
    let account = account.ok_or("fields.account is required")?.to_owned();
    let comment = text("/comment").map(str::to_owned);
    Ok(Asked {
        id,
        sum,
        account,
        comment,
        body,
    })
}

fn judge(state: &mut State, call: &Call<'_>, wallet: &str, provider: u32, asked: &Asked) -> Verdict {
    let fee = fee(provider, asked.sum);
    let mut card_draft = None;
    if asked.sum < LEAST {
        return Verdict::Refused(241, "Сумма платежа меньше минимальной");
    }
    if asked.sum > state.settings.get("payment_max") {
        return Verdict::Refused(242, "Сумма платежа больше максимальной");
    }
    let wanted = match provider {
        MASTER => Some(state.settings.get("master_price")),
        CARD => {
            let order = asked
                .body
                .get("fields")
                .and_then(|fields| fields.get("order_id"))
                .and_then(Value::as_str);
            match order.and_then(|order| state.draft_price(wallet, order)) {
                Some(Price::Of(price)) => {
                    card_draft = order.map(str::to_owned);
                    Some(price)
                }
                _ => return Verdict::Unknown,
            }
        }
        _ => None,
    };
    match wanted {
        Some(wanted) if asked.sum < wanted => return Verdict::Refused(241, "Сумма платежа меньше минимальной"),
        Some(wanted) if asked.sum > wanted => return Verdict::Refused(242, "Сумма платежа больше максимальной"),
        _ => {}
    }
    let funds = state.balance(wallet).map_or(0, |balance| *balance);
    if asked.sum % 100 == 20 || funds < asked.sum + fee {
        return Verdict::Refused(220, "Недостаточно средств ");
    }
    let payee = (provider == TO_WALLET)
        .then(|| recipient(&asked.account))
        .flatten()
        .filter(|payee| state.wallets.contains_key(payee));
    let outcome = match asked.sum % 100 {
        5 => Some(TxnState::Error(5)),
        _ if state.settings.is_on("sms_confirmation") => None,
        99 if wanted.is_none() => None,
        _ if provider == TO_WALLET && payee.is_none() => Some(TxnState::Error(5)),
        _ => Some(TxnState::Success),
    };
    let now = call.now.trunc_subsecs(0);
    let settles = call.now + Duration::seconds(state.settings.get("settle_seconds"));
    Verdict::Accepted(Box::new(Txn {
        id: state.next_txn(),
        client_id: asked.id.clone(),
        payer: Some(wallet.to_owned()),
        payee,
        provider,
        account: masked(provider, &asked.account),
        sum: asked.sum,
        fee,
        comment: asked.comment.clone().filter(|_| matches!(provider, 99 | 1099)),
        at: now,
        state: TxnState::Waiting,
        plan: outcome.map(|outcome| (settles, outcome)),
        card_draft,
        buys_master: provider == MASTER,
    }))
}

/// Ten digits, eleven, or a plus and eleven.
fn recipient(account: &str) -> Option<String> {
    let digits = account.strip_prefix('+').unwrap_or(account);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match digits.len() {
        10 => Some(format!("7{digits}")),
        11..=15 => Some(digits.to_owned()),
        _ => None,
    }
}

/// A card comes back masked.
fn masked(provider: u32, account: &str) -> String {
    match (
        BY_CARD.contains(&provider),
        account.get(..4),
        account.len().checked_sub(4),
    ) {
        (true, Some(first), Some(end)) => {
            format!("{first}****{}", account.get(end..).unwrap_or_default())
        }
        _ => account.to_owned(),
    }
}

fn accepted(state: &State, asked: &Asked, txn: &Txn, door: Door) -> Value {
    let word = if state.settings.is_on("sms_confirmation") {
        "AwaitingSMSConfirmation"
    } else {
        "Accepted"
    };
    let mut fields = asked.body.get("fields").cloned().unwrap_or_default();
    if let Some(account) = fields.get_mut("account") {
        *account = Value::String(txn.account.clone());
    }
    let mut answer = json!({
        "id": asked.id, "fields": fields,
        "sum": { "amount": number(asked.sum), "currency": "643" },
        "transaction": { "id": txn.id.to_string(), "state": { "code": word } },
    });
    if let Value::Object(answer) = &mut answer {
        for name in ["source", "comment"] {
            if let Some(value) = asked.body.get(name) {
                answer.insert(name.to_owned(), value.clone());
            }
        }
        if door == Door::Api {
            answer.insert("terms".to_owned(), Value::String(txn.provider.to_string()));
        }
    }
    answer
}

fn refused(state: &State, door: Door, code: u32, text: &str) -> SandboxAnswer {
    answered(state, door, 400, &payment_error(code, text))
}

fn answered(state: &State, door: Door, status: u16, body: &Value) -> SandboxAnswer {
    if door == Door::Site && state.settings.is_on("sinap_envelope") {
        enveloped(status, body)
    } else {
        SandboxAnswer::json(status, body)
    }
}

fn fee(provider: u32, sum: i64) -> i64 {
    if BY_CARD.contains(&provider) {
        CARD_FIXED + sum * CARD_PER_CENT / 100
    } else {
        0
    }
}

pub fn commission(state: &State, call: &Call<'_>, provider: &str, door: Door) -> SandboxAnswer {
    let body = call.json().unwrap_or_default();
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
    let sum = body.pointer("/purchaseTotals/total/amount").and_then(kopecks);
    let has_all = text("/account").is_some()
        && text("/paymentMethod/type") == Some("Account")
        && text("/paymentMethod/accountId") == Some("643")
        && text("/purchaseTotals/total/currency") == Some("643");
    let (Some(sum), true, Ok(provider)) = (sum, has_all, provider.parse::<u32>()) else {
        return invalid(
            SERVICE,
            "account, paymentMethod and purchaseTotals are required",
            call.now,
        );
    };
    let fee = fee(provider, sum);
    let money = |kopecks: i64| json!({ "amount": number(kopecks), "currency": "643" });
    let answer = json!({
        "providerId": provider, "withdrawSum": money(sum + fee), "enrollmentSum": money(sum),
        "qwCommission": money(fee), "fundingSourceCommission": money(0), "withdrawToEnrollmentRate": 1,
    });
    answered(state, door, 200, &answer)
}

pub fn tariff(provider: &str) -> SandboxAnswer {
    let provider = provider.parse::<u32>().unwrap_or_default();
    let range = if BY_CARD.contains(&provider) {
        json!({ "bound": 0, "fixed": number(CARD_FIXED), "rate": number(CARD_PER_CENT) })
    } else {
        json!({ "bound": 0, "rate": 0 })
    };
    let body = json!({ "id": provider, "content": { "terms": { "commission": { "ranges": [range] } } } });
    SandboxAnswer::json(200, &body)
}
