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
//! * **Verbs**: `accept()`, `accept{comment =, fields =}`, `reject(reason, text?)`, `retry_later(text?)`. A handler
//!   returns exactly one. Fields are a list of `{name =, value =}` (order kept) or a map (sorted by name); values are
//!   texts, whole numbers or money.
//! * **`request`**: `command` (`"info"`, `"check"`, `"pay"`), `account`, `amount` (money), `txn_id`, `service`, `at`
//!   (RFC 3339, UTC), `extras` (a frozen table). An absent field is nil, an unknown one an error.
//! * **`ctx`**: `now` (RFC 3339, UTC), `time(offset?)` (a frozen table of `year`, `month`, `day`, `hour`, `minute`,
//!   `second`, `weekday` with Monday as 1, and `date`; the offset is a text such as `"+03:00"`), `random(n)` and
//!   `hash(key, n)` (both from 1 to `n`), `log(text)`. The functions may be called with a dot or a colon.
//! * **`money("50.00 RUB")`**: `+ - < <= ==` within one currency, `:times(n)`, `:percent("2.5", "half_up")`, `.amount`,
//!   `.currency`. Roundings: `half_up`, `half_down`, `half_even`, `up`, `down`.
//! * **Libraries** of Luau: `string`, `table`, `math`, `utf8`, `bit32`, bounded; no coroutines, nothing of the host.

mod allowance;
mod answer;
mod asked;
mod blame;
mod breaker;
mod budget;
mod call;
mod context;
mod coverage;
mod deep;
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
