//! What a session shows: a JWT of minutes with each request, a refresh token that changes each time it is used, and a
//! mark in browsers that signed in before.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use chrono::{DateTime, Duration, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use plugin_sdk::{PersonId, SessionId};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use store::{Store, StoreError};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::sealing::{Sealer, SealingError, hex};

/// An access token lives so long.
pub const ACCESS_TOKEN_LIFE: Duration = Duration::minutes(10);
const ISSUER: &str = "tollgate";
/// Random bytes of tokens.
const TOKEN_BYTES: usize = 32;
/// Where the key that signs sessions is kept.
const KEY_NAME: &str = "session_key";
const KEY_PLACE: &str = "installation/session_key";

#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error(transparent)]
    Sealing(#[from] SealingError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("an access token could not be signed")]
    Signing,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    sid: String,
    iat: i64,
    exp: i64,
}

/// Signs and reads tokens; the key is the installation's, the same on every node.
pub struct SessionTokens {
    sign: EncodingKey,
    verify: DecodingKey,
    mark: hmac::Key,
}

impl SessionTokens {
    /// With the installation's key, which is made when there is none yet.
    pub async fn open(store: &Store, sealer: &Arc<Sealer>, now: DateTime<Utc>) -> Result<Self, TokenError> {
        let fresh = sealer.seal(KEY_PLACE, &random_token()?)?;
        let sealed = store.installation_secret(KEY_NAME, &fresh, now).await?;
        let key = match sealer.open(KEY_PLACE, &sealed) {
            // Who has no master key of its own has another one at each start: nobody's session outlives that.
            Err(SealingError::OtherKey { .. }) => {
                store.forget_installation_secret(KEY_NAME, &sealed).await?;
                let sealed = store.installation_secret(KEY_NAME, &fresh, now).await?;
                sealer.open(KEY_PLACE, &sealed)?
            }
            opened => opened?,
        };
        let key = key.expose_secret().as_bytes();
        Ok(Self {
            sign: EncodingKey::from_secret(key),
            verify: DecodingKey::from_secret(key),
            mark: hmac::Key::new(hmac::HMAC_SHA256, key),
        })
    }

    /// For each request, as `Authorization: Bearer`.
    pub fn access_token(
        &self,
        person: PersonId,
        session: SessionId,
        now: DateTime<Utc>,
    ) -> Result<(SecretString, DateTime<Utc>), TokenError> {
        let expires_at = now + ACCESS_TOKEN_LIFE;
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: person.to_string(),
            sid: session.to_string(),
            iat: now.timestamp(),
            exp: expires_at.timestamp(),
        };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.sign);
        Ok((token.map_err(|_| TokenError::Signing)?.into(), expires_at))
    }

    /// Whose it is; `None` for one that is forged, over, or something else.
    #[must_use]
    pub fn read(&self, token: &str, now: DateTime<Utc>) -> Option<(PersonId, SessionId)> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        // By the clock that we were given, below.
        validation.validate_exp = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &self.verify, &validation)
            .ok()?
            .claims;
        if claims.exp <= now.timestamp() {
            return None;
        }
        Some((claims.sub.parse().ok()?, claims.sid.parse().ok()?))
    }

    /// The mark of a browser in which this person signed in.
    pub fn device_mark(&self, person: PersonId) -> Result<String, SealingError> {
        let nonce = random_token()?;
        let text = format!("{person}.{}", nonce.expose_secret());
        Ok(format!("{text}.{}", self.tag(&text)))
    }

    /// Whether a browser's mark is ours and this person's.
    #[must_use]
    pub fn is_device_of(&self, mark: &str, person: PersonId) -> bool {
        let Some((text, tag)) = mark.rsplit_once('.') else {
            return false;
        };
        let right: bool = self.tag(text).as_bytes().ct_eq(tag.as_bytes()).into();
        right
            && text
                .split_once('.')
                .is_some_and(|(owner, _)| owner == person.to_string())
    }

    fn tag(&self, text: &str) -> String {
        hex(hmac::sign(&self.mark, text.as_bytes()).as_ref())
    }
}

/// 256 random bits, as text.
pub fn random_token() -> Result<SecretString, SealingError> {
    let mut bytes = Zeroizing::new([0_u8; TOKEN_BYTES]);
    aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(|_| SealingError::Cipher)?;
    Ok(hex(bytes.as_slice()).into())
}

/// A random token as it is stored.
#[must_use]
pub fn token_hash(token: &str) -> String {
    hex(digest(&SHA256, token.as_bytes()).as_ref())
}
