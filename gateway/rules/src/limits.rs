use std::time::Duration;

use crate::EngineError;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// What one call of a script may use. The defaults suit any honest rule: a 35-line account check takes 20 steps.
/// The operator may raise them for a merchant up to [`hard_caps`], the merchant may lower them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLimits {
    /// Loop turns, calls and pattern steps of one call. Exact: the same input always takes the same number.
    pub steps: u32,
    /// Time that the script itself may take. A backstop, read off the clock: not repeatable. Waiting for a host function
    /// does not count.
    pub own_cpu: Duration,
    /// Time for the whole decision, waiting for a free VM and for host functions included.
    pub decision: Duration,
    /// Memory of one VM, garbage included.
    pub memory_bytes: usize,
    /// Questions to the host (`ctx.list`, `ctx.velocity`, `ctx.http`), all kinds together.
    pub host_calls: u32,
    /// Those among them that go over HTTP.
    pub http_calls: u32,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            steps: 20_000,
            own_cpu: Duration::from_millis(25),
            decision: Duration::from_secs(2),
            memory_bytes: 8 * MIB,
            host_calls: 16,
            http_calls: 3,
        }
    }
}

impl CallLimits {
    /// Of each limit the lower one: what a merchant's own wish leaves of what the operator allows.
    #[must_use]
    pub fn lowered_to(self, wish: Self) -> Self {
        Self {
            steps: self.steps.min(wish.steps),
            own_cpu: self.own_cpu.min(wish.own_cpu),
            decision: self.decision.min(wish.decision),
            memory_bytes: self.memory_bytes.min(wish.memory_bytes),
            host_calls: self.host_calls.min(wish.host_calls),
            http_calls: self.http_calls.min(wish.http_calls),
        }
    }

    /// Tells which limit is outside of what is allowed at all. A limit that comes from outside is checked once, when it
    /// is set.
    pub fn validate(&self) -> Result<(), EngineError> {
        use hard_caps as cap;
        within("steps", u64::from(self.steps), 1, u64::from(cap::STEPS))?;
        within("own_cpu (ms)", millis(self.own_cpu), 1, millis(cap::OWN_CPU))?;
        within("decision (ms)", millis(self.decision), 1, millis(cap::DECISION))?;
        within(
            "memory_bytes",
            wide(self.memory_bytes),
            wide(cap::MEMORY_BYTES_MIN),
            wide(cap::MEMORY_BYTES),
        )?;
        within("host_calls", u64::from(self.host_calls), 0, u64::from(cap::HOST_CALLS))?;
        within("http_calls", u64::from(self.http_calls), 0, u64::from(cap::HTTP_CALLS))
    }
}

/// The limits of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Those of a call, unless the call brings its own.
    pub call: CallLimits,
    pub source_bytes: usize,
    /// Size of the compiled form: a short source can be made to compile into a very long one.
    pub bytecode_bytes: usize,
    /// Scripts in flight on one worker thread.
    pub vms_per_worker: usize,
    /// A VM is rebuilt after so many calls, whatever happened in it.
    pub calls_per_vm: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            call: CallLimits::default(),
            source_bytes: 64 * KIB,
            bytecode_bytes: 256 * KIB,
            vms_per_worker: 32,
            calls_per_vm: 10_000,
        }
    }
}

/// What no setting may exceed.
pub mod hard_caps {
    use std::time::Duration;

    use super::{KIB, MIB};

    pub const STEPS: u32 = 200_000;
    pub const OWN_CPU: Duration = Duration::from_millis(100);
    pub const DECISION: Duration = Duration::from_secs(5);
    pub const MEMORY_BYTES: usize = 64 * MIB;
    /// Below this a VM cannot even be built.
    pub const MEMORY_BYTES_MIN: usize = MIB;
    pub const SOURCE_BYTES: usize = 64 * KIB;
    pub const BYTECODE_BYTES: usize = 256 * KIB;
    pub const VMS_PER_WORKER: usize = 256;
    pub const CALLS_PER_VM: u32 = 1_000_000;
    pub const HOST_CALLS: u32 = 64;
    pub const HTTP_CALLS: u32 = 16;
}

/// Longest text that the pattern functions, and those that read a whole text, take: they do not count steps within.
pub(crate) const PATTERN_TEXT_BYTES: usize = 4 * KIB;
pub(crate) const PATTERN_BYTES: usize = 64;
/// Longest text that `string.rep` makes and that the functions over whole texts read.
pub(crate) const TEXT_BYTES: usize = 64 * KIB;
/// Largest table that the functions over whole tables make or read.
pub(crate) const TABLE_ITEMS: usize = 8_192;

/// Everything a handler answers, names and texts together.
pub(crate) const ANSWER_BYTES: usize = 16 * KIB;
pub(crate) const ANSWER_NODES: usize = 256;
/// Answers live outside the VM's own memory limit, so their number is limited too.
pub(crate) const ANSWERS_PER_CALL: u32 = 64;

pub(crate) const LOG_LINES: usize = 20;
pub(crate) const LOG_LINE_BYTES: usize = 200;

pub(crate) const ERROR_BYTES: usize = 2 * KIB;
pub(crate) const ERROR_FRAMES: usize = 16;

/// Longest key of `ctx.hash`.
pub(crate) const HASH_KEY_BYTES: usize = KIB;
/// Longest text that `money` reads.
pub(crate) const MONEY_TEXT_BYTES: usize = 64;

/// Connections that one `route` answer names, the first included.
pub(crate) const ROUTE_CONNECTIONS: usize = 6;
/// Longest name of a connection, a list or a credential.
pub(crate) const NAME_BYTES: usize = 64;
/// Entries of one `annotate` answer, and its names and values together.
pub(crate) const NOTES: usize = 16;
pub(crate) const NOTE_BYTES: usize = 4 * KIB;

/// What a script hands to a host function.
pub(crate) const HOST_KEY_BYTES: usize = 256;
pub(crate) const WINDOWS_AT_ONCE: usize = 8;
pub(crate) const URL_BYTES: usize = 2 * KIB;
pub(crate) const HTTP_HEADERS: usize = 16;
pub(crate) const HTTP_HEADER_BYTES: usize = KIB;
pub(crate) const HTTP_BODY_BYTES: usize = 16 * KIB;
/// What a host function hands to a script; the rest of a longer answer is an error.
pub(crate) const HTTP_ANSWER_BYTES: usize = 64 * KIB;
/// JSON as a script gets it or gives it: depth, and values in all.
pub(crate) const JSON_DEPTH: usize = 16;
pub(crate) const JSON_NODES: usize = 2_048;

/// Tests of one script, and what one of them may hold.
pub(crate) const CASES: u32 = 200;
pub(crate) const CASE_NAME_BYTES: usize = 200;
pub(crate) const CASE_BYTES: usize = 64 * KIB;
pub(crate) const CASE_NODES: usize = 2_048;

/// Garbage above the VM's size at birth that is left to the incremental collector.
pub(crate) const GARBAGE_BYTES: usize = 2 * MIB;

/// What setting a thread back may take beyond a VM's limit: one page of Luau's, generously.
pub(crate) const RESET_BYTES: usize = 256 * KIB;

/// Memory that a script may take between two looks at the budget: bounds every single text and table, because the
/// operators on texts (`..`, `<`, and `+` on digits) count no steps. A map of 4096 keys needs 128 KiB at once.
pub(crate) const MEMORY_AT_ONCE_BYTES: usize = 160 * KIB;

/// Operators in one script, and in one function of it. Between two steps a script can only run straight on, through
/// each operator of one function once; on the longest text one takes a tenth of a millisecond.
pub(crate) const OPERATORS: usize = 2_000;
pub(crate) const OPERATORS_IN_FUNCTION: usize = 200;

/// A script that has taken more than this may hold long texts: the clock is looked at with its every step.
pub(crate) const LIGHT_BYTES: usize = 16 * KIB;

/// `pcall` within `pcall`: each of them has to be left again when a script is stopped.
pub(crate) const PCALLS_DEEP: usize = 150;

/// The clock and the memory are looked at every so many steps.
pub(crate) const STEPS_BETWEEN_LOOKS: u32 = 16;

impl Limits {
    pub(crate) fn validate(&self) -> Result<(), EngineError> {
        use hard_caps as cap;
        self.call.validate()?;
        within("source_bytes", wide(self.source_bytes), 1, wide(cap::SOURCE_BYTES))?;
        within(
            "bytecode_bytes",
            wide(self.bytecode_bytes),
            1,
            wide(cap::BYTECODE_BYTES),
        )?;
        within(
            "vms_per_worker",
            wide(self.vms_per_worker),
            1,
            wide(cap::VMS_PER_WORKER),
        )?;
        within(
            "calls_per_vm",
            u64::from(self.calls_per_vm),
            1,
            u64::from(cap::CALLS_PER_VM),
        )
    }
}

fn within(name: &'static str, value: u64, min: u64, max: u64) -> Result<(), EngineError> {
    if (min..=max).contains(&value) {
        Ok(())
    } else {
        Err(EngineError::Limit { name, value, min, max })
    }
}

fn wide(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

fn millis(value: Duration) -> u64 {
    u64::try_from(value.as_millis()).unwrap_or(u64::MAX)
}
