//! Signatures: of payouts by the merchant's RSA key (§5.17), of notifications by QIWI's key (§11.2).

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use plugin_sdk::Secret;

/// §5.17: RSA keys have 2048 bits; a longer one signs as well.
const KEY_BYTES_MIN: usize = 256;

/// The key that signs payouts.
pub struct PayoutKey(KeyPair);

impl PayoutKey {
    /// Reads PEM, PKCS#8 or PKCS#1.
    pub fn read(pem: &Secret) -> Result<Self, &'static str> {
        const WANTED: &str =
            "write an RSA private key in PEM, from BEGIN PRIVATE KEY to END PRIVATE KEY, without a password";
        let (label, der) = pem_of(pem.expose()).ok_or(WANTED)?;
        let pair = match label.as_str() {
            "PRIVATE KEY" => KeyPair::from_pkcs8(&der),
            "RSA PRIVATE KEY" => KeyPair::from_der(&der),
            _ => return Err(WANTED),
        };
        let pair = pair.map_err(|_| "this is not an RSA private key that can be used")?;
        if pair.public_modulus_len() < KEY_BYTES_MIN {
            return Err("the key is too short; payouts want at least 2048 bits");
        }
        Ok(Self(pair))
    }

    /// Base64 of the SHA256withRSA signature over exactly these bytes.
    pub fn sign(&self, body: &[u8]) -> Option<String> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        let random = SystemRandom::new();
        self.0.sign(&RSA_PKCS1_SHA256, &random, body, &mut signature).ok()?;
        Some(BASE64.encode(signature))
    }
}

fn pem_of(text: &str) -> Option<(String, Vec<u8>)> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once("-----END ")?;
    let body: String = body.split_whitespace().collect();
    Some((label.to_owned(), BASE64.decode(body).ok()?))
}

/// Whether `signature` is QIWI's of `message`; compared in constant time. D-14: hexadecimal digits in any case, Base64
/// only where it is allowed.
pub fn is_signed(key: &Secret, message: &str, signature: &str, base64_too: bool) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes());
    let signature = signature.trim();
    let is = |bytes: &[u8]| hmac::verify(&key, message.as_bytes(), bytes).is_ok();
    if let Some(bytes) = from_hex(signature) {
        return is(&bytes);
    }
    base64_too && BASE64.decode(signature).is_ok_and(|bytes| is(&bytes))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 {
        return None;
    }
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits?;
    let pairs = digits.chunks_exact(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(high << 4 | low),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use rstest::rstest;

    /// §11.2, all of them.
    #[rstest]
    #[case(
        "skey",
        "4226144|2019-10-02T18:10:12+03:00|2.00",
        "0572c2153b1b57b1eddb9124ca6b8868e57eb3dce29220417922f18e7788285c"
    )]
    #[case(
        "skey",
        "3395948500|2023-07-05T10:49:36.681+03:00|10.00",
        "8da2dfdc97fb137aefcb5d94ad0445cac76fcb73f440e63b222e2d5f6ee2dd5b"
    )]
    #[case(
        "TOKEN",
        "4504751|2019-10-08T11:31:37+03:00|2211.24",
        "3c67f9a691e34e1a9e74e05927f3901186cc838cc81de2a3519c78b9612cf49e"
    )]
    #[case(
        "skey",
        "A22170834426031500000733E625FCB3|2022-08-05T11:34:42+03:00|5.00",
        "06a37948fe5dc658835d8c977a009e37eae19a98ed100dd95b9734f85618d7c7"
    )]
    #[case(
        "TOKEN",
        "4504758|2019-10-08T11:31:37+03:00|2211.24",
        "5167b2bd0b07957e11686552ff40e3df688478f660c871f4257becdebd3acca5"
    )]
    #[case(
        "skey",
        "B33180934426031511100733DG332XTQ1|2022-08-06T11:34:42+03:00|5.00",
        "a53334794aefabcfa63ba152644c99b2c4bf84d07189826fc50ea6a765939ec6"
    )]
    #[case(
        "TOKEN",
        "4504759|2019-10-08T11:31:37+03:00|2211.24",
        "f3db008ae056f18d3066f0cc8b3f1725af70da8e8a0924759f57d9db6412d659"
    )]
    #[case(
        "TOKEN",
        "42f5ca91-965e-4cd0-bb30-3b64d9284048|2021-02-05T11:31:40+03:00|3.00",
        "681d7b40abafb5dcf958f653887303bd081839fa963bad6149055e90a2b02b16"
    )]
    #[case(
        "skey",
        "uuid1-uuid2-uuid3-uuid4|2021-08-16T14:15:07+03:00",
        "6b7489473e7e9db378b41b4af968ea7090e1c080c25c94f60cafa21eef226a96"
    )]
    #[case(
        "TOKEN",
        "4504751|2019-10-08T11:31:37+03:00",
        "df597664ac1a9d9acf482a6d6115b9e01f3fe4768d68c1960fb889c96068ef88"
    )]
    #[case(
        "skey",
        "test-00|test|CREATED|2023-01-01T10:00:00+03:00",
        "49c389dd17c75998aca66ab6822d9cdfcfbe1177a0224a83bedeeb672525590c"
    )]
    #[case(
        "skey",
        "test-00|test|REJECTED|2023-01-01T10:00:00+03:00",
        "bf1b37a6b6d7b9c6fd55ac670c1f96f3940fd32c36c1361079fe7cecd90cd053"
    )]
    #[case(
        "skey",
        "kxnawm631754|2022-12-22T16:20:30+03:00|200.00",
        "ad6af48895680fa94066faf570b0822a4429fc07ccaa33884a4bae5152888754"
    )]
    fn a_printed_signature_is_accepted(#[case] key: &str, #[case] message: &str, #[case] signature: &str) {
        let key = Secret::new(key);
        assert!(is_signed(&key, message, signature, false));
        assert!(is_signed(&key, message, &signature.to_uppercase(), false));
        assert!(!is_signed(&key, &format!("{message}0"), signature, false));
        assert!(!is_signed(&Secret::new("other"), message, signature, false));
    }

    #[test]
    fn base64_is_accepted_only_where_it_is_allowed() {
        let (key, message) = (Secret::new("skey"), "4226144|2019-10-02T18:10:12+03:00|2.00");
        let signature = "BXLCFTsbV7Ht25EkymuIaOV+s9zikiBBeSLxjneIKFw=";
        assert!(is_signed(&key, message, signature, true));
        assert!(!is_signed(&key, message, signature, false));
        assert!(!is_signed(&key, message, "", true));
    }

    /// Test keys only; they guard nothing.
    const PKCS8: &str = include_str!("../demo/payout-key.pem");
    const PUBLIC: &str = include_str!("../demo/payout-key.pub.pem");

    #[test]
    fn a_payout_signature_verifies_with_the_public_half() {
        let key = PayoutKey::read(&Secret::new(PKCS8)).ok().unwrap();
        let signature = BASE64.decode(key.sign(b"{\"amount\":1}").unwrap()).unwrap();
        let (_, der) = pem_of(PUBLIC).unwrap();
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der);
        assert!(public.verify(b"{\"amount\":1}", &signature).is_ok());
        assert!(public.verify(b"{\"amount\":2}", &signature).is_err());
    }

    #[test]
    fn what_is_no_private_key_is_refused() {
        for text in ["", "-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----", PUBLIC] {
            assert!(PayoutKey::read(&Secret::new(text)).is_err());
        }
    }
}
