//! What terminals were told is what is stored.

use std::collections::{BTreeMap, BTreeSet};

use super::column;
use crate::stage::Stage;
use crate::terminal::{Terminals, tag};

pub async fn agree(stage: &Stage, terminals: &Terminals) {
    let pays = terminals.pays.lock().unwrap().clone();
    let rows = stage
        .database
        .rows(
            "SELECT m.slug, p.key1, p.number, p.account, p.amount_minor, p.status FROM payments p
             JOIN merchants m ON m.id = p.merchant_id WHERE p.channel = 'terminal'",
        )
        .await;
    let witness = &stage.witness;
    let mut stored = BTreeMap::new();
    let mut numbers = BTreeSet::new();
    for row in &rows {
        let key: (String, String) = (column(row, 0), column(row, 1));
        let (number, status): (i64, String) = (column(row, 2), column(row, 5));
        let Some(pay) = pays.get(&key) else {
            witness.violation(format!("{key:?} is stored, and nobody paid it"));
            continue;
        };
        let what = (column::<String>(row, 3), u64::try_from(column::<i64>(row, 4)).unwrap());
        witness.expect(what == (pay.account.clone(), pay.kopecks), || {
            format!("{key:?} is stored as {what:?}, and was {pay:?}")
        });
        witness.expect(numbers.insert(number), || {
            format!("{key:?}: the number {number} was used twice")
        });
        let twice = stored.insert(key.clone(), (number, status)).is_some();
        witness.expect(!twice, || format!("{key:?} is stored twice"));
    }
    let (mut credited, mut refused) = (0, 0);
    for (key, pay) in &pays {
        let Some((code, body)) = &pay.told else { continue };
        let credit = stored.get(key).filter(|(_, status)| status == "succeeded");
        if *code == 0 {
            credited += 1;
            let number = tag(body, "prv_txn").and_then(|number| number.parse().ok());
            let right = credit.is_some() && credit.map(|(number, _)| *number) == number;
            witness.expect(right, || {
                format!("{key:?} was told {body}, and {:?} is stored", stored.get(key))
            });
        } else {
            refused += 1;
            witness.expect(credit.is_none(), || {
                format!("{key:?} was refused with {code} and is credited")
            });
        }
    }
    witness.note(format!("terminals: {credited} credited, {refused} refused"));
}
