//! A script in the shadow decides what the published one decided, and nobody notices.

use std::time::Duration;

use e2e::Backend::{self, Postgres, Sqlite};
use e2e::{Cli, soon, within};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::rules::sees;
use crate::stage::Stage;

const DRAFT: &str = "/admin/v1/merchants/acme/rules/draft";
const SHADOW: &str = "/admin/v1/merchants/acme/rules/shadow";

const SCRIPT: &str = "local rules = {}

function rules.check(request, ctx)
  if request.amount > money('500.00 RUB') then
    return reject('amount_too_large')
  end
  return accept()
end

return rules
";

impl Stage {
    async fn shadow(&self, source: &str) -> Value {
        self.admin().put(DRAFT, &json!({ "source": source })).await;
        let started = self.admin().put(SHADOW, &json!({})).await;
        assert_eq!(started["running"], true, "{started}");
        started
    }

    /// Pays until the shadow looks at payments; how many it was.
    async fn pays_until_shadowed(&self) {
        soon("the shadow at work", async || {
            let txn_id = rand::random::<u32>().to_string();
            assert_eq!(self.kiosk().check(&txn_id, "1", "1.00").await.result(), 0);
            (self.admin().get(SHADOW).await["report"]["decided"].as_u64()? > 0).then_some(())
        })
        .await;
    }
}

fn group(shadow: &Value, change: &str) -> Option<Value> {
    let groups = shadow["report"]["groups"].as_array().unwrap();
    groups.iter().find(|group| group["change"] == change).cloned()
}

#[rstest]
#[tokio::test]
async fn a_shadow_tells_what_it_would_have_changed(#[values(Sqlite, Postgres)] backend: Backend) {
    let mut stage = Stage::with_rules(backend, json!({}), SCRIPT).await;
    sees(&stage, "42", 0).await;
    let missing = stage.admin().send(Method::GET, SHADOW, None).await;
    assert_eq!(missing.status, 404);
    let draft = "local rules = {}
function rules.check(request, ctx)
  if request.account == 'asks' then ctx.list('nowhere'):has('x') end
  if request.account == 'fails' then error('no') end
  if request.amount > money('100.00 RUB') then return reject('forbidden') end
  return accept()
end
function rules.fee(payment) return fee(money('1.00 RUB')) end
return rules";
    stage.shadow(draft).await;
    // The shadow keeps to the text as it was, whatever becomes of the draft.
    stage.admin().delete(DRAFT).await;
    stage.pays_until_shadowed().await;
    let other = stage.another_node().await;
    let nodes = [stage.kiosk(), other.kiosk("acme", "terminal")];
    for n in 0..15_u32 {
        for (node, kiosk) in nodes.iter().enumerate() {
            let pay = async |lot: u32, account, sum| {
                let txn_id = (lot * 1_000 + n * 10 + u32::try_from(node).unwrap()).to_string();
                kiosk.pay(&txn_id, account, sum).await.result()
            };
            assert_eq!(pay(1, "42", "200.00").await, 0, "its answer is never used");
            assert_eq!(pay(2, "42", "501.00").await, 242);
        }
    }
    for account in ["asks", "fails"] {
        assert_eq!(
            stage
                .kiosk()
                .pay(&format!("{}", account.len()), account, "1.00")
                .await
                .result(),
            0
        );
    }
    let shadow = soon("all differences of both nodes", async || {
        let shadow = stage.admin().get(SHADOW).await;
        let count = |change| group(&shadow, change).map_or(0, |group| group["count"].as_u64().unwrap());
        let whole = count("accept → reject") == 30
            && count("reason: amount_too_large → forbidden") == 30
            && count("unanswered") == 1
            && count("error: runtime") == 1
            && count("no_handler → fee") >= 30;
        whole.then_some(shadow)
    })
    .await;
    let refused = group(&shadow, "accept → reject").unwrap();
    assert_eq!(refused["amounts"], json!([{"amount": "6000.00", "currency": "RUB"}]));
    let examples = refused["examples"].as_array().unwrap();
    assert_eq!(
        (examples.len(), &examples[0]["after"]["reason"]),
        (20, &json!("forbidden"))
    );
    let example = format!(
        "/admin/v1/merchants/acme/decisions/{}",
        examples[0]["decision"].as_str().unwrap()
    );
    assert_eq!(stage.admin().get(&example).await["outcome"], "accept");
    assert_eq!(shadow["report"]["dropped"], 0);

    stage.gateway.stop().await;
    stage.gateway.start_again().await;
    assert_eq!(
        stage.admin().get(SHADOW).await["report"]["groups"],
        shadow["report"]["groups"]
    );
    let printed = Cli::on(&stage.database).run(&["rules", "shadow", "show", "acme"]).await;
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert!(printed.contains("30\taccept → reject\t6000.00 RUB"), "{printed}");
    stage.admin().delete(SHADOW).await;
    assert_eq!(stage.admin().get(SHADOW).await["running"], false);
    assert_eq!(stage.admin().send(Method::DELETE, SHADOW, None).await.status, 404);
    let trace = stage.list("audit").await;
    let actions: Vec<_> = trace
        .iter()
        .map(|entry| entry["action"].as_str().unwrap())
        .take(4)
        .collect();
    assert_eq!(
        actions,
        [
            "rules.shadow_stop",
            "rules.draft_delete",
            "rules.shadow_start",
            "rules.draft_save"
        ]
    );
}

/// A shadow that takes all that it may on every call, under more traffic than it can follow.
#[rstest]
#[tokio::test]
async fn a_slow_shadow_drops_what_it_cannot_follow_and_delays_nobody(#[values(Sqlite, Postgres)] backend: Backend) {
    let settings = [("TOLLGATE_RULES__MERCHANT_CPU_MS_PER_SECOND", "20")];
    let stage = Stage::with_settings(backend, &settings).await;
    stage.publish(SCRIPT).await;
    sees(&stage, "42", 0).await;
    let slow = "return { check = function(request)
        for i = 1, 19000 do local s = ('x'):rep(100):upper() end
        return accept()
    end }";
    stage.shadow(slow).await;
    stage.pays_until_shadowed().await;
    // The shadow's hunger is its own: were it the merchant's, the allowance of 20 ms would be used up at once, and the
    // network would hear 1.
    for n in 0..300_u32 {
        assert_eq!(
            stage.kiosk().check(&n.to_string(), "42", "1.00").await.result(),
            0,
            "check {n}"
        );
    }
    within(Duration::from_secs(30), "what was dropped is told", async || {
        let report = stage.admin().get(SHADOW).await["report"].clone();
        (report["dropped"].as_u64()? > 0).then_some(())
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_revision_in_the_shadow_reaches_all_nodes_and_leaves_them(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::with_rules(backend, json!({}), SCRIPT).await;
    stage
        .publish("return { check = function() return reject('forbidden') end }")
        .await;
    stage
        .admin()
        .post("/admin/v1/merchants/acme/rules/publish", &json!({"revision": 1}))
        .await;
    sees(&stage, "42", 0).await;
    let started = stage.admin().put(SHADOW, &json!({"revision": 2})).await;
    assert_eq!(started["target"], json!({"revision": 2}));
    stage.pays_until_shadowed().await;
    for (body, status) in [
        (json!({"revision": 9}), 404),
        (json!({}), 404),
        (json!({"source": "x"}), 400),
    ] {
        let refused = stage.admin().send(Method::PUT, SHADOW, Some(&body)).await;
        assert_eq!(refused.status, status, "{body}: {refused:?}");
    }
    stage
        .admin()
        .post("/admin/v1/merchants", &json!({"slug": "stranger", "name": "Stranger"}))
        .await;
    let foreign = SHADOW.replace("acme", "stranger");
    assert_eq!(stage.admin().send(Method::GET, &foreign, None).await.status, 404);
    assert_eq!(stage.admin().send(Method::DELETE, &foreign, None).await.status, 404);
    assert_eq!(stage.admin().get(SHADOW).await["running"], true);
}
