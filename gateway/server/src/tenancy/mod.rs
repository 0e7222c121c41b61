//! Merchants and their connections: how they are made, and how a node knows them while it serves.

mod canary;
pub mod config_secrets;
mod directory;
mod hosts;
mod onboarding;
mod rule_settings;
mod rules_in_service;
mod slug;
mod traffic;
mod traffic_book;

pub use canary::{BoundCanary, WHOLE_BP};
pub use directory::{BoundConnection, BoundNetwork, BoundTenant, Directory, Named};
pub use onboarding::{
    BasicCredentials, ConnectionDraft, ConnectionPatch, EndpointDraft, EndpointPatch, Onboarding, OnboardingError,
};
pub use rule_settings::{LimitSettings, OnBrokenRule, RuleSettings, is_http_host};
pub use rules_in_service::{BoundRevision, BoundRules, BoundShadow, RuleBinder};
pub use slug::is_slug;
pub use traffic::{RateWindow, Traffic, TrafficDefaults, TrafficError, TrafficLimits, read_windows};
pub use traffic_book::{Setting, TrafficBook, TrafficBookError, TrafficOf, TrafficSet};
