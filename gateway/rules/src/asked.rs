//! The questions of a running call to its host: how many may still come, the open one, and those that were answered.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use crate::host::{HostAnswer, HostCall, HostError, HostQuestion};
use crate::limits::CallLimits;

#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// How many the call may ask, and how many of those over HTTP.
    limit: Cell<u32>,
    http_limit: Cell<u32>,
    asked: Cell<u32>,
    asked_http: Cell<u32>,
    open: RefCell<Option<OpenQuestion>>,
    calls: RefCell<Vec<HostCall>>,
}

#[derive(Debug)]
pub(crate) struct OpenQuestion {
    pub(crate) question: HostQuestion,
    pub(crate) line: Option<u32>,
}

impl Asked {
    pub(crate) fn start(&self, limits: &CallLimits) {
        self.limit.set(limits.host_calls);
        self.http_limit.set(limits.http_calls);
        self.asked.set(0);
        self.asked_http.set(0);
        self.open.take();
        self.calls.borrow_mut().clear();
    }

    /// Puts a question for the driver of the call to take, or tells which limit does not allow it.
    pub(crate) fn put(&self, question: HostQuestion, line: Option<u32>) -> Result<(), String> {
        let (asked, http) = (self.asked.get(), self.asked_http.get());
        if asked >= self.limit.get() {
            return Err(format!(
                "more than {} questions to the gateway in one call",
                self.limit.get()
            ));
        }
        if matches!(question, HostQuestion::Http(_)) {
            if http >= self.http_limit.get() {
                return Err(format!("more than {} HTTP requests in one call", self.http_limit.get()));
            }
            self.asked_http.set(http + 1);
        }
        self.asked.set(asked + 1);
        *self.open.borrow_mut() = Some(OpenQuestion { question, line });
        Ok(())
    }

    pub(crate) fn take_open(&self) -> Option<OpenQuestion> {
        self.open.take()
    }

    pub(crate) fn answered(&self, open: OpenQuestion, answer: Result<HostAnswer, HostError>, duration: Duration) {
        self.calls.borrow_mut().push(HostCall {
            question: open.question,
            answer,
            duration,
            line: open.line,
        });
    }

    pub(crate) fn with_last<R>(&self, read: impl FnOnce(&HostCall) -> R) -> Option<R> {
        self.calls.borrow().last().map(read)
    }

    pub(crate) fn take_calls(&self) -> Vec<HostCall> {
        self.calls.take()
    }
}
