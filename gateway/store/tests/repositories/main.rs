//! Every repository, on both databases.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod canaries;
mod decisions;
mod deliveries;
mod endpoints;
mod isolation;
mod list_imports;
mod lists;
mod logs;
mod merchants;
mod migrations;
mod orders;
mod payments;
mod races;
mod rules;
mod settlements;
mod shadows;
mod velocity;
mod views;
mod world;
