//! PKCS12 files, in and out. A file is looked over before its password is tried: what would cost too much time, or comes
//! without protection, is refused for what it is.

use chrono::{DateTime, Utc};
use der::asn1::{ContextSpecific, ObjectIdentifier, OctetString};
use der::{Decode, Encode};
use p12_keystore::error::Error as LibraryError;
use p12_keystore::{
    Certificate, EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm, Pkcs12Archive, PrivateKey, PrivateKeyChain,
};
use pkcs12::cms::encrypted_data::EncryptedData;
use pkcs12::pbe_params::{EncryptedPrivateKeyInfo, Pkcs12PbeParams};
use pkcs12::safe_bag::SafeContents;
use pkcs12::{AuthenticatedSafe, Pfx};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::info::{self, CertificateError, CertificateInfo};
use super::pem;
use crate::edge::tls::provider;

/// Largest file, in bytes; a chain of four with a key has eight thousand.
pub const FILE_BYTES_MAX: usize = 64 * 1024;
/// Encrypted parts of a file: each costs one derivation of a key.
const ENCRYPTED_PARTS_MAX: usize = 16;
/// Certificates of a file that are looked at.
const CERTIFICATES_MAX: usize = 20;
/// Rounds of hashing in files that we write, as OpenSSL 3 does for files of today …
const MODERN_ROUNDS: u32 = 100_000;
/// … and as old importers expect them.
const COMPATIBLE_ROUNDS: u32 = 2_048;
/// What names a key in a file that we write.
const LOCAL_KEY_ID: &[u8] = &[1];

const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const ENCRYPTED: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.6");
const PBES2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.13");

#[derive(Debug, thiserror::Error)]
pub enum Pkcs12Error {
    #[error("the file is larger than {FILE_BYTES_MAX} bytes")]
    TooLarge,
    #[error("it is not a PKCS12 file that can be read: {0}")]
    Unreadable(String),
    #[error("the password is wrong, or the file was changed: its check sum is not right")]
    WrongPassword,
    #[error(
        "the file has no check sum, so nobody can tell whether it was changed; export it once more with one, or allow \
         such files with certificates.pkcs12_allow_unprotected"
    )]
    NoMac,
    #[error(
        "the private key in the file is not encrypted; export it once more with a password, or allow such files with \
         certificates.pkcs12_allow_unprotected"
    )]
    Unencrypted,
    #[error("the file asks for {asked} rounds of hashing, and at most {allowed} are done; export it once more")]
    TooManyRounds { asked: i64, allowed: u32 },
    #[error("the file has more than {ENCRYPTED_PARTS_MAX} encrypted parts")]
    TooManyParts,
    #[error(
        "the file is encrypted in a way that is not supported ({0}); convert it: openssl pkcs12 -legacy -in old.p12 -nodes \
         -out all.pem && openssl pkcs12 -export -in all.pem -out new.p12"
    )]
    Unsupported(String),
    #[error("the file holds no private key; export key and certificate together")]
    NoKey,
    #[error("the file holds {0} private keys; export the one that is meant alone")]
    SeveralKeys(usize),
    #[error("the file holds no certificate; export key and certificate together")]
    NoCertificate,
    #[error("none of the certificates in the file belongs to its private key")]
    Mismatch,
    #[error("TLS cannot use a private key of this kind")]
    UnusableKey,
    #[error("the certificate ended at {0}; ask for a new one")]
    Expired(DateTime<Utc>),
    #[error("the certificate is not valid before {0}")]
    NotYetValid(DateTime<Utc>),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// What is read at all.
#[derive(Debug, Clone, Copy)]
pub struct Pkcs12Policy {
    /// Rounds of hashing that one derivation of a key may take.
    pub rounds_max: u32,
    /// Whether files without check sum or without encryption are read.
    pub allow_unprotected: bool,
}

/// A key with the chain of its certificate.
pub struct KeyAndChain {
    /// Both, as TLS reads them.
    pub pem: SecretString,
    pub info: CertificateInfo,
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// PBES2 with AES-256 and SHA-256.
    Modern,
    /// 3DES and SHA-1, for importers of before 2019.
    Compatible,
}

/// Takes as long as the file asks for: not for an I/O thread.
pub fn read(
    file: &[u8],
    password: &SecretString,
    policy: Pkcs12Policy,
    now: DateTime<Utc>,
) -> Result<KeyAndChain, Pkcs12Error> {
    if file.len() > FILE_BYTES_MAX {
        return Err(Pkcs12Error::TooLarge);
    }
    look_over(file, policy)?;
    let archive = Pkcs12Archive::from_pkcs12(file, password.expose_secret()).map_err(of_library)?;
    let key = match archive.keys.as_slice() {
        [] => return Err(Pkcs12Error::NoKey),
        [bag] => PrivateKeyDer::from(PrivatePkcs8KeyDer::from(bag.key.as_der().to_vec())),
        several => return Err(Pkcs12Error::SeveralKeys(several.len())),
    };
    let certificates: Vec<&[u8]> = (archive.certs.iter())
        .take(CERTIFICATES_MAX)
        .map(|bag| bag.cert.as_der())
        .collect();
    let chain = chain_of_key(&key, &certificates)?;
    let info = info::describe(&chain)?;
    if info.not_after <= now {
        return Err(Pkcs12Error::Expired(info.not_after));
    }
    if now < info.not_before {
        return Err(Pkcs12Error::NotYetValid(info.not_before));
    }
    let mut text = Zeroizing::new(String::new());
    pem::push(&mut text, "PRIVATE KEY", key.secret_der());
    for certificate in chain {
        pem::push(&mut text, "CERTIFICATE", certificate);
    }
    Ok(KeyAndChain {
        pem: SecretString::from(text.as_str()),
        info,
    })
}

/// A file with one key and its chain, the key's own certificate first.
pub fn write(
    key_pkcs8: &[u8],
    chain: &[&[u8]],
    name: &str,
    password: &SecretString,
    flavour: Flavour,
) -> Result<Zeroizing<Vec<u8>>, Pkcs12Error> {
    let key = PrivateKey::from_der(key_pkcs8).map_err(of_library)?;
    let chain: Result<Vec<_>, _> = chain.iter().map(|der| Certificate::from_der(der)).collect();
    let chain = PrivateKeyChain::new(LOCAL_KEY_ID, key, chain.map_err(of_library)?);
    let mut store = KeyStore::new();
    store.add_entry(name, KeyStoreEntry::PrivateKeyChain(chain));
    let (encryption, mac, rounds) = match flavour {
        Flavour::Modern => (
            EncryptionAlgorithm::PbeWithHmacSha256AndAes256,
            MacAlgorithm::HmacSha256,
            MODERN_ROUNDS,
        ),
        Flavour::Compatible => (
            EncryptionAlgorithm::PbeWithShaAnd3KeyTripleDesCbc,
            MacAlgorithm::HmacSha1,
            COMPATIBLE_ROUNDS,
        ),
    };
    let file = store
        .writer(password.expose_secret())
        .encryption_algorithm(encryption)
        .encryption_iterations(rounds)
        .mac_algorithm(mac)
        .mac_iterations(rounds)
        .write();
    file.map(Zeroizing::new).map_err(of_library)
}

/// Before any password is tried.
fn look_over(file: &[u8], policy: Pkcs12Policy) -> Result<(), Pkcs12Error> {
    let pfx = Pfx::from_der(file).map_err(unreadable)?;
    match &pfx.mac_data {
        Some(mac) => check_rounds(i64::from(mac.iterations), policy)?,
        None if !policy.allow_unprotected => return Err(Pkcs12Error::NoMac),
        None => {}
    }
    if pfx.auth_safe.content_type != DATA {
        return Err(Pkcs12Error::Unsupported(
            "signed instead of with a check sum".to_owned(),
        ));
    }
    let safes = OctetString::from_der(&pfx.auth_safe.content.to_der().map_err(unreadable)?).map_err(unreadable)?;
    let safes = AuthenticatedSafe::from_der(safes.as_bytes()).map_err(unreadable)?;
    let mut parts = 0;
    for safe in safes {
        let content = safe.content.to_der().map_err(unreadable)?;
        if safe.content_type == ENCRYPTED {
            parts += 1;
            let part = EncryptedData::from_der(&content).map_err(unreadable)?;
            check_encryption(&part.enc_content_info.content_enc_alg, policy)?;
        } else if safe.content_type == DATA {
            let bags = OctetString::from_der(&content).map_err(unreadable)?;
            parts += look_over_bags(bags.as_bytes(), policy)?;
        } else {
            return Err(Pkcs12Error::Unsupported("for the holder of a certificate".to_owned()));
        }
        if parts > ENCRYPTED_PARTS_MAX {
            return Err(Pkcs12Error::TooManyParts);
        }
    }
    Ok(())
}

/// Bags that lie open; says how many of them are encrypted themselves.
fn look_over_bags(bags: &[u8], policy: Pkcs12Policy) -> Result<usize, Pkcs12Error> {
    let mut encrypted = 0;
    for bag in SafeContents::from_der(bags).map_err(unreadable)? {
        if bag.bag_id == pkcs12::PKCS_12_KEY_BAG_OID && !policy.allow_unprotected {
            return Err(Pkcs12Error::Unencrypted);
        }
        if bag.bag_id == pkcs12::PKCS_12_PKCS8_KEY_BAG_OID {
            encrypted += 1;
            let key = ContextSpecific::<EncryptedPrivateKeyInfo>::from_der(&bag.bag_value).map_err(unreadable)?;
            check_encryption(&key.value.encryption_algorithm, policy)?;
        }
    }
    Ok(encrypted)
}

fn check_encryption(
    algorithm: &pkcs12::cms::cert::x509::spki::AlgorithmIdentifierOwned,
    policy: Pkcs12Policy,
) -> Result<(), Pkcs12Error> {
    let parameters = algorithm.parameters.as_ref().map(Encode::to_der).transpose();
    let parameters = parameters.map_err(unreadable)?.unwrap_or_default();
    match algorithm.oid {
        PBES2 => match pkcs5::pbes2::Parameters::from_der(&parameters).map_err(unreadable)?.kdf {
            pkcs5::pbes2::Kdf::Pbkdf2(kdf) => check_rounds(i64::from(kdf.iteration_count), policy),
            _ => Err(Pkcs12Error::Unsupported(
                "a key derived by other means than PBKDF2".to_owned(),
            )),
        },
        pkcs12::PKCS_12_PBE_WITH_SHAAND3_KEY_TRIPLE_DES_CBC | pkcs12::PKCS_12_PBEWITH_SHAAND40_BIT_RC2_CBC => {
            let parameters = Pkcs12PbeParams::from_der(&parameters).map_err(unreadable)?;
            check_rounds(i64::from(parameters.iterations), policy)
        }
        pkcs12::PKCS_12_PBE_WITH_SHAAND128_BIT_RC2_CBC => Err(Pkcs12Error::Unsupported("RC2 with 128 bits".to_owned())),
        pkcs12::PKCS_12_PBE_WITH_SHAAND2_KEY_TRIPLE_DES_CBC => {
            Err(Pkcs12Error::Unsupported("3DES with two keys".to_owned()))
        }
        pkcs12::PKCS_12_PBE_WITH_SHAAND128_BIT_RC4 | pkcs12::PKCS_12_PBE_WITH_SHAAND40_BIT_RC4 => {
            Err(Pkcs12Error::Unsupported("RC4".to_owned()))
        }
        other => Err(Pkcs12Error::Unsupported(format!("algorithm {other}"))),
    }
}

fn check_rounds(asked: i64, policy: Pkcs12Policy) -> Result<(), Pkcs12Error> {
    if (1..=i64::from(policy.rounds_max)).contains(&asked) {
        return Ok(());
    }
    Err(Pkcs12Error::TooManyRounds {
        asked,
        allowed: policy.rounds_max,
    })
}

/// The key's own certificate, and those above it, whatever else the file holds and in which order.
fn chain_of_key<'a>(key: &PrivateKeyDer<'_>, certificates: &[&'a [u8]]) -> Result<Vec<&'a [u8]>, Pkcs12Error> {
    if certificates.is_empty() {
        return Err(Pkcs12Error::NoCertificate);
    }
    let key = provider().key_provider.load_private_key(key.clone_key());
    let key = key.map_err(|_| Pkcs12Error::UnusableKey)?;
    let public = key.public_key().ok_or(Pkcs12Error::UnusableKey)?;
    let parsed: Result<Vec<_>, _> = certificates.iter().map(|der| Ok((*der, info::parse(der)?))).collect();
    let parsed: Vec<_> = parsed.map_err(|error: CertificateError| Pkcs12Error::Certificate(error))?;
    let own = parsed
        .iter()
        .find(|(_, parsed)| parsed.public_key().raw == public.as_ref());
    let (mut der, mut certificate) = own.map(|(der, parsed)| (*der, parsed)).ok_or(Pkcs12Error::Mismatch)?;
    let mut chain = vec![der];
    while certificate.issuer() != certificate.subject() {
        let issuer = parsed
            .iter()
            .find(|(der, parsed)| parsed.subject() == certificate.issuer() && !chain.contains(der));
        let Some((above, parsed)) = issuer else { break };
        (der, certificate) = (*above, parsed);
        chain.push(der);
    }
    Ok(chain)
}

fn unreadable(error: der::Error) -> Pkcs12Error {
    Pkcs12Error::Unreadable(error.to_string())
}

fn of_library(error: LibraryError) -> Pkcs12Error {
    match error {
        LibraryError::MacError(_) | LibraryError::UnpadError | LibraryError::Pkcs5Error(_) => {
            Pkcs12Error::WrongPassword
        }
        LibraryError::UnsupportedEncryptionScheme | LibraryError::UnsupportedMacAlgorithm => {
            Pkcs12Error::Unsupported(error.to_string())
        }
        other => Pkcs12Error::Unreadable(other.to_string()),
    }
}

#[cfg(test)]
mod other_makers;
#[cfg(test)]
mod tests;
