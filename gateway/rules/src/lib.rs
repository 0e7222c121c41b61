//! The rule engine: runs merchants' Lua scripts, which are treated as hostile input.
//!
//! A script returns a table of handlers; [`Engine::run`] calls one of them and returns a [`Decision`]. No state
//! survives a call, no script can run for ever or fill the memory, and a decision depends only on its inputs: the
//! request, the recorded moment, the seed, and what the host answered. A script that fails never accepts.
//!
//! The engine knows neither HTTP nor the database: what a script asks of lists, velocities and other hosts goes through
//! the caller's [`Host`]. A [`Decision`] holds every such [`HostCall`], so that [`Recorded`] can replay it.
//!
//! # What a script sees
//!
//! ```lua
//! --!api 1
//! local rules = {}
//!
//! function rules.check(request, ctx)
//!   if request.amount and request.amount > money("15000.00 RUB") then
//!     return reject("amount_too_large", "At most 15000")
//!   end
//!   return accept { comment = "OK", fields = { { name = "fio", value = "Ivan I." } } }
//! end
//!
//! return rules
//! ```
//!
//! `docs/rules.md` tells all of it, for authors; every example there is run by this crate's tests. In short:
//!
//! * **Handlers** `check`, `route`, `fee`, `event` ([`Input`]), each with verbs of its own ([`Outcome`]). A handler returns
//!   exactly one answer.
//! * **Views**: the input is read-only; an absent field is nil, an unknown one an error.
//! * **`ctx`**: the recorded moment and seeded randomness; lists, velocities and HTTP of the host.
//! * **`money`**: exact; a Lua number never becomes money.
//! * **Libraries** of Luau: `string`, `table`, `math`, `utf8`, `bit32`, bounded; no coroutines, nothing of the host.
//!
//! # Around a call
//!
//! * [`CallLimits`] bound one call, an [`Allowance`] all calls of a merchant on a node, a [`Breaker`] keeps a revision that
//!   always fails from running. All three come with the call ([`Surroundings`]).
//! * Scripts run where they are called, on a worker of the caller's, which does nothing else meanwhile. A merchant whose calls
//!   take long is moved to a thread for such, for a while: others do not wait behind it.
//! * [`lint`] looks a source over without running it; [`Engine::test`] runs the tests beside a script.
//! * [`Engine::replay`] decides again from a record, and with a traced program tells the lines; [`render_test`] makes a
//!   test of a record.

mod allowance;
mod answer;
mod aside;
mod asked;
mod blame;
mod breaker;
mod budget;
mod call;
mod context;
mod coverage;
mod deep;
#[cfg(test)]
mod editor_types;
mod engine;
mod error;
mod fields;
mod host;
mod input;
mod json;
mod limits;
mod lint;
mod micros;
mod money;
mod operators;
mod outcome;
mod pool;
mod program;
mod questions;
mod reading;
mod recorded;
mod suggest;
mod testing;
mod views;
mod vm;

pub use allowance::{Allowance, AllowanceLimits};
pub use breaker::{Breaker, BreakerSettings};
pub use call::{CallContext, LogLine};
pub use coverage::Coverage;
pub use engine::{Decision, Engine, Surroundings};
pub use error::{EngineError, ErrorKind, Frame, ScriptError};
pub use host::{
    Host, HostAnswer, HostCall, HostError, HostFuture, HostQuestion, HttpMethod, HttpQuestion, NameKind, NoHost,
    NotAWindow, Totals, Window,
};
pub use input::{CheckRequest, Command, Event, Handler, Input, Payment};
pub use limits::{CallLimits, Limits, hard_caps};
pub use lint::{Finding, Known, Severity, lint};
pub use outcome::{Note, Outcome};
pub use program::{API_VERSION, CompileError, Program};
pub use recorded::Recorded;
pub use testing::{CaseReport, NotATest, TestReport, Tests, render_test};
