//! Which host means which connection on the path that all share.

use plugin_sdk::MerchantId;
use store::{Connection, ConnectionChange};

use super::{Onboarding, OnboardingError};
use crate::edge::tls::{is_host_name, matches};

impl Onboarding {
    /// Sets by which host's name a connection is called; `None` for none.
    pub async fn set_host(
        &self,
        merchant: MerchantId,
        connection: &Connection,
        host: Option<String>,
    ) -> Result<Connection, OnboardingError> {
        let host = host.map(|host| host.trim().to_ascii_lowercase());
        if let Some(host) = &host {
            self.check_host(merchant, connection, host).await?;
        }
        let change = ConnectionChange {
            host: Some(host),
            ..ConnectionChange::default()
        };
        Ok(self
            .store
            .change_connection(merchant, connection.id, change, self.clock.now())
            .await?)
    }

    async fn check_host(
        &self,
        merchant: MerchantId,
        connection: &Connection,
        host: &str,
    ) -> Result<(), OnboardingError> {
        let wrong = |message: String| OnboardingError::field("host", message);
        if host.starts_with("*.") || !is_host_name(host) {
            return Err(wrong(format!(
                "'{host}' is not the name of a host, such as pay.example.com"
            )));
        }
        if self.plugin(&connection.plugin)?.inbound().is_none() {
            return Err(wrong("this connection's network does not call us".to_owned()));
        }
        let certificates = self.store.server_certificates().await?;
        let others = certificates.iter().any(|certificate| {
            certificate.merchant_id.is_some_and(|owner| owner != merchant)
                && certificate.names.iter().any(|name| matches(name, host))
        });
        if others {
            return Err(wrong(format!("'{host}' is another merchant's own name")));
        }
        Ok(())
    }
}
