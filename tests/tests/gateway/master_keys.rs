//! The key that secrets are sealed under: proven at start, changed while the gateway serves.

use e2e::Backend::{Postgres, Sqlite};
use e2e::gateway::{MASTER_KEY, settings_of};
use e2e::{Authority, Backend, Cli, Gateway, Inspector, TestDatabase, TlsCaller, soon};
use rstest::rstest;
use serde_json::json;

use crate::stage::Stage;

const NEW_KEY: &str = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn cli(database: &TestDatabase, more: &[(&str, &str)]) -> Cli {
    let mut variables = settings_of(database.url());
    variables.extend(
        more.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    Cli::new(variables)
}

/// Something sealed of each kind that can be made by hand.
async fn fill_with_secrets(stage: &Stage, inspector: &Inspector) {
    let admin = stage.admin();
    stage.endpoint(inspector, json!({})).await;
    let endpoints = stage.list("webhook-endpoints").await;
    let path = format!(
        "/admin/v1/merchants/acme/webhook-endpoints/{}/rotate-secret",
        endpoints[0]["id"].as_str().unwrap()
    );
    admin.post(&path, &json!({})).await;
    let settings = json!({"http_hosts": ["crm.acme.example"]});
    admin.put("/admin/v1/merchants/acme/rules/settings", &settings).await;
    let secret = json!({"value": "token of crm", "form": "bearer", "hosts": ["crm.acme.example"]});
    admin.put("/admin/v1/merchants/acme/rules/secrets/crm", &secret).await;
    let payin = json!({"slug": "payin", "plugin": "payin", "config": {
        "site_id": "acme-01", "api_key": "key-of-payin", "notification_key": "another-key-of-payin",
    }});
    admin.post("/admin/v1/merchants/acme/connections", &payin).await;
    let client = json!({"name": "network"});
    admin
        .post(
            "/admin/v1/merchants/acme/connections/terminal/client-certificates",
            &client,
        )
        .await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_master_key_is_changed_while_the_gateway_serves(#[values(Sqlite, Postgres)] backend: Backend) {
    let settings = [("TOLLGATE_PUBLIC__TLS_LISTEN", "127.0.0.1:0")];
    let mut stage = Stage::with_settings(backend, &settings).await;
    let inspector = Inspector::start().await;
    fill_with_secrets(&stage, &inspector).await;
    let servers = Authority::new("authority of servers");
    let paper = servers.server(&["pay.example.test"]);
    stage
        .admin()
        .post("/admin/v1/certificates/server", &json!({"pem": paper.both()}))
        .await;

    let both = [
        ("TOLLGATE_MASTER_KEY", NEW_KEY),
        ("TOLLGATE_MASTER_KEY_PREVIOUS", MASTER_KEY),
    ];
    let with_both = [&settings[..], &both[..]].concat();
    stage.gateway.stop().await;
    stage.gateway = Gateway::start_with(&stage.database, &with_both).await;
    let tool = cli(&stage.database, &both);
    let before = tool.print(&["keys", "status"]).await;
    let places = |text: &str, key: &str| -> Vec<String> {
        let lines = text.lines().skip(1).filter(|line| line.starts_with(key));
        lines.map(|line| line.rsplit('\t').next().unwrap().to_owned()).collect()
    };
    let new_id = before
        .lines()
        .next()
        .unwrap()
        .trim_start_matches("master key ")
        .to_owned();
    let sealed: Vec<String> = before
        .lines()
        .skip(1)
        .map(|line| line.rsplit('\t').next().unwrap().to_owned())
        .collect();
    for place in [
        "certificate_authorities.key_sealed",
        "connections.config",
        "rule_secrets.value_sealed",
        "server_certificates.identity_sealed",
        "webhook_endpoints.previous_secret_sealed",
        "webhook_endpoints.secret_sealed",
    ] {
        assert!(sealed.iter().any(|found| found == place), "{place}: {before}");
    }
    let said = tool.print(&["keys", "rotate"]).await;
    assert!(said.contains("sealed anew"), "{said}");
    let after = tool.print(&["keys", "status"]).await;
    assert_eq!(places(&after, &new_id).len(), after.lines().count() - 1, "{after}");
    assert!(tool.print(&["keys", "rotate"]).await.starts_with("0 secrets"));
    // The node that serves did not notice; one with the new key alone opens everything.
    assert_eq!(stage.kiosk().check("1", "4957835959", "10.00").await.result(), 0);
    stage.gateway.stop().await;
    let alone = [&settings[..], &[("TOLLGATE_MASTER_KEY", NEW_KEY)]].concat();
    stage.gateway = Gateway::start_with(&stage.database, &alone).await;
    let caller = TlsCaller::new(&servers.pem());
    soon("the certificate is shown", async || {
        caller.call(stage.gateway.tls[0], "pay.example.test").await.ok()
    })
    .await;
    assert_eq!(stage.kiosk().pay("2", "4957835959", "10.00").await.result(), 0);
    inspector.wait_for(1).await;
    stage
        .admin()
        .post(
            "/admin/v1/merchants/acme/connections/terminal/client-certificates",
            &json!({"name": "second"}),
        )
        .await;
    assert!(
        !stage.gateway.log().contains("cannot be used"),
        "{}",
        stage.gateway.log()
    );
    // The old key is worth nothing any more, and says so.
    let said = cli(&stage.database, &[]).complaint(&["merchant", "list"]).await;
    assert!(said.contains(&new_id) && said.contains("master_key_previous"), "{said}");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_master_key_is_refused_at_start(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let wrong = cli(&stage.database, &[("TOLLGATE_MASTER_KEY", NEW_KEY)]);
    for command in [&["serve"][..], &["merchant", "list"]] {
        let said = wrong.complaint(command).await;
        assert!(said.contains("are sealed under master key"), "{said}");
        assert!(!said.contains(NEW_KEY), "{said}");
    }
    // Nothing was sealed under the wrong one meanwhile.
    assert_eq!(stage.count("sealing_keys").await, 1);
}

/// Whoever adds a sealed column must tell the rotation of it.
#[tokio::test(flavor = "multi_thread")]
async fn every_sealed_column_is_rotated() {
    let database = TestDatabase::new(Sqlite).await;
    let stage = Stage::on(database, json!({}), &[]).await;
    let columns = "SELECT count(*) FROM sqlite_master m JOIN pragma_table_info(m.name) p WHERE m.type = 'table' AND p.name LIKE '%sealed%' \
         AND m.name <> 'sealing_keys'";
    assert_eq!(
        stage.database.number(columns).await,
        10,
        "a new sealed column: add it to SEALED_COLUMNS of the store"
    );
}
