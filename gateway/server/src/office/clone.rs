//! A new merchant made like another: everything that is configuration, nothing that is secret, data or people.

use plugin_sdk::MerchantId;
use store::{
    ConnectionStatus, Endpoint, EndpointStatus, LimitLevel, LimitSetter, Merchant, MerchantStatus, NewConnection,
    Store, StoreError,
};

use crate::rulebook::{Rulebook, RulebookError, Script};
use crate::tenancy::config_secrets;
use crate::tenancy::{
    EndpointDraft, EndpointPatch, LimitSettings, Onboarding, OnboardingError, RuleSettings, Setting, TrafficBook,
    TrafficBookError, TrafficOf,
};

#[derive(Debug, thiserror::Error)]
pub enum CloneError {
    #[error(transparent)]
    Onboarding(#[from] OnboardingError),
    #[error(transparent)]
    Rules(#[from] RulebookError),
    #[error(transparent)]
    Limits(#[from] TrafficBookError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub struct Cloning<'a> {
    pub store: &'a Store,
    pub onboarding: &'a Onboarding,
    pub rulebook: &'a Rulebook,
    pub traffic: &'a TrafficBook,
    pub actor: &'a str,
}

impl Cloning<'_> {
    /// Whole or not at all: a clone that came halfway is deleted.
    pub async fn run(&self, source: &Merchant, slug: String, name: String) -> Result<Merchant, CloneError> {
        let new = self.onboarding.create_merchant(slug, name).await?;
        match self.fill(source, new.id).await {
            Ok(()) => Ok(self.store.merchant(new.id).await?),
            Err(error) => {
                let gone = self
                    .onboarding
                    .change_merchant(new.id, None, Some(MerchantStatus::Deleted));
                if let Err(left) = gone.await {
                    tracing::error!(error = %left, merchant = %new.id, "half of a cloned merchant is left");
                }
                Err(error)
            }
        }
    }

    async fn fill(&self, source: &Merchant, new: MerchantId) -> Result<(), CloneError> {
        for connection in self.store.connections(source.id).await? {
            let copy = NewConnection {
                slug: connection.slug,
                plugin: connection.plugin,
                // It cannot work without its secrets; whoever gives them resumes it.
                status: ConnectionStatus::Suspended,
                config: config_secrets::without_secrets(&connection.config),
                basic: None,
            };
            self.store
                .create_connection(new, copy, self.onboarding.clock.now())
                .await?;
        }
        self.limits(source.id, new).await?;
        self.rules(source, new).await?;
        for endpoint in self.store.endpoints(source.id).await? {
            if endpoint.status != EndpointStatus::Deleted {
                self.endpoint(endpoint, new).await?;
            }
        }
        Ok(())
    }

    /// Of the merchant and its connections. They were allowed once, so they are again.
    async fn limits(&self, source: MerchantId, new: MerchantId) -> Result<(), CloneError> {
        let mut pairs = vec![(TrafficOf::Merchant, TrafficOf::Merchant)];
        let limited = self.store.limits(source).await?;
        let of_connections = limited.iter().filter(|limits| limits.level == LimitLevel::Connection);
        let subjects: Vec<_> = of_connections.map(|limits| limits.subject.clone()).collect();
        for connection in self.store.connections(source).await? {
            if subjects.contains(&connection.id.to_string()) {
                let from = self.traffic.connection(source, &connection.slug).await?;
                pairs.push((from, self.traffic.connection(new, &connection.slug).await?));
            }
        }
        for (from, to) in pairs {
            let set = self.traffic.get(source, &from).await?.set;
            let setting = Setting {
                setter: LimitSetter::Operator,
                below_network_minimum: true,
                actor: self.actor,
            };
            self.traffic.set(new, &to, set, setting).await?;
        }
        Ok(())
    }

    /// As a draft: its lists and secrets are not there yet. The published script, else the draft.
    async fn rules(&self, source: &Merchant, new: MerchantId) -> Result<(), CloneError> {
        let settings = self.rulebook.settings(source.id).await?;
        let settings = RuleSettings {
            lowered: LimitSettings::default(),
            ..settings
        };
        self.rulebook.set_settings(new, settings, self.actor).await?;
        let text = match source.published_rules {
            Some(number) => Some(self.store.rule_revision(source.id, number).await?.source),
            None => self.store.rule_draft(source.id).await?.map(|draft| draft.source),
        };
        if let Some(text) = text {
            let script = Script {
                source: text,
                message: format!("As at {}", source.slug),
                author: self.actor.to_owned(),
            };
            self.rulebook.save_draft(new, script).await?;
        }
        Ok(())
    }

    /// Paused, and with a secret of its own.
    async fn endpoint(&self, endpoint: Endpoint, new: MerchantId) -> Result<(), CloneError> {
        let draft = EndpointDraft {
            url: endpoint.url,
            format: endpoint.format,
            time_zone: Some(endpoint.time_zone),
            secret: None,
            event_types: endpoint.event_types,
            max_in_flight: Some(endpoint.max_in_flight),
            retry_schedule: Some(endpoint.retry_schedule),
        };
        let (made, _) = self.onboarding.create_endpoint(new, draft).await?;
        let pause = EndpointPatch {
            status: Some(EndpointStatus::Paused),
            ..EndpointPatch::default()
        };
        self.onboarding.change_endpoint(new, made.id, pause).await?;
        Ok(())
    }
}
