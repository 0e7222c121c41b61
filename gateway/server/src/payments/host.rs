//! What rules ask of the gateway: lists, velocities, the health of connections, and the merchant's own hosts over HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use moka::sync::Cache;
use plugin_sdk::MerchantId;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use rules::{Host, HostAnswer, HostError, HostFuture, HostQuestion, HttpMethod, HttpQuestion, NameKind};
use store::RuleSecret;
use url::Url;

use crate::access::sealing::Sealer;
use crate::edge::outbound::{Outbound, OutboundError};
use crate::payments::lookups::{KnownConnections, Lookups};
use crate::rulebook::{OpenedSecret, may_go_to};
use crate::tenancy::is_http_host;

/// Largest answer that a script gets, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Answers that scripts asked to be cached, over all merchants of a node, in bytes.
const CACHE_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// What an entry of the cache takes beside its texts, in bytes.
const CACHE_ENTRY_BYTES: usize = 512;
/// No answer is kept longer: the longest that a script can ask for.
const CACHE_TIME_MAX: Duration = Duration::from_secs(86_400);
/// Headers of an answer that a script gets.
const PASSED_ON: [&str; 5] = ["content-type", "date", "etag", "retry-after", "x-request-id"];
/// Asks its server to slow down; such an answer says nothing about the next moment.
const TOO_MANY_REQUESTS: u16 = 429;

/// Everything that answers rules, one for each node.
#[derive(Clone)]
pub struct Hosts {
    outbound: Outbound,
    sealer: Arc<Sealer>,
    cache: Cache<CacheKey, Arc<Cached>>,
    lookups: Lookups,
    http_timeout: Duration,
}

/// Scripts of one merchant never see what another's were answered.
#[derive(PartialEq, Eq, Hash)]
struct CacheKey {
    merchant: MerchantId,
    method: Method,
    url: String,
    headers: BTreeMap<String, String>,
    body: Option<String>,
    /// The one that was sent, as it was then.
    secret: Option<(String, DateTime<Utc>)>,
}

struct Cached {
    answer: HostAnswer,
    at: Instant,
}

impl Hosts {
    #[must_use]
    pub fn new(outbound: Outbound, sealer: Arc<Sealer>, lookups: Lookups, http_timeout: Duration) -> Self {
        let cache = Cache::builder()
            .max_capacity(CACHE_BYTES_MAX)
            .weigher(|key: &CacheKey, cached: &Arc<Cached>| {
                let bytes = CACHE_ENTRY_BYTES + key.bytes() + bytes_of(&cached.answer);
                u32::try_from(bytes).unwrap_or(u32::MAX)
            })
            .time_to_live(CACHE_TIME_MAX)
            .build();
        Self {
            outbound,
            sealer,
            cache,
            lookups,
            http_timeout,
        }
    }

    /// The host of one merchant's call.
    #[must_use]
    pub fn of<'a>(
        &'a self,
        merchant: MerchantId,
        connections: &'a dyn KnownConnections,
        http_hosts: &'a [String],
        secrets: &'a [RuleSecret],
    ) -> MerchantHost<'a> {
        MerchantHost {
            hosts: self,
            merchant,
            connections,
            http_hosts,
            secrets,
        }
    }
}

impl CacheKey {
    fn bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.url.len() + headers + self.body.as_ref().map_or(0, String::len)
    }
}

fn bytes_of(answer: &HostAnswer) -> usize {
    match answer {
        HostAnswer::Http { body, headers, .. } => {
            body.len()
                + headers
                    .iter()
                    .map(|(name, value)| name.len() + value.len())
                    .sum::<usize>()
        }
        HostAnswer::List { .. } | HostAnswer::Velocity { .. } | HostAnswer::Health { .. } => 0,
    }
}

/// Answers for one merchant only.
pub struct MerchantHost<'a> {
    hosts: &'a Hosts,
    merchant: MerchantId,
    connections: &'a dyn KnownConnections,
    http_hosts: &'a [String],
    secrets: &'a [RuleSecret],
}

impl Host for MerchantHost<'_> {
    fn ask<'a>(&'a self, question: &'a HostQuestion) -> HostFuture<'a> {
        Box::pin(async move {
            match question {
                HostQuestion::ListGet { list, key } => self.hosts.lookups.list(self.merchant, list, key).await,
                HostQuestion::Velocity { key, windows } => {
                    self.hosts.lookups.velocity(self.merchant, key, windows).await
                }
                HostQuestion::Health { connection } => self.hosts.lookups.health(self.connections, connection),
                HostQuestion::Http(question) => self.http(question).await,
            }
        })
    }
}

impl MerchantHost<'_> {
    async fn http(&self, question: &HttpQuestion) -> Result<HostAnswer, HostError> {
        let url = allowed(&self.hosts.outbound, self.http_hosts, &question.url)?;
        let secret = match &question.credential {
            Some(name) => Some(self.secret(name, &url)?),
            None => None,
        };
        let age_max = question
            .cache_seconds
            .map(|seconds| Duration::from_secs(u64::from(seconds)));
        let key = CacheKey {
            merchant: self.merchant,
            method: match question.method {
                HttpMethod::Get => Method::GET,
                HttpMethod::Post => Method::POST,
            },
            url: question.url.clone(),
            headers: question.headers.clone(),
            body: question.body.clone(),
            secret: secret.map(|secret| (secret.name.clone(), secret.changed_at)),
        };
        if let Some(age_max) = age_max
            && let Some(cached) = self.hosts.cache.get(&key)
            && cached.at.elapsed() <= age_max
        {
            return Ok(cached.answer.clone());
        }
        let answer = self.fetch(url, &key, question, secret).await?;
        if age_max.is_some() && is_worth_keeping(&answer) {
            let cached = Cached {
                answer: answer.clone(),
                at: Instant::now(),
            };
            self.hosts.cache.insert(key, Arc::new(cached));
        }
        Ok(answer)
    }

    /// The merchant's secret of this name, if it may be sent to this URL.
    fn secret(&self, name: &str, url: &Url) -> Result<&RuleSecret, HostError> {
        let secret = self.secrets.iter().find(|secret| secret.name == name);
        let secret = secret.ok_or_else(|| HostError::UnknownName {
            kind: NameKind::Credential,
            name: name.to_owned(),
            known: self.secrets.iter().map(|secret| secret.name.clone()).collect(),
        })?;
        if may_go_to(secret, url) {
            return Ok(secret);
        }
        Err(HostError::Refused {
            message: format!(
                "the secret '{name}' may not be sent to {}://{}; its hosts are {}",
                url.scheme(),
                url.host_str().unwrap_or_default(),
                secret.hosts.join(", ")
            ),
        })
    }

    fn open(&self, secret: &RuleSecret) -> Result<OpenedSecret, HostError> {
        let opened = OpenedSecret::open(&self.hosts.sealer, self.merchant, secret);
        let opened = opened.unwrap_or_else(|error| {
            tracing::error!(merchant = %self.merchant, secret = secret.name, %error, "a secret of rules cannot be opened");
            None
        });
        opened.ok_or_else(|| HostError::Unavailable {
            message: format!("the secret '{}' cannot be opened", secret.name),
        })
    }

    async fn fetch(
        &self,
        url: Url,
        key: &CacheKey,
        question: &HttpQuestion,
        secret: Option<&RuleSecret>,
    ) -> Result<HostAnswer, HostError> {
        let secret = secret.map(|secret| self.open(secret)).transpose()?;
        let mut headers = headers(&question.headers)?;
        if let Some(secret) = &secret {
            headers.insert(secret.header.clone(), secret.value.clone());
        }
        let wanted = question.timeout_ms.map(|ms| Duration::from_millis(u64::from(ms)));
        let timeout = wanted.map_or(self.hosts.http_timeout, |wanted| wanted.min(self.hosts.http_timeout));
        let started = Instant::now();
        let body = question.body.clone().map(String::into_bytes);
        let answer = self
            .hosts
            .outbound
            .fetch(key.method.clone(), url, headers, body, ANSWER_BYTES_MAX, timeout);
        let answer = answer.await;
        metrics::histogram!("tollgate_rule_http_seconds").record(started.elapsed().as_secs_f64());
        let answer = answer.map_err(|error| match error {
            OutboundError::TimedOut(_) => HostError::Timeout,
            OutboundError::Scheme | OutboundError::Forbidden(_) | OutboundError::TooLong(_) => HostError::Refused {
                message: error.to_string(),
            },
            OutboundError::Transport(message) => HostError::Unavailable { message },
        })?;
        // A host that sends the secret back must not make a record of it.
        let clean = |text: String| match &secret {
            Some(secret) => secret.taken_out_of(text),
            None => text,
        };
        let passed_on = passed_on(&answer.headers).into_iter();
        Ok(HostAnswer::Http {
            status: answer.status,
            headers: passed_on.map(|(name, value)| (name, clean(value))).collect(),
            body: clean(String::from_utf8_lossy(&answer.body).into_owned()),
        })
    }
}

fn is_worth_keeping(answer: &HostAnswer) -> bool {
    matches!(answer, HostAnswer::Http { status: 200..=499, .. })
        && !matches!(
            answer,
            HostAnswer::Http {
                status: TOO_MANY_REQUESTS,
                ..
            }
        )
}

fn headers(given: &BTreeMap<String, String>) -> Result<HeaderMap, HostError> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let parsed = HeaderName::from_bytes(name.as_bytes())
            .ok()
            .zip(HeaderValue::from_str(value).ok());
        let (name, value) = parsed.ok_or_else(|| HostError::Refused {
            message: format!("the header '{name}' cannot be sent"),
        })?;
        headers.insert(name, value);
    }
    Ok(headers)
}

/// Only hosts that the operator wrote down for this merchant.
fn allowed(outbound: &Outbound, http_hosts: &[String], text: &str) -> Result<Url, HostError> {
    let refused = |message: String| HostError::Refused { message };
    let url = Url::parse(text).map_err(|error| refused(format!("the URL cannot be read: {error}")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("a URL must not hold a login".to_owned()));
    }
    let name = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    let with_port = format!("{name}:{port}");
    if !http_hosts.iter().any(|host| is_http_host(host, &url)) {
        let message = format!(
            "the host {} is not on the merchant's list of allowed hosts; the operator adds it to http_hosts",
            if url.port().is_none() { name } else { &with_port },
        );
        return Err(refused(message));
    }
    (outbound.check(&url)).map_err(|error| refused(error.to_string()))?;
    Ok(url)
}

fn passed_on(headers: &HeaderMap) -> BTreeMap<String, String> {
    PASSED_ON
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), headers.get(*name)?.to_str().ok()?.to_owned())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(hosts: &[&str], url: &str) -> Option<String> {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let outbound = Outbound::new(vec!["127.0.0.0/8".parse().unwrap()]).unwrap();
        allowed(&outbound, &hosts, url).err().map(|error| error.to_string())
    }

    #[test]
    fn only_hosts_on_the_list_are_called() {
        for (allowed, url) in [
            ("crm.example", "https://crm.example/x"),
            ("crm.example", "http://CRM.example/x"),
            ("crm.example:8443", "https://crm.example:8443/"),
            ("crm.example:443", "https://crm.example/"),
            ("127.0.0.1:9", "http://127.1:9/"),
        ] {
            assert_eq!(refusal(&[allowed], url), None, "{allowed} {url}");
        }
        for (allowed, url) in [
            ("crm.example", "https://other.example/"),
            ("crm.example", "https://crm.example.evil.example/"),
            ("crm.example", "https://crm.example:8443/"),
            ("crm.example", "https://evil.example/#crm.example"),
            ("crm.example", "https://crm.example@evil.example/"),
            ("crm.example:443", "http://crm.example/"),
            ("10.0.0.1", "http://10.0.0.1/"),
        ] {
            assert!(refusal(&[allowed], url).is_some(), "{allowed} {url}");
        }
    }
}
