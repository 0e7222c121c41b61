//! What a case expects, and how it differs from what came.

use mlua::Value;

use super::lua_text;
use crate::answer::Answer;
use crate::error::{ErrorKind, printable};
use crate::limits::ERROR_BYTES;
use crate::money::kind_of;
use crate::outcome::Outcome;
use crate::suggest;

#[derive(Debug)]
pub(crate) enum Expected {
    /// An answer. What it leaves out (a comment, fields) is not compared.
    Answer(Outcome),
    NoHandler,
    Failure(ErrorKind),
}

impl Expected {
    pub(super) fn read(value: &Value) -> Result<Self, String> {
        if let Some(outcome) = Answer::of(value) {
            return Ok(Self::Answer(outcome));
        }
        let name = match value {
            Value::String(name) => name.to_string_lossy(),
            Value::Nil => return Err(String::from("it expects nothing; write expect = accept()")),
            other => return Err(format!("expect is an answer such as accept(), not {}", kind_of(other))),
        };
        if name == lua_text::NO_HANDLER {
            return Ok(Self::NoHandler);
        }
        match ErrorKind::ALL.into_iter().find(|kind| kind.as_str() == name) {
            Some(kind) => Ok(Self::Failure(kind)),
            None => {
                let names = ErrorKind::ALL.map(ErrorKind::as_str);
                let hint = suggest::hint(&name, names.into_iter().chain([lua_text::NO_HANDLER]));
                Err(format!("'{}' is no kind of failure{hint}", printable(&name, 40)))
            }
        }
    }

    /// What is wrong, if anything is.
    pub(super) fn compare(&self, got: &Outcome) -> Option<String> {
        let same = match (self, got) {
            (Self::NoHandler, Outcome::NoHandler) => true,
            (Self::Failure(kind), Outcome::Failed(error)) => *kind == error.kind,
            (Self::Answer(expected), got) => suits(expected, got),
            _ => false,
        };
        let expected = || match self {
            Self::NoHandler => String::from(lua_text::NO_HANDLER),
            Self::Failure(kind) => kind.to_string(),
            Self::Answer(outcome) => lua_text::outcome(outcome),
        };
        (!same).then(|| {
            let text = format!("expected {}, got {}", expected(), lua_text::outcome(got));
            printable(&text, ERROR_BYTES)
        })
    }
}

fn suits(expected: &Outcome, got: &Outcome) -> bool {
    let leaves_out = |expected: &Option<String>, got: &Option<String>| expected.is_none() || expected == got;
    match (expected, got) {
        (
            Outcome::Accept { comment, fields },
            Outcome::Accept {
                comment: told,
                fields: given,
            },
        ) => leaves_out(comment, told) && (fields.is_empty() || fields == given),
        (
            Outcome::Reject { reason, comment },
            Outcome::Reject {
                reason: why,
                comment: told,
            },
        ) => reason == why && leaves_out(comment, told),
        (Outcome::RetryLater { comment }, Outcome::RetryLater { comment: told }) => leaves_out(comment, told),
        (
            Outcome::Fee { amount, text },
            Outcome::Fee {
                amount: sum,
                text: told,
            },
        ) => amount == sum && leaves_out(text, told),
        (expected, got) => expected == got,
    }
}
