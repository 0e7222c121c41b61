//! What must not have happened, as it is noticed; and what happened when.

use std::fmt::Write;
use std::sync::Mutex;
use std::time::Instant;

/// More than this many broken promises say no more than these.
const TOLD_MAX: usize = 50;

/// Shared by all who look.
pub struct Witness {
    started: Instant,
    violations: Mutex<Vec<String>>,
    story: Mutex<Vec<String>>,
}

impl Default for Witness {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            violations: Mutex::default(),
            story: Mutex::default(),
        }
    }
}

impl Witness {
    /// Something that is worth knowing when a run fails.
    pub fn note(&self, what: impl Into<String>) {
        let line = format!("{:>6} ms  {}", self.started.elapsed().as_millis(), what.into());
        self.story.lock().unwrap().push(line);
    }

    pub fn violation(&self, what: impl Into<String>) {
        let what = what.into();
        self.note(format!("VIOLATION {what}"));
        self.violations.lock().unwrap().push(what);
    }

    pub fn expect(&self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.violation(what());
        }
    }

    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.violations.lock().unwrap().clone()
    }

    /// The broken promises, shortened to what a person reads.
    #[must_use]
    pub fn complaint(&self) -> String {
        let violations = self.violations();
        let mut text = String::new();
        for violation in violations.iter().take(TOLD_MAX) {
            let _ = writeln!(text, "  {violation}");
        }
        if violations.len() > TOLD_MAX {
            let _ = writeln!(text, "  and {} more", violations.len() - TOLD_MAX);
        }
        text
    }

    #[must_use]
    pub fn story(&self) -> String {
        self.story.lock().unwrap().join("\n")
    }
}
