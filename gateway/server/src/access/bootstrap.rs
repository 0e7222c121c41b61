//! The token of the first operator.

use aws_lc_rs::digest::{SHA256, digest};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

/// Shorter tokens could be guessed, in characters.
const LENGTH_MIN: usize = 16;

#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    #[error("admin.bootstrap_token is shorter than {LENGTH_MIN} characters; `openssl rand -hex 32` makes a good one")]
    TooShort,
}

/// Knows the token by its hash only.
pub struct BootstrapToken {
    hash: Vec<u8>,
}

impl BootstrapToken {
    pub fn new(token: &SecretString) -> Result<Self, BootstrapError> {
        if token.expose_secret().len() < LENGTH_MIN {
            return Err(BootstrapError::TooShort);
        }
        Ok(Self {
            hash: digest(&SHA256, token.expose_secret().as_bytes()).as_ref().to_vec(),
        })
    }

    #[must_use]
    pub fn is(&self, claimed: &str) -> bool {
        digest(&SHA256, claimed.as_bytes()).as_ref().ct_eq(&self.hash).into()
    }
}
