//! Certificates: what they say, which ones are known to be whose, our own authority, and files that carry them.

pub mod authority;
mod desk;
mod info;
pub mod pem;
pub mod pkcs12;
mod register;

pub use desk::{CertificateDesk, CertificateRefusal, Handout, IssueDraft, ServerDraft, ServerSource, Trust};
pub use info::{CertificateError, CertificateInfo, ChainLink, chain_of, describe, sha256};
pub use register::{Binding, Proof, Recognised, Register, Unrecognised};
