//! `tollgate rules secret`

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use secrecy::SecretString;
use store::RuleSecretForm;
use zeroize::Zeroizing;

use super::{Failure, find_merchant, say, say_json};
use crate::api::admin::secrets::SecretView;
use crate::node::Core;
use crate::rulebook::SecretDraft;

/// Longest input that is read for a secret, in bytes: more than any secret has.
const INPUT_BYTES_MAX: u64 = 64 * 1024;

#[derive(Subcommand)]
pub enum Command {
    /// Keep a secret, or replace all of it. It is read from a file or from the input, never from the command line
    Set(Set),
    /// Print the secrets' names, headers and hosts; what they are is never shown
    List { merchant: String },
    /// Forget a secret. Rules that name it fail from then on
    Remove { merchant: String, name: String },
}

#[derive(Args)]
pub struct Set {
    merchant: String,
    name: String,
    /// A host that it may be sent to, among those that rules may call; may be given several times
    #[arg(long = "host", required = true)]
    hosts: Vec<String>,
    /// Send it as `Authorization: Basic`; the secret is login:password
    #[arg(long, conflicts_with = "header")]
    basic: bool,
    /// Send it as it is in this header; without this and --basic it is sent as `Authorization: Bearer`
    #[arg(long)]
    header: Option<String>,
    /// Where the secret is; the input when absent
    #[arg(long)]
    file: Option<PathBuf>,
}

pub async fn run(core: &Core, command: Command, author: &str) -> Result<ExitCode, Failure> {
    match command {
        Command::Set(set) => {
            let merchant = find_merchant(core, &set.merchant).await?;
            let form = match (&set.header, set.basic) {
                (Some(_), _) => RuleSecretForm::Plain,
                (None, true) => RuleSecretForm::Basic,
                (None, false) => RuleSecretForm::Bearer,
            };
            let draft = SecretDraft {
                value: read(set.file)?,
                name: set.name,
                form,
                header: set.header,
                hosts: set.hosts,
            };
            let kept = core.rulebook.set_secret(merchant.id, draft, author).await?;
            say_json(&SecretView::from(kept))?;
        }
        Command::List { merchant } => {
            let merchant = find_merchant(core, &merchant).await?;
            let secrets = core.rulebook.secrets(merchant.id).await?;
            say_json(&secrets.into_iter().map(SecretView::from).collect::<Vec<_>>())?;
        }
        Command::Remove { merchant, name } => {
            let merchant = find_merchant(core, &merchant).await?;
            core.rulebook.remove_secret(merchant.id, &name, author).await?;
            say("removed");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Without the line's end, which editors and `echo` add.
fn read(file: Option<PathBuf>) -> Result<SecretString, Failure> {
    let mut text = Zeroizing::new(String::new());
    match file {
        Some(path) => std::fs::File::open(&path)
            .and_then(|file| file.take(INPUT_BYTES_MAX).read_to_string(&mut text))
            .map_err(|error| format!("{}: {error}", path.display()))?,
        None => std::io::stdin()
            .take(INPUT_BYTES_MAX)
            .read_to_string(&mut text)
            .map_err(|error| format!("the input: {error}"))?,
    };
    Ok(text.trim_end_matches(['\r', '\n']).into())
}
