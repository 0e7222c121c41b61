//! `tollgate audit`

use std::process::ExitCode;

use clap::Subcommand;
use store::Cursor;

use super::{Failure, say, say_json};
use crate::api::admin::audit::AuditView;
use crate::node::Core;

/// Entries that are read at once.
const BATCH: u64 = 200;

#[derive(Subcommand)]
pub enum Command {
    /// Prove that no entry of the audit trail was changed, removed or slipped in
    Verify {
        /// A hash that was noted earlier: everything up to it must still be there
        #[arg(long)]
        head: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// Print the whole trail as JSON lines, newest first
    Export,
}

pub async fn run(core: Core, command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Verify { head, json } => verify(&core, head.as_deref(), json).await,
        Command::Export => export(&core).await,
    }
}

async fn verify(core: &Core, noted: Option<&str>, json: bool) -> Result<ExitCode, Failure> {
    let report = core.store.verify_audit(noted).await?;
    let mut broken = report.broken;
    if broken.is_none() && noted.is_some() && !report.noted_found {
        broken = Some("the noted hash is not in the trail: everything from there on was written anew".to_owned());
    }
    if json {
        say_json(&serde_json::json!({
            "entries": report.entries,
            "unchained": report.unchained,
            "head": report.head,
            "broken": broken,
        }))?;
    } else {
        match &broken {
            None => say(&format!("{} entries, each follows from the one before", report.entries)),
            Some(broken) => say(&format!("the audit trail is broken: {broken}")),
        }
        if report.unchained > 0 {
            say(&format!(
                "{} entries are from before the chain: nothing proves them",
                report.unchained
            ));
        }
        if let Some(head) = report.head.filter(|_| broken.is_none()) {
            say(&format!(
                "head {head}; note it elsewhere, and give it as --head next time"
            ));
        }
    }
    Ok(if broken.is_some() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

async fn export(core: &Core) -> Result<ExitCode, Failure> {
    let mut cursor = Cursor::new(None, Some(BATCH));
    loop {
        let page = core.store.audit_of_all(&cursor).await?;
        for entry in page.items {
            say(&serde_json::to_string(&AuditView::from(entry))?);
        }
        match page.next {
            Some(next) => cursor = Cursor::new(Some(next), Some(BATCH)),
            None => return Ok(ExitCode::SUCCESS),
        }
    }
}
