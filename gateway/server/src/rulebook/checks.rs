use rules::{CallLimits, Engine, Finding, Known, Severity, TestReport, lint};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{RulebookError, aside};

/// Objections that one line of text names.
const OBJECTIONS_TOLD: usize = 5;

/// What is said of a script before it is published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checks {
    pub findings: Vec<Finding>,
    pub tests: TestSummary,
}

/// What came of the script's own tests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TestSummary {
    pub passed: usize,
    pub failed: Vec<FailedTest>,
    /// Of the lines that could run, those that ran in any test.
    pub lines_run: usize,
    pub lines: usize,
    pub lines_missed: Vec<u32>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FailedTest {
    pub name: String,
    pub line: Option<u32>,
    pub problem: String,
}

impl Checks {
    /// Runs off the I/O threads: the longest sources take a tenth of a second, their tests longer.
    pub(super) async fn run(
        engine: Engine,
        source: String,
        known: Known,
        limits: CallLimits,
    ) -> Result<Self, RulebookError> {
        aside(async move || {
            engine.compile("draft", source.as_bytes())?;
            let findings = lint(source.as_bytes(), &known);
            let tests = engine.compile_tests("draft", source.as_bytes())?;
            let tests = match engine.test(&tests, Some(&limits)).await {
                Ok(report) => TestSummary::of(report),
                Err(error) => TestSummary {
                    failed: vec![FailedTest {
                        name: "the script itself".to_owned(),
                        line: error.line,
                        problem: error.message,
                    }],
                    ..TestSummary::default()
                },
            };
            Ok(Self { findings, tests })
        })
        .await?
    }

    /// Whether nothing stands against publishing. Warnings do not.
    #[must_use]
    pub fn is_green(&self) -> bool {
        self.errors().next().is_none() && self.tests.failed.is_empty()
    }

    fn errors(&self) -> impl Iterator<Item = &Finding> {
        (self.findings.iter()).filter(|finding| finding.severity == Severity::Error)
    }

    /// What stands against publishing, in one line.
    #[must_use]
    pub fn objections(&self) -> String {
        let errors = self.errors().map(ToString::to_string);
        let failed = (self.tests.failed.iter()).map(|test| format!("test \"{}\": {}", test.name, test.problem));
        errors
            .chain(failed)
            .take(OBJECTIONS_TOLD)
            .collect::<Vec<_>>()
            .join("; ")
    }

    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl TestSummary {
    fn of(report: TestReport) -> Self {
        let failed: Vec<_> = (report.cases.iter())
            .filter_map(|case| {
                Some(FailedTest {
                    name: case.name.clone(),
                    line: case.line,
                    problem: case.problem.clone()?,
                })
            })
            .collect();
        Self {
            passed: report.cases.len() - failed.len(),
            failed,
            lines_run: report.coverage.ran().count(),
            lines: report.coverage.lines.len(),
            lines_missed: report.coverage.missed().collect(),
        }
    }
}
