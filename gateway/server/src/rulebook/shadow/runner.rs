//! Decides behind the answers, with what is left of one core.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use plugin_sdk::{Clock, ShadowId};
use rules::{Engine, ErrorKind, Outcome, Recorded, Surroundings};
use store::{ShadowCounts, Store};
use tokio::sync::{mpsc, watch};

use super::super::aside;
use super::super::replay::{Subject, Tally, compare, unhurried};
use super::counts;
use crate::payments::ShadowJob;
use crate::tenancy::BoundShadow;

/// Decisions that are made once more at once.
const BATCH: usize = 64;
/// An answer is made before its decision is handed over; so long it has to leave.
const HEAD_START: Duration = Duration::from_millis(20);
/// For each moment of work so many of rest: a quarter of one core at most, whatever the shadows do.
const REST: u32 = 3;
/// How often what was found is added to the rows that all nodes share.
const ADD_INTERVAL: Duration = Duration::from_secs(1);
/// Shadows that a node remembers; those beyond start their counts of what was dropped anew.
const REMEMBERED_MAX: usize = 1_000;

/// The one worker of a node that runs all shadows.
pub struct ShadowRunner {
    pub store: Store,
    pub engine: Engine,
    pub clock: Arc<dyn Clock>,
    pub jobs: mpsc::Receiver<ShadowJob>,
}

/// What one shadow found since it was added last.
struct Found {
    shadow: Arc<BoundShadow>,
    tally: Tally,
}

type Findings = HashMap<ShadowId, Found>;

impl ShadowRunner {
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut findings = Findings::new();
        let mut ticks = tokio::time::interval(ADD_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = stop.changed() => break,
                _ = ticks.tick() => self.add(&mut findings).await,
                first = self.jobs.recv() => match first {
                    Some(first) => findings = self.look_at(first, findings).await,
                    None => break,
                },
            }
        }
        self.add(&mut findings).await;
    }

    async fn look_at(&mut self, first: ShadowJob, findings: Findings) -> Findings {
        tokio::time::sleep(HEAD_START).await;
        let mut batch = vec![first];
        while let Some(job) = (batch.len() < BATCH).then(|| self.jobs.try_recv().ok()).flatten() {
            batch.push(job);
        }
        let (engine, started) = (self.engine.clone(), Instant::now());
        let decided = aside(async move || {
            let mut findings = findings;
            for job in batch {
                decide(&engine, job, &mut findings).await;
            }
            findings
        });
        let findings = decided.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a shadow broke; what it found in the last second is lost");
            Findings::new()
        });
        tokio::time::sleep(started.elapsed() * REST).await;
        findings
    }

    async fn add(&self, findings: &mut Findings) {
        for (id, found) in std::mem::take(findings) {
            // Kept with nothing in it, so that what is dropped is told even if nothing else is.
            if let Some(found) = self.add_one(id, found).await
                && findings.len() < REMEMBERED_MAX
            {
                findings.insert(id, found);
            }
        }
    }

    /// What is left to be told of this shadow; `None` when it does not run any more.
    async fn add_one(&self, id: ShadowId, found: Found) -> Option<Found> {
        let Found { shadow, tally } = found;
        let dropped = shadow.load.take_dropped();
        let counts = counts(tally.clone().report(), dropped);
        if counts == ShadowCounts::default() {
            return Some(Found { shadow, tally });
        }
        let added = (self.store.add_to_shadow(shadow.merchant, id, counts, self.clock.now())).await;
        match added {
            Ok(true) => Some(Found {
                shadow,
                tally: Tally::default(),
            }),
            Ok(false) => None,
            Err(error) => {
                tracing::warn!(%error, shadow = %id, "what a shadow found cannot be added; trying again");
                shadow.load.put_back_dropped(dropped);
                Some(Found { shadow, tally })
            }
        }
    }
}

/// Makes one decision once more. Its answer goes nowhere but into the tally.
async fn decide(engine: &Engine, job: ShadowJob, findings: &mut Findings) {
    job.shadow.load.done();
    let found = findings.entry(job.shadow.id).or_insert_with(|| Found {
        shadow: Arc::clone(&job.shadow),
        tally: Tally::default(),
    });
    let Ok(program) = job.shadow.program(engine) else {
        job.shadow.load.drop_one();
        return;
    };
    let (record, limits) = (&job.record, unhurried(job.limits));
    let host = Recorded::new(record.decision.calls.clone());
    let surroundings = Surroundings {
        limits: Some(&limits),
        allowance: Some(&job.shadow.allowance),
        ..Surroundings::of(&host)
    };
    let again = engine.run(program, &record.input, &record.context, &surroundings).await;
    match again.outcome {
        Outcome::Failed(error) if error.kind == ErrorKind::Busy => job.shadow.load.drop_one(),
        // Neither script has the handler: nobody decided anything.
        Outcome::NoHandler if record.decision.outcome == Outcome::NoHandler => {}
        outcome => {
            metrics::counter!("tollgate_shadow_decisions_total").increment(1);
            let subject = Subject {
                decision: job.decision,
                account: &job.account,
                record,
            };
            let compared = compare(record, &outcome);
            found.tally.add(&subject, outcome, compared);
        }
    }
}
