//! Handing what was decided to the script in the shadow, which looks at it once the answer has left.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use plugin_sdk::DecisionId;
use rules::CallLimits;
use store::NewDecision;
use tokio::sync::mpsc;

use crate::payments::record::DecisionRecord;
use crate::tenancy::BoundShadow;

/// Decisions of all merchants that wait for their shadows.
const QUEUE_SIZE_MAX: usize = 8_192;
/// Decisions of one merchant among them, so that one cannot take all the room.
const WAITING_MAX: usize = 1_024;

/// What a request leaves behind when its answer is made.
#[derive(Default)]
pub struct Behind {
    /// Decisions that are to be stored.
    pub decisions: Vec<NewDecision>,
    /// Decisions that a shadow looks at.
    pub shadowed: Vec<ShadowJob>,
}

/// One decision that the script in the shadow makes once more.
pub struct ShadowJob {
    pub shadow: Arc<BoundShadow>,
    pub limits: CallLimits,
    pub record: Arc<DecisionRecord>,
    /// `None` when it is not stored.
    pub decision: Option<DecisionId>,
    pub account: String,
}

/// How many decisions wait for one shadow on this node, and how many were not looked at.
#[derive(Default)]
pub struct ShadowLoad {
    waiting: AtomicUsize,
    dropped: AtomicU64,
}

impl ShadowLoad {
    fn is_taken(&self) -> bool {
        let taken = self.waiting.try_update(Ordering::AcqRel, Ordering::Relaxed, |waiting| {
            (waiting < WAITING_MAX).then_some(waiting + 1)
        });
        taken.is_ok()
    }

    pub fn done(&self) {
        self.waiting.fetch_sub(1, Ordering::AcqRel);
    }

    pub fn drop_one(&self) {
        metrics::counter!("tollgate_shadow_dropped_total").increment(1);
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts what could not be told after all.
    pub fn put_back_dropped(&self, count: u64) {
        self.dropped.fetch_add(count, Ordering::Relaxed);
    }

    /// What was dropped since this was asked last.
    pub fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }
}

/// The way to the shadows. Nothing here waits: what finds no room is dropped and counted.
#[derive(Clone)]
pub struct Shadows {
    queue: mpsc::Sender<ShadowJob>,
}

impl Shadows {
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<ShadowJob>) {
        let (queue, jobs) = mpsc::channel(QUEUE_SIZE_MAX);
        (Self { queue }, jobs)
    }

    pub fn hand_over(&self, jobs: Vec<ShadowJob>) {
        for job in jobs {
            let shadow = Arc::clone(&job.shadow);
            if !shadow.load.is_taken() {
                shadow.load.drop_one();
            } else if self.queue.try_send(job).is_err() {
                shadow.load.done();
                shadow.load.drop_one();
            }
        }
    }
}
