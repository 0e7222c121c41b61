//! The check of a script before anything of it runs: what a compiler lets pass and the gateway knows better.

mod calls;
mod flow;
mod kinds;
mod operators;
pub(crate) mod surface;
mod walk;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Limits;
use crate::deep;
use crate::error::printable;
use crate::limits::ERROR_BYTES;
use crate::program;

/// More than anybody reads; a script with more of them has one cause.
const FINDINGS_MAX: usize = 100;

/// What the merchant has, for names that a script mentions. `None` where it is not known: nothing is said then.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    pub connections: Option<Vec<String>>,
    pub lists: Option<Vec<String>>,
    pub credentials: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The script fails, or never does what it says, when this is reached.
    Error,
    /// It may be meant so.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One thing to look at. Lines and columns count from 1; the end is behind the last character.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub severity: Severity,
    pub line: u32,
    pub column: u32,
    pub end_line: u32,
    pub end_column: u32,
    /// Its kind, for machines: `unknown_global`.
    pub code: String,
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, .. } = self;
        write!(
            f,
            "{line}:{column}: {}: {} [{}]",
            self.severity, self.message, self.code
        )?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// Looks a script over, in the order of its lines. A script without errors may still fail; one with an error should not
/// be published. Takes up to a tenth of a second for the longest sources: call it where blocking is allowed.
#[must_use]
pub fn lint(source: &[u8], known: &Known) -> Vec<Finding> {
    const LABEL: &str = "lint";
    if let Err(error) = program::compile_with_tests(&Limits::default(), LABEL, source) {
        return vec![syntax(&error, LABEL)];
    }
    // It compiled, so it is text.
    let text = String::from_utf8_lossy(source);
    let text = text.strip_prefix(program::BYTE_ORDER_MARK).unwrap_or(&text);
    let unchecked = || vec![Place::start().finding(Severity::Warning, "unchecked", "the script could not be checked")];
    let mut findings = deep::on_large_stack(|| walk::findings(text, known)).unwrap_or_else(unchecked);
    findings.sort_by_key(|finding| (finding.line, finding.column, finding.severity));
    findings.truncate(FINDINGS_MAX);
    findings
}

fn syntax(error: &program::CompileError, label: &str) -> Finding {
    let chunk = crate::error::chunk_of(label);
    let place = error
        .line
        .map_or_else(|| format!("{chunk}: "), |line| format!("{chunk}:{line}: "));
    let message = error.message.strip_prefix(&place).unwrap_or(&error.message);
    let line = error.line.unwrap_or(1);
    let place = Place {
        line,
        column: 1,
        end_line: line,
        end_column: 1,
    };
    place.finding(Severity::Error, "syntax", message)
}

/// Where something stands in the source.
#[derive(Debug, Clone, Copy)]
struct Place {
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
}

impl Place {
    const fn start() -> Self {
        Self {
            line: 1,
            column: 1,
            end_line: 1,
            end_column: 1,
        }
    }

    fn finding(self, severity: Severity, code: &str, message: impl fmt::Display) -> Finding {
        Finding {
            severity,
            line: self.line,
            column: self.column,
            end_line: self.end_line,
            end_column: self.end_column,
            code: String::from(code),
            message: printable(&message.to_string(), ERROR_BYTES),
            hint: None,
        }
    }
}

impl Finding {
    fn with_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }
}
