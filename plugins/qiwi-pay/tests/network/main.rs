//! The connector against its simulator, in one process, with faults on order and a clock that the tests move.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod any_bytes;
mod callbacks;
mod codes;
mod config;
mod deals;
mod faults;
mod page;
mod payments;
mod shop;
mod steps;
