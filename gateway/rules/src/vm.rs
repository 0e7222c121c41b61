//! One Lua VM and one call in it.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use futures_util::FutureExt;
use mlua::chunk::ChunkMode;
use mlua::{
    AnyUserData, Error as LuaError, Function, IntoLuaMulti, Lua, LuaOptions, LuaString, Result as LuaResult, StdLib,
    Table, Thread, Value,
};
use plugin_sdk::{Currency, Money};
use tokio::time::Instant;

use crate::answer::{self, Answer};
use crate::budget::{Budget, Stop, unlimited};
use crate::call::{CallContext, CallState};
use crate::context::ContextView;
use crate::coverage::Coverage;
use crate::error::{ErrorKind, ScriptError, caught_text};
use crate::fields::Shown;
use crate::host::{Host, HostError};
use crate::input::{Handler, Input};
use crate::limits::{
    CallLimits, GARBAGE_BYTES, PATTERN_BYTES, PATTERN_TEXT_BYTES, PCALLS_DEEP, RESET_BYTES, TABLE_ITEMS, TEXT_BYTES,
};
use crate::money::{self, LuaMoney, kind_of};
use crate::outcome::Outcome;
use crate::questions::Questions;
use crate::testing::{self, Collected};
use crate::views::Views;
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
    views: Views,
    context: AnyUserData,
    /// The names of all handlers, in their order.
    names: Vec<LuaString>,
    /// The handler of the running call, for what can be blamed on no line of it.
    handler: RefCell<Option<Function>>,
    /// Handlers run in it, so that they can wait for the host. Used again by every call.
    thread: Thread,
    /// What the thread holds between calls that failed.
    idle: Function,
    /// Makes the prelude forget the `pcall`s that a stopped script did not come back from.
    come_up: Function,
    /// Metatable of every call's globals: reading falls through to the libraries, writing stays in the call.
    environment_meta: Table,
    memory_at_birth: usize,
    calls: u32,
    worn: bool,
}

/// What a call gives.
pub(crate) struct Call {
    pub(crate) outcome: Outcome,
    pub(crate) steps: u32,
    pub(crate) own_time: Duration,
    pub(crate) memory: usize,
    /// The lines that ran, when the program tells.
    pub(crate) coverage: Option<Coverage>,
}

/// What a call runs under.
pub(crate) struct Terms<'a> {
    pub(crate) program: &'a Arc<Program>,
    pub(crate) input: &'a Arc<Input>,
    pub(crate) context: &'a CallContext,
    pub(crate) limits: &'a CallLimits,
    pub(crate) host: &'a dyn Host,
    /// When the whole decision must be there.
    pub(crate) deadline: Instant,
}

/// How far a script came.
enum Turn {
    /// It waits for an answer of the host.
    Asks,
    Ends(Outcome),
}

impl Vm {
    pub(crate) fn new(limits: &Limits, prelude: &[u8]) -> LuaResult<Self> {
        let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::UTF8 | StdLib::BIT | StdLib::COROUTINE;
        let lua = Lua::new_with(libraries, LuaOptions::new())?;
        // Before the sandbox: afterwards `globals()` is a writable table in front of the closed one.
        let globals = lua.globals();
        let coroutine: Table = globals.raw_get("coroutine")?;
        for name in REMOVED {
            globals.raw_set(name, Value::Nil)?;
        }
        let budget = Rc::new(Budget::default());
        let call = Rc::new(CallState::new());
        lua.set_app_data(Rc::clone(&call));
        globals.raw_set("money", lua.create_function(money::construct)?)?;
        answer::register(&lua, &globals)?;
        testing::register(&lua, &globals)?;
        let (asking, come_up) = run_prelude(&lua, prelude, &budget, &coroutine)?;
        register_types(&lua)?;
        let views = Views::new(&lua, &call)?;
        let questions = Questions::new(asking, &budget);
        let context = lua.create_userdata(Shown(ContextView::new(&lua, &call, &questions)?))?;
        let environment_meta = lua.create_table()?;
        environment_meta.raw_set("__index", &globals)?;
        environment_meta.raw_set("__metatable", false)?;
        environment_meta.set_readonly(true);
        let names = (Handler::ALL.iter()).map(|handler| lua.create_string(handler.as_str()));
        let names = names.collect::<LuaResult<_>>()?;
        let idle = lua.create_function(|_, ()| Ok(()))?;
        let thread = lua.create_thread(idle.clone())?;
        lua.sandbox(true)?;
        lua.gc_collect()?;
        let memory_at_birth = lua.used_memory();
        lua.set_memory_limit(limits.call.memory_bytes)?;
        let ticking = Rc::clone(&budget);
        lua.set_interrupt(move |lua| ticking.tick(lua));
        Ok(Self {
            lua,
            budget,
            call,
            views,
            context,
            names,
            handler: RefCell::default(),
            thread,
            idle,
            come_up,
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

    pub(crate) async fn call(&mut self, terms: &Terms<'_>) -> Call {
        self.calls = self.calls.saturating_add(1);
        self.call.start(Some(terms.input), terms.context, terms.limits);
        self.budget.arm(terms.limits);
        let mut main = None;
        let mut turn = self.guarded(terms.program, |vm| vm.begin(terms, &mut main));
        let outcome = loop {
            match turn {
                Turn::Ends(outcome) => break outcome,
                Turn::Asks => {
                    self.budget.pause();
                    self.wait_for_host(terms).await;
                    self.budget.go_on();
                    turn = self.guarded(terms.program, |vm| vm.go_on(terms, ()));
                }
            }
        };
        // Only now: until here any of the script's code that could still run is counted.
        self.budget.disarm();
        self.call.finish();
        self.handler.take();
        let coverage = main
            .filter(|_| terms.program.is_traced())
            .map(|main| Coverage::of(&main));
        self.tidy(terms.limits);
        Call {
            outcome,
            steps: self.budget.spent(),
            own_time: self.budget.ran(),
            memory: self.budget.most_memory(),
            coverage,
        }
    }

    /// Runs the main part alone, for the tests that it tells of.
    pub(crate) fn collect(&mut self, program: &Program, limits: &CallLimits) -> Result<Vec<Collected>, ScriptError> {
        const NOWHERE: CallContext = CallContext {
            now: DateTime::UNIX_EPOCH,
            seed: 0,
        };
        self.calls = self.calls.saturating_add(1);
        self.call.start(None, &NOWHERE, limits);
        self.call.collecting.set(Some(0));
        self.budget.arm(limits);
        let turn = self.guarded(program, |vm| {
            vm.load(program, &mut None).map(|_| Turn::Ends(Outcome::NoHandler))
        });
        self.budget.disarm();
        self.call.collecting.set(None);
        self.call.finish();
        self.tidy(limits);
        let cases = self.call.cases.take();
        match turn {
            Turn::Ends(Outcome::Failed(error)) => Err(error),
            _ => Ok(cases),
        }
    }

    /// Runs the script until it asks or ends. Nothing that goes wrong in it gets further than here.
    fn guarded(&mut self, program: &Program, run: impl FnOnce(&Self) -> Result<Turn, Failure>) -> Turn {
        match catch_unwind(AssertUnwindSafe(|| run(self))) {
            Ok(Ok(Turn::Asks)) if self.budget.stopped().is_none() => Turn::Asks,
            // It asks although it was stopped.
            Ok(Ok(Turn::Asks)) => {
                self.worn = true;
                Turn::Ends(self.settle(Ok(Outcome::NoHandler), program))
            }
            Ok(Ok(Turn::Ends(outcome))) => Turn::Ends(self.settle(Ok(outcome), program)),
            Ok(Err(failure)) => Turn::Ends(self.settle(Err(failure), program)),
            Err(_) => {
                self.worn = true;
                tracing::error!(
                    program = program.name(),
                    "the rule engine panicked; its VM is thrown away"
                );
                Turn::Ends(Outcome::Failed(ScriptError::new(
                    ErrorKind::Internal,
                    "the rule engine failed",
                )))
            }
        }
    }

    fn begin(&self, terms: &Terms<'_>, main: &mut Option<Function>) -> Result<Turn, Failure> {
        let handlers = self.load(terms.program, main)?;
        let asked = terms.input.handler();
        let name = asked.as_str();
        let key = self.names.get(asked as usize);
        let handler = match handlers.raw_get::<Value>(key)? {
            Value::Nil => return Ok(Turn::Ends(Outcome::NoHandler)),
            Value::Function(handler) => handler,
            other => {
                return Err(Failure::Answer(
                    format!("rules.{name} must be a function, not {}", kind_of(&other)),
                    None,
                ));
            }
        };
        self.thread.reset(handler.clone())?;
        *self.handler.borrow_mut() = Some(handler);
        self.go_on(terms, (self.views.of(terms.input), &self.context))
    }

    fn go_on(&self, terms: &Terms<'_>, args: impl IntoLuaMulti) -> Result<Turn, Failure> {
        let (answer, second) = self.thread.resume::<(Value, Value)>(args)?;
        self.budget.note_memory(self.lua.used_memory());
        if self.thread.is_resumable() {
            return Ok(Turn::Asks);
        }
        read_answer(&answer, &second, terms.input.handler())
            .map(Turn::Ends)
            .map_err(|problem| problem.at(self.handler_line()))
    }

    /// Where the handler starts.
    fn handler_line(&self) -> Option<u32> {
        let handler = self.handler.borrow();
        u32::try_from(handler.as_ref()?.info().line_defined?).ok()
    }

    /// Puts the open question to the host. The answer waits in the call for the script to come back for it.
    async fn wait_for_host(&self, terms: &Terms<'_>) {
        let Some(open) = self.call.asked.take_open() else {
            return;
        };
        let started = Instant::now();
        let asked = AssertUnwindSafe(async { terms.host.ask(&open.question).await }).catch_unwind();
        let answer = match tokio::time::timeout_at(terms.deadline, asked).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => {
                tracing::error!(program = terms.program.name(), "a host function panicked");
                Err(HostError::Unavailable {
                    message: String::from("the gateway failed"),
                })
            }
            Err(_) => Err(HostError::Timeout),
        };
        self.call.asked.answered(open, answer, started.elapsed());
    }

    /// Runs the script's main part in globals of its own and gives its table of handlers.
    fn load(&self, program: &Program, loaded: &mut Option<Function>) -> Result<Table, Failure> {
        const EXPECTED: &str = "the script must end with 'return rules', its table of handlers";
        // What a program takes before it runs is bounded by the size of its bytecode.
        let main: Function = unlimited(&self.lua, || {
            let environment = self.lua.create_table()?;
            environment.set_metatable(Some(self.environment_meta.clone()))?;
            // Library functions are looked up once, at loading: nothing can replace them under a script's names for them.
            environment.set_safeenv(true);
            self.lua
                .load(program.bytecode())
                .set_mode(ChunkMode::Binary)
                .set_name(program.chunk())
                .set_environment(environment)
                .into_function()
        })?;
        let main = &*loaded.insert(main);
        self.budget.loaded(&self.lua)?;
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

    fn tidy(&mut self, limits: &CallLimits) {
        if self.budget.stopped().is_some() {
            // Its one step is granted, and none is left to anybody.
            self.worn |= self.budget.unhindered(|| self.come_up.call::<()>(())).is_err();
        }
        // A thread that failed keeps its stack as it was, and a collection that comes across one whose memory ran out in
        // the middle of a call finds it broken. Setting it back takes a little memory, and cannot do without.
        self.worn |= self.lua.set_memory_limit(limits.memory_bytes + RESET_BYTES).is_err();
        if self.thread.is_error() || self.thread.is_resumable() {
            self.worn |= self.thread.reset(self.idle.clone()).is_err();
        }
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
    lua.create_userdata(Answer::plain())?;
    Ok(())
}

/// Gives the prelude's half of the host functions, and what brings it back in order after a stop.
fn run_prelude(lua: &Lua, prelude: &[u8], budget: &Rc<Budget>, coroutine: &Table) -> LuaResult<(Function, Function)> {
    let limits = lua.create_table()?;
    for (name, limit) in [
        ("pattern_text", PATTERN_TEXT_BYTES),
        ("pattern", PATTERN_BYTES),
        ("text", TEXT_BYTES),
        ("table", TABLE_ITEMS),
        ("pcalls", PCALLS_DEEP),
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
    for name in ["yield", "isyieldable"] {
        host.raw_set(name, coroutine.raw_get::<Function>(name)?)?;
    }
    lua.load(prelude)
        .set_mode(ChunkMode::Binary)
        .set_name("=prelude")
        .call(host)
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

fn read_answer(answer: &Value, second: &Value, handler: Handler) -> Result<Outcome, Failure> {
    let returned = match (Answer::of(answer), second) {
        (Some(outcome), Value::Nil) if outcome.suits(handler) => return Ok(outcome),
        (Some(outcome), Value::Nil) => format!("{}()", outcome.as_str()),
        (Some(_), _) => String::from("two values"),
        (None, _) => String::from(kind_of(answer)),
    };
    let (name, expected) = (handler.as_str(), handler.answers());
    Err(Failure::Answer(
        format!("rules.{name} must return {expected}; it returned {returned}"),
        None,
    ))
}

#[cfg(test)]
#[path = "vm_tests.rs"]
mod tests;
