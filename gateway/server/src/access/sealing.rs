//! Secrets at rest: AES-256-GCM under the master key, with the key's id in each record so that keys can rotate.

use std::collections::BTreeMap;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use zeroize::Zeroizing;

/// Length of the master key, in bytes.
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
/// Version of the record's format.
const FORMAT: &str = "v1";
/// Characters of the key's fingerprint that name it in a record.
const KEY_ID_LENGTH: usize = 8;

#[derive(Debug, thiserror::Error)]
pub enum SealingError {
    #[error("a master key has 64 hexadecimal digits; `tollgate keygen` makes one")]
    MalformedKey,
    #[error("no random bytes or no cipher could be had from the system")]
    Cipher,
    #[error("the secret was sealed under master key {sealed_with}, but the configured one is {configured}")]
    OtherKey { sealed_with: String, configured: String },
    #[error("the sealed secret is damaged, or belongs to another record")]
    Damaged,
}

/// Seals and opens secrets. Every secret is bound to the place it belongs to: a record copied elsewhere does not open.
pub struct Sealer {
    key: RandomizedNonceKey,
    key_id: String,
    /// Keys of before, by id: what is sealed under them still opens.
    previous: BTreeMap<String, RandomizedNonceKey>,
}

impl Sealer {
    pub fn from_hex(master_key: &SecretString) -> Result<Self, SealingError> {
        Self::with_previous(master_key, &[])
    }

    /// With keys that opened secrets before.
    pub fn with_previous(master_key: &SecretString, previous: &[SecretString]) -> Result<Self, SealingError> {
        let (key_id, key) = cipher(master_key)?;
        let previous: Result<_, _> = previous.iter().map(cipher).collect();
        Ok(Self {
            key,
            key_id,
            previous: previous?,
        })
    }

    /// Of the key that seals.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    #[must_use]
    pub fn knows(&self, key_id: &str) -> bool {
        key_id == self.key_id || self.previous.contains_key(key_id)
    }

    /// What every record begins with that this sealer makes.
    #[must_use]
    pub fn prefix(&self) -> String {
        format!("{FORMAT}.{}.", self.key_id)
    }

    /// `place` says whose secret it is, such as `webhook_endpoint/whe_01J…`.
    pub fn seal(&self, place: &str, secret: &SecretString) -> Result<String, SealingError> {
        let mut buffer = Zeroizing::new(secret.expose_secret().as_bytes().to_vec());
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(place.as_bytes()), &mut *buffer)
            .map_err(|_| SealingError::Cipher)?;
        let mut record = nonce.as_ref().to_vec();
        record.extend_from_slice(&buffer);
        Ok(format!("{}{}", self.prefix(), BASE64.encode(record)))
    }

    pub fn open(&self, place: &str, sealed: &str) -> Result<SecretString, SealingError> {
        let (key_id, record) = parts(sealed).ok_or(SealingError::Damaged)?;
        let key = match self.previous.get(key_id) {
            _ if key_id == self.key_id => &self.key,
            Some(key) => key,
            None => {
                return Err(SealingError::OtherKey {
                    sealed_with: key_id.to_owned(),
                    configured: self.key_id.clone(),
                });
            }
        };
        let record = BASE64.decode(record).map_err(|_| SealingError::Damaged)?;
        let (nonce, sealed) = record.split_at_checked(NONCE_BYTES).ok_or(SealingError::Damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealingError::Damaged)?;
        let mut buffer = Zeroizing::new(sealed.to_vec());
        let secret = key
            .open_in_place(nonce, Aad::from(place.as_bytes()), &mut buffer)
            .map_err(|_| SealingError::Damaged)?;
        let text = std::str::from_utf8(secret).map_err(|_| SealingError::Damaged)?;
        Ok(text.into())
    }
}

/// The id of the key that a record was sealed under.
#[must_use]
pub fn key_id_of(sealed: &str) -> Option<&str> {
    parts(sealed).map(|(key_id, _)| key_id)
}

fn parts(sealed: &str) -> Option<(&str, &str)> {
    let mut parts = sealed.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(FORMAT), Some(key_id), Some(record), None) => Some((key_id, record)),
        _ => None,
    }
}

fn cipher(master_key: &SecretString) -> Result<(String, RandomizedNonceKey), SealingError> {
    let bytes = key_bytes(master_key)?;
    let key = RandomizedNonceKey::new(&AES_256_GCM, bytes.expose_secret()).map_err(|_| SealingError::Cipher)?;
    Ok((fingerprint(bytes.expose_secret()), key))
}

/// A new master key, as the setting wants it.
pub fn generate_master_key() -> Result<SecretString, SealingError> {
    let mut bytes = Zeroizing::new([0_u8; KEY_BYTES]);
    aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(|_| SealingError::Cipher)?;
    Ok(hex(bytes.as_slice()).into())
}

fn key_bytes(text: &SecretString) -> Result<SecretSlice<u8>, SealingError> {
    let digits = text.expose_secret();
    if digits.len() != KEY_BYTES * 2 || !digits.is_ascii() {
        return Err(SealingError::MalformedKey);
    }
    let bytes: Result<Vec<u8>, _> = (0..KEY_BYTES)
        .map(|at| {
            digits
                .get(at * 2..at * 2 + 2)
                .and_then(|pair| u8::from_str_radix(pair, 16).ok())
        })
        .map(|byte| byte.ok_or(SealingError::MalformedKey))
        .collect();
    Ok(bytes?.into())
}

fn fingerprint(key: &[u8]) -> String {
    hex(digest(&SHA256, key).as_ref()).chars().take(KEY_ID_LENGTH).collect()
}

/// Lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer() -> Sealer {
        Sealer::from_hex(&generate_master_key().unwrap()).unwrap()
    }

    #[test]
    fn a_secret_opens_in_its_place_only() {
        let sealer = sealer();
        let sealed = sealer.seal("webhook_endpoint/a", &"whsec_x".into()).unwrap();
        assert!(!sealed.contains("whsec"));
        assert_eq!(
            sealer.open("webhook_endpoint/a", &sealed).unwrap().expose_secret(),
            "whsec_x"
        );
        assert!(matches!(
            sealer.open("webhook_endpoint/b", &sealed),
            Err(SealingError::Damaged)
        ));
    }

    #[test]
    fn another_key_is_named_and_damage_is_seen() {
        let sealed = sealer().seal("p", &"secret".into()).unwrap();
        assert!(matches!(
            sealer().open("p", &sealed),
            Err(SealingError::OtherKey { .. })
        ));
        let sealer = sealer();
        for damaged in ["", "v1", "v1.x.y.z", "v2.a.b"] {
            assert!(sealer.open("p", damaged).is_err(), "{damaged}");
        }
    }

    #[test]
    fn a_previous_key_opens_and_never_seals() {
        let (old, new) = (generate_master_key().unwrap(), generate_master_key().unwrap());
        let sealed = Sealer::from_hex(&old).unwrap().seal("p", &"secret".into()).unwrap();
        let both = Sealer::with_previous(&new, &[old]).unwrap();
        assert_eq!(both.open("p", &sealed).unwrap().expose_secret(), "secret");
        let fresh = both.seal("p", &"secret".into()).unwrap();
        assert!(fresh.starts_with(&both.prefix()) && !sealed.starts_with(&both.prefix()));
        assert!(Sealer::from_hex(&new).unwrap().open("p", &fresh).is_ok());
        assert!(both.knows(key_id_of(&sealed).unwrap()));
    }

    #[test]
    fn a_key_must_be_whole() {
        for wrong in ["", "00", &"g".repeat(64), &"0".repeat(63), &"я".repeat(32)] {
            assert!(
                matches!(Sealer::from_hex(&(*wrong).into()), Err(SealingError::MalformedKey)),
                "{wrong}"
            );
        }
    }
}
