//! JWTs that merchants' systems sign themselves, as the alternative to an API key: the private key never leaves them.
//! The public key is registered; its id is the token's `kid`.

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use plugin_sdk::ApiKeyId;
use serde::Deserialize;

/// Who tokens are for: a token that was signed for somebody else opens nothing here.
const AUDIENCE: &str = "tollgate";
/// The longest life of a token, in seconds: a stolen one is soon worth nothing.
const LIFE_S_MAX: i64 = 3_600;
/// Clocks may differ by so much, in seconds.
const LEEWAY_S: i64 = 60;
/// Longest token and public key, in bytes.
const TOKEN_BYTES_MAX: usize = 8 * 1024;
const PEM_BYTES_MAX: usize = 8 * 1024;
/// Bytes of an uncompressed point on P-256.
const P256_POINT_BYTES: usize = 65;
/// Shorter RSA keys can be broken; in bytes of their DER form (2,048 bits).
const RSA_DER_BYTES_MIN: usize = 256;

#[derive(Deserialize)]
struct Claims {
    iat: i64,
    exp: i64,
    /// Scopes, with spaces between; absent for all of the key's.
    scope: Option<String>,
}

/// What a right token says.
#[derive(Debug, PartialEq, Eq)]
pub struct Told {
    /// Narrows the key's scopes.
    pub scopes: Option<Vec<String>>,
}

/// Whether a text has the form of a JWT, whosever it is.
#[must_use]
pub fn looks_like_one(text: &str) -> bool {
    text.len() <= TOKEN_BYTES_MAX && text.split('.').count() == 3
}

/// The key that a token names. Proves nothing yet.
#[must_use]
pub fn key_of(token: &str) -> Option<ApiKeyId> {
    let header = jsonwebtoken::decode_header(token).ok()?;
    header.kid?.parse().ok()
}

/// Whether a registered key can be used, and what tokens under it are signed with.
pub fn read_key(pem: &str) -> Result<(DecodingKey, Algorithm), &'static str> {
    const FORM: &str = "is not a public key in PEM: RSA of at least 2048 bits, EC on P-256, or Ed25519";
    if pem.len() > PEM_BYTES_MAX || pem.contains("PRIVATE") {
        return Err("is a private key, or too long; send the public key alone");
    }
    let bytes = pem.as_bytes();
    let long = |key: &DecodingKey| key.try_get_as_bytes().map_or(0, <[u8]>::len);
    if let Ok(key) = DecodingKey::from_ed_pem(bytes) {
        return Ok((key, Algorithm::EdDSA));
    }
    if let Ok(key) = DecodingKey::from_ec_pem(bytes) {
        return if long(&key) == P256_POINT_BYTES {
            Ok((key, Algorithm::ES256))
        } else {
            Err(FORM)
        };
    }
    match DecodingKey::from_rsa_pem(bytes) {
        Ok(key) if long(&key) >= RSA_DER_BYTES_MIN => Ok((key, Algorithm::RS256)),
        _ => Err(FORM),
    }
}

/// What the token says, if this key signed it and its time is not over.
#[must_use]
pub fn verify(token: &str, pem: &str, now: DateTime<Utc>) -> Option<Told> {
    let (key, algorithm) = read_key(pem).ok()?;
    // The algorithm is the key's; what the token claims of it decides nothing.
    let mut validation = Validation::new(algorithm);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["exp", "aud"]);
    // By the clock that we were given, below.
    validation.validate_exp = false;
    let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation).ok()?.claims;
    let now = now.timestamp();
    let alive = claims.exp > now - LEEWAY_S && claims.iat <= now + LEEWAY_S;
    let short = claims
        .exp
        .checked_sub(claims.iat)
        .is_some_and(|life| (1..=LIFE_S_MAX).contains(&life));
    (alive && short).then(|| Told {
        scopes: claims
            .scope
            .map(|scopes| scopes.split_whitespace().map(str::to_owned).collect()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD as BASE64;
    use jsonwebtoken::{EncodingKey, Header};
    use serde_json::{Value, json};

    // Made for this test alone: `openssl genpkey -algorithm ed25519`, `openssl pkey -pubout`.
    fn pair() -> (EncodingKey, String) {
        use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
        let document = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
        let mut info = vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
        info.extend_from_slice(pair.public_key().as_ref());
        let pem = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            BASE64.encode(info)
        );
        (EncodingKey::from_ed_der(document.as_ref()), pem)
    }

    fn token(key: &EncodingKey, algorithm: Algorithm, claims: &Value) -> String {
        let mut header = Header::new(algorithm);
        header.kid = Some(ApiKeyId::generate().to_string());
        jsonwebtoken::encode(&header, claims, key).unwrap()
    }

    #[test]
    fn a_token_opens_within_its_time_and_for_us_alone() {
        let (key, pem) = pair();
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let at = now.timestamp();
        let told = |claims: Value| verify(&token(&key, Algorithm::EdDSA, &claims), &pem, now);
        let right = json!({"aud": "tollgate", "iat": at, "exp": at + 300, "scope": "payments:read events:read"});
        let scopes = vec!["payments:read".to_owned(), "events:read".to_owned()];
        assert_eq!(told(right), Some(Told { scopes: Some(scopes) }));
        assert_eq!(
            told(json!({"aud": "tollgate", "iat": at, "exp": at + 300})),
            Some(Told { scopes: None })
        );
        for wrong in [
            json!({"aud": "another", "iat": at, "exp": at + 300}),
            json!({"iat": at, "exp": at + 300}),
            json!({"aud": "tollgate", "exp": at + 300}),
            json!({"aud": "tollgate", "iat": at}),
            json!({"aud": "tollgate", "iat": at - 600, "exp": at - 300}),
            json!({"aud": "tollgate", "iat": at + 600, "exp": at + 900}),
            json!({"aud": "tollgate", "iat": at, "exp": at + 86_400}),
            json!({"aud": "tollgate", "iat": at, "exp": at}),
        ] {
            assert_eq!(told(wrong.clone()), None, "{wrong}");
        }
    }

    #[test]
    fn another_key_and_another_algorithm_open_nothing() {
        let ((key, pem), (_, others)) = (pair(), pair());
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let claims = json!({"aud": "tollgate", "iat": now.timestamp(), "exp": now.timestamp() + 60});
        let right = token(&key, Algorithm::EdDSA, &claims);
        assert!(verify(&right, &pem, now).is_some());
        assert_eq!(verify(&right, &others, now), None);
        // The classic: the public key's text as the secret of an HMAC.
        let forged = token(&EncodingKey::from_secret(pem.as_bytes()), Algorithm::HS256, &claims);
        assert_eq!(verify(&forged, &pem, now), None);
        let (head, rest) = right.split_once('.').unwrap();
        assert!(!head.is_empty());
        let none = format!("eyJhbGciOiJub25lIn0.{rest}");
        assert_eq!(verify(&none, &pem, now), None);
    }

    fn pem(label: &str, der: &[u8]) -> String {
        format!(
            "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
            BASE64.encode(der)
        )
    }

    #[test]
    fn rsa_and_p256_sign_too() {
        use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
        use aws_lc_rs::rsa;
        use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let claims = json!({"aud": "tollgate", "iat": now.timestamp(), "exp": now.timestamp() + 60});
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let private = pair.to_pkcs8v1().unwrap();
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let key = EncodingKey::from_ec_pem(pem("PRIVATE KEY", private.as_ref()).as_bytes()).unwrap();
        let right = token(&key, Algorithm::ES256, &claims);
        assert!(verify(&right, &pem("PUBLIC KEY", public.as_ref()), now).is_some());

        let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
        let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let key = EncodingKey::from_rsa_pem(pem("PRIVATE KEY", private.as_ref()).as_bytes()).unwrap();
        let right = token(&key, Algorithm::RS256, &claims);
        assert!(verify(&right, &pem("PUBLIC KEY", public.as_ref()), now).is_some());
        let other = token(&key, Algorithm::RS512, &claims);
        assert_eq!(verify(&other, &pem("PUBLIC KEY", public.as_ref()), now), None);
    }

    #[test]
    fn only_public_keys_that_hold_are_registered() {
        let (_, pem) = pair();
        assert!(read_key(&pem).is_ok());
        for wrong in [
            "",
            "x",
            "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----",
            &"x".repeat(9_000),
        ] {
            assert!(read_key(wrong).is_err(), "{wrong}");
        }
    }
}
