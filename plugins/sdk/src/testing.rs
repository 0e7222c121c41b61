//! A network in the test's own process: a connector's requests go straight to the plugin's simulator, on a clock that
//! the test moves, with faults on order. For tests of plugins; the gateway's own tests go over real sockets.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};

use crate::connector::{Context, HttpClient, HttpFailure, HttpRequest, HttpResponse};
use crate::{Clock, Sandbox, SandboxAnswer, SandboxNotification, SandboxRequest, TestClock};

/// What happens to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It never leaves.
    NotSent,
    /// It leaves and is lost before the network acts on it.
    LostRequest,
    /// The network acts on it, and its answer is lost.
    LostAnswer,
    /// The network acts on it and answers this instead.
    AnswersInstead(u16, Vec<u8>),
    /// Answered by something in between; the network never hears of it.
    AnsweredBefore(u16, Vec<u8>),
}

/// The wire to one simulator.
pub struct Wire {
    sandbox: Mutex<Box<dyn Sandbox>>,
    clock: Arc<TestClock>,
    faults: Mutex<VecDeque<Option<Fault>>>,
    /// Method, path with query, and status of each request that the network saw.
    seen: Mutex<Vec<(String, String, u16)>>,
    certificate: Option<String>,
}

/// Where [`Wire`] finds its simulator.
pub const BASE_URL: &str = "http://sandbox.test";

impl Wire {
    #[must_use]
    pub fn new(sandbox: Box<dyn Sandbox>, at: DateTime<Utc>) -> Self {
        Self {
            sandbox: Mutex::new(sandbox),
            clock: Arc::new(TestClock::starting_at(at)),
            faults: Mutex::default(),
            seen: Mutex::default(),
            certificate: None,
        }
    }

    /// As a client that shows this certificate (SHA-256 in hexadecimal digits).
    #[must_use]
    pub fn with_certificate(self, sha256: impl Into<String>) -> Self {
        Self {
            certificate: Some(sha256.into()),
            ..self
        }
    }

    #[must_use]
    pub fn context(&self) -> Context<'_> {
        Context {
            http: self,
            clock: self.clock.as_ref(),
        }
    }

    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// The next request meets this fault.
    pub fn fault(&self, fault: Fault) {
        lock(&self.faults).push_back(Some(fault));
    }

    /// The next request passes; a fault after it meets the one after.
    pub fn pass(&self) {
        lock(&self.faults).push_back(None);
    }

    /// What the network saw since this was last asked.
    pub fn seen(&self) -> Vec<(String, String, u16)> {
        std::mem::take(&mut *lock(&self.seen))
    }

    /// What the simulator sends by now. Each counts as sent; say [`delivered`](Self::delivered) to stop its retries.
    pub fn notifications(&self) -> Vec<SandboxNotification> {
        let now = self.now();
        lock(&self.sandbox).due(now)
    }

    pub fn delivered(&self, id: u64, answer: Option<(u16, &[u8])>) {
        let now = self.now();
        lock(&self.sandbox).delivered(id, answer, now);
    }

    #[must_use]
    pub fn next_due(&self) -> Option<DateTime<Utc>> {
        lock(&self.sandbox).next_due()
    }

    /// As a browser or a foreign client would ask, without the connection's certificate.
    pub fn visit(&self, method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> SandboxAnswer {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.ask(request(method, url, headers.collect(), body.to_vec(), None))
    }

    fn ask(&self, request: SandboxRequest) -> SandboxAnswer {
        let (method, target) = (request.method.clone(), format!("{}?{}", request.path, request.query));
        let answer = lock(&self.sandbox).handle(&request, self.now());
        let target = target.trim_end_matches('?').to_owned();
        lock(&self.seen).push((method, target, answer.status));
        answer
    }
}

#[async_trait]
impl HttpClient for Wire {
    async fn send(&self, asked: HttpRequest) -> Result<HttpResponse, HttpFailure> {
        let fault = lock(&self.faults).pop_front().flatten();
        let headers = asked.headers.into_iter().map(|(name, value)| (name.to_owned(), value));
        let request = request(
            asked.method.as_str(),
            &asked.url,
            headers.collect(),
            asked.body,
            self.certificate.clone(),
        );
        match fault {
            None => Ok(response(self.ask(request))),
            Some(Fault::NotSent) => Err(HttpFailure::NotSent("ordered by the test".to_owned())),
            Some(Fault::LostRequest) => Err(HttpFailure::NoAnswer("ordered by the test".to_owned())),
            Some(Fault::LostAnswer) => {
                self.ask(request);
                Err(HttpFailure::NoAnswer("ordered by the test".to_owned()))
            }
            Some(Fault::AnswersInstead(status, body)) => {
                self.ask(request);
                Ok(plain(status, body))
            }
            Some(Fault::AnsweredBefore(status, body)) => Ok(plain(status, body)),
        }
    }
}

fn request(
    method: &str,
    url: &str,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    client_certificate: Option<String>,
) -> SandboxRequest {
    let target = url.strip_prefix(BASE_URL).unwrap_or(url);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    SandboxRequest {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body,
        client_certificate,
        base_url: BASE_URL.to_owned(),
    }
}

fn response(answer: SandboxAnswer) -> HttpResponse {
    let headers = answer.headers.into_iter().map(|(name, value)| (name.to_owned(), value));
    HttpResponse {
        status: answer.status,
        headers: headers.collect(),
        body: answer.body,
    }
}

fn plain(status: u16, body: Vec<u8>) -> HttpResponse {
    HttpResponse {
        status,
        headers: Vec::new(),
        body,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
