//! Each operation upstream meets each fault. Whatever happens, the end is the network's truth, money moved at most once,
//! and the merchant heard of it.

use std::time::Duration;

use e2e::Backend::{self, Postgres, Sqlite};
use e2e::{Inspector, soon, within};
use rstest::rstest;
use serde_json::{Value, json};

use crate::orders::{Market, card, rub};

/// What is in doubt is settled within this: the operation's time, and a few questions.
const SETTLED: Duration = Duration::from_secs(60);
/// Events of a payment are told in order; one that a node was sending when it died is sent again when its lease is over.
const HEARD: Duration = Duration::from_secs(120);
/// So short that the tests need not wait for a network's usual patience, in milliseconds.
const OPERATION_TIMEOUT: (&str, &str) = ("TOLLGATE_CONNECTORS__OPERATION_TIMEOUT_MS", "4000");

/// What is asked of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Sale,
    Hold,
    Capture,
    Reversal,
    Refund,
}

impl Step {
    /// Part of the path that only its request has.
    const fn path(self) -> &'static str {
        match self {
            Self::Sale | Self::Hold => "/payments/",
            Self::Capture => "/captures/",
            Self::Reversal | Self::Refund => "/refunds/",
        }
    }

    const fn request(self) -> &'static str {
        match self {
            Self::Sale | Self::Hold => "/payments",
            Self::Capture => "/capture",
            Self::Reversal => "/reverse",
            Self::Refund => "/refunds",
        }
    }

    /// The status of a payment on which it was done.
    const fn done(self) -> &'static str {
        match self {
            Self::Sale | Self::Capture => "succeeded",
            Self::Hold => "authorized",
            Self::Reversal => "reversed",
            Self::Refund => "refunded",
        }
    }

    /// The status of a payment on which it was not.
    const fn not_done(self) -> &'static str {
        match self {
            Self::Sale | Self::Hold => "failed",
            Self::Capture | Self::Reversal => "authorized",
            Self::Refund => "succeeded",
        }
    }

    /// The event that tells of its success.
    const fn event(self) -> &'static str {
        match self {
            Self::Sale => "payment.succeeded",
            Self::Hold => "payment.authorized",
            Self::Capture => "capture.succeeded",
            Self::Reversal => "reversal.succeeded",
            Self::Refund => "refund.succeeded",
        }
    }
}

fn order(capture: &str) -> Value {
    json!({ "amount": rub("9.00"), "method": card(12), "connection": "payin", "capture": capture })
}

/// A payment on which the step can be tried, when it is a step on one.
async fn prepared(market: &Market, step: Step) -> Option<String> {
    let capture = match step {
        Step::Sale | Step::Hold => return None,
        Step::Capture | Step::Reversal => "manual",
        Step::Refund => "automatic",
    };
    let made = market.shop.post("/payments", &order(capture)).await.success();
    Some(made["id"].as_str().unwrap().to_owned())
}

/// Asks for the step; the payment.
async fn ask(market: &Market, step: Step, payment: Option<&str>) -> String {
    let answer = match payment {
        None => {
            let capture = if step == Step::Sale { "automatic" } else { "manual" };
            market.shop.post(step.request(), &order(capture)).await
        }
        Some(payment) => {
            let path = format!("/payments/{payment}{}", step.request());
            market.shop.post(&path, &json!({})).await
        }
    };
    answer.success()["id"].as_str().unwrap().to_owned()
}

/// The payment once nothing of it is open.
async fn settled(market: &Market, payment: &str) -> Value {
    let path = format!("/payments/{payment}");
    within(SETTLED, "everything is settled", async || {
        let seen = market.shop.get(&path).await;
        let open = ["pending", "processing", "in_doubt"];
        let operations = seen["operations"].as_array().unwrap();
        let settled = operations
            .iter()
            .all(|known| !open.contains(&known["status"].as_str().unwrap()));
        settled.then_some(seen)
    })
    .await
}

/// What the network itself says: how often it took money, and how often it gave money back.
async fn truth(market: &Market, payment: &str) -> (bool, usize, usize) {
    let config = &market.configs["payin"];
    let root = format!(
        "{}/payin/v1/sites/{}/payments/{payment}",
        config["base_url"].as_str().unwrap().trim_end_matches('/'),
        config["site_id"].as_str().unwrap()
    );
    let client = reqwest::Client::new();
    let get = async |url: String| {
        let answer = client
            .get(url)
            .bearer_auth(config["api_key"].as_str().unwrap())
            .send()
            .await
            .unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        status
            .is_success()
            .then(|| serde_json::from_str::<Value>(&text).unwrap())
    };
    let Some(seen) = get(root.clone()).await else {
        return (false, 0, 0);
    };
    let paid = seen["status"]["value"] == "COMPLETED";
    let refunds = get(format!("{root}/refunds")).await.unwrap_or_default();
    let returned = refunds
        .as_array()
        .into_iter()
        .flatten()
        .filter(|refund| refund["status"]["value"] == "COMPLETED");
    let captured = seen["capturedAmount"].is_object()
        || !seen["flags"]
            .as_array()
            .into_iter()
            .flatten()
            .all(|flag| flag != "SALE");
    (paid, usize::from(captured), returned.count())
}

async fn heard(hooks: &Inspector, event: &str, payment: &str) {
    within(HEARD, event, async || {
        let about = |hook: &e2e::Received| hook.json()["type"] == event && hook.json()["data"]["id"] == payment;
        hooks.received().iter().any(about).then_some(())
    })
    .await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn the_end_is_the_networks_truth(
    #[values(Sqlite, Postgres)] backend: Backend,
    #[values(Step::Sale, Step::Hold, Step::Capture, Step::Reversal, Step::Refund)] step: Step,
    #[values("drop_before", "drop_after", "error_before", "error_after", "garbage_after")] fault: &str,
) {
    let market = Market::open_with(backend, &[OPERATION_TIMEOUT]).await;
    let hooks = market.inspector().await;
    let prepared = prepared(&market, step).await;
    market.sandbox.fault(step.path(), fault).await;
    let payment = ask(&market, step, prepared.as_deref()).await;
    let seen = settled(&market, &payment).await;
    let (paid, _, returned) = truth(&market, &payment).await;
    let executed = match step {
        Step::Sale | Step::Hold => paid,
        Step::Capture => seen["captured"] == rub("9.00"),
        Step::Reversal | Step::Refund => returned == 1,
    };
    assert!(returned <= 1, "money was given back twice");
    if fault.ends_with("_after") {
        assert!(executed, "the network acted: {seen:#}");
    }
    let expected = if executed { step.done() } else { step.not_done() };
    assert_eq!(seen["status"], expected, "{seen:#}");
    if executed {
        heard(&hooks, step.event(), &payment).await;
    }
    // What was not done can be done now, and what was done cannot be done again.
    if let Some(payment) = &prepared {
        let path = format!("/payments/{payment}{}", step.request());
        let again = market.shop.post(&path, &json!({})).await;
        if executed {
            assert_eq!((again.status, &again.body["code"]), (409, &json!("wrong_state")));
        } else {
            assert_eq!(again.success()["status"], step.done());
        }
    }
}

/// The gateway dies while the network is at work, and comes back.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_intent_and_outcome_is_settled(
    #[values(Sqlite, Postgres)] backend: Backend,
    #[values(Step::Sale, Step::Hold, Step::Capture, Step::Reversal, Step::Refund)] step: Step,
) {
    let mut market = Market::open_with(backend, &[OPERATION_TIMEOUT]).await;
    let hooks = market.inspector().await;
    let prepared = prepared(&market, step).await;
    market.sandbox.fault(step.path(), "delay:1500").await;
    let path = match &prepared {
        None => "/payments".to_owned(),
        Some(payment) => format!("/payments/{payment}{}", step.request()),
    };
    let body = match step {
        Step::Sale => order("automatic"),
        Step::Hold => order("manual"),
        _ => json!({}),
    };
    let asking = market.shop.in_background("POST", &path, "crash", &body);
    // The intent is stored before anything is sent.
    let payment = soon("the intent", async || {
        let list = market.shop.get("/payments").await;
        let newest = list["data"][0]["id"].as_str()?.to_owned();
        let seen = market.shop.get(&format!("/payments/{newest}")).await;
        let pending = seen["operations"]
            .as_array()?
            .iter()
            .any(|known| known["status"] == "pending");
        pending.then_some(newest)
    })
    .await;
    market.sandbox.faults_are_met().await;
    market.gateway.kill().await;
    asking.abort();
    market.gateway.start_again().await;
    let seen = settled(&market, &payment).await;
    assert_eq!(seen["status"], step.done(), "{seen:#}");
    heard(&hooks, step.event(), &payment).await;
    // Whoever repeats the request is told of the same payment, once its time is over.
    let repeated = soon("the repeat", async || {
        let (_, answer) = market
            .shop
            .send(reqwest::Method::POST, &path, Some("crash"), Some(&body))
            .await;
        (answer.status < 300).then_some(answer.body)
    })
    .await;
    assert_eq!(repeated["id"], json!(payment));
    assert_eq!(
        truth(&market, &payment).await.2,
        usize::from(matches!(step, Step::Reversal | Step::Refund))
    );
}

/// Notifications twice, in the wrong order, or never: the end is the same.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn notifications_come_as_they_like(
    #[values(Sqlite, Postgres)] backend: Backend,
    #[values("duplicate", "reverse", "drop")] fault: &str,
) {
    let market = Market::open(backend).await;
    market.sandbox.notifications(fault).await;
    // Succeeds three seconds later, so the notification is what tells of it first.
    let slow = json!({ "amount": rub("9.00"), "method": card(3), "connection": "payin" });
    let made = market.shop.post("/payments", &slow).await.success();
    let payment = made["id"].as_str().unwrap();
    market.sandbox.advance(4).await;
    market.shop.until(payment, "succeeded").await;
    let refunded = market
        .shop
        .post(
            &format!("/payments/{payment}/refunds"),
            &json!({ "amount": rub("2.00") }),
        )
        .await;
    assert_eq!(refunded.success()["refunded"], rub("2.00"));
    if fault != "drop" {
        soon("a notification about the refund", async || {
            market
                .sandbox
                .sent()
                .await
                .iter()
                .any(|sent| sent["body"].as_str().unwrap().contains("REFUND"))
                .then_some(())
        })
        .await;
    }
    let seen = market.shop.get(&format!("/payments/{payment}")).await;
    assert_eq!(
        (&seen["captured"], &seen["refunded"]),
        (&rub("9.00"), &rub("2.00")),
        "{seen:#}"
    );
    assert_eq!(seen["operations"].as_array().unwrap().len(), 2, "{seen:#}");
}

/// Who hangs up on `/v1` keeps their seat until the work that they began is done, and no longer.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_at_work_until_its_work_is_done(#[values(Sqlite, Postgres)] backend: Backend) {
    let market = Market::open(backend).await;
    let in_use = async || {
        let usage = market
            .gateway
            .admin()
            .get("/admin/v1/merchants/acme/limits/usage")
            .await;
        usage["merchant"]["in_flight"]["in_use"].as_u64().unwrap()
    };
    for n in 0..8 {
        market.sandbox.fault(Step::Sale.path(), "delay:1500").await;
        let key = format!("at-work-{n}");
        let call = market
            .shop
            .in_background("POST", "/payments", &key, &order("automatic"));
        soon("it is at work", async || (in_use().await > 0).then_some(())).await;
        call.abort();
    }
    soon("all seats are free", async || (in_use().await == 0).then_some(())).await;
    // Each was done to its end.
    let payments = market.shop.get("/payments?limit=200").await;
    assert_eq!(payments["data"].as_array().unwrap().len(), 8, "{payments}");
}
