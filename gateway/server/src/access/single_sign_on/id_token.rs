//! ID tokens (OpenID Connect Core, 3.1.3.7).

use chrono::{DateTime, Utc};
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Deserializer};

use super::is_over;

/// How far the provider's clock may be off, in seconds.
pub const LEEWAY_S: i64 = 60;
/// Signed by a key that only the provider has. A secret that we know, too, proves nothing, and `none` even less.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

#[derive(Debug, thiserror::Error)]
pub enum TokenFault {
    #[error("the provider's ID token is signed by a key that it does not publish")]
    UnknownKey,
    #[error("the provider's ID token cannot be believed: {0}")]
    Wrong(String),
}

fn wrong(why: impl Into<String>) -> TokenFault {
    TokenFault::Wrong(why.into())
}

pub struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub nonce: &'a str,
    pub now: DateTime<Utc>,
}

#[derive(Deserialize)]
pub struct Claims {
    pub sub: String,
    exp: i64,
    iat: i64,
    nonce: Option<String>,
    azp: Option<String>,
    /// Ways in which the person authenticated (RFC 8176).
    #[serde(default)]
    pub amr: Vec<String>,
    #[serde(flatten)]
    pub profile: Profile,
}

/// Claims that stand in the token or come from the UserInfo endpoint.
#[derive(Deserialize)]
pub struct Profile {
    pub email: Option<String>,
    #[serde(default, deserialize_with = "flag")]
    pub email_verified: bool,
    pub name: Option<String>,
}

/// Some providers write it as text.
fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Flag {
        Is(bool),
        Text(String),
    }
    Ok(match Flag::deserialize(deserializer)? {
        Flag::Is(is) => is,
        Flag::Text(text) => text == "true",
    })
}

pub fn read(token: &str, keys: &JwkSet, expected: &Expected<'_>) -> Result<Claims, TokenFault> {
    let header = jsonwebtoken::decode_header(token).map_err(|error| wrong(error.to_string()))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(wrong(format!("it is signed by {:?}", header.alg)));
    }
    let key = match &header.kid {
        Some(name) => keys.find(name),
        None => only(keys),
    };
    let key = DecodingKey::from_jwk(key.ok_or(TokenFault::UnknownKey)?).map_err(|error| wrong(error.to_string()))?;
    let mut validation = Validation::new(header.alg);
    validation.set_issuer(&[expected.issuer]);
    validation.set_audience(&[expected.client_id]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    // By the clock that we were given, below.
    validation.validate_exp = false;
    let read = jsonwebtoken::decode::<Claims>(token, &key, &validation);
    let claims = read.map_err(|error| wrong(error.to_string()))?.claims;
    if is_over(claims.exp, expected.now) {
        return Err(wrong("it has expired"));
    }
    if claims.iat > expected.now.timestamp() + LEEWAY_S {
        return Err(wrong("it is of the future"));
    }
    if claims.nonce.as_deref() != Some(expected.nonce) {
        return Err(wrong("it is for another question"));
    }
    if claims.azp.as_deref().is_some_and(|azp| azp != expected.client_id) {
        return Err(wrong("it was given to somebody else"));
    }
    Ok(claims)
}

/// The key that is meant where none is named: the only one that signs.
fn only(keys: &JwkSet) -> Option<&Jwk> {
    let signs = |key: &&Jwk| !matches!(key.common.public_key_use, Some(PublicKeyUse::Encryption));
    let mut signing = keys.keys.iter().filter(signs);
    let first = signing.next();
    first.filter(|_| signing.next().is_none())
}
