use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use mlua::{Error as LuaError, Lua, Result as LuaResult, VmState};
use rustix::time::{ClockId, clock_gettime};

use crate::blame::{self, Frame};
use crate::error::ErrorKind;
use crate::limits::{CallLimits, LIGHT_BYTES, MEMORY_AT_ONCE_BYTES, STEPS_BETWEEN_LOOKS};

/// Why a script was stopped from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    Steps,
    Time,
    Memory,
    /// A question to the host has no answer, and without it there is no decision.
    Host(ErrorKind, String),
}

/// What the running call may still use. One per VM, not per thread: calls of several VMs interleave on a thread.
///
/// Unarmed it grants nothing, so a script's code that runs outside a call (a metamethod, say) stops at once.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    granted: Cell<u32>,
    memory: Cell<usize>,
    spent: Cell<u32>,
    /// While the script runs: since when, and how long it may.
    running: Cell<Option<Running>>,
    /// What it has run before.
    ran: Cell<Duration>,
    own_cpu: Cell<Duration>,
    most_memory: Cell<usize>,
    /// Up to here the script cannot hold a long text.
    light: Cell<usize>,
    ours: Cell<bool>,
    stopped: RefCell<Option<Stop>>,
    stopped_at: RefCell<Vec<Frame>>,
    #[cfg(test)]
    gap: tests::Gap,
}

#[derive(Debug, Clone, Copy)]
struct Running {
    since: Instant,
    /// This thread's processor time when it began.
    processor: Duration,
    /// Before this moment it cannot have used up its processor time, so nobody needs to ask the system.
    unasked_until: Instant,
}

impl Running {
    fn begin(allowed: Duration) -> Self {
        let since = Instant::now();
        Self {
            since,
            processor: processor_time(),
            unasked_until: since + allowed,
        }
    }

    /// Processor time, not time: a machine with much to do may halt the thread for longer than a call takes, and that
    /// is not the script's doing.
    fn own_time(&self) -> Duration {
        let elapsed = self.since.elapsed();
        if elapsed < WORTH_ASKING {
            return elapsed;
        }
        elapsed.min(processor_time().saturating_sub(self.processor))
    }
}

/// Whoever took less by the clock is not asked for its processor time, which takes a call to the system.
const WORTH_ASKING: Duration = Duration::from_micros(100);

fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

impl Budget {
    pub(crate) fn arm(&self, limits: &CallLimits) {
        self.granted.set(limits.steps);
        self.memory.set(limits.memory_bytes);
        self.spent.set(0);
        self.own_cpu.set(limits.own_cpu);
        self.ran.set(Duration::ZERO);
        self.most_memory.set(0);
        self.stopped.take();
        self.stopped_at.borrow_mut().clear();
        self.go_on();
    }

    pub(crate) fn disarm(&self) {
        self.pause();
        self.granted.set(0);
    }

    /// While a host function waits, the script's own time stands still.
    pub(crate) fn pause(&self) {
        if let Some(running) = self.running.take() {
            self.ran.set(self.ran.get() + running.own_time());
        }
    }

    pub(crate) fn go_on(&self) {
        self.running.set(Some(Running::begin(self.left(Duration::ZERO))));
        #[cfg(test)]
        self.gap.pause();
    }

    /// Own time of the call, once it is paused or over.
    pub(crate) fn ran(&self) -> Duration {
        self.ran.get()
    }

    /// The program is loaded; what comes now is the script's own doing.
    pub(crate) fn loaded(&self, lua: &Lua) -> LuaResult<()> {
        self.light.set(lua.used_memory() + LIGHT_BYTES);
        self.leash(lua)
    }

    /// Lets the script take only so much memory until the next look at it.
    pub(crate) fn leash(&self, lua: &Lua) -> LuaResult<()> {
        let used = lua.used_memory();
        self.note_memory(used);
        lua.set_memory_limit(self.memory.get().min(used + MEMORY_AT_ONCE_BYTES))
            .map(drop)
    }

    /// One loop turn, call or pattern step. Once stopped, every further step fails too: a script that catches the
    /// error can only unwind.
    pub(crate) fn tick(&self, lua: &Lua) -> LuaResult<VmState> {
        #[cfg(test)]
        self.gap.step();
        if self.ours.get() {
            return Ok(VmState::Continue);
        }
        if self.is_stopped() {
            return Err(Self::error());
        }
        let spent = self.spent.get() + 1;
        if spent > self.granted.get() {
            return Err(self.stop(lua, Stop::Steps));
        }
        self.spent.set(spent);
        let used = lua.used_memory();
        // What earlier calls left behind is collected some time during this one; until then it hides what this one holds.
        self.light.set(self.light.get().min(used + LIGHT_BYTES));
        if spent.is_multiple_of(STEPS_BETWEEN_LOOKS) || used > self.light.get() {
            self.look(lua)?;
        }
        Ok(VmState::Continue)
    }

    /// Counts work of a host function that a script caused, in steps.
    pub(crate) fn charge(&self, lua: &Lua, steps: usize) -> LuaResult<()> {
        if self.is_stopped() {
            return Err(Self::error());
        }
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        let spent = self.spent.get().saturating_add(steps);
        if spent > self.granted.get() {
            self.spent.set(self.granted.get());
            return Err(self.stop(lua, Stop::Steps));
        }
        self.spent.set(spent);
        self.look(lua)
    }

    fn look(&self, lua: &Lua) -> LuaResult<()> {
        if !self.has_time() {
            return Err(self.stop(lua, Stop::Time));
        }
        self.leash(lua)
    }

    fn has_time(&self) -> bool {
        let Some(mut running) = self.running.get() else {
            return false;
        };
        let now = Instant::now();
        if now < running.unasked_until {
            return true;
        }
        let left = self.left(running.own_time());
        running.unasked_until = now + left;
        self.running.set(Some(running));
        !left.is_zero()
    }

    /// What is left of the script's own time, `now` spent since it went on.
    fn left(&self, now: Duration) -> Duration {
        self.own_cpu.get().saturating_sub(self.ran.get() + now)
    }

    /// Ends the call: nothing of the script runs any more but its way out.
    pub(crate) fn stop(&self, lua: &Lua, why: Stop) -> LuaError {
        let mut stopped = self.stopped.borrow_mut();
        if stopped.is_none() {
            *stopped = Some(why);
            *self.stopped_at.borrow_mut() = blame::frames(lua);
        }
        Self::error()
    }

    /// Runs code of ours that no script's budget pays for.
    pub(crate) fn unhindered<R>(&self, run: impl FnOnce() -> R) -> R {
        self.ours.set(true);
        let result = run();
        self.ours.set(false);
        result
    }

    fn is_stopped(&self) -> bool {
        self.stopped.borrow().is_some()
    }

    pub(crate) fn stopped(&self) -> Option<Stop> {
        self.stopped.borrow().clone()
    }

    pub(crate) fn stopped_at(&self) -> Vec<Frame> {
        self.stopped_at.borrow().clone()
    }

    /// The most memory that the VM was seen to hold.
    pub(crate) fn most_memory(&self) -> usize {
        self.most_memory.get()
    }

    pub(crate) fn note_memory(&self, used: usize) {
        self.most_memory.set(self.most_memory.get().max(used));
    }

    pub(crate) fn spent(&self) -> u32 {
        self.spent.get()
    }

    pub(crate) fn granted(&self) -> u32 {
        self.granted.get()
    }

    pub(crate) fn memory(&self) -> usize {
        self.memory.get()
    }

    fn error() -> LuaError {
        LuaError::RuntimeError(String::from("the call was stopped at its limits"))
    }
}

/// Makes something small of ours. Under a memory limit each object costs a protected call with two closures of its own,
/// more than the object; so nothing may be made here that a script can make large.
pub(crate) fn unlimited<R>(lua: &Lua, make: impl FnOnce() -> LuaResult<R>) -> LuaResult<R> {
    let limit = lua.set_memory_limit(0)?;
    let made = make();
    lua.set_memory_limit(limit)?;
    made
}

/// Measures the time between steps.
#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default)]
    pub(super) struct Gap {
        last: Cell<Option<Instant>>,
        longest: Cell<Duration>,
    }

    impl Gap {
        /// Until the next step no time counts.
        pub(super) fn pause(&self) {
            self.last.set(None);
        }

        pub(super) fn reset(&self) {
            self.longest.take();
        }

        pub(super) fn step(&self) {
            if let Some(last) = self.last.replace(Some(Instant::now())) {
                self.longest.set(self.longest.get().max(last.elapsed()));
            }
        }
    }

    #[test]
    fn a_halted_thread_spends_nothing() {
        let budget = Budget::default();
        let own_cpu = Duration::from_millis(20);
        budget.arm(&CallLimits {
            own_cpu,
            ..CallLimits::default()
        });
        std::thread::sleep(4 * own_cpu);
        assert!(budget.has_time());
        let began = Instant::now();
        while budget.has_time() {
            assert!(began.elapsed() < Duration::from_secs(60), "its time never ends");
        }
        budget.pause();
        assert!(budget.ran() >= own_cpu);
        assert!(budget.ran() < began.elapsed() + own_cpu);
    }

    impl Budget {
        pub(crate) fn forget_gaps(&self) {
            self.gap.reset();
        }

        pub(crate) fn longest_gap(&self) -> Duration {
            self.gap.longest.get()
        }
    }
}
