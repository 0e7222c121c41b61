//! Where a secret setting comes from: itself, a file, or what a command prints.

use std::io::Read;
use std::process::{Command, Stdio};

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::SettingsError;

/// A file that holds a secret is not longer than this, in bytes.
const SECRET_FILE_BYTES_MAX: u64 = 64 * 1024;

/// The secret itself, or the content of the file that is named instead.
pub(super) fn secret(
    key: &'static str,
    given: &SecretString,
    file: &str,
) -> Result<Option<SecretString>, SettingsError> {
    let direct = given.expose_secret();
    match (direct.is_empty(), file.is_empty()) {
        (true, true) => Ok(None),
        (false, true) => Ok(Some(direct.into())),
        (true, false) => read_secret_file(key, file).map(Some),
        (false, false) => Err(SettingsError::value(
            key,
            format!("give the secret or the file {file}, not both"),
        )),
    }
}

fn read_secret_file(key: &'static str, path: &str) -> Result<SecretString, SettingsError> {
    let wrong = |message: String| SettingsError::value(key, format!("file {path}: {message}"));
    let length = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?.len();
    if length > SECRET_FILE_BYTES_MAX {
        return Err(wrong(format!("is longer than {SECRET_FILE_BYTES_MAX} bytes")));
    }
    let content = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    match content.trim_end_matches(['\r', '\n']) {
        "" => Err(wrong("is empty".to_owned())),
        secret => Ok(secret.into()),
    }
}

/// What a command prints, such as one that asks a vault.
pub(super) fn read_from_command(key: &'static str, command: &str) -> Result<SecretString, SettingsError> {
    let wrong = |message: String| SettingsError::value(key, message);
    let child = Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = child.map_err(|error| wrong(error.to_string()))?;
    let mut text = Zeroizing::new(String::new());
    let printed = child.stdout.take().map(|printed| printed.take(SECRET_FILE_BYTES_MAX));
    let read = printed.map(|mut printed| printed.read_to_string(&mut text)).transpose();
    read.map_err(|error| wrong(format!("what it prints cannot be read: {error}")))?;
    let status = child.wait().map_err(|error| wrong(error.to_string()))?;
    if !status.success() {
        return Err(wrong(format!("it ended with {status}")));
    }
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(wrong("it prints nothing".to_owned())),
        secret => Ok(secret.into()),
    }
}
