//! One node: everything put together, started, and stopped in order.

mod background;
mod core;
mod parts;
mod people;
mod public;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::{Data, ServiceConfig};
use store::LogWriter;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::background::Background;
pub use self::core::Core;
use self::parts::Parts;
use crate::access::bootstrap::{BootstrapError, BootstrapToken};
use crate::access::master_keys::MasterKeyError;
use crate::access::people::PeopleError;
use crate::access::sealing::SealingError;
use crate::api::status::Status;
use crate::edge::outbound::OutboundError;
use crate::edge::tls::KeeperError;
use crate::neighbours::RedisError;
use crate::settings::{Settings, SettingsError};
use crate::telemetry;

/// How long requests in flight may take to end when the node stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    #[error(
        "no master key: secrets in the database could not be sealed. Make one with `tollgate keygen`, keep it safe, and \
         give it as TOLLGATE_MASTER_KEY, or as master_key_file in tollgate.toml"
    )]
    NoMasterKey,
    #[error("{0}")]
    Settings(#[from] SettingsError),
    #[error("master_key: {0}")]
    Sealing(#[from] SealingError),
    #[error("{0}")]
    MasterKey(#[from] MasterKeyError),
    #[error("{0}")]
    Bootstrap(#[from] BootstrapError),
    #[error("database: {0}")]
    Store(#[from] store::StoreError),
    #[error("rules: {0}")]
    Rules(#[from] rules::EngineError),
    #[error("{0}")]
    Outbound(#[from] OutboundError),
    #[error("redis.url: {0}")]
    Redis(#[from] RedisError),
    #[error("metrics: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    #[error("people: {0}")]
    People(#[from] PeopleError),
    #[error("certificates: {0}")]
    Certificates(#[from] KeeperError),
    #[error("listener {address}: {error}")]
    Listen { address: String, error: std::io::Error },
}

/// How this node differs from the plain one.
#[derive(Default)]
pub struct Extras {
    /// Merchant and connection that `/payment` means when nothing else names one.
    pub default_connection: Option<(String, String)>,
    /// Further routes on the admin listener.
    pub admin_routes: Option<fn(&mut ServiceConfig)>,
}

/// A running node.
pub struct Node {
    pub public: SocketAddr,
    /// Where networks and tenant systems call over TLS.
    pub tls: Vec<SocketAddr>,
    pub admin: SocketAddr,
    servers: Vec<(ServerHandle, JoinHandle<std::io::Result<()>>)>,
    stop: watch::Sender<bool>,
    stopping: Arc<AtomicBool>,
    background: Background,
    log: LogWriter,
}

impl Node {
    pub async fn start(settings: &Settings, core: Core, extras: Extras) -> Result<Self, NodeError> {
        let metrics = telemetry::start_metrics()?;
        let bootstrap = settings
            .admin
            .bootstrap_token()?
            .map(|token| BootstrapToken::new(&token).map(Arc::new))
            .transpose()?;
        // In boxes, as these are far larger than what the node keeps of them.
        let (parts, jobs) = Box::pin(Parts::open(settings, core)).await?;
        let (stop, stopped) = watch::channel(false);
        let mut background = Background::start(&parts, jobs, &stopped).await?;
        let admin = Data::new(Box::pin(people::desk(&parts, bootstrap)).await?);
        background.serve_exports(&admin.exports, &stopped);

        let desk = parts.desk(admin.clone(), extras.default_connection);
        let doors = Arc::new(parts.guards.doors().clone());
        let public = public::listen(&settings.public, &desk, doors, &parts.terminator).await?;
        parts.terminator.listens_at(public.tls.clone());
        let _ = parts.public_address.set(public.plain);
        let status = Data::new(Status {
            store: parts.core.store.clone(),
            writer: parts.writer.clone(),
            redis: parts.redis.clone(),
            guards: parts.guards.clone(),
            metrics,
            stopping: Arc::clone(&parts.stopping),
        });
        let (admin, admin_server) = people::listen(&parts, admin, status, extras.admin_routes)?;
        Ok(Self {
            public: public.plain,
            tls: public.tls,
            admin,
            servers: vec![public.server, admin_server],
            stop,
            stopping: parts.stopping,
            background,
            log: parts.log,
        })
    }

    /// Stops accepting, finishes what is in flight, writes what waits, and returns, all within one time limit.
    pub async fn stop(self) {
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, self.stop_in_order())
            .await
            .is_err()
        {
            tracing::warn!("stopped before everything in flight had ended; nothing that was answered is lost");
        }
    }

    async fn stop_in_order(self) {
        self.stopping.store(true, Ordering::SeqCst);
        let _ = self.stop.send(true);
        for (handle, server) in self.servers {
            handle.stop(true).await;
            let _ = server.await;
        }
        self.background.ended().await;
        self.log.flush().await;
    }
}

fn num_cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
