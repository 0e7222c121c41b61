//! `tollgate keys`

use clap::Subcommand;

use super::{Failure, say};
use crate::access::master_keys::MasterKeys;
use crate::node::Core;

#[derive(Subcommand)]
pub enum Command {
    /// Print how many secrets are sealed under which master key
    Status,
    /// Seal every secret under master_key, while nodes serve that know both. The old key stands in master_key_previous
    Rotate,
}

pub async fn run(core: Core, command: Command) -> Result<(), Failure> {
    let keys = MasterKeys {
        store: core.store.clone(),
        sealer: core.sealer.clone(),
    };
    match command {
        Command::Status => {
            say(&format!("master key {}", core.sealer.key_id()));
            for ((key, place), count) in keys.census().await? {
                say(&format!("{key}\t{count}\t{place}"));
            }
        }
        Command::Rotate => {
            let resealed = keys.rotate().await?;
            say(&format!(
                "{resealed} secrets sealed anew under master key {}",
                core.sealer.key_id()
            ));
            say("take master_key_previous away on every node now");
        }
    }
    Ok(())
}
