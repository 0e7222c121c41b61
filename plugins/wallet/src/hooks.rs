//! Registration of the wallet's hook (§11). A wallet has one; its key is given out once and belongs into the config.

use plugin_sdk::Secret;
use plugin_sdk::connector::{ConnectorError, Context, HttpMethod};
use serde::Deserialize;

use crate::fault::{of_question, unreadable};
use crate::network::{Ask, Network};
use crate::reading::wrong;
use crate::wire::{Word, encoded};

const HOOKS: &str = "/payment-notifier/v1/hooks";
/// §11: characters of a hook's address.
const URL_MAX: usize = 100;

/// Which transactions a hook tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookDirection {
    In,
    Out,
    Both,
}

impl HookDirection {
    const fn code(self) -> u8 {
        match self {
            Self::In => 0,
            Self::Out => 1,
            Self::Both => 2,
        }
    }
}

/// The wallet's hook as the network knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    pub id: String,
    pub url: String,
    /// The network's own word: `IN`, `OUT`, `BOTH`.
    pub transactions: String,
}

/// A hook that was just registered, with the key that goes into the connection's config as `hook_key`.
pub struct HookWithKey {
    pub hook: Hook,
    pub key: Secret,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HookAnswer {
    hook_id: Word,
    #[serde(default)]
    hook_parameters: Parameters,
    #[serde(default)]
    txn_type: Word,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Parameters {
    url: Word,
}

#[derive(Deserialize)]
struct KeyAnswer {
    key: Secret,
}

impl Network {
    pub async fn register_hook(
        &self,
        context: &Context<'_>,
        url: &str,
        direction: HookDirection,
    ) -> Result<Hook, ConnectorError> {
        self.needs_token("hooks")?;
        if url.chars().count() > URL_MAX {
            return Err(wrong("url", "must have at most 100 characters"));
        }
        let path = format!("{HOOKS}?hookType=1&param={}&txnType={}", encoded(url), direction.code());
        let answer = self.read_json(context, Ask::new(HttpMethod::Put, path), "hook").await?;
        hook(answer)
    }

    /// `None` when there is none.
    pub async fn read_hook(&self, context: &Context<'_>) -> Result<Option<Hook>, ConnectorError> {
        self.needs_token("hooks")?;
        let ask = Ask::get(format!("{HOOKS}/active"));
        let response = self
            .edge(context, &ask, |failure| crate::fault::unasked(&failure))
            .await?;
        match response.status {
            404 => Ok(None),
            200..=299 => {
                let answer = serde_json::from_slice(&response.body).map_err(|_| unreadable("hook"))?;
                hook(answer).map(Some)
            }
            _ => Err(of_question(&response)),
        }
    }

    pub async fn delete_hook(&self, context: &Context<'_>, id: &str) -> Result<(), ConnectorError> {
        self.needs_token("hooks")?;
        let ask = Ask::new(HttpMethod::Delete, format!("{HOOKS}/{}", encoded(id)));
        self.read(context, ask).await.map(|_| ())
    }

    pub async fn read_hook_key(&self, context: &Context<'_>, id: &str) -> Result<Secret, ConnectorError> {
        self.needs_token("hooks")?;
        let ask = Ask::get(format!("{HOOKS}/{}/key", encoded(id)));
        let answer: KeyAnswer = self.read_json(context, ask, "hook key").await?;
        Ok(answer.key)
    }

    /// The old key is dead at once.
    pub async fn renew_hook_key(&self, context: &Context<'_>, id: &str) -> Result<Secret, ConnectorError> {
        self.needs_token("hooks")?;
        let ask = Ask::new(HttpMethod::Post, format!("{HOOKS}/{}/newkey", encoded(id)));
        let answer: KeyAnswer = self.read_json(context, ask, "hook key").await?;
        Ok(answer.key)
    }

    pub async fn send_test_hook(&self, context: &Context<'_>) -> Result<(), ConnectorError> {
        self.needs_token("hooks")?;
        self.read(context, Ask::get(format!("{HOOKS}/test"))).await.map(|_| ())
    }

    /// §11: a wallet has one hook, so the one that is there goes first.
    pub async fn replace_hook(
        &self,
        context: &Context<'_>,
        url: &str,
        direction: HookDirection,
    ) -> Result<HookWithKey, ConnectorError> {
        if let Some(old) = self.read_hook(context).await? {
            self.delete_hook(context, &old.id).await?;
        }
        let hook = self.register_hook(context, url, direction).await?;
        let key = self.renew_hook_key(context, &hook.id).await?;
        Ok(HookWithKey { hook, key })
    }
}

fn hook(answer: HookAnswer) -> Result<Hook, ConnectorError> {
    Ok(Hook {
        id: answer.hook_id.told().ok_or_else(|| unreadable("hook"))?,
        url: answer.hook_parameters.url.told().unwrap_or_default(),
        transactions: answer.txn_type.told().unwrap_or_default(),
    })
}
