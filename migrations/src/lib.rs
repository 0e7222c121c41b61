//! The schema of the Tollgate database, one file per change, for SQLite and PostgreSQL alike.
//!
//! Conventions: ids are prefixed texts, moments are UTC with microseconds, amounts are integer minor units beside
//! their currency. Every table of tenant data carries `merchant_id`.

pub use sea_orm_migration::prelude::MigratorTrait;
use sea_orm_migration::prelude::*;

mod columns;
mod m20261122_000001_merchants;
mod m20261122_000002_payments;
mod m20261122_000003_events;
mod m20261122_000004_settlements;
mod m20261122_000005_container_views;
mod m20261122_000006_lists;
mod m20261122_000007_velocity;
mod m20261122_000008_rules_at_work;
mod m20261122_000009_revisions;
mod m20261122_000010_decisions;
mod m20261122_000011_replays;
mod m20261122_000012_shadows;
mod m20261122_000013_canaries;
mod m20261122_000014_rule_secrets;
mod m20261122_000016_orders;
mod m20261122_000017_identities;
mod m20261128_000010_access;
mod m20261128_000020_certificates;
mod m20261128_000021_sealing_keys;
mod m20261128_000030_limits;
mod m20261128_000040_own_limits_and_hosts;
mod m20261128_000041_single_sign_on;
mod m20261128_000050_back_office;
mod m20261128_000051_exports;
mod m20261128_000052_settlement_notes;
mod m20261128_000060_lease_holders;

#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261122_000001_merchants::Migration),
            Box::new(m20261122_000002_payments::Migration),
            Box::new(m20261122_000003_events::Migration),
            Box::new(m20261122_000004_settlements::Migration),
            Box::new(m20261122_000005_container_views::Migration),
            Box::new(m20261122_000006_lists::Migration),
            Box::new(m20261122_000007_velocity::Migration),
            Box::new(m20261122_000008_rules_at_work::Migration),
            Box::new(m20261122_000009_revisions::Migration),
            Box::new(m20261122_000010_decisions::Migration),
            Box::new(m20261122_000011_replays::Migration),
            Box::new(m20261122_000012_shadows::Migration),
            Box::new(m20261122_000013_canaries::Migration),
            Box::new(m20261122_000014_rule_secrets::Migration),
            Box::new(m20261122_000016_orders::Migration),
            Box::new(m20261122_000017_identities::Migration),
            Box::new(m20261128_000010_access::Migration),
            Box::new(m20261128_000030_limits::Migration),
            Box::new(m20261128_000020_certificates::Migration),
            Box::new(m20261128_000021_sealing_keys::Migration),
            Box::new(m20261128_000040_own_limits_and_hosts::Migration),
            Box::new(m20261128_000041_single_sign_on::Migration),
            Box::new(m20261128_000050_back_office::Migration),
            Box::new(m20261128_000051_exports::Migration),
            Box::new(m20261128_000052_settlement_notes::Migration),
            Box::new(m20261128_000060_lease_holders::Migration),
        ]
    }
}
