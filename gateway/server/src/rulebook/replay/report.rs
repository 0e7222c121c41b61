//! What a replay found: changes of one kind together, with counts, amounts and examples.

use std::collections::BTreeMap;

use plugin_sdk::{Currency, DecisionId, Money};
use rules::{ErrorKind, Outcome};
use serde::{Deserialize, Serialize};

use crate::payments::DecisionRecord;

/// Examples that a group shows.
const EXAMPLES_MAX: usize = 20;
/// Kinds of changes that are told apart; scripts may name routes without end.
const GROUPS_MAX: usize = 100;
const OTHERS: &str = "other changes";

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReplayReport {
    /// Decisions that were made once more.
    pub decided: u64,
    pub same: u64,
    pub changed: u64,
    /// Decisions that say nothing: the script did not run, or was stopped by the clock or by its memory.
    pub not_comparable: u64,
    /// The largest first.
    pub groups: Vec<ChangeGroup>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangeGroup {
    /// `accept → reject`, `reason: forbidden → account_not_found`, `route: a → b`, `fee`, `text`, `unanswered`,
    /// `error: runtime`, `masked`, `steps`.
    pub change: String,
    pub count: u64,
    /// Sum of the payments' amounts, one for each currency. What has no amount counts nothing.
    pub amounts: Vec<Money>,
    pub examples: Vec<Example>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// `None` when it was not stored.
    pub decision: Option<DecisionId>,
    pub account: String,
    pub amount: Option<Money>,
    pub before: Outcome,
    pub after: Outcome,
}

/// Adds up what a replay finds.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    report: ReplayReport,
    groups: BTreeMap<String, Group>,
}

#[derive(Debug, Clone, Default)]
struct Group {
    count: u64,
    /// Minor units; sums of that many amounts may not fit an amount.
    amounts: BTreeMap<&'static str, (Currency, i128)>,
    examples: Vec<Example>,
}

/// A decision that is compared, beside its record.
pub struct Subject<'a> {
    pub decision: Option<DecisionId>,
    pub account: &'a str,
    pub record: &'a DecisionRecord,
}

/// How a decision that was made once more compares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compared {
    Same,
    NotComparable,
    Changed(String),
}

impl Tally {
    pub fn add(&mut self, subject: &Subject<'_>, after: Outcome, compared: Compared) {
        self.report.decided += 1;
        let change = match compared {
            Compared::Same => {
                self.report.same += 1;
                return;
            }
            Compared::NotComparable => {
                self.report.not_comparable += 1;
                return;
            }
            Compared::Changed(change) => change,
        };
        self.report.changed += 1;
        let known = self.groups.contains_key(&change) || self.groups.len() < GROUPS_MAX;
        let group = self
            .groups
            .entry(if known { change } else { OTHERS.to_owned() })
            .or_default();
        let amount = amount_of(subject.record);
        group.count += 1;
        if let Some(amount) = amount {
            let sum = group
                .amounts
                .entry(amount.currency().code())
                .or_insert((amount.currency(), 0));
            sum.1 += i128::from(amount.minor());
        }
        if group.examples.len() < EXAMPLES_MAX {
            group.examples.push(Example {
                decision: subject.decision,
                account: subject.account.to_owned(),
                amount,
                before: subject.record.decision.outcome.clone(),
                after,
            });
        }
    }

    pub fn report(self) -> ReplayReport {
        let mut groups: Vec<_> = (self.groups.into_iter())
            .map(|(change, group)| ChangeGroup {
                change,
                count: group.count,
                amounts: (group.amounts.into_values())
                    .map(|(currency, minor)| Money::from_minor(i64::try_from(minor).unwrap_or(i64::MAX), currency))
                    .collect(),
                examples: group.examples,
            })
            .collect();
        groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.change.cmp(&b.change)));
        ReplayReport { groups, ..self.report }
    }
}

fn amount_of(record: &DecisionRecord) -> Option<Money> {
    match &*record.input {
        rules::Input::Check(request) => request.amount,
        rules::Input::Route(payment) | rules::Input::Fee(payment) => Some(payment.amount),
        rules::Input::Event(_) => None,
    }
}

/// Compares outcomes. A script that was stopped by the clock, or never ran, decided nothing.
pub fn compare(record: &DecisionRecord, after: &Outcome) -> Compared {
    let before = &record.decision.outcome;
    if let Outcome::Failed(error) = before
        && !is_comparable(error.kind)
    {
        return Compared::NotComparable;
    }
    let change = match (before, after) {
        (before, after) if alike(before, after) => return Compared::Same,
        _ if record.masked => "masked".to_owned(),
        (_, Outcome::Failed(error)) if error.kind == ErrorKind::Unanswered => "unanswered".to_owned(),
        (_, Outcome::Failed(error)) => format!("error: {}", error.kind),
        (Outcome::Reject { reason: one, .. }, Outcome::Reject { reason: two, .. }) if one != two => {
            format!("reason: {} → {}", one.as_str(), two.as_str())
        }
        (Outcome::Route { connection: one, .. }, Outcome::Route { connection: two, .. }) => {
            format!("route: {one} → {two}")
        }
        (Outcome::Fee { amount: one, .. }, Outcome::Fee { amount: two, .. }) if one != two => "fee".to_owned(),
        (one, two) if one.as_str() == two.as_str() => "text".to_owned(),
        (one, two) => format!("{} → {}", one.as_str(), two.as_str()),
    };
    Compared::Changed(change)
}

/// Messages of failures name their revision, so two of a kind at one line are alike.
fn alike(before: &Outcome, after: &Outcome) -> bool {
    match (before, after) {
        (Outcome::Failed(one), Outcome::Failed(two)) => one.kind == two.kind && one.line == two.line,
        (one, two) => one == two,
    }
}

const fn is_comparable(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::Runtime | ErrorKind::StepLimit | ErrorKind::BadAnswer | ErrorKind::HostUnavailable => true,
        ErrorKind::TimeLimit
        | ErrorKind::MemoryLimit
        | ErrorKind::HostTimeout
        | ErrorKind::Unanswered
        | ErrorKind::Busy
        | ErrorKind::Suspended
        | ErrorKind::Internal => false,
    }
}
