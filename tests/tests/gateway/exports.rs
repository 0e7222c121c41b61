//! Files to take away: asked for, made in the background, handed out by any node.

use e2e::Backend::{self, Postgres, Sqlite};
use e2e::soon;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::stage::Stage;

const EXPORTS: &str = "/admin/v1/merchants/acme/exports";

async fn ordered(stage: &Stage, body: Value) -> Value {
    let job = stage.admin().post(EXPORTS, &body).await;
    assert_eq!((&job["file"], &job["error"]), (&Value::Null, &Value::Null));
    ended(stage, job["id"].as_str().unwrap()).await
}

async fn ended(stage: &Stage, id: &str) -> Value {
    soon("the file", async || {
        let job = stage.admin().get(&format!("{EXPORTS}/{id}")).await;
        (job["status"] == "done" || job["status"] == "failed").then_some(job)
    })
    .await
}

async fn lines(stage: &Stage, job: &Value) -> Vec<String> {
    assert_eq!(job["status"], "done", "{job}");
    let file = stage.admin().get(job["file"].as_str().unwrap()).await;
    let text = file
        .as_str()
        .unwrap()
        .strip_prefix('\u{feff}')
        .expect("a mark of UTF-8");
    text.split_terminator("\r\n").map(str::to_owned).collect()
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn payments_are_exported_exactly_and_safely(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    for (txn_id, account, sum) in [("1", "=1+1", "200.05"), ("2", "42", "0.10"), ("3", "a,b\"c", "1.00")] {
        assert_eq!(stage.kiosk().pay(txn_id, account, sum).await.result(), 0, "{account}");
    }
    let job = ordered(&stage, json!({"kind": "payments"})).await;
    assert_eq!((&job["rows"], &job["requested_by"]), (&json!(3), &json!("operator")));
    let written = lines(&stage, &job).await;
    assert_eq!(written.len(), 4, "{written:?}");
    assert!(
        written[0].starts_with("id,created_at,status,reason,amount,currency"),
        "{written:?}"
    );
    assert!(
        written[1].contains(",1.00,RUB,") && written[1].contains(",\"a,b\"\"c\","),
        "{written:?}"
    );
    assert!(written[2].contains(",succeeded,,0.10,RUB,,42,"), "{written:?}");
    assert!(written[3].contains(",200.05,RUB,,'=1+1,"), "{written:?}");
    let moment = written[1].split(',').nth(1).unwrap();
    assert!(
        moment.ends_with('Z') && moment.parse::<chrono::DateTime<chrono::Utc>>().is_ok(),
        "{moment}"
    );

    let one = ordered(&stage, json!({"kind": "payments", "filter": {"search": "42"}})).await;
    assert_eq!(lines(&stage, &one).await.len(), 2);
    let none = ordered(&stage, json!({"kind": "payments", "filter": {"status": "declined"}})).await;
    assert_eq!(lines(&stage, &none).await.len(), 1, "the names of the columns alone");
    let trail = ordered(&stage, json!({"kind": "audit"})).await;
    let trail = lines(&stage, &trail).await;
    assert!(
        trail.iter().any(|line| line.contains(",connections.create,")),
        "{trail:?}"
    );
    assert!(trail.iter().any(|line| line.contains(",exports.create,")), "{trail:?}");

    let admin = stage.admin();
    assert_eq!(stage.list("exports").await.len(), 4);
    for (wrong, status) in [
        (json!({"kind": "payments", "filter": {"status": "nope"}}), 422),
        (json!({"kind": "payments", "filter": {"connection": "nope"}}), 404),
        (json!({"kind": "everything"}), 400),
    ] {
        assert_eq!(
            admin.send(Method::POST, EXPORTS, Some(&wrong)).await.status,
            status,
            "{wrong}"
        );
    }
    admin
        .post("/admin/v1/merchants", &json!({"slug": "other", "name": "Other"}))
        .await;
    let foreign = format!("/admin/v1/merchants/other/exports/{}", job["id"].as_str().unwrap());
    for path in [foreign.clone(), format!("{foreign}/file")] {
        assert_eq!(admin.send(Method::GET, &path, None).await.status, 404, "{path}");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn another_node_goes_on_where_a_dead_one_stopped(#[values(Sqlite, Postgres)] backend: Backend) {
    let mut stage = Stage::new(backend).await;
    for txn_id in 1..=3 {
        stage.kiosk().pay(&txn_id.to_string(), "42", "1.00").await;
    }
    let job = ordered(&stage, json!({"kind": "payments"})).await;
    let whole = lines(&stage, &job).await;
    let id = job["id"].as_str().unwrap();
    // As a node leaves it that is killed after the first row: a lease that ran out, one row in the file.
    stage.gateway.kill().await;
    let first = format!("\u{feff}{}\r\n{}\r\n", whole[0], whole[1]);
    let position = whole[1].split(',').next().unwrap();
    let database = &stage.database;
    database
        .execute(&format!("DELETE FROM export_chunks WHERE export_id = '{id}'"))
        .await;
    let chunk = format!(
        "INSERT INTO export_chunks (export_id, number, merchant_id, content)
         SELECT id, 0, merchant_id, '{first}' FROM exports WHERE id = '{id}'"
    );
    database.execute(&chunk).await;
    database
        .execute(&format!(
            "UPDATE exports SET status = 'running', chunks = 1, rows = 1, bytes = 1, position = '{position}',
             lease_until = created_at WHERE id = '{id}'"
        ))
        .await;
    stage.gateway.start_again().await;
    let again = ended(&stage, id).await;
    assert_eq!(again["rows"], 3);
    assert_eq!(lines(&stage, &again).await, whole);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_too_long_fails_and_one_whose_time_is_over_goes(#[values(Sqlite, Postgres)] backend: Backend) {
    let mut stage = Stage::with_settings(backend, &[("TOLLGATE_EXPORTS__ROWS_MAX", "1000")]).await;
    let small = ordered(&stage, json!({"kind": "payments"})).await;
    assert_eq!(small["status"], "done");
    let id = small["id"].as_str().unwrap();
    // Made as if a thousand rows were written already.
    stage.gateway.kill().await;
    let database = &stage.database;
    database
        .execute(&format!(
            "UPDATE exports SET status = 'running', rows = 1000, lease_until = NULL WHERE id = '{id}'"
        ))
        .await;
    stage.gateway.start_again().await;
    let failed = ended(&stage, id).await;
    assert_eq!(failed["status"], "failed");
    assert!(failed["error"].as_str().unwrap().contains("1000 rows"), "{failed}");
    assert_eq!(failed["file"], Value::Null);
    let file = format!("{EXPORTS}/{id}/file");
    assert_eq!(stage.admin().send(Method::GET, &file, None).await.status, 404);

    stage
        .database
        .execute(&format!("UPDATE exports SET expires_at = created_at WHERE id = '{id}'"))
        .await;
    soon("the file is gone", async || {
        let job = stage.admin().get(&format!("{EXPORTS}/{id}")).await;
        (job["status"] == "expired").then_some(())
    })
    .await;
    assert_eq!(stage.count("export_chunks").await, 0);
}
