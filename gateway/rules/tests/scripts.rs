//! The ready-made rules are as good as they ask merchants' own to be: nothing found in them, tests that pass, that reach
//! nearly every line, and that notice a change.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;

use rules::{CaseReport, Engine, ErrorKind, Known, Outcome, TestReport, lint};
use support::{engine, wait};

/// The least part of a script's lines that its tests have to reach, in percent.
const COVERAGE_PERCENT: usize = 90;

/// Settings of scripts, and another value for each: at least one test has to notice.
const CHANGES: &[(&str, &str, &str)] = &[
    (
        "amount-bands",
        "most = money(\"15000.00 RUB\")",
        "most = money(\"15000.01 RUB\")",
    ),
    (
        "amount-bands",
        "least = money(\"1.00 RUB\")",
        "least = money(\"0.99 RUB\")",
    ),
    ("amount-bands", "amount < band.least", "amount <= band.least"),
    ("blocked-keys", "today >= free", "today > free"),
    ("blocked-keys", "+03:00", "+02:00"),
    ("contract-list", "CLOSED = \"closed\"", "CLOSED = \"shut\""),
    ("demo", "15000.00", "15000.01"),
    ("event-notes", "50000.00", "50000.01"),
    ("event-notes", "10.00 RUB", "10.01 RUB"),
    ("fee-min-max", "\"half_up\"", "\"down\""),
    ("fee-min-max", "\"2.5\"", "\"2.51\""),
    ("fee-min-max", "15.00 RUB", "15.01 RUB"),
    ("fee-min-max", "500.00 RUB", "499.98 RUB"),
    ("gtin", "sum, weight = 0, 3", "sum, weight = 0, 1"),
    ("gtin", "LONGEST = 14", "LONGEST = 13"),
    (
        "inn",
        "{ 2, 4, 10, 3, 5, 9, 4, 6, 8 }",
        "{ 2, 4, 10, 3, 5, 9, 4, 8, 6 }",
    ),
    ("inn", "and is_checked(digits, TWELFTH)", ""),
    ("luhn", "digit > 9", "digit > 8"),
    ("luhn", "DIGITS = 12", "DIGITS = 11"),
    ("own-backend", "1000.00 RUB", "999.99 RUB"),
    ("own-backend", "1000.00 RUB", "1000.01 RUB"),
    ("own-backend", "answer.status ~= 200", "answer.status >= 300"),
    ("own-backend", "optional = true", "optional = false"),
    ("phone", "TRUNK = \"8\"", "TRUNK = \"3\""),
    ("phone", "MOBILE = \"9\"", "MOBILE = \"4\""),
    (
        "route-bin-currency",
        "BIN_LONGEST, BIN_SHORTEST = 8, 6",
        "BIN_LONGEST, BIN_SHORTEST = 7, 6",
    ),
    (
        "route-bin-currency",
        "BIN_LONGEST, BIN_SHORTEST = 8, 6",
        "BIN_LONGEST, BIN_SHORTEST = 8, 7",
    ),
    ("route-health", "out-of-service\"", "out-of-order\""),
    ("route-split", "percent = 10", "percent = 9"),
    ("route-split", "percent = 30", "percent = 31"),
    ("velocity-brake", "count = 3", "count = 4"),
    (
        "velocity-brake",
        "sum = money(\"60000.00 RUB\")",
        "sum = money(\"60000.01 RUB\")",
    ),
    ("velocity-brake", "\"30d\", count = 60", "\"30d\", count = 61"),
    ("velocity-brake", "sum > limit.sum", "sum >= limit.sum"),
    (
        "velocity-brake",
        "\"10m\", count = 3, sum = money(\"15000.00 RUB\"), passes = true",
        "\"10m\", count = 3, sum = money(\"15000.00 RUB\"), passes = false",
    ),
    ("working-hours", "GRACE = 15", "GRACE = 16"),
    ("working-hours", "9 * 60, 21 * 60", "9 * 60, 20 * 60"),
    ("working-hours", "FREE_WEEKDAYS = { 7 }", "FREE_WEEKDAYS = { 6 }"),
];

/// Every ready-made rule with its source, by its name without `.lua`.
fn scripts() -> BTreeMap<String, String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scripts");
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "lua"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// Runs the tests beside a script; again when the clock ran out: on a busy machine that says nothing about the script.
fn tested(engine: &Engine, name: &str, source: &str) -> TestReport {
    const ATTEMPTS: usize = 20;
    let tests = engine
        .compile_tests(name, source.as_bytes())
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    for _ in 0..ATTEMPTS {
        match wait(engine.test(&tests, None)) {
            Ok(report) if !report.cases.iter().any(is_late) => return report,
            Err(error) if error.kind != ErrorKind::TimeLimit => panic!("{name}: {error}"),
            Ok(_) | Err(_) => {}
        }
    }
    panic!("{name}: the clock ran out {ATTEMPTS} times");
}

fn is_late(case: &CaseReport) -> bool {
    let outcome = case.decision.as_ref().map(|decision| &decision.outcome);
    matches!(outcome, Some(Outcome::Failed(error)) if error.kind == ErrorKind::TimeLimit)
}

#[test]
fn nothing_is_found_in_a_ready_made_rule() {
    let scripts = scripts();
    assert!(scripts.len() >= 12, "{:?}", scripts.keys());
    for (name, source) in scripts {
        let findings = lint(source.as_bytes(), &Known::default());
        assert!(findings.is_empty(), "{name}: {findings:#?}");
    }
}

#[test]
fn tests_of_ready_made_rules_pass_and_reach_nearly_every_line() {
    let engine = engine();
    for (name, source) in scripts() {
        let report = tested(&engine, &name, &source);
        let problems: Vec<_> = (report.cases.iter())
            .filter_map(|case| case.problem.as_ref().map(|problem| (case.line, &case.name, problem)))
            .collect();
        assert!(problems.is_empty(), "{name}: {problems:#?}");
        assert!(!report.cases.is_empty(), "{name} has no tests");
        let (ran, missed) = (
            report.coverage.ran().count(),
            report.coverage.missed().collect::<Vec<_>>(),
        );
        assert!(
            ran * 100 >= (ran + missed.len()) * COVERAGE_PERCENT,
            "{name}: lines {missed:?} are not tested, and only {ran} are"
        );
    }
}

#[test]
fn a_changed_setting_is_noticed_by_a_test() {
    let (engine, scripts) = (engine(), scripts());
    for name in scripts.keys() {
        assert!(
            CHANGES.iter().any(|(changed, ..)| changed == name),
            "nothing of {name} is changed"
        );
    }
    for (name, from, to) in CHANGES {
        let source = &scripts[*name];
        let (rule, tests) = source.split_at(source.find("\ntest(").unwrap());
        assert!(rule.contains(from), "{name} has no {from}");
        let changed = rule.replacen(from, to, 1) + tests;
        assert!(
            !tested(&engine, name, &changed).is_green(),
            "{name}: nobody notices {to}"
        );
    }
}

#[test]
fn the_page_about_the_scripts_lists_each_and_its_example_is_real() {
    let page = include_str!("../../../scripts/README.md");
    for name in scripts().keys() {
        assert!(
            page.contains(&format!("| [{name}.lua]({name}.lua) |")),
            "{name} is not listed"
        );
    }
    let (_, behind) = page.split_once("```lua\n").unwrap();
    let (example, _) = behind.split_once("```").unwrap();
    assert!(lint(example.as_bytes(), &Known::default()).is_empty());
    let report = tested(&engine(), "example", example);
    assert!(report.is_green() && report.cases.len() == 1, "{report:#?}");
}
