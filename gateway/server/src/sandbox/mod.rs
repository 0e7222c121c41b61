//! The host of the networks' simulators: serves all of them on one port by their real paths, sends their notifications,
//! keeps a clock that can be moved, and makes faults on order. The simulators themselves belong to the plugins.

mod clock;
mod control;
mod faults;
mod notifications;
mod server;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use plugin_sdk::Sandbox;

use crate::plugins::Plugins;

pub use clock::SandboxClock;
pub use faults::{Fault, Faults};
pub use server::{Running, start};

/// All networks with what stands around them.
pub struct Host {
    networks: Vec<Network>,
    clock: SandboxClock,
    faults: Faults,
    journal: notifications::Journal,
}

struct Network {
    name: &'static str,
    title: &'static str,
    sandbox: Mutex<Box<dyn Sandbox>>,
}

impl Host {
    #[must_use]
    pub fn new(plugins: &Plugins) -> Arc<Self> {
        let networks = plugins.iter().filter_map(|plugin| {
            let manifest = plugin.manifest();
            Some(Network {
                name: manifest.name,
                title: manifest.title,
                sandbox: Mutex::new(plugin.sandbox()?),
            })
        });
        Arc::new(Self {
            networks: networks.collect(),
            clock: SandboxClock::default(),
            faults: Faults::default(),
            journal: notifications::Journal::default(),
        })
    }

    /// For each network that can be demonstrated: its plugin, and the config of a connection to it. `notify_url` makes the
    /// address of a connection from its plugin's name, which is its own name, too.
    pub fn connect(
        &self,
        base_url: &str,
        notify_url: impl Fn(&str) -> String,
    ) -> Vec<(&'static str, serde_json::Value)> {
        let connect = |network: &Network| {
            let config = network.lock().connect(base_url, &notify_url(network.name));
            config.map(|config| (network.name, config))
        };
        self.networks.iter().filter_map(connect).collect()
    }

    fn network_of(&self, path: &str) -> Option<&Network> {
        self.networks.iter().find(|network| network.lock().serves(path))
    }
}

impl Network {
    fn lock(&self) -> MutexGuard<'_, Box<dyn Sandbox>> {
        self.sandbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
