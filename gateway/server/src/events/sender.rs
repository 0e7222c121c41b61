//! One attempt to tell an endpoint about an event.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use secrecy::SecretString;
use store::{ClaimedDelivery, Endpoint, EndpointFormat};
use url::Url;

use crate::access::sealing::Sealer;
use crate::edge::outbound::{Outbound, OutboundAnswer};
use crate::events::{Signer, WebhookBody, container_body, secret_place, standard_body};

/// Of an endpoint's answer this much is read and kept, in bytes.
const ANSWER_BYTES_MAX: usize = 1_024;

/// How an attempt went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub status: Option<u16>,
    pub error: Option<String>,
    pub answer: String,
    pub duration: Duration,
    pub delivered: bool,
    /// The endpoint's own wish.
    pub retry_after: Option<Duration>,
}

#[derive(Clone)]
pub struct Sender {
    outbound: Outbound,
    sealer: std::sync::Arc<Sealer>,
    timeout: Duration,
}

impl Sender {
    #[must_use]
    pub fn new(outbound: Outbound, sealer: std::sync::Arc<Sealer>, timeout: Duration) -> Self {
        Self {
            outbound,
            sealer,
            timeout,
        }
    }

    /// Sends once. Whatever goes wrong is an [`Attempt`] that was not delivered.
    pub async fn send(&self, endpoint: &Endpoint, claimed: &ClaimedDelivery, now: DateTime<Utc>) -> Attempt {
        let started = Instant::now();
        let sent = match self.prepare(endpoint, claimed, now) {
            Ok(None) => return skipped(),
            Ok(Some((url, headers, body))) => self
                .outbound
                .post(url, headers, body, ANSWER_BYTES_MAX, self.timeout)
                .await
                .map_err(|e| e.to_string()),
            Err(message) => Err(message),
        };
        let duration = started.elapsed();
        match sent {
            Ok(answer) => answered(endpoint, &answer, duration, now),
            Err(error) => Attempt {
                status: None,
                error: Some(error),
                answer: String::new(),
                duration,
                delivered: false,
                retry_after: None,
            },
        }
    }

    fn prepare(
        &self,
        endpoint: &Endpoint,
        claimed: &ClaimedDelivery,
        now: DateTime<Utc>,
    ) -> Result<Option<(Url, HeaderMap, Vec<u8>)>, String> {
        let body = match endpoint.format {
            EndpointFormat::Standard => standard_body(&claimed.event),
            EndpointFormat::Container => {
                let zone: Tz = endpoint.time_zone.parse().unwrap_or(Tz::UTC);
                let Some(body) = container_body(&claimed.event, zone) else {
                    return Ok(None);
                };
                body
            }
        };
        let url = Url::parse(&endpoint.url).map_err(|error| format!("the endpoint's URL cannot be read: {error}"))?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if body.signed {
            self.sign(endpoint, claimed, &body, now, &mut headers)?;
        }
        Ok(Some((url, headers, body.bytes)))
    }

    fn sign(
        &self,
        endpoint: &Endpoint,
        claimed: &ClaimedDelivery,
        body: &WebhookBody,
        now: DateTime<Utc>,
        headers: &mut HeaderMap,
    ) -> Result<(), String> {
        let secrets = self.secrets(endpoint, now)?;
        let signer = Signer::new(&secrets).map_err(|error| error.to_string())?;
        // The same for every attempt and every endpoint: receivers drop what they have seen by it.
        let id = claimed.event.id.to_string();
        let timestamp = now.timestamp();
        let signature = signer.sign(&id, timestamp, &body.bytes);
        for (name, value) in [
            ("webhook-id", id),
            ("webhook-timestamp", timestamp.to_string()),
            ("webhook-signature", signature),
        ] {
            headers.insert(name, HeaderValue::from_str(&value).map_err(|error| error.to_string())?);
        }
        Ok(())
    }

    fn secrets(&self, endpoint: &Endpoint, now: DateTime<Utc>) -> Result<Vec<SecretString>, String> {
        let place = secret_place(endpoint.merchant_id);
        let previous = endpoint
            .previous_secret
            .as_ref()
            .filter(|(_, until)| *until > now)
            .map(|(sealed, _)| sealed);
        std::iter::once(&endpoint.secret_sealed)
            .chain(previous)
            .map(|sealed| self.sealer.open(&place, sealed).map_err(|error| error.to_string()))
            .collect()
    }
}

/// The endpoint's format has no words for this event, so there is nothing to wait for.
fn skipped() -> Attempt {
    Attempt {
        status: None,
        error: Some("the endpoint's format has no body for this event; nothing was sent".to_owned()),
        answer: String::new(),
        duration: Duration::ZERO,
        delivered: true,
        retry_after: None,
    }
}

fn answered(endpoint: &Endpoint, answer: &OutboundAnswer, duration: Duration, now: DateTime<Utc>) -> Attempt {
    let delivered = match endpoint.format {
        EndpointFormat::Standard => (200..300).contains(&answer.status),
        // The container counts these two only (`protocols/terminal.md §12.5`).
        EndpointFormat::Container => matches!(answer.status, 200 | 201),
    };
    Attempt {
        status: Some(answer.status),
        error: None,
        answer: String::from_utf8_lossy(&answer.body).into_owned(),
        duration,
        delivered,
        retry_after: answer
            .headers
            .get(RETRY_AFTER)
            .and_then(|value| retry_after(value.to_str().ok()?, now)),
    }
}

/// Seconds, or an HTTP date.
fn retry_after(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = DateTime::parse_from_rfc2822(value.trim()).ok()?;
    (at.with_timezone(&Utc) - now).to_std().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_retry_after_are_read() {
        let now = DateTime::from_timestamp(1_445_412_480, 0).unwrap();
        assert_eq!(retry_after("120", now), Some(Duration::from_secs(120)));
        assert_eq!(
            retry_after("Wed, 21 Oct 2015 07:28:30 GMT", now),
            Some(Duration::from_secs(30))
        );
        for wrong in ["", "-1", "soon", "Wed, 21 Oct 2014 07:28:30 GMT"] {
            assert_eq!(retry_after(wrong, now), None, "{wrong}");
        }
    }
}
