//! What the clients of a load remember, to be held against the gateway's books.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use e2e::Kiosk;

use crate::stage::Stage;

const CLIENTS: usize = 32;
pub const ACCOUNT: &str = "4957835959";

/// Payments by their number within the load, with the `prv_txn` that was acknowledged.
#[derive(Default)]
pub struct Ledger {
    acknowledged: Mutex<BTreeMap<usize, u64>>,
}

pub fn txn_id(number: usize) -> String {
    format!("7{number:09}")
}

/// Never the same for neighbours, so that a mix-up shows.
pub fn kopecks(number: usize) -> usize {
    100 + number * 7 % 90_000
}

pub fn sum(number: usize) -> String {
    format!("{}.{:02}", kopecks(number) / 100, kopecks(number) % 100)
}

impl Ledger {
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    /// Sends each payment once from 32 clients and remembers what was acknowledged. Answers may fail to come.
    pub async fn send(self: &Arc<Self>, kiosk: &Kiosk, numbers: std::ops::Range<usize>) {
        let next = Arc::new(AtomicUsize::new(numbers.start));
        let clients = (0..CLIENTS).map(|_| {
            let (ledger, kiosk, next, end) = (Arc::clone(self), kiosk.clone(), Arc::clone(&next), numbers.end);
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= end {
                        return;
                    }
                    ledger.pay(&kiosk, number).await;
                }
            })
        });
        for client in futures_util::future::join_all(clients).await {
            client.unwrap();
        }
    }

    async fn pay(&self, kiosk: &Kiosk, number: usize) {
        let Some(answer) = kiosk.try_pay(&txn_id(number), ACCOUNT, &sum(number)).await else {
            return;
        };
        match answer.result() {
            0 => {
                assert_eq!(answer.sum(), Some(sum(number).as_str()));
                let before = self.acknowledged.lock().unwrap().insert(number, answer.prv_txn());
                assert!(
                    before.is_none_or(|before| before == answer.prv_txn()),
                    "payment {number} was credited twice"
                );
            }
            1 | 90 => {}
            refused => panic!("payment {number} was refused with {refused}"),
        }
    }

    /// Every payment of the range is acknowledged, stored once, with its sum, under its number.
    pub async fn assert_books_agree(&self, stage: &Stage, numbers: std::ops::Range<usize>) {
        let acknowledged = self.acknowledged.lock().unwrap().clone();
        assert_eq!(acknowledged.len(), numbers.len());
        let different: HashSet<u64> = acknowledged.values().copied().collect();
        assert_eq!(different.len(), numbers.len(), "a prv_txn was used twice");
        let rows = stage
            .database
            .rows("SELECT key1, number, amount_minor FROM payments")
            .await;
        assert_eq!(rows.len(), numbers.len());
        let stored: BTreeMap<String, (i64, i64)> = rows
            .iter()
            .map(|row| {
                let column = |index| row.try_get_by_index::<i64>(index).unwrap();
                (row.try_get_by_index(0).unwrap(), (column(1), column(2)))
            })
            .collect();
        for (number, prv_txn) in acknowledged {
            let expected = (i64::try_from(prv_txn).unwrap(), i64::try_from(kopecks(number)).unwrap());
            assert_eq!(stored.get(&txn_id(number)), Some(&expected), "payment {number}");
        }
        for consequence in ["events", "operations"] {
            assert_eq!(
                stage.count(consequence).await,
                i64::try_from(rows.len()).unwrap(),
                "{consequence}"
            );
        }
    }
}
