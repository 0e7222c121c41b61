//! The admin REST: who is let in, and how it refuses.

use e2e::Backend::{self, Postgres, Sqlite};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::stage::{Stage, open};

#[tokio::test]
async fn nothing_is_said_without_the_token() {
    let stage = Stage::new(Sqlite).await;
    for token in [
        "",
        "wrong",
        "bootstrap-token-of-the-test",
        "bootstrap-token-of-the-tests2",
    ] {
        for path in ["/admin/v1/merchants", "/admin/v1/merchants/acme", "/admin/v1/nothing"] {
            let refused = stage.admin().with_token(token).send(Method::GET, path, None).await;
            assert_eq!(
                (refused.status, &refused.body["code"]),
                (401, &json!("unauthorized")),
                "{token} {path}"
            );
        }
    }
    // What monitoring asks is open.
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(
            stage.admin().with_token("").send(Method::GET, path, None).await.status,
            200,
            "{path}"
        );
    }
    // And none of it is on the public listener.
    let outside = e2e::Admin::new(stage.gateway.public, e2e::gateway::BOOTSTRAP_TOKEN);
    for path in ["/admin/v1/merchants", "/metrics", "/healthz"] {
        assert_eq!(outside.send(Method::GET, path, None).await.status, 404, "{path}");
    }
}

#[rstest]
#[tokio::test]
async fn wrong_bodies_are_refused_and_nothing_is_stored(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let merchants = "/admin/v1/merchants";
    let connections = "/admin/v1/merchants/acme/connections";
    let endpoints = "/admin/v1/merchants/acme/webhook-endpoints";
    let terminal = |config: Value| json!({"slug": "x", "plugin": "terminal", "config": config});
    let table = [
        (
            Method::POST,
            merchants,
            json!({"slug": "b", "name": "B", "colour": "red"}),
            400,
        ),
        (Method::POST, merchants, json!({"slug": "B!", "name": "B"}), 422),
        (Method::POST, merchants, json!({"slug": "b", "name": ""}), 422),
        (Method::POST, merchants, json!({"slug": "acme", "name": "Again"}), 409),
        (
            Method::PATCH,
            "/admin/v1/merchants/acme",
            json!({"status": "deleted"}),
            400,
        ),
        (Method::PATCH, "/admin/v1/merchants/nobody", json!({"name": "X"}), 404),
        (
            Method::POST,
            connections,
            terminal(json!({"auth": "none", "subnets": ["10.0.0.0/33"]})),
            422,
        ),
        (
            Method::POST,
            connections,
            terminal(json!({"auth": "none", "unknown": 1})),
            422,
        ),
        (
            Method::POST,
            connections,
            terminal(json!({"auth": "none", "subnets": ["0.0.0.0/0"]})),
            422,
        ),
        (Method::POST, connections, terminal(json!({})), 422),
        (
            Method::POST,
            connections,
            terminal(open(json!({"account_regex": "("}))),
            422,
        ),
        (
            Method::POST,
            connections,
            terminal(open(json!({"check_url": "http://10.0.0.1/"}))),
            422,
        ),
        (
            Method::POST,
            connections,
            json!({"slug": "x", "plugin": "telepathy", "config": {}}),
            422,
        ),
        (Method::POST, endpoints, json!({"url": "ftp://x.example/"}), 422),
        (
            Method::POST,
            endpoints,
            json!({"url": "https://x.example/", "secret": "whsec_c2hvcnQ="}),
            422,
        ),
        (
            Method::POST,
            endpoints,
            json!({"url": "https://x.example/", "event_types": ["payment.dreamt"]}),
            422,
        ),
        (
            Method::PUT,
            "/admin/v1/merchants/acme/rules",
            json!({"source": "return {"}),
            422,
        ),
    ];
    for (method, path, body, status) in table {
        let refused = stage.admin().send(method, path, Some(&body)).await;
        assert_eq!(refused.status, status, "{path} {body}: {refused:?}");
        assert!(
            refused.body["code"].is_string() && refused.body["detail"].is_string(),
            "{refused:?}"
        );
    }
    let counts = [
        stage.count("merchants").await,
        stage.count("connections").await,
        stage.count("webhook_endpoints").await,
    ];
    assert_eq!((counts, stage.count("rule_revisions").await), ([1, 1, 0], 0));
}

#[rstest]
#[tokio::test]
async fn one_merchants_things_are_not_found_under_another(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let inspector = e2e::Inspector::start().await;
    let endpoint = stage.endpoint(&inspector, json!({})).await;
    stage.kiosk().pay("1", "42", "1.00").await;
    inspector.wait_for(1).await;
    let (payment, delivery) = (
        stage.list("payments").await.remove(0),
        stage.list("deliveries").await.remove(0),
    );
    stage
        .admin()
        .post("/admin/v1/merchants", &json!({"slug": "stranger", "name": "Stranger"}))
        .await;
    let id = |value: &Value| value["id"].as_str().unwrap().to_owned();
    let (payment, delivery, endpoint) = (id(&payment), id(&delivery), id(&endpoint));
    let table = [
        (Method::GET, format!("payments/{payment}")),
        (Method::GET, format!("webhook-endpoints/{endpoint}")),
        (Method::DELETE, format!("webhook-endpoints/{endpoint}")),
        (Method::POST, format!("webhook-endpoints/{endpoint}/test")),
        (Method::POST, format!("deliveries/{delivery}/resend")),
        (Method::GET, "connections/terminal".to_owned()),
        (Method::DELETE, "connections/terminal".to_owned()),
    ];
    for (method, path) in table {
        let own = stage
            .admin()
            .send(
                Method::GET,
                &format!("/admin/v1/merchants/acme/payments/{payment}"),
                None,
            )
            .await;
        assert_eq!(own.status, 200);
        let foreign = stage
            .admin()
            .send(method, &format!("/admin/v1/merchants/stranger/{path}"), None)
            .await;
        assert_eq!(foreign.status, 404, "{path}: {foreign:?}");
    }
    for list in [
        "payments",
        "events",
        "exchanges",
        "deliveries",
        "connections",
        "webhook-endpoints",
        "settlements",
    ] {
        let foreign = stage.admin().get(&format!("/admin/v1/merchants/stranger/{list}")).await;
        assert_eq!(foreign["data"], json!([]), "{list}");
    }
}

/// What a secret is given as never comes back: not by REST, not in the log, not in the database.
#[rstest]
#[tokio::test]
async fn secrets_stay_secret(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let inspector = e2e::Inspector::start().await;
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let made = stage.endpoint(&inspector, json!({"secret": secret})).await;
    assert_eq!(made["secret"], secret, "shown once, to who made it");
    let body = json!({"slug": "closed", "plugin": "terminal", "config": {"subnets": ["127.0.0.0/8"]},
        "basic": {"login": "Login", "password": "hunter2hunter2"}});
    stage.admin().post("/admin/v1/merchants/acme/connections", &body).await;
    let kiosk = stage
        .gateway
        .kiosk("acme", "closed")
        .with_login("Login", "hunter2hunter2");
    let parameters = e2e::kiosk::with(e2e::kiosk::pay("1", "4111111111111111", "1.00"), "cvv", "987");
    assert_eq!(kiosk.get(&parameters).await.status, 200);
    inspector.wait_for(1).await;

    let mut said = stage.gateway.log();
    for list in ["connections", "webhook-endpoints", "exchanges", "deliveries"] {
        said.push_str(
            &stage
                .admin()
                .get(&format!("/admin/v1/merchants/acme/{list}"))
                .await
                .to_string(),
        );
    }
    for columns in [
        "secret_sealed FROM webhook_endpoints",
        "basic_password_hash FROM connections WHERE slug = 'closed'",
    ] {
        said.push_str(&stage.database.texts(&format!("SELECT {columns}")).await.concat());
    }
    // The encoded pair of login and password, too.
    for hidden in [
        &secret[6..],
        "hunter2hunter2",
        "TG9naW46aHVudGVyMmh1bnRlcjI=",
        "cvv=987",
    ] {
        assert!(!said.contains(hidden), "{hidden} is in:\n{said}");
    }
    let exchanges = stage.list("exchanges").await;
    let url = exchanges
        .iter()
        .map(|exchange| exchange["url"].as_str().unwrap())
        .find(|url| url.contains("closed"))
        .unwrap();
    assert!(url.contains("account=411111******1111"), "{url}");
}

#[rstest]
#[tokio::test]
async fn the_wire_log_shows_the_request_with_its_answer(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let paid = stage.kiosk().post(&e2e::kiosk::pay("77", "42", "1.00")).await;
    let payment = stage.list("payments?search=77").await.remove(0);
    let exchanges = stage
        .list(&format!("exchanges?payment_id={}", payment["id"].as_str().unwrap()))
        .await;
    assert_eq!(exchanges.len(), 1);
    let exchange = &exchanges[0];
    assert_eq!(
        (&exchange["method"], &exchange["status"], &exchange["direction"]),
        (&json!("POST"), &json!(200), &json!("in"))
    );
    assert_eq!(
        (&exchange["peer"], &exchange["response_body"]),
        (&json!("127.0.0.1"), &json!(paid.body))
    );
    assert!(exchange["request_body"].as_str().unwrap().contains("txn_id=77"));
    assert!(exchange["duration_us"].as_i64().unwrap() > 0);
    // The repeat is an exchange of the same payment.
    stage.kiosk().get(&e2e::kiosk::pay("77", "42", "1.00")).await;
    e2e::soon("the second exchange", async || {
        let path = format!("exchanges?payment_id={}", payment["id"].as_str().unwrap());
        (stage.list(&path).await.len() == 2).then_some(())
    })
    .await;
}
