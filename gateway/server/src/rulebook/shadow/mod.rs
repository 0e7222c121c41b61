//! Scripts that decide behind the answers of the published revision, so that their differences can be seen.

mod runner;

use plugin_sdk::{Currency, MerchantId, Money};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{NewShadow, RuleShadow, ShadowCounts, ShadowGroup, StoreError};
use utoipa::ToSchema;

pub use runner::ShadowRunner;

use super::replay::ReplayReport;
use super::{Rulebook, RulebookError};
use crate::payments::masked;

/// Longer examples are counted, not shown, in bytes of JSON.
const EXAMPLE_BYTES_MAX: usize = 8 * 1024;

/// What to put into the shadow.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShadowRequest {
    /// A revision; the draft, as it is now, when absent.
    pub revision: Option<i32>,
}

/// What a shadow found, over all nodes.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ShadowReport {
    /// Decisions that were made once more.
    pub decided: u64,
    pub same: u64,
    pub changed: u64,
    /// Decisions that say nothing: the published script did not run, or was stopped by the clock or by its memory.
    pub not_comparable: u64,
    /// Decisions that were not looked at: too much waited, or the shadow's own allowance was used up.
    pub dropped: u64,
    /// Changes of one kind together, as a replay reports them; the largest first.
    pub groups: Vec<ShadowChange>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ShadowChange {
    pub change: String,
    pub count: u64,
    /// Sums of the payments' amounts, one for each currency.
    #[schema(value_type = Vec<Object>)]
    pub amounts: Vec<Money>,
    /// Up to 20, with the outcomes `before` and `after`, and the id of the decision if it is stored.
    #[schema(value_type = Vec<Object>)]
    pub examples: Vec<Value>,
}

impl Rulebook {
    /// Puts the draft, as it is now, or a revision into the shadow, in the place of the one that may be there.
    pub async fn start_shadow(
        &self,
        merchant: MerchantId,
        request: ShadowRequest,
        author: String,
    ) -> Result<RuleShadow, RulebookError> {
        let (target, source) = match request.revision {
            Some(number) => {
                let revision = self.store.rule_revision(merchant, number).await?;
                (json!({ "revision": number }), revision.source)
            }
            None => {
                let draft = self.store.rule_draft(merchant).await?.ok_or(RulebookError::NoDraft)?;
                (json!({ "draft": draft.version }), draft.source)
            }
        };
        self.compile("shadow".to_owned(), source.clone()).await?;
        let new = NewShadow { target, source, author };
        Ok(self.store.start_shadow(merchant, new, self.clock.now()).await?)
    }

    /// Stops the shadow; what it found stays to be read.
    pub async fn stop_shadow(&self, merchant: MerchantId, actor: &str) -> Result<(), RulebookError> {
        Ok(self.store.stop_shadow(merchant, actor, self.clock.now()).await?)
    }

    /// The shadow that runs, or ran last, with what it found.
    pub async fn shadow(&self, merchant: MerchantId) -> Result<(RuleShadow, ShadowReport), RulebookError> {
        let found = self.store.shadow(merchant).await?;
        let (shadow, counts) = found.ok_or(StoreError::NotFound("a shadow"))?;
        Ok((shadow, counts.into()))
    }
}

impl From<ShadowCounts> for ShadowReport {
    fn from(counts: ShadowCounts) -> Self {
        let groups = counts.groups.into_iter().map(|group| ShadowChange {
            change: group.change,
            count: group.count,
            amounts: (group.amounts.into_iter())
                .filter_map(|(code, minor)| Some(Money::from_minor(minor, Currency::from_code(&code)?)))
                .collect(),
            examples: group.examples,
        });
        Self {
            decided: counts.decided,
            same: counts.same,
            changed: counts.changed,
            not_comparable: counts.not_comparable,
            dropped: counts.dropped,
            groups: groups.collect(),
        }
    }
}

/// What a node adds to the rows.
fn counts(report: ReplayReport, dropped: u64) -> ShadowCounts {
    let groups = report.groups.into_iter().map(|group| ShadowGroup {
        change: group.change,
        count: group.count,
        amounts: (group.amounts.iter())
            .map(|amount| (amount.currency().code().to_owned(), amount.minor()))
            .collect(),
        examples: (group.examples.iter())
            .map(|example| masked(serde_json::to_value(example).unwrap_or_default()).0)
            .filter(|example| example.to_string().len() <= EXAMPLE_BYTES_MAX)
            .collect(),
    });
    ShadowCounts {
        decided: report.decided,
        same: report.same,
        changed: report.changed,
        not_comparable: report.not_comparable,
        dropped,
        groups: groups.collect(),
    }
}
