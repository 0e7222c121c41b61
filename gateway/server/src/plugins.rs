//! The one place that lists the plugins.

use std::sync::Arc;

use plugin_sdk::Plugin;

/// Every network that this build speaks.
#[derive(Clone)]
pub struct Plugins {
    list: Arc<[Box<dyn Plugin>]>,
}

impl Plugins {
    #[must_use]
    pub fn all() -> Self {
        Self {
            list: Arc::new([
                Box::new(plugin_terminal::TerminalPlugin::new()),
                Box::new(plugin_payin::PayinPlugin::new()),
                Box::new(plugin_wallet::WalletPlugin::new()),
                Box::new(plugin_qiwi_pay::QiwiPayPlugin::new()),
            ]),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &dyn Plugin> {
        self.list.iter().map(AsRef::as_ref)
    }

    #[must_use]
    pub fn find(&self, name: &str) -> Option<&dyn Plugin> {
        self.iter().find(|plugin| plugin.manifest().name == name)
    }
}
