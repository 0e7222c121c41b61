//! What stands beside the gateway and may be slow or gone at any moment, without anybody losing a payment by it.

mod redis;

pub use redis::{Redis, RedisError, RedisOptions, Script, Session};
