//! Rates: one question over all levels, decided by the node alone or by all nodes together.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use plugin_sdk::MerchantId;

use super::gcra::Standing;
use super::local::{Counted, LocalRates};
use super::shared::SharedRates;
use super::strict::StrictAction;
use crate::tenancy::RateWindow;

/// Bits of an IPv6 address that one subscriber usually has alone.
const IPV6_SUBSCRIBER_BITS: u8 = 64;

/// Whose budget it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Owner {
    Merchant(MerchantId),
    /// Nobody's: callers that were not let in.
    Strangers,
    /// The installation's, for what must not be guessed at.
    Strict(StrictAction),
}

/// May this request come in? All windows of all levels that it counts at.
#[derive(Debug, Clone)]
pub struct Question {
    pub owner: Owner,
    /// Levels that have no window are left out.
    pub levels: Vec<(Counted, Arc<[RateWindow]>)>,
    pub windows: usize,
}

/// A window that had no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denied {
    /// Which of [`Question::windows`]; of several the one that takes longest.
    pub window: usize,
    /// Until it has room again, in nanoseconds.
    pub wait_ns: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    pub denied: Option<Denied>,
    /// How each window stands now, in their order.
    pub standings: Vec<Standing>,
}

impl Question {
    #[must_use]
    pub fn new(owner: Owner, levels: impl IntoIterator<Item = (Counted, Arc<[RateWindow]>)>) -> Self {
        let levels: Vec<_> = levels.into_iter().filter(|(_, windows)| !windows.is_empty()).collect();
        let windows = levels.iter().map(|(_, windows)| windows.len()).sum();
        Self { owner, levels, windows }
    }

    /// Whose each window is, its place among those of its level, and the window.
    pub fn windows(&self) -> impl Iterator<Item = (Counted, u8, &RateWindow)> {
        self.levels.iter().flat_map(|(counted, windows)| {
            let places = 0_u8..;
            places
                .zip(windows.iter())
                .map(|(place, window)| (*counted, place, window))
        })
    }

    /// The same for questions about the same cells under the same limits.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.levels.hash(&mut hasher);
        hasher.finish()
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Merchant(id) => id.fmt(f),
            Self::Strangers => f.write_str("strangers"),
            Self::Strict(action) => f.write_str(action.as_str()),
        }
    }
}

/// What an address counts as.
#[must_use]
pub fn peer(address: IpAddr) -> Counted {
    let whole = IpNet::from(address);
    let network = match address {
        IpAddr::V4(_) => whole,
        IpAddr::V6(_) => IpNet::new(address, IPV6_SUBSCRIBER_BITS).unwrap_or(whole).trunc(),
    };
    Counted::Peer(network)
}

/// The node's way to decide; cheap to clone.
#[derive(Clone)]
pub struct Rates {
    local: LocalRates,
    shared: Option<SharedRates>,
}

impl Rates {
    #[must_use]
    pub fn new(shared: Option<SharedRates>) -> Self {
        Self {
            local: LocalRates::default(),
            shared,
        }
    }

    /// Counts together with all nodes if it can be, else alone, at the node's share. Never waits longer than Redis's
    /// time limit.
    pub async fn decide(&self, question: &Question) -> Decision {
        if question.windows == 0 {
            return Decision::default();
        }
        let Some(shared) = &self.shared else {
            return self.local.decide(question, 1);
        };
        match shared.decide(question).await {
            Some(decision) => decision,
            None => self.local.decide(question, shared.nodes()),
        }
    }

    /// Only together with all nodes, where there are several: `None` when that cannot be.
    pub async fn decide_together(&self, question: &Question) -> Option<Decision> {
        match &self.shared {
            None => Some(self.local.decide(question, 1)),
            Some(shared) => shared.decide_now(question).await,
        }
    }

    /// Whether all nodes count together now; `None` when they are not meant to.
    #[must_use]
    pub fn together(&self) -> Option<bool> {
        self.shared.as_ref().map(SharedRates::answers)
    }
}

impl Denied {
    #[must_use]
    pub fn wait(&self) -> Duration {
        Duration::from_nanos(self.wait_ns)
    }
}
