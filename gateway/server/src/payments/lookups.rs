//! What rules ask of their merchant's own: lists, velocities, the health of connections.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use plugin_sdk::{Clock, ConnectionId, MerchantId};
use rules::{HostAnswer, HostError, NameKind, Totals, Window};
use store::Connection;

use crate::edge::upstream_health::UpstreamHealth;
use crate::lists::{Lists, LookupError};
use crate::payments::velocity::{Velocities, VelocityError};
use crate::tenancy::BoundConnection;

#[derive(Clone)]
pub struct Lookups {
    pub lists: Lists,
    pub velocities: Velocities,
    pub health: UpstreamHealth,
    pub clock: Arc<dyn Clock>,
}

/// A merchant's connections by name.
pub trait KnownConnections: Sync {
    fn id(&self, name: &str) -> Option<ConnectionId>;
    fn names(&self) -> Vec<String>;
}

impl KnownConnections for HashMap<String, Arc<BoundConnection>> {
    fn id(&self, name: &str) -> Option<ConnectionId> {
        self.get(name).map(|connection| connection.row.id)
    }

    fn names(&self) -> Vec<String> {
        self.keys().cloned().collect()
    }
}

impl KnownConnections for Vec<Connection> {
    fn id(&self, name: &str) -> Option<ConnectionId> {
        self.iter()
            .find(|connection| connection.slug == name)
            .map(|connection| connection.id)
    }

    fn names(&self) -> Vec<String> {
        self.iter().map(|connection| connection.slug.clone()).collect()
    }
}

impl Lookups {
    /// Whether the merchant's list has the key, and the value beside it.
    pub async fn list(&self, merchant: MerchantId, list: &str, key: &str) -> Result<HostAnswer, HostError> {
        match self.lists.get(merchant, list, key).await {
            Ok(entry) => Ok(HostAnswer::List {
                present: entry.is_some(),
                value: entry.and_then(|entry| entry.value.clone()),
            }),
            Err(LookupError::UnknownList { name, known }) => Err(HostError::UnknownName {
                kind: NameKind::List,
                name,
                known: known.to_vec(),
            }),
            Err(LookupError::Unavailable(message)) => Err(HostError::Unavailable { message }),
        }
    }

    /// How a connection did of late, as this node saw it.
    pub fn health(&self, connections: &dyn KnownConnections, name: &str) -> Result<HostAnswer, HostError> {
        let id = connections.id(name).ok_or_else(|| HostError::UnknownName {
            kind: NameKind::Connection,
            name: name.to_owned(),
            known: connections.names(),
        })?;
        let report = self.health.report(id);
        Ok(HostAnswer::Health {
            up: report.up,
            requests: report.requests,
            success_percent: report.success_percent,
            latency_ms: report.latency_ms,
        })
    }

    /// Count and sum of a key's payments over each window.
    pub async fn velocity(&self, merchant: MerchantId, key: &str, windows: &[Window]) -> Result<HostAnswer, HostError> {
        let windows: Vec<_> = windows
            .iter()
            .map(|window| Duration::from_secs(window.seconds().into()))
            .collect();
        let asked = self.velocities.ask(merchant, key, &windows, self.clock.now()).await;
        let totals = asked.map_err(|error| match error {
            VelocityError::Unavailable(message) => HostError::Unavailable { message },
            refused => HostError::Refused {
                message: refused.to_string(),
            },
        })?;
        let totals = totals.into_iter().map(|totals| Totals {
            count: totals.count,
            sums: totals.sums,
        });
        Ok(HostAnswer::Velocity {
            totals: totals.collect(),
        })
    }
}
