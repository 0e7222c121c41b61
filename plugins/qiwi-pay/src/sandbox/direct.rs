//! The server API (§5, §6): the order of checks (§14) and each operation.

use chrono::{DateTime, Duration, Utc};
use plugin_sdk::{SandboxAnswer, SandboxRequest};

use super::site::{DealKind, Site};
use super::transaction::{Card, ECHOED, Transaction};
use super::wire::{Fields, Object, Refusal, kopecks};
use super::{OWN, QiwiPaySandbox, moscow_day, validation};

/// §1.1.
const CERTIFICATE_ERROR: &str = "<html><head><title>400 The SSL certificate error</title></head><body bgcolor=\"white\">\
    <center><h1>400 Bad Request</h1></center><center>The SSL certificate error</center></body></html>";
/// §10.
const DEAL_PAYOUT: Duration = Duration::days(180);

impl QiwiPaySandbox {
    pub(super) fn direct(&mut self, request: &SandboxRequest, now: DateTime<Utc>) -> SandboxAnswer {
        let fields = Fields::from_json(&request.body);
        let number = fields
            .as_ref()
            .and_then(|fields| fields.get("merchant_site")?.parse().ok());
        // A site that needs no certificate is our own liberty: the real one sees no request without.
        let lifted = number
            .and_then(|number: u64| self.sites.get(&number))
            .is_some_and(|site| !site.certificate);
        if request.client_certificate.is_none() && !lifted {
            return SandboxAnswer::html(400, CERTIFICATE_ERROR);
        }
        if request.method != "POST" {
            return SandboxAnswer::empty(405);
        }
        let answer = match fields {
            None => Err(Refusal::code(8018)),
            Some(fields) => self.operate(&fields, number, &request.base_url, now),
        };
        let body = answer.unwrap_or_else(|refusal| refusal.json());
        SandboxAnswer {
            status: 200,
            headers: vec![("content-type", "application/json;charset=UTF-8".to_owned())],
            body: body.into_bytes(),
        }
    }

    fn operate(
        &mut self,
        fields: &Fields,
        number: Option<u64>,
        base: &str,
        now: DateTime<Utc>,
    ) -> Result<String, Refusal> {
        let opcode = fields.number("opcode").ok_or(Refusal::code(8018))?;
        if !matches!(opcode, 1 | 2 | 3 | 5 | 6 | 7 | 10 | 11 | 20 | 30 | 40 | 51 | 52) {
            return Err(Refusal::code(8002));
        }
        let number = number.ok_or(Refusal::code(8021))?;
        let site = self.admit(number, opcode)?;
        validation::check(fields, opcode, false, now)?;
        if !fields.is_signed_with(&site.secret) {
            return Err(Refusal::code(8054));
        }
        if matches!(opcode, 1 | 3 | 20) {
            self.check_limits(number, fields, now)?;
        }
        match opcode {
            1 | 3 => {
                let id = self.purchase(number, fields, now)?;
                Ok(self.purchase_answer(id, base))
            }
            2 => {
                let id = self.own_transaction(number, fields)?;
                self.finish(id, fields.get("pares").unwrap_or_default(), now)?;
                Ok(self.purchase_answer(id, base))
            }
            5 => self.capture(number, fields, now),
            6 | 7 => self.give_back(number, fields, opcode == 6, now),
            20 => self.pay_out(number, fields, now),
            30 => self.list(number, fields),
            _ => Ok(self.linked_cards(number, fields)),
        }
    }

    fn admit(&self, number: u64, opcode: i64) -> Result<&Site, Refusal> {
        let site = self.sites.get(&number).ok_or(Refusal::code(8021))?;
        if !site.enabled {
            return Err(Refusal::code(8051));
        }
        let allowed = match opcode {
            20 => site.payouts,
            40 => site.cards,
            10 | 11 | 51 | 52 => false,
            _ => true,
        };
        allowed.then_some(site).ok_or(Refusal::code(8025))
    }

    fn written(&self, id: i64, write: impl Fn(&Transaction, &Site) -> String) -> String {
        let transaction = self.transactions.get(&id);
        let site = transaction.and_then(|known| self.sites.get(&known.site));
        transaction
            .zip(site)
            .map_or_else(|| Refusal::code(8022).json(), |(known, site)| write(known, site))
    }

    fn purchase_answer(&self, id: i64, base: &str) -> String {
        self.written(id, |known, site| match &known.three_ds {
            Some(_) => known.answer_three_ds(site, &format!("{base}{OWN}/acs"), &format!("{id}")),
            None => known.answer(site),
        })
    }

    fn own_transaction(&self, number: u64, fields: &Fields) -> Result<i64, Refusal> {
        let id = fields.number("txn_id").ok_or(Refusal::code(8022))?;
        let known = self.transactions.get(&id).filter(|known| known.site == number);
        known.map(|known| known.id).ok_or(Refusal::code(8022))
    }

    fn parent(&self, number: u64, fields: &Fields) -> Result<&Transaction, Refusal> {
        let id = self.own_transaction(number, fields)?;
        self.transactions.get(&id).ok_or(Refusal::code(8022))
    }

    /// An error that was ordered for the next operation: instead of it, or after it.
    fn ordered(&mut self, number: u64) -> Result<Option<i64>, Refusal> {
        match self.sites.get_mut(&number).and_then(|site| site.next_error.take()) {
            Some((code, false)) => Err(Refusal::code(code)),
            after => Ok(after.map(|(code, _)| code)),
        }
    }

    fn capture(&mut self, number: u64, fields: &Fields, now: DateTime<Utc>) -> Result<String, Refusal> {
        let parent = self.parent(number, fields)?;
        let (id, kind, status) = (parent.id, parent.kind, parent.status);
        let rest = self.rest_of(id);
        match (kind, status) {
            (2, 2) if rest > 0 => {}
            // D-21; and the capture of a reversal, or of what waits for 3-D Secure.
            (2, 0 | 2) | (4, _) => return Err(Refusal::code(8052)),
            (2, _) => return Err(Refusal::code(8026)),
            _ => return Err(Refusal::code(8027)),
        }
        self.deal_of_step(number, fields, rest)?;
        let after = self.ordered(number)?;
        self.complete(id, now);
        match after {
            Some(code) => Err(Refusal::code(code)),
            None => Ok(self.written(id, Transaction::answer_step)),
        }
    }

    /// Later steps of a safe deal to a card may leave the sub-sums out of a capture; those to a wallet may not.
    fn deal_of_step(&self, number: u64, fields: &Fields, amount: i64) -> Result<Option<(i64, i64)>, Refusal> {
        let site = self.sites.get(&number);
        let optional = site.is_some_and(|site| site.deal == DealKind::Card && fields.get(site.deal_field).is_none());
        if optional {
            Ok(None)
        } else {
            self.deal_of(number, fields, amount)
        }
    }

    fn give_back(
        &mut self,
        number: u64,
        fields: &Fields,
        reversal: bool,
        now: DateTime<Utc>,
    ) -> Result<String, Refusal> {
        let parent = self.parent(number, fields)?.clone();
        if !parent.is_purchase() {
            return Err(Refusal::code(8027));
        }
        let site = self.sites.get(&number).ok_or(Refusal::code(8021))?;
        let same_day = moscow_day(parent.at) == moscow_day(now);
        let allowed = match (reversal, parent.status) {
            (true, 2) => true,
            (true, 3) => site.sale_reversal && same_day,
            (false, 4 | 5) => site.deal == DealKind::None || self.children(parent.id, 8).next().is_none(),
            _ => false,
        };
        if !allowed {
            return Err(Refusal::code(8026));
        }
        let rest = self.rest_of(parent.id);
        let amount = fields.get("amount").and_then(kopecks).unwrap_or(rest);
        if amount > rest || amount == 0 {
            return Err(Refusal::code(8020));
        }
        let deal = self.deal_of(number, fields, amount)?;
        self.check_deal_rest(&parent, deal)?;
        let ordered = self.sites.get_mut(&number).and_then(|site| site.next_error.take());
        let declined = ordered
            .filter(|(code, _)| (8151..=8171).contains(code))
            .map(|(code, _)| code);
        if let (Some((code, false)), None) = (ordered, declined) {
            return Err(Refusal::code(code));
        }
        let id = self.next_txn();
        let mut echo = parent.echo.clone();
        echo.extend(
            ECHOED
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), fields.get(name)?.to_owned()))),
        );
        let child = Transaction {
            id,
            kind: if reversal { 4 } else { 3 },
            at: now,
            kopecks: amount,
            parent: Some(parent.id),
            order_id: None,
            card_token: None,
            callback_url: None,
            deal,
            status: 0,
            echo,
            ..parent
        };
        self.transactions.insert(id, child);
        match declined {
            Some(code) => self.decline(id, code, now),
            None => self.complete(id, now),
        }
        match ordered {
            Some((code, true)) => Err(Refusal::code(code)),
            _ => Ok(self.written(id, Transaction::answer_step)),
        }
    }

    /// Neither sub-sum may be given back more than once.
    fn check_deal_rest(&self, parent: &Transaction, part: Option<(i64, i64)>) -> Result<(), Refusal> {
        let (Some((payout, commission)), Some((part_payout, part_commission))) = (parent.deal, part) else {
            return Ok(());
        };
        let returned = || {
            self.children(parent.id, 4)
                .chain(self.children(parent.id, 3))
                .filter_map(|child| child.deal)
        };
        let payout = payout - returned().map(|(payout, _)| payout).sum::<i64>();
        let commission = commission - returned().map(|(_, commission)| commission).sum::<i64>();
        if part_payout > payout || part_commission > commission {
            return Err(Refusal::code(8020));
        }
        Ok(())
    }

    fn pay_out(&mut self, number: u64, fields: &Fields, now: DateTime<Utc>) -> Result<String, Refusal> {
        let amount = fields.get("amount").and_then(kopecks).unwrap_or_default();
        let deals = self.sites.get(&number).is_some_and(|site| site.deal == DealKind::Card);
        let parent = match fields.get("txn_id") {
            None if deals => return Err(Refusal::field("txn_id", "[txn_id] is mandatory in a safe deal")),
            None => None,
            Some(_) => Some(self.parent(number, fields)?.clone()),
        };
        if let Some(parent) = &parent {
            self.check_payout(parent, amount, fields, now)?;
        }
        self.check_order(number, fields.get("order_id"), true)?;
        let card = self.card_of(number, fields)?;
        let ordered = self.sites.get_mut(&number).and_then(|site| site.next_error.take());
        let declined = ordered
            .filter(|(code, _)| (8151..=8171).contains(code))
            .map(|(code, _)| code);
        if let (Some((code, false)), None) = (ordered, declined) {
            return Err(Refusal::code(code));
        }
        let id = self.next_txn();
        let echo = ECHOED
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), fields.get(name)?.to_owned())));
        let payout = Transaction {
            id,
            site: number,
            kind: 8,
            status: 0,
            error: 0,
            at: now,
            kopecks: amount,
            currency: fields.number("currency").unwrap_or(643),
            parent: parent.map(|parent| parent.id),
            order_id: fields.get("order_id").map(str::to_owned),
            echo: echo.collect(),
            merchant_uid: fields.get("merchant_uid").map(str::to_owned),
            callback_url: fields.get("callback_url").map(str::to_owned),
            card,
            card_token: None,
            deal: None,
            three_ds: None,
        };
        self.transactions.insert(id, payout);
        match declined {
            Some(code) => self.decline(id, code, now),
            None => self.complete(id, now),
        }
        match ordered {
            Some((code, true)) => Err(Refusal::code(code)),
            _ => Ok(self.written(id, Transaction::answer)),
        }
    }

    fn check_payout(
        &self,
        parent: &Transaction,
        amount: i64,
        fields: &Fields,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        if !parent.is_purchase() {
            return Err(Refusal::code(8027));
        }
        if parent.status < 3 || parent.deal.is_some() && now - parent.at > DEAL_PAYOUT {
            return Err(Refusal::code(8026));
        }
        let bound = match parent.deal {
            Some((payout, _)) => {
                let returned = self.children(parent.id, 4).chain(self.children(parent.id, 3));
                payout
                    - returned
                        .filter_map(|child| child.deal)
                        .map(|(payout, _)| payout)
                        .sum::<i64>()
            }
            None => self.rest_of(parent.id),
        };
        if amount > bound - self.sum_of(parent.id, 8) {
            return Err(Refusal::code(8060));
        }
        if fields.number("currency") != Some(parent.currency) {
            return Err(Refusal::code(8061));
        }
        Ok(())
    }

    /// §6.6: the transactions of the order, and what was done to each.
    fn list(&self, number: u64, fields: &Fields) -> Result<String, Refusal> {
        let site = self.sites.get(&number).ok_or(Refusal::code(8021))?;
        let named = |known: &Transaction| {
            let by_id = fields.number("txn_id").is_none_or(|id| id == known.id);
            let by_order = fields
                .get("order_id")
                .is_none_or(|order| known.order_id.as_deref() == Some(order));
            known.site == number && by_id && by_order
        };
        let own = self.transactions.values().filter(|known| {
            let parent = known.parent.and_then(|parent| self.transactions.get(&parent));
            named(known) || parent.is_some_and(named)
        });
        let elements: Vec<_> = own.map(|known| known.element(site)).collect();
        if elements.is_empty() {
            return Err(Refusal::code(8022));
        }
        let list = format!("[{}]", elements.join(","));
        Ok(Object::default().raw("transactions", list).raw("error_code", 0).done())
    }

    /// D-2.
    fn linked_cards(&self, number: u64, fields: &Fields) -> String {
        let owner = fields.get("merchant_uid");
        let cards = self
            .tokens
            .iter()
            .filter(|(_, (site, customer, _))| *site == number && owner.is_some() && customer.as_deref() == owner);
        let cards = cards.map(|(token, (_, _, Card { mask, name, .. }))| {
            let object = Object::default().text("card_token", token).text("pan", mask);
            let object = object.text("card_name", name).text("issuer_name", "QIWI BANK (JSC)");
            object.text("issuer_country", "RUS").done()
        });
        let cards: Vec<_> = cards.collect();
        let object = Object::default().raw("cards", format!("[{}]", cards.join(",")));
        object.raw("error_code", 0).done()
    }
}
