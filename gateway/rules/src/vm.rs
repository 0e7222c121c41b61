//! One Lua VM and one call in it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use mlua::chunk::ChunkMode;
use mlua::{AnyUserData, Error as LuaError, Function, Lua, LuaOptions, Result as LuaResult, StdLib, Table, Value};
use plugin_sdk::{Currency, Money};

use crate::answer::{self, Answer, Outcome};
use crate::budget::{Budget, Stop};
use crate::call::{CallContext, CallState};
use crate::context::ContextView;
use crate::error::{ErrorKind, ScriptError, caught_text};
use crate::limits::{GARBAGE_BYTES, PATTERN_BYTES, PATTERN_TEXT_BYTES, TABLE_ITEMS, TEXT_BYTES};
use crate::money::{self, LuaMoney, kind_of};
use crate::request::{CheckRequest, RequestView};
use crate::{Limits, Program};

/// Base functions that a script must not have, and libraries that would come with a wider selection.
const REMOVED: [&str; 17] = [
    "require",
    "loadstring",
    "collectgarbage",
    "gcinfo",
    "getfenv",
    "setfenv",
    "newproxy",
    "print",
    "_G",
    "debug",
    "os",
    "io",
    "buffer",
    "vector",
    "integer",
    "coroutine",
    "class",
];

pub(crate) struct Vm {
    lua: Lua,
    budget: Rc<Budget>,
    call: Rc<CallState>,
    request: AnyUserData,
    context: AnyUserData,
    /// Metatable of every call's globals: reading falls through to the libraries, writing stays in the call.
    environment_meta: Table,
    memory_at_birth: usize,
    calls: u32,
    worn: bool,
}

/// What a call gives besides its outcome.
pub(crate) struct Call {
    pub(crate) outcome: Outcome,
    pub(crate) steps: u32,
}

impl Vm {
    pub(crate) fn new(limits: &Limits, prelude: &[u8]) -> LuaResult<Self> {
        let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::UTF8 | StdLib::BIT;
        let lua = Lua::new_with(libraries, LuaOptions::new())?;
        // Before the sandbox: afterwards `globals()` is a writable table in front of the closed one.
        let globals = lua.globals();
        for name in REMOVED {
            globals.raw_set(name, Value::Nil)?;
        }
        let budget = Rc::new(Budget::default());
        let call = Rc::new(CallState::new());
        globals.raw_set("money", lua.create_function(money::construct)?)?;
        answer::register(&lua, &globals, &call)?;
        run_prelude(&lua, prelude, &budget)?;
        register_types(&lua)?;
        let request = lua.create_userdata(RequestView::new(&call))?;
        let context = lua.create_userdata(ContextView::new(&lua, &call)?)?;
        let environment_meta = lua.create_table()?;
        environment_meta.raw_set("__index", &globals)?;
        environment_meta.raw_set("__metatable", false)?;
        environment_meta.set_readonly(true);
        lua.sandbox(true)?;
        // Loading would look up a script's globals here, in vain: every script has globals of its own.
        lua.globals().set_safeenv(false);
        lua.gc_collect()?;
        let memory_at_birth = lua.used_memory();
        lua.set_memory_limit(limits.memory_bytes)?;
        let ticking = Rc::clone(&budget);
        lua.set_interrupt(move |lua| ticking.tick(lua));
        Ok(Self {
            lua,
            budget,
            call,
            request,
            context,
            environment_meta,
            memory_at_birth,
            calls: 0,
            worn: false,
        })
    }

    /// Whether this VM may serve another call.
    pub(crate) fn is_fit(&self, limits: &Limits) -> bool {
        !self.worn && self.calls < limits.calls_per_vm
    }

    pub(crate) fn call_state(&self) -> &CallState {
        &self.call
    }

    pub(crate) fn check(
        &mut self,
        limits: &Limits,
        program: &Program,
        request: &Rc<CheckRequest>,
        context: &CallContext,
    ) -> Call {
        self.calls = self.calls.saturating_add(1);
        self.call.start(request, context);
        self.budget.arm(limits);
        let result = catch_unwind(AssertUnwindSafe(|| self.run_check(program)));
        let outcome = match result {
            Ok(result) => self.settle(result, program),
            Err(_) => {
                self.worn = true;
                tracing::error!(
                    program = program.name(),
                    "the rule engine panicked; its VM is thrown away"
                );
                Outcome::Failed(ScriptError::new(ErrorKind::Internal, "the rule engine failed"))
            }
        };
        // Only now: until here any of the script's code that could still run is counted.
        self.budget.disarm();
        self.call.finish();
        self.tidy(limits);
        Call {
            outcome,
            steps: self.budget.spent(),
        }
    }

    fn run_check(&self, program: &Program) -> Result<Outcome, Failure> {
        let handlers = self.load(program)?;
        let handler = match handlers.raw_get::<Value>("check")? {
            Value::Nil => return Ok(Outcome::NoHandler),
            Value::Function(handler) => handler,
            other => {
                return Err(Failure::Answer(
                    format!("rules.check must be a function, not {}", kind_of(&other)),
                    None,
                ));
            }
        };
        let handler_line = handler.info().line_defined.and_then(|line| u32::try_from(line).ok());
        let (answer, second) = handler.call::<(Value, Value)>((&self.request, &self.context))?;
        read_answer(&answer, &second).map_err(|problem| problem.at(handler_line))
    }

    /// Runs the script's main part in globals of its own and gives its table of handlers.
    fn load(&self, program: &Program) -> Result<Table, Failure> {
        const EXPECTED: &str = "the script must end with 'return rules', its table of handlers";
        let environment = self.lua.create_table()?;
        environment.set_metatable(Some(self.environment_meta.clone()))?;
        let main: Function = self
            .lua
            .load(program.bytecode())
            .set_mode(ChunkMode::Binary)
            .set_name(format!("={}", program.name()))
            .set_environment(environment)
            .into_function()?;
        self.budget.leash(&self.lua)?;
        match main.call::<(Value, Value)>(())? {
            (Value::Table(handlers), Value::Nil) if !handlers.has_metatable() => Ok(handlers),
            (Value::Table(_), Value::Nil) => Err(Failure::Answer(
                String::from("the table of handlers must not have a metatable"),
                None,
            )),
            (Value::Table(_), _) => Err(Failure::Answer(format!("{EXPECTED}; it returned two values"), None)),
            (other, _) => Err(Failure::Answer(
                format!("{EXPECTED}; it returned {}", kind_of(&other)),
                None,
            )),
        }
    }

    /// A script that was stopped has no say any more, whatever it returned after it caught the error.
    fn settle(&mut self, result: Result<Outcome, Failure>, program: &Program) -> Outcome {
        let error = match (result, self.budget.stopped()) {
            (_, Some(why)) => ScriptError::stopped(why, &self.budget, program.name()),
            (Ok(outcome), None) => return outcome,
            (Err(Failure::Answer(text, line)), None) => ScriptError::bad_answer(&text, line, program.name()),
            (Err(Failure::Lua(error)), None) => ScriptError::from_lua(&error, &self.budget, program.name()),
        };
        self.worn |= error.kind == ErrorKind::MemoryLimit;
        Outcome::Failed(error)
    }

    fn tidy(&mut self, limits: &Limits) {
        self.worn |= self.lua.set_memory_limit(limits.memory_bytes).is_err();
        if !self.worn && self.lua.used_memory() > self.memory_at_birth + GARBAGE_BYTES {
            self.worn = self.lua.gc_collect().is_err();
        }
    }
}

enum Failure {
    Lua(LuaError),
    /// What the script returned is no answer; with the line of the handler, when it came so far.
    Answer(String, Option<u32>),
}

impl Failure {
    fn at(self, line: Option<u32>) -> Self {
        match self {
            Self::Answer(text, None) => Self::Answer(text, line),
            placed => placed,
        }
    }
}

impl From<LuaError> for Failure {
    fn from(error: LuaError) -> Self {
        Self::Lua(error)
    }
}

/// A type's first object in a VM runs Lua code that sets the type up. In a call it would count as the script's steps,
/// so that the first call of a VM took more of them than the next.
fn register_types(lua: &Lua) -> LuaResult<()> {
    lua.create_userdata(LuaMoney(Money::from_minor(0, Currency::XXX)))?;
    lua.create_userdata(Answer::RetryLater { comment: None })?;
    Ok(())
}

fn run_prelude(lua: &Lua, prelude: &[u8], budget: &Rc<Budget>) -> LuaResult<()> {
    let limits = lua.create_table()?;
    for (name, limit) in [
        ("pattern_text", PATTERN_TEXT_BYTES),
        ("pattern", PATTERN_BYTES),
        ("text", TEXT_BYTES),
        ("table", TABLE_ITEMS),
    ] {
        limits.raw_set(name, limit)?;
    }
    let host = lua.create_table()?;
    host.raw_set("limits", limits)?;
    let budget = Rc::clone(budget);
    host.raw_set(
        "caught",
        lua.create_function(move |lua, problem| caught(lua, &budget, problem))?,
    )?;
    lua.load(prelude)
        .set_mode(ChunkMode::Binary)
        .set_name("=prelude")
        .call::<()>(host)
}

/// What a script gets to see of an error that it caught.
fn caught(lua: &Lua, budget: &Budget, problem: Value) -> LuaResult<Value> {
    let (shown, out_of_memory) = match &problem {
        Value::Error(error) => {
            let (text, out_of_memory) = caught_text(error);
            (Some(text), out_of_memory)
        }
        Value::String(text) => (None, text.as_bytes() == crate::error::OUT_OF_MEMORY.as_bytes()),
        _ => (None, false),
    };
    if out_of_memory {
        return Err(budget.stop(lua, Stop::Memory));
    }
    match shown {
        Some(text) => lua.create_string(text).map(Value::String),
        None => Ok(problem),
    }
}

fn read_answer(answer: &Value, second: &Value) -> Result<Outcome, Failure> {
    const EXPECTED: &str = "rules.check must return accept(), reject(…) or retry_later()";
    let returned = kind_of(answer);
    let answer: Option<Answer> = match answer {
        Value::UserData(data) => AnyUserData::borrow::<Answer>(data).ok().map(|answer| answer.clone()),
        _ => return Err(Failure::Answer(format!("{EXPECTED}; it returned {returned}"), None)),
    };
    match (answer, second) {
        (Some(answer), Value::Nil) => Ok(Outcome::from(answer)),
        (Some(_), _) => Err(Failure::Answer(format!("{EXPECTED}; it returned two values"), None)),
        (None, _) => Err(Failure::Answer(format!("{EXPECTED}; it returned {returned}"), None)),
    }
}

#[cfg(test)]
#[path = "vm_tests.rs"]
mod tests;
