//! What networks tell by themselves.

use plugin_sdk::connector::{Notification, NotificationError, NotificationRequest, Subject};
use plugin_sdk::{PaymentId, RawAnswer};
use store::StoreError;

use super::settle::{Settled, Settling};
use super::{OrderError, Orders};
use crate::tenancy::{BoundConnection, BoundTenant};

/// What a notification is answered, and which payment it was about.
pub struct Notified {
    pub answer: RawAnswer,
    pub payment: Option<PaymentId>,
}

/// A notification that changes nothing.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    Notification(#[from] NotificationError),
    /// It is not acknowledged, so that the network tells it again.
    #[error(transparent)]
    Order(#[from] OrderError),
}

impl Orders {
    /// Applies a notification, and only then acknowledges it.
    pub async fn notified(
        &self,
        tenant: &BoundTenant,
        connection: &BoundConnection,
        request: &NotificationRequest<'_>,
    ) -> Result<Notified, Refusal> {
        let outbound = connection.outbound().ok_or(NotificationError::NotSupported)?;
        let notification = outbound.parse_notification(request)?;
        let payment = self.subject(tenant, connection, &notification).await?;
        let Some(payment) = payment else {
            tracing::info!(connection = %connection.row.id, "a notification about nothing of ours");
            metrics::counter!("tollgate_notifications_total", "about" => "nothing").increment(1);
            return Ok(Notified {
                answer: notification.answer,
                payment: None,
            });
        };
        metrics::counter!("tollgate_notifications_total", "about" => "payment").increment(1);
        if notification.must_confirm {
            self.refresh(tenant, payment).await?;
        } else {
            let change = |settling: &mut Settling| {
                let mut settled = Settled::default();
                for report in &notification.reports {
                    settled.merge(settling.report(report.clone()));
                }
                Ok(settled)
            };
            self.write(tenant, payment, change).await?;
        }
        Ok(Notified {
            answer: notification.answer,
            payment: Some(payment),
        })
    }

    /// The payment that a notification is about, if it is one of this connection.
    async fn subject(
        &self,
        tenant: &BoundTenant,
        connection: &BoundConnection,
        notification: &Notification,
    ) -> Result<Option<PaymentId>, OrderError> {
        let (store, merchant) = (&self.parts.store, tenant.merchant.id);
        let found = match &notification.subject {
            Subject::Payment(id) => Some(*id),
            Subject::Number(number) => store.order_by_number(merchant, *number).await?,
            Subject::NetworkId(id) => store.order_by_network_id(merchant, connection.row.id, id).await?,
            Subject::Nothing => None,
        };
        let Some(payment) = found else { return Ok(None) };
        let state = match store.order(merchant, payment).await {
            Ok(state) => state,
            Err(StoreError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // A connection speaks for the payments that it made, not for others of the merchant.
        let its_own = state
            .operations
            .iter()
            .any(|operation| operation.connection_id == connection.row.id);
        Ok(its_own.then_some(payment))
    }
}
