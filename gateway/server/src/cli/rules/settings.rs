//! `tollgate rules settings`

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

use super::author;
use crate::cli::{Failure, find_merchant, say_json};
use crate::node::Core;
use crate::tenancy::{LimitSettings, OnBrokenRule};

#[derive(Args)]
pub struct Arguments {
    merchant: String,
    /// What the network hears when a rule is broken
    #[arg(long)]
    on_broken_rule: Option<Broken>,
    /// A host that the scripts may call; all of them together replace those of before. An empty one takes all away
    #[arg(long)]
    http_host: Vec<String>,
    /// What the operator allows, such as steps=50000; steps=default is the installation's
    #[arg(long, value_name = "LIMIT=NUMBER")]
    limit: Vec<String>,
    /// What the merchant itself lowers of it, such as steps=5000; steps=default takes it back
    #[arg(long, value_name = "LIMIT=NUMBER")]
    lower: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Broken {
    Retry,
    Accept,
    Reject,
}

/// Changes what is named, then prints all of it.
pub async fn run(core: &Core, arguments: Arguments) -> Result<ExitCode, Failure> {
    let merchant = find_merchant(core, &arguments.merchant).await?;
    let before = core.rulebook.settings(merchant.id).await?;
    let mut wanted = before.clone();
    if let Some(broken) = arguments.on_broken_rule {
        wanted.on_broken_rule = match broken {
            Broken::Retry => OnBrokenRule::Retry,
            Broken::Accept => OnBrokenRule::Accept,
            Broken::Reject => OnBrokenRule::Reject,
        };
    }
    if !arguments.http_host.is_empty() {
        let hosts = arguments.http_host.iter().filter(|host| !host.is_empty());
        wanted.http_hosts = hosts.cloned().collect();
    }
    wanted.limits = changed(wanted.limits, &arguments.limit)?;
    if wanted != before {
        core.rulebook.set_settings(merchant.id, wanted, &author()).await?;
    }
    if !arguments.lower.is_empty() {
        let lowered = changed(before.lowered, &arguments.lower)?;
        core.rulebook.lower_limits(merchant.id, lowered, &author()).await?;
    }
    say_json(&core.rulebook.settings(merchant.id).await?)?;
    Ok(ExitCode::SUCCESS)
}

/// The names are those of the REST interface.
fn changed(limits: LimitSettings, changes: &[String]) -> Result<LimitSettings, Failure> {
    let Value::Object(mut fields) = serde_json::to_value(limits)? else {
        return Ok(limits);
    };
    for change in changes {
        let (name, value) = change
            .split_once('=')
            .ok_or_else(|| format!("'{change}': write it as steps=5000"))?;
        let value = match value {
            "default" => Value::Null,
            number => Value::from(number.parse::<u64>().map_err(|error| format!("'{change}': {error}"))?),
        };
        fields.insert(name.to_owned(), value);
    }
    Ok(serde_json::from_value(Value::Object(Map::from_iter(fields)))?)
}
