//! TLS on the public listeners: which certificate under which name, who proves what, and for how long it holds.

mod handshake;
mod identity;
mod keeper;
mod names;
mod probe;
pub mod trial;
mod turns;
mod verifier;

use std::sync::Arc;

use plugin_sdk::MerchantId;
use rustls::crypto::CryptoProvider;

use crate::edge::certificates::Proof;

pub use handshake::{HandshakeError, Terminator, TerminatorOptions};
pub use identity::{ServerIdentity, ServerIdentityError};
pub use keeper::{CertificateFile, Keeper, KeeperError, server_certificate_place};
pub use names::{is_host_name, matches};
pub use probe::ProbeReport;

/// What a handshake established.
pub struct Tls {
    /// The name that was asked for, in lower case.
    pub name: String,
    /// Whose name it is; `None` for one of the installation.
    pub merchant: Option<MerchantId>,
    /// The verified client certificate, if one was shown.
    pub proof: Option<Proof>,
}

/// The one cryptographic provider of the process.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
