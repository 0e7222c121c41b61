//! Payments that a merchant's system makes by `/v1`, against networks that are played.

use std::net::SocketAddr;

use e2e::Backend::{self, Postgres, Sqlite};
use e2e::{Gateway, Inspector, Sandbox, Shop, TestDatabase, ports, soon};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

/// A gateway with one merchant that has a connection to each network that is played.
pub struct Market {
    pub gateway: Gateway,
    pub sandbox: Sandbox,
    pub shop: Shop,
    pub configs: Value,
    pub database: TestDatabase,
}

impl Market {
    pub async fn open(backend: Backend) -> Self {
        Self::open_with(backend, &[]).await
    }

    pub async fn open_with(backend: Backend, further: &[(&str, &str)]) -> Self {
        let database = TestDatabase::new(backend).await;
        let sandbox = Sandbox::start().await;
        let public = SocketAddr::from(([127, 0, 0, 1], ports::free()));
        let settings = [
            ("TOLLGATE_PUBLIC__LISTEN", public.to_string()),
            ("TOLLGATE_PUBLIC__URL", format!("http://{public}")),
            ("TOLLGATE_CONNECTORS__ALLOW_NETWORKS", "127.0.0.0/8".to_owned()),
        ];
        let settings = settings.iter().map(|(name, value)| (*name, value.as_str()));
        let settings: Vec<_> = settings.chain(further.iter().copied()).collect();
        let gateway = Gateway::start_with(&database, &settings).await;
        let admin = gateway.admin();
        admin
            .post("/admin/v1/merchants", &json!({"slug": "acme", "name": "Acme"}))
            .await;
        let notify = json!({ "notify": format!("http://{public}/in/acme") });
        let (status, configs) = sandbox.post("/sandbox/connect", &notify).await;
        assert_eq!(status, 200);
        for (plugin, config) in configs.as_object().unwrap() {
            let connection = json!({ "slug": plugin, "plugin": plugin, "config": config });
            admin.post("/admin/v1/merchants/acme/connections", &connection).await;
        }
        let shop = Shop::of(&admin, gateway.public, "acme", &["*"]).await;
        Self {
            gateway,
            sandbox,
            shop,
            configs,
            database,
        }
    }

    /// A webhook endpoint that hears everything.
    pub async fn inspector(&self) -> Inspector {
        let inspector = Inspector::start().await;
        let endpoint = json!({ "url": inspector.url("/hook") });
        let made = self.shop.post("/webhook_endpoints", &endpoint).await;
        assert_eq!(made.status, 201, "{made:?}");
        // The node has taken the endpoint over once an event reaches it.
        let admin = self.gateway.admin();
        soon("the endpoint", async || {
            let probe = json!({ "amount": rub("1.00"), "method": card(2), "connection": "payin" });
            let probed = self.shop.post("/payments", &probe).await;
            assert_eq!(probed.status, 201, "{probed:?}");
            let events = admin.get("/admin/v1/merchants/acme/deliveries").await;
            (!events["data"].as_array().unwrap().is_empty()).then_some(())
        })
        .await;
        inspector
    }
}

pub fn rub(amount: &str) -> Value {
    json!({ "amount": amount, "currency": "RUB" })
}

/// A card that the networks' test modes accept at once; other months have other ends.
pub fn card(month: u8) -> Value {
    json!({ "type": "card", "pan": "4256000000000003", "expiry_month": month, "expiry_year": 2030, "cvv": "123",
        "holder": "CARD HOLDER" })
}

fn sale(amount: &str, month: u8) -> Value {
    json!({ "amount": rub(amount), "method": card(month), "connection": "payin", "order_id": "A-1" })
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_card_is_charged_in_one_step_and_refunded_in_parts(#[values(Sqlite, Postgres)] backend: Backend) {
    let market = Market::open(backend).await;
    let hooks = market.inspector().await;
    let paid = market.shop.post("/payments", &sale("9.00", 12)).await.success();
    assert_eq!(paid["status"], "succeeded", "{paid:#}");
    assert_eq!((&paid["captured"], &paid["refundable"]), (&rub("9.00"), &rub("9.00")));
    let id = paid["id"].as_str().unwrap();
    let refunds = format!("/payments/{id}/refunds");
    let part = market
        .shop
        .post(&refunds, &json!({ "amount": rub("2.50") }))
        .await
        .success();
    assert_eq!(
        (&part["status"], &part["refunded"]),
        (&json!("partially_refunded"), &rub("2.50"))
    );
    let too_much = market.shop.post(&refunds, &json!({ "amount": rub("6.51") })).await;
    assert_eq!((too_much.status, &too_much.body["code"]), (422, &json!("invalid")));
    let rest = market.shop.post(&refunds, &json!({})).await.success();
    assert_eq!((&rest["status"], &rest["refunded"]), (&json!("refunded"), &rub("9.00")));
    let nothing = market.shop.post(&refunds, &json!({})).await;
    assert_eq!((nothing.status, &nothing.body["code"]), (409, &json!("wrong_state")));
    for event in ["payment.succeeded", "payment.partially_refunded", "payment.refunded"] {
        soon(event, async || {
            hooks
                .received()
                .iter()
                .any(|hook| hook.json()["type"] == event)
                .then_some(())
        })
        .await;
    }
    for search in [id, "A-1"] {
        let found = market.shop.get(&format!("/payments?search={search}")).await;
        assert_eq!(found["data"].as_array().unwrap().len(), 1, "{search}");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_captured_or_released(#[values(Sqlite, Postgres)] backend: Backend) {
    let market = Market::open(backend).await;
    let hold = |order: &str| {
        let mut hold = sale("9.00", 12);
        hold["capture"] = json!("manual");
        hold["order_id"] = json!(order);
        hold
    };
    let held = market.shop.post("/payments", &hold("A-1")).await.success();
    assert_eq!(
        (&held["status"], &held["capturable"]),
        (&json!("authorized"), &rub("9.00")),
        "{held:#}"
    );
    let id = held["id"].as_str().unwrap();
    let captured = market
        .shop
        .post(&format!("/payments/{id}/capture"), &json!({}))
        .await
        .success();
    assert_eq!(
        (&captured["status"], &captured["captured"]),
        (&json!("succeeded"), &rub("9.00"))
    );
    let again = market.shop.post(&format!("/payments/{id}/capture"), &json!({})).await;
    assert_eq!(again.status, 409);

    let held = market.shop.post("/payments", &hold("A-2")).await.success();
    let id = held["id"].as_str().unwrap();
    let released = market
        .shop
        .post(&format!("/payments/{id}/reverse"), &json!({}))
        .await
        .success();
    assert_eq!(
        (&released["status"], &released["reversed"]),
        (&json!("reversed"), &rub("9.00")),
        "{released:#}"
    );
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_decline_is_an_answer_with_the_networks_words(#[values(Sqlite, Postgres)] backend: Backend) {
    let market = Market::open(backend).await;
    let declined = market.shop.post("/payments", &sale("9.00", 2)).await;
    assert_eq!(
        (declined.status, &declined.body["status"]),
        (201, &json!("declined")),
        "{declined:#?}"
    );
    assert!(declined.body["decline"]["message"].is_string());
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_bank_is_waited_for(#[values(Sqlite, Postgres)] backend: Backend) {
    let market = Market::open(backend).await;
    let waiting = market.shop.post("/payments", &sale("9.00", 3)).await.success();
    let id = waiting["id"].as_str().unwrap();
    assert_eq!(waiting["status"], "processing", "{waiting:#}");
    market.sandbox.advance(4).await;
    market.shop.until(id, "succeeded").await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_request_happens_once(#[values(Sqlite, Postgres)] backend: Backend) {
    let market = Market::open(backend).await;
    let (shop, body) = (&market.shop, sale("9.00", 12));
    let (repeated, first) = shop.send(Method::POST, "/payments", Some("k-1"), Some(&body)).await;
    assert_eq!((repeated, first.status), (false, 201));
    let (repeated, second) = shop.send(Method::POST, "/payments", Some("k-1"), Some(&body)).await;
    assert_eq!((repeated, second.status, &second.body), (true, 201, &first.body));
    let (_, other) = shop
        .send(Method::POST, "/payments", Some("k-1"), Some(&sale("8.00", 12)))
        .await;
    assert_eq!(
        (other.status, &other.body["code"]),
        (409, &json!("idempotency_key_reused"))
    );
    let (_, none) = shop.send(Method::POST, "/payments", None, Some(&body)).await;
    assert_eq!((none.status, &none.body["field"]), (422, &json!("Idempotency-Key")));
    let racers = (0..20).map(|_| shop.send(Method::POST, "/payments", Some("k-2"), Some(&body)));
    let racers = futures_util::future::join_all(racers).await;
    let made: Vec<_> = racers.iter().filter(|(_, answer)| answer.status == 201).collect();
    let busy = racers
        .iter()
        .filter(|(_, answer)| answer.body["code"] == "idempotency_key_in_flight")
        .count();
    assert_eq!(made.len() + busy, 20, "{racers:?}");
    assert!(made.iter().all(|(_, answer)| answer.body["id"] == made[0].1.body["id"]));
    assert_eq!(shop.get("/payments").await["data"].as_array().unwrap().len(), 2);
}

/// Of twenty requests with one key at once each hears of the same capture, or is asked to come again: none is told that
/// there is nothing left to capture, for it is itself that captured it.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_step_happens_once(#[values(Sqlite, Postgres)] backend: Backend) {
    let market = Market::open(backend).await;
    for round in 0..10 {
        let mut hold = sale("9.00", 12);
        hold["capture"] = json!("manual");
        let held = market.shop.post("/payments", &hold).await.success();
        let path = format!("/payments/{}/capture", held["id"].as_str().unwrap());
        let (key, body) = (format!("capture-{round}"), json!({}));
        let racers = (0..20).map(|_| market.shop.send(Method::POST, &path, Some(&key), Some(&body)));
        let racers = futures_util::future::join_all(racers).await;
        let made: Vec<_> = racers.iter().filter(|(_, answer)| answer.status == 200).collect();
        let busy = racers
            .iter()
            .filter(|(_, answer)| answer.body["code"] == "idempotency_key_in_flight");
        assert_eq!(made.len() + busy.count(), 20, "{racers:?}");
        assert!(made.iter().all(|(_, answer)| answer.body == made[0].1.body));
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_bill_is_paid_on_the_networks_page(#[values(Sqlite, Postgres)] backend: Backend) {
    let market = Market::open(backend).await;
    let bill = json!({ "amount": rub("9.00"), "method": { "type": "hosted_page" }, "connection": "payin" });
    let waiting = market.shop.post("/payments", &bill).await.success();
    assert_eq!(waiting["status"], "requires_action", "{waiting:#}");
    let page = waiting["action"]["url"].as_str().unwrap();
    let (status, html) = market.sandbox.page(page).await;
    assert_eq!(status, 200);
    assert!(html.contains("9.00"), "{html}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_opens_what_it_was_made_for() {
    let market = Market::open(Sqlite).await;
    let admin = market.gateway.admin();
    let reader = Shop::of(&admin, market.gateway.public, "acme", &["payments:read"]).await;
    reader.get("/payments").await;
    let refused = reader.post("/payments", &sale("9.00", 12)).await;
    assert_eq!((refused.status, &refused.body["code"]), (403, &json!("scope_missing")));
    for wrong in ["", "tg_x", "tg_01JB2M7K3V4Q5R6S7T8V9WAXBY_00"] {
        let stranger = Shop::with_key(market.gateway.public, wrong);
        let (_, refused) = stranger.send(Method::GET, "/payments", None, None).await;
        assert_eq!(refused.status, 401, "{wrong}");
    }
    // A merchant's key opens nothing of another merchant.
    let paid = market.shop.post("/payments", &sale("9.00", 12)).await.success();
    admin
        .post("/admin/v1/merchants", &json!({"slug": "other", "name": "Other"}))
        .await;
    let other = Shop::of(&admin, market.gateway.public, "other", &["*"]).await;
    let path = format!("/payments/{}", paid["id"].as_str().unwrap());
    assert_eq!(other.send(Method::GET, &path, None, None).await.1.status, 404);
    assert_eq!(other.get("/payments").await["data"], json!([]));
    // A revoked key opens nothing within a second.
    let keys = admin.get("/admin/v1/merchants/acme/api_keys").await;
    let id = keys["data"][0]["id"].as_str().unwrap();
    admin.delete(&format!("/admin/v1/merchants/acme/api_keys/{id}")).await;
    soon("the revocation", async || {
        (reader.send(Method::GET, "/payments", None, None).await.1.status == 401).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_a_connection_are_never_shown() {
    let market = Market::open(Sqlite).await;
    let admin = market.gateway.admin();
    let path = "/admin/v1/merchants/acme/connections/payin";
    let shown = admin.get(path).await;
    let secret = market.configs["payin"]["api_key"].as_str().unwrap();
    assert!(!shown.to_string().contains(secret), "{shown:#}");
    assert_eq!(shown["config"]["api_key"], "********");
    // What is shown can be sent back: the secret stays, and payments still go.
    admin.patch(path, &json!({ "config": shown["config"] })).await;
    let paid = soon("the change", async || {
        let paid = market.shop.post("/payments", &sale("9.00", 12)).await;
        (paid.body["status"] == "succeeded").then_some(paid.body)
    })
    .await;
    // The wire log is written behind the answer.
    let exchanges = soon("the exchange in the wire log", async || {
        let exchanges = admin.get("/admin/v1/merchants/acme/exchanges").await.to_string();
        exchanges.contains("/partner/payin/v1/sites/").then_some(exchanges)
    })
    .await;
    for hidden in [secret, "4256000000000003", "\"cvv2\":\"123\""] {
        assert!(
            !exchanges.contains(hidden) && !paid.to_string().contains(hidden),
            "{hidden}"
        );
    }
    assert!(!market.gateway.log().contains(secret));
}
