//! HTTP by audience. Holds no decisions: it reads a request, asks the inside, and writes the answer down.

pub mod admin;
pub mod admin_ui;
pub mod deadline;
pub mod endless;
pub mod heads;
pub mod merchant;
pub mod misdirected;
pub mod network;
pub mod openapi;
pub mod problem;
mod request_id;
pub mod status;
