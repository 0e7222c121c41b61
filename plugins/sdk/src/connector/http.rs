//! HTTP as a connector sees it: the host holds the pool, the connection's TLS identity, the deadline and the log.

use std::time::Duration;

use async_trait::async_trait;

/// A connection's way to its network. What it says of a request is kept in the exchange log, masked.
#[async_trait]
pub trait HttpClient: Send + Sync {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpFailure>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpMethod {
    Get,
    Post,
    Put,
    Delete,
}

impl HttpMethod {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// One request. Redirects are not followed and no cookies are kept: what a session needs, its connector keeps.
#[derive(Clone)]
pub struct HttpRequest {
    pub method: HttpMethod,
    pub url: String,
    /// Names in lower case.
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// Until the whole answer is there; the host may allow less, never more.
    pub timeout: Duration,
    /// Names whose values nobody may read later: headers, query parameters, form fields and JSON members at any depth,
    /// of the request and of its answer. Whatever looks like a card number is masked without being named, and so are
    /// `authorization` and cookies.
    pub sensitive: &'static [&'static str],
}

impl HttpRequest {
    /// How long an answer is waited for unless the connector says otherwise.
    pub const TIMEOUT: Duration = Duration::from_secs(30);

    #[must_use]
    pub fn new(method: HttpMethod, url: impl Into<String>) -> Self {
        Self {
            method,
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: Self::TIMEOUT,
            sensitive: &[],
        }
    }

    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    #[must_use]
    pub fn body(mut self, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("content-type", content_type)
    }

    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    #[must_use]
    pub fn sensitive(self, sensitive: &'static [&'static str]) -> Self {
        Self { sensitive, ..self }
    }
}

#[derive(Clone)]
pub struct HttpResponse {
    pub status: u16,
    /// Names in lower case, in the order of their coming; a name may come twice.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl HttpResponse {
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Why there is no answer. The difference decides whether money may have moved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpFailure {
    /// Not a byte of the request reached the network: no address, no connection, no TLS, or the host did not try.
    #[error("the request was not sent: {0}")]
    NotSent(String),
    /// It left, at least in part, and no whole answer came back.
    #[error("no answer came back: {0}")]
    NoAnswer(String),
}
