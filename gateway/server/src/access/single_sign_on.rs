//! Signing in by an OpenID provider: authorization code with PKCE, bound to the browser that asked for it. The provider vouches
//! for an e-mail address; who that is here, and what they may do, is ours to say.

mod id_token;
mod provider;

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Duration, Utc};
use plugin_sdk::{Clock, PersonId};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use self::id_token::{Expected, TokenFault};
use self::provider::Provider;
use super::sealing::{Sealer, SealingError};
use super::session_tokens::random_token;
use crate::edge::outbound::{Outbound, OutboundError};

/// Where what a browser keeps meanwhile belongs.
const PLACE: &str = "single_sign_on";
/// How long somebody may take at the provider, and then for the second factor.
pub const ATTEMPT_LIFE: Duration = Duration::minutes(10);

#[derive(Debug, thiserror::Error)]
pub enum SignOnError {
    /// The provider does not answer, or not as the protocol says.
    #[error("the provider cannot be used now: {0}")]
    Unavailable(String),
    /// It answered, and vouches for nobody.
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Sealing(#[from] SealingError),
}

impl SignOnError {
    fn refused(why: impl Into<String>) -> Self {
        Self::Refused(why.into())
    }
}

impl From<OutboundError> for SignOnError {
    fn from(error: OutboundError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

pub struct SignOnOptions {
    pub issuer: Url,
    pub client_id: String,
    /// `None` for a public client.
    pub client_secret: Option<SecretString>,
    pub scopes: String,
    /// What the button says.
    pub name: String,
    /// Ways to authenticate (`amr`) of the provider that count as a second factor.
    pub second_factor_amr: Vec<String>,
    /// Where the provider sends people back to.
    pub redirect_uri: String,
}

/// Whom the provider vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    /// Verified by the provider.
    pub email: String,
    pub name: Option<String>,
    /// It asked for a second factor, and the settings believe that.
    pub second_factor: bool,
}

/// What has begun: where the browser goes, and what it keeps until it is back.
pub struct Begun {
    pub url: Url,
    pub kept: String,
}

/// One for each node.
pub struct SingleSignOn {
    options: SignOnOptions,
    provider: Provider,
    sealer: Arc<Sealer>,
    clock: Arc<dyn Clock>,
}

/// What a browser keeps, opened.
enum Kept {
    Asked {
        state: String,
        nonce: String,
        verifier: String,
    },
    /// The provider vouched; the second factor is still to come.
    Vouched(PersonId),
}

impl SingleSignOn {
    #[must_use]
    pub fn new(options: SignOnOptions, outbound: Outbound, sealer: Arc<Sealer>, clock: Arc<dyn Clock>) -> Self {
        Self {
            provider: Provider::new(options.issuer.clone(), outbound),
            options,
            sealer,
            clock,
        }
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.options.name
    }

    pub async fn begin(&self) -> Result<Begun, SignOnError> {
        let found = self.provider.discover().await?;
        let (state, nonce, verifier) = (random_token()?, random_token()?, random_token()?);
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.expose_secret().as_bytes()));
        let mut url = found.authorization_endpoint.clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.options.client_id)
            .append_pair("redirect_uri", &self.options.redirect_uri)
            .append_pair("scope", &self.options.scopes)
            .append_pair("state", state.expose_secret())
            .append_pair("nonce", nonce.expose_secret())
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        let kept = [&state, &nonce, &verifier].map(ExposeSecret::expose_secret).join(".");
        Ok(Begun {
            url,
            kept: self.keep("asked", &kept)?,
        })
    }

    /// Takes what the provider sent the browser back with.
    pub async fn finish(&self, kept: &str, state: &str, code: &str) -> Result<Vouched, SignOnError> {
        let Some(Kept::Asked {
            state: asked,
            nonce,
            verifier,
        }) = self.kept(kept)
        else {
            return Err(SignOnError::refused(
                "this browser did not begin it, or it took too long; begin again",
            ));
        };
        if asked != state {
            return Err(SignOnError::refused("the answer is to another question; begin again"));
        }
        let found = self.provider.discover().await?;
        let tokens = self.provider.exchange(&found, &self.options, code, &verifier).await?;
        let expected = Expected {
            issuer: &found.issuer,
            client_id: &self.options.client_id,
            nonce: &nonce,
            now: self.clock.now(),
        };
        let keys = self.provider.keys(&found, false).await?;
        let claims = match id_token::read(&tokens.id_token, &keys, &expected) {
            // A provider may have changed its keys.
            Err(TokenFault::UnknownKey) => {
                let keys = self.provider.keys(&found, true).await?;
                id_token::read(&tokens.id_token, &keys, &expected)
            }
            read => read,
        };
        let mut claims = claims.map_err(|fault| SignOnError::refused(fault.to_string()))?;
        if claims.profile.email.is_none() {
            claims.profile = self.provider.profile(&found, &tokens, &claims.sub).await?;
        }
        let second_factor = claims
            .amr
            .iter()
            .any(|way| self.options.second_factor_amr.contains(way));
        let profile = claims.profile;
        match profile.email.filter(|_| profile.email_verified) {
            Some(email) => Ok(Vouched {
                email,
                name: profile.name,
                second_factor,
            }),
            None => Err(SignOnError::refused(
                "the provider vouches for no verified e-mail address",
            )),
        }
    }

    /// What the browser keeps of somebody whose second factor is still to come.
    pub fn keep_vouched(&self, person: PersonId) -> Result<String, SignOnError> {
        self.keep("vouched", &person.to_string())
    }

    /// Whom the provider vouched for in this browser.
    pub fn vouched(&self, kept: &str) -> Result<PersonId, SignOnError> {
        match self.kept(kept) {
            Some(Kept::Vouched(person)) => Ok(person),
            _ => Err(SignOnError::refused(
                "the provider did not vouch for anybody in this browser; begin again",
            )),
        }
    }

    fn keep(&self, kind: &str, content: &str) -> Result<String, SignOnError> {
        let until = (self.clock.now() + ATTEMPT_LIFE).timestamp();
        let text = SecretString::from(format!("{kind}.{until}.{content}"));
        Ok(self.sealer.seal(PLACE, &text)?)
    }

    fn kept(&self, sealed: &str) -> Option<Kept> {
        let text = self.sealer.open(PLACE, sealed).ok()?;
        let parts: Vec<&str> = text.expose_secret().split('.').collect();
        let (kind, until, content) = match parts.as_slice() {
            [kind, until, content @ ..] => (*kind, until.parse().ok()?, content),
            _ => return None,
        };
        if DateTime::from_timestamp(until, 0)? < self.clock.now() {
            return None;
        }
        match (kind, content) {
            ("asked", [state, nonce, verifier]) => Some(Kept::Asked {
                state: (*state).to_owned(),
                nonce: (*nonce).to_owned(),
                verifier: (*verifier).to_owned(),
            }),
            ("vouched", [person]) => Some(Kept::Vouched(person.parse().ok()?)),
            _ => None,
        }
    }
}

/// When something that lives until then is over for us, whose clock may be off.
fn is_over(until: i64, now: DateTime<Utc>) -> bool {
    until + id_token::LEEWAY_S < now.timestamp()
}
