//! Tests beside the script: `test("name", { … })` at its top level. They run when a script is saved, under the limits of
//! any call; when payments are decided they are not even compiled in.

mod case;
mod expectation;
mod lua_text;
mod render;
mod strip;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub(crate) use case::{Collected, register};
pub use render::{NotATest, render_test};
pub(crate) use strip::without_tests;

use crate::coverage::Coverage;
use crate::engine::{Decision, Engine, Surroundings};
use crate::error::ScriptError;
use crate::limits::CallLimits;
use crate::program::{self, CompileError, Program};

/// A script with its tests, ready to run.
#[derive(Debug)]
pub struct Tests {
    /// The whole source: its main part tells the cases.
    collector: Arc<Program>,
    /// What is tested, without the tests, as payments would meet it; it tells of its lines.
    subject: Arc<Program>,
}

/// What came of all cases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestReport {
    pub cases: Vec<CaseReport>,
    /// The lines that ran in any case; the tests' own are not among them.
    pub coverage: Coverage,
}

impl TestReport {
    /// Whether no case failed. A script without cases is green.
    #[must_use]
    pub fn is_green(&self) -> bool {
        self.cases.iter().all(|case| case.problem.is_none())
    }

    #[must_use]
    pub fn failed(&self) -> usize {
        self.cases.iter().filter(|case| case.problem.is_some()).count()
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseReport {
    pub name: String,
    /// The line of its `test(…)`.
    pub line: Option<u32>,
    /// What was expected and what came instead; `None` when it passed.
    pub problem: Option<String>,
    /// `None` when the case itself is wrong.
    pub decision: Option<Decision>,
}

impl Engine {
    /// Compiles a script with its tests and runs nothing of it; see [`Engine::compile`].
    pub fn compile_tests(&self, label: &str, source: &[u8]) -> Result<Tests, CompileError> {
        Ok(Tests {
            collector: Arc::new(program::compile_with_tests(self.limits(), label, source)?),
            subject: self.compile_traced(label, source)?,
        })
    }

    /// Runs every case, each as a call of its own. An error is one of the script's main part, which no case came past.
    pub async fn test(&self, tests: &Tests, limits: Option<&CallLimits>) -> Result<TestReport, ScriptError> {
        let limits = limits.unwrap_or(&self.limits().call);
        let mut report = TestReport {
            cases: Vec::new(),
            coverage: Coverage::default(),
        };
        for collected in self.collect(&tests.collector, limits).await? {
            let case = self.run_case(&tests.subject, collected, limits).await;
            if let Some(coverage) = case.decision.as_ref().and_then(|decision| decision.coverage.as_ref()) {
                report.coverage.add(coverage);
            }
            report.cases.push(case);
        }
        Ok(report)
    }

    async fn run_case(&self, subject: &Arc<Program>, collected: Collected, limits: &CallLimits) -> CaseReport {
        let Collected { name, line, case } = collected;
        let case = match case {
            Ok(case) => case,
            Err(problem) => {
                return CaseReport {
                    name,
                    line,
                    problem: Some(problem),
                    decision: None,
                };
            }
        };
        let surroundings = Surroundings {
            limits: Some(limits),
            ..Surroundings::of(&case.host)
        };
        let decision = self.run(subject, &case.input, &case.context, &surroundings).await;
        CaseReport {
            name,
            line,
            problem: case.expected.compare(&decision.outcome),
            decision: Some(decision),
        }
    }
}
