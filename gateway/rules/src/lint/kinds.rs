//! What is known of a value without running anything.

use super::surface;
use crate::context::CONTEXT_FIELDS;
use crate::money::MONEY_FIELDS;
use crate::questions::health::HEALTH_FIELDS;
use crate::questions::http::{HTTP_FIELDS, RESPONSE_FIELDS};
use crate::questions::lists::LIST_FIELDS;
use crate::questions::velocity::TOTALS_FIELDS;
use crate::views::{EVENT_FIELDS, PAYMENT_FIELDS, REQUEST_FIELDS};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Unknown,
    Number,
    Text,
    Request,
    Payment,
    Event,
    Ctx,
    Http,
    Money,
    List,
    Totals,
    Health,
    Response,
    Answer,
    Library(&'static str),
    /// A function, by what it makes.
    Makes(Made),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    Money,
    /// Money of other money: `amount:times(3)`.
    Scaled,
    List,
    Velocity,
    Health,
    Response,
    Route,
    Reject,
    Answer,
    Fallback,
    MathRandom,
}

impl Kind {
    /// How messages call it, and the fields that it has; nothing of what may have any.
    pub(super) fn fields(self) -> Option<(&'static str, &'static [&'static str])> {
        Some(match self {
            Self::Request => ("request", &REQUEST_FIELDS),
            Self::Payment => ("payment", &PAYMENT_FIELDS),
            Self::Event => ("event", &EVENT_FIELDS),
            Self::Ctx => ("ctx", &CONTEXT_FIELDS),
            Self::Http => ("ctx.http", &HTTP_FIELDS),
            Self::Money => ("money", &MONEY_FIELDS),
            Self::List => ("list", &LIST_FIELDS),
            Self::Totals => ("velocity", &TOTALS_FIELDS),
            Self::Health => ("health", &HEALTH_FIELDS),
            Self::Response => ("response", &RESPONSE_FIELDS),
            Self::Answer => ("an answer", &["fallback"]),
            Self::Library(name) => (name, surface::library(name)?),
            _ => return None,
        })
    }

    pub(super) fn member(self, name: &str) -> Self {
        match (self, name) {
            (Self::Request | Self::Payment, "amount") | (Self::Totals, "sum") => Self::Money,
            (Self::Request, "account" | "command" | "at") | (Self::Event, "type") | (Self::Money, "amount") => {
                Self::Text
            }
            (Self::Event, "payment") => Self::Payment,
            (Self::Ctx, "http") => Self::Http,
            (Self::Ctx, "list") => Self::Makes(Made::List),
            (Self::Ctx, "velocity") => Self::Makes(Made::Velocity),
            (Self::Ctx, "health") => Self::Makes(Made::Health),
            (Self::Http, "get" | "post") => Self::Makes(Made::Response),
            (Self::Money, "times" | "percent") => Self::Makes(Made::Scaled),
            (Self::Answer, "fallback") => Self::Makes(Made::Fallback),
            (Self::Totals, "count")
            | (Self::Health, "requests" | "success" | "latency")
            | (Self::Response, "status") => Self::Number,
            (Self::Library("math"), "random" | "randomseed") => Self::Makes(Made::MathRandom),
            _ => Self::Unknown,
        }
    }

    pub(super) fn global(name: &str) -> Self {
        match name {
            "money" => Self::Makes(Made::Money),
            "route" => Self::Makes(Made::Route),
            "reject" => Self::Makes(Made::Reject),
            "accept" | "retry_later" | "fee" | "no_fee" | "deliver" | "drop" | "annotate" => Self::Makes(Made::Answer),
            "string" => Self::Library("string"),
            "table" => Self::Library("table"),
            "math" => Self::Library("math"),
            "utf8" => Self::Library("utf8"),
            "bit32" => Self::Library("bit32"),
            _ => Self::Unknown,
        }
    }

    /// What a call of it gives.
    pub(super) const fn called(self) -> Self {
        match self {
            Self::Makes(Made::Money | Made::Scaled) => Self::Money,
            Self::Makes(Made::List) => Self::List,
            Self::Makes(Made::Velocity) => Self::Totals,
            Self::Makes(Made::Health) => Self::Health,
            Self::Makes(Made::Response) => Self::Response,
            Self::Makes(Made::Route | Made::Reject | Made::Answer | Made::Fallback) => Self::Answer,
            _ => Self::Unknown,
        }
    }
}
