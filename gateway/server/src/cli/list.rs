//! `tollgate list`

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use futures_util::TryStreamExt;
use store::{ListAnswer, ListEntry, ListImport, ListQuota};
use tokio::sync::watch;

use super::{Failure, find_merchant, say, say_json};
use crate::api::admin::lists::{EntryView, ImportView, ListView, QuotaView, exported};
use crate::lists::{Format, Imports};
use crate::node::Core;

/// How often the progress of an import is told.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Subcommand)]
pub enum Command {
    /// Make an empty list; one that is there already stays as it is
    Create { merchant: String, list: String },
    /// Replace a list by a file. Until the file is stored whole, the old list serves
    Import {
        merchant: String,
        list: String,
        file: PathBuf,
        /// csv or jsonl; by the file's ending when absent
        #[arg(long, value_parser = format)]
        format: Option<Format>,
    },
    /// Add a key or replace its value
    Add {
        merchant: String,
        list: String,
        key: String,
        /// Any JSON
        #[arg(long)]
        value: Option<String>,
    },
    /// Take a key out
    Remove {
        merchant: String,
        list: String,
        key: String,
    },
    /// Print one entry; fails when the key is not in the list
    Get {
        merchant: String,
        list: String,
        key: String,
    },
    /// A merchant's lists, or one of them
    Show { merchant: String, list: Option<String> },
    /// Print a whole list as a file that import takes
    Export {
        merchant: String,
        list: String,
        /// csv or jsonl
        #[arg(long, default_value = "csv", value_parser = format)]
        format: Format,
    },
    /// Delete a list. Rules that ask it fail from then on
    Delete { merchant: String, list: String },
    /// Print what a merchant's lists may hold together, or give it a quota of its own
    Quota {
        merchant: String,
        #[arg(long, requires = "bytes")]
        entries: Option<i64>,
        #[arg(long, requires = "entries")]
        bytes: Option<i64>,
        /// Go back to the quota of the settings
        #[arg(long, conflicts_with = "entries")]
        reset: bool,
    },
}

fn format(text: &str) -> Result<Format, String> {
    Format::read(text).ok_or_else(|| "use csv or jsonl".to_owned())
}

pub async fn run(core: Core, command: Command) -> Result<(), Failure> {
    match command {
        Command::Create { merchant, list } => {
            let merchant = find_merchant(&core, &merchant).await?;
            say_json(&ListView::from(core.lists.create(merchant.id, &list).await?))
        }
        Command::Import {
            merchant,
            list,
            file,
            format,
        } => import(&core, &merchant, &list, &file, format).await,
        Command::Add {
            merchant,
            list,
            key,
            value,
        } => {
            let merchant = find_merchant(&core, &merchant).await?;
            let entry = core.lists.put(merchant.id, &list, key, value.as_deref()).await?;
            say_json(&EntryView::from(entry))
        }
        Command::Remove { merchant, list, key } => {
            let found = find_merchant(&core, &merchant).await?;
            let was_there = core.lists.remove(found.id, &list, &key).await?;
            say(if was_there { "removed" } else { "was not there" });
            Ok(())
        }
        Command::Get { merchant, list, key } => {
            let merchant = find_merchant(&core, &merchant).await?;
            match core.store.list_entry(merchant.id, &list, &key).await? {
                ListAnswer::NoList => Err(format!("list '{list}' does not exist").into()),
                ListAnswer::Absent { .. } => Err(format!("'{key}' is not in list '{list}'").into()),
                ListAnswer::Present { value, .. } => say_json(&EntryView::from(ListEntry { key, value })),
            }
        }
        Command::Show { merchant, list } => show(&core, &merchant, list.as_deref()).await,
        Command::Export { merchant, list, format } => export(&core, &merchant, &list, format).await,
        Command::Delete { merchant, list } => {
            let found = find_merchant(&core, &merchant).await?;
            core.lists.delete(found.id, &list).await?;
            say(&format!("list '{list}' of {} is deleted", found.slug));
            Ok(())
        }
        Command::Quota {
            merchant,
            entries,
            bytes,
            reset,
        } => {
            let merchant = find_merchant(&core, &merchant).await?;
            let quota = match entries.zip(bytes) {
                Some((entries_max, bytes_max)) => {
                    let quota = ListQuota { entries_max, bytes_max };
                    core.lists.set_quota(merchant.id, Some(quota)).await?
                }
                None if reset => core.lists.set_quota(merchant.id, None).await?,
                None => core.lists.quota(merchant.id).await?,
            };
            say_json(&QuotaView::from(quota))
        }
    }
}

async fn import(
    core: &Core,
    merchant: &str,
    list: &str,
    path: &std::path::Path,
    format: Option<Format>,
) -> Result<(), Failure> {
    let merchant = find_merchant(core, merchant).await?;
    let by_ending = || {
        path.extension()
            .and_then(|ending| ending.to_str())
            .and_then(Format::read)
    };
    let format = format
        .or_else(by_ending)
        .ok_or("the file's ending is neither .csv nor .jsonl: say --format")?;
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let imports = Imports::new(core.lists.clone());
    let job = imports.start(merchant.id, list, format, file).await?;
    let import = job.import.clone();
    // Kept until the end: nobody stops this import but the one who runs the command.
    let (_running, stop) = watch::channel(false);
    let done = tokio::select! {
        done = imports.run(job, stop) => done,
        never = tell_progress(core, &import) => never,
    };
    let ended = core.store.list_import(merchant.id, import.id).await?;
    if done.is_some() {
        return say_json(&ImportView::from(ended));
    }
    let mut reasons = format!("{}: list '{list}' is as it was", path.display());
    for error in ended.errors {
        match error.line {
            Some(line) => reasons.push_str(&format!("\n  line {line}: {}", error.message)),
            None => reasons.push_str(&format!("\n  {}", error.message)),
        }
    }
    Err(reasons.into())
}

/// For people only; never ends.
async fn tell_progress<T>(core: &Core, import: &ListImport) -> T {
    loop {
        tokio::time::sleep(PROGRESS_INTERVAL).await;
        if !std::io::stderr().is_terminal() {
            continue;
        }
        if let Ok(import) = core.store.list_import(import.merchant_id, import.id).await {
            let progress = import.progress;
            let line = format!(
                "\rread {} of {} bytes, {} rows; stored {} rows",
                progress.bytes_read, progress.bytes_total, progress.rows_read, progress.rows_stored
            );
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
    }
}

async fn show(core: &Core, merchant: &str, list: Option<&str>) -> Result<(), Failure> {
    let merchant = find_merchant(core, merchant).await?;
    if let Some(list) = list {
        let found = core.store.list(merchant.id, list).await;
        let found = found.map_err(|error| format!("list '{list}': {error}"))?;
        return say_json(&ListView::from(found));
    }
    for list in core.store.lists(merchant.id).await? {
        say(&format!(
            "{}\t{} entries\t{} bytes\t{}",
            list.name, list.entries, list.bytes, list.updated_at
        ));
    }
    Ok(())
}

async fn export(core: &Core, merchant: &str, list: &str, format: Format) -> Result<(), Failure> {
    let merchant = find_merchant(core, merchant).await?;
    let list = core.store.list(merchant.id, list).await?;
    let mut rows = std::pin::pin!(exported(core.store.clone(), list, format));
    let mut out = std::io::stdout().lock();
    while let Some(piece) = rows.try_next().await? {
        out.write_all(&piece)?;
    }
    Ok(out.flush()?)
}
