//! The history of payments, statistics, single transactions and receipts.

use chrono::{DateTime, Datelike, Duration, FixedOffset, NaiveDateTime, TimeZone, Utc};
use plugin_sdk::SandboxAnswer;
use serde_json::{Value, json};

use super::answers::{dated, invalid, moscow, not_found, number, service_error};
use super::call::Call;
use super::cas::Caller;
use super::state::{State, Txn, TxnState};

const SERVICE: &str = "payment-history";
const ABSENT: &str = "payment.history.not.found";
const A_MINUTE: usize = 100;
const BLOCK: Duration = Duration::seconds(300);
const DAYS_MAX: i64 = 90;
const SOURCES: [&str; 6] = ["QW_RUB", "QW_USD", "QW_KZT", "QW_EUR", "CARD", "MK"];
const OPERATIONS: [&str; 4] = ["ALL", "IN", "OUT", "QIWI_CARD"];

pub fn handle(state: &mut State, call: &Call<'_>, caller: &Caller, version: &str, rest: &[&str]) -> SandboxAnswer {
    if !matches!(version, "v1" | "v2") {
        return not_found(SERVICE, "not.found", call.now);
    }
    if let Some(blocked) = limited(state, call, &caller.wallet) {
        return blocked;
    }
    if let Some(refused) = caller.lacks("history", call.now) {
        return refused;
    }
    let is_v1 = version == "v1";
    match (call.method, rest) {
        ("GET", ["persons", wallet, "payments"]) => caller
            .is_not(wallet, call.now)
            .unwrap_or_else(|| list(state, call, wallet, is_v1)),
        ("GET", ["persons", wallet, "payments", "total"]) => caller
            .is_not(wallet, call.now)
            .unwrap_or_else(|| totals(state, call, wallet, is_v1)),
        ("GET", ["persons", wallet, "cards", card, "statement"]) => caller
            .is_not(wallet, call.now)
            .unwrap_or_else(|| super::cards::statement(state, call, wallet, card)),
        ("GET", ["transactions", id]) => single(state, call, &caller.wallet, id, is_v1),
        ("GET", ["transactions", id, "cheque", "file"]) => cheque(state, call, &caller.wallet, id),
        ("POST", ["transactions", id, "cheque", "send"]) => mail(state, call, &caller.wallet, id),
        _ => not_found(SERVICE, "not.found", call.now),
    }
}

/// A hundred a minute; the next one shuts the wallet's history for five.
fn limited(state: &mut State, call: &Call<'_>, wallet: &str) -> Option<SandboxAnswer> {
    let wallet = state.wallets.get_mut(wallet)?;
    let blocked = || {
        let text = "request blocked, try again later";
        Some(service_error(423, SERVICE, "request.blocked", text, call.now))
    };
    if wallet.blocked_until.is_some_and(|until| call.now < until) {
        return blocked();
    }
    while (wallet.asked.front()).is_some_and(|oldest| *oldest + Duration::seconds(60) <= call.now) {
        wallet.asked.pop_front();
    }
    if wallet.asked.len() >= A_MINUTE {
        wallet.blocked_until = Some(call.now + BLOCK);
        return blocked();
    }
    wallet.asked.push_back(call.now);
    None
}

/// Which transactions are asked for.
struct Filter {
    operation: String,
    rubles: bool,
    from: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    zone: FixedOffset,
}

impl Filter {
    fn read(call: &Call<'_>) -> Result<Self, &'static str> {
        let operation = call.query("operation").unwrap_or("ALL").to_owned();
        if !OPERATIONS.contains(&operation.as_str()) {
            return Err("unknown operation");
        }
        let sources = call.query.iter().filter(|(name, _)| name.starts_with("sources"));
        let sources: Vec<&str> = sources.map(|(_, value)| value.as_str()).collect();
        if sources.iter().any(|source| !SOURCES.contains(source)) {
            return Err("unknown source");
        }
        let dates = match (call.query("startDate"), call.query("endDate")) {
            (None, None) => None,
            (Some(from), Some(until)) => Some((date(from)?, date(until)?)),
            _ => return Err("startDate and endDate come together"),
        };
        let zone = dates.map_or_else(moscow, |(from, _)| *from.offset());
        let (from, until) = dates
            .map(|(from, until)| (from.with_timezone(&Utc), until.with_timezone(&Utc)))
            .unzip();
        if let (Some(from), Some(until)) = (from, until) {
            if until < from {
                return Err("endDate is before startDate");
            }
            if until - from > Duration::days(DAYS_MAX) {
                return Err("the period is longer than 90 days");
            }
        }
        Ok(Self {
            operation,
            rubles: sources.is_empty() || sources.contains(&"QW_RUB"),
            from,
            until,
            zone,
        })
    }

    fn takes(&self, txn: &Txn, kind: &str) -> bool {
        (self.operation == "ALL" || self.operation == kind)
            && self.rubles
            && self.from.is_none_or(|from| txn.at >= from)
            && self.until.is_none_or(|until| txn.at <= until)
    }
}

/// With a zone, with `Z`, or without one: then it is Moscow's.
fn date(text: &str) -> Result<DateTime<FixedOffset>, &'static str> {
    // A plus that nobody encoded arrives as a space at some servers; here it stays a plus.
    let text = text.replace(' ', "+");
    if let Ok(at) = DateTime::parse_from_rfc3339(&text) {
        return Ok(at);
    }
    let plain = NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S").map_err(|_| "a date cannot be read")?;
    moscow()
        .from_local_datetime(&plain)
        .single()
        .ok_or("a date cannot be read")
}

/// The sides of transactions that a wallet sees: its own payments, and what arrived.
fn sides<'a>(state: &'a State, wallet: &'a str) -> impl DoubleEndedIterator<Item = (&'a Txn, &'static str)> {
    state.txns.iter().flat_map(move |txn| {
        let out = (txn.payer.as_deref() == Some(wallet)).then_some((txn, "OUT"));
        let arrived = txn.payee.as_deref() == Some(wallet) && txn.state == TxnState::Success;
        [arrived.then_some((txn, "IN")), out].into_iter().flatten()
    })
}

fn list(state: &State, call: &Call<'_>, wallet: &str, is_v1: bool) -> SandboxAnswer {
    let rows = call.query("rows").and_then(|rows| rows.parse::<usize>().ok());
    let Some(rows) = rows.filter(|rows| (1..=50).contains(rows)) else {
        return invalid(SERVICE, "rows must be from 1 to 50", call.now);
    };
    let mut filter = match Filter::read(call) {
        Ok(filter) => filter,
        Err(text) => return invalid(SERVICE, text, call.now),
    };
    let cursor = match (call.query("nextTxnId"), call.query("nextTxnDate")) {
        (None, None) => None,
        (Some(id), Some(at)) => match (id.parse::<i64>(), date(at)) {
            (Ok(id), Ok(_)) => Some(id),
            _ => return invalid(SERVICE, "nextTxnId or nextTxnDate cannot be read", call.now),
        },
        _ => return invalid(SERVICE, "nextTxnId and nextTxnDate come together", call.now),
    };
    if cursor.is_none() && filter.from.is_none() {
        filter.from = Some(call.now - Duration::hours(24));
    }
    let mut found = sides(state, wallet)
        .rev()
        .filter(|(txn, kind)| filter.takes(txn, kind) && cursor.is_none_or(|first| txn.id <= first));
    let page: Vec<_> = found.by_ref().take(rows).collect();
    let next = found.next().map(|(txn, _)| txn);
    if page.is_empty() && is_v1 {
        return not_found(SERVICE, ABSENT, call.now);
    }
    let items = page
        .iter()
        .map(|(txn, kind)| item(txn, wallet, kind, filter.zone, is_v1));
    SandboxAnswer::json(
        200,
        &json!({
            "data": items.collect::<Vec<_>>(),
            "nextTxnId": next.map(|txn| txn.id),
            "nextTxnDate": next.map(|txn| dated(txn.at, filter.zone)),
        }),
    )
}

fn item(txn: &Txn, wallet: &str, kind: &str, zone: FixedOffset, is_v1: bool) -> Value {
    let (status, code, text) = match txn.state {
        TxnState::Waiting => ("WAITING", 0, "Запрос обрабатывается"),
        TxnState::Success => ("SUCCESS", 0, "Успешно"),
        TxnState::Error(code) => ("ERROR", code, "Ошибка"),
    };
    let currency = if is_v1 { json!("RUB") } else { json!(643) };
    let money = |kopecks: i64| json!({ "amount": number(kopecks), "currency": currency });
    let is_out = kind == "OUT";
    let fee = if is_out { txn.fee } else { 0 };
    let account = match (&txn.payer, is_out) {
        (Some(payer), false) => format!("+{payer}"),
        _ => txn.account.clone(),
    };
    let flags = json!({ "chequeReady": status == "SUCCESS", "bankDocumentAvailable": false,
        "bankDocumentReady": false, "repeatPaymentEnabled": false });
    let mut item = json!({
        "txnId": txn.id, "personId": wallet.parse::<i64>().unwrap_or_default(), "date": dated(txn.at, zone),
        "errorCode": code, "error": (code != 0).then(|| reason(code)), "status": status, "type": kind,
        "statusText": text, "trmTxnId": txn.client_id, "account": account,
        "sum": money(txn.sum), "commission": money(fee), "total": money(txn.sum + fee),
        "provider": { "id": txn.provider, "shortName": "QIWI Wallet", "longName": "QIWI Wallet", "logoUrl": null,
            "description": null, "keys": "***", "siteUrl": null },
        "comment": txn.comment, "currencyRate": 1, "extras": null,
    });
    if let (Value::Object(item), Value::Object(flags)) = (&mut item, flags) {
        if is_v1 {
            item.extend(flags);
        } else {
            item.insert("features".to_owned(), Value::Object(flags));
            item.insert("source".to_owned(), json!({ "id": 7, "shortName": "QIWI Wallet" }));
        }
    }
    item
}

fn reason(code: u32) -> String {
    match code {
        5 => "Нет такого номера".to_owned(),
        220 => "Недостаточно средств".to_owned(),
        797 => "Платеж отменен, деньги возвращены".to_owned(),
        other => format!("Ошибка {other}"),
    }
}

fn totals(state: &State, call: &Call<'_>, wallet: &str, is_v1: bool) -> SandboxAnswer {
    let mut filter = match Filter::read(call) {
        Ok(filter) => filter,
        Err(text) => return invalid(SERVICE, text, call.now),
    };
    if filter.from.is_none() {
        if !is_v1 {
            return invalid(SERVICE, "startDate and endDate are required", call.now);
        }
        let today = call.now.with_timezone(&moscow());
        let first = moscow()
            .with_ymd_and_hms(today.year(), today.month(), 1, 0, 0, 0)
            .single();
        filter.from = first.map(|first| first.with_timezone(&Utc));
    }
    let sum = |wanted: &str| -> Option<i64> {
        let done = sides(state, wallet)
            .filter(|(txn, kind)| txn.state == TxnState::Success && *kind == wanted && filter.takes(txn, kind));
        let amounts: Vec<i64> = done
            .map(|(txn, kind)| if kind == "OUT" { txn.sum + txn.fee } else { txn.sum })
            .collect();
        (!amounts.is_empty()).then(|| amounts.iter().sum())
    };
    let currency = if is_v1 { json!("RUB") } else { json!(643) };
    let listed = |kopecks: Option<i64>| {
        let items = kopecks
            .into_iter()
            .map(|kopecks| json!({ "amount": number(kopecks), "currency": currency }));
        items.collect::<Vec<_>>()
    };
    let body = json!({ "incomingTotal": listed(sum("IN")), "outgoingTotal": listed(sum("OUT")) });
    SandboxAnswer::json(200, &body)
}

/// One of the caller's own, its outgoing side first.
fn find<'a>(state: &'a State, call: &Call<'_>, wallet: &'a str, id: &str) -> Option<(&'a Txn, &'static str)> {
    let id = id.parse::<i64>().ok()?;
    let wanted = call.query("type");
    let mut mine =
        sides(state, wallet).filter(|(txn, kind)| txn.id == id && wanted.is_none_or(|wanted| wanted == *kind));
    mine.next_back()
}

fn single(state: &State, call: &Call<'_>, wallet: &str, id: &str, is_v1: bool) -> SandboxAnswer {
    match find(state, call, wallet, id) {
        Some((txn, kind)) => SandboxAnswer::json(200, &item(txn, wallet, kind, moscow(), is_v1)),
        None => not_found(SERVICE, ABSENT, call.now),
    }
}

fn cheque(state: &State, call: &Call<'_>, wallet: &str, id: &str) -> SandboxAnswer {
    let Some((txn, _)) = find(state, call, wallet, id) else {
        return not_found(SERVICE, ABSENT, call.now);
    };
    if txn.state != TxnState::Success {
        return not_found(SERVICE, "cheque.not.available", call.now);
    }
    match call.query("format").unwrap_or("PDF") {
        "PDF" => pdf(&format!("Receipt of payment {}", txn.id)),
        "JPEG" => SandboxAnswer {
            status: 200,
            headers: vec![("content-type", "image/jpeg".to_owned())],
            body: vec![0xFF, 0xD8, 0xFF, 0xD9],
        },
        _ => invalid(SERVICE, "format must be PDF or JPEG", call.now),
    }
}

/// A document that begins as one.
pub fn pdf(text: &str) -> SandboxAnswer {
    SandboxAnswer {
        status: 200,
        headers: vec![("content-type", "application/pdf".to_owned())],
        body: format!("%PDF-1.4\n% {text}\n%%EOF\n").into_bytes(),
    }
}

fn mail(state: &State, call: &Call<'_>, wallet: &str, id: &str) -> SandboxAnswer {
    let has_address = call.fields().get("email").is_some_and(|email| email.contains('@'));
    match find(state, call, wallet, id) {
        None => not_found(SERVICE, ABSENT, call.now),
        Some((txn, _)) if txn.state != TxnState::Success => not_found(SERVICE, "cheque.not.available", call.now),
        Some(_) if has_address => SandboxAnswer::empty(201),
        Some(_) => invalid(SERVICE, "email is required", call.now),
    }
}
