use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use mlua::Result as LuaResult;
use serde::{Deserialize, Serialize};

use crate::allowance::{Admitted, Allowance, Refused};
use crate::aside::Aside;
use crate::breaker::{Breaker, Trial};
use crate::call::{CallContext, LogLine};
use crate::coverage::Coverage;
use crate::error::{ErrorKind, ScriptError};
use crate::host::{Host, HostCall, NoHost};
use crate::input::{CheckRequest, Input};
use crate::limits::CallLimits;
use crate::outcome::Outcome;
use crate::pool::Pool;
use crate::program::{self, CompileError, Program};
use crate::recorded::Recorded;
use crate::testing::Collected;
use crate::vm::{Call, Terms, Vm};
use crate::{EngineError, Limits};

const PRELUDE: &str = include_str!("prelude.lua");

/// Runs scripts. Cheap to clone and safe to share; each thread that calls it has VMs of its own.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) limits: Limits,
    prelude: Vec<u8>,
    /// Started when it is first needed.
    aside: OnceLock<Option<Aside>>,
}

/// What a call finds around it. All of it belongs to the merchant whose script runs.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// Answers what the script asks.
    pub host: &'a dyn Host,
    /// Limits of this merchant, validated; `None` for the engine's.
    pub limits: Option<&'a CallLimits>,
    /// What this merchant's scripts may use together.
    pub allowance: Option<&'a Allowance>,
    /// Of this revision.
    pub breaker: Option<&'a Breaker>,
}

impl Default for Surroundings<'_> {
    fn default() -> Self {
        Self {
            host: &NoHost,
            limits: None,
            allowance: None,
            breaker: None,
        }
    }
}

impl<'a> Surroundings<'a> {
    #[must_use]
    pub fn of(host: &'a dyn Host) -> Self {
        Self {
            host,
            ..Self::default()
        }
    }
}

impl fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings")
            .field("limits", &self.limits)
            .field("allowance", &self.allowance)
            .field("breaker", &self.breaker)
            .finish_non_exhaustive()
    }
}

/// What came of one call of a script. With its input and context it is all that a replay needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    #[serde(flatten)]
    pub outcome: Outcome,
    /// The same input and the same answers of the host take the same number of steps, always.
    pub steps: u64,
    /// From the asking to the answer.
    #[serde(rename = "duration_us", with = "crate::micros")]
    pub duration: Duration,
    /// What the script itself took of it.
    #[serde(rename = "own_time_us", with = "crate::micros")]
    pub own_time: Duration,
    /// The most memory that the VM was seen to hold, in bytes, of what the limit allows. Garbage and the VM itself (30
    /// KiB) count, so it may differ from run to run.
    pub memory: u64,
    /// What the script asked the host, in order, with the answers.
    #[serde(default)]
    pub calls: Vec<HostCall>,
    #[serde(default)]
    pub log: Vec<LogLine>,
    /// Lines that the script logged beyond the limit.
    #[serde(default)]
    pub log_dropped: u32,
    /// The lines that ran: only of a program that was compiled with [`Engine::compile_traced`].
    #[serde(default)]
    pub coverage: Option<Coverage>,
}

impl Decision {
    /// A call that never came to its script.
    #[must_use]
    pub fn not_run(error: ScriptError) -> Self {
        Self {
            outcome: Outcome::Failed(error),
            steps: 0,
            duration: Duration::ZERO,
            own_time: Duration::ZERO,
            memory: 0,
            calls: Vec::new(),
            log: Vec::new(),
            log_dropped: 0,
            coverage: None,
        }
    }

    /// Whether a replay came to the same: outcome, steps and log. Times and memory may differ.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.outcome == other.outcome
            && self.steps == other.steps
            && self.log == other.log
            && self.log_dropped == other.log_dropped
            && self.calls.len() == other.calls.len()
            && (self.calls.iter().zip(&other.calls))
                .all(|(one, two)| one.question == two.question && one.answer == two.answer)
    }
}

impl Engine {
    /// Builds a VM once to prove that it can be built under these limits.
    pub fn new(limits: Limits) -> Result<Self, EngineError> {
        limits.validate()?;
        let prelude = program::compiler().compile(PRELUDE)?;
        let shared = Arc::new(Shared {
            limits,
            prelude,
            aside: OnceLock::new(),
        });
        shared.build_vm()?;
        Ok(Self { shared })
    }

    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    #[cfg(test)]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Compiles a script and runs nothing of it. `label` is its short name in messages (`r17`). Takes up to tens of
    /// milliseconds for the longest sources: call it where blocking is allowed.
    pub fn compile(&self, label: &str, source: &[u8]) -> Result<Arc<Program>, CompileError> {
        program::compile(&self.shared.limits, label, source, false).map(Arc::new)
    }

    /// The same, for a program that tells which of its lines ran. It decides alike, in the same number of steps, but
    /// slower: for tests and explanations, not for payments.
    pub fn compile_traced(&self, label: &str, source: &[u8]) -> Result<Arc<Program>, CompileError> {
        program::compile(&self.shared.limits, label, source, true).map(Arc::new)
    }

    /// Asks the handler that the input is for. Needs a Tokio runtime with time; the future stays on its thread. Dropping
    /// it abandons the call. The script itself runs on another thread while its merchant's calls take long.
    pub async fn run(
        &self,
        program: &Arc<Program>,
        input: &Arc<Input>,
        context: &CallContext,
        surroundings: &Surroundings<'_>,
    ) -> Decision {
        let started = tokio::time::Instant::now();
        let (admitted, trial) = match admit(surroundings, program) {
            Ok(admitted) => admitted,
            Err(error) => return Decision::not_run(error),
        };
        let terms = Terms {
            program,
            input,
            context,
            limits: surroundings.limits.unwrap_or(&self.shared.limits.call),
            host: surroundings.host,
            deadline: started + surroundings.limits.unwrap_or(&self.shared.limits.call).decision,
        };
        let aside = match &admitted {
            Some(admitted) if admitted.runs_aside() => self.shared.aside(),
            _ => None,
        };
        let decision = match aside {
            Some(aside) => aside.run(&terms).await,
            None => self.shared.decide(&terms).await,
        };
        if let Some(admitted) = admitted {
            admitted.charge(&decision);
        }
        if let Some(trial) = trial {
            trial.settle(verdict(&decision.outcome), Instant::now());
        }
        Decision {
            duration: started.elapsed(),
            ..decision
        }
    }

    /// Decides again from the record: the host answers what it answered. With a program of
    /// [`compile_traced`](Self::compile_traced) this tells which lines ran, and so explains the decision; whether it came
    /// to the same tells [`Decision::is_same_as`].
    pub async fn replay(
        &self,
        program: &Arc<Program>,
        input: &Arc<Input>,
        context: &CallContext,
        calls: &[HostCall],
        limits: Option<&CallLimits>,
    ) -> Decision {
        let host = Recorded::new(calls.to_vec());
        let surroundings = Surroundings {
            limits,
            ..Surroundings::of(&host)
        };
        self.run(program, input, context, &surroundings).await
    }

    /// The tests that a script's main part tells of.
    pub(crate) async fn collect(&self, program: &Program, limits: &CallLimits) -> Result<Vec<Collected>, ScriptError> {
        Pool::of(&self.shared)
            .with_vm(&self.shared, limits.decision, async |vm| vm.collect(program, limits))
            .await?
    }

    /// Asks the `check` handler of a script that asks nothing of its host.
    pub async fn check(&self, program: &Arc<Program>, request: &CheckRequest, context: &CallContext) -> Decision {
        let input = Arc::new(Input::Check(request.clone()));
        self.run(program, &input, context, &Surroundings::default()).await
    }
}

type Passes<'a> = (Option<Admitted<'a>>, Option<Trial<'a>>);

fn admit<'a>(surroundings: &Surroundings<'a>, program: &Program) -> Result<Passes<'a>, ScriptError> {
    let name = program.name();
    let admitted = surroundings.allowance.map(Allowance::admit).transpose();
    let admitted = admitted.map_err(|refused| {
        let what = match refused {
            Refused::Cpu => "the merchant's processor time for this second is used up",
            Refused::InFlight => "too many calls of the merchant's scripts are in flight",
        };
        ScriptError::new(ErrorKind::Busy, format!("{name}: {what}; the script did not run"))
    })?;
    let trial = match surroundings.breaker {
        None => None,
        Some(breaker) => Some(breaker.admit(Instant::now()).ok_or_else(|| {
            let text = "it failed too often and is not run for a moment; publish a revision that works";
            ScriptError::new(ErrorKind::Suspended, format!("{name}: {text}"))
        })?),
    };
    Ok((admitted, trial))
}

/// Whether the script failed; `None` when its surroundings did, which says nothing about it.
fn verdict(outcome: &Outcome) -> Option<bool> {
    match outcome {
        Outcome::Failed(error) => error.kind.is_the_scripts().then_some(true),
        _ => Some(false),
    }
}

fn decision(vm: &Vm, call: Call) -> Decision {
    let state = vm.call_state();
    let (log, log_dropped) = state.take_log();
    Decision {
        outcome: call.outcome,
        steps: u64::from(call.steps),
        duration: Duration::ZERO,
        own_time: call.own_time,
        memory: u64::try_from(call.memory).unwrap_or(u64::MAX),
        calls: state.asked.take_calls(),
        log,
        log_dropped,
        coverage: call.coverage,
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("limits", &self.shared.limits)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// Decides on this thread.
    pub(crate) async fn decide(self: &Arc<Self>, terms: &Terms<'_>) -> Decision {
        let called = Pool::of(self)
            .with_vm(self, terms.limits.decision, async |vm| {
                let call = vm.call(terms).await;
                decision(vm, call)
            })
            .await;
        called.unwrap_or_else(Decision::not_run)
    }

    fn aside(self: &Arc<Self>) -> Option<&Aside> {
        self.aside.get_or_init(|| Aside::start(Arc::downgrade(self))).as_ref()
    }

    pub(crate) fn build_vm(&self) -> LuaResult<Vm> {
        Vm::new(&self.limits, &self.prelude)
    }
}
