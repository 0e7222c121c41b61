//! QIWI PAY, card acquiring: the payment page (a signed link or form) and the server API (one address, operations by
//! number, a client certificate). Source of every fact is `protocols/qiwi-pay.md`; what the code cites as §n is a section
//! of it, D-n one of its decisions:
//!
//! | Module | Sections |
//! | --- | --- |
//! | `config` | §1 addresses, §7 sources of callbacks, D-3, D-11 |
//! | `sign`, `parameters` | §3 signature, §1.2 encoding |
//! | `purchase` | §4 payment page, §5 sale and auth, §8 tokens of phones |
//! | `steps` | §6.1 to §6.4: end of 3-D Secure, capture, reversal, refund |
//! | `payout`, `cards` | §6.5, §6.7 |
//! | `status` | §6.6, and §14 where there are no merchants' ids |
//! | `callback` | §7 |
//! | `deal`, `avia`, `cheque` | §10, §9, §11 |
//! | `errors` | §13 |
//! | `sandbox` | the far side, written from the document and sharing nothing with the rest |

mod answer;
mod avia;
mod callback;
mod cards;
mod cheque;
mod config;
mod connection;
mod deal;
mod errors;
mod options;
mod packing;
mod parameters;
mod payout;
mod purchase;
pub mod sandbox;
mod sign;
mod status;
mod steps;

use plugin_sdk::connector::OutboundConnection;
use plugin_sdk::{ConfigError, Connector, Manifest, Plugin, Sandbox};
use schemars::generate::SchemaSettings;
use serde_json::Value;

pub use avia::{IndustryData, Segment, Ticket};
pub use cards::LinkedCard;
pub use config::{Config, DealField, NestedSign, PageBy, SafeDeal};
pub use connection::QiwiPayConnection;
pub use options::Options;

/// The plugin `qiwi-pay`.
#[derive(Debug)]
pub struct QiwiPayPlugin {
    manifest: Manifest,
}

impl QiwiPayPlugin {
    #[must_use]
    pub fn new() -> Self {
        // Inlined, so that a form can be drawn without following references.
        let settings = || SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        Self {
            manifest: Manifest {
                name: "qiwi-pay",
                title: "QIWI PAY",
                summary: "Takes cards on QIWI's payment page or over its server API, with holds, refunds and payouts.",
                config_schema: settings().into_generator().into_root_schema_for::<Config>(),
                options_schema: Some(settings().into_generator().into_root_schema_for::<Options>()),
            },
        }
    }
}

impl Default for QiwiPayPlugin {
    fn default() -> Self {
        Self::new()
    }
}

impl Plugin for QiwiPayPlugin {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn check_config(&self, config: &Value) -> Result<(), ConfigError> {
        QiwiPayConnection::new(config).map(|_| ())
    }

    fn connector(&self) -> Option<&dyn Connector> {
        Some(self)
    }

    fn sandbox(&self) -> Option<Box<dyn Sandbox>> {
        Some(Box::new(sandbox::QiwiPaySandbox::new()))
    }
}

impl Connector for QiwiPayPlugin {
    fn bind(&self, config: &Value) -> Result<Box<dyn OutboundConnection>, ConfigError> {
        Ok(Box::new(QiwiPayConnection::new(config)?))
    }
}
