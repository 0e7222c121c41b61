//! `tollgate merchant`

use clap::Subcommand;
use store::{Cursor, MerchantStatus};

use super::{Failure, find_merchant, say, say_json};
use crate::api::admin::merchants::MerchantView;
use crate::node::Core;

#[derive(Subcommand)]
pub enum Command {
    /// Make a merchant
    Create {
        /// Name in URLs: lower-case letters, digits and hyphens
        slug: String,
        /// Name for people; the slug when absent
        #[arg(long)]
        name: Option<String>,
    },
    /// All merchants, newest first
    List,
    Show {
        merchant: String,
    },
    Rename {
        merchant: String,
        name: String,
    },
    /// Take no new payments; what was paid stays answered
    Suspend {
        merchant: String,
    },
    Resume {
        merchant: String,
    },
    /// Stop answering for ever; the ledger stays
    Delete {
        merchant: String,
    },
}

pub async fn run(core: Core, command: Command) -> Result<(), Failure> {
    let changed = match command {
        Command::Create { slug, name } => {
            let name = name.unwrap_or_else(|| slug.clone());
            core.onboarding.create_merchant(slug, name).await?
        }
        Command::List => return list(&core).await,
        Command::Show { merchant } => find_merchant(&core, &merchant).await?,
        Command::Rename { merchant, name } => {
            let merchant = find_merchant(&core, &merchant).await?;
            core.onboarding.change_merchant(merchant.id, Some(name), None).await?
        }
        Command::Suspend { merchant } => set_status(&core, &merchant, MerchantStatus::Suspended).await?,
        Command::Resume { merchant } => set_status(&core, &merchant, MerchantStatus::Active).await?,
        Command::Delete { merchant } => {
            set_status(&core, &merchant, MerchantStatus::Deleted).await?;
            say(&format!("{merchant} is deleted; its payments stay in the ledger"));
            return Ok(());
        }
    };
    say_json(&MerchantView::from(changed))
}

async fn set_status(core: &Core, merchant: &str, status: MerchantStatus) -> Result<store::Merchant, Failure> {
    let merchant = find_merchant(core, merchant).await?;
    Ok(core.onboarding.change_merchant(merchant.id, None, Some(status)).await?)
}

async fn list(core: &Core) -> Result<(), Failure> {
    let mut cursor = Cursor::new(None, Some(store::PAGE_SIZE_MAX));
    loop {
        let page = core.store.merchants(&cursor).await?;
        for merchant in page.items {
            say(&format!(
                "{}\t{}\t{}\t{}",
                merchant.id,
                merchant.slug,
                merchant.status.as_str(),
                merchant.name
            ));
        }
        match page.next {
            Some(next) => cursor.after = Some(next),
            None => return Ok(()),
        }
    }
}
