//! Every example of the guide is a real one: a whole script has tests and passes them, the body of a handler decides.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use rules::{Engine, Known, Outcome, Severity, lint};
use support::hosts::Gateway;
use support::{ask_host, engine, handler, program, wait};

const GUIDE: &str = include_str!("../../../docs/rules.md");

/// The examples, with what stands behind `lua` and the line where they start.
fn examples() -> Vec<(String, String, usize)> {
    let (mut examples, mut open) = (Vec::new(), None);
    for (line, text) in GUIDE.lines().enumerate() {
        match (&mut open, text.strip_prefix("```")) {
            (None, Some(info)) => open = Some((info.trim().to_owned(), String::new(), line + 1)),
            (Some(_), Some(_)) => examples.extend(open.take()),
            (Some((_, body, _)), None) => {
                body.push_str(text);
                body.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "an example without an end");
    examples.retain(|(info, ..)| info.starts_with("lua"));
    examples
}

fn whole(engine: &Engine, source: &str, line: usize) {
    let tests = engine.compile_tests("guide", source.as_bytes()).unwrap();
    let report = wait(engine.test(&tests, None)).unwrap();
    assert!(
        report.is_green() && !report.cases.is_empty(),
        "line {line}: {report:#?}"
    );
}

#[test]
fn every_example_is_real() {
    let (engine, examples) = (engine(), examples());
    assert!(examples.len() >= 4, "{}", examples.len());
    for (info, body, line) in examples {
        let source = match info.as_str() {
            "lua" => body.clone(),
            "lua check" => format!("--!api 1\n{}", handler(&body)),
            other => panic!("line {line}: what is {other}?"),
        };
        let findings = lint(source.as_bytes(), &Known::default());
        let errors: Vec<_> = findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .collect();
        assert!(errors.is_empty(), "line {line}: {errors:#?}");
        if info == "lua" {
            assert!(findings.is_empty(), "line {line}: {findings:#?}");
            whole(&engine, &source, line);
        } else {
            let decision = ask_host(&engine, &program(&engine, &source), &Gateway::default());
            assert!(
                !matches!(decision.outcome, Outcome::Failed(_)),
                "line {line}: {:?}",
                decision.outcome
            );
        }
    }
}
