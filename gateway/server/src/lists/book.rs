use std::path::PathBuf;
use std::sync::Arc;

use plugin_sdk::{Clock, MerchantId};
use store::{List, ListEntry, ListError, ListQuota, Store, StoreError};

use super::{LISTS_MAX, check_key, entry};
use crate::tenancy::is_slug;

/// Quotas are not larger than this.
const QUOTA_ENTRIES_MAX: i64 = 1_000_000_000;
const QUOTA_BYTES_MAX: i64 = 64 << 30;

#[derive(Debug, Clone)]
pub struct ListLimits {
    /// Of merchants that have no quota of their own.
    pub quota: ListQuota,
    /// Largest uploaded file, in bytes.
    pub upload_bytes_max: u64,
    /// Imports that this node works on at once.
    pub imports_at_once: usize,
    /// Where uploads and sorted rows wait, in files without a name.
    pub spool: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum ListRefusal {
    #[error("{field}: {message}")]
    Field { field: &'static str, message: String },
    #[error(transparent)]
    List(#[from] ListError),
    #[error("the file is larger than {0} bytes")]
    TooLarge(u64),
    #[error("too many uploads at once; try again when one has ended")]
    Busy,
    #[error("the upload could not be kept on disk (setting lists.spool_directory): {0}")]
    Spool(#[from] std::io::Error),
}

impl ListRefusal {
    fn field(field: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self::Field { field, message }
    }
}

impl From<StoreError> for ListRefusal {
    fn from(error: StoreError) -> Self {
        Self::List(error.into())
    }
}

/// How lists are made and changed: the one set of checks behind the admin REST and the CLI.
#[derive(Clone)]
pub struct ListBook {
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub limits: Arc<ListLimits>,
}

impl ListBook {
    /// An empty list, or the one that is there already.
    pub async fn create(&self, merchant: MerchantId, name: &str) -> Result<List, ListRefusal> {
        check_list_name(name)?;
        Ok(self
            .store
            .create_list(merchant, name, LISTS_MAX, self.clock.now())
            .await?)
    }

    pub async fn delete(&self, merchant: MerchantId, name: &str) -> Result<(), ListRefusal> {
        Ok(self.store.delete_list(merchant, name, self.clock.now()).await?)
    }

    /// Adds the key or replaces its value, a JSON text. Any number of times is as good as once.
    pub async fn put(
        &self,
        merchant: MerchantId,
        name: &str,
        key: String,
        value: Option<&str>,
    ) -> Result<ListEntry, ListRefusal> {
        let entry = entry(key, value).map_err(|message| ListRefusal::field("key or value", message))?;
        let quota = self.quota(merchant).await?;
        self.store
            .put_list_entry(merchant, name, &entry, quota, self.clock.now())
            .await?;
        Ok(entry)
    }

    /// Returns whether the key was there.
    pub async fn remove(&self, merchant: MerchantId, name: &str, key: &str) -> Result<bool, ListRefusal> {
        check_key(key).map_err(|message| ListRefusal::field("key", message))?;
        Ok(self
            .store
            .remove_list_entry(merchant, name, key, self.clock.now())
            .await?)
    }

    /// What the merchant's lists may hold together: its own quota, or the installation's.
    pub async fn quota(&self, merchant: MerchantId) -> Result<ListQuota, ListRefusal> {
        let own = self.store.list_quota(merchant).await?;
        Ok(own.unwrap_or(self.limits.quota))
    }

    /// `None` goes back to the installation's quota. What is stored already stays.
    pub async fn set_quota(&self, merchant: MerchantId, quota: Option<ListQuota>) -> Result<ListQuota, ListRefusal> {
        for (field, value, limit) in [
            ("entries_max", quota.map(|quota| quota.entries_max), QUOTA_ENTRIES_MAX),
            ("bytes_max", quota.map(|quota| quota.bytes_max), QUOTA_BYTES_MAX),
        ] {
            if value.is_some_and(|value| !(0..=limit).contains(&value)) {
                return Err(ListRefusal::field(field, format!("is from 0 to {limit}")));
            }
        }
        self.store.set_list_quota(merchant, quota).await?;
        self.quota(merchant).await
    }
}

pub fn check_list_name(name: &str) -> Result<(), ListRefusal> {
    if is_slug(name) {
        return Ok(());
    }
    let message = "has 1 to 40 lower-case letters, digits and hyphens, and neither starts nor ends with a hyphen";
    Err(ListRefusal::field("list", message))
}
