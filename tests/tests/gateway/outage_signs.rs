//! What monitoring sees.

use e2e::{Inspector, PostgresServer, TestDatabase, soon};
use reqwest::Method;
use serde_json::json;

use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_its_database_is_alive_and_not_ready() {
    let mut server = PostgresServer::start();
    let database = TestDatabase::on_server(&server.base_url()).await;
    let stage = Stage::on(database, json!({}), &[]).await;
    let status = async |path: &str| stage.admin().send(Method::GET, path, None).await.status;
    assert_eq!((status("/healthz").await, status("/readyz").await), (200, 200));
    server.crash();
    assert_eq!((status("/healthz").await, status("/readyz").await), (200, 503));
    assert_eq!(status("/admin/v1/merchants/acme/payments").await, 503);
    server.start_again();
    soon("ready again", async || (status("/readyz").await == 200).then_some(())).await;
}

/// Webhooks wait for the database as payments do, and go on by themselves.
#[tokio::test(flavor = "multi_thread")]
async fn deliveries_outlive_an_outage() {
    let mut server = PostgresServer::start();
    let database = TestDatabase::on_server(&server.base_url()).await;
    let stage = Stage::on(database, json!({}), &[]).await;
    let inspector = Inspector::answering(|_| e2e::Reply::status(500)).await;
    stage.endpoint(&inspector, json!({})).await;
    assert_eq!(stage.kiosk().pay("1", "42", "1.00").await.result(), 0);
    inspector.wait_for(1).await;
    server.crash();
    inspector.answer(|_| e2e::Reply::status(200));
    server.start_again();
    soon("delivered", async || {
        let delivered = stage
            .database
            .number("SELECT count(*) FROM deliveries WHERE status = 'delivered'")
            .await;
        (delivered == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn figures_are_counted() {
    let stage = Stage::new(e2e::Backend::Sqlite).await;
    stage.kiosk().check("1", "42", "1.00").await;
    stage.kiosk().pay("1", "42", "1.00").await;
    let metrics = stage.admin().get("/metrics").await;
    let metrics = metrics.as_str().unwrap();
    for line in [
        "tollgate_requests_total{command=\"pay\"} 1",
        "tollgate_requests_total{command=\"check\"} 1",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
    assert!(
        stage
            .gateway
            .log()
            .lines()
            .all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
    );
}
