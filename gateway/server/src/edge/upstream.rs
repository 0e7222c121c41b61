//! The way to the networks that we call: one pooled client for each connection, a breaker before it, and every request
//! with its answer in the exchange log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use moka::sync::Cache;
use plugin_sdk::connector::{HttpClient, HttpFailure, HttpMethod, HttpRequest, HttpResponse};
use plugin_sdk::{Clock, ConnectionId, MerchantId, PaymentId};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use store::{Connection, LogWriter, NewExchange};
use ulid::Ulid;

use crate::access::sealing::{Sealer, SealingError};
use crate::edge::identity::{self, IdentityError};
use crate::edge::outbound::{Outbound, OutboundError};
use crate::edge::upstream_health::UpstreamHealth;
use crate::masking;

/// Clients that a node keeps.
const CLIENTS_MAX: u64 = 10_000;
/// A client that nobody used for so long is closed.
const CLIENT_IDLE: Duration = Duration::from_secs(600);
/// Largest answer of a network, in bytes.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// From this status on the network itself failed.
const SERVER_ERRORS: u16 = 500;
/// Status of an exchange that has no answer.
const NO_STATUS: u16 = 0;

/// The upstreams of all connections, as this node knows them.
#[derive(Clone)]
pub struct Upstreams {
    outbound: Outbound,
    log: LogWriter,
    clock: Arc<dyn Clock>,
    sealer: Arc<Sealer>,
    clients: Cache<(ConnectionId, DateTime<Utc>), reqwest::Client>,
    health: UpstreamHealth,
}

/// Whose request it is.
#[derive(Debug, Clone, Copy)]
struct Sender {
    merchant: MerchantId,
    connection: ConnectionId,
    payment: Option<PaymentId>,
}

impl Upstreams {
    #[must_use]
    pub fn new(
        outbound: Outbound,
        log: LogWriter,
        clock: Arc<dyn Clock>,
        sealer: Arc<Sealer>,
        health: UpstreamHealth,
    ) -> Self {
        let clients = Cache::builder()
            .max_capacity(CLIENTS_MAX)
            .time_to_idle(CLIENT_IDLE)
            .build();
        Self {
            outbound,
            log,
            clock,
            sealer,
            clients,
            health,
        }
    }

    /// The client of one connection, for one operation of it.
    pub fn client(
        &self,
        connection: &Connection,
        payment: Option<PaymentId>,
    ) -> Result<UpstreamClient<'_>, HttpFailure> {
        // A connection that changed gets a new client.
        let key = (connection.id, connection.updated_at);
        let client = self.clients.try_get_with(key, || self.open(connection));
        let client = client.map_err(|error| HttpFailure::NotSent(error.to_string()))?;
        Ok(UpstreamClient {
            upstreams: self,
            client,
            sender: Sender {
                merchant: connection.merchant_id,
                connection: connection.id,
                payment,
            },
        })
    }

    fn open(&self, connection: &Connection) -> Result<reqwest::Client, UpstreamError> {
        let identity = match &connection.identity_sealed {
            Some(sealed) => {
                let pem = self
                    .sealer
                    .open(&identity_place(connection.merchant_id, &connection.slug), sealed)?;
                Some(identity::client_identity(&pem)?)
            }
            None => None,
        };
        let roots = connection.roots.as_deref().map(identity::roots).transpose()?;
        Ok(self.outbound.dedicated_client(identity, roots.unwrap_or_default())?)
    }
}

#[derive(Debug, thiserror::Error)]
enum UpstreamError {
    #[error(transparent)]
    Sealing(#[from] SealingError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Outbound(#[from] OutboundError),
}

/// Where a connection's client certificate belongs.
#[must_use]
pub fn identity_place(merchant: MerchantId, connection: &str) -> String {
    format!("connection_identity/{merchant}/{connection}")
}

pub struct UpstreamClient<'a> {
    upstreams: &'a Upstreams,
    client: reqwest::Client,
    sender: Sender,
}

#[async_trait]
impl HttpClient for UpstreamClient<'_> {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpFailure> {
        let (at, started) = (self.upstreams.clock.now(), Instant::now());
        let (health, connection) = (&self.upstreams.health, self.sender.connection);
        let result = if health.admits(connection) {
            let result = self.ask(&request).await;
            let answered = result.as_ref().is_ok_and(|answer| answer.status < SERVER_ERRORS);
            health.record(connection, answered, started.elapsed());
            result
        } else {
            Err(HttpFailure::NotSent(
                "the network failed too often lately; it is left alone for a moment".to_owned(),
            ))
        };
        let outcome = match &result {
            Ok(_) => "answered",
            Err(HttpFailure::NotSent(_)) => "not_sent",
            Err(HttpFailure::NoAnswer(_)) => "no_answer",
        };
        let label = connection.to_string();
        metrics::counter!("tollgate_upstream_requests_total", "outcome" => outcome, "connection" => label.clone())
            .increment(1);
        let up = u8::from(health.is_up(connection));
        metrics::gauge!("tollgate_upstream_up", "connection" => label.clone()).set(up);
        metrics::histogram!("tollgate_upstream_seconds", "connection" => label).record(started.elapsed().as_secs_f64());
        let exchange = exchange(&self.sender, &request, &result, at, started.elapsed());
        if self.upstreams.log.exchange(exchange).is_err() {
            metrics::counter!("tollgate_exchanges_dropped_total").increment(1);
        }
        result
    }
}

impl UpstreamClient<'_> {
    async fn ask(&self, request: &HttpRequest) -> Result<HttpResponse, HttpFailure> {
        let not_sent = |message: String| HttpFailure::NotSent(message);
        let url = Url::parse(&request.url).map_err(|error| not_sent(format!("the URL is wrong: {error}")))?;
        (self.upstreams.outbound.check(&url)).map_err(|error| not_sent(error.to_string()))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            let value = HeaderValue::from_str(value);
            let value = value.map_err(|_| not_sent(format!("the value of header {name} cannot be sent")))?;
            headers.append(HeaderName::from_static(name), value);
        }
        let asked = (self.client)
            .request(method(request.method), url)
            .headers(headers)
            .body(request.body.clone())
            .timeout(request.timeout);
        let answer = asked.send().await.map_err(|error| failure(&error))?;
        let status = answer.status().as_u16();
        let headers = answer.headers().iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        });
        let headers = headers.collect();
        Ok(HttpResponse {
            status,
            headers,
            body: whole_body(answer).await?,
        })
    }
}

async fn whole_body(mut answer: reqwest::Response) -> Result<Vec<u8>, HttpFailure> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| failure(&error))? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(HttpFailure::NoAnswer(format!(
                "the answer is longer than {ANSWER_BYTES_MAX} bytes"
            )));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Only what failed before there was a connection is known not to have been sent.
fn failure(error: &reqwest::Error) -> HttpFailure {
    let message = crate::edge::outbound::cause(error);
    if error.is_connect() || error.is_builder() {
        HttpFailure::NotSent(message)
    } else {
        HttpFailure::NoAnswer(message)
    }
}

const fn method(method: HttpMethod) -> Method {
    match method {
        HttpMethod::Get => Method::GET,
        HttpMethod::Post => Method::POST,
        HttpMethod::Put => Method::PUT,
        HttpMethod::Delete => Method::DELETE,
    }
}

fn exchange(
    sender: &Sender,
    request: &HttpRequest,
    result: &Result<HttpResponse, HttpFailure>,
    at: DateTime<Utc>,
    took: Duration,
) -> NewExchange {
    let names = request.sensitive;
    let (status, response_body) = match result {
        Ok(answer) => (answer.status, masking::named(&answer.body, names)),
        Err(failure) => (NO_STATUS, failure.to_string()),
    };
    let headers = request.headers.iter().map(|(name, value)| {
        let hidden = masking::is_secret_header(name) || names.iter().any(|known| known.eq_ignore_ascii_case(name));
        let value = if hidden {
            masking::MASK.to_owned()
        } else {
            masking::text(value)
        };
        ((*name).to_owned(), value)
    });
    NewExchange {
        request_id: Ulid::generate().to_string(),
        merchant_id: Some(sender.merchant),
        connection_id: Some(sender.connection),
        payment_id: sender.payment,
        direction: "out",
        peer: Url::parse(&request.url)
            .ok()
            .and_then(|url| url.host_str().map(str::to_owned))
            .unwrap_or_default(),
        method: request.method.as_str().to_owned(),
        url: masking::named_url(&request.url, names),
        request_headers: headers.collect::<BTreeMap<_, _>>(),
        request_body: masking::named(&request.body, names),
        status,
        response_body,
        duration_us: i64::try_from(took.as_micros()).unwrap_or(i64::MAX),
        created_at: at,
    }
}
