//! The command line: one file for each subcommand.

mod audit;
mod cert;
mod connection;
mod demo;
mod inspector;
mod key;
mod keys;
mod limit;
mod list;
mod merchant;
mod registry;
mod rules;
mod sandbox;
mod secret;
mod serve;
mod terminal;
mod webhook;

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use secrecy::ExposeSecret;
use serde::Serialize;
use store::{Connection, Merchant};

use crate::access::{roles, sealing};
use crate::api::openapi;
use crate::node::{Core, NodeError};
use crate::settings::{DEFAULTS, Settings};
use crate::telemetry;

/// Anything that ends a command, said in one line.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Exit code of `tollgate rules` when it could not do its work.
const RULES_FAILED: u8 = 2;

/// A multi-tenant payment gateway with Lua rules.
#[derive(Parser)]
#[command(name = "tollgate", version, about, arg_required_else_help = true)]
struct Cli {
    /// Settings file; tollgate.toml in the current folder when it exists.
    #[arg(long, global = true, env = "TOLLGATE_SETTINGS", value_name = "FILE")]
    settings: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the gateway
    Serve,
    /// Run a gateway that needs no settings, with a merchant, a rule and a webhook inspector
    Demo(demo::Arguments),
    /// Play the payment networks on this machine: their APIs, payment pages and notifications
    Sandbox(sandbox::Arguments),
    /// Bring the database's schema to this version, or take it back
    Migrate {
        #[command(subcommand)]
        direction: Option<Migrate>,
    },
    /// Print a new master key
    Keygen,
    /// Print every setting with its default and what it means
    Settings,
    /// Print the OpenAPI description of the REST interfaces
    Openapi,
    /// Print who may do what
    Permissions,
    /// Verify and export the audit trail
    #[command(subcommand)]
    Audit(audit::Command),
    /// Make, change and list merchants
    #[command(subcommand)]
    Merchant(merchant::Command),
    /// Make, change and list a merchant's connections
    #[command(subcommand)]
    Connection(connection::Command),
    /// Issue, renew, revoke and list certificates: those that networks show us, and those that we show
    #[command(subcommand)]
    Cert(cert::Command),
    /// Make, list and revoke the API keys of a merchant's systems
    #[command(subcommand)]
    Key(key::Command),
    /// See and change the master key that secrets are sealed under
    #[command(subcommand)]
    Keys(keys::Command),
    /// Print and change how much traffic merchants, connections and API keys may bring
    #[command(subcommand)]
    Limit(limit::Command),
    /// Check, test, publish and replay a merchant's rules
    #[command(subcommand)]
    Rules(rules::Command),
    /// Make, fill and look into the lists that a merchant's rules ask
    #[command(subcommand)]
    List(list::Command),
    /// Make and change webhook endpoints, send deliveries again
    #[command(subcommand)]
    Webhook(webhook::Command),
    /// Import settlement files (registries) and see how they compare
    #[command(subcommand)]
    Registry(registry::Command),
    /// Play the kiosk: send a request to a connection and print both ways
    #[command(subcommand)]
    Terminal(terminal::Command),
}

#[derive(Subcommand)]
enum Migrate {
    /// Apply what is missing (the default)
    Up,
    /// Take the newest migrations back. Their tables are dropped with all they hold
    Down {
        #[arg(long, default_value_t = 1)]
        steps: u32,
    },
    /// Say how many migrations are missing
    Status,
}

/// The whole program. Its runtime starts here and not in `main`, because a future is compiled, once more if need be, in
/// the crate that runs it.
#[tokio::main]
pub async fn run() -> ExitCode {
    let cli = Cli::parse();
    let is_rules = matches!(cli.command, Command::Rules(_));
    match Box::pin(dispatch(cli)).await {
        Ok(code) => code,
        Err(failure) => {
            say_error(&failure);
            // Pipelines tell "something was found" from "it could not be looked for".
            if is_rules {
                ExitCode::from(RULES_FAILED)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

async fn dispatch(cli: Cli) -> Result<ExitCode, Failure> {
    let open = || open(cli.settings.as_deref());
    match cli.command {
        Command::Rules(rules::Command::Check { file, json }) => return rules::check(&file, json),
        Command::Rules(rules::Command::Test { file, json }) => return rules::test(&file, json).await,
        Command::Rules(command) => return rules::run(open().await?, command).await,
        Command::Key(command) => return key::run(open().await?, command).await,
        Command::Audit(command) => return audit::run(open().await?, command).await,
        Command::Permissions => {
            say(&roles::table());
            Ok(())
        }
        Command::Limit(command) => return limit::run(open().await?, command).await,
        Command::Serve => serve::run(cli.settings.as_deref()).await,
        Command::Demo(arguments) => demo::run(arguments).await,
        Command::Sandbox(arguments) => sandbox::run(arguments).await,
        Command::Migrate { direction } => migrate(cli.settings, direction.unwrap_or(Migrate::Up)).await,
        Command::Keygen => {
            say(sealing::generate_master_key()?.expose_secret());
            Ok(())
        }
        Command::Settings => {
            say(DEFAULTS.trim_end());
            Ok(())
        }
        Command::Openapi => {
            say(&openapi::pretty());
            Ok(())
        }
        Command::Merchant(command) => merchant::run(open().await?, command).await,
        Command::Connection(command) => connection::run(open().await?, command).await,
        Command::Cert(command) => {
            let settings = Settings::load(cli.settings.as_deref())?;
            cert::run(open().await?, &settings, command).await
        }
        Command::Keys(command) => keys::run(open().await?, command).await,
        Command::List(command) => list::run(open().await?, command).await,
        Command::Webhook(command) => webhook::run(open().await?, command).await,
        Command::Registry(command) => registry::run(open().await?, command).await,
        Command::Terminal(command) => terminal::run(command).await,
    }?;
    Ok(ExitCode::SUCCESS)
}

async fn open(file: Option<&Path>) -> Result<Core, NodeError> {
    let settings = Settings::load(file)?;
    telemetry::start_logs(&settings.log)?;
    Core::open(&settings, None).await
}

async fn migrate(file: Option<PathBuf>, direction: Migrate) -> Result<(), Failure> {
    let settings = Settings::load(file.as_deref())?;
    telemetry::start_logs(&settings.log)?;
    let store = store::Store::connect(&settings.database.options()?).await?;
    match direction {
        Migrate::Up => {
            let pending = store.pending_migrations().await?;
            store.migrate().await?;
            say(&format!("{pending} migrations applied"));
        }
        Migrate::Down { steps } => {
            store.migrate_down(Some(steps)).await?;
            say(&format!("{steps} migrations taken back"));
        }
        Migrate::Status => say(&format!("{} migrations are missing", store.pending_migrations().await?)),
    }
    Ok(())
}

/// The process's environment, as far as it is text.
fn environment() -> HashMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// By slug or by id.
async fn find_merchant(core: &Core, name: &str) -> Result<Merchant, Failure> {
    let merchant = match name.parse() {
        Ok(id) => core.store.merchant(id).await,
        Err(_) => core.store.merchant_by_slug(name).await,
    };
    Ok(merchant.map_err(|error| format!("merchant '{name}': {error}"))?)
}

async fn find_connection(core: &Core, merchant: &Merchant, slug: &str) -> Result<Connection, Failure> {
    let connection = core.store.connection_by_slug(merchant.id, slug).await;
    Ok(connection.map_err(|error| format!("connection '{}/{slug}': {error}", merchant.slug))?)
}

/// Answers go to stdout, one JSON document each, so that scripts can read them too.
fn say_json<T: Serialize>(answer: &T) -> Result<(), Failure> {
    say(&serde_json::to_string_pretty(answer)?);
    Ok(())
}

/// Whoever read us may have gone (`tollgate demo | head`); that must not end a gateway.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

fn say_error(failure: &Failure) {
    let _ = writeln!(std::io::stderr().lock(), "tollgate: {failure}");
}
