use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mlua::Result as LuaResult;

use crate::answer::Outcome;
use crate::call::{CallContext, LogLine};
use crate::pool::Pool;
use crate::program::{self, CompileError, Program};
use crate::request::CheckRequest;
use crate::vm::{Call, Vm};
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
}

/// What came of one call of a script.
#[derive(Debug, Clone)]
pub struct Decision {
    pub outcome: Outcome,
    /// The same input takes the same number of steps, always.
    pub steps: u64,
    pub duration: Duration,
    pub log: Vec<LogLine>,
    /// Lines that the script logged beyond the limit.
    pub log_dropped: u32,
}

impl Engine {
    /// Builds a VM once to prove that it can be built under these limits.
    pub fn new(limits: Limits) -> Result<Self, EngineError> {
        limits.validate()?;
        let prelude = program::compiler().compile(PRELUDE)?;
        let shared = Arc::new(Shared { limits, prelude });
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
        program::compile(&self.shared.limits, label, source).map(Arc::new)
    }

    /// Asks the script's `check` handler. Needs a Tokio runtime with time; the future stays on its thread.
    pub async fn check(&self, program: &Arc<Program>, request: &CheckRequest, context: &CallContext) -> Decision {
        let started = Instant::now();
        let limits = &self.shared.limits;
        let request = Rc::new(request.clone());
        let decided = Pool::of(&self.shared)
            .with_vm(&self.shared, limits.decision, async |vm| {
                let Call { outcome, steps } = vm.check(limits, program, &request, context);
                let (log, log_dropped) = vm.call_state().take_log();
                Decision {
                    outcome,
                    steps: u64::from(steps),
                    duration: Duration::ZERO,
                    log,
                    log_dropped,
                }
            })
            .await;
        let decision = decided.unwrap_or_else(|error| Decision {
            outcome: Outcome::Failed(error),
            steps: 0,
            duration: Duration::ZERO,
            log: Vec::new(),
            log_dropped: 0,
        });
        Decision {
            duration: started.elapsed(),
            ..decision
        }
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
    pub(crate) fn build_vm(&self) -> LuaResult<Vm> {
        Vm::new(&self.limits, &self.prelude)
    }
}
