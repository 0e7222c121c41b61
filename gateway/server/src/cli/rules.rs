//! `tollgate rules`

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::{Failure, find_merchant, say};
use crate::node::Core;
use crate::rulebook::Script;

#[derive(Subcommand)]
pub enum Command {
    /// Compile a script and say what is wrong with it; needs no database
    Check { file: PathBuf },
    /// Publish a script as the merchant's next revision
    Publish {
        merchant: String,
        file: PathBuf,
        #[arg(long, short, default_value = "")]
        message: String,
    },
    /// Print the published script
    Show { merchant: String },
    /// Take the rules out of service; the revisions stay
    Unpublish { merchant: String },
}

/// Who publishes by the command line.
fn author() -> String {
    std::env::var("USER")
        .ok()
        .filter(|user| !user.is_empty())
        .unwrap_or_else(|| "operator".to_owned())
}

pub fn check(file: &Path) -> Result<(), Failure> {
    let source = read(file)?;
    let engine = rules::Engine::new(rules::Limits::default())?;
    engine
        .compile("draft", &source)
        .map_err(|error| format!("{}: {error}", file.display()))?;
    say(&format!("{} compiles", file.display()));
    Ok(())
}

pub async fn run(core: Core, command: Command) -> Result<(), Failure> {
    match command {
        Command::Check { file } => check(&file),
        Command::Publish {
            merchant,
            file,
            message,
        } => {
            let merchant = find_merchant(&core, &merchant).await?;
            let source = String::from_utf8(read(&file)?).map_err(|_| format!("{}: is not UTF-8", file.display()))?;
            let script = Script {
                source,
                message,
                author: author(),
            };
            let revision = core.rulebook.publish(merchant.id, script).await?;
            say(&format!("r{} of {} is published", revision.number, merchant.slug));
            Ok(())
        }
        Command::Show { merchant } => {
            let merchant = find_merchant(&core, &merchant).await?;
            let number = merchant.published_rules.ok_or("no rules are published")?;
            say(&core.store.rule_revision(merchant.id, number).await?.source);
            Ok(())
        }
        Command::Unpublish { merchant } => {
            let merchant = find_merchant(&core, &merchant).await?;
            core.rulebook.unpublish(merchant.id, &author()).await?;
            say(&format!("{} has no rules in service", merchant.slug));
            Ok(())
        }
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    Ok(std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?)
}
