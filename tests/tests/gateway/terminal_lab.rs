//! The terminal lab of the admin REST: a kiosk's way through the front door.

use e2e::Backend::{self, Postgres, Sqlite};
use reqwest::Method;
use rstest::rstest;
use serde_json::json;

use crate::stage::{RULES, Stage};

const LAB: &str = "/admin/v1/merchants/acme/connections/terminal/terminal-lab";

#[rstest]
#[tokio::test]
async fn what_is_played_goes_through_the_front_door(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::with_rules(backend, json!({}), RULES).await;
    crate::rules::sees(&stage, "4957835959", 0).await;
    let play = |command: &str, account: &str| json!({"command": command, "txn_id": "777001", "account": account, "amount": "10.45", "currency": "RUB"});
    let checked = stage.admin().post(LAB, &play("check", "4957835959")).await;
    assert_eq!(checked["response"]["status"], 200);
    assert!(
        checked["response"]["body"]
            .as_str()
            .unwrap()
            .contains("<result>0</result>"),
        "{checked}"
    );
    assert!(
        checked["request"]["url"]
            .as_str()
            .unwrap()
            .contains("/in/acme/terminal?command=check&txn_id=777001")
    );
    assert!(checked["payment_id"].is_null(), "a check pays nothing");
    let refused = stage.admin().post(LAB, &play("check", "1")).await;
    assert!(
        refused["response"]["body"]
            .as_str()
            .unwrap()
            .contains("<result>5</result>"),
        "{refused}"
    );
    let paid = stage.admin().post(LAB, &play("pay", "4957835959")).await;
    let payment = paid["payment_id"].as_str().unwrap();
    assert!(payment.starts_with("pay_"));
    assert_eq!(stage.list("payments").await.len(), 1);
    let again = stage.admin().post(LAB, &play("pay", "4957835959")).await;
    assert_eq!(
        (&again["payment_id"], &again["response"]),
        (&paid["payment_id"], &paid["response"]),
        "once"
    );
    let empty = stage.admin().post(LAB, &play("check", "")).await;
    assert!(
        !empty["response"]["body"]
            .as_str()
            .unwrap()
            .contains("<result>0</result>"),
        "what is wrong is played, too: {empty}"
    );
    let long = json!({"command": "check", "account": "1", "amount": "9".repeat(201)});
    let wrong = stage.admin().send(Method::POST, LAB, Some(&long)).await;
    assert_eq!((wrong.status, &wrong.body["field"]), (422, &json!("amount")));
    // A connection that lets only the network in says so to the lab, too.
    let config = json!({"subnets": ["198.51.100.0/24"]});
    stage.set_config(config).await;
    e2e::soon("the lab is not let in", async || {
        let asked = stage.admin().post(LAB, &play("check", "4957835959")).await;
        (asked["response"]["status"] == 403).then_some(())
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn conformance_is_reported_case_by_case(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::with_rules(backend, json!({}), RULES).await;
    crate::rules::sees(&stage, "4957835959", 0).await;
    let path = "/admin/v1/merchants/acme/connections/terminal/conformance";
    let report = stage.admin().post(path, &json!({"account": "4957835959"})).await;
    let cases = report["cases"].as_array().unwrap();
    let failed: Vec<_> = cases.iter().filter(|case| case["passed"] == false).collect();
    assert!(failed.is_empty(), "{failed:?}");
    assert_eq!(
        (&report["passed"], cases.len(), &report["in_time"]),
        (&json!(8), 8, &json!(true))
    );
    assert_eq!(
        stage.list("payments").await.len(),
        1,
        "one payment, however often it was asked for"
    );
    let refused = stage.admin().post(path, &json!({"account": "1"})).await;
    assert_eq!(
        refused["cases"][0]["passed"], false,
        "an account that the rules do not know"
    );
    let long = json!({"account": "9".repeat(201)});
    assert_eq!(stage.admin().send(Method::POST, path, Some(&long)).await.status, 422);
}
