//! `tollgate connection`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value;
use store::ConnectionStatus;

use super::{Failure, find_connection, find_merchant, say, say_json};
use crate::api::admin::connections::ConnectionView;
use crate::node::Core;
use crate::tenancy::{BasicCredentials, ConnectionDraft, ConnectionPatch};

#[derive(Subcommand)]
pub enum Command {
    /// Make a connection
    Create {
        merchant: String,
        /// Name in URLs, unique within the merchant
        slug: String,
        #[arg(long, default_value = "terminal")]
        plugin: String,
        #[command(flatten)]
        given: Given,
    },
    List {
        merchant: String,
    },
    Show {
        merchant: String,
        connection: String,
    },
    /// Replace config or login
    Set {
        merchant: String,
        connection: String,
        #[command(flatten)]
        given: Given,
    },
    /// Set by which host's name the connection is called on /payment
    Host {
        merchant: String,
        connection: String,
        #[arg(required_unless_present = "remove")]
        host: Option<String>,
        /// Call it by no host any more
        #[arg(long, conflicts_with = "host")]
        remove: bool,
    },
    Suspend {
        merchant: String,
        connection: String,
    },
    Resume {
        merchant: String,
        connection: String,
    },
    /// Stop answering for ever; the ledger stays
    Delete {
        merchant: String,
        connection: String,
    },
}

#[derive(Args)]
pub struct Given {
    /// The plugin's config as JSON
    #[arg(long)]
    config: Option<String>,
    /// Login of HTTP Basic
    #[arg(long, requires = "password_file")]
    login: Option<String>,
    /// File that holds the password: a password on the command line would be seen by others
    #[arg(long, requires = "login")]
    password_file: Option<PathBuf>,
}

impl Given {
    fn config(&self) -> Result<Option<Value>, Failure> {
        let Some(text) = &self.config else { return Ok(None) };
        Ok(Some(
            serde_json::from_str(text).map_err(|error| format!("--config is not JSON: {error}"))?,
        ))
    }

    fn basic(&self) -> Result<Option<BasicCredentials>, Failure> {
        let (Some(login), Some(file)) = (&self.login, &self.password_file) else {
            return Ok(None);
        };
        let password = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let password = password.trim_end_matches(['\r', '\n']).into();
        Ok(Some(BasicCredentials {
            login: login.clone(),
            password,
        }))
    }
}

pub async fn run(core: Core, command: Command) -> Result<(), Failure> {
    match command {
        Command::Create {
            merchant,
            slug,
            plugin,
            given,
        } => {
            let merchant = find_merchant(&core, &merchant).await?;
            let config = given.config()?.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
            let draft = ConnectionDraft {
                slug,
                plugin,
                config,
                basic: given.basic()?,
            };
            let connection = core.onboarding.create_connection(merchant.id, draft).await?;
            say_json(&ConnectionView::of(&merchant.slug, connection))
        }
        Command::List { merchant } => {
            let merchant = find_merchant(&core, &merchant).await?;
            for connection in core.store.connections(merchant.id).await? {
                let (status, plugin) = (connection.status.as_str(), &connection.plugin);
                say(&format!(
                    "{}\t{}/{}\t{plugin}\t{status}",
                    connection.id, merchant.slug, connection.slug
                ));
            }
            Ok(())
        }
        Command::Show { merchant, connection } => {
            let merchant = find_merchant(&core, &merchant).await?;
            let connection = find_connection(&core, &merchant, &connection).await?;
            say_json(&ConnectionView::of(&merchant.slug, connection))
        }
        Command::Set {
            merchant,
            connection,
            given,
        } => {
            let patch = ConnectionPatch {
                config: given.config()?,
                basic: given.basic()?.map(Some),
                ..ConnectionPatch::default()
            };
            change(&core, &merchant, &connection, patch).await
        }
        Command::Host {
            merchant,
            connection,
            host,
            remove: _,
        } => {
            let merchant = find_merchant(&core, &merchant).await?;
            let connection = find_connection(&core, &merchant, &connection).await?;
            let connection = core.onboarding.set_host(merchant.id, &connection, host).await?;
            say_json(&ConnectionView::of(&merchant.slug, connection))
        }
        Command::Suspend { merchant, connection } => {
            set_status(&core, &merchant, &connection, ConnectionStatus::Suspended).await
        }
        Command::Resume { merchant, connection } => {
            set_status(&core, &merchant, &connection, ConnectionStatus::Active).await
        }
        Command::Delete { merchant, connection } => {
            let patch = ConnectionPatch {
                status: Some(ConnectionStatus::Deleted),
                ..ConnectionPatch::default()
            };
            let found = find_merchant(&core, &merchant).await?;
            let row = find_connection(&core, &found, &connection).await?;
            core.onboarding.change_connection(found.id, &row, patch).await?;
            say(&format!(
                "{merchant}/{connection} is deleted; its payments stay in the ledger"
            ));
            Ok(())
        }
    }
}

async fn set_status(core: &Core, merchant: &str, connection: &str, status: ConnectionStatus) -> Result<(), Failure> {
    change(
        core,
        merchant,
        connection,
        ConnectionPatch {
            status: Some(status),
            ..ConnectionPatch::default()
        },
    )
    .await
}

async fn change(core: &Core, merchant: &str, connection: &str, patch: ConnectionPatch) -> Result<(), Failure> {
    let merchant = find_merchant(core, merchant).await?;
    let connection = find_connection(core, &merchant, connection).await?;
    let connection = core
        .onboarding
        .change_connection(merchant.id, &connection, patch)
        .await?;
    say_json(&ConnectionView::of(&merchant.slug, connection))
}
