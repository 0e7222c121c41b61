//! From a draft to a revision in service, and back.

use e2e::Backend::{self, Postgres, Sqlite};
use e2e::within;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::stage::{CHANGE_IS_SEEN, Stage};

const DRAFT: &str = "/admin/v1/merchants/acme/rules/draft";
const PUBLISH: &str = "/admin/v1/merchants/acme/rules/publish";
const REVISIONS: &str = "/admin/v1/merchants/acme/rules/revisions";

fn refusing(account: &str) -> String {
    format!(
        "--!api 1
local rules = {{}}

function rules.check(request)
  if request.account == '{account}' then
    return reject('forbidden')
  end
  return accept()
end

return rules
"
    )
}

/// Within the time that a change of configuration may take.
async fn refuses(stage: &Stage, account: &str) {
    within(CHANGE_IS_SEEN, &format!("{account} refused"), async || {
        let txn_id = rand::random::<u32>().to_string();
        (stage.kiosk().check(&txn_id, account, "1.00").await.result() == 7).then_some(())
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_draft_is_published_and_an_older_revision_comes_back(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let admin = stage.admin();
    let saved = admin
        .put(DRAFT, &json!({"source": refusing("1"), "message": "First"}))
        .await;
    assert_eq!(
        (&saved["version"], &saved["checks"]["findings"]),
        (&json!(1), &json!([]))
    );
    assert_eq!(
        stage.kiosk().check("1", "1", "1.00").await.result(),
        0,
        "a draft is not in service"
    );
    let first = admin.post(PUBLISH, &json!({})).await;
    assert_eq!(
        (&first["revision"], &first["message"], &first["published"]),
        (&json!(1), &json!("First"), &json!(true))
    );
    refuses(&stage, "1").await;
    assert_eq!(admin.send(Method::GET, DRAFT, None).await.status, 404);
    assert_eq!(admin.send(Method::POST, PUBLISH, Some(&json!({}))).await.status, 404);

    admin.put(DRAFT, &json!({"source": refusing("2")})).await;
    let second = admin.post(PUBLISH, &json!({"message": "Second"})).await;
    assert_eq!(second["sha256"].as_str().unwrap().len(), 64);
    let diff = second["diff"].as_str().unwrap();
    assert!(diff.starts_with("--- r1\n+++ r2\n@@ "), "{diff}");
    assert!(
        diff.contains("-  if request.account == '1' then\n+  if request.account == '2' then\n"),
        "{diff}"
    );
    refuses(&stage, "2").await;

    admin.post(PUBLISH, &json!({"revision": 1})).await;
    refuses(&stage, "1").await;
    let listed = admin.get(REVISIONS).await;
    let told = |n: usize| {
        (
            listed["data"][n]["revision"].clone(),
            listed["data"][n]["published"].clone(),
        )
    };
    assert_eq!((told(0), told(1)), ((json!(2), json!(false)), (json!(1), json!(true))));
    assert_eq!(admin.get(&format!("{REVISIONS}/2")).await["source"], refusing("2"));
    assert_eq!(
        stage.rule_changes().await,
        ["rollback", "publish", "draft_save", "publish", "draft_save"].map(|action| format!("rules.{action}"))
    );
}

#[rstest]
#[tokio::test]
async fn what_the_checks_object_to_is_not_published(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let admin = stage.admin();
    let misspelt = refusing("1").replace("request.account ==", "request.acount ==");
    let saved = admin.put(DRAFT, &json!({"source": misspelt})).await;
    assert_eq!(saved["checks"]["findings"][0]["line"], 5, "{saved}");
    for (method, path, body) in [
        (Method::POST, PUBLISH, json!({})),
        (
            Method::PUT,
            "/admin/v1/merchants/acme/rules",
            json!({"source": misspelt}),
        ),
    ] {
        let refused = admin.send(method, path, Some(&body)).await;
        assert_eq!(
            (refused.status, &refused.body["code"]),
            (409, &json!("rules_red")),
            "{refused:?}"
        );
        assert_eq!(refused.body["checks"]["findings"][0]["line"], 5);
        assert!(
            refused.body["detail"].as_str().unwrap().contains("account"),
            "{refused:?}"
        );
    }
    assert_eq!(admin.get(DRAFT).await["source"], json!(misspelt), "the work is kept");
    for (what, source) in [
        ("syntax", "return {".to_owned()),
        ("bytecode", "\u{6}\u{3}\u{0}\u{1}".to_owned()),
        ("oversize", format!("return {{}} --{}", "x".repeat(70_000))),
        ("a million lines", "\n".repeat(1_000_000)),
    ] {
        let refused = admin.send(Method::PUT, DRAFT, Some(&json!({"source": source}))).await;
        assert_eq!(
            (refused.status, &refused.body["field"]),
            (422, &json!("source")),
            "{what}: {refused:?}"
        );
    }
    assert_eq!(admin.get(DRAFT).await["version"], 1);
    assert_eq!(stage.count("rule_revisions").await, 0);
    assert_eq!(
        stage.rule_changes().await,
        ["rules.draft_save"],
        "the draft was saved, once"
    );
    assert_eq!(admin.delete(DRAFT).await, Value::Null);
    assert_eq!(admin.send(Method::GET, DRAFT, None).await.status, 404);
}
