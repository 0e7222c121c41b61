//! What serving and administration share.

use std::sync::Arc;
use std::time::Duration;

use plugin_sdk::{Clock, SystemClock};
use rules::{CallLimits, Engine, Limits};
use secrecy::SecretString;
use store::Store;
use tokio::sync::Semaphore;

use super::NodeError;
use crate::access::master_keys::MasterKeys;
use crate::access::sealing::Sealer;
use crate::edge::certificates::CertificateDesk;
use crate::edge::outbound::Outbound;
use crate::lists::ListBook;
use crate::plugins::Plugins;
use crate::rulebook::Rulebook;
use crate::settings::Settings;
use crate::tenancy::{Onboarding, TrafficBook};

/// Replays that run at once: they take half of a core, whatever waits.
const REPLAYS_AT_ONCE: usize = 1;

/// Made without listening anywhere, so that the CLI uses it too.
pub struct Core {
    pub store: Store,
    pub onboarding: Onboarding,
    pub certificates: CertificateDesk,
    pub lists: ListBook,
    pub rulebook: Rulebook,
    pub traffic: TrafficBook,
    pub sealer: Arc<Sealer>,
    pub outbound: Outbound,
    pub engine: Engine,
    pub plugins: Plugins,
    pub clock: Arc<dyn Clock>,
}

impl Core {
    /// Connects, migrates and puts together. `fallback_key` serves when no master key is configured.
    pub async fn open(settings: &Settings, fallback_key: Option<SecretString>) -> Result<Self, NodeError> {
        let configured = settings.master_key()?;
        let is_configured = configured.is_some();
        let key = configured.or(fallback_key).ok_or(NodeError::NoMasterKey)?;
        let sealer = Arc::new(Sealer::with_previous(&key, &settings.previous_master_keys()?)?);
        let engine = Engine::new(limits(settings))?;
        let outbound = Outbound::new(settings.webhooks.allow_networks.clone())?;
        let store = Store::connect(&settings.database.options()?).await?;
        store.migrate().await?;
        let plugins = Plugins::all();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        // A key that nobody configured is made anew at each start, and opens nothing.
        if is_configured {
            let keys = MasterKeys {
                store: store.clone(),
                sealer: Arc::clone(&sealer),
            };
            keys.prove(clock.now()).await?;
        }
        let onboarding = Onboarding {
            store: store.clone(),
            plugins: plugins.clone(),
            sealer: Arc::clone(&sealer),
            outbound: outbound.clone(),
            clock: Arc::clone(&clock),
            pkcs12: settings.certificates.pkcs12(),
        };
        let certificates = CertificateDesk {
            store: store.clone(),
            sealer: Arc::clone(&sealer),
            clock: Arc::clone(&clock),
            pkcs12: settings.certificates.pkcs12(),
            client_days: settings.certificates.client_days,
        };
        let lists = ListBook {
            store: store.clone(),
            clock: Arc::clone(&clock),
            limits: Arc::new(settings.lists.limits()),
        };
        let rulebook = Rulebook {
            store: store.clone(),
            engine: engine.clone(),
            sealer: Arc::clone(&sealer),
            clock: Arc::clone(&clock),
            replay_turns: Arc::new(Semaphore::new(REPLAYS_AT_ONCE)),
        };
        let traffic = TrafficBook {
            store: store.clone(),
            plugins: plugins.clone(),
            clock: Arc::clone(&clock),
            defaults: settings.traffic_defaults()?,
        };
        Ok(Self {
            store,
            onboarding,
            certificates,
            lists,
            rulebook,
            traffic,
            sealer,
            outbound,
            engine,
            plugins,
            clock,
        })
    }
}

fn limits(settings: &Settings) -> Limits {
    Limits {
        call: CallLimits {
            steps: settings.rules.steps,
            own_cpu: Duration::from_millis(settings.rules.own_cpu_ms),
            memory_bytes: settings.rules.memory_bytes,
            decision: Duration::from_millis(settings.rules.decision_ms),
            host_calls: settings.rules.host_calls,
            http_calls: settings.rules.http_calls,
        },
        ..Limits::default()
    }
}
