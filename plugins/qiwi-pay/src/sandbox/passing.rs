//! What happens by the clock (§2.1, §10, §12).

use chrono::{DateTime, Duration, Utc};

use super::transaction::Transaction;
use super::{Due, QiwiPaySandbox};

/// §2.1.
const AUTO_CAPTURE: Duration = Duration::hours(72);
/// §10.
const DEAL_END: Duration = Duration::days(5);
/// §6.1.
const THREE_DS: Duration = Duration::minutes(15);
/// §12.
const LATE_OUTCOME: Duration = Duration::seconds(3);
/// The document says "later"; a day is ours.
const CLEARING: Duration = Duration::hours(24);

impl QiwiPaySandbox {
    pub(super) fn pass(&mut self, now: DateTime<Utc>) {
        while let Some(entry) = self.timers.first_entry() {
            let at = entry.key().0;
            if at > now {
                break;
            }
            let due = entry.remove();
            self.happen(due, at);
        }
    }

    fn happen(&mut self, due: Due, at: DateTime<Utc>) {
        let (Due::AutoCapture(id)
        | Due::DealEnd(id)
        | Due::ThreeDsEnd(id)
        | Due::Outcome(id, _)
        | Due::Clearing(id)
        | Due::Settlement(id)) = due;
        let rest = self.rest_of(id);
        let Some(transaction) = self.transactions.get_mut(&id) else {
            return;
        };
        match (due, transaction.status) {
            (Due::AutoCapture(_), 2) if rest > 0 => self.complete(id, at),
            (Due::DealEnd(_), 2) if rest > 0 => self.cancel(id, rest, at),
            (Due::ThreeDsEnd(_), 0) if transaction.three_ds.is_some() => self.decline(id, 8023, at),
            (Due::Outcome(_, true), 0) => self.approve(id, at),
            (Due::Outcome(_, false), 0) => self.decline(id, 8160, at),
            (Due::Clearing(_), 3) => {
                transaction.status = 4;
                self.at(super::after(at, CLEARING), Due::Settlement(id));
            }
            (Due::Settlement(_), 4) => transaction.status = 5,
            _ => {}
        }
    }

    /// What of a purchase was not given back.
    pub(super) fn rest_of(&self, id: i64) -> i64 {
        let amount = self.transactions.get(&id).map_or(0, |transaction| transaction.kopecks);
        amount - self.sum_of(id, 4) - self.sum_of(id, 3)
    }

    pub(super) fn expect_three_ds(&mut self, id: i64, now: DateTime<Utc>) {
        self.at(super::after(now, THREE_DS), Due::ThreeDsEnd(id));
    }

    pub(super) fn expect_outcome(&mut self, id: i64, approved: bool, now: DateTime<Utc>) {
        self.at(super::after(now, LATE_OUTCOME), Due::Outcome(id, approved));
    }

    /// The issuer said yes.
    pub(super) fn approve(&mut self, id: i64, now: DateTime<Utc>) {
        let Some(transaction) = self.transactions.get_mut(&id) else {
            return;
        };
        transaction.three_ds = None;
        self.issue_token(id);
        let Some(transaction) = self.transactions.get_mut(&id) else {
            return;
        };
        if transaction.kind != 2 {
            return self.complete(id, now);
        }
        transaction.status = 2;
        let (end, due) = match transaction.deal.is_some() && transaction.echo.contains_key("cf1") {
            true => (DEAL_END, Due::DealEnd(id)),
            false => (AUTO_CAPTURE, Due::AutoCapture(id)),
        };
        self.at(super::after(now, end), due);
        self.tell(id, now);
    }

    pub(super) fn decline(&mut self, id: i64, code: i64, now: DateTime<Utc>) {
        if let Some(transaction) = self.transactions.get_mut(&id) {
            transaction.three_ds = None;
            transaction.status = 1;
            transaction.error = code;
            self.tell(id, now);
        }
    }

    /// The money is the merchant's: at once with an acquirer that is on line, at the clearing with another.
    pub(super) fn complete(&mut self, id: i64, now: DateTime<Utc>) {
        let Some(transaction) = self.transactions.get_mut(&id) else {
            return;
        };
        let deferred = self.sites.get(&transaction.site).is_some_and(|site| site.deferred);
        let (status, next) = match (transaction.kind, deferred) {
            // Returns and payouts stay at 3 (§6.3 to §6.5).
            (3 | 4 | 8, _) => (3, None),
            (_, true) => (3, Some(Due::Clearing(id))),
            (_, false) => (4, Some(Due::Settlement(id))),
        };
        transaction.status = status;
        if let Some(due) = next {
            self.at(super::after(now, CLEARING), due);
        }
        self.tell(id, now);
    }

    fn cancel(&mut self, parent: i64, kopecks: i64, now: DateTime<Utc>) {
        let id = self.next_txn();
        let Some(hold) = self.transactions.get(&parent) else {
            return;
        };
        let reversal = Transaction {
            id,
            kind: 4,
            at: now,
            kopecks,
            parent: Some(parent),
            order_id: None,
            card_token: None,
            ..hold.clone()
        };
        self.transactions.insert(id, reversal);
        self.complete(id, now);
    }
}
