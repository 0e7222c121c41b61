//! Whether an account may be paid: rules first, else the merchant's check URL, else yes.

use std::time::Duration;

use plugin_sdk::{Field, NetworkRequest, Reason, Refusal};
use url::Url;

use crate::edge::outbound::Outbound;

/// An answer to "may this account be paid?".
pub enum Verdict {
    Accepted {
        comment: Option<String>,
        fields: Vec<Field>,
    },
    Refused(Refusal),
}

impl Verdict {
    pub fn yes() -> Self {
        Self::Accepted {
            comment: None,
            fields: Vec::new(),
        }
    }
}

/// Asks a merchant's own endpoint which accounts exist (`protocols/terminal.md §12.4`).
#[derive(Clone)]
pub struct AccountCheck {
    outbound: Outbound,
    timeout: Duration,
}

impl AccountCheck {
    #[must_use]
    pub fn new(outbound: Outbound, timeout: Duration) -> Self {
        Self { outbound, timeout }
    }

    /// Status 200 is yes, whatever the body. A status of the client's fault is "no such account"; anything else may
    /// heal.
    pub async fn ask(&self, check_url: &str, request: &NetworkRequest) -> Verdict {
        let account = request.account.as_deref().unwrap_or_default();
        let Ok(mut url) = Url::parse(check_url) else {
            tracing::error!("the connection's check URL cannot be read");
            return Verdict::Refused(Reason::Temporary.into());
        };
        url.query_pairs_mut().append_pair("account", account);
        let started = std::time::Instant::now();
        let answer = self.outbound.get_status(url, self.timeout).await;
        metrics::histogram!("tollgate_check_url_seconds").record(started.elapsed().as_secs_f64());
        match answer {
            Ok(200) => Verdict::yes(),
            Ok(400..=499) => Verdict::Refused(Reason::AccountNotFound.into()),
            Ok(status) => {
                tracing::warn!(status, "the check URL answered neither yes nor no");
                Verdict::Refused(Reason::Temporary.into())
            }
            Err(error) => {
                tracing::warn!(%error, "the check URL did not answer");
                Verdict::Refused(Reason::Temporary.into())
            }
        }
    }
}
