//! What the tests drive the real binary with: databases, gateways, kiosks, webhook receivers.
//!
//! Nothing here knows the gateway's code: a misreading of a protocol must not cancel itself out.

pub mod admin;
pub mod cable;
pub mod database;
pub mod gateway;
pub mod inspector;
pub mod kiosk;
pub mod papers;
pub mod people;
pub mod ports;
pub mod postgres;
pub mod redis;
pub mod sandbox;
pub mod tls;
pub mod wait;
mod watchdog;

pub use admin::{Admin, AdminAnswer};
pub use cable::Cable;
pub use database::{Backend, TestDatabase};
pub use gateway::{Cli, Gateway};
pub use inspector::{Inspector, Received, Reply};
pub use kiosk::{Answer, Kiosk};
pub use papers::{Authority, Paper};
pub use people::{Authenticator, Browser};
pub use postgres::PostgresServer;
pub use redis::RedisServer;
pub use sandbox::{Sandbox, Shop};
pub use tls::{TlsAnswer, TlsCaller, TlsLine, TlsNetwork};
pub use wait::{soon, within};
