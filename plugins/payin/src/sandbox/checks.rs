//! Card verification (§5.16).

use serde_json::Value;

use super::bank::{Card, Verdict};
use super::desk::Desk;
use super::json::Node;
use super::model::{BillState, Check, CheckState, StoredCard};
use super::notices;
use super::payments::card_of;
use super::refusal::{Refusal, invalid};
use super::site::Site;
use super::till;

pub fn put(site: &mut Site, desk: &mut Desk, id: &str, body: &Node) -> Result<Value, Refusal> {
    if !site.switches.card_checks {
        return Err(Refusal::Forbidden);
    }
    if !site.checks.contains_key(id) {
        let card = card_of(body.at("cardData"), "cardData", site.switches.strict_cards)?;
        let account = body.at("tokenizationData").at("account").text().map(str::to_owned);
        start(site, desk, id, card, account);
    }
    get(site, desk, id)
}

/// Also for a bill that checks a card (§5.16: its check has the bill's id).
pub fn start(site: &mut Site, desk: &mut Desk, id: &str, card: Card, account: Option<String>) {
    let verdict: Verdict = card.judge(desk.now);
    let three_ds = verdict
        .three_ds
        .then(|| (till::pareq(desk), till::three_ds_until(desk.now)));
    let check = Check {
        id: id.to_owned(),
        state: if three_ds.is_some() {
            CheckState::Waiting3ds
        } else {
            CheckState::Init
        },
        valid: verdict.refused.is_none(),
        with_three_ds: "WITHOUT",
        at: desk.now,
        decided_at: Some(desk.now + verdict.after.unwrap_or_default()),
        three_ds,
        account,
        token: None,
        card,
    };
    site.checks.insert(id.to_owned(), check);
    go_on(site, desk, id);
}

fn go_on(site: &mut Site, desk: &mut Desk, id: &str) {
    let Some(mut check) = site.checks.remove(id) else {
        return;
    };
    if let Some((_, until)) = check.three_ds
        && until <= desk.now
    {
        check.three_ds = None;
        check.decided_at = None;
        check.state = CheckState::Error;
        notices::check(site, &check, desk);
    }
    if check.three_ds.is_none() && check.decided_at.is_some_and(|at| at <= desk.now) {
        check.decided_at = None;
        check.at = desk.now;
        check.state = CheckState::Success;
        if let (true, Some(account)) = (check.valid, &check.account) {
            let stored = StoredCard {
                token: desk.uuid(),
                account: account.clone(),
                card: check.card.clone(),
                alive: true,
            };
            site.cards.insert(stored.token.clone(), stored.clone());
            check.token = Some(stored);
        }
        if let Some(bill) = site.bills.get_mut(id).filter(|_| check.valid) {
            bill.state = BillState::Paid;
            bill.changed = desk.now;
        }
        notices::check(site, &check, desk);
    }
    site.checks.insert(id.to_owned(), check);
}

pub fn get(site: &Site, desk: &Desk, id: &str) -> Result<Value, Refusal> {
    Ok(site.checks.get(id).ok_or(Refusal::NotFound)?.json(&desk.base_url))
}

pub fn complete(site: &mut Site, desk: &mut Desk, id: &str, body: &Node) -> Result<Value, Refusal> {
    let check = site.checks.get_mut(id).ok_or(Refusal::NotFound)?;
    let pares = body
        .at("pares")
        .text()
        .ok_or_else(|| invalid("pares", "must not be empty"))?;
    pass(check, pares);
    go_on(site, desk, id);
    get(site, desk, id)
}

fn pass(check: &mut Check, pares: &str) {
    if let Some((pareq, _)) = check.three_ds.take() {
        let passed = till::has_passed(pares, &pareq);
        check.with_three_ds = if passed { "PASSED" } else { "NOT_PASSED" };
        check.valid &= passed;
        check.state = CheckState::Init;
    }
}

/// As [`complete`], from the page of a bill that checks a card.
pub fn complete_on_page(site: &mut Site, desk: &mut Desk, id: &str, pares: &str) {
    if let Some(check) = site.checks.get_mut(id) {
        pass(check, pares);
    }
    go_on(site, desk, id);
}

pub fn tick(site: &mut Site, desk: &mut Desk) {
    let ids: Vec<String> = site.checks.keys().cloned().collect();
    for id in ids {
        go_on(site, desk, &id);
    }
}
