//! The far side, played faithfully: written from the protocol's document and not from the client's types, so that a
//! misreading does not cancel itself out. A simulator is a state machine: a request and the clock in, an answer out, and
//! notifications when they fall due. It does no I/O; whoever hosts it serves it, and makes the faults.

use chrono::{DateTime, Utc};

/// A simulator of one network.
pub trait Sandbox: Send {
    /// Whether this network answers under this path. Paths of different networks never overlap.
    fn serves(&self, path: &str) -> bool;

    fn handle(&mut self, request: &SandboxRequest, now: DateTime<Utc>) -> SandboxAnswer;

    /// Everything that happens by the clock until `now` (holds that end, bills that expire, retries), and the
    /// notifications that are to be sent by then. Each is given out once; [`delivered`](Self::delivered) tells what
    /// became of it.
    fn due(&mut self, now: DateTime<Utc>) -> Vec<SandboxNotification>;

    /// What the receiver answered: its status and body, or nothing.
    fn delivered(&mut self, id: u64, answer: Option<(u16, &[u8])>, now: DateTime<Utc>);

    /// When [`due`](Self::due) has something to do next.
    fn next_due(&self) -> Option<DateTime<Utc>>;

    /// The config of a connection that works with this simulator at `base_url`, for demos and tests; and where the network
    /// is to send its notifications about it.
    fn connect(&mut self, _base_url: &str, _notify_url: &str) -> Option<serde_json::Value> {
        None
    }

    /// What a person who opens the simulator sees first: `(label, path)` of its own pages.
    fn pages(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}

#[derive(Debug, Clone, Default)]
pub struct SandboxRequest {
    /// Upper case.
    pub method: String,
    /// Still percent-encoded, without the query.
    pub path: String,
    pub query: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// SHA-256 of the client's certificate in hexadecimal digits, when it showed one.
    pub client_certificate: Option<String>,
    /// How the caller reached us: `http://127.0.0.1:8090`. For links to our own pages.
    pub base_url: String,
}

impl SandboxRequest {
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// A header `x-sandbox-delay-seconds` makes the host answer so much later; it is not passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxAnswer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl SandboxAnswer {
    #[must_use]
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self {
            status,
            headers: vec![("content-type", "application/json".to_owned())],
            body: body.to_string().into_bytes(),
        }
    }

    #[must_use]
    pub fn html(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            headers: vec![("content-type", "text/html; charset=utf-8".to_owned())],
            body: body.into().into_bytes(),
        }
    }

    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A message of the network to a merchant, to be sent by the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxNotification {
    pub id: u64,
    pub method: &'static str,
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}
