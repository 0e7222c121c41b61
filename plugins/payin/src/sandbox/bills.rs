//! Bills (§5.1 to §5.3).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::desk::Desk;
use super::input::Input;
use super::json::Node;
use super::model::{Bill, BillState, add};
use super::refusal::{Refusal, invalid};
use super::site::Site;
use super::stamp;

pub fn put(site: &mut Site, desk: &mut Desk, id: &str, body: &Node, raw: &[u8]) -> Result<Value, Refusal> {
    if let Some(known) = site.bills.get(id) {
        desk.compare(&format!("bill {id}"), &known.body, raw);
        return Ok(known.json(&desk.base_url, site.switches.test_mode));
    }
    let bill = new_bill(site, desk, id, body, raw)?;
    let shown = bill.json(&desk.base_url, site.switches.test_mode);
    site.bills.insert(id.to_owned(), bill);
    Ok(shown)
}

fn new_bill(site: &Site, desk: &mut Desk, id: &str, body: &Node, raw: &[u8]) -> Result<Bill, Refusal> {
    let input = Input {
        body,
        switches: &site.switches,
    };
    let flags = input.flags();
    let checks_card = flags.iter().any(|flag| flag == "CHECK_CARD");
    let amount = if checks_card {
        if !body.at("amount").is_null() {
            return Err(invalid("amount", "must be null"));
        }
        None
    } else {
        Some(input.sum("amount")?)
    };
    let expires = body.at("expirationDateTime").text().and_then(stamp::read);
    let expires = expires.ok_or_else(|| invalid("expirationDateTime", "must be a date with its offset"))?;
    if expires <= desk.now {
        // D-5.
        return Err(invalid("expirationDateTime", "must be in the future"));
    }
    input.check_people()?;
    bind_account(&flags, body)?;
    let mut custom = input.custom()?;
    let callback = Node::Text(custom.remove("invoice_callback_url").unwrap_or_default());
    if callback != Node::Text(String::new())
        && let Some(url) = input.callback(&callback, "customFields.invoice_callback_url")?
    {
        custom.insert("invoice_callback_url".to_owned(), url);
    }
    let splits = match &amount {
        Some(amount) => input.splits("splits", amount)?,
        None => Vec::new(),
    };
    let methods = body.at("billPaymentMethodsType").list().iter().filter_map(Node::text);
    Ok(Bill {
        id: id.to_owned(),
        invoice: desk.uuid(),
        amount,
        created: desk.now,
        changed: desk.now,
        expires,
        state: BillState::Created,
        methods: methods.map(str::to_owned).collect(),
        flags: flags
            .into_iter()
            .filter(|flag| matches!(flag.as_str(), "SALE" | "BIND_PAYMENT_TOKEN" | "CHECK_CARD"))
            .collect(),
        comment: input.text("comment", 256)?,
        custom,
        customer: body.at("customer").value(),
        splits,
        has_cheque: input.cheque()?,
        attempts: Vec::new(),
        made_by: "PAYIN_API",
        body: raw.to_vec(),
    })
}

/// §4.1: a token is issued to somebody.
pub fn bind_account(flags: &[String], body: &Node) -> Result<Option<String>, Refusal> {
    let account = body
        .at("customer")
        .at("account")
        .text()
        .filter(|account| !account.is_empty());
    if !flags.iter().any(|flag| flag == "BIND_PAYMENT_TOKEN") {
        return Ok(None);
    }
    let account = account.ok_or_else(|| invalid("customer.account", "must not be empty"))?;
    Ok(Some(account.to_owned()))
}

/// The methods that the form shows (§5.1, D-6). A hold is by card only.
pub fn methods(site: &Site, bill: &Bill) -> Vec<&'static str> {
    let enabled: &[&'static str] = if site.switches.sbp { &["CARD", "SBP"] } else { &["CARD"] };
    let listed = |method: &&'static str| {
        !site.switches.sbp || bill.methods.is_empty() || bill.methods.iter().any(|known| known == method)
    };
    let possible = |method: &&'static str| *method == "CARD" || bill.has("SALE");
    let shown: Vec<_> = enabled.iter().copied().filter(listed).filter(possible).collect();
    if shown.is_empty() { vec!["CARD"] } else { shown }
}

fn attempts(site: &Site, bill: &Bill, base_url: &str) -> Value {
    let newest = bill.attempts.iter().rev().filter_map(|id| site.payments.get(id));
    Value::Array(
        newest
            .map(|payment| payment.json(base_url, site.switches.test_mode))
            .collect(),
    )
}

pub fn details(site: &Site, desk: &Desk, id: &str) -> Result<Value, Refusal> {
    let bill = site.bills.get(id).ok_or(Refusal::NotFound)?;
    let mut shown = bill.json(&desk.base_url, site.switches.test_mode);
    if !bill.attempts.is_empty() {
        add(&mut shown, "payments", Some(attempts(site, bill, &desk.base_url)));
    }
    Ok(shown)
}

pub fn payments(site: &Site, desk: &Desk, id: &str) -> Result<Value, Refusal> {
    let bill = site.bills.get(id).ok_or(Refusal::NotFound)?;
    Ok(attempts(site, bill, &desk.base_url))
}

/// A bill that nobody made by hand: of a payment without one, or of a link (§7).
pub fn by_itself(desk: &mut Desk, id: String, amount: super::money::Sum, expires: DateTime<Utc>) -> Bill {
    Bill {
        id,
        invoice: desk.uuid(),
        amount: Some(amount),
        created: desk.now,
        changed: desk.now,
        expires,
        state: BillState::Created,
        flags: Vec::new(),
        methods: Vec::new(),
        comment: None,
        custom: BTreeMap::new(),
        customer: json!({}),
        splits: Vec::new(),
        has_cheque: false,
        attempts: Vec::new(),
        made_by: "PUBLIC_KEY",
        body: Vec::new(),
    }
}
