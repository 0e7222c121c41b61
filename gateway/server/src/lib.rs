//! Tollgate: a multi-tenant payment gateway with Lua rules. This crate is the server; see `docs/` for guides.

pub mod access;
pub mod api;
pub mod cli;
pub mod container;
pub mod edge;
pub mod events;
pub mod kiosk;
pub mod lists;
pub mod masking;
pub mod neighbours;
pub mod node;
pub mod office;
pub mod payments;
pub mod plugins;
pub mod rulebook;
pub mod sandbox;
pub mod settings;
pub mod telemetry;
pub mod tenancy;
pub mod workers;
