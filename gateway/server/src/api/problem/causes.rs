//! What went wrong inside, as a caller is told of it.

use actix_web::http::StatusCode;
use plugin_sdk::connector::ConnectorError;
use store::{ListError, StoreError};

use super::Problem;
use crate::access::people::PeopleError;
use crate::edge::body::BodyError;
use crate::edge::guards::strict::StrictRefusal;
use crate::lists::ListRefusal;
use crate::office::clone::CloneError;
use crate::office::golive::GoLiveError;
use crate::payments::orders::OrderError;
use crate::rulebook::RulebookError;
use crate::tenancy::{OnboardingError, TrafficBookError};

impl From<PeopleError> for Problem {
    fn from(error: PeopleError) -> Self {
        let detail = error.to_string();
        match error {
            PeopleError::Wrong => Self::new(
                StatusCode::UNAUTHORIZED,
                "wrong_credentials",
                "That is not right",
                detail,
            ),
            PeopleError::CodeWanted => Self::new(
                StatusCode::UNAUTHORIZED,
                "second_factor_required",
                "The second factor is wanted",
                "send the code that the authenticator shows, or a recovery code, as 'code'",
            ),
            PeopleError::TooMany { wait_s } => Self {
                retry_after_s: u64::try_from(wait_s).ok(),
                ..Self::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    "too_many_attempts",
                    "Too many wrong attempts",
                    detail,
                )
            },
            PeopleError::SessionOver => Self::session_over(),
            PeopleError::SetUpAlready => Self::conflict(detail),
            PeopleError::Field { field, message } => Self::invalid(field, format!("{field}: {message}")),
            PeopleError::LastOwner => Self::new(
                StatusCode::CONFLICT,
                "last_owner",
                "Somebody must stay the owner",
                detail,
            ),
            PeopleError::Store(error) => error.into(),
            PeopleError::Busy => Self::unavailable(detail),
            PeopleError::Factor(_) | PeopleError::Token(_) | PeopleError::Sealing(_) => {
                tracing::error!(%error, "signing in does not work");
                Self::internal("signing in does not work; the log says more")
            }
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(what) => Self::not_found(what),
            StoreError::Exists(what) => Self::conflict(format!("{what} exists already")),
            StoreError::Busy | StoreError::TimedOut | StoreError::Unavailable(_) => {
                tracing::warn!(%error, "the database did not serve a request");
                Self::unavailable("the database is not available; nothing was changed, or whether it was is not known")
            }
            StoreError::Corrupt(_) | StoreError::Refused(_) => {
                tracing::error!(%error, "a request failed");
                Self::internal("the request could not be carried out; the log says more")
            }
        }
    }
}

impl From<OnboardingError> for Problem {
    fn from(error: OnboardingError) -> Self {
        match error {
            OnboardingError::Field { field, message } => Self::invalid(field.clone(), format!("{field}: {message}")),
            OnboardingError::Store(error) => error.into(),
            OnboardingError::Sealing(error) => {
                tracing::error!(%error, "a secret could not be sealed");
                Self::internal("a secret could not be sealed; the log says more")
            }
        }
    }
}

impl From<TrafficBookError> for Problem {
    fn from(error: TrafficBookError) -> Self {
        match error {
            TrafficBookError::Limits(error) => Self::invalid(error.field, error.to_string()),
            TrafficBookError::Store(error) => error.into(),
        }
    }
}

impl From<CloneError> for Problem {
    fn from(error: CloneError) -> Self {
        match error {
            CloneError::Onboarding(error) => error.into(),
            CloneError::Rules(error) => error.into(),
            CloneError::Limits(error) => error.into(),
            CloneError::Store(error) => error.into(),
        }
    }
}

impl From<GoLiveError> for Problem {
    fn from(error: GoLiveError) -> Self {
        match error {
            GoLiveError::Store(error) => error.into(),
            GoLiveError::Traffic(error) => error.into(),
        }
    }
}

impl From<StrictRefusal> for Problem {
    fn from(refusal: StrictRefusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            StrictRefusal::TooOften(wait) => {
                let title = "Too many requests came";
                Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", title, detail).after(wait)
            }
            StrictRefusal::Uncounted => Self::unavailable(detail),
        }
    }
}

impl From<OrderError> for Problem {
    fn from(error: OrderError) -> Self {
        let detail = error.to_string();
        let unprocessable = |code, title| Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, title, detail.clone());
        let conflict = |code, title| Self::new(StatusCode::CONFLICT, code, title, detail.clone());
        match error {
            OrderError::Field { field, .. } => Self::invalid(field, detail),
            OrderError::Money(_) => Self::invalid("amount", detail),
            OrderError::NoRoute(_) => unprocessable("no_route", "No connection takes it"),
            OrderError::RefusedByRules { .. } => unprocessable("refused_by_rules", "The merchant's rules refuse it"),
            OrderError::WrongState { .. } => conflict("wrong_state", "The payment's state does not allow it"),
            OrderError::ConnectionGone => conflict("connection_gone", "Its connection cannot be used"),
            OrderError::KeyReused => conflict("idempotency_key_reused", "The key belongs to another request"),
            OrderError::KeyInFlight => conflict("idempotency_key_in_flight", "The first request is still at work"),
            OrderError::RulesLater | OrderError::Overtaken => Self::unavailable(detail),
            OrderError::Connector(error) => error.into(),
            OrderError::Store(error) => error.into(),
            OrderError::Sealing(error) => {
                tracing::error!(%error, "a secret could not be sealed or opened");
                Self::internal("a secret could not be sealed or opened; the log says more")
            }
        }
    }
}

/// Of questions that change nothing here: what a network said of a payment is in the payment.
impl From<ConnectorError> for Problem {
    fn from(error: ConnectorError) -> Self {
        let detail = error.to_string();
        let (status, code, title) = match error {
            ConnectorError::Declined(_) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "network_declined",
                "The network declines it",
            ),
            ConnectorError::Invalid(_) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "network_refused",
                "The network does not take this request",
            ),
            ConnectorError::Unavailable(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "network_unavailable",
                "The network cannot be reached",
            ),
            ConnectorError::Uncertain(_) => (
                StatusCode::GATEWAY_TIMEOUT,
                "network_uncertain",
                "The network did not answer",
            ),
        };
        Self::new(status, code, title, detail)
    }
}

impl From<ListError> for Problem {
    fn from(error: ListError) -> Self {
        match error {
            ListError::OverQuota { .. } | ListError::TooManyLists(_) => Self::over_quota(error.to_string()),
            ListError::ImportEnded => Self::conflict(error.to_string()),
            ListError::Store(error) => error.into(),
        }
    }
}

impl From<ListRefusal> for Problem {
    fn from(refusal: ListRefusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            ListRefusal::Field { field, .. } => Self::invalid(field, detail),
            ListRefusal::List(error) => error.into(),
            ListRefusal::TooLarge(_) => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                "The body is too large",
                detail,
            ),
            ListRefusal::Busy => Self::unavailable(detail),
            ListRefusal::Spool(error) => {
                tracing::error!(%error, "an upload could not be kept on disk");
                Self::internal("the upload could not be kept on disk; the log says more")
            }
        }
    }
}

impl From<RulebookError> for Problem {
    fn from(error: RulebookError) -> Self {
        match error {
            RulebookError::Field { field, message } => Self::invalid(field, format!("{field}: {message}")),
            RulebookError::Compile(error) => Self::invalid("source", error.to_string()),
            RulebookError::Red(checks) => {
                let detail = RulebookError::Red(checks.clone()).to_string();
                let problem = Self::new(StatusCode::CONFLICT, "rules_red", "The rules are not published", detail);
                Self {
                    checks: Some(Box::new(checks.json())),
                    ..problem
                }
            }
            RulebookError::NoDraft => Self::not_found("a draft"),
            RulebookError::Sealing(error) => {
                tracing::error!(%error, "a secret could not be sealed");
                Self::internal("a secret could not be sealed; the log says more")
            }
            RulebookError::Store(error) => error.into(),
        }
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        let detail = error.to_string();
        match error {
            BodyError::TooLarge(_) => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                "The body is too large",
                detail,
            ),
            BodyError::TooSlow(_) => Self::new(
                StatusCode::REQUEST_TIMEOUT,
                "body_too_slow",
                "The body came too slowly",
                detail,
            ),
            BodyError::Broken => Self::malformed(detail),
        }
    }
}
