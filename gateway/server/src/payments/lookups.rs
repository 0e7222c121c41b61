//! What rules ask of their merchant's own data: lists and velocities.

use std::sync::Arc;
use std::time::Duration;

use plugin_sdk::{Clock, MerchantId};
use rules::{HostAnswer, HostError, NameKind, Totals, Window};

use crate::lists::{Lists, LookupError};
use crate::payments::velocity::{Velocities, VelocityError};

#[derive(Clone)]
pub struct Lookups {
    pub lists: Lists,
    pub velocities: Velocities,
    pub clock: Arc<dyn Clock>,
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
