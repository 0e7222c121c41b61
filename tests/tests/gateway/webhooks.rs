//! What merchants are told, and how they can be sure of it.

use std::collections::HashSet;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use e2e::Backend::{self, Postgres, Sqlite};
use e2e::{Inspector, Received, Reply, soon};
use rstest::rstest;
use serde_json::{Value, json};

use crate::stage::Stage;

/// As the Standard Webhooks specification describes it, not as the gateway does it.
fn is_signed_with(request: &Received, secret: &str) -> bool {
    let key = BASE64.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let header = |name| request.header(name).unwrap_or_else(|| panic!("no {name}"));
    let content = format!(
        "{}.{}.{}",
        header("webhook-id"),
        header("webhook-timestamp"),
        request.body
    );
    header("webhook-signature").split(' ').any(|signature| {
        let (version, signature) = signature.split_once(',').unwrap();
        version == "v1" && hmac::verify(&key, content.as_bytes(), &BASE64.decode(signature).unwrap()).is_ok()
    })
}

fn path_of(endpoint: &Value) -> String {
    format!(
        "/admin/v1/merchants/acme/webhook-endpoints/{}",
        endpoint["id"].as_str().unwrap()
    )
}

#[rstest]
#[tokio::test]
async fn a_payment_arrives_signed(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let inspector = Inspector::start().await;
    let endpoint = stage.endpoint(&inspector, json!({})).await;
    let paid = stage.kiosk().pay("77", "42", "10.45").await;
    let told = inspector.wait_for(1).await.remove(0);

    assert_eq!((told.method.as_str(), told.path.as_str()), ("POST", "/hook"));
    assert_eq!(told.header("content-type"), Some("application/json"));
    assert!(is_signed_with(&told, endpoint["secret"].as_str().unwrap()));
    assert!(!is_signed_with(&told, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
    let sent: i64 = told.header("webhook-timestamp").unwrap().parse().unwrap();
    assert!((chrono::Utc::now().timestamp() - sent).abs() < 60);
    let body = told.json();
    assert_eq!(body["type"], "payment.succeeded");
    let payment = &body["data"];
    assert_eq!(
        (&payment["network_id"], &payment["account"]),
        (&json!("77"), &json!("42"))
    );
    assert_eq!(payment["amount"], json!({"amount": "10.45", "currency": "RUB"}));
    assert_eq!(payment["number"], json!(paid.prv_txn().to_string()));
    assert_eq!(stage.list("events").await[0]["id"].as_str(), told.header("webhook-id"));
    // A repeat of the pay is no event.
    stage.kiosk().pay("77", "42", "10.45").await;
    stage.kiosk().pay("78", "42", "1.00").await;
    let all = inspector.wait_for(2).await;
    assert_eq!(all[1].json()["data"]["network_id"], "78");
}

#[rstest]
#[tokio::test]
async fn an_endpoint_in_the_containers_format_gets_its_bytes(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let inspector = Inspector::start().await;
    stage
        .endpoint(&inspector, json!({"format": "container", "time_zone": "Europe/Moscow"}))
        .await;
    let paid = stage.kiosk().pay("563456456745", "123456", "45.00").await;
    let told = inspector.wait_for(1).await.remove(0);
    let head = format!(
        r#"{{"id":"{}","account":"123456","code":"563456456745","sum":45.0,"created_at":""#,
        paid.prv_txn()
    );
    let at = told.body.strip_prefix(&head).and_then(|rest| rest.strip_suffix("\"}"));
    let at = at.unwrap_or_else(|| panic!("{}", told.body));
    let at = chrono::NaiveDateTime::parse_from_str(at, "%Y-%m-%d %H:%M:%S").unwrap();
    let moscow = chrono::Utc::now().naive_utc() + chrono::TimeDelta::hours(3);
    assert!((moscow - at).num_seconds().abs() < 60, "{at} is not Moscow's time");
    assert_eq!(told.header("webhook-signature"), None);
}

#[rstest]
#[tokio::test]
async fn a_failed_delivery_comes_again_and_every_attempt_is_kept(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let mut answers = [Reply::status(500), Reply::Close].into_iter();
    let inspector = Inspector::answering(move |_| answers.next().unwrap_or(Reply::status(204))).await;
    stage.endpoint(&inspector, json!({})).await;
    stage.kiosk().pay("1", "42", "1.00").await;
    let attempts = inspector.wait_for(3).await;
    let ids: HashSet<_> = attempts
        .iter()
        .map(|attempt| attempt.header("webhook-id").unwrap())
        .collect();
    assert_eq!(ids.len(), 1, "a repeat has the same id");
    assert!(attempts.iter().all(|attempt| attempt.body == attempts[0].body));

    let delivery = soon("delivered", async || {
        stage
            .list("deliveries")
            .await
            .into_iter()
            .find(|delivery| delivery["status"] == "delivered")
    })
    .await;
    let kept = stage
        .list(&format!("deliveries/{}/attempts", delivery["id"].as_str().unwrap()))
        .await;
    let statuses: Vec<_> = kept.iter().map(|attempt| attempt["status"].clone()).collect();
    assert_eq!(statuses, [json!(500), Value::Null, json!(204)]);
    assert!(kept[1]["error"].is_string());
}

#[rstest]
#[tokio::test]
async fn retry_after_is_honoured(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let mut answers = [Reply::with_header(503, "retry-after", "3")].into_iter();
    let inspector = Inspector::answering(move |_| answers.next().unwrap_or(Reply::status(200))).await;
    stage.endpoint(&inspector, json!({})).await;
    stage.kiosk().pay("1", "42", "1.00").await;
    let attempts = inspector.wait_for(2).await;
    let pause = attempts[1].at - attempts[0].at;
    assert!(pause.as_millis() >= 2_900, "came again after {pause:?}");
}

#[rstest]
#[tokio::test]
async fn an_endpoint_gets_only_what_it_wants(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::with_config(backend, json!({"min": "5.00"})).await;
    let (all, declined) = (Inspector::start().await, Inspector::start().await);
    stage.endpoint(&all, json!({})).await;
    stage
        .endpoint(&declined, json!({"event_types": ["payment.declined"]}))
        .await;
    assert_eq!(stage.kiosk().pay("1", "42", "10.00").await.result(), 0);
    assert_eq!(stage.kiosk().pay("2", "42", "1.00").await.result(), 241);
    let told = all.wait_for(2).await;
    assert_eq!(
        told.iter()
            .filter(|request| request.json()["type"] == "payment.declined")
            .count(),
        1
    );
    let told = declined.wait_for(1).await;
    assert_eq!(
        (told.len(), &told[0].json()["data"]["reason"]),
        (1, &json!("amount_too_small"))
    );
}

#[rstest]
#[tokio::test]
async fn one_delivery_and_all_since_are_sent_again(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let inspector = Inspector::start().await;
    let endpoint = stage.endpoint(&inspector, json!({})).await;
    for txn_id in ["1", "2", "3"] {
        stage.kiosk().pay(txn_id, "42", "1.00").await;
    }
    let first = inspector.wait_for(3).await;
    soon("all delivered", async || {
        let all = stage.list("deliveries?status=delivered").await;
        (all.len() == 3).then_some(())
    })
    .await;
    let one = stage.list("deliveries").await.remove(0);
    let payment = one["payment_id"].as_str().unwrap();
    let of_it = stage.list(&format!("deliveries?payment_id={payment}")).await;
    assert_eq!(of_it.len(), 1, "of one payment, its own deliveries alone");
    assert_eq!(of_it[0]["id"], one["id"]);
    let resend = format!(
        "/admin/v1/merchants/acme/deliveries/{}/resend",
        one["id"].as_str().unwrap()
    );
    stage.admin().post(&resend, &json!({})).await;
    let again = inspector.wait_for(4).await;
    assert_eq!(again[3].header("webhook-id"), one["event_id"].as_str());
    assert!(is_signed_with(&again[3], endpoint["secret"].as_str().unwrap()));

    soon("all delivered", async || {
        (stage.list("deliveries?status=delivered").await.len() == 3).then_some(())
    })
    .await;
    let since = stage
        .admin()
        .post(
            &format!("{}/resend", path_of(&endpoint)),
            &json!({"since": "2020-01-01T00:00:00Z"}),
        )
        .await;
    assert_eq!(since["deliveries"], 3);
    let all = inspector.wait_for(7).await;
    let resent: HashSet<_> = all[4..].iter().map(|request| request.header("webhook-id")).collect();
    assert_eq!(
        resent,
        first.iter().map(|request| request.header("webhook-id")).collect()
    );

    // An endpoint made later gets what it missed.
    let late = Inspector::start().await;
    let endpoint = stage.endpoint(&late, json!({})).await;
    stage
        .admin()
        .post(
            &format!("{}/resend", path_of(&endpoint)),
            &json!({"since": "2020-01-01T00:00:00Z"}),
        )
        .await;
    assert_eq!(late.wait_for(3).await.len(), 3);
}

#[rstest]
#[tokio::test]
async fn a_rotated_secret_overlaps_with_the_old_one(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let inspector = Inspector::start().await;
    let endpoint = stage.endpoint(&inspector, json!({})).await;
    let old = endpoint["secret"].as_str().unwrap();
    let rotate = format!("{}/rotate-secret", path_of(&endpoint));
    let rotated = stage.admin().post(&rotate, &json!({"overlap_s": 3600})).await;
    let new = rotated["secret"].as_str().unwrap();
    assert_ne!(old, new);
    stage.kiosk().pay("1", "42", "1.00").await;
    let told = inspector.wait_for(1).await.remove(0);
    assert!(is_signed_with(&told, old) && is_signed_with(&told, new));

    let newest = stage.admin().post(&rotate, &json!({"overlap_s": 0})).await;
    stage.kiosk().pay("2", "42", "1.00").await;
    let told = inspector.wait_for(2).await.remove(1);
    assert!(is_signed_with(&told, newest["secret"].as_str().unwrap()));
    assert!(!is_signed_with(&told, old) && !is_signed_with(&told, new));
}

#[rstest]
#[tokio::test]
async fn a_test_event_is_sent_by_hand(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let inspector = Inspector::start().await;
    let endpoint = stage.endpoint(&inspector, json!({})).await;
    stage
        .admin()
        .post(&format!("{}/test", path_of(&endpoint)), &json!({}))
        .await;
    assert_eq!(inspector.wait_for(1).await[0].json()["type"], "endpoint.test");
}

#[rstest]
#[tokio::test]
async fn a_paused_endpoint_keeps_what_waits(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let (paused, other) = (Inspector::start().await, Inspector::start().await);
    let endpoint = stage.endpoint(&paused, json!({})).await;
    stage.endpoint(&other, json!({})).await;
    stage
        .admin()
        .patch(&path_of(&endpoint), &json!({"status": "paused"}))
        .await;
    stage.kiosk().pay("1", "42", "1.00").await;
    other.wait_for(1).await;
    assert_eq!(paused.received().len(), 0);
    stage
        .admin()
        .patch(&path_of(&endpoint), &json!({"status": "active"}))
        .await;
    paused.wait_for(1).await;
}
