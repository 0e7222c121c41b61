//! The host functions of a script: `ctx.list`, `ctx.velocity`, `ctx.health`, `ctx.http`.
//!
//! Each is a Lua function of the prelude that first puts its question into the call (checked here), then yields to the
//! driver of the call, which waits for the host, and then makes a value of the answer (here again). So a call takes the
//! same steps however long the host took, and a replay takes them too.

pub(crate) mod health;
pub(crate) mod http;
pub(crate) mod lists;
pub(crate) mod velocity;

use std::rc::Rc;

use mlua::{Function, Lua, MultiValue, Result as LuaResult, Value};

use crate::blame;
use crate::budget::{Budget, Stop};
use crate::call::CallState;
use crate::error::{ErrorKind, printable};
use crate::fields::argument;
use crate::host::{HostAnswer, HostCall, HostError, HostQuestion};
use crate::limits::ERROR_BYTES;
use crate::suggest;

/// Makes host functions.
pub(crate) struct Questions {
    /// The prelude's half of every host function.
    asking: Function,
    budget: Rc<Budget>,
}

/// Why a question cannot be put or its answer not be given, in words for the author.
pub(crate) type Problem = String;

impl Questions {
    pub(crate) fn new(asking: Function, budget: &Rc<Budget>) -> Self {
        Self {
            asking,
            budget: Rc::clone(budget),
        }
    }

    pub(crate) fn budget(&self) -> &Rc<Budget> {
        &self.budget
    }

    /// `read` makes a question of the arguments, `give` a value of its answer (and of the arguments, once more).
    pub(crate) fn function(
        &self,
        lua: &Lua,
        name: &'static str,
        read: impl Fn(&mut MultiValue) -> Result<HostQuestion, Problem> + 'static,
        give: impl Fn(&Lua, &mut MultiValue, Replied) -> Result<Value, Problem> + 'static,
    ) -> LuaResult<Function> {
        let put = lua.create_function(move |lua, (may_wait, mut args): (bool, MultiValue)| {
            let refuse = |problem: Problem| blame::error(lua, format!("{name}: {problem}"));
            if !may_wait {
                return Err(refuse(String::from(
                    "cannot be asked inside a sort, a gsub or a metamethod; ask before, and keep the answer",
                )));
            }
            let question = read(&mut args).map_err(refuse)?;
            CallState::of(lua)?
                .asked
                .put(question, blame::line(lua))
                .map_err(refuse)
        })?;
        let budget = Rc::clone(&self.budget);
        let take = lua.create_function(move |lua, mut args: MultiValue| {
            let call = CallState::of(lua)?;
            let refuse = |problem: Problem| blame::error(lua, format!("{name}: {problem}"));
            let Some(replied) = call.asked.with_last(Replied::of) else {
                return Err(refuse(String::from("the gateway gave no answer")));
            };
            match &replied.answer {
                Err(HostError::UnknownName { .. } | HostError::Refused { .. }) | Ok(_) => {}
                Err(_) if replied.optional => return Ok(Value::Nil),
                Err(error) => {
                    let (kind, text) = ending(name, error);
                    return Err(budget.stop(lua, Stop::Host(kind, text)));
                }
            }
            give(lua, &mut args, replied).map_err(refuse)
        })?;
        self.asking.call((put, take))
    }
}

/// A copy of what the host said, and whether the script can do without it.
pub(crate) struct Replied {
    pub(crate) answer: Result<HostAnswer, HostError>,
    optional: bool,
}

impl Replied {
    fn of(call: &HostCall) -> Self {
        Self {
            answer: call.answer.clone(),
            optional: matches!(&call.question, HostQuestion::Http(question) if question.optional),
        }
    }

    /// The answer, if it is of the kind that was asked for.
    pub(crate) fn read<T>(self, read: impl FnOnce(HostAnswer) -> Option<T>) -> Result<T, Problem> {
        let answer = self.answer.map_err(|error| refusal(&error))?;
        read(answer).ok_or_else(|| String::from("the gateway answered something else"))
    }
}

fn refusal(error: &HostError) -> Problem {
    let text = match error {
        HostError::UnknownName { name, known, .. } => {
            format!("{error}{}", suggest::hint(name, known.iter().map(String::as_str)))
        }
        _ => error.to_string(),
    };
    printable(&text, ERROR_BYTES)
}

/// What a decision without its answer ends as.
fn ending(name: &str, error: &HostError) -> (ErrorKind, String) {
    let kind = match error {
        HostError::Unanswered => ErrorKind::Unanswered,
        HostError::Timeout => ErrorKind::HostTimeout,
        _ => ErrorKind::HostUnavailable,
    };
    (kind, printable(&format!("{name}: {error}"), ERROR_BYTES))
}

pub(crate) fn text(args: &mut MultiValue, what: &str, bytes: usize) -> Result<String, Problem> {
    let value = argument(args);
    text_of(&value, what, bytes)
}

pub(crate) fn text_of(value: &Value, what: &str, bytes: usize) -> Result<String, Problem> {
    let Value::String(text) = value else {
        let kind = crate::money::kind_of(value);
        return Err(format!("expected {what} as text, got {kind}"));
    };
    if text.as_bytes().len() > bytes {
        return Err(format!("{what} is longer than {bytes} bytes"));
    }
    let text = text.to_str().map_err(|_| format!("{what} is not UTF-8 text"))?;
    if text.is_empty() {
        return Err(format!("{what} is empty"));
    }
    Ok(text.to_owned())
}
