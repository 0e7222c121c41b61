//! QIWI's Payin API ("QIWI Kassa"): bills that are paid on QIWI's form, payments by card, token and SBP, captures,
//! refunds, safe-deal payouts; and a simulator of QIWI's side.
//!
//! Source of every fact here is `protocols/payin.md`; what the code cites as §n is a section of it, D-n a decision of
//! its §17:
//!
//! | Module | Sections |
//! | --- | --- |
//! | `config` | §1 addresses and keys, §13 times |
//! | `api`, `fault` | §1 transport, §9.1, §9.2 errors |
//! | `wire` | §2 scalars, §4 shared objects |
//! | `reasons` | §9.3, §9.4 declines |
//! | `bills`, `payments`, `qr` | §5.1 to §5.6, §5.14, §5.15 |
//! | `steps` | §5.7 to §5.12 captures and refunds |
//! | `payouts` | §5.17, `verification` §5.16 |
//! | `status` | what became of a payment and of its steps |
//! | `notifications` | §11 |
//! | `cheque`, `options` | §14, §4.3 to §4.5 |
//! | `sandbox` | QIWI's side, written from the document alone |

mod api;
mod bills;
mod cheque;
mod config;
mod connection;
mod fault;
mod kept;
mod notifications;
mod options;
mod payments;
mod payouts;
mod qr;
mod reasons;
pub mod sandbox;
mod signing;
mod status;
mod steps;
mod verification;
mod wire;

use plugin_sdk::connector::OutboundConnection;
use plugin_sdk::{ConfigError, Connector, Manifest, Plugin, Sandbox};
use schemars::generate::SchemaSettings;
use serde_json::Value;

pub use config::{HoldEnds, PayinConfig};
pub use connection::PayinConnection;
pub use options::PayinOptions;
pub use verification::{CardCheck, CheckState};

/// The plugin `payin`.
#[derive(Debug)]
pub struct PayinPlugin {
    manifest: Manifest,
}

impl PayinPlugin {
    #[must_use]
    pub fn new() -> Self {
        // Inlined, so that a form can be drawn without following references.
        let generator = || {
            let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
            settings.into_generator()
        };
        Self {
            manifest: Manifest {
                name: "payin",
                title: "QIWI Payin",
                summary: "Takes card and SBP payments on QIWI's form or from your own, and pays out of safe deals.",
                config_schema: generator().into_root_schema_for::<PayinConfig>(),
                options_schema: Some(generator().into_root_schema_for::<PayinOptions>()),
            },
        }
    }
}

impl Default for PayinPlugin {
    fn default() -> Self {
        Self::new()
    }
}

impl Plugin for PayinPlugin {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn check_config(&self, config: &Value) -> Result<(), ConfigError> {
        PayinConnection::bind(config).map(|_| ())
    }

    fn connector(&self) -> Option<&dyn Connector> {
        Some(self)
    }

    fn sandbox(&self) -> Option<Box<dyn Sandbox>> {
        Some(Box::new(sandbox::PayinSandbox::new()))
    }
}

impl Connector for PayinPlugin {
    fn bind(&self, config: &Value) -> Result<Box<dyn OutboundConnection>, ConfigError> {
        Ok(Box::new(PayinConnection::bind(config)?))
    }
}
