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
