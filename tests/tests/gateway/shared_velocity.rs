//! Velocities through Redis: all nodes count alike, and Redis may hang, die and come back empty at any moment.

use std::time::{Duration, Instant};

use e2e::Backend::{self, Postgres, Sqlite};
use e2e::{Cable, Gateway, Kiosk, RedisServer, soon, within};
use rstest::rstest;
use serde_json::Value;

use crate::stage::Stage;

/// Tells what it counted.
const COUNTING: &str = r#"
local rules = {}

function rules.check(request, ctx)
    local hour = ctx.velocity(request.account, "1h")
    return accept { comment = `{hour.count} pays, {hour.sum}` }
end

return rules
"#;
const ACCOUNT: &str = "4957835959";
/// How long Redis hangs.
const PAUSE: Duration = Duration::from_secs(5);
/// A pay that is taken while Redis hangs waits for it at most a few times.
const ANSWERED_WITHIN: Duration = Duration::from_secs(3);

/// With more patience than in real life: a busy machine must not look like a slow Redis.
pub fn redis_settings(url: &str) -> [(&str, &str); 3] {
    [
        ("TOLLGATE_REDIS__URL", url),
        ("TOLLGATE_REDIS__TIMEOUT_MS", "200"),
        ("TOLLGATE_REDIS__CONNECT_TIMEOUT_MS", "500"),
    ]
}

async fn metric(gateway: &Gateway, name: &str) -> u64 {
    let metrics = reqwest::get(format!("http://{}/metrics", gateway.admin_address)).await;
    let metrics = metrics.unwrap().text().await.unwrap();
    let value = metrics.lines().find_map(|line| line.strip_prefix(name));
    value.map_or(0, |value| value.trim().parse().unwrap())
}

async fn answers_from_redis(gateway: &Gateway) -> u64 {
    metric(gateway, "tollgate_velocity_answers_total{from=\"redis\"}").await
}

/// Asks until Redis is what answers.
pub async fn answers_come_from_redis(gateway: &Gateway) {
    let before = answers_from_redis(gateway).await;
    let kiosk = gateway.kiosk("acme", "terminal");
    soon("an answer from Redis", async || {
        kiosk.check("900", "warm-up", "1.00").await;
        (answers_from_redis(gateway).await > before).then_some(())
    })
    .await;
}

async fn readiness(gateway: &Gateway) -> (u16, Value) {
    let answer = reqwest::get(format!("http://{}/readyz", gateway.admin_address)).await;
    let answer = answer.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Two nodes, and what they must have counted.
struct Pair {
    stage: Stage,
    other: Gateway,
    paid: u32,
}

impl Pair {
    async fn on(backend: Backend, redis: &RedisServer) -> Self {
        Self::with(backend, &redis.url(), &redis.url()).await
    }

    /// Each node with a way of its own to Redis.
    async fn with(backend: Backend, url: &str, other_url: &str) -> Self {
        let stage = Stage::with_settings(backend, &redis_settings(url)).await;
        stage.publish(COUNTING).await;
        let other = Gateway::start_with(&stage.database, &redis_settings(other_url)).await;
        for gateway in [&stage.gateway, &other] {
            soon("the rule", async || {
                let answer = gateway.kiosk("acme", "terminal").check("1", "nobody", "1.00").await;
                (answer.comment() == Some("0 pays, 0.00 RUB")).then_some(())
            })
            .await;
        }
        Self { stage, other, paid: 0 }
    }

    fn kiosks(&self) -> [Kiosk; 2] {
        [self.stage.kiosk(), self.other.kiosk("acme", "terminal")]
    }

    /// A pay at one node, and what both then say.
    async fn pay(&mut self, node: usize) {
        let kiosks = self.kiosks();
        let started = Instant::now();
        let answer = kiosks[node]
            .pay(&format!("{}", 1_000 + self.paid), ACCOUNT, "10.00")
            .await;
        assert_eq!(answer.result(), 0, "{answer:?}");
        assert!(started.elapsed() < ANSWERED_WITHIN, "after {:?}", started.elapsed());
        self.paid += 1;
        for asked in [1 - node, node] {
            self.count(asked).await;
        }
    }

    /// The node's rule counts what was paid, no more and no less.
    async fn count(&self, node: usize) {
        let answer = self.kiosks()[node].check("1", ACCOUNT, "1.00").await;
        let expected = format!("{} pays, {}.00 RUB", self.paid, self.paid * 10);
        assert_eq!(answer.comment(), Some(expected.as_str()), "at node {node}");
    }

    async fn both_answer_from_redis(&self) {
        answers_come_from_redis(&self.stage.gateway).await;
        answers_come_from_redis(&self.other).await;
    }

    /// Pays at both nodes until both answer from Redis again.
    async fn pay_until_redis_answers(&mut self) {
        let nodes = [
            answers_from_redis(&self.stage.gateway).await,
            answers_from_redis(&self.other).await,
        ];
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            assert!(Instant::now() < end, "Redis is not asked again");
            self.pay(0).await;
            self.pay(1).await;
            let now = [
                answers_from_redis(&self.stage.gateway).await,
                answers_from_redis(&self.other).await,
            ];
            if nodes[0] < now[0] && nodes[1] < now[1] {
                return;
            }
        }
    }

    fn lines(&self, text: &str) -> [usize; 2] {
        [self.stage.gateway.log(), self.other.log()].map(|log| log.lines().filter(|line| line.contains(text)).count())
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn nodes_see_each_other_s_pays_at_once(#[values(Sqlite, Postgres)] backend: Backend) {
    let redis = RedisServer::start();
    let mut pair = Pair::on(backend, &redis).await;
    pair.both_answer_from_redis().await;
    let before = answers_from_redis(&pair.other).await;
    for round in 0..20 {
        pair.pay(round % 2).await;
    }
    let answered = answers_from_redis(&pair.other).await - before;
    assert!(answered > 20, "Redis answered {answered} of 40 questions");
    // Neither account nor merchant's key is in Redis, and everything in it ends.
    for key in redis.ask("KEYS *").lines().filter(|line| line.contains("velocity")) {
        assert!(key.starts_with("tollgate:{") && !key.contains(ACCOUNT), "{key}");
        let left: i64 = redis.ask(&format!("TTL {key}")).trim()[1..].parse().unwrap();
        assert!((0..=60).contains(&left), "{key} lives for {left} s");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn redis_hangs(#[values(Sqlite, Postgres)] backend: Backend) {
    let redis = RedisServer::start();
    let mut pair = Pair::on(backend, &redis).await;
    pair.both_answer_from_redis().await;
    pair.pay(0).await;
    redis.freeze();
    let frozen = Instant::now();
    while frozen.elapsed() < PAUSE {
        pair.pay(0).await;
        pair.pay(1).await;
    }
    let degraded = readiness(&pair.other).await;
    assert_eq!(
        (degraded.0, &degraded.1["status"], &degraded.1["redis"]),
        (200, &"degraded".into(), &"away".into())
    );
    assert_eq!(metric(&pair.other, "tollgate_redis_up").await, 0);
    redis.thaw();
    pair.pay_until_redis_answers().await;
    assert_eq!(readiness(&pair.other).await.1["redis"], "ok");
    assert_eq!(pair.lines("Redis is away"), [1, 1]);
    assert_eq!(pair.lines("Redis answers"), [2, 2]);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn redis_dies_and_returns_empty(#[values(Sqlite, Postgres)] backend: Backend) {
    let mut redis = RedisServer::start();
    let mut pair = Pair::on(backend, &redis).await;
    pair.both_answer_from_redis().await;
    for _ in 0..2 {
        pair.pay(0).await;
        redis.crash();
        for round in 0..10 {
            pair.pay(round % 2).await;
        }
        redis.start_again();
        pair.pay_until_redis_answers().await;
    }
}

/// What is in Redis is believed only if nothing can have been missed.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_forgets_is_filled_again() {
    let redis = RedisServer::start();
    let mut pair = Pair::on(Sqlite, &redis).await;
    pair.both_answer_from_redis().await;
    for round in 0..6 {
        pair.pay(round % 2).await;
        redis.ask("FLUSHALL");
    }
    pair.count(0).await;
    pair.count(1).await;
}

/// One node alone loses Redis, and the other cannot know: it hears of the pays it missed as soon as the first is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_cut_off_makes_good_what_it_could_not_tell() {
    let redis = RedisServer::start();
    let cable = Cable::to(([127, 0, 0, 1], redis.port()).into()).await;
    let through = format!("redis://127.0.0.1:{}/", cable.address.port());
    let mut pair = Pair::with(Sqlite, &through, &redis.url()).await;
    pair.both_answer_from_redis().await;
    pair.pay(1).await;
    cable.lose_answers();
    let cut_off = pair.stage.kiosk();
    soon("the node gives Redis up", async || {
        cut_off.check("1", ACCOUNT, "1.00").await;
        (metric(&pair.stage.gateway, "tollgate_redis_up").await == 0).then_some(())
    })
    .await;
    for txn_id in ["2001", "2002", "2003"] {
        assert_eq!(cut_off.pay(txn_id, ACCOUNT, "10.00").await.result(), 0);
    }
    pair.paid += 3;
    pair.count(0).await;
    cable.mend();
    // Long before the set in Redis would end by itself.
    within(Duration::from_secs(20), "the other node counts them", async || {
        let answer = pair.kiosks()[1].check("1", ACCOUNT, "1.00").await;
        (answer.comment() == Some("4 pays, 40.00 RUB")).then_some(())
    })
    .await;
    pair.pay_until_redis_answers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_starts_without_its_redis_and_takes_it_up_later() {
    let mut redis = RedisServer::absent();
    let mut pair = Pair::on(Sqlite, &redis).await;
    pair.pay(0).await;
    pair.pay(1).await;
    assert_eq!(readiness(&pair.stage.gateway).await.1["redis"], "away");
    redis.start_again();
    pair.pay_until_redis_answers().await;
}
