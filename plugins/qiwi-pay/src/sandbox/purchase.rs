//! How a sale or an authorization ends, by the API or on the page (§5, §10, §12).

use chrono::{DateTime, Utc};

use super::site::DealKind;
use super::transaction::{Card, ECHOED, Transaction};
use super::wire::{Fields, Refusal, kopecks, unpack, uuid_of};
use super::{QiwiPaySandbox, moscow_day};

/// §12.
const TEST_KOPECKS_MAX: i64 = 1_000;
const TEST_COUNT_MAX: u32 = 100;
/// What makes the issuer ask for 3-D Secure (§12).
const THREE_DS_NAME: &str = "unknown name";

impl QiwiPaySandbox {
    /// Currency and the limits of a test site.
    pub(super) fn check_limits(&mut self, number: u64, fields: &Fields, now: DateTime<Utc>) -> Result<(), Refusal> {
        if fields.get("currency").is_some_and(|currency| currency != "643") {
            return Err(Refusal::code(8059));
        }
        if !self.sites.get(&number).is_some_and(|site| site.test_mode) {
            return Ok(());
        }
        let amount = fields.get("amount").and_then(kopecks).unwrap_or_default();
        if amount > TEST_KOPECKS_MAX {
            return Err(Refusal::code(8070));
        }
        let count = self.counts.entry((number, moscow_day(now))).or_default();
        if *count >= TEST_COUNT_MAX {
            return Err(Refusal::code(8069));
        }
        *count += 1;
        Ok(())
    }

    /// D-18.
    pub(super) fn check_order(&self, number: u64, order_id: Option<&str>, payout: bool) -> Result<(), Refusal> {
        let Some(order_id) = order_id else { return Ok(()) };
        let same = self.transactions.values().filter(|known| {
            let kind = if payout { known.kind == 8 } else { known.is_purchase() };
            kind && known.site == number && known.order_id.as_deref() == Some(order_id)
        });
        match same.map(|known| known.status).filter(|status| *status != 1).max() {
            None => Ok(()),
            Some(0) => Err(Refusal::code(8056)),
            Some(_) => Err(Refusal::code(8055)),
        }
    }

    /// §10: the sub-sums, when the site is one of safe deals.
    pub(super) fn deal_of(&self, number: u64, fields: &Fields, amount: i64) -> Result<Option<(i64, i64)>, Refusal> {
        let Some(site) = self.sites.get(&number).filter(|site| site.deal != DealKind::None) else {
            return Ok(None);
        };
        let wrong = |message: &str| Refusal::field(site.deal_field, message);
        let text = fields.get(site.deal_field);
        let text = text.ok_or_else(|| wrong("safe deal needs <payout>;<commission>"))?;
        let sums = text.split_once(';');
        let sums = sums.and_then(|(payout, commission)| Some((kopecks(payout)?, kopecks(commission)?)));
        let (payout, commission) = sums.ok_or_else(|| wrong("sub-sums cannot be read"))?;
        if payout + commission != amount {
            return Err(wrong("sub-sums do not add up to the amount"));
        }
        let wallet = fields.get("cf1").unwrap_or_default();
        if site.deal == DealKind::Wallet && (wallet.len() < 10 || !wallet.bytes().all(|byte| byte.is_ascii_digit())) {
            return Err(Refusal::field("cf1", "safe deal needs the number of the wallet"));
        }
        Ok(Some((payout, commission)))
    }

    /// The card that a request pays with.
    pub(super) fn card_of(&self, number: u64, fields: &Fields) -> Result<Card, Refusal> {
        if let Some(token) = fields.get("card_token") {
            let known = self.tokens.get(token).filter(|(site, ..)| *site == number);
            let (_, _, card) = known.ok_or(Refusal::code(8006))?;
            let name = fields.get("card_name").map_or_else(|| card.name.clone(), str::to_owned);
            return Ok(Card { name, ..card.clone() });
        }
        let google = fields.get("google_pay_encoded_payment_token").and_then(unpack);
        if google.is_some() || fields.get("apple_pay_encoded_payment_token").is_some() {
            return Ok(Card {
                mask: "400000******0002".to_owned(),
                pan_only: google.is_some_and(|token| token.contains("PAN_ONLY")),
                ..Card::default()
            });
        }
        let text = |name: &str| fields.get(name).unwrap_or_default();
        Ok(Card::new(text("pan"), text("expiry"), text("card_name")))
    }

    /// Executes a purchase whose fields were looked over. The transaction is declined, done, on its way, or waits for
    /// 3-D Secure.
    pub(super) fn purchase(&mut self, number: u64, fields: &Fields, now: DateTime<Utc>) -> Result<i64, Refusal> {
        let amount = fields.get("amount").and_then(kopecks).unwrap_or_default();
        let deal = self.deal_of(number, fields, amount)?;
        self.check_order(number, fields.get("order_id"), false)?;
        let card = self.card_of(number, fields)?;
        let ordered = self.sites.get_mut(&number).and_then(|site| site.next_error.take());
        if let Some((code, false)) = ordered
            && !(8151..=8171).contains(&code)
        {
            return Err(Refusal::code(code));
        }
        let id = self.next_txn();
        let echo = ECHOED
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), fields.get(name)?.to_owned())));
        let transaction = Transaction {
            id,
            site: number,
            kind: if fields.number("opcode") == Some(1) { 1 } else { 2 },
            status: 0,
            error: 0,
            at: now,
            kopecks: amount,
            currency: fields.number("currency").unwrap_or(643),
            parent: None,
            order_id: fields.get("order_id").map(str::to_owned),
            echo: echo.collect(),
            merchant_uid: fields.get("merchant_uid").map(str::to_owned),
            callback_url: fields.get("callback_url").map(str::to_owned),
            card,
            card_token: fields.get("card_token").map(str::to_owned),
            deal,
            three_ds: None,
        };
        self.transactions.insert(id, transaction);
        match ordered {
            Some((code, false)) => self.decline(id, code, now),
            _ => self.authenticate(id, now),
        }
        match ordered {
            Some((code, true)) => Err(Refusal::code(code)),
            _ => Ok(id),
        }
    }

    fn authenticate(&mut self, id: i64, now: DateTime<Utc>) {
        let Some(transaction) = self.transactions.get_mut(&id) else {
            return;
        };
        if !transaction.card.name.contains(THREE_DS_NAME) && !transaction.card.pan_only {
            return self.decide(id, now);
        }
        transaction.three_ds = Some(uuid_of(&format!("three-ds {id}")));
        self.expect_three_ds(id, now);
    }

    /// §12: the month of the card's expiry says what its issuer does.
    pub(super) fn decide(&mut self, id: i64, now: DateTime<Utc>) {
        let Some(transaction) = self.transactions.get_mut(&id) else {
            return;
        };
        transaction.three_ds = None;
        match transaction.card.month() {
            "02" => self.decline(id, 8160, now),
            "03" => self.expect_outcome(id, true, now),
            "04" => self.expect_outcome(id, false, now),
            _ => self.approve(id, now),
        }
    }

    pub(super) fn issue_token(&mut self, id: i64) {
        let Some(transaction) = self.transactions.get_mut(&id) else {
            return;
        };
        let site = self.sites.get(&transaction.site);
        if !transaction.is_purchase() || transaction.card_token.is_some() || !site.is_some_and(|site| site.tokens) {
            return;
        }
        let token = uuid_of(&format!("token {id}"));
        transaction.card_token = Some(token.clone());
        let owner = (
            transaction.site,
            transaction.merchant_uid.clone(),
            transaction.card.clone(),
        );
        self.tokens.insert(token, owner);
    }

    /// What came back from the issuer's page (§6.1).
    pub(super) fn finish(&mut self, id: i64, pares: &str, now: DateTime<Utc>) -> Result<(), Refusal> {
        let transaction = self.transactions.get(&id).ok_or(Refusal::code(8022))?;
        let Some(secret) = transaction.three_ds.clone() else {
            let late = transaction.error == 8023;
            return Err(Refusal::code(if late { 8023 } else { 8052 }));
        };
        if pares == format!("{secret}:Y") {
            self.decide(id, now);
        } else {
            self.decline(id, 8151, now);
        }
        Ok(())
    }
}
