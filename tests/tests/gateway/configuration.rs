//! What is changed at one place is soon true at all nodes.

use e2e::Backend::{self, Postgres, Sqlite};
use e2e::{Cli, Inspector, Kiosk, within};
use rstest::rstest;
use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::stage::{CHANGE_IS_SEEN, Stage, open};

async fn sees(kiosk: &Kiosk, what: &str, code: u32) {
    let mut txn_id = 1_000_u32;
    within(CHANGE_IS_SEEN, what, async || {
        txn_id += 1;
        (kiosk.check(&txn_id.to_string(), "42", "1.00").await.result() == code).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_node_sees_every_change_within_a_second() {
    let stage = Stage::new(Postgres).await;
    let other = stage.another_node().await;
    let kiosk = other.kiosk("acme", "terminal");
    assert_eq!(kiosk.check("1", "42", "1.00").await.result(), 0);

    stage.set_status("suspended").await;
    sees(&kiosk, "the suspended merchant", 7).await;
    stage.set_status("active").await;
    sees(&kiosk, "the active merchant", 0).await;
    stage.set_config(json!({"account_regex": "[a-z]+"})).await;
    sees(&kiosk, "the new config", 4).await;
    stage.set_config(json!({})).await;
    sees(&kiosk, "the old config", 0).await;
    stage
        .publish("return { check = function() return reject('account_inactive') end }")
        .await;
    sees(&kiosk, "the published rules", 79).await;
    stage.admin().delete("/admin/v1/merchants/acme/rules").await;
    sees(&kiosk, "no rules", 0).await;

    let inspector = Inspector::start().await;
    let endpoint = stage.endpoint(&inspector, json!({})).await;
    within(CHANGE_IS_SEEN, "the new endpoint", async || {
        kiosk.pay(&rand::random::<u32>().to_string(), "42", "1.00").await;
        (stage.count("deliveries").await > 0).then_some(())
    })
    .await;
    inspector.wait_for(1).await;
    stage
        .admin()
        .delete(&format!(
            "/admin/v1/merchants/acme/webhook-endpoints/{}",
            endpoint["id"].as_str().unwrap()
        ))
        .await;
    stage.admin().delete("/admin/v1/merchants/acme").await;
    within(CHANGE_IS_SEEN, "the deleted merchant", async || {
        (kiosk.check("1", "42", "1.00").await.status == 404).then_some(())
    })
    .await;
}

/// A node that was asked for a merchant before it existed must not remember that it does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_merchant_that_was_asked_for_too_early_is_found_later() {
    let stage = Stage::new(Postgres).await;
    let other = stage.another_node().await;
    let kiosk = other.kiosk("late", "terminal");
    assert_eq!(kiosk.check("1", "42", "1.00").await.status, 404);
    stage
        .admin()
        .post("/admin/v1/merchants", &json!({"slug": "late", "name": "Late"}))
        .await;
    let connection = json!({"slug": "terminal", "plugin": "terminal", "config": open(json!({}))});
    stage
        .admin()
        .post("/admin/v1/merchants/late/connections", &connection)
        .await;
    within(CHANGE_IS_SEEN, "the late merchant", async || {
        (kiosk.check("1", "42", "1.00").await.status == 200).then_some(())
    })
    .await;
}

/// Rows that cannot be read are one merchant's trouble.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_merchant_that_cannot_be_read_keeps_nobodys_change_back(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let broken = json!({"slug": "broken", "name": "Broken"});
    stage.admin().post("/admin/v1/merchants", &broken).await;
    let kiosk = stage.kiosk();
    assert_eq!(kiosk.check("1", "42", "1.00").await.result(), 0);
    // Known to the node, so that its change is one to take over.
    let other = stage.gateway.kiosk("broken", "terminal");
    assert_eq!(other.check("1", "42", "1.00").await.status, 404);
    let database = stage.database.connect().await;
    for sql in [
        "UPDATE counters SET value = value + 1 WHERE name = 'config_version'",
        "UPDATE merchants SET status = 'nonsense', version = (SELECT value FROM counters WHERE name = 'config_version')
         WHERE slug = 'broken'",
    ] {
        database.execute_unprepared(sql).await.unwrap();
    }
    stage.set_status("suspended").await;
    sees(&kiosk, "the suspended merchant", 7).await;
    let newest = stage
        .database
        .number("SELECT value FROM counters WHERE name = 'config_version'")
        .await;
    within(CHANGE_IS_SEEN, "the newest version", async || {
        (crate::outage::config_version(&stage.gateway).await as i64 == newest).then_some(())
    })
    .await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_changes_a_running_node(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let cli = Cli::on(&stage.database);
    let kiosk = stage.kiosk();
    assert_eq!(kiosk.check("1", "42", "1.00").await.result(), 0);
    cli.print(&["merchant", "suspend", "acme"]).await;
    sees(&kiosk, "the suspended merchant", 7).await;
    cli.print(&["merchant", "resume", "acme"]).await;
    sees(&kiosk, "the resumed merchant", 0).await;
    cli.print(&["connection", "suspend", "acme", "terminal"]).await;
    sees(&kiosk, "the suspended connection", 7).await;
}
