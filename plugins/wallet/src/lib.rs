//! QIWI Wallet and QIWI Master: transfers from a wallet, its history, statistics and balances, virtual cards, hooks.
//!
//! Source of every fact here is `protocols/wallet.md`; what the code cites as §n is a section of it:
//!
//! | Module | Sections |
//! | --- | --- |
//! | `config` | §1 dialects and base URLs |
//! | `network` | §1.2 headers, §3 authorization, §2.8 repeats after 401 |
//! | `session` | §2 log-in through CAS |
//! | `throttle` | §4.2 rate limit |
//! | `fault` | §4 error bodies, §6.4 refusals, §9 codes |
//! | `wire` | §1.3 value formats, §5 what is read |
//! | `payments` | §6.1 to §6.4 transfers |
//! | `providers` | §6.6 providers and their detection |
//! | `status` | §6.4 what became of a payment, through history |
//! | `reading` | §5 history, statistics, balance, receipt; §7.1 commission |
//! | `tariff` | §7.2 standard tariff |
//! | `cards` | §10 QIWI Master |
//! | `hooks`, `notification` | §11 registration, signature |
//! | `sandbox` | all of it, from the other side |
//!
//! The dialects `cas` and `token` are served; `st` is not.

mod cards;
mod config;
mod connection;
mod fault;
mod hooks;
mod network;
mod notification;
mod payments;
mod providers;
mod reading;
mod sandbox;
mod session;
mod status;
mod tariff;
mod throttle;
mod wire;

use plugin_sdk::connector::OutboundConnection;
use plugin_sdk::{ConfigError, Connector, Manifest, Plugin, Sandbox};
use schemars::generate::SchemaSettings;
use serde_json::Value;

pub use config::{Dialect, WalletConfig};
pub use connection::WalletConnection;
pub use hooks::{Hook, HookDirection, HookWithKey};
pub use sandbox::WalletSandbox;

/// The plugin `wallet`.
#[derive(Debug)]
pub struct WalletPlugin {
    manifest: Manifest,
}

impl WalletPlugin {
    #[must_use]
    pub fn new() -> Self {
        // Inlined, so that a form can be drawn without following references.
        let settings = || SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        Self {
            manifest: Manifest {
                name: "wallet",
                title: "QIWI Wallet",
                summary: "Pays out from a QIWI wallet, reads its history and balances, and issues its virtual cards.",
                config_schema: settings().into_generator().into_root_schema_for::<WalletConfig>(),
                options_schema: Some(
                    settings()
                        .into_generator()
                        .into_root_schema_for::<payments::PayoutOptions>(),
                ),
            },
        }
    }
}

impl Default for WalletPlugin {
    fn default() -> Self {
        Self::new()
    }
}

impl Plugin for WalletPlugin {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn check_config(&self, config: &Value) -> Result<(), ConfigError> {
        WalletConnection::new(config).map(|_| ())
    }

    fn connector(&self) -> Option<&dyn Connector> {
        Some(self)
    }

    fn sandbox(&self) -> Option<Box<dyn Sandbox>> {
        Some(Box::new(WalletSandbox::new()))
    }
}

impl Connector for WalletPlugin {
    fn bind(&self, config: &Value) -> Result<Box<dyn OutboundConnection>, ConfigError> {
        Ok(Box::new(WalletConnection::new(config)?))
    }
}
