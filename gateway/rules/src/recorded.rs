use std::cell::RefCell;

use crate::host::{Host, HostAnswer, HostCall, HostError, HostFuture, HostQuestion};

/// Answers from a decision's record, so that a replay needs no network and gives what was given.
///
/// A question that was asked several times gets its answers in their order, then the last one again. A question that
/// was not asked has no answer: the decision ends as [`ErrorKind::Unanswered`](crate::ErrorKind::Unanswered).
#[derive(Debug)]
pub struct Recorded {
    calls: Vec<HostCall>,
    used: RefCell<Vec<bool>>,
}

impl Recorded {
    #[must_use]
    pub fn new(calls: Vec<HostCall>) -> Self {
        let used = RefCell::new(vec![false; calls.len()]);
        Self { calls, used }
    }

    fn find(&self, question: &HostQuestion) -> Result<HostAnswer, HostError> {
        let mut used = self.used.borrow_mut();
        let mut last = None;
        for (call, used) in self.calls.iter().zip(used.iter_mut()) {
            if call.question != *question {
                continue;
            }
            last = Some(call);
            if !*used {
                *used = true;
                break;
            }
        }
        last.map_or(Err(HostError::Unanswered), |call| call.answer.clone())
    }
}

impl Host for Recorded {
    fn ask<'a>(&'a self, question: &'a HostQuestion) -> HostFuture<'a> {
        Box::pin(std::future::ready(self.find(question)))
    }
}
