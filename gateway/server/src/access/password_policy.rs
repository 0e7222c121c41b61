//! Which passwords people may choose: long, and not among those that leaked or that a program guesses first.

use argon2::Argon2;
use argon2::password_hash::PasswordHasher;
use secrecy::{ExposeSecret, SecretString};
use zxcvbn::{Score, zxcvbn};

use super::passwords::PasswordError;

/// Characters of a password.
const LENGTH_MIN: usize = 12;
const LENGTH_MAX: usize = 200;
/// Shorter parts of a name or an address are no words.
const KNOWN_WORD_MIN: usize = 3;
/// Letters and digits that a password has beside its person's name and address.
const UNKNOWN_MIN: usize = 8;

#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    #[error("has {LENGTH_MIN} to {LENGTH_MAX} characters; a few words that do not belong together make a good one")]
    Length,
    /// It stands in a list of leaked ones, or is made of such, of dates, names or rows of keys.
    #[error("would be guessed: {0}")]
    Guessable(String),
    #[error(transparent)]
    Hash(#[from] PasswordError),
}

/// Checks and hashes (Argon2id, PHC format): tens of milliseconds, not for an I/O thread. `about` is what everybody knows
/// of the person.
pub fn hash(password: &SecretString, about: &[&str]) -> Result<String, PolicyError> {
    let password = password.expose_secret();
    if !(LENGTH_MIN..=LENGTH_MAX).contains(&password.chars().count()) {
        return Err(PolicyError::Length);
    }
    if beyond_the_known(password, about) < UNKNOWN_MIN {
        let reason = "it is made of your own name or address";
        return Err(PolicyError::Guessable(reason.to_owned()));
    }
    let known: Vec<&str> = about.iter().copied().chain(["tollgate"]).collect();
    let guessed = zxcvbn(password, &known);
    if guessed.score() < Score::Three {
        let warning = guessed.feedback().and_then(zxcvbn::feedback::Feedback::warning);
        let warning = warning.map_or_else(
            || "it is made of words and patterns that are tried first".to_owned(),
            |warning| warning.to_string(),
        );
        return Err(PolicyError::Guessable(warning));
    }
    let hash = Argon2::default().hash_password(password.as_bytes());
    Ok(hash.map_err(|_| PasswordError::Hash)?.to_string())
}

/// Letters and digits that are left when the words that everybody knows of the person are taken out.
fn beyond_the_known(password: &str, about: &[&str]) -> usize {
    let mut rest = password.to_lowercase();
    for text in about {
        let lower = text.to_lowercase();
        for word in lower.split(|char: char| !char.is_alphanumeric()) {
            if word.chars().count() >= KNOWN_WORD_MIN {
                rest = rest.replace(word, "");
            }
        }
    }
    rest.chars().filter(|char| char.is_alphanumeric()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaked_or_is_guessed_first_is_refused() {
        for wrong in [
            "short",
            "password1234",
            "qwertyuiop123",
            "111111111111",
            "ann.example.2024",
            "iloveyou12345",
            "tollgatetollgate",
            &"x".repeat(201),
        ] {
            assert!(
                hash(&(*wrong).into(), &["ann@example.com", "Ann Example"]).is_err(),
                "{wrong}"
            );
        }
        assert!(hash(&"copper walrus under seven tents".into(), &["ann@example.com"]).is_ok());
        assert!(hash(&"сорок семь медных кадушек".into(), &[]).is_ok());
    }
}
