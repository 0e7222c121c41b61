//! The heart: what happens to a payment, in which order, and when it is durable. Knows no HTTP.

mod accept;
mod account;
mod canary;
mod decision;
mod envelope;
mod facts;
mod failures;
mod host;
mod lookups;
pub mod machine;
pub mod orders;
mod record;
mod repeat;
mod shadow;
pub mod velocity;

pub use accept::{Acceptance, Answered, Call, Parts};
pub use account::AccountCheck;
pub use canary::{ArmCounts, Canaries, CanaryCounts};
pub use envelope::Envelope;
pub use host::Hosts;
pub use lookups::Lookups;
pub use record::{DecisionRecord, DecisionsKept, masked};
pub use shadow::{ShadowJob, ShadowLoad, Shadows};
