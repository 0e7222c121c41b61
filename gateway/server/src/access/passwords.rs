//! Passwords of connections: hashed at rest, checked in constant time, cheap once proven.

use std::sync::{OnceLock, PoisonError, RwLock};

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

/// A longer `Authorization` header is not looked at, in bytes.
const HEADER_BYTES_MAX: usize = 1_024;

#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    #[error("a login has 1 to 64 printable ASCII characters and no colon")]
    Login,
    #[error("a password has 1 to 128 printable ASCII characters")]
    Password,
    #[error("the password could not be hashed")]
    Hash,
}

/// Checks a login and hashes its password (Argon2id, PHC format).
pub fn hash(login: &str, password: &str) -> Result<String, PasswordError> {
    let printable = |text: &str| text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if login.is_empty() || login.len() > 64 || login.contains(':') || !printable(login) {
        return Err(PasswordError::Login);
    }
    if !(1..=128).contains(&password.len()) || !printable(password) {
        return Err(PasswordError::Password);
    }
    hash_password(password)
}

/// Whether a password is the one that was hashed. Tens of milliseconds of processor time.
#[must_use]
pub fn verify(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

fn hash_password(password: &str) -> Result<String, PasswordError> {
    let hash = Argon2::default()
        .hash_password(password.as_bytes())
        .map_err(|_| PasswordError::Hash)?;
    Ok(hash.to_string())
}

/// The HTTP Basic login of one connection.
///
/// Argon2 takes tens of milliseconds, which no request can pay. So the first right password is remembered as a MAC under
/// a key of this process; from then on a password is right if and only if its MAC is that one.
pub struct BasicLogin {
    login: String,
    password_hash: String,
    proven: RwLock<Option<hmac::Tag>>,
}

impl BasicLogin {
    #[must_use]
    pub fn new(login: String, password_hash: String) -> Self {
        Self {
            login,
            password_hash,
            proven: RwLock::new(None),
        }
    }

    /// What can be said without Argon2; `None` when it has to be asked.
    #[must_use]
    pub fn quick_check(&self, header: Option<&str>) -> Option<bool> {
        let Some(credentials) = header.and_then(Credentials::parse) else {
            return Some(false);
        };
        let login_tag = tag(self.login.as_bytes());
        if hmac::verify(process_key(), credentials.login.as_bytes(), login_tag.as_ref()).is_err() {
            return Some(false);
        }
        let proven = self.proven.read().unwrap_or_else(PoisonError::into_inner);
        let proven = proven.as_ref()?;
        Some(hmac::verify(process_key(), credentials.password.as_bytes(), proven.as_ref()).is_ok())
    }

    /// Takes over what an earlier form of the same login has proven.
    #[must_use]
    pub fn with_proof_of(self, earlier: &Self) -> Self {
        if self.login == earlier.login && self.password_hash == earlier.password_hash {
            let proven = *earlier.proven.read().unwrap_or_else(PoisonError::into_inner);
            *self.proven.write().unwrap_or_else(PoisonError::into_inner) = proven;
        }
        self
    }

    /// The full check: tens of milliseconds of processor time, so not for an I/O thread.
    #[must_use]
    pub fn slow_check(&self, header: &str) -> bool {
        let Some(credentials) = Credentials::parse(header) else {
            return false;
        };
        let password_is_right = verify(&credentials.password, &self.password_hash);
        if password_is_right {
            let tag = tag(credentials.password.as_bytes());
            *self.proven.write().unwrap_or_else(PoisonError::into_inner) = Some(tag);
        }
        let login_tag = tag(self.login.as_bytes());
        let login_is_right = hmac::verify(process_key(), credentials.login.as_bytes(), login_tag.as_ref()).is_ok();
        password_is_right & login_is_right
    }
}

struct Credentials {
    login: String,
    password: String,
}

impl Credentials {
    fn parse(header: &str) -> Option<Self> {
        if header.len() > HEADER_BYTES_MAX {
            return None;
        }
        let (scheme, encoded) = header.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let decoded = String::from_utf8(BASE64.decode(encoded.trim()).ok()?).ok()?;
        let (login, password) = decoded.split_once(':')?;
        Some(Self {
            login: login.to_owned(),
            password: password.to_owned(),
        })
    }
}

/// The login that a header claims, to choose a connection by; proves nothing.
#[must_use]
pub fn claimed_login(header: &str) -> Option<String> {
    Credentials::parse(header).map(|credentials| credentials.login)
}

fn tag(bytes: &[u8]) -> hmac::Tag {
    hmac::sign(process_key(), bytes)
}

fn process_key() -> &'static hmac::Key {
    static KEY: OnceLock<hmac::Key> = OnceLock::new();
    KEY.get_or_init(|| {
        let mut bytes = [0_u8; 32];
        if aws_lc_rs::rand::fill(&mut bytes).is_err() {
            // Without randomness the tags are still compared in constant time; they never leave this process.
            tracing::error!("no random bytes could be had from the system");
        }
        hmac::Key::new(hmac::HMAC_SHA256, &bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(login: &str, password: &str) -> String {
        format!("Basic {}", BASE64.encode(format!("{login}:{password}")))
    }

    #[test]
    fn the_right_password_is_remembered_and_wrong_ones_stay_wrong() {
        let login = BasicLogin::new("Login".to_owned(), hash("Login", "Password").unwrap());
        let right = header("Login", "Password");
        assert_eq!(right, "Basic TG9naW46UGFzc3dvcmQ=");
        assert_eq!(login.quick_check(Some(&right)), None);
        assert!(!login.slow_check(&header("Login", "password")));
        assert_eq!(login.quick_check(Some(&right)), None);
        assert!(login.slow_check(&right));
        assert_eq!(login.quick_check(Some(&right)), Some(true));
        assert_eq!(login.quick_check(Some(&header("Login", "password"))), Some(false));
        assert_eq!(login.quick_check(Some(&header("login", "Password"))), Some(false));
    }

    #[test]
    fn what_is_not_basic_is_refused_at_once() {
        let login = BasicLogin::new("Login".to_owned(), hash("Login", "Password").unwrap());
        for wrong in [
            None,
            Some(""),
            Some("Basic"),
            Some("Basic !!!"),
            Some("Bearer x"),
            Some("Basic TG9naW4="),
        ] {
            assert_eq!(login.quick_check(wrong), Some(false), "{wrong:?}");
        }
        assert!(!login.slow_check(&header("other", "Password")));
    }

    #[test]
    fn logins_and_passwords_have_bounds() {
        assert!(matches!(hash("a:b", "Password"), Err(PasswordError::Login)));
        assert!(matches!(hash("", "Password"), Err(PasswordError::Login)));
        assert!(matches!(hash("login", ""), Err(PasswordError::Password)));
        assert!(matches!(hash("login", "пароль-пароль"), Err(PasswordError::Password)));
    }
}
