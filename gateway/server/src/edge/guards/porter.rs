//! Whether a caller may speak to a connection, cheapest proof first.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use plugin_sdk::{Access, AuthMode};
use tokio::sync::Semaphore;

use crate::edge::certificates::Proof;
use crate::tenancy::BoundConnection;

/// Passwords that are hashed at once on this node. More would let strangers with wrong passwords take all cores.
const SLOW_CHECKS_MAX: usize = 2;
/// How long a request waits for its password's turn to be hashed.
const SLOW_CHECK_WAIT: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unproven {
    /// The address is not one of the network's.
    Address,
    /// No client certificate, or another one than the connection's.
    Certificate,
    /// No login, or a wrong one.
    Login,
    /// The login could not be checked in time.
    Busy,
}

/// What a caller shows of itself.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    pub peer: IpAddr,
    pub authorization: Option<&'a str>,
    /// Of its client certificate.
    pub proof: Option<&'a Proof>,
    pub now: DateTime<Utc>,
}

#[derive(Clone)]
pub struct Porter {
    slow_checks: Arc<Semaphore>,
}

impl Default for Porter {
    fn default() -> Self {
        Self {
            slow_checks: Arc::new(Semaphore::new(SLOW_CHECKS_MAX)),
        }
    }
}

impl Porter {
    pub async fn admit(
        &self,
        connection: &Arc<BoundConnection>,
        access: &Access,
        shown: Shown<'_>,
    ) -> Result<(), Unproven> {
        if !access.subnets.iter().any(|subnet| subnet.contains(&shown.peer)) {
            return Err(Unproven::Address);
        }
        let proven = shown
            .proof
            .is_some_and(|proof| proof.is_of(connection.row.id, shown.now));
        match access.auth {
            AuthMode::ClientCertificate | AuthMode::BasicAndClientCertificate if !proven => {
                return Err(Unproven::Certificate);
            }
            AuthMode::BasicOrClientCertificate if proven => return Ok(()),
            _ => {}
        }
        if access.auth.wants_basic() {
            self.check_login(connection, shown.authorization).await
        } else {
            Ok(())
        }
    }

    async fn check_login(&self, connection: &Arc<BoundConnection>, header: Option<&str>) -> Result<(), Unproven> {
        let said = |right: bool| if right { Ok(()) } else { Err(Unproven::Login) };
        let (Some(login), Some(header)) = (&connection.login, header) else {
            return Err(Unproven::Login);
        };
        if let Some(known) = login.quick_check(Some(header)) {
            return said(known);
        }
        // One at a time for each connection, so that guesses at one do not keep the others waiting.
        let turns = async {
            let own = connection.login_turn.acquire().await.ok()?;
            Some((own, self.slow_checks.acquire().await.ok()?))
        };
        let Ok(Some(_turns)) = tokio::time::timeout(SLOW_CHECK_WAIT, turns).await else {
            return Err(Unproven::Busy);
        };
        // Somebody may have proven it while this request waited for its turn.
        if let Some(known) = login.quick_check(Some(header)) {
            return said(known);
        }
        let (connection, header) = (Arc::clone(connection), header.to_owned());
        let check = move || connection.login.as_ref().is_some_and(|login| login.slow_check(&header));
        said(tokio::task::spawn_blocking(check).await.unwrap_or(false))
    }
}
