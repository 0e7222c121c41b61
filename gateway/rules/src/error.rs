use std::fmt;

use mlua::Error as LuaError;
use serde::{Deserialize, Serialize};

use crate::blame::CHUNK_PREFIX;
pub use crate::blame::Frame;
use crate::budget::{Budget, Stop};
use crate::limits::{ERROR_BYTES, ERROR_FRAMES, MEMORY_AT_ONCE_BYTES};

/// Lua puts its stack after the message, under this heading.
const TRACEBACK_HEADING: &str = "\nstack traceback:";

/// What Luau says when an allocation fails; a script that caught it sees just this text.
pub(crate) const OUT_OF_MEMORY: &str = "not enough memory";

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("the limit {name} is {value}; it must be between {min} and {max}")]
    Limit {
        name: &'static str,
        value: u64,
        min: u64,
        max: u64,
    },
    #[error("a Lua VM could not be built: {0}")]
    Vm(String),
}

impl From<LuaError> for EngineError {
    fn from(error: LuaError) -> Self {
        Self::Vm(error.to_string())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The script raised an error or did something that Lua does not allow.
    Runtime,
    /// The script took too many steps. Repeats with the same input.
    StepLimit,
    /// The script took too long by the clock. May not repeat.
    TimeLimit,
    MemoryLimit,
    /// The script returned something that is no answer.
    BadAnswer,
    /// What the script asked the gateway could not be found out now.
    HostUnavailable,
    /// The same, because it took too long.
    HostTimeout,
    /// A replay holds no answer to what the script asked.
    Unanswered,
    /// No VM became free in time, or the merchant's allowance is used up: the script did not run.
    Busy,
    /// The revision failed so often that it is not run for a while.
    Suspended,
    /// The engine itself failed: the script is not to blame.
    Internal,
}

impl ErrorKind {
    pub const ALL: [Self; 11] = [
        Self::Runtime,
        Self::StepLimit,
        Self::TimeLimit,
        Self::MemoryLimit,
        Self::BadAnswer,
        Self::HostUnavailable,
        Self::HostTimeout,
        Self::Unanswered,
        Self::Busy,
        Self::Suspended,
        Self::Internal,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Runtime => "runtime",
            Self::StepLimit => "step_limit",
            Self::TimeLimit => "time_limit",
            Self::MemoryLimit => "memory_limit",
            Self::BadAnswer => "bad_answer",
            Self::HostUnavailable => "host_unavailable",
            Self::HostTimeout => "host_timeout",
            Self::Unanswered => "unanswered",
            Self::Busy => "busy",
            Self::Suspended => "suspended",
            Self::Internal => "internal",
        }
    }

    /// Whether a replay with the recorded answers ends so too.
    pub(crate) const fn comes_again(self) -> bool {
        self.is_repeatable() || matches!(self, Self::HostUnavailable | Self::HostTimeout)
    }

    /// Whether the script is to blame, rather than its surroundings.
    #[must_use]
    pub const fn is_the_scripts(self) -> bool {
        matches!(
            self,
            Self::Runtime | Self::StepLimit | Self::TimeLimit | Self::MemoryLimit | Self::BadAnswer
        )
    }

    /// Whether the same script with the same input fails again, so that its author has to change it.
    #[must_use]
    pub const fn is_repeatable(self) -> bool {
        matches!(self, Self::Runtime | Self::StepLimit | Self::BadAnswer)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a script gave no decision, in words for its author.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct ScriptError {
    pub kind: ErrorKind,
    /// Starts with the place, where one is known: `rules r17:12: …`.
    pub message: String,
    #[serde(default)]
    pub line: Option<u32>,
    /// The script's own functions, innermost first.
    #[serde(default)]
    pub traceback: Vec<Frame>,
}

impl ScriptError {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            line: None,
            traceback: Vec::new(),
        }
    }

    pub(crate) fn bad_answer(text: &str, line: Option<u32>, chunk: &str) -> Self {
        let place = line.map_or_else(|| chunk.to_owned(), |line| format!("{chunk}:{line}"));
        Self {
            line,
            ..Self::new(ErrorKind::BadAnswer, format!("{place}: {text}"))
        }
    }

    /// What went wrong in a call, told from what Lua reports and from what the budget knows. The budget comes first:
    /// a script may catch the error that stops it and raise another.
    pub(crate) fn from_lua(error: &LuaError, budget: &Budget, chunk: &str) -> Self {
        if let Some(why) = budget.stopped() {
            return Self::stopped(why, budget, chunk);
        }
        let (root, traceback) = root_of(error);
        if matches!(root, LuaError::MemoryError(_)) {
            return Self {
                line: None,
                ..Self::stopped(Stop::Memory, budget, chunk)
            };
        }
        let raw = text_of(root);
        let (text, own_traceback) = raw.rsplit_once(TRACEBACK_HEADING).unwrap_or((&raw, ""));
        if is_out_of_memory(text) {
            return Self::stopped(Stop::Memory, budget, chunk);
        }
        let frames = parse_frames(traceback.unwrap_or(own_traceback), chunk);
        let text = with_money_cure(without_address(without_host_place(text)));
        let line = line_of(&text, chunk).or_else(|| frames.first().map(|frame| frame.line));
        let message = match line {
            Some(line) if line_of(&text, chunk).is_none() => format!("{chunk}:{line}: {text}"),
            _ => text,
        };
        Self {
            kind: ErrorKind::Runtime,
            message: printable(&message, ERROR_BYTES),
            line,
            traceback: frames,
        }
    }

    pub(crate) fn stopped(why: Stop, budget: &Budget, chunk: &str) -> Self {
        let (kind, text) = match why {
            Stop::Steps => (
                ErrorKind::StepLimit,
                format!("the limit of {} steps was reached", budget.granted()),
            ),
            Stop::Time => (ErrorKind::TimeLimit, String::from("the time limit was reached")),
            Stop::Memory => (ErrorKind::MemoryLimit, out_of_memory(budget)),
            Stop::Host(kind, text) => (kind, text),
        };
        let traceback = budget.stopped_at();
        let line = traceback.first().map(|frame| frame.line);
        let message = match line {
            Some(line) => format!("{chunk}:{line}: {text}"),
            None => format!("{chunk}: {text}"),
        };
        Self {
            kind,
            message,
            line,
            traceback,
        }
    }
}

fn out_of_memory(budget: &Budget) -> String {
    let (all, at_once) = (budget.memory() / 1024, MEMORY_AT_ONCE_BYTES / 1024);
    format!("the memory limit was reached: {all} KiB in all, {at_once} KiB at once")
}

/// Host functions wrap their errors, once per level of host functions in between.
fn root_of(error: &LuaError) -> (&LuaError, Option<&str>) {
    let (mut root, mut traceback) = (error, None);
    loop {
        match root {
            LuaError::CallbackError {
                traceback: inner,
                cause,
            } => {
                traceback = Some(inner.as_str());
                root = cause;
            }
            LuaError::BadArgument { cause, .. } | LuaError::WithContext { cause, .. } => root = cause,
            _ => return (root, traceback),
        }
    }
}

/// An error's text as its author should see it.
fn text_of(error: &LuaError) -> String {
    match error {
        LuaError::RuntimeError(text) | LuaError::MemoryError(text) | LuaError::SyntaxError { message: text, .. } => {
            text.clone()
        }
        other => other.to_string(),
    }
}

/// The text that a script sees when it catches an error of a host function.
pub(crate) fn caught_text(error: &LuaError) -> (String, bool) {
    let (root, _) = root_of(error);
    let text = text_of(root);
    let out_of_memory = matches!(root, LuaError::MemoryError(_)) || is_out_of_memory(&text);
    (printable(&text, ERROR_BYTES), out_of_memory)
}

fn is_out_of_memory(text: &str) -> bool {
    text == OUT_OF_MEMORY
        || text
            .strip_suffix(OUT_OF_MEMORY)
            .is_some_and(|place| place.ends_with(": "))
}

/// An error that a built-in raises inside one of our wrappers is placed there; the author wants their own line.
fn without_host_place(text: &str) -> &str {
    let Some(rest) = text.strip_prefix("prelude:") else {
        return text;
    };
    rest.split_once(": ").map_or(text, |(_, message)| message)
}

/// Tables and functions print as addresses, which differ from run to run.
fn without_address(text: &str) -> String {
    match text.split_once(": 0x") {
        Some((kind, digits)) if is_address(kind, digits) => format!("the script raised a {kind} as an error"),
        _ => text.to_owned(),
    }
}

/// Luau asks no metamethod to compare money with another type, so the cure is added here.
fn with_money_cure(text: String) -> String {
    let Some((_, sides)) = text.split_once("attempt to compare ") else {
        return text;
    };
    let stranger = match sides.split_once(" < ").or_else(|| sides.split_once(" <= ")) {
        Some(("money", stranger) | (stranger, "money")) => stranger,
        _ => return text,
    };
    match stranger {
        "nil" => format!("{text}; is it absent from the request?"),
        kind => format!("{text}; write the {kind} as money, such as money(\"50.00 RUB\")"),
    }
}

fn is_address(kind: &str, digits: &str) -> bool {
    matches!(kind, "table" | "function" | "userdata" | "thread") && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn line_of(text: &str, chunk: &str) -> Option<u32> {
    let rest = text.strip_prefix(chunk)?.strip_prefix(':')?;
    rest.split_once(':')?.0.parse().ok()
}

/// Reads lines such as `rules r17:12: in function 'check'`; frames of the host and of C are left out.
fn parse_frames(traceback: &str, chunk: &str) -> Vec<Frame> {
    traceback
        .lines()
        .filter_map(|entry| {
            let entry = entry.trim();
            let line = line_of(entry, chunk)?;
            let function = entry
                .rsplit_once(" in function '")
                .and_then(|(_, name)| name.strip_suffix('\''))
                .map(|name| printable(name, 100));
            Some(Frame { function, line })
        })
        .take(ERROR_FRAMES)
        .collect()
}

/// The chunk name under which Lua reports places: `rules r17`.
pub(crate) fn chunk_of(label: &str) -> String {
    format!("{CHUNK_PREFIX}{label}")
}

/// Text that is safe in a log or on a terminal: control characters escaped, cut at `bytes`.
pub(crate) fn printable(text: &str, bytes: usize) -> String {
    const ELLIPSIS: &str = "…";
    let mut shown = String::new();
    for letter in text.chars() {
        let start = shown.len();
        if letter.is_control() || is_text_direction(letter) {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
        if shown.len() > bytes {
            shown.truncate(start);
            while shown.len() + ELLIPSIS.len() > bytes && shown.pop().is_some() {}
            shown.push_str(ELLIPSIS);
            break;
        }
    }
    shown
}

/// Characters that reorder or hide the text around them.
fn is_text_direction(letter: char) -> bool {
    matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printable_text_has_no_controls_and_a_bound() {
        assert_eq!(printable("a\nb\u{1b}[2J\u{202e}", 100), "a\\nb\\u{1b}[2J\\u{202e}");
        assert_eq!(printable("abcdef", 6), "abcdef");
        assert_eq!(printable("abcdefg", 6), "abc…");
        assert!(printable(&"я".repeat(500), 200).len() <= 200);
        assert!(printable(&"\0".repeat(500), 200).len() <= 200);
    }

    #[test]
    fn frames_of_the_host_are_left_out() {
        let traceback = "\n\t[C]: in ?\n\tprelude:5: in function 'find'\n\trules r1:3: in function 'check'\n\trules r1:9: in main chunk";
        let frames = parse_frames(traceback, "rules r1");
        assert_eq!(
            frames,
            [
                Frame {
                    function: Some("check".into()),
                    line: 3
                },
                Frame {
                    function: None,
                    line: 9
                }
            ]
        );
    }
}
