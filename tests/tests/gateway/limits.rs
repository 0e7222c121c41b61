//! Limits of merchants, connections and API keys: how they are set, how they refuse, and what is told of it.

use std::time::Duration;

use e2e::Backend::{self, Postgres, Sqlite};
use e2e::{Cli, Inspector, Kiosk, Reply, soon, within};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::stage::{CHANGE_IS_SEEN, Stage, open};

const LIMITS: &str = "/admin/v1/merchants/acme/limits";
const TERMINAL: &str = "/admin/v1/merchants/acme/connections/terminal/limits";
/// "Temporary error, try later".
const TRY_LATER: u32 = 1;

/// So many within an hour, and then nothing that a test would live to see.
pub fn few(requests: u32) -> Value {
    json!([{"name": "hour", "requests": requests, "seconds": 3600}])
}

/// Checks until the node goes by the new limit, each with a txn_id of its own.
async fn refuses(kiosk: &Kiosk, what: &str) {
    let mut txn_id = 100_000_u32;
    within(CHANGE_IS_SEEN, what, async || {
        txn_id += 1;
        let answer = kiosk.check(&txn_id.to_string(), "42", "1.00").await;
        (answer.result() == TRY_LATER).then_some(())
    })
    .await;
}

async fn refused(stage: &Stage, level: &str, reason: &str) -> i64 {
    let usage = stage.admin().get(&format!("{LIMITS}/usage")).await;
    let refused = usage["refused"].as_array().unwrap().iter();
    let of_kind = refused.filter(|refused| refused["level"] == level && refused["reason"] == reason);
    of_kind.map(|refused| refused["last_hour"].as_i64().unwrap()).sum()
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn limits_are_set_by_rest_and_command_line_and_are_on_record(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let admin = stage.admin();
    let before = admin.get(TERMINAL).await;
    assert_eq!(
        (&before["set"], &before["effective"]["rates"]),
        (&json!({}), &json!([]))
    );
    let wanted = json!({"rates": few(1_000), "in_flight": 20});
    let set = admin.put(TERMINAL, &wanted).await;
    assert_eq!((&set["set"], &set["effective"]["in_flight"]), (&wanted, &json!(20)));
    assert_eq!(admin.get(TERMINAL).await, set);

    let cli = Cli::on(&stage.database);
    let shown = async |arguments: &[&str]| -> Value { serde_json::from_str(&cli.print(arguments).await).unwrap() };
    assert_eq!(shown(&["limit", "show", "acme", "--connection", "terminal"]).await, set);
    let changed = [
        "limit",
        "set",
        "acme",
        "--rates",
        "second=50/1, minute=1000/60/100",
        "--in-flight",
        "40",
    ];
    let changed = shown(&changed).await;
    assert_eq!(
        changed["set"]["rates"][1],
        json!({"name": "minute", "requests": 1000, "seconds": 60, "burst": 100})
    );
    let back = shown(&["limit", "set", "acme", "--rates", "default"]).await;
    assert_eq!(back["set"], json!({"in_flight": 40}));
    let complaint = cli.complaint(&["limit", "set", "acme", "--rates", "fast"]).await;
    assert!(complaint.contains("second=50/1"), "{complaint}");

    let audit = admin.get("/admin/v1/merchants/acme/audit").await;
    let entries: Vec<_> = (audit["data"].as_array().unwrap().iter())
        .filter(|entry| entry["action"] == "limits.set")
        .map(|entry| entry["subject"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(entries, ["merchant", "merchant", "connection terminal"]);
}

#[rstest]
#[case::no_network_can_live_with_it(json!({"in_flight": 14}), "below_network_minimum")]
#[case::nor_with_that(json!({"sockets": 14}), "below_network_minimum")]
#[case::of_merchants_only(json!({"peer_rates": []}), "merchants only")]
#[case::no_window(json!({"rates": [{"name": "x", "requests": 0, "seconds": 1}]}), "requests 1 to")]
#[tokio::test]
async fn wrong_limits_are_refused(#[case] limits: Value, #[case] told: &str) {
    let stage = Stage::new(Sqlite).await;
    let refused = stage.admin().send(Method::PUT, TERMINAL, Some(&limits)).await;
    assert_eq!((refused.status, &refused.body["code"]), (422, &json!("invalid")));
    assert!(refused.body["detail"].as_str().unwrap().contains(told), "{refused:?}");
    if told == "below_network_minimum" {
        let mut forced = limits;
        forced["below_network_minimum"] = json!(true);
        stage.admin().put(TERMINAL, &forced).await;
    }
    let unknown = json!({"colour": "red"});
    assert_eq!(
        stage.admin().send(Method::PUT, TERMINAL, Some(&unknown)).await.status,
        400
    );
    let nobody = "/admin/v1/merchants/acme/connections/nobody/limits";
    assert_eq!(stage.admin().send(Method::GET, nobody, None).await.status, 404);
}

/// A network hears it in its own words, and what it asked again is answered when there is room.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_network_is_asked_to_come_again(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let kiosk = stage.kiosk();
    assert_eq!(kiosk.check("1", "42", "1.00").await.result(), 0);
    stage.admin().put(TERMINAL, &json!({"rates": few(1)})).await;
    refuses(&kiosk, "the connection's limit").await;
    let answer = kiosk.pay("7", "42", "1.00").await;
    assert_eq!((answer.status, answer.result()), (200, TRY_LATER), "{answer:?}");
    assert_eq!(answer.tag("osmp_txn_id"), Some("7"));
    let posted = kiosk.post(&e2e::kiosk::pay("8", "42", "1.00")).await;
    assert_eq!((posted.result(), posted.tag("osmp_txn_id")), (TRY_LATER, Some("8")));
    assert_eq!(stage.count("payments").await, 0);
    assert!(refused(&stage, "connection", "rate").await >= 2);

    stage.admin().put(TERMINAL, &json!({})).await;
    soon("the payment at last", async || {
        (kiosk.pay("7", "42", "1.00").await.result() == 0).then_some(())
    })
    .await;
}

/// The other node hears of a limit within a second.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_limit_reaches_every_node() {
    let stage = Stage::new(Postgres).await;
    let other = stage.another_node().await;
    let kiosk = other.kiosk("acme", "terminal");
    assert_eq!(kiosk.check("1", "42", "1.00").await.result(), 0);
    stage.admin().put(LIMITS, &json!({"rates": few(1)})).await;
    refuses(&kiosk, "the merchant's limit").await;
}

/// A new API key, and its id.
pub async fn api_key(stage: &Stage) -> (String, String) {
    let body = json!({"name": "shop", "scopes": ["*"]});
    let made = stage.admin().post("/admin/v1/merchants/acme/api_keys", &body).await;
    let text = |field: &str| made[field].as_str().unwrap().to_owned();
    (text("key"), text("id"))
}

pub struct Told {
    pub status: u16,
    retry_after: Option<u64>,
    policy: Option<String>,
    now: Option<String>,
    code: Value,
}

pub async fn list(stage: &Stage, key: &str) -> Told {
    let url = format!("http://{}/v1/payments", stage.gateway.public);
    let answer = reqwest::Client::new().get(url).bearer_auth(key).send().await.unwrap();
    let header = |name| {
        answer
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    let (retry_after, policy, now) = (header("retry-after"), header("ratelimit-policy"), header("ratelimit"));
    Told {
        status: answer.status().as_u16(),
        retry_after: retry_after.map(|seconds| seconds.parse().unwrap()),
        policy,
        now,
        code: answer.json::<Value>().await.unwrap()["code"].clone(),
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn rest_is_told_its_limits_and_when_to_come_again(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let (key, id) = api_key(&stage).await;
    let key = key.as_str();
    let free = list(&stage, key).await;
    assert_eq!((free.status, free.policy), (200, None), "nothing is limited");
    let limits = format!("/admin/v1/merchants/acme/api_keys/{id}/limits");
    stage.admin().put(&limits, &json!({"rates": few(3)})).await;
    let first = within(CHANGE_IS_SEEN, "the key's limit", async || {
        Some(list(&stage, key).await).filter(|told| told.policy.is_some())
    })
    .await;
    assert_eq!(first.policy.as_deref(), Some("\"api-key-hour\";q=3;w=3600"));
    assert_eq!(first.now.as_deref(), Some("\"api-key-hour\";r=2;t=1200"));
    list(&stage, key).await;
    list(&stage, key).await;
    let over = list(&stage, key).await;
    assert_eq!((over.status, &over.code), (429, &json!("rate_limited")));
    assert!(
        (1_100..=1_200).contains(&over.retry_after.unwrap()),
        "{:?}",
        over.retry_after
    );
    assert!(over.now.unwrap().starts_with("\"api-key-hour\";r=0;t="));
    assert!(refused(&stage, "api_key", "rate").await >= 1);
}

/// One key that floods takes neither its merchant's budget nor its neighbours'.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn one_denied_level_does_not_charge_the_others(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let ((greedy, id), (modest, _)) = (api_key(&stage).await, api_key(&stage).await);
    stage.admin().put(LIMITS, &json!({"rates": few(60)})).await;
    let limits = format!("/admin/v1/merchants/acme/api_keys/{id}/limits");
    stage.admin().put(&limits, &json!({"rates": few(10)})).await;
    soon("the greedy key's limit", async || {
        (list(&stage, &greedy).await.status == 429).then_some(())
    })
    .await;
    for _ in 0..200 {
        assert_eq!(list(&stage, &greedy).await.status, 429);
    }
    // Before the node knew of the limits, some were free.
    let mut served = 0;
    while list(&stage, &modest).await.status == 200 {
        served += 1;
    }
    assert!((49..=60).contains(&served), "{served}");
    assert!(refused(&stage, "merchant", "rate").await >= 1);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn one_address_takes_no_more_than_its_part(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::with_settings(backend, &[("TOLLGATE_PUBLIC__TRUSTED_PROXIES", "127.0.0.0/8")]).await;
    stage.set_config(json!({"subnets": ["10.0.0.0/8"]})).await;
    stage.admin().put(LIMITS, &json!({"peer_rates": few(5)})).await;
    let client = reqwest::Client::new();
    let check = async |address: &str| {
        let url = format!(
            "{}?command=check&txn_id=1&account=42&sum=1.00&ccy=RUB",
            stage.kiosk().url()
        );
        let answer = client.get(url).header("x-forwarded-for", address).send().await.unwrap();
        let (status, body) = (answer.status().as_u16(), answer.text().await.unwrap());
        (status == 200).then(|| body.contains("<result>0<"))
    };
    soon("the new subnets", async || check("10.0.0.1").await).await;
    soon("the limit of one address", async || {
        (check("10.0.0.1").await == Some(false)).then_some(())
    })
    .await;
    assert_eq!(check("10.0.0.2").await, Some(true));
    assert!(refused(&stage, "peer", "rate").await >= 1);
}

/// Who is not let in is soon not even told why, and takes nothing from those who are.
#[tokio::test(flavor = "multi_thread")]
async fn strangers_have_a_budget_of_their_own() {
    let settings = [("TOLLGATE_LIMITS__STRANGER_RATES", "hour=20/3600")];
    let stage = Stage::with_settings(Sqlite, &settings).await;
    let statuses = async |path: &str, key: &str| {
        let url = format!("http://{}{path}", stage.gateway.public);
        let mut statuses = Vec::new();
        for _ in 0..15 {
            let answer = reqwest::Client::new().get(&url).bearer_auth(key).send().await.unwrap();
            statuses.push(answer.status().as_u16());
        }
        statuses
    };
    assert!(
        statuses("/in/nobody/nothing", "")
            .await
            .iter()
            .all(|status| *status == 404)
    );
    let keys = statuses("/v1/payments", "tg_01JB2M7K3V4Q5R6S7T8V9WAXBY_00").await;
    assert_eq!((keys[0], keys[14]), (401, 429));
    assert!(statuses("/nowhere", "").await.iter().all(|status| *status == 429));
    assert_eq!(stage.kiosk().check("1", "42", "1.00").await.result(), 0);
}

/// The cap on requests at work: who comes too many is asked to come again, and everybody leaves their seat.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn no_more_are_at_work_than_may_be(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::with_settings(backend, &[("TOLLGATE_LIMITS__WAIT_MS", "100")]).await;
    // What the gateway asks of it is at work until its time is over.
    let host = Inspector::answering(|_| Reply::Silence).await;
    let config = json!({"check_url": host.url("/check")});
    stage.set_config(config).await;
    let capped = json!({"in_flight": 3, "below_network_minimum": true});
    stage.admin().put(TERMINAL, &capped).await;
    soon("the new limits", async || {
        let before = host.received().len();
        let calls = (0..12).map(|n| {
            let kiosk = stage.kiosk();
            async move { kiosk.check(&n.to_string(), "42", "1.00").await.result() }
        });
        let results = futures_util::future::join_all(calls).await;
        assert_eq!(results, [TRY_LATER; 12]);
        (host.received().len() == before + 3).then_some(())
    })
    .await;
    assert!(refused(&stage, "connection", "in_flight").await >= 9);
    soon("all seats are free", async || {
        let usage = stage.admin().get(&format!("{LIMITS}/usage")).await;
        let in_flight = &usage["connections"][0]["in_flight"];
        (in_flight["in_use"] == 0 && in_flight["cap"] == 3).then_some(())
    })
    .await;
}

/// A thousand callers that go away in the middle leave nothing behind.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn seats_are_left_by_callers_that_go_away(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let capped = json!({"in_flight": 15, "sockets": 15});
    stage.admin().put(TERMINAL, &capped).await;
    for n in 0..1_000_u32 {
        let mut wire = stage.kiosk().connect().await;
        let query = format!("command=pay&txn_id={n}&txn_date=20230615143000&account=1&sum=1.00&ccy=RUB");
        let head = format!("GET /in/acme/terminal?{query} HTTP/1.1\r\nhost: gateway\r\n");
        // Some hang up with their request half sent, some at once after it.
        let whole = if n % 3 == 0 { head } else { format!("{head}\r\n") };
        wire.write(whole.as_bytes()).await;
    }
    soon("all seats are free", async || {
        let metrics = stage.admin().get("/metrics").await;
        let zero = |name: &str| metrics.as_str().unwrap().contains(&format!("{name} 0\n"));
        (zero("tollgate_seats_taken") && zero("tollgate_sockets_open")).then_some(())
    })
    .await;
    assert_eq!(stage.kiosk().check("5000", "42", "1.00").await.result(), 0);
}

/// A seventeenth socket of a network waits its turn; when one of the others falls silent, it is served.
#[tokio::test(flavor = "multi_thread")]
async fn a_network_uses_no_more_sockets_than_it_may() {
    let stage = Stage::with_settings(Sqlite, &[("TOLLGATE_LIMITS__WAIT_MS", "50")]).await;
    stage.admin().put(TERMINAL, &json!({"sockets": 16})).await;
    let line = |n: usize| {
        let query = format!("command=check&txn_id={n}&account=1&sum=1.00&ccy=RUB");
        format!("GET /in/acme/terminal?{query} HTTP/1.1\r\nhost: gateway\r\n\r\n")
    };
    let ask = async |wire: &mut e2e::kiosk::Wire, n: usize| {
        wire.write(line(n).as_bytes()).await;
        wire.read_answer().await
    };
    soon("the new limit", async || {
        let mut wires = Vec::new();
        let mut later = 0;
        for n in 0..17 {
            let mut wire = stage.kiosk().connect().await;
            let answer = ask(&mut wire, n).await;
            later += usize::from(answer.contains("<result>1</result>") && answer.contains("connection: close"));
            wires.push(wire);
        }
        // Fewer where some of the round before are not yet gone.
        (later == 1).then_some(())
    })
    .await;
    soon("a silent socket's place", async || {
        let mut wire = stage.kiosk().connect().await;
        ask(&mut wire, 99).await.contains("<result>0</result>").then_some(())
    })
    .await;
}

/// Of the neighbour of a flood.
const PAYS: i64 = 150;

/// Merchant A brings twenty times what it may over 200 connections; merchant B does not lose one request.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_one_merchant_costs_another_nothing(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let admin = stage.admin();
    admin
        .post("/admin/v1/merchants", &json!({"slug": "flood", "name": "Flood"}))
        .await;
    let terminal = json!({"slug": "terminal", "plugin": "terminal", "config": open(json!({}))});
    admin.post("/admin/v1/merchants/flood/connections", &terminal).await;
    let limits = json!({"rates": [{"name": "second", "requests": 20, "seconds": 1}], "in_flight": 15});
    admin.put("/admin/v1/merchants/flood/limits", &limits).await;
    let flood = stage.gateway.kiosk("flood", "terminal");
    refuses(&flood, "the flood's limit").await;
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let floods: Vec<_> = (0..200)
        .map(|n| {
            let (kiosk, stop) = (flood.clone(), stop.clone());
            tokio::spawn(async move {
                let mut sent = 0_u64;
                while !stop.load(std::sync::atomic::Ordering::SeqCst) {
                    let answer = kiosk.check(&format!("{n}{sent}"), "42", "1.00").await;
                    assert_eq!(answer.status, 200);
                    sent += 1;
                    // 200 of these are 400 requests a second.
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                sent
            })
        })
        .collect();
    for n in 0..PAYS {
        let answer = stage.kiosk().pay(&n.to_string(), "42", "1.00").await;
        assert_eq!(answer.result(), 0, "{answer:?}");
    }
    stop.store(true, std::sync::atomic::Ordering::SeqCst);
    let mut sent = 0;
    for flood in floods {
        sent += flood.await.unwrap();
    }
    assert!(sent > 200, "no flood: {sent}");
    assert_eq!(stage.count("payments").await, PAYS);
}

#[tokio::test(flavor = "multi_thread")]
async fn making_keys_is_not_for_trying() {
    let settings = [("TOLLGATE_LIMITS__KEY_CREATION_RATES", "hour=3/3600")];
    let stage = Stage::with_settings(Sqlite, &settings).await;
    let body = json!({"name": "shop", "scopes": ["*"]});
    let path = "/admin/v1/merchants/acme/api_keys";
    for _ in 0..3 {
        stage.admin().post(path, &body).await;
    }
    let refused = stage.admin().send(Method::POST, path, Some(&body)).await;
    assert_eq!((refused.status, &refused.body["code"]), (429, &json!("rate_limited")));
}
