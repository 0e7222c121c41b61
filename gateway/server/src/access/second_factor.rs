//! The second factor: codes of an authenticator (RFC 6238, SHA-1, six digits, 30 seconds), and recovery codes for the day
//! when it is lost.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use qrcode::QrCode;
use qrcode::render::svg;
use secrecy::{ExposeSecret, SecretString};
use totp_rs::{Builder, Secret, Totp};
use zeroize::Zeroizing;

use super::sealing::{SealingError, hex};

const SECRET_BYTES: usize = 20;
const ISSUER: &str = "Tollgate";
/// Codes that stand for the authenticator once each.
pub const RECOVERY_CODES: usize = 10;
/// Random bytes of a recovery code.
const RECOVERY_BYTES: usize = 8;
/// Pixels of the picture that is scanned.
const PICTURE_SIZE: u32 = 200;

#[derive(Debug, thiserror::Error)]
pub enum FactorError {
    #[error(transparent)]
    Sealing(#[from] SealingError),
    #[error("the second factor's secret cannot be used")]
    Secret,
}

/// A new secret, as it is sealed.
pub fn generate() -> Result<SecretString, FactorError> {
    let mut bytes = Zeroizing::new([0_u8; SECRET_BYTES]);
    aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(|_| SealingError::Cipher)?;
    Ok(BASE64.encode(bytes.as_slice()).into())
}

/// What an authenticator is given.
pub struct Enrolment {
    /// In Base32, to type.
    pub secret: String,
    /// `otpauth://…`
    pub url: String,
    /// The same as a picture to scan.
    pub qr_svg: String,
}

pub fn enrolment(secret: &SecretString, account: &str) -> Result<Enrolment, FactorError> {
    let totp = totp(secret, account)?;
    let url = totp.to_url().map_err(|_| FactorError::Secret)?;
    let code = QrCode::new(url.as_bytes()).map_err(|_| FactorError::Secret)?;
    let picture = code
        .render::<svg::Color<'_>>()
        .min_dimensions(PICTURE_SIZE, PICTURE_SIZE)
        .build();
    let typed = url::Url::parse(&url).map_err(|_| FactorError::Secret)?;
    let typed = typed.query_pairs().find(|(name, _)| name == "secret");
    Ok(Enrolment {
        secret: typed.map(|(_, value)| value.into_owned()).ok_or(FactorError::Secret)?,
        url,
        qr_svg: picture,
    })
}

/// The time step whose code this is, if it is one of now or a step beside.
pub fn step_of(secret: &SecretString, code: &str, unix_time: i64) -> Result<Option<i64>, FactorError> {
    let totp = totp(secret, "person")?;
    let code: String = code.chars().filter(|char| !char.is_whitespace()).collect();
    let step = totp.check(&code, u64::try_from(unix_time).unwrap_or_default());
    Ok(step.and_then(|step| i64::try_from(step).ok()))
}

fn totp(secret: &SecretString, account: &str) -> Result<Totp, FactorError> {
    let bytes = BASE64.decode(secret.expose_secret()).map_err(|_| FactorError::Secret)?;
    let builder = Builder::new()
        .with_secret(Secret::new(bytes.into_boxed_slice()))
        .with_account_name(account.replace(':', " "))
        .with_issuer(Some(ISSUER));
    builder.build().map_err(|_| FactorError::Secret)
}

/// Fresh recovery codes, to be shown once.
pub fn recovery_codes() -> Result<Vec<String>, FactorError> {
    let mut codes = Vec::with_capacity(RECOVERY_CODES);
    for _ in 0..RECOVERY_CODES {
        let mut bytes = Zeroizing::new([0_u8; RECOVERY_BYTES]);
        aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(|_| SealingError::Cipher)?;
        let digits = hex(bytes.as_slice());
        let groups: Vec<String> = (digits.as_bytes().chunks(4))
            .map(|group| String::from_utf8_lossy(group).into_owned())
            .collect();
        codes.push(groups.join("-"));
    }
    Ok(codes)
}

/// A recovery code as it is stored: nobody guesses 64 bits, so a quick hash does.
#[must_use]
pub fn recovery_hash(person: &str, code: &str) -> String {
    let code: String = code.chars().filter(char::is_ascii_hexdigit).collect();
    hex(digest(&SHA256, format!("{person}/{}", code.to_ascii_lowercase()).as_bytes()).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B: the secret "12345678901234567890" at 59 s; the last six digits.
    #[test]
    fn the_rfc_s_vector() {
        let secret: SecretString = BASE64.encode("12345678901234567890").into();
        assert_eq!(step_of(&secret, "287 082", 59).unwrap(), Some(1));
        assert_eq!(step_of(&secret, "287082", 59 + 30).unwrap(), Some(1), "a step late");
        assert_eq!(step_of(&secret, "287082", 59 + 90).unwrap(), None, "too late");
        for wrong in ["287083", "", "28708", "2870822", "x"] {
            assert_eq!(step_of(&secret, wrong, 59).unwrap(), None, "{wrong}");
        }
    }

    #[test]
    fn an_authenticator_gets_secret_and_picture() {
        let made = enrolment(&generate().unwrap(), "ann@example.com").unwrap();
        assert!(made.url.starts_with("otpauth://totp/Tollgate:ann"), "{}", made.url);
        assert!(made.url.contains(&made.secret));
        assert!(made.qr_svg.contains("<svg"));
    }

    #[test]
    fn recovery_codes_are_read_as_people_type_them() {
        let codes = recovery_codes().unwrap();
        assert_eq!(codes.len(), RECOVERY_CODES);
        let code = codes.first().unwrap();
        let typed = code.replace('-', " ").to_uppercase();
        assert_eq!(recovery_hash("p", code), recovery_hash("p", &typed));
        assert_ne!(recovery_hash("p", code), recovery_hash("q", code));
    }
}
