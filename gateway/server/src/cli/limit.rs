//! `tollgate limit`

use std::process::ExitCode;

use clap::{Args, Subcommand};
use store::LimitSetter;

use super::{Failure, find_merchant, say_json};
use crate::api::admin::limits::TrafficView;
use crate::cli::rules::author;
use crate::node::Core;
use crate::tenancy::{RateWindow, Setting, TrafficLimits, TrafficOf, read_windows};

#[derive(Subcommand)]
pub enum Command {
    /// Print what a merchant, connection or API key may bring
    Show(Whose),
    /// Change what is named; what is not stays as it is
    Set(Set),
}

#[derive(Args)]
pub struct Whose {
    merchant: String,
    /// A connection of the merchant, by its name
    #[arg(long, conflicts_with = "key")]
    connection: Option<String>,
    /// An API key of the merchant, by its id
    #[arg(long)]
    key: Option<String>,
}

#[derive(Args)]
pub struct Set {
    #[command(flatten)]
    whose: Whose,
    /// Windows such as second=50/1,minute=1000/60; empty for no limit; default for the installation's
    #[arg(long, value_name = "WINDOWS")]
    rates: Option<String>,
    /// The same for each address that calls the merchant
    #[arg(long, value_name = "WINDOWS")]
    peer_rates: Option<String>,
    /// Requests at work at once; default for the installation's
    #[arg(long, value_name = "NUMBER")]
    in_flight: Option<String>,
    /// TCP connections in use at once; default for the installation's
    #[arg(long, value_name = "NUMBER")]
    sockets: Option<String>,
    /// Even below what the network itself opens
    #[arg(long)]
    below_network_minimum: bool,
}

/// What takes a limit back.
const DEFAULT: &str = "default";

pub async fn run(core: Core, command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Show(whose) => {
            let (merchant, of) = find(&core, &whose).await?;
            let limits = core.traffic.get(merchant, &of).await?;
            say_json(&TrafficView::from(limits))?;
        }
        Command::Set(wanted) => {
            let (merchant, of) = find(&core, &wanted.whose).await?;
            let before = core.traffic.get(merchant, &of).await?.set;
            let limits = changed(before, &wanted)?;
            let setting = Setting {
                setter: LimitSetter::Operator,
                below_network_minimum: wanted.below_network_minimum,
                actor: &author(),
            };
            let limits = core.traffic.set(merchant, &of, limits, setting).await?;
            say_json(&TrafficView::from(limits))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn find(core: &Core, whose: &Whose) -> Result<(plugin_sdk::MerchantId, TrafficOf), Failure> {
    let merchant = find_merchant(core, &whose.merchant).await?;
    let of = match (&whose.connection, &whose.key) {
        (Some(slug), _) => core.traffic.connection(merchant.id, slug).await?,
        (None, Some(key)) => core.traffic.api_key(merchant.id, key.parse()?).await?,
        (None, None) => TrafficOf::Merchant,
    };
    Ok((merchant.id, of))
}

fn changed(mut limits: TrafficLimits, wanted: &Set) -> Result<TrafficLimits, Failure> {
    let windows = |field, text: &str| -> Result<Option<Vec<RateWindow>>, Failure> {
        if text == DEFAULT {
            return Ok(None);
        }
        Ok(Some(read_windows(field, text)?))
    };
    let number = |text: &str| -> Result<Option<u32>, Failure> {
        if text == DEFAULT {
            return Ok(None);
        }
        Ok(Some(text.parse().map_err(|error| format!("'{text}': {error}"))?))
    };
    if let Some(text) = &wanted.rates {
        limits.rates = windows("rates", text)?;
    }
    if let Some(text) = &wanted.peer_rates {
        limits.peer_rates = windows("peer_rates", text)?;
    }
    if let Some(text) = &wanted.in_flight {
        limits.in_flight = number(text)?;
    }
    if let Some(text) = &wanted.sockets {
        limits.sockets = number(text)?;
    }
    Ok(limits)
}
