//! A revision that decides for a part of the accounts, and is withdrawn by the gateway when it does badly.

use std::collections::BTreeSet;

use e2e::Backend::{self, Postgres, Sqlite};
use e2e::{Cli, Gateway, Inspector, Kiosk, soon};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::rules::sees;
use crate::stage::Stage;

const CANARY: &str = "/admin/v1/merchants/acme/rules/canary";
const DRAFT: &str = "/admin/v1/merchants/acme/rules/draft";
const PUBLISH: &str = "/admin/v1/merchants/acme/rules/publish";

const ACCEPTS: &str = "return { check = function() return accept() end }";
const REFUSES: &str = "return { check = function() return reject('forbidden') end }";
const FAILS: &str = "return { check = function() error('no') end }";

impl Stage {
    /// With an accepting revision in service and this draft.
    async fn drafted(backend: Backend, draft: &str) -> Self {
        let stage = Self::with_rules(backend, json!({}), ACCEPTS).await;
        sees(&stage, "42", 0).await;
        stage.admin().put(DRAFT, &json!({ "source": draft })).await;
        stage
    }

    async fn status(&self, method: Method, path: &str, body: &Value) -> u16 {
        let body = (method != Method::DELETE).then_some(body);
        self.admin().send(method, path, body).await.status
    }
}

/// Those of 80 accounts that hear `code`, at checks and at the pays that follow.
async fn accounts_with(kiosk: &Kiosk, code: u32) -> BTreeSet<u32> {
    let mut with = BTreeSet::new();
    for account in 0..80 {
        let (txn_id, name) = (rand::random::<u32>().to_string(), account.to_string());
        let checked = kiosk.check(&txn_id, &name, "1.00").await.result();
        let paid = kiosk.pay(&txn_id, &name, "1.00").await.result();
        assert_eq!(checked, paid, "account {account}: check and pay see one revision");
        if checked == code {
            with.insert(account);
        }
    }
    with
}

/// Those of 80 accounts whose check hears `code`.
async fn accounts_checked(kiosk: &Kiosk, code: u32) -> BTreeSet<u32> {
    let mut with = BTreeSet::new();
    for account in 0..80_u32 {
        let txn_id = rand::random::<u32>().to_string();
        if kiosk.check(&txn_id, &account.to_string(), "1.00").await.result() == code {
            with.insert(account);
        }
    }
    with
}

async fn accounts_of(gateway: &Gateway, what: &str, wanted: impl Fn(&BTreeSet<u32>) -> bool) -> BTreeSet<u32> {
    let kiosk = gateway.kiosk("acme", "terminal");
    // Once a refusal, or its end, was seen, the node has taken the change over, and all accounts stay where they are.
    soon(what, async || wanted(&accounts_checked(&kiosk, 7).await).then_some(())).await;
    accounts_with(&kiosk, 7).await
}

#[rstest]
#[tokio::test]
async fn an_account_keeps_its_revision_on_every_node(#[values(Sqlite, Postgres)] backend: Backend) {
    let mut stage = Stage::drafted(backend, REFUSES).await;
    let bounds = json!({"refusal_diff_bp": 10_000});
    let started = stage
        .admin()
        .put(CANARY, &json!({"share_bp": 2_000, "bounds": bounds}))
        .await;
    assert_eq!(
        (&started["revision"], &started["status"]),
        (&json!(2), &json!("running"))
    );
    assert_eq!(
        stage.admin().send(Method::GET, DRAFT, None).await.status,
        404,
        "it is a revision now"
    );
    let other = stage.another_node().await;
    let some = |accounts: &BTreeSet<u32>| !accounts.is_empty();
    let first = accounts_of(&stage.gateway, "the canary", some).await;
    // A fifth of 80, give or take four standard deviations.
    assert!((2..=30).contains(&first.len()), "{first:?}");
    assert_eq!(accounts_of(&other, "the canary on another node", some).await, first);
    stage.gateway.stop().await;
    stage.gateway.start_again().await;
    assert_eq!(
        accounts_of(&stage.gateway, "the canary after a restart", some).await,
        first
    );
    let refused = stage.list("decisions?outcome=reject&limit=200").await;
    assert!(
        refused.iter().all(|decision| decision["revision"] == 2),
        "each decision names its revision"
    );

    let raised = stage.admin().put(CANARY, &json!({"share_bp": 5_000})).await;
    assert_eq!(
        (&raised["id"], &raised["bounds"]["refusal_diff_bp"]),
        (&started["id"], &json!(10_000))
    );
    let more = |accounts: &BTreeSet<u32>| accounts.len() > first.len();
    let second = accounts_of(&stage.gateway, "the larger share", more).await;
    assert!(first.is_subset(&second), "{first:?} {second:?}");

    let banner = stage.admin().get("/admin/v1/merchants/acme/rules").await;
    assert_eq!(
        (&banner["revision"], &banner["canary"]["revision"]),
        (&json!(1), &json!(2))
    );
    let promoted = Cli::on(&stage.database)
        .print(&["rules", "canary", "promote", "acme"])
        .await;
    assert_eq!(promoted, "r2 of acme is published\n");
    let all = |accounts: &BTreeSet<u32>| accounts.len() == 80;
    accounts_of(&stage.gateway, "the revision for all accounts", all).await;
    assert_eq!(
        stage.admin().get("/admin/v1/merchants/acme/rules").await["canary"],
        Value::Null
    );
}

#[rstest]
#[case::fails(FAILS, 1, "error_bp", json!({"sample_min": 20, "error_bp": 1_000}))]
#[case::refuses(REFUSES, 7, "refusal_diff_bp", json!({"sample_min": 20, "refusal_diff_bp": 1_000}))]
#[tokio::test]
async fn a_bad_canary_is_withdrawn_by_itself(
    #[values(Sqlite, Postgres)] backend: Backend,
    #[case] draft: &str,
    #[case] code: u32,
    #[case] bound: &str,
    #[case] bounds: Value,
) {
    let stage = Stage::drafted(backend, draft).await;
    let inspector = Inspector::start().await;
    stage
        .endpoint(&inspector, json!({"event_types": ["rules.canary_withdrawn"]}))
        .await;
    stage
        .admin()
        .put(CANARY, &json!({"share_bp": 5_000, "bounds": bounds}))
        .await;
    let other = stage.another_node().await;
    let nodes = [stage.kiosk(), other.kiosk("acme", "terminal")];
    let mut heard = BTreeSet::new();
    let withdrawn = soon("the withdrawal", async || {
        for account in 0..40_u32 {
            for kiosk in &nodes {
                let txn_id = rand::random::<u32>().to_string();
                heard.insert(kiosk.check(&txn_id, &account.to_string(), "1.00").await.result());
            }
        }
        let canary = stage.admin().get(CANARY).await;
        (canary["status"] == "withdrawn").then_some(canary)
    })
    .await;
    assert_eq!(heard, BTreeSet::from([0, code]), "a failing canary accepts nobody");
    let reason = &withdrawn["reason"];
    assert_eq!(reason["bound"], bound);
    assert!(reason["measured"].as_u64() > reason["limit"].as_u64(), "{reason}");
    for kiosk in &nodes {
        // Only checks, until the node has taken the withdrawal over: it may do so between a check and its pay.
        soon("everybody with the published revision", async || {
            accounts_checked(kiosk, code).await.is_empty().then_some(())
        })
        .await;
        assert_eq!(accounts_with(kiosk, code).await, BTreeSet::new());
    }
    let hook = soon("the webhook", async || inspector.received().pop()).await.json();
    assert_eq!(
        (
            &hook["type"],
            &hook["data"]["bound"],
            &hook["data"]["revision"],
            &hook["data"]["published"]
        ),
        (&json!("rules.canary_withdrawn"), &json!(bound), &json!(2), &json!(1))
    );
    assert!(
        hook["data"]["counts"]["canary"]["decisions"].as_u64() >= Some(20),
        "{hook}"
    );
    assert_eq!(inspector.received().len(), 1, "two nodes tell it once");
    let banner = stage.admin().get("/admin/v1/merchants/acme/rules").await;
    assert_eq!(banner["canary"]["status"], "withdrawn");
    let trace = stage.list("audit").await;
    assert_eq!(
        (&trace[0]["action"], &trace[0]["actor"], &trace[0]["after"]["bound"]),
        (&json!("rules.canary_withdraw"), &json!("gateway"), &json!(bound))
    );
}

#[rstest]
#[tokio::test]
async fn a_canary_is_checked_like_a_publication(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let start = async |body: Value| stage.status(Method::PUT, CANARY, &body).await;
    let red = "local rules = {}\nfunction rules.check(request) return accept(request.acount) end\nreturn rules";
    stage.admin().put(DRAFT, &json!({ "source": red })).await;
    assert_eq!(start(json!({"share_bp": 100})).await, 409, "red");
    stage.admin().put(DRAFT, &json!({ "source": ACCEPTS })).await;
    assert_eq!(start(json!({"share_bp": 100})).await, 404, "nothing is published");
    stage.admin().post(PUBLISH, &json!({})).await;
    for (body, status) in [
        (json!({"share_bp": 100}), 404),
        (json!({"share_bp": 0}), 422),
        (json!({"share_bp": 5_001}), 422),
        (json!({"share_bp": 100, "bounds": {"error_bp": 10_001}}), 422),
        (json!({"share_bp": 100, "bounds": {"sample_min": 0}}), 422),
        (json!({"share_bp": 100, "bounds": {"unknown": 1}}), 400),
        (json!({"share_bp": 100, "revision": 1}), 422),
        (json!({"share_bp": 100, "revision": 9}), 404),
        (json!({}), 400),
    ] {
        assert_eq!(start(body.clone()).await, status, "{body}");
    }
    assert_eq!(stage.count("rule_canaries").await, 0);
    for source in [REFUSES, FAILS] {
        stage.publish(source).await;
    }
    assert_eq!(start(json!({"share_bp": 100, "revision": 1})).await, 200);
    assert_eq!(
        start(json!({"share_bp": 100, "revision": 2})).await,
        409,
        "one at a time"
    );
    stage
        .admin()
        .post("/admin/v1/merchants", &json!({"slug": "stranger", "name": "Stranger"}))
        .await;
    let foreign = CANARY.replace("acme", "stranger");
    for (method, path) in [
        (Method::GET, foreign.clone()),
        (Method::DELETE, foreign.clone()),
        (Method::POST, format!("{foreign}/promote")),
    ] {
        assert_eq!(stage.status(method, &path, &json!({})).await, 404, "{path}");
    }
    let shown = Cli::on(&stage.database)
        .print(&["rules", "canary", "show", "acme"])
        .await;
    assert!(shown.starts_with("r1 for 1 % of the accounts, running"), "{shown}");
    stage.publish(REFUSES).await;
    let ended = stage.admin().get(CANARY).await;
    assert_eq!(
        (&ended["status"], ended["reason"].is_object()),
        (&json!("stopped"), true)
    );
}
