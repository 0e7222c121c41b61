//! Files of OpenSSL with the algorithms of those who make such files, and what is wrong with others.

use std::process::Command;

use chrono::Duration;
use e2e::{Authority, Paper};
use rstest::rstest;
use rustls::pki_types::pem::PemObject;

use super::*;

pub const PASSWORD: &str = "pä$$w0rd";
pub const POLICY: Pkcs12Policy = Pkcs12Policy {
    rounds_max: 600_000,
    allow_unprotected: false,
};

/// A client's certificate with its authority's.
pub struct Papers {
    folder: tempfile::TempDir,
    pub paper: Paper,
}

impl Papers {
    pub fn new() -> Self {
        let authority = Authority::new("an authority");
        let paper = authority.client("client of acme");
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("client.pem"), paper.both()).unwrap();
        std::fs::write(folder.path().join("authority.pem"), authority.pem()).unwrap();
        Self { folder, paper }
    }

    fn openssl(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new("openssl")
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr))
        }
    }

    pub fn export(&self, further: &[&str]) -> Vec<u8> {
        let password = format!("pass:{PASSWORD}");
        let export = [
            "pkcs12",
            "-export",
            "-in",
            "client.pem",
            "-out",
            "client.p12",
            "-passout",
            &password,
        ];
        self.openssl(&[&export[..], further].concat()).unwrap();
        std::fs::read(self.folder.path().join("client.p12")).unwrap()
    }
}

fn opened(file: &[u8], policy: Pkcs12Policy) -> Result<KeyAndChain, Pkcs12Error> {
    read(file, &PASSWORD.into(), policy, Utc::now())
}

fn said(result: Result<KeyAndChain, Pkcs12Error>) -> String {
    result.err().expect("refused").to_string()
}

#[rstest]
#[case::openssl_3(&[])]
#[case::openssl_1(&["-legacy"])]
#[case::like_java_17(&["-keypbe", "AES-256-CBC", "-certpbe", "AES-256-CBC", "-macalg", "sha256", "-iter", "10000"])]
#[case::like_java_8(&["-legacy", "-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-RC2-40", "-macalg", "sha1", "-iter", "1024"])]
#[case::windows(&["-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1", "-iter", "2000"])]
#[case::windows_aes(&["-keypbe", "AES-256-CBC", "-certpbe", "AES-256-CBC", "-macalg", "sha256", "-iter", "2000"])]
#[case::aes_128(&["-keypbe", "AES-128-CBC", "-certpbe", "AES-128-CBC"])]
#[case::sha_512(&["-macalg", "sha512"])]
#[case::open_certificates(&["-certpbe", "NONE"])]
#[case::as_many_rounds_as_allowed(&["-iter", "600000"])]
fn files_are_read_whoever_made_them(#[case] further: &[&str]) {
    let papers = Papers::new();
    let read = opened(&papers.export(further), POLICY).unwrap();
    assert_eq!(read.info.sha256, info::sha256(&papers.paper.der));
    let with_chain = papers.export(&[&["-certfile", "authority.pem"], further].concat());
    let read = opened(&with_chain, POLICY).unwrap();
    assert_eq!((read.info.chain_length, read.info.chain.len()), (2, 1));
    assert!(read.pem.expose_secret().contains("PRIVATE KEY"));
}

#[rstest]
#[case::no_mac(&["-nomac"], "no check sum")]
#[case::an_open_key(&["-keypbe", "NONE"], "not encrypted")]
#[case::rc2_128(&["-legacy", "-certpbe", "PBE-SHA1-RC2-128"], "openssl pkcs12 -legacy")]
#[case::rc4(&["-legacy", "-certpbe", "PBE-SHA1-RC4-128"], "RC4")]
#[case::too_many_rounds(&["-iter", "600001"], "600001 rounds")]
#[case::no_key(&["-nokeys"], "no private key")]
fn what_is_wrong_with_a_file_is_said(#[case] further: &[&str], #[case] words: &str) {
    let papers = Papers::new();
    let said = said(opened(&papers.export(further), POLICY));
    assert!(said.contains(words), "{said}");
}

#[test]
fn unprotected_files_are_read_when_the_operator_says_so() {
    let papers = Papers::new();
    let allowing = Pkcs12Policy {
        allow_unprotected: true,
        ..POLICY
    };
    for further in [&["-nomac"][..], &["-keypbe", "NONE"]] {
        assert!(opened(&papers.export(further), allowing).is_ok(), "{further:?}");
    }
}

#[test]
fn passwords_dates_and_damage_are_told_apart() {
    let papers = Papers::new();
    let file = papers.export(&[]);
    let at = |password: &str, now| said(read(&file, &password.into(), POLICY, now));
    let now = Utc::now();
    assert!(at("other", now).contains("password is wrong"));
    assert!(at(PASSWORD, now + Duration::days(61)).contains("ended at"));
    assert!(at(PASSWORD, now - Duration::days(2)).contains("not valid before"));
    assert!(said(opened(b"not a file", POLICY)).contains("not a PKCS12 file"));
    assert!(said(opened(&vec![0x30; FILE_BYTES_MAX + 1], POLICY)).contains("larger than"));
    for at in (0..file.len()).step_by(7) {
        let mut damaged = file.clone();
        damaged[at] ^= 1;
        assert!(opened(&damaged, POLICY).is_err(), "byte {at}");
        assert!(opened(&file[..at], POLICY).is_err(), "{at} bytes");
    }
}

fn key_of(paper: &Paper) -> Vec<u8> {
    PrivatePkcs8KeyDer::from_pem_slice(paper.key.as_bytes())
        .unwrap()
        .secret_pkcs8_der()
        .to_vec()
}

#[test]
fn a_key_of_another_certificate_and_several_keys_are_refused() {
    let authority = Authority::new("an authority");
    let (one, other) = (authority.client("one"), authority.client("other"));
    let password = PASSWORD.into();
    let crossed = write(&key_of(&one), &[&other.der], "x", &password, Flavour::Modern).unwrap();
    assert!(said(opened(&crossed, POLICY)).contains("belongs to its private key"));
    let mut store = KeyStore::new();
    for (id, paper) in [(b"1", &one), (b"2", &other)] {
        let key = PrivateKey::from_der(&key_of(paper)).unwrap();
        let certificate = Certificate::from_der(&paper.der).unwrap();
        let chain = PrivateKeyChain::new(id.as_slice(), key, [certificate]);
        store.add_entry(std::str::from_utf8(id).unwrap(), KeyStoreEntry::PrivateKeyChain(chain));
    }
    let both = store.writer(PASSWORD).write().unwrap();
    assert!(said(opened(&both, POLICY)).contains("2 private keys"));
}

#[rstest]
#[case::modern(Flavour::Modern, &["AES-256-CBC", "hmacWithSHA256", "MAC: sha256"], &[])]
#[case::compatible(Flavour::Compatible, &["pbeWithSHA1And3-KeyTripleDES-CBC", "MAC: sha1"], &["-legacy"])]
fn what_we_write_is_read_by_openssl(#[case] flavour: Flavour, #[case] words: &[&str], #[case] further: &[&str]) {
    let papers = Papers::new();
    let authority = std::fs::read_to_string(papers.folder.path().join("authority.pem")).unwrap();
    let authority = super::super::chain_of(&authority).unwrap();
    let chain = [papers.paper.der.as_slice(), authority[0].as_ref()];
    let password: SecretString = PASSWORD.into();
    let file = write(&key_of(&papers.paper), &chain, "acme/terminal", &password, flavour).unwrap();
    assert_eq!(opened(&file, POLICY).unwrap().info.chain_length, 2);
    std::fs::write(papers.folder.path().join("ours.p12"), file.as_slice()).unwrap();
    let password = format!("pass:{PASSWORD}");
    let show = ["pkcs12", "-in", "ours.p12", "-passin", &password, "-nodes"];
    let text = papers.openssl(&[&show[..], further].concat()).unwrap();
    assert_eq!(text.matches("BEGIN CERTIFICATE").count(), 2, "{text}");
    assert_eq!(text.matches("BEGIN PRIVATE KEY").count(), 1, "{text}");
    let about = Command::new("openssl")
        .args(show)
        .args(["-info", "-noout"])
        .args(further)
        .current_dir(papers.folder.path())
        .output()
        .unwrap();
    let about = String::from_utf8_lossy(&about.stderr).into_owned();
    for word in words {
        assert!(about.contains(word), "{word}: {about}");
    }
}
