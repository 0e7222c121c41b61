//! Standard Webhooks signatures: HMAC-SHA256 over `id.timestamp.body`, one for each secret that is valid now.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use plugin_sdk::MerchantId;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

const SECRET_PREFIX: &str = "whsec_";
/// Random bytes of a generated secret. Standard Webhooks asks for 24 to 64.
const SECRET_BYTES: usize = 32;

#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("a webhook secret is `whsec_` and the base64 of 24 to 64 bytes")]
    Malformed,
    #[error("no random bytes could be had from the system")]
    NoRandomness,
}

/// Signs with all the secrets of one endpoint.
pub struct Signer {
    keys: Vec<hmac::Key>,
}

impl Signer {
    /// The present secret first, then one that is still valid during a rotation.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a SecretString>) -> Result<Self, SecretError> {
        let keys: Result<Vec<_>, _> = secrets.into_iter().map(key).collect();
        Ok(Self { keys: keys? })
    }

    /// The value of `webhook-signature`.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut signed = format!("{id}.{timestamp}.").into_bytes();
        signed.extend_from_slice(body);
        let signatures: Vec<String> = self
            .keys
            .iter()
            .map(|key| format!("v1,{}", BASE64.encode(hmac::sign(key, &signed))))
            .collect();
        signatures.join(" ")
    }
}

fn key(secret: &SecretString) -> Result<hmac::Key, SecretError> {
    let encoded = secret
        .expose_secret()
        .strip_prefix(SECRET_PREFIX)
        .ok_or(SecretError::Malformed)?;
    let bytes = Zeroizing::new(BASE64.decode(encoded).map_err(|_| SecretError::Malformed)?);
    if !(24..=64).contains(&bytes.len()) {
        return Err(SecretError::Malformed);
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

/// The place that a webhook secret of this merchant is sealed for.
#[must_use]
pub fn secret_place(merchant: MerchantId) -> String {
    format!("webhook_endpoint/{merchant}")
}

pub fn generate_secret() -> Result<SecretString, SecretError> {
    let mut bytes = Zeroizing::new([0_u8; SECRET_BYTES]);
    aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(|_| SecretError::NoRandomness)?;
    Ok(format!("{SECRET_PREFIX}{}", BASE64.encode(bytes.as_slice())).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks specification.
    #[test]
    fn signs_as_the_specification_does() {
        let secret: SecretString = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into();
        let signer = Signer::new([&secret]).unwrap();
        let signature = signer.sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn two_secrets_give_two_signatures() {
        let (new, old) = (generate_secret().unwrap(), generate_secret().unwrap());
        let both = Signer::new([&new, &old]).unwrap().sign("a", 1, b"{}");
        let alone = Signer::new([&old]).unwrap().sign("a", 1, b"{}");
        assert_eq!(both.split(' ').count(), 2);
        assert!(both.ends_with(&alone));
    }

    #[test]
    fn weak_secrets_are_refused() {
        for wrong in [
            "",
            "whsec_",
            "whsec_c2hvcnQ=",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_!!",
        ] {
            assert!(Signer::new([&wrong.into()]).is_err(), "{wrong}");
        }
    }
}
