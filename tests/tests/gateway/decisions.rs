//! What the rules decided is stored, explained, and made into tests.

use e2e::Backend::{self, Postgres, Sqlite};
use e2e::{Cli, soon};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::rules::sees;
use crate::stage::Stage;

const SCRIPT: &str = "local rules = {}

function rules.check(request, ctx)
  ctx.log('asked for ' .. request.account)
  if request.account == '13' then
    return reject('forbidden', 'Bad luck ' .. ctx.random(1000000))
  end
  return accept()
end

function rules.fee(payment)
  return fee(payment.amount:percent('1', 'up'))
end

return rules
";

async fn decisions(stage: &Stage, query: &str, count: usize) -> Vec<Value> {
    soon(&format!("{count} decisions of {query}"), async || {
        let found = stage.list(&format!("decisions?{query}")).await;
        (found.len() == count).then_some(found)
    })
    .await
}

#[rstest]
#[tokio::test]
async fn a_decision_tells_why(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::with_rules(backend, json!({}), SCRIPT).await;
    sees(&stage, "13", 7).await;
    let refused = stage.kiosk().check("77", "13", "50.00").await;
    let stored = decisions(&stage, "account=13&outcome=reject&limit=1", 1)
        .await
        .remove(0);
    let path = format!("/admin/v1/merchants/acme/decisions/{}", stored["id"].as_str().unwrap());
    let told = soon("the decision of key 77", async || {
        let newest = stage.list("decisions?account=13&limit=1").await.remove(0);
        let told = stage
            .admin()
            .get(&format!(
                "/admin/v1/merchants/acme/decisions/{}",
                newest["id"].as_str().unwrap()
            ))
            .await;
        (told["record"]["input"]["request"]["txn_id"] == "77").then_some(told)
    })
    .await;
    let lines: Vec<_> = told["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["line"].as_u64().unwrap())
        .collect();
    assert!(lines.contains(&6) && !lines.contains(&8), "{lines:?}");
    assert_eq!((&told["repeats"], &told["revision"]), (&json!(true), &json!(1)));
    assert_eq!(told["record"]["decision"]["comment"].as_str(), refused.comment());
    assert_eq!(told["record"]["decision"]["log"][0]["text"], "asked for 13");
    stage
        .admin()
        .post("/admin/v1/merchants", &json!({"slug": "stranger", "name": "Stranger"}))
        .await;
    let foreign = path.replace("acme", "stranger");
    assert_eq!(stage.admin().send(Method::GET, &foreign, None).await.status, 404);
}

#[rstest]
#[tokio::test]
async fn a_decision_becomes_a_test_that_its_revision_passes(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::with_rules(backend, json!({}), SCRIPT).await;
    sees(&stage, "13", 7).await;
    let stored = stage.list("decisions?account=13&limit=1");
    let stored = match stored.await.pop() {
        Some(stored) => stored,
        None => decisions(&stage, "account=13&limit=1", 1).await.remove(0),
    };
    let path = format!(
        "/admin/v1/merchants/acme/decisions/{}/test",
        stored["id"].as_str().unwrap()
    );
    let test = stage.admin().get(&path).await;
    let test = test.as_str().unwrap();
    let tested = |script: &str| script.replace("return rules\n", &format!("{test}\nreturn rules\n"));
    let draft = async |source: String| {
        stage
            .admin()
            .put("/admin/v1/merchants/acme/rules/draft", &json!({"source": source}))
            .await
    };
    let saved = draft(tested(SCRIPT)).await;
    assert_eq!(
        (&saved["checks"]["tests"]["passed"], &saved["checks"]["tests"]["failed"]),
        (&json!(1), &json!([])),
        "{saved}"
    );
    let saved = draft(tested(&SCRIPT.replace("== '13'", "== '14'"))).await;
    assert_eq!(saved["checks"]["tests"]["passed"], 0);
    let publish = "/admin/v1/merchants/acme/rules/publish";
    let refused = stage.admin().send(Method::POST, publish, Some(&json!({}))).await;
    assert_eq!(
        (refused.status, &refused.body["code"]),
        (409, &json!("rules_red")),
        "{refused:?}"
    );
    assert_eq!(refused.body["checks"]["tests"]["failed"].as_array().unwrap().len(), 1);
}

#[rstest]
#[tokio::test]
async fn a_payment_keeps_its_decisions(#[values(Sqlite, Postgres)] backend: Backend) {
    let settings = [("TOLLGATE_RULES__DECISIONS_KEPT", "failed_and_paid")];
    let stage = Stage::with_settings(backend, &settings).await;
    stage.publish(SCRIPT).await;
    sees(&stage, "13", 7).await;
    assert_eq!(stage.kiosk().pay("1", "42", "100.00").await.result(), 0);
    let payment = stage.list("payments").await.remove(0);
    let id = payment["id"].as_str().unwrap();
    let stored = decisions(&stage, &format!("payment={id}"), 2).await;
    let of = |handler: &str| stored.iter().find(|stored| stored["handler"] == handler).unwrap();
    assert_eq!(
        (&of("check")["outcome"], &of("fee")["outcome"]),
        (&json!("accept"), &json!("fee"))
    );
    let detail = stage
        .admin()
        .get(&format!("/admin/v1/merchants/acme/payments/{id}"))
        .await;
    assert_eq!(detail["operations"][0]["decision"]["id"], of("check")["id"]);
    assert_eq!(stage.count("decisions").await, 2, "checks are not kept");
}

#[rstest]
#[tokio::test]
async fn a_payment_leads_to_why_in_one_step(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::with_rules(backend, json!({}), SCRIPT).await;
    sees(&stage, "13", 7).await;
    assert_eq!(stage.kiosk().pay("1", "42", "50.00").await.result(), 0);
    let id = stage.list("payments").await[0]["id"].as_str().unwrap().to_owned();
    let payment = stage
        .admin()
        .get(&format!("/admin/v1/merchants/acme/payments/{id}"))
        .await;
    let handlers: Vec<_> = (payment["decisions"].as_array().unwrap().iter())
        .map(|decision| {
            (
                decision["handler"].as_str().unwrap(),
                decision["outcome"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(handlers, [("check", "accept"), ("fee", "fee")]);
    let why = stage
        .admin()
        .get(payment["decisions"][0]["why"].as_str().unwrap())
        .await;
    assert_eq!((&why["payment_id"], &why["repeats"]), (&json!(id), &json!(true)));

    let cli = Cli::on(&stage.database);
    let told = cli.print(&["rules", "why", "acme", &id]).await;
    for part in [
        "r1, check of a pay for account 42: accept",
        "r1, fee of a pay",
        "  return accept()",
        "log: asked for 42",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let decision = payment["decisions"][1]["id"].as_str().unwrap();
    let told = cli.print(&["rules", "why", "acme", decision, "--json"]).await;
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told[0]["handler"], &told[0]["payment"]), (&json!("fee"), &json!(id)));
    for unknown in ["x", "pay_01J00000000000000000000000", "dec_01J00000000000000000000000"] {
        cli.complaint(&["rules", "why", "acme", unknown]).await;
    }
    stage
        .admin()
        .post("/admin/v1/merchants", &json!({"slug": "stranger", "name": "Stranger"}))
        .await;
    cli.complaint(&["rules", "why", "stranger", decision]).await;
}

/// Each revision by itself, those of another merchant by nobody.
#[rstest]
#[tokio::test]
async fn revisions_tell_how_they_behave(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::with_rules(backend, json!({}), SCRIPT).await;
    sees(&stage, "13", 7).await;
    let second = SCRIPT.replace("'13'", "'14'");
    let published = json!({"source": second, "message": "another number"});
    stage.admin().put("/admin/v1/merchants/acme/rules", &published).await;
    sees(&stage, "14", 7).await;
    for account in ["42", "14"] {
        stage.kiosk().check(&format!("9{account}"), account, "50.00").await;
    }
    let told = soon("both revisions have decided", async || {
        let told = stage.admin().get("/admin/v1/merchants/acme/rules/behaviour").await;
        let newest = &told["revisions"][0];
        let all = newest["outcomes"]["accept"].as_u64()? >= 1 && newest["outcomes"]["reject"].as_u64()? >= 2;
        all.then_some(told)
    })
    .await;
    let revisions = told["revisions"].as_array().unwrap();
    let numbers: Vec<_> = revisions.iter().map(|one| one["revision"].as_i64().unwrap()).collect();
    assert_eq!(numbers, [2, 1]);
    for one in revisions {
        let outcomes = one["outcomes"].as_object().unwrap().values();
        let sum: u64 = outcomes.map(|count| count.as_u64().unwrap()).sum();
        assert_eq!(one["decisions"], json!(sum));
        assert!(one["mean_us"].as_u64().unwrap() > 0, "{one}");
    }
    let sum: u64 = revisions.iter().map(|one| one["decisions"].as_u64().unwrap()).sum();
    assert_eq!(told["considered"], json!(sum));
    stage
        .admin()
        .post("/admin/v1/merchants", &json!({"slug": "stranger", "name": "Stranger"}))
        .await;
    let foreign = stage.admin().get("/admin/v1/merchants/stranger/rules/behaviour").await;
    assert_eq!(foreign, json!({"considered": 0, "revisions": []}));
}
