//! The real binary over the wire, on both databases.

mod bad_input;
mod cli;
mod configuration;
mod conformance;
mod container;
mod decisions;
mod demo;
mod front_door;
mod kills;
mod ledger;
mod lists;
mod outage;
mod outage_signs;
mod races;
mod replays;
mod rest;
mod revisions;
mod rule_lookups;
mod rules;
mod rules_cli;
mod settlements;
mod shutdown;
mod stage;
mod webhooks;
mod webhooks_trouble;
mod wire_bodies;
