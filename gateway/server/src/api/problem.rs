//! The one shape of errors at the edge: RFC 9457 problem details.

mod causes;
#[cfg(test)]
mod tests;

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use serde_json::Value;
use store::Origin;
use utoipa::ToSchema;

use crate::edge::guards::{Level, Reason, Refused};

/// When a caller should come again after "try later", in seconds.
const RETRY_AFTER_S: u64 = 1;

/// What went wrong, in a shape that programs and people can read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// Where the code is explained.
    #[serde(rename = "type")]
    pub kind: String,
    /// Stable; programs decide by it.
    pub code: &'static str,
    pub title: &'static str,
    pub status: u16,
    /// What was wrong this time, and what to do about it.
    pub detail: String,
    /// The field of the request that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What the checks of a script found, when it is not published for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub checks: Option<Box<Value>>,
    /// The request's id, as in the header `X-Request-Id`: tell it when you ask about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// When to come again, for the header `Retry-After`.
    #[serde(skip)]
    pub retry_after_s: Option<u64>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("/docs/errors#{code}"),
            code,
            title,
            status: status.as_u16(),
            detail: detail.into(),
            field: None,
            checks: None,
            request_id: None,
            retry_after_s: None,
        }
    }

    pub fn invalid(field: impl Into<String>, detail: impl Into<String>) -> Self {
        let problem = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid",
            "The request is not valid",
            detail,
        );
        Self {
            field: Some(field.into()),
            ..problem
        }
    }

    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "malformed",
            "The request cannot be read",
            detail,
        )
    }

    #[must_use]
    pub fn unauthorized() -> Self {
        let detail = "sign in by POST /admin/v1/session and send 'Authorization: Bearer' with the access token, or with the \
                      token of admin.bootstrap_token";
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "Who you are is not known",
            detail,
        )
    }

    #[must_use]
    pub fn unknown_key() -> Self {
        let detail = "send 'Authorization: Bearer' with an API key of the merchant that is neither expired nor revoked";
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "Who you are is not known",
            detail,
        )
    }

    #[must_use]
    pub fn scope_missing(scope: &str) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "scope_missing",
            "This key may not do that",
            format!("the API key has no scope {scope}; use one that has"),
        )
    }

    #[must_use]
    pub fn permission_missing(permission: &str) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "permission_missing",
            "Your role may not do that",
            format!("it takes a role with the permission {permission}; docs/permissions.md lists them"),
        )
    }

    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "This is not for you", detail)
    }

    #[must_use]
    pub fn second_factor_missing() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "second_factor_missing",
            "Set a second factor up first",
            "this account needs a second factor before anything else: POST /admin/v1/me/second-factor",
        )
    }

    #[must_use]
    pub fn key_lost() -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "idempotency_key_lost",
            "What became of the first request is not known",
            "the node that was at work died; look at what is there, then use a new key",
        )
    }

    #[must_use]
    pub fn session_over() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "session_over",
            "The session is over",
            "sign in again",
        )
    }

    #[must_use]
    pub fn forbidden_address() -> Self {
        let detail = "this address is not one of the connection's source subnets";
        Self::new(
            StatusCode::FORBIDDEN,
            "forbidden_address",
            "This address may not call here",
            detail,
        )
    }

    #[must_use]
    pub fn forbidden_certificate(shown: bool) -> Self {
        let detail = if shown {
            "the client certificate does not belong to this connection, or does not any more"
        } else {
            "this connection wants a client certificate: call its TLS listener with the one that was issued for it"
        };
        Self::new(
            StatusCode::FORBIDDEN,
            "forbidden_certificate",
            "This client certificate may not call here",
            detail,
        )
    }

    #[must_use]
    pub fn misdirected() -> Self {
        let detail = "the Host of a request must be the name that the TLS connection was opened for, where a client \
                      certificate was shown or the host means a connection; open another connection";
        Self::new(
            StatusCode::MISDIRECTED_REQUEST,
            "misdirected",
            "The connection is for another host",
            detail,
        )
    }

    pub fn not_found(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "There is no such thing",
            format!("{what} does not exist"),
        )
    }

    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", "It exists already", detail)
    }

    pub fn over_quota(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "over_quota",
            "There is no room for it",
            detail,
        )
    }

    pub fn method_not_allowed(allowed: &str) -> Self {
        let detail = format!("use {allowed}");
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "This method is not served here",
            detail,
        )
    }

    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "Try again in a moment",
            detail,
        )
    }

    #[must_use]
    pub fn too_many_requests(refused: Refused) -> Self {
        let whose = match refused.level {
            Level::Merchant => "the merchant's",
            Level::Connection => "the connection's",
            Level::ApiKey => "this API key's",
            Level::Peer => "this address's",
            Level::Node => "this node's",
        };
        let (status, code, title, detail) = match refused.reason {
            Reason::Shed => return Self::overloaded(refused.wait),
            Reason::InFlight | Reason::Sockets => (
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_at_once",
                "Too many requests are at work",
                format!("{whose} requests at work are as many as may be; send fewer at once. Nothing was done"),
            ),
            _ => (
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limited",
                "Too many requests came",
                format!("{whose} rate is used up; come again after Retry-After. Nothing was done"),
            ),
        };
        Self::new(status, code, title, detail).after(refused.wait)
    }

    #[must_use]
    pub fn overloaded(wait: Duration) -> Self {
        let problem = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "overloaded",
            "The gateway is behind with its work",
            "less important requests wait until it has caught up; nothing was done",
        );
        problem.after(wait)
    }

    #[must_use]
    pub fn uri_too_long(bytes_max: usize) -> Self {
        let detail = format!("the path with its query is longer than {bytes_max} bytes");
        Self::new(StatusCode::URI_TOO_LONG, "uri_too_long", "The URL is too long", detail)
    }

    #[must_use]
    pub fn headers_too_large(bytes_max: usize) -> Self {
        Self::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "headers_too_large",
            "The headers are too large",
            format!("names and values of all headers together are longer than {bytes_max} bytes"),
        )
    }

    /// For callers that come again after 503 and give up after 429.
    #[must_use]
    pub fn unavailable_instead(self) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE.as_u16(),
            ..self
        }
    }

    /// An address whose requests were not let in too often.
    #[must_use]
    pub fn stranger(wait: Duration) -> Self {
        let detail = "too many requests of this address were not let in";
        let problem = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limited",
            "Too many requests came",
            detail,
        );
        problem.after(wait)
    }

    /// Rounded up: nobody should come too early.
    fn after(self, wait: Duration) -> Self {
        let seconds = u64::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX);
        Self {
            retry_after_s: Some(seconds.max(1)),
            ..self
        }
    }

    pub fn internal(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Something is wrong on our side",
            detail,
        )
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.insert_header((CONTENT_TYPE, "application/problem+json"));
        let soon = self.status_code() == StatusCode::SERVICE_UNAVAILABLE || self.code == "idempotency_key_in_flight";
        if let Some(seconds) = self.retry_after_s.or(soon.then_some(RETRY_AFTER_S)) {
            response.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        let mut told = self.clone();
        told.request_id = told.request_id.or_else(|| Some(Origin::current()?.request_id));
        response.body(serde_json::to_string(&told).unwrap_or_default())
    }
}
