//! What the provider is asked: where its endpoints are, its keys, tokens for a code, and a person's profile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use jsonwebtoken::jwk::JwkSet;
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use tokio::sync::Mutex;
use url::{Url, form_urlencoded};

use super::id_token::Profile;
use super::{SignOnError, SignOnOptions};
use crate::edge::outbound::{Outbound, OutboundAnswer};

/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// How long it is known where endpoints are, and which keys there are.
const KNOWN_FOR: Duration = Duration::from_secs(3_600);
/// Below the issuer (OpenID Connect Discovery, 4).
const DISCOVERY_PATH: &str = ".well-known/openid-configuration";

#[derive(Deserialize)]
pub struct Discovery {
    pub issuer: String,
    #[serde(deserialize_with = "url")]
    pub authorization_endpoint: Url,
    #[serde(deserialize_with = "url")]
    token_endpoint: Url,
    #[serde(deserialize_with = "url")]
    jwks_uri: Url,
    userinfo_endpoint: Option<String>,
    /// `client_secret_basic` when absent.
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

fn url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    let text = String::deserialize(deserializer)?;
    Url::parse(&text).map_err(serde::de::Error::custom)
}

#[derive(Deserialize)]
pub struct Tokens {
    pub id_token: String,
    access_token: Option<String>,
}

/// What the UserInfo endpoint says.
#[derive(Deserialize)]
struct UserInfo {
    sub: String,
    #[serde(flatten)]
    profile: Profile,
}

/// Of the token endpoint (RFC 6749, 5.2).
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

type Known<T> = Mutex<Option<(Instant, Arc<T>)>>;

pub struct Provider {
    issuer: Url,
    outbound: Outbound,
    discovery: Known<Discovery>,
    keys: Known<JwkSet>,
}

impl Provider {
    pub fn new(issuer: Url, outbound: Outbound) -> Self {
        Self {
            issuer,
            outbound,
            discovery: Mutex::default(),
            keys: Mutex::default(),
        }
    }

    pub async fn discover(&self) -> Result<Arc<Discovery>, SignOnError> {
        let mut known = self.discovery.lock().await;
        if let Some((_, found)) = known.as_ref().filter(|(since, _)| since.elapsed() < KNOWN_FOR) {
            return Ok(Arc::clone(found));
        }
        let base = self.issuer.as_str().trim_end_matches('/');
        let url = Url::parse(&format!("{base}/{DISCOVERY_PATH}"));
        let url = url.map_err(|error| SignOnError::Unavailable(error.to_string()))?;
        let found: Discovery = self.get(url, HeaderMap::new()).await?;
        // Whoever answers for another issuer would have its people signed in as this one's.
        if found.issuer.trim_end_matches('/') != base {
            let why = format!("it calls itself {} and not {base}", found.issuer);
            return Err(SignOnError::Unavailable(why));
        }
        let found = Arc::new(found);
        *known = Some((Instant::now(), Arc::clone(&found)));
        Ok(found)
    }

    /// Its public keys; `anew` when a key is missing among those that are known.
    pub async fn keys(&self, found: &Discovery, anew: bool) -> Result<Arc<JwkSet>, SignOnError> {
        let mut known = self.keys.lock().await;
        let fresh = known.as_ref().filter(|(since, _)| !anew && since.elapsed() < KNOWN_FOR);
        if let Some((_, keys)) = fresh {
            return Ok(Arc::clone(keys));
        }
        let keys: Arc<JwkSet> = Arc::new(self.get(found.jwks_uri.clone(), HeaderMap::new()).await?);
        *known = Some((Instant::now(), Arc::clone(&keys)));
        Ok(keys)
    }

    /// Tokens for a code, which is good once.
    pub async fn exchange(
        &self,
        found: &Discovery,
        options: &SignOnOptions,
        code: &str,
        verifier: &str,
    ) -> Result<Tokens, SignOnError> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", &options.redirect_uri)
            .append_pair("code_verifier", verifier);
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        match &options.client_secret {
            Some(secret) if found.takes_basic() => {
                headers.insert(AUTHORIZATION, basic(&options.client_id, secret)?);
            }
            Some(secret) => {
                form.append_pair("client_id", &options.client_id)
                    .append_pair("client_secret", secret.expose_secret());
            }
            None => {
                form.append_pair("client_id", &options.client_id);
            }
        }
        let body = form.finish().into_bytes();
        let answer = (self.outbound)
            .fetch(
                Method::POST,
                found.token_endpoint.clone(),
                headers,
                Some(body),
                ANSWER_BYTES_MAX,
                TIMEOUT,
            )
            .await?;
        if let (400..500, Ok(refusal)) = (answer.status, serde_json::from_slice::<Refusal>(&answer.body)) {
            // Ours is wrong with `invalid_client`, the person's attempt with `invalid_grant`.
            tracing::warn!(error = refusal.error, "the OpenID provider gives no tokens");
            return Err(SignOnError::refused("the provider does not take the code; begin again"));
        }
        read(&answer)
    }

    /// What stands not in the token (OpenID Connect Core, 5.3).
    pub async fn profile(&self, found: &Discovery, tokens: &Tokens, sub: &str) -> Result<Profile, SignOnError> {
        let (Some(url), Some(token)) = (&found.userinfo_endpoint, &tokens.access_token) else {
            return Err(SignOnError::refused(
                "the provider does not tell the e-mail address; ask for the scope email",
            ));
        };
        let mut bearer = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| SignOnError::Unavailable("its access token cannot be sent".to_owned()))?;
        bearer.set_sensitive(true);
        let headers = HeaderMap::from_iter([(AUTHORIZATION, bearer)]);
        let url = Url::parse(url).map_err(|error| SignOnError::Unavailable(error.to_string()))?;
        let told: UserInfo = self.get(url, headers).await?;
        // A token of somebody else's could have been slipped in.
        if told.sub != sub {
            return Err(SignOnError::refused("the provider tells of somebody else"));
        }
        Ok(told.profile)
    }

    async fn get<T: DeserializeOwned>(&self, url: Url, headers: HeaderMap) -> Result<T, SignOnError> {
        let fetched = self
            .outbound
            .fetch(Method::GET, url, headers, None, ANSWER_BYTES_MAX, TIMEOUT);
        read(&fetched.await?)
    }
}

impl Discovery {
    fn takes_basic(&self) -> bool {
        let methods = self.token_endpoint_auth_methods_supported.as_deref();
        methods.is_none_or(|methods| methods.iter().any(|method| method == "client_secret_basic"))
    }
}

/// Both parts are form-encoded first (RFC 6749, 2.3.1).
fn basic(client_id: &str, secret: &SecretString) -> Result<HeaderValue, SignOnError> {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encoded(client_id), encoded(secret.expose_secret()));
    let mut value = HeaderValue::try_from(format!("Basic {}", BASE64.encode(pair)))
        .map_err(|error| SignOnError::Unavailable(error.to_string()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn read<T: DeserializeOwned>(answer: &OutboundAnswer) -> Result<T, SignOnError> {
    if answer.status != 200 {
        return Err(SignOnError::Unavailable(format!("it answers {}", answer.status)));
    }
    // What it answered may hold a token: it is not told.
    let read = serde_json::from_slice(&answer.body);
    read.map_err(|_| SignOnError::Unavailable("its answer is not what the protocol says".to_owned()))
}
