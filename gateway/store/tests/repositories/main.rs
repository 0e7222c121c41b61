//! Every repository, on both databases.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod decisions;
mod deliveries;
mod endpoints;
mod isolation;
mod logs;
mod merchants;
mod migrations;
mod payments;
mod races;
mod rules;
mod settlements;
mod views;
mod world;
