//! `tollgate rules`: for teams that keep their rules in git. Exit codes: 0 all is well, 1 something was found (an error,
//! a red test, a difference, a changed decision), 2 the command could not do its work.

mod canary;
mod settings;
mod shadow;
mod why;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use rules::{Engine, Known, Limits, Severity, lint};
use serde_json::{Value, json};
use store::{Cursor, Merchant, ReplayStatus};

use super::{Failure, find_merchant, say, say_json, secret};
use crate::node::Core;
use crate::rulebook::{
    Checks, ReplayReport, ReplayRequest, RulebookError, Script, examine_alone, sha256, target_name, unified,
};

/// Revisions that `log` prints unless it is told how many.
const LOG_LENGTH: u64 = 20;

#[derive(Subcommand)]
pub enum Command {
    /// Look a script over without running it; needs no database
    Check {
        file: PathBuf,
        #[arg(long)]
        json: bool,
    },
    /// Run the tests beside a script; needs no database
    Test {
        file: PathBuf,
        #[arg(long)]
        json: bool,
    },
    /// Compare a script with the published one
    Diff {
        merchant: String,
        file: PathBuf,
        #[arg(long)]
        json: bool,
    },
    /// Save a script as the merchant's draft
    Push {
        merchant: String,
        file: PathBuf,
        #[arg(long, short, default_value = "")]
        message: String,
        #[arg(long)]
        json: bool,
    },
    /// Publish a script, or the draft, as the merchant's next revision
    Publish {
        merchant: String,
        /// The draft when absent
        file: Option<PathBuf>,
        /// The draft's own when absent
        #[arg(long, short)]
        message: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// Put an older revision into service
    Rollback {
        merchant: String,
        revision: i32,
        #[arg(long)]
        json: bool,
    },
    /// Make stored decisions once more with another script, and tell what changes
    Replay(Replay),
    /// Let a script decide behind the answers, and see what it would have changed
    #[command(subcommand)]
    Shadow(shadow::Command),
    /// Let a revision decide for a part of the accounts first
    #[command(subcommand)]
    Canary(canary::Command),
    /// List revisions, newest first
    Log {
        merchant: String,
        #[arg(long, default_value_t = LOG_LENGTH)]
        limit: u64,
        #[arg(long)]
        json: bool,
    },
    /// Explain a decision, or those of a payment: the lines that ran, and what the gateway answered
    Why {
        merchant: String,
        /// `dec_…` or `pay_…`
        id: String,
        #[arg(long)]
        json: bool,
    },
    /// Show and change what the merchant's rules run under
    Settings(settings::Arguments),
    /// Print the published script
    Show { merchant: String },
    /// Take the rules out of service; the revisions stay
    Unpublish { merchant: String },
    /// Keep secrets that rules send to the merchant's hosts by `credential`
    #[command(subcommand)]
    Secret(secret::Command),
}

#[derive(Args)]
pub struct Replay {
    merchant: String,
    /// A script; the draft when neither this nor a revision is given
    file: Option<PathBuf>,
    #[arg(long, conflicts_with = "file")]
    revision: Option<i32>,
    /// The newest so many decisions, at most 100000
    #[arg(long)]
    last: Option<u64>,
    /// Only decisions from then on, such as 2026-11-22T00:00:00Z
    #[arg(long)]
    from: Option<DateTime<Utc>>,
    /// Only decisions from before then
    #[arg(long)]
    until: Option<DateTime<Utc>>,
    #[arg(long)]
    json: bool,
}

/// Something was found that a pipeline should stop for.
const FOUND: u8 = 1;

fn found(any: bool) -> ExitCode {
    if any { ExitCode::from(FOUND) } else { ExitCode::SUCCESS }
}

/// Who publishes by the command line.
pub(super) fn author() -> String {
    std::env::var("USER")
        .ok()
        .filter(|user| !user.is_empty())
        .unwrap_or_else(|| "operator".to_owned())
}

pub fn check(file: &Path, json: bool) -> Result<ExitCode, Failure> {
    let source = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let findings = lint(&source, &Known::default());
    let errors = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .count();
    if json {
        say_json(&json!({ "file": file, "findings": findings }))?;
    } else {
        for finding in &findings {
            say(&format!("{}:{finding}", file.display()));
        }
        if errors == 0 {
            say(&format!("{}: nothing stands against it", file.display()));
        }
    }
    Ok(found(errors > 0))
}

pub async fn test(file: &Path, json: bool) -> Result<ExitCode, Failure> {
    let source = read(file)?;
    let checks = match examine_alone(Engine::new(Limits::default())?, source).await {
        Ok(checks) => checks,
        Err(RulebookError::Compile(error)) => {
            say(&format!("{}: {error}", file.display()));
            return Ok(found(true));
        }
        Err(error) => return Err(error.into()),
    };
    if json {
        say_json(&json!({ "file": file, "tests": checks.tests }))?;
    } else {
        say_tests(&checks, &file.display().to_string());
    }
    Ok(found(!checks.tests.failed.is_empty()))
}

pub async fn run(core: Core, command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Check { file, json } => check(&file, json),
        Command::Test { file, json } => test(&file, json).await,
        Command::Diff { merchant, file, json } => {
            diff(&core, &find_merchant(&core, &merchant).await?, &file, json).await
        }
        Command::Push {
            merchant,
            file,
            message,
            json,
        } => {
            let script = Script {
                source: read(&file)?,
                message,
                author: author(),
            };
            push(&core, &find_merchant(&core, &merchant).await?, script, json).await
        }
        Command::Publish {
            merchant,
            file,
            message,
            json,
        } => {
            publish(
                &core,
                &find_merchant(&core, &merchant).await?,
                file.as_deref(),
                message,
                json,
            )
            .await
        }
        Command::Rollback {
            merchant,
            revision,
            json,
        } => {
            let merchant = find_merchant(&core, &merchant).await?;
            core.rulebook.roll_back(merchant.id, revision, &author()).await?;
            say_published(&merchant, revision, json)
        }
        Command::Replay(replay) => self::replay(&core, replay).await,
        Command::Shadow(command) => shadow::run(&core, command).await,
        Command::Canary(command) => canary::run(&core, command).await,
        Command::Log { merchant, limit, json } => {
            log(&core, &find_merchant(&core, &merchant).await?, limit, json).await
        }
        Command::Why { merchant, id, json } => why::run(&core, &merchant, &id, json).await,
        Command::Settings(arguments) => settings::run(&core, arguments).await,
        Command::Show { merchant } => {
            let merchant = find_merchant(&core, &merchant).await?;
            let number = merchant.published_rules.ok_or("no rules are published")?;
            say(&core.store.rule_revision(merchant.id, number).await?.source);
            Ok(ExitCode::SUCCESS)
        }
        Command::Secret(command) => secret::run(&core, command, &author()).await,
        Command::Unpublish { merchant } => {
            let merchant = find_merchant(&core, &merchant).await?;
            core.rulebook.unpublish(merchant.id, &author()).await?;
            say(&format!("{} has no rules in service", merchant.slug));
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn diff(core: &Core, merchant: &Merchant, file: &Path, json: bool) -> Result<ExitCode, Failure> {
    let source = read(file)?;
    let (name, published) = match merchant.published_rules {
        Some(number) => (
            format!("r{number}"),
            core.store.rule_revision(merchant.id, number).await?.source,
        ),
        None => ("nothing".to_owned(), String::new()),
    };
    let diff = unified((&name, &published), (&file.display().to_string(), &source));
    if json {
        say_json(&json!({ "published": merchant.published_rules, "sha256": sha256(&source), "diff": diff }))?;
    } else if !diff.is_empty() {
        say(diff.trim_end());
    }
    Ok(found(published != source))
}

async fn push(core: &Core, merchant: &Merchant, script: Script, json: bool) -> Result<ExitCode, Failure> {
    let draft = match core.rulebook.save_draft(merchant.id, script).await {
        Err(RulebookError::Compile(error)) => {
            say(&error.to_string());
            return Ok(found(true));
        }
        saved => saved?,
    };
    let checks: Checks = serde_json::from_value(draft.checks)?;
    if json {
        say_json(&json!({ "draft": draft.version, "sha256": sha256(&draft.source), "checks": checks }))?;
    } else {
        say_checks(&checks, "draft");
        say(&format!(
            "the draft of {} is saved, version {}",
            merchant.slug, draft.version
        ));
    }
    Ok(found(!checks.is_green()))
}

async fn publish(
    core: &Core,
    merchant: &Merchant,
    file: Option<&Path>,
    message: Option<String>,
    json: bool,
) -> Result<ExitCode, Failure> {
    let published = match file {
        None => core.rulebook.publish_draft(merchant.id, message, author()).await,
        Some(file) => {
            let script = Script {
                source: read(file)?,
                message: message.unwrap_or_default(),
                author: author(),
            };
            core.rulebook.publish(merchant.id, script).await
        }
    };
    match published {
        Ok(revision) => say_published(merchant, revision.number, json),
        Err(RulebookError::Red(checks)) => {
            if json {
                say_json(&json!({ "published": Value::Null, "checks": checks }))?;
            } else {
                say_checks(&checks, "draft");
                say("nothing is published");
            }
            Ok(found(true))
        }
        Err(RulebookError::Compile(error)) => {
            say(&format!("{error}\nnothing is published"));
            Ok(found(true))
        }
        Err(error) => Err(error.into()),
    }
}

async fn replay(core: &Core, arguments: Replay) -> Result<ExitCode, Failure> {
    let merchant = find_merchant(core, &arguments.merchant).await?;
    let request = ReplayRequest {
        revision: arguments.revision,
        source: arguments.file.as_deref().map(read).transpose()?,
        last: arguments.last,
        from: arguments.from,
        until: arguments.until,
    };
    let prepared = core.rulebook.prepare_replay(merchant.id, request).await?;
    let replay = core.rulebook.run_replay(prepared).await?;
    let report = match (replay.status, replay.report) {
        (ReplayStatus::Done, Some(report)) => report,
        _ => return Err(replay.error.unwrap_or_default().into()),
    };
    let read: ReplayReport = serde_json::from_value(report.clone())?;
    if arguments.json {
        say_json(&report)?;
    } else {
        say_report(&target_name(&replay.target), &read);
    }
    Ok(found(read.changed > 0))
}

async fn log(core: &Core, merchant: &Merchant, limit: u64, json: bool) -> Result<ExitCode, Failure> {
    let page = core
        .store
        .rule_revisions(merchant.id, &Cursor::new(None, Some(limit)))
        .await?;
    let told: Vec<_> = (page.items.iter())
        .map(|revision| {
            json!({
                "revision": revision.number,
                "published": merchant.published_rules == Some(revision.number),
                "author": revision.author,
                "message": revision.message,
                "sha256": sha256(&revision.source),
                "created_at": revision.created_at,
            })
        })
        .collect();
    if json {
        say_json(&told)?;
        return Ok(ExitCode::SUCCESS);
    }
    for revision in &page.items {
        let mark = if merchant.published_rules == Some(revision.number) {
            "*"
        } else {
            " "
        };
        let at = revision.created_at.format("%Y-%m-%d %H:%M");
        let sha256 = sha256(&revision.source);
        let short = sha256.get(..10).unwrap_or_default();
        let (number, author, message) = (revision.number, &revision.author, &revision.message);
        say(&format!("{mark} r{number}\t{at}\t{short}\t{author}\t{message}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn say_published(merchant: &Merchant, number: i32, json: bool) -> Result<ExitCode, Failure> {
    if json {
        say_json(&json!({ "published": number }))?;
    } else {
        say(&format!("r{number} of {} is published", merchant.slug));
    }
    Ok(ExitCode::SUCCESS)
}

fn say_checks(checks: &Checks, name: &str) {
    for finding in &checks.findings {
        say(&format!("{name}:{finding}"));
    }
    say_tests(checks, name);
}

fn say_tests(checks: &Checks, name: &str) {
    let tests = &checks.tests;
    for failed in &tests.failed {
        let line = failed.line.map_or_else(String::new, |line| format!(":{line}"));
        say(&format!("{name}{line}: test \"{}\": {}", failed.name, failed.problem));
    }
    let (passed, failed) = (tests.passed, tests.failed.len());
    if tests.lines > 0 {
        let missed: Vec<_> = tests.lines_missed.iter().map(ToString::to_string).collect();
        let missed = if missed.is_empty() {
            String::new()
        } else {
            format!("; never: {}", missed.join(", "))
        };
        let (run, lines) = (tests.lines_run, tests.lines);
        say(&format!(
            "{passed} passed, {failed} failed; {run} of {lines} lines ran{missed}"
        ));
    } else {
        say(&format!("{passed} passed, {failed} failed"));
    }
}

fn say_report(name: &str, report: &ReplayReport) {
    let ReplayReport {
        decided,
        same,
        changed,
        not_comparable,
        groups,
    } = report;
    say(&format!(
        "{name}: {decided} decided again, {same} the same, {changed} changed, {not_comparable} not comparable"
    ));
    for group in groups {
        let amounts: Vec<_> = group.amounts.iter().map(ToString::to_string).collect();
        say(&format!("{}\t{}\t{}", group.count, group.change, amounts.join(", ")));
        for example in group.examples.iter().take(3) {
            let amount = example.amount.map_or_else(String::new, |amount| format!(", {amount}"));
            let decision = example
                .decision
                .map_or_else(|| "not stored".to_owned(), |id| id.to_string());
            say(&format!("\t{decision}: account {}{amount}", example.account));
        }
    }
}

fn read(file: impl AsRef<Path>) -> Result<String, Failure> {
    let file = file.as_ref();
    let source = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(String::from_utf8(source).map_err(|_| format!("{}: is not UTF-8", file.display()))?)
}
