//! What a script may ask of the gateway around it, and the record of what it asked.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use plugin_sdk::Money;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The gateway, as a script's host functions reach it. The engine has checked every question's form and size; the host
/// decides what may be asked at all, and answers for the merchant of the call only.
pub trait Host {
    /// Answers one question. A call asks one at a time. The future is dropped when the decision's time is over.
    fn ask<'a>(&'a self, question: &'a HostQuestion) -> HostFuture<'a>;
}

pub type HostFuture<'a> = Pin<Box<dyn Future<Output = Result<HostAnswer, HostError>> + 'a>>;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum HostQuestion {
    /// Whether a list has a key, and the value beside it.
    ListGet {
        list: String,
        key: String,
    },
    /// Count and sum of a key's payments over each window, in the order of the windows. 1 to 8 of them.
    Velocity {
        key: String,
        windows: Vec<Window>,
    },
    /// How a connection of the merchant's did of late.
    Health {
        connection: String,
    },
    Http(HttpQuestion),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpQuestion {
    pub method: HttpMethod,
    /// At most 2048 bytes, and not more than that is known of it.
    pub url: String,
    /// Names in lower case. None of those that belong to the connection or carry a secret.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(default)]
    pub body: Option<String>,
    /// The name of a secret of the merchant's that the host sends as `Authorization`; scripts never hold its value.
    #[serde(default)]
    pub credential: Option<String>,
    /// How long the script wants to wait; the host may wait less.
    #[serde(default)]
    pub timeout_ms: Option<u32>,
    /// How old an answer of the same question may be.
    #[serde(default)]
    pub cache_seconds: Option<u32>,
    /// Without an answer the script goes on, with nil.
    #[serde(default)]
    pub optional: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum HttpMethod {
    Get,
    Post,
}

impl HttpMethod {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum HostAnswer {
    /// `value` is what stands beside the key; a key without one has none.
    List {
        present: bool,
        #[serde(default)]
        value: Option<Value>,
    },
    /// As many as windows were asked for, in their order.
    Velocity { totals: Vec<Totals> },
    /// `up` is whether requests are sent to it now. Of the last minutes: how many were sent, how many of a hundred were
    /// answered, and the median of their times; nothing of what was not asked.
    Health {
        up: bool,
        requests: u32,
        #[serde(default)]
        success_percent: Option<u8>,
        #[serde(default)]
        latency_ms: Option<u32>,
    },
    /// `headers` are those that the host passes on, names in lower case. The body is text, at most 64 KiB of it.
    Http {
        status: u16,
        #[serde(default)]
        headers: BTreeMap<String, String>,
        body: String,
    },
}

/// What passed in one window.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    pub count: u64,
    /// One sum for each currency.
    #[serde(default)]
    pub sums: Vec<Money>,
}

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "error", rename_all = "snake_case")]
pub enum HostError {
    /// There is no such list (or credential): an error of the script. `known` is for the suggestion.
    #[error("there is no {kind} '{name}'")]
    UnknownName {
        kind: NameKind,
        name: String,
        #[serde(default)]
        known: Vec<String>,
    },
    /// The host will not do this, whoever asks how often: an error of the script. The text says what to change.
    #[error("{message}")]
    Refused { message: String },
    /// It could not be found out now. Ends the decision, unless the script asked for an optional answer.
    #[error("{message}")]
    Unavailable { message: String },
    /// The same, because it took too long.
    #[error("no answer came in time")]
    Timeout,
    /// A replay holds no answer to this question. Ends the decision.
    #[error("the recorded decision holds no answer to this question")]
    Unanswered,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NameKind {
    List,
    Credential,
    Connection,
}

impl fmt::Display for NameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::List => "list",
            Self::Credential => "credential",
            Self::Connection => "connection",
        })
    }
}

/// A question with what came of it. Stored with the decision: it is all that a replay needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostCall {
    pub question: HostQuestion,
    #[serde(flatten, with = "reply")]
    pub answer: Result<HostAnswer, HostError>,
    #[serde(rename = "duration_us", with = "crate::micros")]
    pub duration: Duration,
    /// The line of the script that asked.
    #[serde(default)]
    pub line: Option<u32>,
}

/// An answer is written as `"answer": {…}`, an error as `"failure": {…}`.
mod reply {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{HostAnswer, HostError};

    #[derive(Serialize)]
    #[serde(rename_all = "snake_case")]
    enum Written<'a> {
        Answer(&'a HostAnswer),
        Failure(&'a HostError),
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Read {
        Answer(HostAnswer),
        Failure(HostError),
    }

    pub(super) fn serialize<S: Serializer>(
        reply: &Result<HostAnswer, HostError>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match reply {
            Ok(answer) => Written::Answer(answer),
            Err(error) => Written::Failure(error),
        }
        .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Result<HostAnswer, HostError>, D::Error> {
        Ok(match Read::deserialize(deserializer)? {
            Read::Answer(answer) => Ok(answer),
            Read::Failure(error) => Err(error),
        })
    }
}

/// A span of time that velocities are counted over: `10m`, `24h`, `30d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Window {
    seconds: u32,
}

impl Window {
    pub const SHORTEST: Self = Self { seconds: 60 };
    pub const LONGEST: Self = Self { seconds: 30 * 86_400 };

    /// Reads a whole number of minutes (`m`), hours (`h`) or days (`d`), from one minute to thirty days.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let seconds = span(text, &[("m", 60), ("h", 3_600), ("d", 86_400)])?;
        let window = Self {
            seconds: u32::try_from(seconds).ok()?,
        };
        (Self::SHORTEST..=Self::LONGEST).contains(&window).then_some(window)
    }

    #[must_use]
    pub const fn seconds(self) -> u32 {
        self.seconds
    }

    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_secs(u64::from(self.seconds))
    }
}

/// Reads `10m` by the units given, largest number of digits 6.
pub(crate) fn span(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    const DIGITS: usize = 6;
    let split = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (digits, unit) = text.split_at_checked(split)?;
    if digits.is_empty() || digits.len() > DIGITS || digits.starts_with('0') {
        return None;
    }
    let (_, scale) = units.iter().find(|(name, _)| *name == unit)?;
    digits.parse::<u64>().ok().map(|number| number * scale)
}

impl fmt::Display for Window {
    /// In the largest unit that divides it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seconds {
            seconds if seconds.is_multiple_of(86_400) => write!(f, "{}d", seconds / 86_400),
            seconds if seconds.is_multiple_of(3_600) => write!(f, "{}h", seconds / 3_600),
            seconds => write!(f, "{}m", seconds / 60),
        }
    }
}

impl From<Window> for String {
    fn from(window: Window) -> Self {
        window.to_string()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a window; write a text from \"1m\" to \"30d\", such as \"10m\", \"24h\" or \"7d\"")]
pub struct NotAWindow(String);

impl TryFrom<String> for Window {
    type Error = NotAWindow;

    fn try_from(text: String) -> Result<Self, NotAWindow> {
        Self::parse(&text).ok_or_else(|| NotAWindow(text.chars().take(20).collect()))
    }
}

/// A host that knows nothing: for scripts that ask nothing, and for tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHost;

impl Host for NoHost {
    fn ask<'a>(&'a self, _: &'a HostQuestion) -> HostFuture<'a> {
        Box::pin(std::future::ready(Err(HostError::Refused {
            message: String::from("lists, velocities and HTTP cannot be asked here"),
        })))
    }
}
