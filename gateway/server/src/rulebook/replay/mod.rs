//! What a script would have decided: it is asked once more what was asked, with the answers that were given.

mod report;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use plugin_sdk::MerchantId;
use rules::{CallLimits, Decision, Engine, ErrorKind, Outcome, Program, hard_caps};
use serde::Deserialize;
use serde_json::{Value, json};
use store::{NewReplay, Replay, ReplaySpan, StoreError, StoredDecision};
use utoipa::ToSchema;

pub use report::{ChangeGroup, Compared, Example, ReplayReport, Subject, Tally, compare};

use super::why::read_record;
use super::{Rulebook, RulebookError, aside, json_of, sha256};
use crate::payments::DecisionRecord;

/// Decisions that one replay goes over, at most, and when nobody says how many.
const DECISIONS_MAX: u64 = 100_000;
const DECISIONS: u64 = 10_000;
/// Decisions that are read and made again at once.
const BATCH: u64 = 200;
/// A replay that told of no progress for so long is taken for dead.
const LEASE: chrono::Duration = chrono::Duration::seconds(60);

/// What to replay, and over which decisions.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayRequest {
    /// A revision; the draft when neither this nor `source` is given.
    pub revision: Option<i32>,
    pub source: Option<String>,
    /// The newest so many decisions, at most 100000; 10000 when absent.
    pub last: Option<u64>,
    /// Only decisions from then on.
    pub from: Option<DateTime<Utc>>,
    /// Only decisions from before then.
    pub until: Option<DateTime<Utc>>,
}

/// A replay that has its row and can be run.
pub struct PreparedReplay {
    pub replay: Replay,
    merchant: MerchantId,
    decider: Decider,
    span: ReplaySpan,
    newest: Option<plugin_sdk::DecisionId>,
}

/// What decides once more.
#[derive(Clone)]
struct Decider {
    engine: Engine,
    program: Arc<Program>,
    /// Decisions of this revision must come to the same to the last step.
    revision: Option<i32>,
    limits: CallLimits,
}

impl Rulebook {
    /// Compiles and counts; nothing is decided yet. Fails while another replay of the merchant runs.
    pub async fn prepare_replay(
        &self,
        merchant: MerchantId,
        request: ReplayRequest,
    ) -> Result<PreparedReplay, RulebookError> {
        let span = ReplaySpan {
            last: request.last.unwrap_or(DECISIONS),
            from: request.from,
            until: request.until,
        };
        if !(1..=DECISIONS_MAX).contains(&span.last) {
            return Err(RulebookError::field("last", format!("is from 1 to {DECISIONS_MAX}")));
        }
        let (target, label, source) = match (request.revision, request.source) {
            (Some(_), Some(_)) => return Err(RulebookError::field("source", "give a revision or a source, not both")),
            (Some(number), None) => {
                let revision = self.store.rule_revision(merchant, number).await?;
                (json!({ "revision": number }), format!("r{number}"), revision.source)
            }
            (None, Some(source)) => (json!({ "sha256": sha256(&source) }), "draft".to_owned(), source),
            (None, None) => {
                let draft = self.store.rule_draft(merchant).await?.ok_or(RulebookError::NoDraft)?;
                (json!({ "draft": draft.version }), "draft".to_owned(), draft.source)
            }
        };
        let decider = Decider {
            engine: self.engine.clone(),
            program: self.compile(label, source).await?,
            revision: request.revision,
            limits: unhurried(self.limits(merchant).await?),
        };
        let (total, newest) = self.store.replay_extent(merchant, &span).await?;
        let now = self.clock.now();
        let new = NewReplay {
            target,
            total,
            lease_until: now + LEASE,
        };
        Ok(PreparedReplay {
            replay: self.store.create_replay(merchant, new, now).await?,
            merchant,
            decider,
            span,
            newest,
        })
    }

    /// Runs a replay to its end, one at a time on a node, and stores what it found.
    pub async fn run_replay(&self, prepared: PreparedReplay) -> Result<Replay, RulebookError> {
        let (merchant, id) = (prepared.merchant, prepared.replay.id);
        let found = match self.replay_all(prepared).await {
            Ok(report) => json_of(&report).map_err(|error| error.to_string()),
            Err(error) => {
                tracing::warn!(%merchant, replay = %id, %error, "a replay failed");
                Err(error.to_string())
            }
        };
        (self.store.finish_replay(merchant, id, found, self.clock.now())).await?;
        Ok(self.store.replay(merchant, id).await?)
    }

    async fn replay_all(&self, prepared: PreparedReplay) -> Result<ReplayReport, RulebookError> {
        let PreparedReplay {
            merchant,
            replay,
            decider,
            span,
            newest,
        } = prepared;
        let mut tally = Tally::default();
        let Some(newest) = newest else {
            return Ok(tally.report());
        };
        let (mut before, mut done) = (None, 0);
        while done < replay.total {
            let turn = self.replay_turn(merchant, replay.id, done).await?;
            let limit = BATCH.min(replay.total - done);
            let batch = (self.store.decisions_to_replay(merchant, &span, newest, before, limit)).await?;
            let Some(oldest) = batch.last().map(|decision| decision.id) else {
                break;
            };
            before = Some(oldest);
            done += u64::try_from(batch.len()).unwrap_or(u64::MAX);
            let started = Instant::now();
            tally = decide_batch(decider.clone(), batch, tally).await?;
            let took = started.elapsed();
            drop(turn);
            // As long again as it worked: half of one core at most, and the other half is the payments'.
            tokio::time::sleep(took).await;
        }
        Ok(tally.report())
    }

    /// Waits for this node's turn, and tells that the replay is alive.
    async fn replay_turn(
        &self,
        merchant: MerchantId,
        id: plugin_sdk::ReplayId,
        done: u64,
    ) -> Result<tokio::sync::OwnedSemaphorePermit, RulebookError> {
        const ALIVE: Duration = Duration::from_secs(10);
        let mut turn = Box::pin(Arc::clone(&self.replay_turns).acquire_owned());
        loop {
            let now = self.clock.now();
            if !(self.store.replay_progressed(merchant, id, done, now + LEASE, now)).await? {
                return Err(StoreError::NotFound("this replay, as a running one,").into());
            }
            if let Ok(turn) = tokio::time::timeout(ALIVE, &mut turn).await {
                return Ok(turn.map_err(|_| StoreError::Busy)?);
            }
        }
    }
}

async fn decide_batch(decider: Decider, batch: Vec<StoredDecision>, mut tally: Tally) -> Result<Tally, RulebookError> {
    aside(async move || {
        for stored in &batch {
            let record = read_record(stored)?;
            let again = decide_again(&decider, &record).await;
            let compared = match compare(&record, &again.outcome) {
                Compared::Same if decider.revision == Some(stored.revision) && !record.masked => {
                    exactly(&record, &again)
                }
                compared => compared,
            };
            let subject = Subject {
                decision: Some(stored.id),
                account: &stored.account,
                record: &record,
            };
            tally.add(&subject, again.outcome, compared);
        }
        Ok(tally)
    })
    .await?
}

/// The clock decides nothing: on a busy machine what is decided once more would differ from what was.
pub(super) fn unhurried(limits: CallLimits) -> CallLimits {
    CallLimits {
        own_cpu: hard_caps::OWN_CPU,
        decision: hard_caps::DECISION,
        ..limits
    }
}

/// The clock may stop a script on a busy machine; that says nothing, so it is tried once more.
async fn decide_again(decider: &Decider, record: &DecisionRecord) -> Decision {
    let run = async || {
        let (program, limits) = (&decider.program, Some(&decider.limits));
        let calls = &record.decision.calls;
        (decider
            .engine
            .replay(program, &record.input, &record.context, calls, limits))
        .await
    };
    let again = run().await;
    match &again.outcome {
        Outcome::Failed(error) if error.kind == ErrorKind::TimeLimit => run().await,
        _ => again,
    }
}

/// A revision's own decision comes to the same to the last step. If not, the engine changed, not the rule.
fn exactly(record: &DecisionRecord, again: &Decision) -> Compared {
    if again.is_same_as(&record.decision) {
        Compared::Same
    } else {
        Compared::Changed("steps".to_owned())
    }
}

/// What a replay was about, for people: `r3`, `draft`.
#[must_use]
pub fn target_name(target: &Value) -> String {
    match target.get("revision").and_then(Value::as_i64) {
        Some(number) => format!("r{number}"),
        None => "draft".to_owned(),
    }
}
