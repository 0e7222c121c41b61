//! The wire log's record of one request, made as its answer is known.

use std::time::Instant;

use actix_web::HttpRequest;
use chrono::{DateTime, Utc};
use plugin_sdk::{ConnectionId, MerchantId, PaymentId};
use store::NewExchange;
use ulid::Ulid;

use crate::masking;

/// Of a body or a URL this much is kept, in bytes.
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// Of the URL of a refused call this much is kept, in bytes.
const STRANGER_URL_BYTES_MAX: usize = 512;
/// Headers of a refused call that are kept.
const STRANGER_HEADERS: [&str; 5] = ["host", "user-agent", "authorization", "content-type", "x-forwarded-for"];

/// What is known of a request before it is answered.
pub struct Recorder {
    pub request_id: String,
    pub received_at: DateTime<Utc>,
    pub merchant: Option<MerchantId>,
    pub connection: Option<ConnectionId>,
    started: Instant,
    peer: String,
    request: HttpRequest,
    body: String,
}

impl Recorder {
    #[must_use]
    pub fn new(request: &HttpRequest, peer: String, received_at: DateTime<Utc>) -> Self {
        Self {
            request_id: format!("req_{}", Ulid::generate()),
            received_at,
            merchant: None,
            connection: None,
            started: Instant::now(),
            peer,
            request: request.clone(),
            body: String::new(),
        }
    }

    pub fn body(&mut self, body: &[u8]) {
        self.body = kept(&String::from_utf8_lossy(body));
    }

    /// As [`body`](Self::body), without the values of these names.
    pub fn body_without(&mut self, body: &[u8], names: &[&str]) {
        self.body = masking::named(body, names);
    }

    /// Of a call that was refused at the door only the head is kept: strangers must not fill the log.
    #[must_use]
    pub fn refused_exchange(&self, status: u16, answer: &str) -> NewExchange {
        let mut exchange = self.exchange(status, answer, None);
        exchange
            .url
            .truncate(exchange.url.floor_char_boundary(STRANGER_URL_BYTES_MAX));
        exchange
            .request_headers
            .retain(|name, _| STRANGER_HEADERS.contains(&name.as_str()));
        exchange
    }

    #[must_use]
    pub fn elapsed(&self) -> std::time::Duration {
        self.started.elapsed()
    }

    #[must_use]
    pub fn exchange(&self, status: u16, answer: &str, payment: Option<PaymentId>) -> NewExchange {
        NewExchange {
            request_id: self.request_id.clone(),
            merchant_id: self.merchant,
            connection_id: self.connection,
            payment_id: payment,
            direction: "in",
            peer: self.peer.clone(),
            method: self.request.method().to_string(),
            url: kept(&self.request.uri().to_string()),
            request_headers: masking::headers(self.request.headers()),
            request_body: self.body.clone(),
            status,
            response_body: kept(answer),
            duration_us: i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX),
            created_at: self.received_at,
        }
    }
}

/// Masked, and then cut where a character ends: half of a card number would be no card any more.
fn kept(text: &str) -> String {
    let mut masked = masking::text(text);
    masked.truncate(masked.floor_char_boundary(TEXT_BYTES_MAX));
    masked
}
