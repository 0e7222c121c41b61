//! Revisions that decide for a part of the accounts first, and are withdrawn by the gateway when they do badly.

mod bounds;
mod watch;

use plugin_sdk::MerchantId;
use serde::Deserialize;
use store::{CanaryOf, CanaryStatus, NewCanary, NewRevision, RuleCanary, StoreError};
use utoipa::ToSchema;

pub use bounds::{CanaryBounds, OutOfBounds};
pub use watch::CanaryWatch;

use super::{Rulebook, RulebookError, check_message, json_of};
use crate::payments::CanaryCounts;

/// Half of the accounts: beyond it a canary is a publication.
const SHARE_BP_MAX: u32 = 5_000;

/// Which revision decides for how many accounts, and when it is withdrawn.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CanaryRequest {
    /// A revision; when absent, the one that runs as canary already, or else the draft, which becomes the next revision.
    pub revision: Option<i32>,
    /// Of the accounts, in hundredths of a percent: 1 to 5000.
    pub share_bp: u32,
    /// Those of the running canary, or else the defaults, when absent.
    pub bounds: Option<CanaryBounds>,
    /// Message of the revision that a draft becomes; the draft's when absent.
    pub message: Option<String>,
}

impl Rulebook {
    /// Starts a canary of a revision or of the draft, by the same checks as publishing; or gives the one that runs
    /// another share and other bounds.
    pub async fn set_canary(
        &self,
        merchant: MerchantId,
        request: CanaryRequest,
        author: String,
    ) -> Result<RuleCanary, RulebookError> {
        if !(1..=SHARE_BP_MAX).contains(&request.share_bp) {
            let message = format!("is from 1 to {SHARE_BP_MAX}, in hundredths of a percent of the accounts");
            return Err(RulebookError::field("share_bp", message));
        }
        let bounds = request.bounds.map(CanaryBounds::checked).transpose()?;
        let latest = self.store.canary(merchant).await?;
        match latest.filter(|canary| canary.status == CanaryStatus::Running) {
            None => self.start_canary(merchant, request, bounds, author).await,
            Some(running) if request.revision.is_none_or(|number| number == running.revision) => {
                let bounds = bounds.map(|bounds| json_of(&bounds)).transpose()?;
                let bounds = bounds.unwrap_or(running.bounds);
                let now = self.clock.now();
                Ok((self
                    .store
                    .change_canary(merchant, request.share_bp, bounds, &author, now))
                .await?)
            }
            Some(_) => Err(StoreError::Exists("a canary of another revision; stop or promote it first: it").into()),
        }
    }

    async fn start_canary(
        &self,
        merchant: MerchantId,
        request: CanaryRequest,
        bounds: Option<CanaryBounds>,
        author: String,
    ) -> Result<RuleCanary, RulebookError> {
        let published = self.store.merchant(merchant).await?.published_rules;
        let of = match request.revision {
            Some(number) if published == Some(number) => {
                return Err(RulebookError::field(
                    "revision",
                    "is published: it decides for all accounts",
                ));
            }
            Some(number) => {
                let revision = self.store.rule_revision(merchant, number).await?;
                self.examine_green(merchant, &revision.source).await?;
                CanaryOf::Revision(number)
            }
            None => {
                let draft = self.store.rule_draft(merchant).await?.ok_or(RulebookError::NoDraft)?;
                let message = request.message.unwrap_or(draft.message);
                check_message(&message)?;
                CanaryOf::New(NewRevision {
                    checks: Some(self.examine_green(merchant, &draft.source).await?.json()),
                    source: draft.source,
                    message,
                    author: author.clone(),
                    draft_version: Some(draft.version),
                })
            }
        };
        let new = NewCanary {
            of,
            share_bp: request.share_bp,
            bounds: json_of(&bounds.unwrap_or_default())?,
            counts: json_of(&CanaryCounts::default())?,
            author,
        };
        Ok(self.store.start_canary(merchant, new, self.clock.now()).await?)
    }

    /// Gives all accounts back to the published revision.
    pub async fn stop_canary(&self, merchant: MerchantId, actor: &str) -> Result<(), RulebookError> {
        Ok(self.store.stop_canary(merchant, actor, self.clock.now()).await?)
    }

    /// Publishes the running canary's revision for all accounts.
    pub async fn promote_canary(&self, merchant: MerchantId, actor: &str) -> Result<RuleCanary, RulebookError> {
        Ok(self.store.promote_canary(merchant, actor, self.clock.now()).await?)
    }

    /// The canary that runs, or ran last.
    pub async fn canary(&self, merchant: MerchantId) -> Result<RuleCanary, RulebookError> {
        let canary = self.store.canary(merchant).await?;
        Ok(canary.ok_or(StoreError::NotFound("a canary"))?)
    }
}
