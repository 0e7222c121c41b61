use std::sync::Arc;
use std::time::{Duration, Instant};

use e2e::{RedisServer, soon, within};

use super::*;

/// Back in use within this after Redis is back.
const BACK_WITHIN: Duration = Duration::from_secs(2);

fn redis(server: &RedisServer) -> Redis {
    let options = RedisOptions {
        url: server.url().into(),
        prefix: "test".to_owned(),
        // A busy machine may keep a healthy Redis waiting for a while.
        timeout: Duration::from_millis(200),
        connect_timeout: Duration::from_millis(500),
        failures_max: 3,
        probe_pause: Duration::from_millis(100),
    };
    let redis = Redis::new(options).unwrap();
    tokio::spawn(redis.clone().keep());
    redis
}

fn counter() -> Script {
    Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])")
}

async fn count(redis: &Redis) -> Result<i64, RedisError> {
    redis
        .call(&counter(), &[redis.key("m", "count")], &["1".to_owned()])
        .await
}

async fn away(redis: &Redis) {
    soon("Redis is given up", async || {
        drop(count(redis).await);
        (!redis.answers()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_script_is_loaded_when_redis_does_not_know_it() {
    let server = RedisServer::start();
    let redis = redis(&server);
    redis.answering().await;
    assert_eq!(count(&redis).await, Ok(1));
    server.ask("SCRIPT FLUSH");
    assert_eq!(count(&redis).await, Ok(2));
    assert_eq!(server.ask("GET test:{m}:count"), "$1\r\n2\r\n");
}

#[tokio::test]
async fn nobody_waits_for_a_redis_that_hangs_and_it_is_found_when_it_is_back() {
    let server = RedisServer::start();
    let redis = redis(&server);
    redis.answering().await;
    server.freeze();
    let limit = RedisError::TimedOut(Duration::from_millis(200));
    assert_eq!(count(&redis).await, Err(limit));
    away(&redis).await;
    let started = Instant::now();
    for _ in 0..1_000 {
        assert_eq!(count(&redis).await, Err(RedisError::Away));
    }
    assert!(started.elapsed() < Duration::from_millis(200), "somebody waited");
    server.thaw();
    within(BACK_WITHIN, "Redis is asked again", async || count(&redis).await.ok()).await;
}

#[tokio::test]
async fn a_redis_that_died_is_found_when_it_is_back() {
    let mut server = RedisServer::start();
    let redis = redis(&server);
    let before = redis.answering().await;
    server.crash();
    // Nobody asks; the keeper finds out by itself.
    soon("Redis is given up", async || (!redis.answers()).then_some(())).await;
    server.start_again();
    within(BACK_WITHIN, "Redis is asked again", async || count(&redis).await.ok()).await;
    let after = redis.answering().await;
    assert!(after.since_us() > before.since_us());
    assert!(!Arc::ptr_eq(&before.line, &after.line));
}

#[tokio::test]
async fn a_node_starts_before_its_redis() {
    let mut server = RedisServer::absent();
    let redis = redis(&server);
    assert_eq!(count(&redis).await, Err(RedisError::Away));
    server.start_again();
    within(BACK_WITHIN, "Redis is asked", async || count(&redis).await.ok()).await;
}

#[tokio::test]
async fn a_redis_that_takes_no_writes_is_away() {
    let server = RedisServer::start();
    server.ask("CONFIG SET min-replicas-to-write 1");
    let redis = redis(&server);
    let refusal = redis.connect().await.err().unwrap().to_string();
    assert!(refusal.contains("NOREPLICAS"), "{refusal}");
    server.ask("CONFIG SET min-replicas-to-write 0");
    redis.answering().await;
    server.ask("CONFIG SET min-replicas-to-write 1");
    away(&redis).await;
}

#[tokio::test]
async fn one_failure_is_not_yet_an_outage() {
    let server = RedisServer::start();
    let redis = redis(&server);
    redis.answering().await;
    let wrong = Script::new("return redis.call('LPUSH', KEYS[1], 'x')");
    let key = redis.key("m", "count");
    count(&redis).await.unwrap();
    for _ in 0..5 {
        for _ in 0..2 {
            let answer: Result<i64, _> = redis.call(&wrong, std::slice::from_ref(&key), &[]).await;
            assert!(matches!(answer, Err(RedisError::Failed(message)) if message.contains("WRONGTYPE")));
        }
        count(&redis).await.unwrap();
    }
    assert!(redis.answers());
}

#[test]
fn a_wrong_url_is_refused_without_being_told() {
    for url in ["", "http://secret@host/", "redis://:secret@host:port/", "/tmp/secret"] {
        let options = RedisOptions {
            url: url.into(),
            prefix: "test".to_owned(),
            timeout: Duration::from_millis(20),
            connect_timeout: Duration::from_millis(100),
            failures_max: 3,
            probe_pause: Duration::from_millis(500),
        };
        let error = Redis::new(options).err().expect(url).to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}
