//! The master keys of an installation: whether this node has the right one, and changing it while everything runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use plugin_sdk::ConnectionId;
use secrecy::{ExposeSecret, SecretString};
use store::{OwnedConfig, SEALED_COLUMNS, SealedColumn, SealingKey, Store, StoreError};

use super::sealing::{Sealer, SealingError, key_id_of};
use crate::tenancy::config_secrets::{self, Owner};

/// What a proof says once it is opened.
const PROOF: &str = "this is the master key";
/// Rows of one question.
const PAGE: u64 = 200;
/// Rounds over everything; what somebody sealed under the old key during one is found by the next.
const ROUNDS_MAX: u32 = 5;

#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    #[error(
        "the secrets in this database are sealed under master key {sealed_with}, and {configured} is configured. Give that \
         key as master_key; or, if the key is to be changed, give it as master_key_previous beside the new one"
    )]
    Other { sealed_with: String, configured: String },
    #[error("master key {0} is not the one that this database was sealed under, although it has the same id")]
    Impostor(String),
    #[error("{0} secrets do not open under any key that is configured; they are still sealed as they were")]
    Left(u64),
    #[error(transparent)]
    Sealing(#[from] SealingError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How many secrets of one kind are sealed under which key.
pub type Census = BTreeMap<(String, String), u64>;

pub struct MasterKeys {
    pub store: Store,
    pub sealer: Arc<Sealer>,
}

impl MasterKeys {
    /// That this node can open what the database holds, before it serves anybody. A new installation, or one whose key
    /// is being changed, takes note of the key.
    pub async fn prove(&self, now: DateTime<Utc>) -> Result<(), MasterKeyError> {
        let known = self.store.sealing_keys().await?;
        let own = self.sealer.key_id();
        if let Some(key) = known.iter().find(|key| key.key_id == own) {
            return self.check(key);
        }
        let previous = known.iter().find(|key| self.sealer.knows(&key.key_id));
        match (previous, known.last()) {
            (Some(previous), _) => self.check(previous)?,
            (None, Some(other)) => return Err(self.other(&other.key_id)),
            // Installations from before keys were noted: any secret tells.
            (None, None) => {
                if let Some(other) = self.any_other().await? {
                    return Err(self.other(&other));
                }
            }
        }
        let proof = self.sealer.seal(&place(own), &SecretString::from(PROOF))?;
        let key = SealingKey {
            key_id: own.to_owned(),
            proof_sealed: proof,
        };
        Ok(self.store.keep_sealing_key(key, now).await?)
    }

    fn check(&self, key: &SealingKey) -> Result<(), MasterKeyError> {
        let opened = self.sealer.open(&place(&key.key_id), &key.proof_sealed);
        match opened {
            Ok(proof) if proof.expose_secret() == PROOF => Ok(()),
            _ => Err(MasterKeyError::Impostor(key.key_id.clone())),
        }
    }

    fn other(&self, sealed_with: &str) -> MasterKeyError {
        MasterKeyError::Other {
            sealed_with: sealed_with.to_owned(),
            configured: self.sealer.key_id().to_owned(),
        }
    }

    /// A key that some secret is sealed under and that this node does not have.
    async fn any_other(&self) -> Result<Option<String>, MasterKeyError> {
        for column in SEALED_COLUMNS {
            let rows = self
                .store
                .sealed_otherwise(column, &self.sealer.prefix(), "", 1)
                .await?;
            let other = rows.first().and_then(|row| key_id_of(&row.sealed));
            if let Some(other) = other.filter(|other| !self.sealer.knows(other)) {
                return Ok(Some(other.to_owned()));
            }
        }
        Ok(None)
    }

    /// Seals everything under the present master key, while nodes serve that know both. Gives how many secrets it took.
    pub async fn rotate(&self) -> Result<u64, MasterKeyError> {
        let mut resealed = 0;
        for _ in 0..ROUNDS_MAX {
            let (done, left) = self.round().await?;
            resealed += done;
            if left > 0 {
                return Err(MasterKeyError::Left(left));
            }
            if done == 0 {
                break;
            }
        }
        self.store.forget_other_sealing_keys(self.sealer.key_id()).await?;
        Ok(resealed)
    }

    /// How many were sealed anew, and how many could not be opened.
    async fn round(&self) -> Result<(u64, u64), MasterKeyError> {
        let (mut done, mut left) = (0, 0);
        for column in SEALED_COLUMNS {
            let mut after = String::new();
            loop {
                let rows = self
                    .store
                    .sealed_otherwise(column, &self.sealer.prefix(), &after, PAGE)
                    .await?;
                let Some(last) = rows.last() else { break };
                after = last.id.clone();
                for row in rows {
                    match self.sealer.open(&row.place, &row.sealed) {
                        Ok(secret) => {
                            let sealed = self.sealer.seal(&row.place, &secret)?;
                            done += u64::from(self.store.replace_sealed(column, &row, &sealed).await?);
                        }
                        Err(error) => {
                            tracing::error!(table = column.table, column = column.column, row = row.id, %error,
                                "a secret does not open");
                            left += 1;
                        }
                    }
                }
            }
        }
        let (configs_done, configs_left) = self.round_of_configs().await?;
        Ok((done + configs_done, left + configs_left))
    }

    async fn round_of_configs(&self) -> Result<(u64, u64), MasterKeyError> {
        let (mut done, mut left) = (0, 0);
        let mut after: Option<ConnectionId> = None;
        loop {
            let page = self.store.configs(after, PAGE).await?;
            let Some(last) = page.last() else {
                return Ok((done, left));
            };
            after = Some(last.id);
            for owned in page {
                match config_secrets::resealed(&self.sealer, owner(&owned), &owned.config) {
                    Ok(Some(config)) => done += u64::from(self.store.replace_config(&owned, config).await?),
                    Ok(None) => {}
                    Err(error) => {
                        tracing::error!(connection = %owned.id, %error, "a secret of a config does not open");
                        left += 1;
                    }
                }
            }
        }
    }

    /// How many secrets there are, by where they stand and by the key they are sealed under.
    pub async fn census(&self) -> Result<Census, MasterKeyError> {
        let mut census = Census::new();
        for column in SEALED_COLUMNS {
            self.count(column, &mut census).await?;
        }
        let mut after: Option<ConnectionId> = None;
        loop {
            let page = self.store.configs(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(census) };
            after = Some(last.id);
            for key in page.iter().flat_map(|owned| config_secrets::keys_of(&owned.config)) {
                *census.entry((key, "connections.config".to_owned())).or_default() += 1;
            }
        }
    }

    async fn count(&self, column: SealedColumn, census: &mut Census) -> Result<(), MasterKeyError> {
        let name = format!("{}.{}", column.table, column.column);
        let mut after = String::new();
        loop {
            // No record begins with nothing, so these are all.
            let rows = self.store.sealed_otherwise(column, "-", &after, PAGE).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.id.clone();
            for row in &rows {
                let key = key_id_of(&row.sealed).unwrap_or("unreadable");
                *census.entry((key.to_owned(), name.clone())).or_default() += 1;
            }
        }
    }
}

fn owner(owned: &OwnedConfig) -> Owner<'_> {
    Owner {
        merchant: owned.merchant_id,
        connection: &owned.connection,
    }
}

fn place(key_id: &str) -> String {
    format!("sealing_key/{key_id}")
}
