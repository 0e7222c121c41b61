//! One module per table. Private to this crate: outside, rows are seen as the types of the repositories.

pub mod audit;
pub mod connections;
pub mod decisions;
pub mod deliveries;
pub mod delivery_attempts;
pub mod events;
pub mod exchanges;
pub mod list_changes;
pub mod list_entries;
pub mod list_generations;
pub mod list_imports;
pub mod list_quotas;
pub mod lists;
pub mod merchants;
pub mod operations;
pub mod payments;
pub mod registrations;
pub mod rule_drafts;
pub mod rule_replays;
pub mod rule_revisions;
pub mod rule_settings;
pub mod rule_troubles;
pub mod settlement_files;
pub mod settlement_rows;
pub mod velocity_marks;
pub mod webhook_endpoints;
