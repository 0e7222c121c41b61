//! Tells of certificates that end soon, 30, 14, 7 and 1 days before, once each, whichever node notices first.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Duration as Days, Utc};
use plugin_sdk::{Clock, ConnectionId, EventId, MerchantId};
use serde_json::json;
use store::{CertificateWarning, NewEvent, Store, StoreError};
use tokio::sync::{Notify, watch};

use crate::edge::certificates::CertificateInfo;
use crate::events;

/// Days before the end at which is told, the last one first.
const WARN_AT_DAYS: [i32; 4] = [1, 7, 14, 30];
/// Certificates of one question.
const PAGE: u64 = 1_000;

pub struct CertificateExpiry {
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub new_deliveries: Arc<Notify>,
    pub interval: Duration,
}

/// A certificate that ends soon.
struct Ending {
    /// What the warning is remembered under.
    id: String,
    /// `None` of one of the installation: nobody has a webhook for it.
    owner: Option<(MerchantId, Option<ConnectionId>)>,
    /// `client`, `identity` or `server`.
    role: &'static str,
    name: String,
    sha256: String,
    subject: Option<String>,
    not_after: DateTime<Utc>,
}

impl CertificateExpiry {
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        loop {
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "whether certificates end soon cannot be told; trying again later");
            }
            tokio::select! {
                () = tokio::time::sleep(self.interval) => {}
                _ = stop.changed() => return,
            }
        }
    }

    async fn look(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.tell(self.server(now).await?, now).await?;
        let mut after = None;
        loop {
            let page = (self.store).client_certificates_ending(now, now + horizon(), after, PAGE);
            let page = page.await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            let ending = page.into_iter().filter_map(|certificate| {
                let info: Option<CertificateInfo> = certificate.info.and_then(|info| serde_json::from_value(info).ok());
                Some(Ending {
                    id: certificate.id.to_string(),
                    owner: Some((certificate.merchant_id, Some(certificate.connection_id))),
                    role: "client",
                    name: certificate.name,
                    sha256: certificate.sha256,
                    subject: info.map(|info| info.subject),
                    not_after: certificate.not_after?,
                })
            });
            self.tell(ending.collect(), now).await?;
        }
        self.look_at_identities(now).await
    }

    async fn look_at_identities(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = self.store.shown_identities(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.connection_id);
            let ending = page.into_iter().filter_map(|shown| {
                let info: CertificateInfo = serde_json::from_value(shown.info).ok()?;
                Some(Ending {
                    id: shown.connection_id.to_string(),
                    owner: Some((shown.merchant_id, Some(shown.connection_id))),
                    role: "identity",
                    name: shown.connection,
                    sha256: info.sha256,
                    subject: Some(info.subject),
                    not_after: info.not_after,
                })
            });
            self.tell(ending.collect(), now).await?;
        }
    }

    /// Those that stand in for others of the same names are not told of: only the newest is shown.
    async fn server(&self, now: DateTime<Utc>) -> Result<Vec<Ending>, StoreError> {
        let mut named = HashSet::new();
        let mut ending = Vec::new();
        let mut soonest = None;
        for certificate in self.store.server_certificates().await? {
            let shown = certificate
                .names
                .iter()
                .filter(|name| named.insert((*name).clone()))
                .count();
            if shown == 0 {
                continue;
            }
            let info: Option<CertificateInfo> = serde_json::from_value(certificate.info).ok();
            soonest = Some(soonest.map_or(certificate.not_after, |at: DateTime<Utc>| at.min(certificate.not_after)));
            ending.push(Ending {
                id: certificate.id.to_string(),
                owner: certificate.merchant_id.map(|merchant| (merchant, None)),
                role: "server",
                name: certificate.names.join(", "),
                sha256: info.as_ref().map(|info| info.sha256.clone()).unwrap_or_default(),
                subject: info.map(|info| info.subject),
                not_after: certificate.not_after,
            });
        }
        if let Some(soonest) = soonest {
            metrics::gauge!("tollgate_server_certificate_days_left").set((soonest - now).num_days() as f64);
        }
        Ok(ending)
    }

    async fn tell(&self, all: Vec<Ending>, now: DateTime<Utc>) -> Result<(), StoreError> {
        let due: Vec<(Ending, i32)> = (all.into_iter())
            .filter_map(|ending| {
                let days = due_at(ending.not_after, now)?;
                Some((ending, days))
            })
            .collect();
        if due.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = due.iter().map(|(ending, _)| ending.id.clone()).collect();
        let given = self.store.warnings_given(&ids).await?;
        for (ending, days) in due {
            let warning = CertificateWarning {
                certificate_id: ending.id.clone(),
                sha256: ending.sha256.clone(),
                days,
            };
            if !given.contains(&warning) {
                self.warn(&ending, warning, now).await?;
            }
        }
        Ok(())
    }

    async fn warn(&self, ending: &Ending, warning: CertificateWarning, now: DateTime<Utc>) -> Result<(), StoreError> {
        let days = warning.days;
        let event = match ending.owner {
            Some((merchant, connection)) => Some(NewEvent {
                id: EventId::generate(),
                merchant_id: merchant,
                event_type: events::CERTIFICATE_EXPIRING,
                payment_id: None,
                payload: json!({
                    "certificate": ending.id, "role": ending.role, "name": ending.name, "connection_id": connection,
                    "subject": ending.subject, "sha256": ending.sha256, "not_after": events::moment(ending.not_after),
                    "within_days": days,
                }),
                created_at: now,
                deliveries: events::deliveries_for(
                    &self.store.endpoints(merchant).await?,
                    events::CERTIFICATE_EXPIRING,
                ),
            }),
            None => None,
        };
        if self.store.warn_of_certificate(warning, event, now).await? {
            tracing::warn!(certificate = ending.id, role = ending.role, name = ending.name,
                not_after = %ending.not_after, "a certificate ends within {days} days");
            self.new_deliveries.notify_one();
        }
        Ok(())
    }
}

fn horizon() -> Days {
    Days::days(WARN_AT_DAYS.last().copied().unwrap_or_default().into())
}

/// The warning that is due: what was not told in time is not told late as well.
fn due_at(not_after: DateTime<Utc>, now: DateTime<Utc>) -> Option<i32> {
    if not_after <= now {
        return None;
    }
    let due = |days: &i32| not_after - now <= Days::days((*days).into());
    WARN_AT_DAYS.into_iter().find(due)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_warning_that_is_due_is_given() {
        let now = Utc::now();
        for (hours, due) in [
            (31 * 24, None),
            (30 * 24, Some(30)),
            (15 * 24, Some(30)),
            (14 * 24, Some(14)),
            (8 * 24, Some(14)),
            (7 * 24, Some(7)),
            (25, Some(7)),
            (24, Some(1)),
            (1, Some(1)),
            (0, None),
            (-1, None),
        ] {
            assert_eq!(due_at(now + Days::hours(hours), now), due, "{hours} hours");
        }
    }
}
