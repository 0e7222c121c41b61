//! `tollgate key`

use std::process::ExitCode;

use chrono::{DateTime, Duration, Utc};
use clap::{Args, Subcommand};

use super::{Failure, find_merchant, say, say_json};
use crate::access::api_keys::ApiKeys;
use crate::api::admin::api_keys::ApiKeyView;
use crate::node::Core;

#[derive(Subcommand)]
pub enum Command {
    /// Make a key for /v1. It is printed this once
    Create(Create),
    /// Print a merchant's keys: their names, scopes and last use, never what they are
    List { merchant: String },
    /// Revoke a key: it opens nothing within a second
    Revoke {
        merchant: String,
        key: String,
        /// Let it work on for so many seconds, until its successor has taken over
        #[arg(long, default_value_t = 0)]
        overlap_s: u32,
    },
}

#[derive(Args)]
pub struct Create {
    merchant: String,
    name: String,
    /// What it may do, such as payments:write; may be given several times
    #[arg(long = "scope", default_values_t = ["*".to_owned()])]
    scopes: Vec<String>,
    /// When it ends, such as 2027-01-01T00:00:00Z
    #[arg(long)]
    expires_at: Option<DateTime<Utc>>,
}

pub async fn run(core: Core, command: Command) -> Result<ExitCode, Failure> {
    let keys = ApiKeys::new(core.store.clone(), core.clock.clone());
    match command {
        Command::Create(asked) => {
            let merchant = find_merchant(&core, &asked.merchant).await?;
            let made = keys
                .create(merchant.id, asked.name, asked.scopes, asked.expires_at)
                .await?;
            say_json(&ApiKeyView::with_text(made))?;
        }
        Command::List { merchant } => {
            let merchant = find_merchant(&core, &merchant).await?;
            let known = core.store.api_keys(merchant.id).await?;
            say_json(&known.into_iter().map(ApiKeyView::of).collect::<Vec<_>>())?;
        }
        Command::Revoke {
            merchant,
            key,
            overlap_s,
        } => {
            let merchant = find_merchant(&core, &merchant).await?;
            let at = core.clock.now() + Duration::seconds(overlap_s.into());
            core.store.revoke_api_key(merchant.id, key.parse()?, at).await?;
            say("revoked");
        }
    }
    Ok(ExitCode::SUCCESS)
}
