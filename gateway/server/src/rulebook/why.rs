//! Why a decision came out as it did.

use plugin_sdk::{MerchantId, PaymentId};
use rules::{Coverage, render_test};
use store::{Cursor, DecisionFilter, StoreError, StoredDecision};

use super::{Rulebook, RulebookError, aside};
use crate::payments::DecisionRecord;

pub struct Explanation {
    pub record: DecisionRecord,
    /// Lines of the script that ran, in the script's order.
    pub lines: Vec<RanLine>,
    /// Whether deciding once more came to the same, in the same number of steps.
    pub repeats: bool,
}

pub struct RanLine {
    pub line: u32,
    pub times: u32,
    pub text: String,
}

impl Rulebook {
    /// Decides once more from the record, with a program that tells of its lines.
    pub async fn explain(&self, merchant: MerchantId, stored: &StoredDecision) -> Result<Explanation, RulebookError> {
        let revision = self.store.rule_revision(merchant, stored.revision).await?;
        let limits = self.limits(merchant).await?;
        let record = read_record(stored)?;
        let engine = self.engine.clone();
        aside(async move || {
            let program = engine.compile_traced(&format!("r{}", revision.number), revision.source.as_bytes())?;
            let calls = &record.decision.calls;
            let again = engine
                .replay(&program, &record.input, &record.context, calls, Some(&limits))
                .await;
            Ok(Explanation {
                repeats: again.is_same_as(&record.decision),
                lines: lines_that_ran(&revision.source, again.coverage.as_ref()),
                record,
            })
        })
        .await?
    }

    /// What was decided about a payment, in order, as far as it is stored.
    pub async fn decisions_of(
        &self,
        merchant: MerchantId,
        payment: PaymentId,
    ) -> Result<Vec<StoredDecision>, RulebookError> {
        let filter = DecisionFilter {
            payment_id: Some(payment),
            ..DecisionFilter::default()
        };
        let page = (self.store.decisions(merchant, &filter, &Cursor::new(None, None))).await?;
        let mut decisions = page.items;
        // All of one request carry its moment; `check` is asked before `fee`, and comes before it in the alphabet.
        decisions.sort_by(|a, b| (a.created_at, &a.handler).cmp(&(b.created_at, &b.handler)));
        Ok(decisions)
    }

    /// The decision as Lua source of a test.
    pub fn test_of(&self, stored: &StoredDecision) -> Result<String, RulebookError> {
        let record = read_record(stored)?;
        if record.masked {
            return Err(RulebookError::field(
                "decision",
                "card data was taken out of it, so no test can repeat it",
            ));
        }
        let name = format!("{} of {}, {}", stored.command, stored.account, stored.id);
        render_test(&name, &record.input, &record.context, &record.decision)
            .map_err(|error| RulebookError::field("decision", error.to_string()))
    }
}

pub(super) fn read_record(stored: &StoredDecision) -> Result<DecisionRecord, StoreError> {
    serde_json::from_str(&stored.record)
        .map_err(|error| StoreError::Corrupt(format!("record of decision {}: {error}", stored.id)))
}

fn lines_that_ran(source: &str, coverage: Option<&Coverage>) -> Vec<RanLine> {
    let Some(coverage) = coverage else { return Vec::new() };
    (1..)
        .zip(source.lines())
        .filter_map(|(line, text)| {
            let times = coverage.lines.get(&line).copied().filter(|times| *times > 0)?;
            Some(RanLine {
                line,
                times,
                text: text.to_owned(),
            })
        })
        .collect()
}
