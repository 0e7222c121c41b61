//! A thread for the scripts of merchants whose calls take long. On a worker everything else would wait behind each of
//! them; here only their like does.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};

use futures_util::FutureExt;
use tokio::runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;
use tokio::time::Instant;

use crate::call::CallContext;
use crate::engine::{Decision, Shared};
use crate::error::{ErrorKind, ScriptError};
use crate::host::{Host, HostAnswer, HostError, HostFuture, HostQuestion};
use crate::input::Input;
use crate::limits::CallLimits;
use crate::program::Program;
use crate::vm::Terms;

/// Calls that wait for the thread. A merchant has fewer in flight, so it takes many merchants to fill it.
const WAITING_MAX: usize = 1_024;
/// As much as the scripts were tested on.
const STACK_BYTES: usize = 2 * 1024 * 1024;

/// The way to the thread, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Aside {
    jobs: mpsc::Sender<Job>,
}

/// How far the thread stands back when workers want the cores, as `nice` counts it.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// A call as it travels to the thread.
#[derive(Debug)]
struct Job {
    program: Arc<Program>,
    input: Arc<Input>,
    context: CallContext,
    limits: CallLimits,
    deadline: Instant,
    questions: mpsc::Sender<Asking>,
    decided: oneshot::Sender<Decision>,
}

/// A question of the script, on its way back to where its host is.
#[derive(Debug)]
struct Asking {
    question: HostQuestion,
    reply: oneshot::Sender<Result<HostAnswer, HostError>>,
}

impl Aside {
    /// `None` when there can be no further thread.
    pub(crate) fn start(engine: Weak<Shared>) -> Option<Self> {
        let (jobs, received) = mpsc::channel(WAITING_MAX);
        let started = std::thread::Builder::new()
            .name(String::from("rules-aside"))
            .stack_size(STACK_BYTES)
            .spawn(move || serve(&engine, received));
        started
            .inspect_err(|error| tracing::error!(%error, "slow rules have no thread of their own"))
            .ok()
            .map(|_| Self { jobs })
    }

    /// Runs a call there, while its questions are answered here.
    pub(crate) async fn run(&self, terms: &Terms<'_>) -> Decision {
        let (questions, mut asked) = mpsc::channel(1);
        let (decided, mut decision) = oneshot::channel();
        let job = Job {
            program: Arc::clone(terms.program),
            input: Arc::clone(terms.input),
            context: *terms.context,
            limits: *terms.limits,
            deadline: terms.deadline,
            questions,
            decided,
        };
        if self.jobs.try_send(job).is_err() {
            let text = "too many slow calls wait for their turn; the script did not run";
            return Decision::not_run(ScriptError::new(ErrorKind::Busy, text));
        }
        loop {
            tokio::select! {
                decided = &mut decision => return decided.unwrap_or_else(|_| lost()),
                Some(asking) = asked.recv() => {
                    let answer = AssertUnwindSafe(terms.host.ask(&asking.question)).catch_unwind();
                    tokio::select! {
                        // Whoever asked finds the reply dropped if the host panicked.
                        answer = answer => if let Ok(answer) = answer {
                            drop(asking.reply.send(answer));
                        },
                        decided = &mut decision => return decided.unwrap_or_else(|_| lost()),
                    }
                }
            }
        }
    }
}

fn lost() -> Decision {
    Decision::not_run(ScriptError::new(ErrorKind::Internal, "the rule engine failed"))
}

/// The thread's work: each call is a task, so that one that waits for its host is in nobody's way.
fn serve(engine: &Weak<Shared>, mut jobs: mpsc::Receiver<Job>) {
    // Only there it is the thread's own. Where it is refused, all threads have equal rights to the cores.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, NICENESS);
    let runtime = match runtime::Builder::new_current_thread().enable_time().build() {
        Ok(runtime) => runtime,
        Err(error) => return tracing::error!(%error, "slow rules have no runtime of their own"),
    };
    LocalSet::new().block_on(&runtime, async {
        while let Some(job) = jobs.recv().await {
            if let Some(engine) = engine.upgrade() {
                tokio::task::spawn_local(decide(engine, job));
            }
        }
    });
}

async fn decide(engine: Arc<Shared>, job: Job) {
    let host = Relay(job.questions);
    let terms = Terms {
        program: &job.program,
        input: &job.input,
        context: &job.context,
        limits: &job.limits,
        host: &host,
        deadline: job.deadline,
    };
    let mut decided = job.decided;
    let decision = tokio::select! {
        decision = engine.decide(&terms) => decision,
        // Nobody waits for it any more.
        () = decided.closed() => return,
    };
    drop(decided.send(decision));
}

/// Asks the host that stayed behind.
struct Relay(mpsc::Sender<Asking>);

impl Host for Relay {
    fn ask<'a>(&'a self, question: &'a HostQuestion) -> HostFuture<'a> {
        Box::pin(async move {
            let gone = || HostError::Unavailable {
                message: String::from("the gateway failed"),
            };
            let (reply, answer) = oneshot::channel();
            let question = question.clone();
            self.0.send(Asking { question, reply }).await.map_err(|_| gone())?;
            answer.await.map_err(|_| gone())?
        })
    }
}
