use secrecy::SecretString;
use serde::Deserialize;
use url::{Host, Url};

use super::{SettingsError, secret, texts};
use crate::access::single_sign_on::SignOnOptions;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignOnSettings {
    issuer: String,
    client_id: String,
    client_secret: SecretString,
    client_secret_file: String,
    scopes: String,
    name: String,
    #[serde(deserialize_with = "texts")]
    second_factor_amr: Vec<String>,
}

impl SignOnSettings {
    /// `None` when no issuer is named.
    pub fn options(&self, redirect_uri: String) -> Result<Option<SignOnOptions>, SettingsError> {
        let key = "single_sign_on.issuer";
        if self.issuer.is_empty() {
            return Ok(None);
        }
        let issuer = Url::parse(&self.issuer).map_err(|error| SettingsError::value(key, error.to_string()))?;
        let here = matches!(issuer.host(), Some(Host::Ipv4(host)) if host.is_loopback());
        if issuer.scheme() != "https" && !here {
            return Err(SettingsError::value(key, "is not https://host"));
        }
        if self.client_id.is_empty() {
            let message = "is wanted where single_sign_on.issuer is set";
            return Err(SettingsError::value("single_sign_on.client_id", message));
        }
        let file = &self.client_secret_file;
        Ok(Some(SignOnOptions {
            issuer,
            client_id: self.client_id.clone(),
            client_secret: secret("single_sign_on.client_secret", &self.client_secret, file)?,
            scopes: self.scopes.clone(),
            name: self.name.clone(),
            second_factor_amr: self.second_factor_amr.clone(),
            redirect_uri,
        }))
    }
}
