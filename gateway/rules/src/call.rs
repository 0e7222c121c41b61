//! One call: what it depends on, what host functions need of it, what it logs.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use mlua::{Lua, Result as LuaResult, Table, Value};
use serde::{Deserialize, Serialize};

use crate::asked::Asked;
use crate::error::printable;
use crate::input::Input;
use crate::limits::{CallLimits, LOG_LINE_BYTES, LOG_LINES};
use crate::testing::Collected;

/// What a decision depends on besides its request. Recorded with it, so that a replay gives the same answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallContext {
    pub now: DateTime<Utc>,
    /// Decides what `ctx.random` gives.
    pub seed: u64,
}

/// A line that the script logged: at most 200 bytes, control characters escaped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    pub text: String,
    /// The line of the script that logged it.
    #[serde(default)]
    pub line: Option<u32>,
}

/// What host functions need of the running call. One per VM, reset before each call.
pub(crate) struct CallState {
    input: RefCell<Option<Arc<Input>>>,
    /// `extras` as a table and an event's `data`, built when first asked for: most scripts never look.
    extras: RefCell<Option<Table>>,
    data: RefCell<Option<Value>>,
    now: Cell<DateTime<Utc>>,
    random: Cell<u64>,
    log: RefCell<Vec<LogLine>>,
    log_dropped: Cell<u32>,
    pub(crate) answers: Cell<u32>,
    pub(crate) asked: Asked,
    /// While a script's tests are looked for: how many were found, and they themselves.
    pub(crate) collecting: Cell<Option<u32>>,
    pub(crate) cases: RefCell<Vec<Collected>>,
}

impl CallState {
    pub(crate) fn new() -> Self {
        Self {
            input: RefCell::default(),
            extras: RefCell::default(),
            data: RefCell::default(),
            now: Cell::new(DateTime::UNIX_EPOCH),
            random: Cell::new(0),
            log: RefCell::default(),
            log_dropped: Cell::new(0),
            answers: Cell::new(0),
            asked: Asked::default(),
            collecting: Cell::new(None),
            cases: RefCell::default(),
        }
    }

    /// The call that a VM is in.
    pub(crate) fn of(lua: &Lua) -> LuaResult<Rc<Self>> {
        lua.app_data_ref::<Rc<Self>>()
            .map(|call| Rc::clone(&call))
            .ok_or_else(|| mlua::Error::runtime("no call runs in this VM"))
    }

    pub(crate) fn start(&self, input: Option<&Arc<Input>>, context: &CallContext, limits: &CallLimits) {
        *self.input.borrow_mut() = input.map(Arc::clone);
        self.now.set(context.now);
        self.random.set(context.seed);
        self.log.borrow_mut().clear();
        self.log_dropped.set(0);
        self.answers.set(0);
        self.asked.start(limits);
    }

    pub(crate) fn finish(&self) {
        self.input.take();
        self.extras.take();
        self.data.take();
    }

    pub(crate) fn input(&self) -> Option<Arc<Input>> {
        self.input.borrow().clone()
    }

    pub(crate) fn extras(&self, build: impl FnOnce() -> LuaResult<Table>) -> LuaResult<Table> {
        let mut kept = self.extras.borrow_mut();
        match &*kept {
            Some(table) => Ok(table.clone()),
            None => Ok(kept.insert(build()?).clone()),
        }
    }

    pub(crate) fn data(&self, build: impl FnOnce() -> LuaResult<Value>) -> LuaResult<Value> {
        let mut kept = self.data.borrow_mut();
        match &*kept {
            Some(value) => Ok(value.clone()),
            None => Ok(kept.insert(build()?).clone()),
        }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.now.get()
    }

    pub(crate) fn take_log(&self) -> (Vec<LogLine>, u32) {
        (self.log.take(), self.log_dropped.take())
    }

    /// SplitMix64: small, public and never to change, because recorded decisions depend on it.
    pub(crate) fn next_random(&self) -> u64 {
        let state = self.random.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.random.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Counts what will not be logged.
    pub(crate) fn is_log_full(&self) -> bool {
        let full = self.log.borrow().len() >= LOG_LINES;
        self.log_dropped
            .set(self.log_dropped.get().saturating_add(u32::from(full)));
        full
    }

    pub(crate) fn push_log(&self, text: &str, line: Option<u32>) {
        self.log.borrow_mut().push(LogLine {
            text: printable(text, LOG_LINE_BYTES),
            line,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_published_one() {
        let call = CallState::new();
        call.random.set(1_234_567);
        let drawn = [(); 3].map(|()| call.next_random());
        assert_eq!(
            drawn,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }
}
