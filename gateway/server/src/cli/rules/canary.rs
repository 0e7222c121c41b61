//! `tollgate rules canary`

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;
use store::{CanaryStatus, Merchant, RuleCanary};

use super::{FOUND, author, found, say_checks, say_published};
use crate::cli::{Failure, find_merchant, say, say_json};
use crate::node::Core;
use crate::payments::{ArmCounts, CanaryCounts};
use crate::rulebook::{CanaryBounds, CanaryRequest, RulebookError};

#[derive(Subcommand)]
pub enum Command {
    /// Let a revision, or the draft as the next one, decide for a part of the accounts; or change share and bounds of
    /// the one that does
    Start(Start),
    /// Tell how it does beside the published revision
    Show {
        merchant: String,
        #[arg(long)]
        json: bool,
    },
    /// Publish it for all accounts
    Promote {
        merchant: String,
        #[arg(long)]
        json: bool,
    },
    /// Give all accounts back to the published revision
    Stop { merchant: String },
}

#[derive(Args)]
pub struct Start {
    merchant: String,
    /// The draft when absent
    #[arg(long)]
    revision: Option<i32>,
    /// Of the accounts, in hundredths of a percent: 1 to 5000
    #[arg(long)]
    share_bp: u32,
    /// Decisions before it is judged [default: 100]
    #[arg(long)]
    sample_min: Option<u32>,
    /// So many of its decisions may fail, in hundredths of a percent [default: 100]
    #[arg(long)]
    error_bp: Option<u32>,
    /// So far its refusals may be from those of the published revision [default: 500]
    #[arg(long)]
    refusal_diff_bp: Option<u32>,
    /// Such a part of its payments may go another way [default: 2000]
    #[arg(long)]
    route_mix_diff_bp: Option<u32>,
    /// Of the revision that the draft becomes; the draft's own when absent
    #[arg(long, short)]
    message: Option<String>,
    #[arg(long)]
    json: bool,
}

pub async fn run(core: &Core, command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Start(arguments) => start(core, arguments).await,
        Command::Show { merchant, json } => {
            let merchant = find_merchant(core, &merchant).await?;
            let canary = core.rulebook.canary(merchant.id).await?;
            say_canary(&canary, json)?;
            Ok(found(canary.status == CanaryStatus::Withdrawn))
        }
        Command::Promote { merchant, json } => {
            let merchant = find_merchant(core, &merchant).await?;
            let canary = core.rulebook.promote_canary(merchant.id, &author()).await?;
            say_published(&merchant, canary.revision, json)
        }
        Command::Stop { merchant } => {
            let merchant = find_merchant(core, &merchant).await?;
            core.rulebook.stop_canary(merchant.id, &author()).await?;
            say(&format!("{} has no canary", merchant.slug));
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn start(core: &Core, arguments: Start) -> Result<ExitCode, Failure> {
    let merchant = find_merchant(core, &arguments.merchant).await?;
    let request = CanaryRequest {
        revision: arguments.revision,
        share_bp: arguments.share_bp,
        bounds: arguments.bounds(),
        message: arguments.message,
    };
    match core.rulebook.set_canary(merchant.id, request, author()).await {
        Ok(canary) => say_started(&merchant, &canary, arguments.json),
        Err(RulebookError::Red(checks)) => {
            if arguments.json {
                say_json(&json!({ "canary": null, "checks": checks }))?;
            } else {
                say_checks(&checks, "draft");
                say("no canary is started");
            }
            Ok(ExitCode::from(FOUND))
        }
        Err(error) => Err(error.into()),
    }
}

impl Start {
    /// `None` when no bound was named.
    fn bounds(&self) -> Option<CanaryBounds> {
        let named = [
            self.sample_min,
            self.error_bp,
            self.refusal_diff_bp,
            self.route_mix_diff_bp,
        ];
        let default = CanaryBounds::default();
        named.iter().any(Option::is_some).then(|| CanaryBounds {
            sample_min: self.sample_min.unwrap_or(default.sample_min),
            error_bp: self.error_bp.unwrap_or(default.error_bp),
            refusal_diff_bp: self.refusal_diff_bp.unwrap_or(default.refusal_diff_bp),
            route_mix_diff_bp: self.route_mix_diff_bp.unwrap_or(default.route_mix_diff_bp),
        })
    }
}

fn say_started(merchant: &Merchant, canary: &RuleCanary, json: bool) -> Result<ExitCode, Failure> {
    let RuleCanary {
        id, revision, share_bp, ..
    } = canary;
    if json {
        say_json(&json!({ "id": id, "revision": revision, "share_bp": share_bp, "bounds": canary.bounds }))?;
    } else {
        let share = percent(*share_bp);
        say(&format!(
            "r{revision} decides for {share} of the accounts of {}",
            merchant.slug
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn say_canary(canary: &RuleCanary, json: bool) -> Result<(), Failure> {
    if json {
        return say_json(&json!({
            "id": canary.id, "revision": canary.revision, "share_bp": canary.share_bp, "bounds": canary.bounds,
            "status": canary.status.as_str(), "counts": canary.counts, "reason": canary.reason,
        }));
    }
    let (revision, status) = (canary.revision, canary.status.as_str());
    say(&format!(
        "r{revision} for {} of the accounts, {status}",
        percent(canary.share_bp)
    ));
    let counts: CanaryCounts = serde_json::from_value(canary.counts.clone())?;
    let arm = |name: &str, arm: &ArmCounts| {
        let ArmCounts {
            decisions,
            errors,
            refusals,
            ..
        } = arm;
        say(&format!(
            "\t{name}: {decisions} decisions, {errors} failed, {refusals} refused"
        ));
    };
    arm("canary", &counts.canary);
    arm("published", &counts.published);
    if let Some(reason) = &canary.reason {
        let number = |name: &str| reason.get(name).and_then(serde_json::Value::as_u64);
        match (
            reason.get("bound").and_then(|bound| bound.as_str()),
            number("limit"),
            number("measured"),
        ) {
            (Some(bound), Some(limit), Some(measured)) => {
                say(&format!("\twithdrawn: {bound} was {measured}, of {limit} at most"));
            }
            _ => say("\tthe published revision changed"),
        }
    }
    Ok(())
}

/// Of hundredths of a percent: `5 %`, `0.25 %`.
fn percent(bp: u32) -> String {
    let (whole, rest) = (bp / 100, bp % 100);
    if rest == 0 {
        format!("{whole} %")
    } else {
        format!("{whole}.{rest:02} %")
    }
}
