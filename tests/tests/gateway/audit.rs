//! The audit trail: who changed what, from where, and that nobody changes the trail.

use e2e::Backend::{self, Postgres, Sqlite};
use e2e::gateway::BOOTSTRAP_TOKEN;
use e2e::{Browser, Cli};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::stage::{Stage, open};

#[rstest]
#[tokio::test]
async fn a_change_leaves_who_where_what_before_and_after(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::with_settings(backend, &[("TOLLGATE_ACCESS__SECOND_FACTOR", "nobody")]).await;
    let mut owner = Browser::new(stage.gateway.admin_address);
    owner.set_up(BOOTSTRAP_TOKEN, "owner@example.com").await;
    let config = open(json!({"auth": "basic"}));
    let change = json!({"config": config, "basic": {"login": "qiwi", "password": "very secret word"}});
    let path = "/merchants/acme/connections/terminal";
    let _ = owner.send(Method::PATCH, path, Some(&change)).await.success();
    let key = owner
        .post("/merchants/acme/api_keys", json!({"name": "shop", "scopes": ["*"]}))
        .await
        .success();
    let refused = owner
        .post("/merchants/acme/api_keys", json!({"name": "", "scopes": []}))
        .await;
    assert_eq!(refused.status, 422);
    let _ = owner
        .send(Method::PATCH, "/merchants/acme", Some(&json!({"name": "Acme 2"})))
        .await
        .success();
    let invited = owner
        .post(
            "/merchants/acme/people/invitations",
            json!({"email": "a@b.example", "role": "viewer"}),
        )
        .await
        .success();
    let trail = owner.get("/merchants/acme/audit").await;
    let trail = trail["data"].as_array().unwrap();
    let of = |action: &str| -> &Value {
        let found = trail.iter().find(|entry| entry["action"] == action);
        found.unwrap_or_else(|| panic!("no {action} in {trail:#?}"))
    };
    let changed = of("connections.change");
    assert_eq!(
        (&changed["actor"], &changed["address"], &changed["subject"]),
        (
            &json!("owner@example.com"),
            &json!("127.0.0.1"),
            &json!("connections/terminal")
        )
    );
    assert_eq!(changed["before"]["config"]["auth"], "none");
    assert_eq!(changed["after"]["config"]["auth"], "basic");
    assert_eq!(changed["after"]["basic_login"], "qiwi");
    let renamed = of("merchants.change");
    assert_eq!(
        (&renamed["before"]["name"], &renamed["after"]["name"]),
        (&json!("Acme Telecom"), &json!("Acme 2"))
    );
    assert_eq!(of("api_keys.create")["after"]["name"], "shop");
    assert_eq!(
        trail
            .iter()
            .filter(|entry| entry["action"] == "api_keys.create")
            .count(),
        1,
        "a refusal changes nothing"
    );
    assert_eq!(of("merchants.create")["actor"], "operator");
    let whole = owner.get("/audit").await.to_string() + &trail.iter().map(Value::to_string).collect::<String>();
    let secrets = [
        "very secret word",
        key["key"].as_str().unwrap(),
        invited["url"].as_str().unwrap(),
        e2e::people::PASSWORD,
    ];
    for secret in secrets {
        assert!(!whole.contains(secret), "{secret}");
    }
    assert!(
        whole.contains("session.create") || whole.contains("operators.create"),
        "signing in is in it"
    );
}

/// A change that cannot be entered is not told as done.
#[rstest]
#[tokio::test]
async fn what_is_acknowledged_is_in_the_trail(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let (full, emptied) = match backend {
        Sqlite => (
            "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END",
            "DROP TRIGGER full",
        ),
        Postgres => (
            "ALTER TABLE audit ADD CONSTRAINT filled CHECK (actor = 'nobody') NOT VALID",
            "ALTER TABLE audit DROP CONSTRAINT filled",
        ),
    };
    stage.database.execute(full).await;
    let (path, change) = ("/admin/v1/merchants/acme", json!({"name": "Acme 2"}));
    let refused = stage.admin().send(Method::PATCH, path, Some(&change)).await;
    assert_eq!((refused.status, &refused.body["code"]), (503, &json!("unavailable")));
    stage.database.execute(emptied).await;
    stage.admin().patch(path, &change).await;
    let trail = stage.list("audit").await;
    assert_eq!(
        (&trail[0]["action"], &trail[0]["after"]["name"]),
        (&json!("merchants.change"), &json!("Acme 2"))
    );
}

#[rstest]
#[tokio::test]
async fn the_trail_cannot_be_changed_unseen(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    for name in ["One", "Two", "Three"] {
        stage
            .admin()
            .patch("/admin/v1/merchants/acme", &json!({"name": name}))
            .await;
    }
    let cli = Cli::on(&stage.database);
    let verify = async |further: &[&str]| -> Value {
        let mut arguments = vec!["audit", "verify", "--json"];
        arguments.extend_from_slice(further);
        let output = cli.run(&arguments).await;
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.success(), report["broken"].is_null(), "{report}");
        report
    };
    let whole = verify(&[]).await;
    assert_eq!(
        (&whole["broken"], &whole["entries"]),
        (&Value::Null, &json!(5)),
        "{whole}"
    );
    let head = whole["head"].as_str().unwrap().to_owned();
    stage
        .admin()
        .patch("/admin/v1/merchants/acme", &json!({"name": "Four"}))
        .await;
    assert_eq!(verify(&["--head", &head]).await["broken"], Value::Null);
    assert!(
        verify(&["--head", "0000"]).await["broken"]
            .as_str()
            .unwrap()
            .contains("not in the trail")
    );
    let exported = cli.print(&["audit", "export"]).await;
    assert_eq!(exported.lines().count(), 6);

    for sql in ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit"] {
        let refused = stage.database.try_execute(sql).await;
        assert!(refused.unwrap_err().contains("append-only"), "{sql}");
    }
    // Whoever takes the database's own guard away is found by the hashes.
    let unguard: &[&str] = match backend {
        Sqlite => &["DROP TRIGGER audit_keeps_rows", "DROP TRIGGER audit_keeps_content"],
        Postgres => &["DROP TRIGGER audit_is_append_only ON audit"],
    };
    for sql in unguard {
        stage.database.execute(sql).await;
    }
    stage
        .database
        .execute("UPDATE audit SET actor = 'nobody' WHERE number = 3")
        .await;
    assert!(
        verify(&[]).await["broken"]
            .as_str()
            .unwrap()
            .starts_with("entry number 3 "),
        "changed"
    );
    stage.database.execute("DELETE FROM audit WHERE number = 2").await;
    assert_eq!(verify(&[]).await["broken"], "entry number 2 is missing");
    stage.database.execute("DELETE FROM audit WHERE number > 1").await;
    let cut = verify(&[]).await["broken"].as_str().unwrap().to_owned();
    assert!(cut.contains("the newest entries are missing"), "{cut}");
}
