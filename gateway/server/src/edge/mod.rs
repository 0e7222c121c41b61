//! The way in and the way out: who calls, from where, with what proof, and what the wire log keeps of it.

pub mod body;
pub mod certificates;
pub mod guards;
pub mod identity;
pub mod listener;
pub mod outbound;
pub mod peer;
pub mod recorder;
pub mod tls;
pub mod upstream;
pub mod upstream_health;
