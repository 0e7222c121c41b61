//! The database is gone: "try later", never a lie, and back to work by itself.

use std::time::{Duration, Instant};

use e2e::Backend::Sqlite;
use e2e::{Answer, Cable, Gateway, Kiosk, PostgresServer, TestDatabase, soon};
use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::stage::Stage;

/// No answer takes longer, whatever is broken behind us.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);
/// The deadline of a read, and as much again and again for a busy machine.
const READ_WITHIN: Duration = Duration::from_secs(20);
const KNOWN: &str = "4957835959";

async fn timed(call: impl Future<Output = Answer>) -> Answer {
    let started = Instant::now();
    let answer = call.await;
    assert!(
        started.elapsed() < ANSWERED_WITHIN,
        "answered after {:?}: {answer:?}",
        started.elapsed()
    );
    answer
}

/// Checks and pays during the outage; gives what was paid for and not acknowledged.
async fn try_to_pay(kiosk: &Kiosk, first: u32) -> Vec<String> {
    let txn_ids: Vec<String> = (first..first + 8).map(|txn_id| txn_id.to_string()).collect();
    let calls = txn_ids.iter().map(|txn_id| async move {
        let paid = timed(kiosk.pay(txn_id, KNOWN, "10.45")).await;
        assert!([1, 90].contains(&paid.result()), "{paid:?}");
    });
    futures_util::future::join_all(calls).await;
    txn_ids
}

/// Everything once more; each is there once, whole.
async fn pay_at_last(stage: &Stage, txn_ids: &[String]) {
    let kiosk = stage.kiosk();
    for txn_id in txn_ids {
        let paid = soon("the database is back", async || {
            Some(kiosk.pay(txn_id, KNOWN, "10.45").await).filter(|answer| answer.result() == 0)
        })
        .await;
        assert_eq!(kiosk.pay(txn_id, KNOWN, "10.45").await.body, paid.body);
    }
    for table in ["payments", "events", "operations"] {
        let expected = i64::try_from(txn_ids.len()).unwrap();
        assert_eq!(stage.count(table).await, expected, "{table}");
    }
}

async fn stage_on(server: &PostgresServer) -> Stage {
    let database = TestDatabase::on_server(&server.base_url()).await;
    Stage::on(database, json!({}), &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_hangs() {
    let server = PostgresServer::start();
    let stage = stage_on(&server).await;
    let kiosk = stage.kiosk();
    assert_eq!(kiosk.pay("1", KNOWN, "10.45").await.result(), 0);
    server.freeze();
    assert_eq!(timed(kiosk.check("100", KNOWN, "1.00")).await.result(), 1);
    let mut txn_ids = try_to_pay(&kiosk, 200).await;
    server.thaw();
    txn_ids.push("1".to_owned());
    pay_at_last(&stage, &txn_ids).await;
}

/// Whoever reads by REST is told to come again, and need not wait for long; it works again by itself.
#[tokio::test(flavor = "multi_thread")]
async fn reads_of_the_rest_end_when_postgresql_hangs() {
    let server = PostgresServer::start();
    let database = TestDatabase::on_server(&server.base_url()).await;
    let deadline = [("TOLLGATE_DATABASE__READ_TIMEOUT_MS", "1000")];
    let stage = Stage::on(database, json!({}), &deadline).await;
    let made = json!({"name": "shop", "scopes": ["*"]});
    let made = stage.admin().post("/admin/v1/merchants/acme/api_keys", &made).await;
    let reads = [
        (
            stage.gateway.admin_address,
            "/admin/v1/merchants/acme/payments",
            e2e::gateway::BOOTSTRAP_TOKEN,
        ),
        (
            stage.gateway.admin_address,
            "/admin/v1/merchants/acme/events",
            e2e::gateway::BOOTSTRAP_TOKEN,
        ),
        (stage.gateway.public, "/v1/payments", made["key"].as_str().unwrap()),
    ];
    let client = reqwest::Client::new();
    let read = async |(address, path, token): (std::net::SocketAddr, &str, &str)| {
        let asked = client.get(format!("http://{address}{path}")).bearer_auth(token).send();
        tokio::time::timeout(READ_WITHIN, asked)
            .await
            .expect("an answer")
            .unwrap()
    };
    for asked in reads {
        assert_eq!(read(asked).await.status(), 200, "{asked:?}");
    }
    server.freeze();
    for asked in reads {
        let answer = read(asked).await;
        assert_eq!(answer.status(), 503, "{asked:?}");
        let headers = answer.headers().clone();
        assert_eq!(headers["content-type"], "application/problem+json");
        assert!(
            headers.contains_key("retry-after") && headers.contains_key("x-request-id"),
            "{headers:?}"
        );
        let problem: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(problem["code"], json!("unavailable"));
        assert_eq!(problem["request_id"].as_str(), headers["x-request-id"].to_str().ok());
    }
    server.thaw();
    for asked in reads {
        soon("it is read again", async || {
            (read(asked).await.status() == 200).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_dies_and_returns() {
    let mut server = PostgresServer::start();
    let stage = stage_on(&server).await;
    let kiosk = stage.kiosk();
    assert_eq!(kiosk.pay("1", KNOWN, "10.45").await.result(), 0);
    server.crash();
    assert_eq!(timed(kiosk.check("100", KNOWN, "1.00")).await.result(), 1);
    let mut txn_ids = try_to_pay(&kiosk, 200).await;
    server.start_again();
    txn_ids.push("1".to_owned());
    pay_at_last(&stage, &txn_ids).await;
}

/// The database dies under load; what was acknowledged before is there after.
#[tokio::test(flavor = "multi_thread")]
async fn postgresql_dies_under_load() {
    let mut server = PostgresServer::start();
    let stage = stage_on(&server).await;
    let ledger = std::sync::Arc::new(crate::ledger::Ledger::default());
    for round in 0..3 {
        let numbers = round * 1_000..(round + 1) * 1_000;
        let moment = ledger.acknowledged() + rand::random_range(50..500);
        let load = {
            let (ledger, kiosk, numbers) = (ledger.clone(), stage.kiosk(), numbers.clone());
            tokio::spawn(async move { ledger.send(&kiosk, numbers).await })
        };
        soon("load", async || (ledger.acknowledged() >= moment).then_some(())).await;
        let before = ledger.acknowledged();
        server.crash();
        server.start_again();
        let back = Instant::now();
        soon("the gateway is back", async || {
            (stage.kiosk().check("1", KNOWN, "1.00").await.result() == 0).then_some(())
        })
        .await;
        println!(
            "PostgreSQL dies under load, after {before} payments: requests are served {:?} after it accepts connections",
            back.elapsed()
        );
        load.await.unwrap();
        ledger.send(&stage.kiosk(), numbers.clone()).await;
        ledger.assert_books_agree(&stage, 0..numbers.end).await;
        println!(
            "PostgreSQL dies under load: {} acknowledged payments, 0 lost, 0 doubled",
            numbers.end
        );
    }
}

/// A node that has just heard of a change, and not yet been asked for the merchant, still knows it.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_just_before_the_outage_costs_nobody_the_protocol() {
    let mut server = PostgresServer::start();
    let stage = stage_on(&server).await;
    let login = json!({"auth": "basic"});
    let basic = json!({"config": crate::stage::open(login), "basic": {"login": "qiwi", "password": "secret"}});
    stage
        .admin()
        .patch("/admin/v1/merchants/acme/connections/terminal", &basic)
        .await;
    let kiosk = Kiosk::new(stage.gateway.public, "/payment").with_login("qiwi", "secret");
    soon("the login", async || {
        (kiosk.check("1", KNOWN, "1.00").await.status == 200).then_some(())
    })
    .await;

    let served = config_version(&stage.gateway).await;
    let name = json!({"name": "Acme Telecom and Sons"});
    stage.admin().patch("/admin/v1/merchants/acme", &name).await;
    soon("the node hears of the change", async || {
        (config_version(&stage.gateway).await > served).then_some(())
    })
    .await;
    server.crash();
    assert_eq!(timed(kiosk.check("2", KNOWN, "1.00")).await.result(), 1);
    assert!([1, 90].contains(&timed(kiosk.pay("3", KNOWN, "1.00")).await.result()));
}

pub async fn config_version(gateway: &Gateway) -> f64 {
    let metrics = reqwest::get(format!("http://{}/metrics", gateway.admin_address))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("tollgate_config_version "));
    line.expect("the metric").parse().unwrap()
}

/// PostgreSQL commits and the answer is lost on the way: nobody may say "paid" or "refused" to that.
#[tokio::test(flavor = "multi_thread")]
async fn the_answer_to_a_commit_is_lost() {
    let server = PostgresServer::start();
    let cable = Cable::to(([127, 0, 0, 1], server.port()).into()).await;
    let direct = TestDatabase::on_server(&server.base_url()).await;
    let through = direct
        .url()
        .replace(&format!(":{}/", server.port()), &format!(":{}/", cable.address.port()));
    let stage = Stage::on(direct, json!({}), &[("TOLLGATE_DATABASE__URL", &through)]).await;
    let kiosk = stage.kiosk();
    assert_eq!(kiosk.pay("1", KNOWN, "10.45").await.result(), 0);
    cable.lose_answers();
    let unknown = timed(kiosk.pay("2", KNOWN, "10.45")).await;
    assert!([1, 90].contains(&unknown.result()), "{unknown:?}");
    cable.mend();
    pay_at_last(&stage, &["1".to_owned(), "2".to_owned()]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_is_locked_by_somebody_else() {
    let stage = Stage::new(Sqlite).await;
    let kiosk = stage.kiosk();
    assert_eq!(kiosk.pay("1", KNOWN, "10.45").await.result(), 0);
    let intruder = stage.database.connect().await;
    intruder.execute_unprepared("BEGIN EXCLUSIVE").await.unwrap();
    let mut txn_ids = try_to_pay(&kiosk, 200).await;
    let checked = timed(kiosk.check("100", KNOWN, "1.00")).await;
    assert!(
        [0, 1].contains(&checked.result()),
        "a check needs no write: {checked:?}"
    );
    intruder.execute_unprepared("ROLLBACK").await.unwrap();
    txn_ids.push("1".to_owned());
    pay_at_last(&stage, &txn_ids).await;
}
