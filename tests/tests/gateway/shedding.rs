//! A node that is behind refuses the least important first, says so, and takes everything back.

use std::time::Duration;

use e2e::{PostgresServer, TestDatabase, soon};
use reqwest::Method;
use serde_json::{Value, json};

use crate::stage::Stage;

/// A database that hangs is late within this; one that works is not, even on a busy machine.
const SETTINGS: [(&str, &str); 2] = [
    ("TOLLGATE_SHEDDING__DELAY_MS", "700"),
    ("TOLLGATE_SHEDDING__AFTER_MS", "1500"),
];

/// What of people's questions reaches a database that hangs may hang with it.
const PATIENCE: Duration = Duration::from_secs(3);

async fn code(stage: &Stage, path: &str) -> Option<(u16, Value)> {
    let admin = stage.admin();
    let answer = tokio::time::timeout(PATIENCE, admin.send(Method::GET, path, None))
        .await
        .ok()?;
    Some((answer.status, answer.body["code"].clone()))
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_wait_while_the_database_is_behind() {
    let server = PostgresServer::start();
    let database = TestDatabase::on_server(&server.base_url()).await;
    let stage = Stage::on(database, json!({}), &SETTINGS).await;
    let list = "/admin/v1/merchants/acme/payments";
    assert_eq!(code(&stage, list).await.unwrap().0, 200);
    server.freeze();
    soon("lists are refused", async || {
        (code(&stage, list).await? == (503, json!("overloaded"))).then_some(())
    })
    .await;
    let status = stage.admin().get("/admin/v1/status").await;
    assert_eq!(
        (&status["banners"][0]["code"], &status["shedding"][0]),
        (&json!("overloaded"), &json!("people"))
    );
    let metrics = stage.admin().get("/metrics").await;
    assert!(
        metrics
            .as_str()
            .unwrap()
            .contains("tollgate_shed_total{class=\"people\"}")
    );
    soon("checks wait too", async || {
        let status = stage.admin().get("/admin/v1/status").await;
        status["shedding"]
            .as_array()
            .unwrap()
            .contains(&json!("new_payment"))
            .then_some(())
    })
    .await;
    let status = stage.admin().get("/admin/v1/status").await;
    assert!(
        !status["shedding"].as_array().unwrap().contains(&json!("vital")),
        "{status}"
    );
    server.thaw();
    soon("nothing is refused any more", async || {
        let status = stage.admin().get("/admin/v1/status").await;
        (status["shedding"] == json!([])).then_some(())
    })
    .await;
    assert_eq!(code(&stage, list).await.unwrap().0, 200);
    assert_eq!(stage.kiosk().pay("1", "42", "1.00").await.result(), 0);
}
