//! `tollgate registry`

use std::path::PathBuf;

use clap::Subcommand;
use plugin_sdk::SettlementId;
use store::{Cursor, Outcome, SettlementFilter};

use super::{Failure, find_connection, find_merchant, say, say_json};
use crate::api::admin::settlements::{RowView, SettlementView};
use crate::node::Core;

#[derive(Subcommand)]
pub enum Command {
    /// Import a settlement file and compare it with the connection's payments
    Import {
        file: PathBuf,
        #[arg(long)]
        merchant: String,
        #[arg(long)]
        connection: String,
    },
    /// Imported files, newest first
    List {
        #[arg(long)]
        merchant: String,
    },
    /// What comparing gave, row by row
    Rows {
        settlement: SettlementId,
        #[arg(long)]
        merchant: String,
        /// matched, ours_only, theirs_only, amount_mismatch or account_mismatch
        #[arg(long, value_parser = outcome)]
        outcome: Option<Outcome>,
    },
}

fn outcome(text: &str) -> Result<Outcome, String> {
    Outcome::read(text).map_err(|_| format!("use one of: {}", Outcome::ALL.map(Outcome::as_str).join(", ")))
}

pub async fn run(core: Core, command: Command) -> Result<(), Failure> {
    match command {
        Command::Import {
            file,
            merchant,
            connection,
        } => {
            let merchant = find_merchant(&core, &merchant).await?;
            let connection = find_connection(&core, &merchant, &connection).await?;
            let name = file
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default()
                .to_owned();
            let content = std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
            let summary = core.onboarding.import_settlement(&connection, name, content).await?;
            say_json(&SettlementView::from(summary))
        }
        Command::List { merchant } => {
            let merchant = find_merchant(&core, &merchant).await?;
            let page = core
                .store
                .settlement_files(merchant.id, &Cursor::new(None, Some(store::PAGE_SIZE_MAX)))
                .await?;
            for file in page.items {
                say(&format!(
                    "{}\t{}\t{} payments\t{}",
                    file.id, file.created_at, file.payment_count, file.file_name
                ));
            }
            Ok(())
        }
        Command::Rows {
            settlement,
            merchant,
            outcome,
        } => {
            let merchant = find_merchant(&core, &merchant).await?;
            let filter = SettlementFilter {
                outcome,
                resolved: None,
            };
            let mut cursor = Cursor::new(None, Some(store::PAGE_SIZE_MAX));
            loop {
                let page = core
                    .store
                    .settlement_rows(merchant.id, settlement, filter, &cursor)
                    .await?;
                for record in page.items {
                    say(&serde_json::to_string(&RowView::from(record))?);
                }
                match page.next {
                    Some(next) => cursor.after = Some(next),
                    None => return Ok(()),
                }
            }
        }
    }
}
