//! What people do with rules: drafts, checks, revisions, publishing, settings. The one set of checks behind the admin
//! REST and the CLI.

mod canary;
mod checks;
mod diff;
mod replay;
mod secrets;
mod settings;
mod shadow;
mod why;

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use plugin_sdk::{Clock, MerchantId};
use rules::{CompileError, Engine, Known, Program};
use serde_json::Value;
use store::{Cursor, NewDraft, NewRevision, Page, RuleDraft, RuleRevision, Store, StoreError};

use tokio::sync::Semaphore;

pub use canary::{CanaryBounds, CanaryRequest, CanaryWatch, OutOfBounds};
pub use checks::{Checks, FailedTest, TestSummary};
pub use diff::unified;
pub use replay::{ChangeGroup, Example, PreparedReplay, ReplayReport, ReplayRequest, target_name};
pub use secrets::{OpenedSecret, SecretDraft, may_go_to};
pub use shadow::{ShadowReport, ShadowRequest, ShadowRunner};
pub use why::{Explanation, RanLine};

use crate::access::sealing::{Sealer, SealingError, hex};

/// Longest message of a revision, in characters.
const MESSAGE_LENGTH_MAX: usize = 1_000;

#[derive(Debug, thiserror::Error)]
pub enum RulebookError {
    #[error("{field}: {message}")]
    Field { field: &'static str, message: String },
    #[error("rules: {0}")]
    Compile(#[from] CompileError),
    /// The checks object to it, so it is not published.
    #[error("the rules are not published: {}", .0.objections())]
    Red(Box<Checks>),
    #[error("there is no draft; save one first")]
    NoDraft,
    #[error(transparent)]
    Sealing(#[from] SealingError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RulebookError {
    pub fn field(field: &'static str, message: impl Into<String>) -> Self {
        Self::Field {
            field,
            message: message.into(),
        }
    }
}

/// A script with a message about it, as somebody wrote it.
pub struct Script {
    pub source: String,
    pub message: String,
    pub author: String,
}

/// A revision with what changed since the one before.
pub struct ChangedRevision {
    pub revision: RuleRevision,
    /// Unified; empty when nothing changed.
    pub diff: String,
}

#[derive(Clone)]
pub struct Rulebook {
    pub store: Store,
    pub engine: Engine,
    pub sealer: Arc<Sealer>,
    pub clock: Arc<dyn Clock>,
    /// Replays that run on this node at once.
    pub replay_turns: Arc<Semaphore>,
}

impl Rulebook {
    /// Looks a script over and runs its tests. Fails when it does not even compile.
    pub async fn examine(&self, merchant: MerchantId, source: &str) -> Result<Checks, RulebookError> {
        let connections = self.store.connections(merchant).await?;
        let connections = connections.into_iter().map(|connection| connection.slug).collect();
        let lists = self
            .store
            .lists(merchant)
            .await?
            .into_iter()
            .map(|list| list.name)
            .collect();
        let secrets = self.store.rule_secrets(merchant).await?;
        let secrets = secrets.into_iter().map(|secret| secret.name).collect();
        let limits = self.limits(merchant).await?;
        let known = Known {
            connections: Some(connections),
            lists: Some(lists),
            credentials: Some(secrets),
        };
        Checks::run(self.engine.clone(), source.to_owned(), known, limits).await
    }

    /// The same, and nothing may stand against publishing.
    async fn examine_green(&self, merchant: MerchantId, source: &str) -> Result<Checks, RulebookError> {
        let checks = self.examine(merchant, source).await?;
        if checks.is_green() {
            Ok(checks)
        } else {
            Err(RulebookError::Red(Box::new(checks)))
        }
    }

    /// Saves the merchant's one draft, whatever the checks say of it.
    pub async fn save_draft(&self, merchant: MerchantId, script: Script) -> Result<RuleDraft, RulebookError> {
        check_message(&script.message)?;
        let checks = self.examine(merchant, &script.source).await?;
        let new = NewDraft {
            source: script.source,
            message: script.message,
            author: script.author,
            checks: checks.json(),
        };
        Ok(self.store.save_rule_draft(merchant, new, self.clock.now()).await?)
    }

    /// Throws the draft away.
    pub async fn delete_draft(&self, merchant: MerchantId, actor: &str) -> Result<(), RulebookError> {
        Ok((self.store.delete_rule_draft(merchant, actor, self.clock.now())).await?)
    }

    /// Publishes the draft, if nothing objects to it. The checks are made anew: lists, connections and limits may have
    /// changed since it was saved.
    pub async fn publish_draft(
        &self,
        merchant: MerchantId,
        message: Option<String>,
        author: String,
    ) -> Result<RuleRevision, RulebookError> {
        let draft = self.store.rule_draft(merchant).await?.ok_or(RulebookError::NoDraft)?;
        let script = Script {
            source: draft.source,
            message: message.unwrap_or(draft.message),
            author,
        };
        self.publish_script(merchant, script, Some(draft.version)).await
    }

    /// Publishes a script at once, if nothing objects to it; the draft stays.
    pub async fn publish(&self, merchant: MerchantId, script: Script) -> Result<RuleRevision, RulebookError> {
        self.publish_script(merchant, script, None).await
    }

    async fn publish_script(
        &self,
        merchant: MerchantId,
        script: Script,
        draft_version: Option<i64>,
    ) -> Result<RuleRevision, RulebookError> {
        check_message(&script.message)?;
        let checks = self.examine_green(merchant, &script.source).await?;
        let new = NewRevision {
            source: script.source,
            message: script.message,
            author: script.author,
            checks: Some(checks.json()),
            draft_version,
        };
        Ok(self.store.publish_rules(merchant, new, self.clock.now()).await?)
    }

    /// Puts an older revision into service. Only that it still compiles is asked: whoever goes back is in a hurry.
    pub async fn roll_back(
        &self,
        merchant: MerchantId,
        number: i32,
        actor: &str,
    ) -> Result<RuleRevision, RulebookError> {
        let revision = self.store.rule_revision(merchant, number).await?;
        self.compile(format!("r{number}"), revision.source).await?;
        Ok((self.store.roll_back_rules(merchant, number, actor, self.clock.now())).await?)
    }

    pub async fn unpublish(&self, merchant: MerchantId, actor: &str) -> Result<(), RulebookError> {
        Ok((self.store.unpublish_rules(merchant, actor, self.clock.now())).await?)
    }

    /// Newest first, each with what changed.
    pub async fn revisions(
        &self,
        merchant: MerchantId,
        cursor: &Cursor,
    ) -> Result<Page<ChangedRevision>, RulebookError> {
        let page = self.store.rule_revisions(merchant, cursor).await?;
        let older = match page.items.last() {
            Some(oldest) => self.store.rule_revision_before(merchant, oldest.number).await?,
            None => None,
        };
        let next = page.next;
        let items = page.items;
        let changed = blocking(move || with_diffs(items, older)).await?;
        Ok(Page { items: changed, next })
    }

    pub async fn revision(&self, merchant: MerchantId, number: i32) -> Result<ChangedRevision, RulebookError> {
        let revision = self.store.rule_revision(merchant, number).await?;
        let older = self.store.rule_revision_before(merchant, number).await?;
        let mut changed = blocking(move || with_diffs(vec![revision], older)).await?;
        changed
            .pop()
            .ok_or(RulebookError::Store(StoreError::NotFound("this rule revision")))
    }

    /// Compiles where blocking is allowed: the longest sources take tens of milliseconds.
    pub async fn compile(&self, label: String, source: String) -> Result<Arc<Program>, RulebookError> {
        let engine = self.engine.clone();
        Ok(blocking(move || engine.compile(&label, source.as_bytes())).await??)
    }
}

/// The checks of a script that belongs to no merchant, under the limits of the engine.
pub async fn examine_alone(engine: Engine, source: String) -> Result<Checks, RulebookError> {
    let limits = engine.limits().call;
    Checks::run(engine, source, Known::default(), limits).await
}

/// How a script is named beyond its number: in lists, and in a team's own git.
#[must_use]
pub fn sha256(source: &str) -> String {
    hex(digest(&SHA256, source.as_bytes()).as_ref())
}

/// Newest first, the oldest compared with `older`.
fn with_diffs(revisions: Vec<RuleRevision>, older: Option<RuleRevision>) -> Vec<ChangedRevision> {
    let mut changed: Vec<ChangedRevision> = Vec::with_capacity(revisions.len());
    let mut before = older;
    for revision in revisions.into_iter().rev() {
        let source = before.as_ref().map_or("", |before| before.source.as_str());
        let name = before
            .as_ref()
            .map_or_else(|| "nothing".to_owned(), |before| format!("r{}", before.number));
        let diff = unified((&name, source), (&format!("r{}", revision.number), &revision.source));
        before = Some(revision.clone());
        changed.push(ChangedRevision { revision, diff });
    }
    changed.reverse();
    changed
}

fn check_message(message: &str) -> Result<(), RulebookError> {
    if message.chars().count() > MESSAGE_LENGTH_MAX {
        let limit = format!("is longer than {MESSAGE_LENGTH_MAX} characters");
        return Err(RulebookError::field("message", limit));
    }
    Ok(())
}

fn json_of<T: serde::Serialize>(value: &T) -> Result<Value, StoreError> {
    serde_json::to_value(value).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// Runs scripts off the I/O threads, on a runtime of their own: whatever they take, no payment waits for it.
async fn aside<T: Send + 'static>(work: impl AsyncFnOnce() -> T + Send + 'static) -> Result<T, StoreError> {
    blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.map_err(|error| StoreError::Refused(error.to_string()))?;
        Ok(runtime.block_on(work()))
    })
    .await?
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StoreError> {
    (tokio::task::spawn_blocking(work).await).map_err(|error| StoreError::Refused(error.to_string()))
}
