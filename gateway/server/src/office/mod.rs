//! The back office: what people who run the gateway ask of it. How things are, where something is, what is missing before a
//! merchant goes live, files to take away.

pub mod clone;
pub mod conformance;
pub mod exports;
pub mod front_door;
pub mod golive;
pub mod overview;

pub use exports::{ExportDesk, ExportRequest};
pub use golive::GoLive;
pub use overview::Overviews;
