//! Makes the plan's faults, each from its moment on and for as long as it lasts; and mends everything at the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use e2e::{PostgresServer, RedisServer};
use reqwest::Method;
use serde_json::json;
use tokio::task::{JoinSet, block_in_place};

use crate::link::Link;
use crate::node::Node;
use crate::plan::{Fault, Plan, Way, Weather};
use crate::stage::Stage;

/// Everybody is well again within this after the last fault.
const WELL_WITHIN: Duration = Duration::from_secs(240);

/// The plan's faults, until the load is over.
pub async fn make(plan: &Plan, stage: &mut Stage, started: Instant) {
    let mut changes: Vec<(Duration, bool, &Fault)> = Vec::new();
    for moment in &plan.faults {
        changes.push((moment.begins, true, &moment.fault));
        changes.push((moment.begins + moment.lasts, false, &moment.fault));
    }
    changes.sort_by_key(|(at, ..)| *at);
    let mut starting = JoinSet::new();
    for (at, begins, fault) in changes {
        tokio::time::sleep_until((started + at).into()).await;
        let word = if begins { "begins" } else { "ends" };
        stage.witness.note(format!("{word}: {fault:?}"));
        if begins {
            begin(fault, stage).await;
        } else {
            end(fault, stage, &mut starting).await;
        }
    }
    tokio::time::sleep_until((started + plan.load).into()).await;
    // What keeps a node from starting may not be mended before everything is: a database that ended on a full disk, say.
    starting.detach_all();
}

async fn begin(fault: &Fault, stage: &mut Stage) {
    match fault {
        Fault::Way(way, weather) => set(stage, *way, *weather).await,
        Fault::NodeDies(node) => stage.nodes[*node].lock().await.die().await,
        Fault::NodeHangs(node) => stage.nodes[*node].lock().await.hang(),
        Fault::DatabaseDies => block_in_place(|| stage.postgres.as_mut().map(PostgresServer::crash)).unwrap_or(()),
        Fault::DatabaseHangs => with_postgres(stage, PostgresServer::freeze),
        Fault::CacheDies => stage.redis.as_mut().map_or((), RedisServer::crash),
        Fault::CacheHangs => with_redis(stage, RedisServer::freeze),
        Fault::Clock(node, seconds) => stage.nodes[*node].lock().await.clock.shift(*seconds),
        Fault::DiskFull => {
            if !block_in_place(|| stage.disk.fill()) {
                stage.witness.note("only root can have a small disk: it is not full");
            }
        }
        Fault::Network(fault, times) => order(stage, &json!({ "path": "", "fault": fault, "times": times })).await,
        Fault::Notifications(fault) => order(stage, &json!({ "notifications": fault })).await,
    }
}

async fn end(fault: &Fault, stage: &mut Stage, starting: &mut JoinSet<()>) {
    match fault {
        Fault::Way(way, _) => set(stage, *way, Weather::Clear).await,
        Fault::NodeDies(node) => {
            let node = Arc::clone(&stage.nodes[*node]);
            starting.spawn(async move { Node::revive(&node).await });
        }
        Fault::NodeHangs(node) => stage.nodes[*node].lock().await.go_on(),
        Fault::DatabaseDies => block_in_place(|| start_database(stage)),
        Fault::DatabaseHangs => with_postgres(stage, PostgresServer::thaw),
        Fault::CacheDies => block_in_place(|| start_cache(stage)),
        Fault::CacheHangs => with_redis(stage, RedisServer::thaw),
        // Wrong clocks are put right at once, which is one more jump.
        Fault::Clock(node, seconds) => stage.nodes[*node].lock().await.clock.shift(-seconds),
        Fault::DiskFull => stage.disk.free(),
        // What was ordered and met nobody is not met later.
        Fault::Network(..) | Fault::Notifications(_) => clear_network(stage).await,
    }
}

fn with_postgres(stage: &Stage, what: impl Fn(&PostgresServer)) {
    if let Some(server) = stage.postgres.as_ref().filter(|server| server.is_running()) {
        what(server);
    }
}

fn with_redis(stage: &Stage, what: impl Fn(&RedisServer)) {
    if let Some(server) = stage.redis.as_ref().filter(|server| server.is_running()) {
        what(server);
    }
}

/// Also one that ended by itself, because it had no room.
fn start_database(stage: &mut Stage) {
    if let Some(server) = &mut stage.postgres
        && !server.is_ready()
    {
        server.crash();
        server.start_again();
    }
}

fn start_cache(stage: &mut Stage) {
    if let Some(server) = stage.redis.as_mut().filter(|server| !server.is_running()) {
        server.start_again();
    }
}

async fn set(stage: &Stage, way: Way, weather: Weather) {
    let on_node = |node: usize, which: fn(&Node) -> Option<&Link>| {
        let node = Arc::clone(&stage.nodes[node]);
        async move {
            let node = node.lock().await;
            if let Some(link) = which(&node) {
                link.set(weather);
            }
        }
    };
    match way {
        Way::Clients(node) => on_node(node, |node| Some(&node.clients)).await,
        Way::Database(node) => on_node(node, |node| node.database.as_ref()).await,
        Way::Cache(node) => on_node(node, |node| node.cache.as_ref()).await,
        Way::Networks => stage.networks.set(weather),
        Way::Notices => stage.notices.set(weather),
        Way::Hooks => stage.hooks_way.set(weather),
    }
}

async fn order(stage: &Stage, order: &serde_json::Value) {
    let (status, _) = stage.sandbox.post("/sandbox/faults", order).await;
    assert_eq!(status, 204, "{order}");
}

async fn clear_network(stage: &Stage) {
    let cleared = reqwest::Client::new().request(Method::DELETE, stage.sandbox.url("/sandbox/faults"));
    let cleared = cleared.send().await.unwrap();
    assert!(cleared.status().is_success());
}

/// Nothing is broken any more; connections that were half open stay so.
pub async fn mend(stage: &mut Stage) {
    stage.witness.note("everything is mended");
    stage.disk.free();
    with_postgres(stage, PostgresServer::thaw);
    with_redis(stage, RedisServer::thaw);
    block_in_place(|| {
        start_database(stage);
        start_cache(stage);
    });
    clear_network(stage).await;
    stage.hooks.take_all();
    for link in [&stage.networks, &stage.notices, &stage.hooks_way] {
        link.set(Weather::Clear);
    }
    for node in &stage.nodes {
        let held = node.lock().await;
        let links = [Some(&held.clients), held.database.as_ref(), held.cache.as_ref()];
        for link in links.into_iter().flatten() {
            link.set(Weather::Clear);
        }
        held.go_on();
        drop(held);
        Node::revive(node).await;
    }
    for (number, node) in stage.nodes.iter().enumerate() {
        let end = Instant::now() + WELL_WITHIN;
        while !node.lock().await.is_ready().await {
            if Instant::now() > end {
                stage
                    .witness
                    .violation(format!("node {number} is not ready within {WELL_WITHIN:?}"));
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
