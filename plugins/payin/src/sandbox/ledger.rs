//! The payments of a site, and when the clock has something to do with which of them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::model::Payment;

/// A change goes through [`insert`](Self::insert) or [`change`](Self::change), so that no moment is forgotten.
#[derive(Default)]
pub struct Ledger {
    payments: BTreeMap<String, Payment>,
    /// The next moment of each payment that has one.
    moments: BTreeSet<(DateTime<Utc>, String)>,
}

impl Ledger {
    pub fn get(&self, id: &str) -> Option<&Payment> {
        self.payments.get(id)
    }

    pub fn len(&self) -> usize {
        self.payments.len()
    }

    /// By their ids.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &Payment> {
        self.payments.values()
    }

    /// Takes the place of one with the same id.
    pub fn insert(&mut self, payment: Payment) {
        self.take(&payment.id);
        if let Some(at) = next(&payment) {
            self.moments.insert((at, payment.id.clone()));
        }
        self.payments.insert(payment.id.clone(), payment);
    }

    /// Whoever takes one to work on it puts it back.
    pub fn take(&mut self, id: &str) -> Option<Payment> {
        let payment = self.payments.remove(id)?;
        if let Some(at) = next(&payment) {
            self.moments.remove(&(at, payment.id.clone()));
        }
        Some(payment)
    }

    pub fn change<T>(&mut self, id: &str, change: impl FnOnce(&mut Payment) -> T) -> Option<T> {
        let mut payment = self.take(id)?;
        let result = change(&mut payment);
        self.insert(payment);
        Some(result)
    }

    /// Those whose moment has come, the earliest first.
    pub fn due(&self, now: DateTime<Utc>) -> Vec<String> {
        let due = self.moments.iter().take_while(|(at, _)| *at <= now);
        due.map(|(_, id)| id.clone()).collect()
    }

    pub fn next(&self) -> Option<DateTime<Utc>> {
        self.moments.first().map(|(at, _)| *at)
    }
}

fn next(payment: &Payment) -> Option<DateTime<Utc>> {
    let deadline = payment.three_ds.as_ref().map(|(_, until)| *until);
    let decided = payment.decided_at.filter(|_| deadline.is_none());
    let payouts = payment.payouts.values().filter_map(|payout| payout.decided_at);
    let refunds = payment.refunds.iter().filter_map(|refund| refund.executed_at);
    let own = [deadline, decided, payment.hold_until].into_iter().flatten();
    own.chain(payouts).chain(refunds).min()
}

#[cfg(test)]
mod tests {
    use super::super::desk::Desk;
    use super::super::money::Sum;
    use super::super::sbp;
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn held(id: &str, until: Option<i64>) -> Payment {
        let amount = Sum {
            cents: 100,
            currency: "RUB".to_owned(),
        };
        Payment {
            hold_until: until.map(at),
            ..sbp::paid(id.to_owned(), "bill".to_owned(), "qr", amount, &Desk::new())
        }
    }

    #[test]
    fn a_payment_is_due_at_its_moment_whatever_became_of_it_before() {
        let mut ledger = Ledger::default();
        ledger.insert(held("late", Some(30)));
        ledger.insert(held("never", None));
        ledger.insert(held("soon", Some(10)));
        assert_eq!((ledger.next(), ledger.len()), (Some(at(10)), 3));
        assert_eq!(ledger.due(at(9)), Vec::<String>::new());
        assert_eq!(ledger.due(at(30)), ["soon", "late"]);

        ledger.change("soon", |payment| payment.hold_until = Some(at(40)));
        assert_eq!(ledger.due(at(40)), ["late", "soon"]);
        // One that takes another's place, and one that is away to be worked on.
        ledger.insert(held("late", None));
        assert_eq!(ledger.next(), Some(at(40)));
        let taken = ledger.take("soon").unwrap();
        assert_eq!(ledger.next(), None);
        ledger.insert(taken);
        assert_eq!(ledger.next(), Some(at(40)));
    }
}
