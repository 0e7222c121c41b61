//! Files that Java made, and files laid out as Windows lays them out (which no Windows made: nobody here has one).

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY as SHA1, digest};
use aws_lc_rs::hmac;
use der::asn1::Any;
use rstest::rstest;

use super::tests::{POLICY, Papers};
use super::*;

/// See tests/fixtures/pkcs12/make.sh.
const JAVA_PASSWORD: &str = "of-fixtures";
/// Windows writes these.
const WINDOWS_ROUNDS: u32 = 2_000;
const BLOCK: usize = 64;

fn java(name: &str) -> Result<KeyAndChain, Pkcs12Error> {
    let path = format!("{}/../../tests/fixtures/pkcs12/{name}.p12", env!("CARGO_MANIFEST_DIR"));
    let file = std::fs::read(path).unwrap();
    read(&file, &JAVA_PASSWORD.into(), POLICY, Utc::now())
}

#[rstest]
#[case::of_today("java-17")]
#[case::of_before_2019("java-8")]
fn files_of_javas_keytool_are_read(#[case] name: &str) {
    let read = java(name).unwrap();
    assert_eq!(read.info.subject, "CN=client of acme");
    // Its key's certificate first, then who issued it.
    assert_eq!(read.info.chain_length, 2);
    assert_eq!(read.info.chain[0].subject, "CN=an authority");
    let pem = read.pem.expose_secret();
    assert_eq!(
        (
            pem.matches("PRIVATE KEY").count(),
            pem.matches("BEGIN CERTIFICATE").count()
        ),
        (2, 2)
    );
    crate::edge::identity::client_identity(&read.pem).unwrap();
}

#[rstest]
#[case("java-two-keys", "2 private keys")]
#[case("java-trust", "no private key")]
fn stores_of_java_that_are_no_identity_are_refused(#[case] name: &str, #[case] words: &str) {
    let said = java(name).err().expect("refused").to_string();
    assert!(said.contains(words), "{said}");
}

/// `Export-PfxCertificate` and the wizard: key first, with a container's name, the provider's and that of the machine's
/// store; 3DES and SHA-1 by default, certificates of older ones in RC2-40; `AES256_SHA256` when asked for.
#[rstest]
#[case::triple_des_sha1("PBE-SHA1-3DES", "PBE-SHA1-3DES", "sha1")]
#[case::of_windows_7("PBE-SHA1-3DES", "PBE-SHA1-RC2-40", "sha1")]
#[case::aes256_sha256("AES-256-CBC", "AES-256-CBC", "sha256")]
fn files_laid_out_like_those_of_windows_are_read(#[case] key: &str, #[case] certificates: &str, #[case] mac: &str) {
    let papers = Papers::new();
    let rounds = WINDOWS_ROUNDS.to_string();
    let file = papers.export(&[
        "-legacy",
        "-certfile",
        "authority.pem",
        "-name",
        "te-6f2b1f0c-8a53-4c6b-9f6e-5f3f4d8d8a11",
        "-CSP",
        "Microsoft Software Key Storage Provider",
        "-LMK",
        "-keypbe",
        key,
        "-certpbe",
        certificates,
        "-macalg",
        mac,
        "-iter",
        &rounds,
    ]);
    let file = match mac {
        "sha1" => key_first(&file),
        // The MAC of the other kind is another: the order of OpenSSL has to do.
        _ => file,
    };
    let read = read(&file, &super::tests::PASSWORD.into(), POLICY, Utc::now()).unwrap();
    assert_eq!(read.info.sha256, info::sha256(&papers.paper.der));
    assert_eq!(read.info.chain_length, 2);
}

/// The same file with the key before the certificates, under a new MAC.
fn key_first(file: &[u8]) -> Vec<u8> {
    let mut pfx = Pfx::from_der(file).unwrap();
    let content = OctetString::from_der(&pfx.auth_safe.content.to_der().unwrap()).unwrap();
    let mut safes = AuthenticatedSafe::from_der(content.as_bytes()).unwrap();
    assert_eq!(safes.first().map(|safe| safe.content_type), Some(ENCRYPTED));
    safes.reverse();
    let content = safes.to_der().unwrap();
    let data = pfx.mac_data.as_mut().unwrap();
    let key = mac_key(super::tests::PASSWORD, data.mac_salt.as_bytes(), data.iterations);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key), &content);
    data.mac.digest = OctetString::new(tag.as_ref()).unwrap();
    let content = OctetString::new(content).unwrap();
    pfx.auth_safe.content = Any::encode_from(&content).unwrap();
    pfx.to_der().unwrap()
}

/// RFC 7292, B.2, for a MAC of SHA-1: one block of the hash is enough.
fn mac_key(password: &str, salt: &[u8], rounds: i32) -> Vec<u8> {
    let filled = |text: &[u8]| -> Vec<u8> {
        let length = text.len().div_ceil(BLOCK) * BLOCK;
        text.iter().copied().cycle().take(length).collect()
    };
    let password: Vec<u8> = password.encode_utf16().chain([0]).flat_map(u16::to_be_bytes).collect();
    let mut hash = [vec![3; BLOCK], filled(salt), filled(&password)].concat();
    for _ in 0..rounds {
        hash = digest(&SHA1, &hash).as_ref().to_vec();
    }
    hash
}
