//! QIWI's terminal XML protocol, provider side.
//!
//! QIWI is the client and calls one address with `command=getInfo`, `check` or `pay`; the provider answers a small XML
//! document. Source of every fact here is `protocols/terminal.md`; what the code cites as §n is a section of it:
//!
//! | Module | Sections |
//! | --- | --- |
//! | `profile` | §9.8 service profile, with §2 (subnets), §3 (authentication) |
//! | `parse` | §2.1 parsing, §4 parameters, §9.5 order of objections, §14 vectors |
//! | `render` | §5 documents, §6 examples, §7 codes |
//! | `moscow` | §9.6 `txn_date` |
//! | `settlement` | §9.9 daily settlement registry |
//!
//! Variants A, B and C are served; B and C are one on the wire. D is not (§10), nor are the dialects of §11.
//! Everything here is a pure function of bytes and config.

mod moscow;
mod parse;
mod profile;
mod render;
mod settlement;

use plugin_sdk::{
    Access, ConfigError, InboundConnection, InboundProtocol, Manifest, NetworkAnswer, NetworkRequest, Plugin,
    RawAnswer, RawRequest, Settlement, SettlementError,
};
use schemars::generate::SchemaSettings;
use serde_json::Value;

pub use profile::{Auth, CheckAmount, DataParameter, FieldMapping, Registry, ServiceProfile, Variant};
use profile::{Service, read_config};

/// The plugin `terminal`.
#[derive(Debug)]
pub struct TerminalPlugin {
    manifest: Manifest,
}

impl TerminalPlugin {
    #[must_use]
    pub fn new() -> Self {
        // Inlined, so that a form can be drawn without following references.
        let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        Self {
            manifest: Manifest {
                name: "terminal",
                title: "QIWI terminals",
                summary: "Takes cash payments from QIWI's terminals and wallet: QIWI asks, the gateway answers.",
                config_schema: settings.into_generator().into_root_schema_for::<ServiceProfile>(),
                options_schema: None,
            },
        }
    }
}

impl Default for TerminalPlugin {
    fn default() -> Self {
        Self::new()
    }
}

impl Plugin for TerminalPlugin {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn check_config(&self, config: &Value) -> Result<(), ConfigError> {
        TerminalConnection::new(config).map(|_| ())
    }

    fn inbound(&self) -> Option<&dyn InboundProtocol> {
        Some(self)
    }
}

/// "10-15 simultaneous connections once the flow is about 10 payments a minute or more".
const CONNECTIONS_AT_ONCE: u32 = 15;

impl InboundProtocol for TerminalPlugin {
    fn bind(&self, config: &Value) -> Result<Box<dyn InboundConnection>, ConfigError> {
        Ok(Box::new(TerminalConnection::new(config)?))
    }

    fn connections_min(&self) -> u32 {
        CONNECTIONS_AT_ONCE
    }
}

struct TerminalConnection {
    service: Service,
}

impl TerminalConnection {
    fn new(config: &Value) -> Result<Self, ConfigError> {
        Ok(Self {
            service: Service::check(read_config(config)?)?,
        })
    }
}

impl InboundConnection for TerminalConnection {
    fn access(&self) -> &Access {
        &self.service.access
    }

    fn parse(&self, raw: &RawRequest<'_>) -> NetworkRequest {
        parse::parse(&self.service, raw)
    }

    fn render(&self, request: &NetworkRequest, answer: &NetworkAnswer) -> RawAnswer {
        render::render(&self.service, request, answer)
    }

    fn render_unauthorized(&self) -> RawAnswer {
        render::render_unauthorized()
    }

    fn account_check_url(&self) -> Option<&str> {
        self.service.check_url.as_deref()
    }

    fn requires_check(&self) -> bool {
        self.service.require_check
    }

    /// §1, §8: the check of B and C registers the payment, that of A is a lookup only.
    fn check_registers(&self) -> bool {
        self.service.variant == Variant::BC
    }

    fn read_settlement(&self, file_name: &str, bytes: &[u8]) -> Result<Settlement, SettlementError> {
        settlement::read(&self.service, file_name, bytes)
    }
}
