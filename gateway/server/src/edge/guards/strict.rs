//! What must not be tried often, whatever else is broken: it fails closed. Without Redis a node counts it alone; with
//! Redis all nodes count together, and while Redis is away nobody may.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};

use super::Guards;
use super::local::Counted;
use super::rates::{Owner, Question};
use crate::tenancy::RateWindow;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StrictAction {
    LogIn,
    KeyCreation,
    CertificateIssue,
    /// A file whose password is tried costs as much processor time as a log-in.
    Pkcs12Import,
}

impl StrictAction {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LogIn => "log_in",
            Self::KeyCreation => "key_creation",
            Self::CertificateIssue => "certificate_issue",
            Self::Pkcs12Import => "pkcs12_import",
        }
    }
}

/// Why it may not be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StrictRefusal {
    #[error("this was tried too often; wait {0:?}")]
    TooOften(Duration),
    /// All nodes must count it together, and cannot.
    #[error("attempts cannot be counted while Redis is away")]
    Uncounted,
}

/// How often each may be done.
#[derive(Debug, Clone)]
pub struct StrictRates {
    pub log_in: Arc<[RateWindow]>,
    pub key_creation: Arc<[RateWindow]>,
    pub certificate_issue: Arc<[RateWindow]>,
    pub pkcs12_import: Arc<[RateWindow]>,
}

impl StrictRates {
    fn of(&self, action: StrictAction) -> &Arc<[RateWindow]> {
        match action {
            StrictAction::LogIn => &self.log_in,
            StrictAction::KeyCreation => &self.key_creation,
            StrictAction::CertificateIssue => &self.certificate_issue,
            StrictAction::Pkcs12Import => &self.pkcs12_import,
        }
    }
}

impl Guards {
    /// Counts an attempt of this subject: a login, an address, a merchant. It is charged whether it succeeds or not.
    pub async fn strict(&self, action: StrictAction, subject: &str) -> Result<(), StrictRefusal> {
        let windows = Arc::clone(self.inner.strict.of(action));
        let question = Question::new(Owner::Strict(action), [(Counted::Subject(hashed(subject)), windows)]);
        let refused = match self.inner.rates.decide_together(&question).await {
            Some(decision) => decision.denied.map(|denied| StrictRefusal::TooOften(denied.wait())),
            None => Some(StrictRefusal::Uncounted),
        };
        match refused {
            None => Ok(()),
            Some(refused) => {
                metrics::counter!("tollgate_refused_total", "guard" => action.as_str()).increment(1);
                Err(refused)
            }
        }
    }
}

/// Subjects are as long as callers want; what is kept of them is not, and cannot be read.
fn hashed(subject: &str) -> u128 {
    let hash = digest(&SHA256, subject.as_bytes());
    hash.as_ref()
        .first_chunk()
        .map_or(0, |head: &[u8; 16]| u128::from_be_bytes(*head))
}
