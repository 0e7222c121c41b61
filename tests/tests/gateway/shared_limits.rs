//! Limits that all nodes count together in Redis, which may hang, die and come back empty at any moment.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use e2e::Backend::{Postgres, Sqlite};
use e2e::{Gateway, Kiosk, RedisServer, soon};
use reqwest::Method;
use serde_json::json;

use crate::ledger::Ledger;
use crate::limits::{api_key, few, list};
use crate::shared_velocity::redis_settings;
use crate::stage::Stage;

const LIMITS: &str = "/admin/v1/merchants/acme/limits";
const TERMINAL: &str = "/admin/v1/merchants/acme/connections/terminal/limits";
/// Permits that a node took may be used for so long; see docs/limits.md.
const LEASE: Duration = Duration::from_millis(100);
/// Back in use within this after Redis is back, as docs/operations.md promises …
const BACK_WITHIN: TimeDelta = TimeDelta::seconds(2);
/// … and what a busy machine may take for itself beside it.
const MACHINE: TimeDelta = TimeDelta::seconds(6);

async fn metric(gateway: &Gateway, name: &str) -> Option<f64> {
    let metrics = reqwest::get(format!("http://{}/metrics", gateway.admin_address)).await;
    let metrics = metrics.unwrap().text().await.unwrap();
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map(|value| value.parse().unwrap())
}

/// Two nodes on one Redis.
struct Pair {
    stage: Stage,
    other: Gateway,
}

impl Pair {
    async fn on(redis: &RedisServer) -> Self {
        let url = redis.url();
        let stage = Stage::with_settings(Postgres, &redis_settings(&url)).await;
        let other = Gateway::start_with(&stage.database, &redis_settings(&url)).await;
        let pair = Self { stage, other };
        pair.know_each_other().await;
        pair
    }

    fn nodes(&self) -> [&Gateway; 2] {
        [&self.stage.gateway, &self.other]
    }

    fn kiosks(&self) -> [Kiosk; 2] {
        self.nodes().map(|node| node.kiosk("acme", "terminal"))
    }

    async fn know_each_other(&self) {
        for node in self.nodes() {
            soon("both nodes are known", async || {
                (metric(node, "tollgate_nodes").await == Some(2.0)).then_some(())
            })
            .await;
        }
    }

    /// Sets a limit, and waits until both nodes go by it.
    async fn limit(&self, path: &str, limits: serde_json::Value) {
        self.stage.admin().put(path, &limits).await;
        let version = self
            .stage
            .database
            .number("SELECT value FROM counters WHERE name = 'config_version'");
        let version = version.await;
        for node in self.nodes() {
            soon("the limit", async || {
                (metric(node, "tollgate_config_version").await == Some(version as f64)).then_some(())
            })
            .await;
        }
    }

    /// What both nodes let in of so many requests of each client, and how long that took.
    async fn let_in(&self, clients: usize, requests: usize) -> (usize, Duration) {
        self.let_in_within(clients, requests, Duration::ZERO).await
    }

    /// As before; the clients go on until this time is over.
    async fn let_in_within(&self, clients: usize, requests: usize, least: Duration) -> (usize, Duration) {
        let started = Instant::now();
        let callers: Vec<_> = (0..clients)
            .map(|client| {
                let kiosk = self.kiosks()[client % 2].clone();
                tokio::spawn(async move {
                    let mut let_in = 0;
                    let mut sent = 0;
                    while sent < requests || started.elapsed() < least {
                        let answer = kiosk.check(&format!("{client}{sent:06}"), "42", "1.00").await;
                        let_in += usize::from(answer.result() == 0);
                        sent += 1;
                    }
                    let_in
                })
            })
            .collect();
        let mut let_in = 0;
        for caller in callers {
            let_in += caller.await.unwrap();
        }
        (let_in, started.elapsed())
    }
}

/// Requests a second of the tests' limits.
const RATE: usize = 50;

fn rate() -> serde_json::Value {
    json!({"rates": [{"name": "second", "requests": RATE, "seconds": 1}]})
}

/// burst + rate * (t + lease): what docs/limits.md states.
fn bound(time: Duration) -> usize {
    RATE + (RATE as f64 * (time + LEASE).as_secs_f64()).ceil() as usize
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_together_let_in_what_one_limit_says() {
    let redis = RedisServer::start();
    let pair = Pair::on(&redis).await;
    pair.limit(LIMITS, rate()).await;
    let (let_in, time) = pair.let_in(16, 40).await;
    assert!(let_in <= bound(time), "{let_in} in {time:?}, at most {}", bound(time));
    assert!(let_in >= RATE, "{let_in}: the burst at least");
}

/// As on one node alone: a key that floods takes nothing of its merchant's budget, in Redis either.
#[tokio::test(flavor = "multi_thread")]
async fn one_denied_level_does_not_charge_the_others() {
    let redis = RedisServer::start();
    let pair = Pair::on(&redis).await;
    let ((greedy, id), (modest, _)) = (api_key(&pair.stage).await, api_key(&pair.stage).await);
    pair.limit(LIMITS, json!({"rates": few(60)})).await;
    pair.limit(
        &format!("/admin/v1/merchants/acme/api_keys/{id}/limits"),
        json!({"rates": few(10)}),
    )
    .await;
    let mut let_in = 0;
    for _ in 0..200 {
        let_in += usize::from(list(&pair.stage, &greedy).await.status == 200);
    }
    assert!(let_in <= 10, "{let_in}");
    let mut served = 0;
    while list(&pair.stage, &modest).await.status == 200 {
        served += 1;
    }
    // What of a lease was not used in its time is lost: a quarter of the smallest burst, each time nobody asked for a while.
    assert!(
        (25..=50).contains(&served),
        "{served} of the 50 that the greedy key left"
    );
}

/// Without a lease each request would cost a call.
#[tokio::test(flavor = "multi_thread")]
async fn a_hot_merchant_costs_redis_little() {
    let redis = RedisServer::start();
    let pair = Pair::on(&redis).await;
    let much = json!({"rates": [{"name": "second", "requests": 50_000, "seconds": 1}]});
    pair.limit(LIMITS, much).await;
    let calls = async || {
        metric(&pair.stage.gateway, "tollgate_limit_calls_total")
            .await
            .unwrap_or(0.0)
    };
    let before = calls().await;
    let kiosk = pair.stage.kiosk();
    let started = Instant::now();
    let callers = (0..16).map(|client| {
        let kiosk = kiosk.clone();
        tokio::spawn(async move {
            for n in 0..200 {
                let answer = kiosk.check(&format!("{client}{n:05}"), "42", "1.00").await;
                assert_eq!(answer.result(), 0, "{answer:?}");
            }
        })
    });
    for caller in futures_util::future::join_all(callers).await {
        caller.unwrap();
    }
    let (time, made) = (started.elapsed(), calls().await - before);
    // What was needed in the last lease's time is taken at once, so the calls follow the time, not the requests.
    let leases = 2.5 * time.as_secs_f64() / LEASE.as_secs_f64() + 20.0;
    assert!(made <= leases, "{made} calls in {time:?}");
}

/// When the node found Redis well again, by its own log.
fn first_answer(node: &Gateway, since: DateTime<Utc>) -> DateTime<Utc> {
    let log = node.log();
    let lines = log.lines().filter(|line| line.contains("\"Redis answers\""));
    let moments = lines.map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["timestamp"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap()
    });
    moments.filter(|at| *at >= since).min().expect("a line of the log")
}

/// Redis hangs or dies under load: nobody waits for it, each node admits its share, and it is back by itself.
async fn without_redis(what: &str, hurt: impl FnOnce(&mut RedisServer), heal: impl FnOnce(&mut RedisServer)) {
    let mut redis = RedisServer::start();
    let pair = Pair::on(&redis).await;
    pair.limit(LIMITS, rate()).await;
    assert_eq!(metric(&pair.other, "tollgate_limits_together").await, Some(1.0));
    hurt(&mut redis);
    // Long enough that two nodes at the full rate each would be far over it.
    let (let_in, time) = pair.let_in_within(16, 40, Duration::from_secs(4)).await;
    // The burst once more: what Redis had counted is not known to the nodes. See docs/limits.md.
    let most = bound(time) + RATE;
    println!("{what}: {let_in} let in within {time:?}, at most {most} by the stated bound");
    assert!(let_in <= most, "{let_in} in {time:?}, at most {most}");
    assert!(let_in >= RATE / 2, "{let_in}: payments go on");
    for node in pair.nodes() {
        soon("the node counts alone", async || {
            (metric(node, "tollgate_limits_together").await == Some(0.0)).then_some(())
        })
        .await;
        let status = node.admin().get("/admin/v1/status").await;
        assert_eq!(
            (&status["rates"], &status["banners"][0]["code"]),
            (&json!("alone"), &json!("redis_away"))
        );
        let lines = node.log();
        assert_eq!(lines.matches("Redis is away").count(), 1, "one line tells it");
    }
    // What must not be tried often is not tried uncounted.
    let body = json!({"name": "shop", "scopes": ["*"]});
    let path = "/admin/v1/merchants/acme/api_keys";
    let certificates = format!("{}/client-certificates", TERMINAL.trim_end_matches("/limits"));
    let identity = TERMINAL.replace("/limits", "/identity");
    for (method, path, body) in [
        (Method::POST, path, body.clone()),
        (Method::POST, &certificates, json!({"name": "network"})),
        (Method::PUT, &identity, json!({"pkcs12": "", "password": "x"})),
        (
            Method::POST,
            "/admin/v1/session",
            json!({"email": "a@example.com", "password": "x"}),
        ),
    ] {
        let refused = pair.stage.admin().send(method, path, Some(&body)).await;
        assert_eq!(refused.status, 503, "{path}: {refused:?}");
    }
    let healing = Utc::now();
    heal(&mut redis);
    let healed = Utc::now();
    for node in pair.nodes() {
        soon("Redis is in use again", async || {
            (metric(node, "tollgate_limits_together").await == Some(1.0)).then_some(())
        })
        .await;
        // It may be found well before we know that it is.
        let took = (first_answer(node, healing) - healed).max(TimeDelta::zero());
        println!("{what}: in use again {} ms after it was back", took.num_milliseconds());
        assert!(took <= BACK_WITHIN + MACHINE, "{took}");
    }
    pair.know_each_other().await;
    let status = pair.other.admin().get("/admin/v1/status").await;
    assert_eq!((&status["rates"], &status["banners"]), (&json!("together"), &json!([])));
    pair.stage.admin().post(path, &body).await;
    let (let_in, time) = pair.let_in(16, 20).await;
    assert!(let_in <= bound(time), "{let_in} in {time:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_hangs() {
    without_redis("Redis hangs", |redis| redis.freeze(), |redis| redis.thaw()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_dies_and_returns_empty() {
    without_redis(
        "Redis dies and returns empty",
        RedisServer::crash,
        RedisServer::start_again,
    )
    .await;
}

async fn held(stage: &Stage) -> (u64, u64) {
    let usage = stage.admin().get(&format!("{LIMITS}/usage")).await;
    let in_flight = &usage["connections"][0]["in_flight"];
    (
        in_flight["in_use"].as_u64().unwrap(),
        in_flight["held_by_all_nodes"].as_u64().unwrap(),
    )
}

/// The cap is one for all nodes; what a dead node held is soon free.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_node_gives_its_seats_back() {
    let redis = RedisServer::start();
    let mut pair = Pair::on(&redis).await;
    // What the gateway asks of it is at work until its time is over.
    let host = e2e::Inspector::answering(|_| e2e::Reply::Silence).await;
    pair.stage.set_config(json!({"check_url": host.url("/check")})).await;
    pair.limit(TERMINAL, json!({"in_flight": 4, "below_network_minimum": true}))
        .await;
    let hold = |kiosk: Kiosk, from: u32| {
        tokio::spawn(async move {
            let calls = (from..from + 4).map(|n| {
                let kiosk = kiosk.clone();
                tokio::spawn(async move { kiosk.check(&n.to_string(), "42", "1.00").await })
            });
            // Who was at the node that died hears nothing.
            drop(futures_util::future::join_all(calls).await);
        })
    };
    let [_, other] = pair.kiosks();
    let held_there = hold(other, 100);
    soon("the other node holds all seats", async || {
        (host.received().len() >= 4).then_some(())
    })
    .await;
    // Here is no seat while they are held there; nothing gets through to the host.
    let before = host.received().len();
    let [here, _] = pair.kiosks();
    let refused = here.check("500", "42", "1.00");
    let refused = tokio::time::timeout(Duration::from_millis(500), refused).await;
    assert!(refused.is_err() || refused.unwrap().result() == 1);
    assert_eq!(host.received().len(), before);
    pair.other.kill().await;
    let killed = Instant::now();
    held_there.await.unwrap();
    let held_here = hold(here, 200);
    soon("this node gets them all", async || {
        (host.received().len() >= before + 4).then_some(())
    })
    .await;
    println!(
        "kill -9 of one of two nodes: its seats are free after {:?}",
        killed.elapsed()
    );
    assert_eq!(held(&pair.stage).await.0, 4);
    held_here.await.unwrap();
}

/// Without Redis a node is all there is, and says so.
#[tokio::test]
async fn a_node_without_redis_counts_for_itself() {
    let stage = Stage::new(Sqlite).await;
    let status = stage.admin().get("/admin/v1/status").await;
    let expected = json!({"banners": [], "nodes": null, "rates": "node", "shedding": []});
    assert_eq!(status, expected);
    assert_eq!(held_is_told(&stage).await, json!(null));
}

async fn held_is_told(stage: &Stage) -> serde_json::Value {
    let usage = stage.admin().get(&format!("{LIMITS}/usage")).await;
    usage["connections"][0]["in_flight"]["held_by_all_nodes"].clone()
}

/// `kill -9` of one of two nodes under load: what was acknowledged is there, once, and the other one goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_dies_under_load_loses_nothing() {
    let redis = RedisServer::start();
    let mut pair = Pair::on(&redis).await;
    let ledger = Arc::new(Ledger::default());
    let loads: Vec<_> = (pair.kiosks().into_iter().zip([0..600, 600..1_200]))
        .map(|(kiosk, numbers)| {
            let ledger = Arc::clone(&ledger);
            tokio::spawn(async move { ledger.send(&kiosk, numbers).await })
        })
        .collect();
    let moment = rand::random_range(50..600);
    soon("load", async || (ledger.acknowledged() >= moment).then_some(())).await;
    pair.other.kill().await;
    let (killed, before) = (Instant::now(), ledger.acknowledged());
    soon("the other one goes on", async || {
        (ledger.acknowledged() > before).then_some(())
    })
    .await;
    let went_on = killed.elapsed();
    for load in loads {
        load.await.unwrap();
    }
    println!(
        "kill -9 of one of two nodes under load, after {before} payments: the next is acknowledged {went_on:?} later"
    );
    ledger.send(&pair.stage.kiosk(), 0..1_200).await;
    ledger.assert_books_agree(&pair.stage, 0..1_200).await;
    println!("kill -9 of one of two nodes: 1200 acknowledged payments, 0 lost, 0 doubled");
    soon("one node is left", async || {
        (metric(&pair.stage.gateway, "tollgate_nodes").await == Some(1.0)).then_some(())
    })
    .await;
}
