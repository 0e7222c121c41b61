use schemars::Schema;
use serde_json::Value;

use crate::{Connector, InboundProtocol, Sandbox};

/// Who a plugin is and what its connections' config looks like.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// Stable name, used in rows and URLs: `terminal`.
    pub name: &'static str,
    /// Name for people.
    pub title: &'static str,
    /// One sentence for people who choose between plugins.
    pub summary: &'static str,
    /// JSON Schema of a connection's config, with titles, help texts and examples. It draws the form.
    pub config_schema: Schema,
    /// JSON Schema of what only this network knows of a payment (`options`), when it has any.
    pub options_schema: Option<Schema>,
}

/// Rust code for one network.
pub trait Plugin: Send + Sync {
    fn manifest(&self) -> &Manifest;

    /// Refuses a config that no connection could work with. Nothing is stored that this refuses.
    fn check_config(&self, config: &Value) -> Result<(), ConfigError>;

    /// The capability of being called by the network.
    fn inbound(&self) -> Option<&dyn InboundProtocol> {
        None
    }

    /// The capability of calling the network.
    fn connector(&self) -> Option<&dyn Connector> {
        None
    }

    /// A new simulator of the network, with nothing in it but what its document gives to everybody.
    fn sandbox(&self) -> Option<Box<dyn Sandbox>> {
        None
    }
}

/// A connection's config that cannot be used, with the key that is wrong and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {message}")]
pub struct ConfigError {
    /// Path of the wrong key: `data[0].regex`; `config` when it is the whole.
    pub key: String,
    pub message: String,
}

impl ConfigError {
    #[must_use]
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            message: message.into(),
        }
    }
}
