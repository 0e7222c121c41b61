//! Merchants and their connections: how they are made, and how a node knows them while it serves.

mod directory;
mod onboarding;
mod slug;

pub use directory::{BoundConnection, BoundRules, BoundTenant, Directory};
pub use onboarding::{
    BasicCredentials, ConnectionDraft, ConnectionPatch, EndpointDraft, EndpointPatch, Onboarding, OnboardingError,
};
pub use slug::is_slug;
