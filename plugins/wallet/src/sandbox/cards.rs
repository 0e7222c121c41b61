//! QIWI Master: orders, cards, what is done with them.

use chrono::{DateTime, Datelike, Duration, Months, Utc};
use plugin_sdk::SandboxAnswer;
use serde_json::{Value, json};

use super::answers::{dated, forbidden, invalid, moscow, not_found, number};
use super::call::Call;
use super::cas::Caller;
use super::history::pdf;
use super::providers::luhn;
use super::state::State;

const SERVICE: &str = "cards";
const PRODUCTS: [&str; 2] = ["qvc-cpa", "qvc-cpa-debit"];
const YEARS: u32 = 24;
const UNBLOCK: Duration = Duration::days(90);
const FIRST_CARD: u64 = 158_619_365;

pub struct CardDraft {
    product: String,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Draft,
    AwaitsPayment(i64),
    Completed(u64),
}

pub struct Card {
    id: u64,
    pan: String,
    cvv: String,
    product: String,
    alias: String,
    made: DateTime<Utc>,
    blocked: Option<DateTime<Utc>>,
}

/// What a draft waits for.
#[derive(Clone, Copy)]
pub enum Price {
    Of(i64),
    Nothing,
}

impl State {
    /// `None` for an order that is not there.
    pub fn draft_price(&self, wallet: &str, order: &str) -> Option<Price> {
        match self.wallets.get(wallet)?.drafts.get(order)?.stage {
            Stage::AwaitsPayment(price) => Some(Price::Of(price)),
            _ => Some(Price::Nothing),
        }
    }

    /// The order becomes a card, once.
    pub fn issue(&mut self, wallet: &str, order: &str, now: DateTime<Utc>) -> Option<u64> {
        let serial = self.next();
        let cvv = format!("{:03}", (serial * 37 + 111) % 1_000);
        let wallet = self.wallets.get_mut(wallet)?;
        let draft = wallet.drafts.get_mut(order)?;
        if let Stage::Completed(card) = draft.stage {
            return Some(card);
        }
        let id = FIRST_CARD + serial;
        draft.stage = Stage::Completed(id);
        let body = format!("489049{:09}", id % 1_000_000_000);
        let check = (0..10).map(|digit| format!("{body}{digit}")).find(|pan| luhn(pan));
        wallet.cards.push(Card {
            id,
            pan: check.unwrap_or(body),
            cvv,
            product: draft.product.clone(),
            alias: "QIWI Master".to_owned(),
            made: now,
            blocked: None,
        });
        Some(id)
    }
}

pub fn handle(state: &mut State, call: &Call<'_>, caller: &Caller, rest: &[&str]) -> SandboxAnswer {
    if let Some(refused) = caller.lacks("cards", call.now) {
        return refused;
    }
    let wallet = caller.wallet.clone();
    match (call.method, rest) {
        ("GET", ["v1", "cards"]) => list(state, call, &wallet),
        ("PUT", ["v1", "cards", card, "details"]) => details(state, call, &wallet, card),
        ("PUT", ["v1", "cards", card, "alias"]) => rename(state, call, &wallet, card),
        (method, ["v2", "persons", person, rest @ ..]) => match caller.is_not(person, call.now) {
            Some(refused) => refused,
            None => match (method, rest) {
                ("POST", ["orders"]) => order(state, call, &wallet),
                ("PUT", ["orders", order, "submit"]) => submit(state, call, &wallet, order),
                ("PUT", ["cards", card, "block"]) => block(state, call, &wallet, card),
                ("PUT", ["cards", card, "unblock"]) => unblock(state, call, &wallet, card),
                _ => not_found(SERVICE, "not.found", call.now),
            },
        },
        _ => not_found(SERVICE, "not.found", call.now),
    }
}

fn order(state: &mut State, call: &Call<'_>, wallet: &str) -> SandboxAnswer {
    let id = state.uuid("order");
    let Some(wallet) = state.wallets.get_mut(wallet).filter(|wallet| wallet.has_master) else {
        return forbidden(SERVICE, call.now);
    };
    let product = call
        .fields()
        .remove("cardAlias")
        .filter(|product| PRODUCTS.contains(&product.as_str()));
    let Some(product) = product else {
        return invalid(SERVICE, "unknown cardAlias", call.now);
    };
    let draft = CardDraft {
        product,
        stage: Stage::Draft,
    };
    let answer = shown(&id, &draft);
    wallet.drafts.insert(id, draft);
    SandboxAnswer::json(200, &answer)
}

fn shown(id: &str, draft: &CardDraft) -> Value {
    let (status, price, card) = match draft.stage {
        Stage::Draft => ("DRAFT", None, None),
        Stage::AwaitsPayment(price) => ("PAYMENT_REQUIRED", Some(price), None),
        Stage::Completed(card) => ("COMPLETED", Some(0), Some(card.to_string())),
    };
    let price = price.map(|price| json!({ "amount": number(price), "currency": 643 }));
    json!({ "id": id, "cardAlias": draft.product, "status": status, "price": price, "cardId": card })
}

fn submit(state: &mut State, call: &Call<'_>, number: &str, id: &str) -> SandboxAnswer {
    let (free, price) = (state.settings.get("free_cards"), state.settings.get("card_price"));
    let Some(wallet) = state.wallets.get_mut(number).filter(|wallet| wallet.has_master) else {
        return forbidden(SERVICE, call.now);
    };
    let issued = i64::try_from(wallet.cards.len()).unwrap_or(i64::MAX);
    let Some(draft) = wallet.drafts.get_mut(id) else {
        return not_found(SERVICE, "order.not.found", call.now);
    };
    if draft.stage == Stage::Draft && issued >= free {
        draft.stage = Stage::AwaitsPayment(price);
    }
    if draft.stage == Stage::Draft {
        state.issue(number, id, call.now);
    }
    let draft = state.wallets.get(number).and_then(|wallet| wallet.drafts.get(id));
    match draft {
        Some(draft) => SandboxAnswer::json(200, &shown(id, draft)),
        None => not_found(SERVICE, "order.not.found", call.now),
    }
}

fn list(state: &State, call: &Call<'_>, wallet: &str) -> SandboxAnswer {
    if call.query("vas-alias") != Some("qvc-master") {
        return invalid(SERVICE, "vas-alias is required", call.now);
    }
    let cards = state.wallets.get(wallet).map(|wallet| wallet.cards.as_slice());
    let listed = cards.into_iter().flatten().map(|card| listed(card, call.now));
    SandboxAnswer::json(200, &Value::Array(listed.collect()))
}

fn ends(card: &Card) -> DateTime<Utc> {
    card.made.checked_add_months(Months::new(YEARS)).unwrap_or(card.made)
}

fn listed(card: &Card, now: DateTime<Utc>) -> Value {
    let ends = ends(card);
    let last_four = card.pan.get(12..).unwrap_or_default();
    let unblock = card.blocked.is_some_and(|at| now < at + UNBLOCK);
    json!({
        "qvx": {
            "id": card.id, "maskedPan": format!("****{last_four}"),
            "status": if card.blocked.is_some() { "BLOCKED" } else { "ACTIVE" },
            "cardExpire": dated(ends, moscow()), "cardType": "VIRTUAL", "cardAlias": card.alias, "cardLimit": null,
            "activated": dated(card.made, moscow()), "smsResended": null, "postNumber": null,
            "blockedDate": card.blocked.map(|at| dated(at, moscow())), "fullPan": null,
            "cardId": card.id * 12_600_000_000, "txnId": (card.id * 12_600_000_000).to_string(),
            "cardExpireMonth": format!("{:02}", ends.month()), "cardExpireYear": ends.year().to_string(),
            "unblockAvailable": unblock,
        },
        "balance": null,
        "info": {
            "id": 12, "name": "Виртуальная карта QIWI", "alias": card.product,
            "price": { "amount": 99, "currency": 643 }, "period": "за год", "type": "QVC_CPA",
            "details": { "info": "99 ₽, действует 2 года", "description": "", "tariffLink": null, "offerLink": null,
                "features": ["Покупки без комиссии"],
                "requisites": [{ "name": "Получатель", "value": "КИВИ Банк (АО)" }, { "name": "БИК", "value": "044525416" }] },
            "features": [],
        },
    })
}

fn with_card(
    state: &mut State,
    call: &Call<'_>,
    wallet: &str,
    card: &str,
    act: impl FnOnce(&mut Card) -> SandboxAnswer,
) -> SandboxAnswer {
    let id = card.parse::<u64>().unwrap_or_default();
    let cards = state.wallets.get_mut(wallet).map(|wallet| &mut wallet.cards);
    match cards.into_iter().flatten().find(|card| card.id == id) {
        Some(card) => act(card),
        None => not_found(SERVICE, "card.not.found", call.now),
    }
}

fn details(state: &mut State, call: &Call<'_>, wallet: &str, card: &str) -> SandboxAnswer {
    let operation = call.fields().remove("operationId").unwrap_or_default();
    if operation.len() != 36 || operation.split('-').count() != 5 {
        return invalid(SERVICE, "operationId must be a UUID", call.now);
    }
    with_card(state, call, wallet, card, |card| {
        let body = if card.blocked.is_some() {
            json!({ "status": "FAIL", "cvv": null, "pan": null, "errorCode": "1" })
        } else {
            json!({ "status": "OK", "cvv": card.cvv, "pan": card.pan, "errorCode": "0" })
        };
        SandboxAnswer::json(200, &body)
    })
}

fn rename(state: &mut State, call: &Call<'_>, wallet: &str, card: &str) -> SandboxAnswer {
    let alias = call.fields().remove("alias").filter(|alias| !alias.is_empty());
    with_card(state, call, wallet, card, |card| {
        let word = match alias {
            Some(alias) => {
                card.alias = alias;
                "OK"
            }
            None => "FAIL",
        };
        SandboxAnswer::json(200, &json!({ "status": word, "error": word, "errorCode": word }))
    })
}

fn block(state: &mut State, call: &Call<'_>, wallet: &str, card: &str) -> SandboxAnswer {
    with_card(state, call, wallet, card, |card| {
        card.blocked.get_or_insert(call.now);
        SandboxAnswer::empty(202)
    })
}

fn unblock(state: &mut State, call: &Call<'_>, wallet: &str, card: &str) -> SandboxAnswer {
    with_card(state, call, wallet, card, |card| {
        let in_time = card.blocked.is_none_or(|at| call.now < at + UNBLOCK);
        if in_time {
            card.blocked = None;
        }
        let word = if in_time { "OK" } else { "FAIL" };
        let body =
            json!({ "status": word, "nextConfirmationRequest": null, "confirmationId": null, "operationId": null });
        SandboxAnswer::json(200, &body)
    })
}

pub fn statement(state: &mut State, call: &Call<'_>, wallet: &str, card: &str) -> SandboxAnswer {
    let moment = |name: &str| {
        call.query(name)
            .and_then(|text| DateTime::parse_from_rfc3339(text).ok())
    };
    let (Some(from), Some(till)) = (moment("from"), moment("till")) else {
        return invalid(SERVICE, "from and till are required", call.now);
    };
    if till < from || till - from > Duration::days(90) {
        return invalid(SERVICE, "the period is longer than 90 days", call.now);
    }
    with_card(state, call, wallet, card, |card| {
        pdf(&format!("Statement of card {}", card.id))
    })
}
