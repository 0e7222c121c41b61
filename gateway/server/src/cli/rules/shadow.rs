//! `tollgate rules shadow`

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};
use store::{Merchant, RuleShadow};

use super::{author, found};
use crate::cli::{Failure, find_merchant, say, say_json};
use crate::node::Core;
use crate::rulebook::{ShadowReport, ShadowRequest, target_name};

/// Examples of a change that are printed; `--json` gives all of them.
const EXAMPLES_TOLD: usize = 3;

#[derive(Subcommand)]
pub enum Command {
    /// Let the draft, as it is now, or a revision decide behind the answers
    Start {
        merchant: String,
        #[arg(long)]
        revision: Option<i32>,
        #[arg(long)]
        json: bool,
    },
    /// Tell how its answers differ
    Show {
        merchant: String,
        #[arg(long)]
        json: bool,
    },
    /// Stop it; what it found can be read until the next one starts
    Stop { merchant: String },
}

pub async fn run(core: &Core, command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Start {
            merchant,
            revision,
            json,
        } => {
            let merchant = find_merchant(core, &merchant).await?;
            let request = ShadowRequest { revision };
            let shadow = core.rulebook.start_shadow(merchant.id, request, author()).await?;
            say_started(&merchant, &shadow, json)
        }
        Command::Show { merchant, json } => {
            let merchant = find_merchant(core, &merchant).await?;
            let (shadow, report) = core.rulebook.shadow(merchant.id).await?;
            if json {
                let told = json!({
                    "id": shadow.id, "target": shadow.target, "running": shadow.running, "report": report,
                });
                say_json(&told)?;
            } else {
                say_report(&shadow, &report);
            }
            Ok(found(report.changed > 0))
        }
        Command::Stop { merchant } => {
            let merchant = find_merchant(core, &merchant).await?;
            core.rulebook.stop_shadow(merchant.id, &author()).await?;
            say(&format!("{} has nothing in the shadow", merchant.slug));
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn say_started(merchant: &Merchant, shadow: &RuleShadow, json: bool) -> Result<ExitCode, Failure> {
    if json {
        say_json(&json!({ "id": shadow.id, "target": shadow.target }))?;
    } else {
        let name = target_name(&shadow.target);
        say(&format!("{name} of {} runs in the shadow", merchant.slug));
    }
    Ok(ExitCode::SUCCESS)
}

fn say_report(shadow: &RuleShadow, report: &ShadowReport) {
    let ShadowReport {
        decided,
        same,
        changed,
        not_comparable,
        dropped,
        groups,
    } = report;
    let name = target_name(&shadow.target);
    let state = if shadow.running { "running" } else { "stopped" };
    say(&format!(
        "{name} in the shadow, {state}: {decided} decided, {same} the same, {changed} changed, {not_comparable} not \
         comparable, {dropped} dropped"
    ));
    for group in groups {
        let amounts: Vec<_> = group.amounts.iter().map(ToString::to_string).collect();
        say(&format!("{}\t{}\t{}", group.count, group.change, amounts.join(", ")));
        for example in group.examples.iter().take(EXAMPLES_TOLD) {
            let text = |name: &str| {
                example
                    .get(name)
                    .and_then(Value::as_str)
                    .unwrap_or("not stored")
                    .to_owned()
            };
            say(&format!("\t{}: account {}", text("decision"), text("account")));
        }
    }
}
