use std::cell::{Cell, RefCell};
use std::time::Instant;

use mlua::{Error as LuaError, Lua, Result as LuaResult, VmState};

use crate::Limits;
use crate::blame::{self, Frame};
use crate::limits::{MEMORY_AT_ONCE_BYTES, STEPS_BETWEEN_LOOKS};

/// Why a script was stopped from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    Steps,
    Time,
    Memory,
}

/// What the running call may still use. One per VM, not per thread: calls of several VMs interleave on a thread.
///
/// Unarmed it grants nothing, so a script's code that runs outside a call (a metamethod, say) stops at once.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    granted: Cell<u32>,
    memory: Cell<usize>,
    spent: Cell<u32>,
    until: Cell<Option<Instant>>,
    stopped: Cell<Option<Stop>>,
    stopped_at: RefCell<Vec<Frame>>,
    #[cfg(test)]
    gap: tests::Gap,
}

impl Budget {
    pub(crate) fn arm(&self, limits: &Limits) {
        self.granted.set(limits.steps);
        self.memory.set(limits.memory_bytes);
        self.spent.set(0);
        self.until.set(Some(Instant::now() + limits.own_cpu));
        self.stopped.set(None);
        #[cfg(test)]
        self.gap.start();
        self.stopped_at.borrow_mut().clear();
    }

    pub(crate) fn disarm(&self) {
        self.granted.set(0);
        self.until.set(None);
    }

    /// Lets the script take only so much memory until the next look at it.
    pub(crate) fn leash(&self, lua: &Lua) -> LuaResult<()> {
        lua.set_memory_limit(self.memory.get().min(lua.used_memory() + MEMORY_AT_ONCE_BYTES))
            .map(drop)
    }

    /// One loop turn, call or pattern step. Once stopped, every further step fails too: a script that catches the
    /// error can only unwind.
    pub(crate) fn tick(&self, lua: &Lua) -> LuaResult<VmState> {
        #[cfg(test)]
        self.gap.step();
        if self.stopped.get().is_some() {
            return Err(Self::error());
        }
        let spent = self.spent.get() + 1;
        if spent > self.granted.get() {
            return Err(self.stop(lua, Stop::Steps));
        }
        self.spent.set(spent);
        if spent.is_multiple_of(STEPS_BETWEEN_LOOKS) {
            if self.until.get().is_none_or(|until| Instant::now() >= until) {
                return Err(self.stop(lua, Stop::Time));
            }
            self.leash(lua)?;
        }
        Ok(VmState::Continue)
    }

    /// Ends the call: nothing of the script runs any more but its way out.
    pub(crate) fn stop(&self, lua: &Lua, why: Stop) -> LuaError {
        if self.stopped.get().is_none() {
            self.stopped.set(Some(why));
            *self.stopped_at.borrow_mut() = blame::frames(lua);
        }
        Self::error()
    }

    pub(crate) fn stopped(&self) -> Option<Stop> {
        self.stopped.get()
    }

    pub(crate) fn stopped_at(&self) -> Vec<Frame> {
        self.stopped_at.borrow().clone()
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

/// Measures the time between steps.
#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[derive(Debug, Default)]
    pub(super) struct Gap {
        last: Cell<Option<Instant>>,
        longest: Cell<Duration>,
    }

    impl Gap {
        pub(super) fn start(&self) {
            self.last.set(None);
            self.longest.take();
        }

        pub(super) fn step(&self) {
            if let Some(last) = self.last.replace(Some(Instant::now())) {
                self.longest.set(self.longest.get().max(last.elapsed()));
            }
        }
    }

    impl Budget {
        pub(crate) fn longest_gap(&self) -> Duration {
            self.gap.longest.get()
        }
    }
}
