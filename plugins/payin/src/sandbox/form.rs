//! The payment form (§7): one page per bill, where a person pays or does not; and bills that a link makes.

use std::collections::BTreeMap;

use chrono::Duration;
use plugin_sdk::{SandboxAnswer, SandboxRequest};
use serde_json::json;
use url::form_urlencoded;

use super::bank::{Card, Verdict};
use super::desk::Desk;
use super::json::Node;
use super::model::{Bill, BillState, CheckState, How, Payment, State, StoredCard};
use super::money::Sum;
use super::site::Site;
use super::{bills, checks, notices, pages, payments, sbp, till};

/// Bills of links wait so long; §13 says "as configured".
const LINK_BILL: Duration = Duration::hours(72);
const BODY_BYTES_MAX: usize = 64 * 1_024;

pub fn fields(text: &[u8]) -> BTreeMap<String, String> {
    form_urlencoded::parse(text).into_owned().collect()
}

pub fn answer(sites: &mut BTreeMap<String, Site>, desk: &mut Desk, request: &SandboxRequest) -> SandboxAnswer {
    let query = fields(request.query.as_bytes());
    if request.path == "/create" {
        return by_link(sites, desk, &query);
    }
    let invoice = query.get("invoiceUid").or_else(|| query.get("invoice_uid"));
    let invoice = invoice.map(String::as_str).unwrap_or_default();
    let found = sites.values_mut().find_map(|site| {
        let bill = site.bills.values().find(|bill| bill.invoice == invoice)?.id.clone();
        Some((site, bill))
    });
    let Some((site, bill)) = found else {
        return pages::message(
            404,
            "No such bill",
            "The address is wrong, or the simulator was started anew.",
        );
    };
    let visit = Visit {
        action: format!("{}?{}", request.path, request.query),
        success_url: query.get("successUrl").filter(|url| is_web(url)).cloned(),
        bill,
    };
    match request.method.as_str() {
        "GET" => visit.show(site, None),
        "POST" if request.body.len() <= BODY_BYTES_MAX => visit.post(site, desk, &fields(&request.body)),
        _ => pages::message(405, "Not here", "Open the form, and press one of its buttons."),
    }
}

fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

struct Visit {
    bill: String,
    action: String,
    success_url: Option<String>,
}

impl Visit {
    fn show(&self, site: &Site, error: Option<&str>) -> SandboxAnswer {
        let Some(bill) = site.bills.get(&self.bill) else {
            return pages::message(404, "No such bill", "It is gone.");
        };
        if bill.state != BillState::Created {
            return pages::closed(bill, self.success_url.as_deref());
        }
        let last = bill.attempts.last().and_then(|id| site.payments.get(id));
        if last.is_some_and(|last| last.state == State::Waiting && last.three_ds.is_none()) {
            return pages::waiting(bill, &self.action);
        }
        let account = bill.customer.get("account").and_then(serde_json::Value::as_str);
        let cards: Vec<&StoredCard> = site
            .cards
            .values()
            .filter(|card| card.alive && Some(card.account.as_str()) == account)
            .collect();
        pages::form(&pages::Form {
            bill,
            action: &self.action,
            methods: &bills::methods(site, bill),
            cards: if bill.amount.is_some() { &cards } else { &[] },
            error,
        })
    }

    fn post(&self, site: &mut Site, desk: &mut Desk, posted: &BTreeMap<String, String>) -> SandboxAnswer {
        let field = |name: &str| posted.get(name).map(String::as_str);
        if let Some(pares) = field("PaRes") {
            return self.back_from_issuer(site, desk, pares);
        }
        let open = site
            .bills
            .get(&self.bill)
            .is_some_and(|bill| bill.state == BillState::Created);
        if !open {
            return self.show(site, None);
        }
        match field("action") {
            Some("pay") => self.by_card(site, desk, posted, false),
            Some("decline") => self.by_card(site, desk, posted, true),
            Some("token") => self.by_token(site, desk, field("token").unwrap_or_default()),
            Some("sbp") => self.by_sbp(site, desk),
            _ => self.show(site, Some("Press one of the buttons.")),
        }
    }

    fn by_card(
        &self,
        site: &mut Site,
        desk: &mut Desk,
        posted: &BTreeMap<String, String>,
        declined: bool,
    ) -> SandboxAnswer {
        let field = |name: &str| posted.get(name).map(|text| text.trim());
        let strict = site.switches.strict_cards;
        let cvv = field("cvv").filter(|cvv| !cvv.is_empty());
        let card = match Card::read(field("pan"), field("expiry"), cvv, field("holder"), strict) {
            Ok(card) => card,
            Err((_, text)) => return self.show(site, Some(text)),
        };
        let mut verdict = card.judge(desk.now);
        if declined {
            verdict = Verdict {
                three_ds: false,
                after: None,
                refused: Some(("ACQUIRING_NOT_PERMITTED", "05")),
            };
        }
        if site.bills.get(&self.bill).is_some_and(|bill| bill.amount.is_none()) {
            return self.check_card(site, desk, card);
        }
        self.pay(site, desk, How::Card { card, token: None }, verdict)
    }

    fn by_token(&self, site: &mut Site, desk: &mut Desk, token: &str) -> SandboxAnswer {
        let account = site.bills.get(&self.bill).and_then(|bill| bill.customer.get("account"));
        let account = account.and_then(serde_json::Value::as_str).unwrap_or_default();
        match payments::by_token(site, desk, token, account) {
            Some((how, verdict)) => self.pay(site, desk, how, verdict),
            None => self.show(site, Some("This card is not stored any more.")),
        }
    }

    fn by_sbp(&self, site: &mut Site, desk: &mut Desk) -> SandboxAnswer {
        let Some(bill) = site.bills.get(&self.bill) else {
            return self.show(site, None);
        };
        let (Some(amount), true) = (bill.amount.clone(), bills::methods(site, bill).contains(&"SBP")) else {
            return self.show(site, Some("This bill cannot be paid by SBP."));
        };
        let operation = desk.uuid().replace('-', "").to_uppercase();
        let qr = desk.uuid();
        let mut payment = sbp::paid(operation, self.bill.clone(), &qr, amount, desk);
        payment.callback = bill.custom.get("invoice_callback_url").cloned();
        payment.custom = custom_of(bill);
        payment.customer = bill.customer.clone();
        notices::payment(site, &payment, desk);
        if let Some(bill) = site.bills.get_mut(&self.bill) {
            bill.state = BillState::Paid;
            bill.changed = desk.now;
            bill.attempts.push(payment.id.clone());
        }
        site.payments.insert(payment);
        self.after(site, None)
    }

    fn pay(&self, site: &mut Site, desk: &mut Desk, how: How, verdict: Verdict) -> SandboxAnswer {
        let Some(payment) = site.bills.get(&self.bill).and_then(|bill| attempt(bill, how, desk)) else {
            return self.show(site, None);
        };
        let id = payment.id.clone();
        till::start(site, desk, payment, verdict);
        self.after(site, Some(&id))
    }

    fn check_card(&self, site: &mut Site, desk: &mut Desk, card: Card) -> SandboxAnswer {
        let binds = site.bills.get(&self.bill).filter(|bill| bill.has("BIND_PAYMENT_TOKEN"));
        let account = binds.and_then(|bill| bill.customer.get("account")?.as_str().map(str::to_owned));
        site.checks.remove(&self.bill);
        checks::start(site, desk, &self.bill, card, account);
        let wanted = site.checks.get(&self.bill).and_then(|check| check.three_ds.clone());
        match wanted {
            Some((pareq, _)) => pages::three_ds(&pareq, &self.bill, &self.action),
            None => self.show(site, Some("The card was not accepted.")),
        }
    }

    /// What the payer sees after an attempt. §7: a success leads back to the shop; there is no address for a failure.
    fn after(&self, site: &Site, payment: Option<&str>) -> SandboxAnswer {
        let payment = payment.and_then(|id| site.payments.get(id));
        if let Some((pareq, _)) = payment.and_then(|payment| payment.three_ds.as_ref()) {
            return pages::three_ds(pareq, &self.bill, &self.action);
        }
        let paid = site
            .bills
            .get(&self.bill)
            .is_some_and(|bill| bill.state == BillState::Paid);
        match (&self.success_url, paid) {
            (Some(url), true) => SandboxAnswer::empty(303).header("location", url.clone()),
            (None, true) => self.show(site, None),
            (_, false) => {
                let declined = payment.is_some_and(|payment| payment.state != State::Waiting);
                self.show(
                    site,
                    declined.then_some("The payment was declined. Try again, or another card."),
                )
            }
        }
    }

    fn back_from_issuer(&self, site: &mut Site, desk: &mut Desk, pares: &str) -> SandboxAnswer {
        if site
            .checks
            .get(&self.bill)
            .is_some_and(|check| check.state == CheckState::Waiting3ds)
        {
            checks::complete_on_page(site, desk, &self.bill, pares);
            return self.show(site, Some("The card was not accepted."));
        }
        let last = site
            .bills
            .get(&self.bill)
            .and_then(|bill| bill.attempts.last().cloned());
        if let Some(last) = &last {
            till::complete(site, desk, last, pares);
        }
        self.after(site, last.as_deref())
    }
}

/// §4.5: what the server adds by itself.
fn custom_of(bill: &Bill) -> BTreeMap<String, String> {
    let mut custom = bill.custom.clone();
    custom.insert("invoice_creation_type".to_owned(), bill.made_by.to_owned());
    if bill.has("SALE") {
        custom.insert("auto_capture".to_owned(), "true".to_owned());
    }
    custom
}

fn attempt(bill: &Bill, how: How, desk: &mut Desk) -> Option<Payment> {
    let account = bill.customer.get("account").and_then(serde_json::Value::as_str);
    Some(Payment {
        id: desk.uuid(),
        bill_id: bill.id.clone(),
        created: desk.now,
        changed: desk.now,
        amount: bill.amount.clone()?,
        captured: 0,
        refunded: 0,
        one_step: bill.has("SALE"),
        how,
        state: State::Waiting,
        three_ds: None,
        decided_at: None,
        refused: None,
        callback: bill.custom.get("invoice_callback_url").cloned(),
        comment: bill.comment.clone(),
        custom: custom_of(bill),
        customer: bill.customer.clone(),
        device: json!({}),
        flags: bill.flags.iter().filter(|flag| *flag == "SALE").cloned().collect(),
        splits: bill.splits.clone(),
        cheque: bill.has_cheque.then(|| desk.number()),
        bind: account.filter(|_| bill.has("BIND_PAYMENT_TOKEN")).map(str::to_owned),
        token: None,
        hold_until: None,
        captures: BTreeMap::new(),
        refunds: Vec::new(),
        payouts: BTreeMap::new(),
        body: Vec::new(),
    })
}

/// §7: opening the link makes the bill. The simulator does not ask the payer for a sum.
fn by_link(sites: &mut BTreeMap<String, Site>, desk: &mut Desk, query: &BTreeMap<String, String>) -> SandboxAnswer {
    let text = |name: &str| query.get(name).filter(|text| !text.is_empty()).cloned();
    let site = sites
        .values_mut()
        .find(|site| Some(&site.public_key) == query.get("publicKey"));
    let Some(site) = site else {
        return pages::message(404, "Unknown key", "publicKey is not one of the simulator's sites.");
    };
    let node = Node::Object(BTreeMap::from([
        ("value".to_owned(), Node::Text(text("amount").unwrap_or_default())),
        (
            "currency".to_owned(),
            Node::Text(text("currency").unwrap_or_else(|| "RUB".to_owned())),
        ),
    ]));
    let amount = match Sum::read(&node, false, true) {
        Ok(amount) => amount,
        Err(error) => return pages::message(400, "Wrong amount", error),
    };
    let id = text("billId").unwrap_or_else(|| desk.uuid());
    if !site.bills.contains_key(&id) {
        let mut bill = bills::by_itself(desk, id.clone(), amount, desk.now + LINK_BILL);
        bill.comment = text("comment");
        bill.customer = json!({ "email": text("email"), "phone": text("phone") });
        let extras = query.iter().filter_map(|(name, value)| {
            let name = name.strip_prefix("extras[")?.strip_suffix(']')?;
            Some((name.to_owned(), value.clone()))
        });
        bill.custom = extras.collect();
        site.bills.insert(id.clone(), bill);
    }
    let invoice = site.bills.get(&id).map(|bill| bill.invoice.clone()).unwrap_or_default();
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("invoiceUid", &invoice);
    for name in ["successUrl", "paymentMethod"] {
        if let Some(value) = text(name) {
            form.append_pair(name, &value);
        }
    }
    SandboxAnswer::empty(303).header("location", format!("{}/form?{}", desk.base_url, form.finish()))
}
