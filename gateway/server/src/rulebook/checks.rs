use rules::{CallLimits, Engine, Finding, Known, Severity, lint};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{RulebookError, blocking};

/// Objections that one line of text names.
const OBJECTIONS_TOLD: usize = 5;

/// What is said of a script before it is published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checks {
    pub findings: Vec<Finding>,
}

impl Checks {
    /// Runs off the I/O threads: the longest sources take a tenth of a second.
    pub(super) async fn run(
        engine: Engine,
        source: String,
        connections: Vec<String>,
        _limits: CallLimits,
    ) -> Result<Self, RulebookError> {
        let known = Known {
            connections: Some(connections),
            ..Known::default()
        };
        blocking(move || {
            engine.compile("draft", source.as_bytes())?;
            let findings = lint(source.as_bytes(), &known);
            Ok(Self { findings })
        })
        .await?
    }

    /// Whether nothing stands against publishing. Warnings do not.
    #[must_use]
    pub fn is_green(&self) -> bool {
        !self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// What stands against publishing, in one line.
    #[must_use]
    pub fn objections(&self) -> String {
        let errors = self
            .findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error);
        let told: Vec<_> = errors.map(ToString::to_string).take(OBJECTIONS_TOLD).collect();
        told.join("; ")
    }

    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}
