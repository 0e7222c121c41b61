//! One call: what it depends on, what host functions need of it, what it logs.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use chrono::{DateTime, Utc};
use mlua::{Result as LuaResult, Table};

use crate::CheckRequest;
use crate::error::printable;
use crate::limits::{LOG_LINE_BYTES, LOG_LINES};

/// What a decision depends on besides its request. Recorded with it, so that a replay gives the same answer.
#[derive(Debug, Clone, Copy)]
pub struct CallContext {
    pub now: DateTime<Utc>,
    /// Decides what `ctx.random` gives.
    pub seed: u64,
}

/// A line that the script logged: at most 200 bytes, control characters escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    pub text: String,
    /// The line of the script that logged it.
    pub line: Option<u32>,
}

/// What host functions need of the running call. One per VM, reset before each call.
pub(crate) struct CallState {
    request: RefCell<Option<Rc<CheckRequest>>>,
    /// `request.extras` as a table, built when first asked for: most scripts never look.
    extras: RefCell<Option<Table>>,
    now: Cell<DateTime<Utc>>,
    random: Cell<u64>,
    log: RefCell<Vec<LogLine>>,
    log_dropped: Cell<u32>,
    pub(crate) answers: Cell<u32>,
}

impl CallState {
    pub(crate) fn new() -> Self {
        Self {
            request: RefCell::default(),
            extras: RefCell::default(),
            now: Cell::new(DateTime::UNIX_EPOCH),
            random: Cell::new(0),
            log: RefCell::default(),
            log_dropped: Cell::new(0),
            answers: Cell::new(0),
        }
    }

    pub(crate) fn start(&self, request: &Rc<CheckRequest>, context: &CallContext) {
        *self.request.borrow_mut() = Some(Rc::clone(request));
        self.now.set(context.now);
        self.random.set(context.seed);
        self.log.borrow_mut().clear();
        self.log_dropped.set(0);
        self.answers.set(0);
    }

    pub(crate) fn finish(&self) {
        self.request.take();
        self.extras.take();
    }

    pub(crate) fn request(&self) -> Option<Rc<CheckRequest>> {
        self.request.borrow().clone()
    }

    pub(crate) fn extras(&self, build: impl FnOnce() -> LuaResult<Table>) -> LuaResult<Table> {
        let mut kept = self.extras.borrow_mut();
        match &*kept {
            Some(table) => Ok(table.clone()),
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
