//! Certificates: what they say, which ones are known to be whose, and our own authority.

mod info;
mod register;

pub use info::{CertificateError, CertificateInfo, ChainLink, chain_of, describe, sha256};
pub use register::{Binding, Proof, Recognised, Register, Unrecognised};
