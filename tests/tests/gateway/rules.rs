//! Rules at work: what they may ask and take, what happens when they fail, and what they do to payments and events.

use e2e::Backend::{self, Postgres, Sqlite};
use e2e::{Inspector, Reply, soon};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::stage::Stage;

const SETTINGS: &str = "/admin/v1/merchants/acme/rules/settings";

/// Checks under fresh keys until one is answered with this code.
pub async fn sees(stage: &Stage, account: &str, code: u32) {
    soon(&format!("code {code} for {account}"), async || {
        let txn_id = rand::random::<u32>().to_string();
        (stage.kiosk().check(&txn_id, account, "100.00").await.result() == code).then_some(())
    })
    .await;
}

const BROKEN: &str = "local rules = {}
function rules.check(request, ctx)
  if request.account == 'good' then return accept() end
  local limit = nil
  return limit.amount
end
return rules";

#[rstest]
#[tokio::test]
async fn a_broken_rule_means_what_the_operator_says(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::with_rules(backend, json!({}), BROKEN).await;
    let (admin, kiosk) = (stage.admin(), stage.kiosk());
    sees(&stage, "42", 1).await;
    assert_eq!(kiosk.pay("1", "42", "100.00").await.result(), 1);
    admin.put(SETTINGS, &json!({"on_broken_rule": "reject"})).await;
    sees(&stage, "42", 7).await;
    admin.put(SETTINGS, &json!({"on_broken_rule": "accept"})).await;
    sees(&stage, "42", 0).await;
    assert_eq!(kiosk.pay("2", "42", "100.00").await.result(), 0);
    admin.put(SETTINGS, &json!({})).await;
    sees(&stage, "42", 1).await;
    assert_eq!(stage.count("payments").await, 1);
}

#[rstest]
#[tokio::test]
async fn trouble_is_told_with_its_line_and_goes_with_the_revision(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::with_rules(backend, json!({}), BROKEN).await;
    let trouble = async || stage.admin().get("/admin/v1/merchants/acme/rules").await["trouble"].clone();
    sees(&stage, "good", 0).await;
    assert_eq!(trouble().await, Value::Null);
    for txn_id in ["1", "2", "3"] {
        assert_eq!(stage.kiosk().check(txn_id, "42", "100.00").await.result(), 1);
    }
    let told = soon("three failures", async || {
        let told = trouble().await;
        (told["count"] == 3).then_some(told)
    })
    .await;
    assert_eq!(
        (&told["revision"], &told["line"], &told["kind"]),
        (&json!(1), &json!(5), &json!("runtime"))
    );
    assert!(told["message"].as_str().unwrap().starts_with("rules r1:5: "), "{told}");
    assert!(told["since"].as_str() <= told["last_at"].as_str());
    let events = stage.list("events").await;
    assert_eq!(events.len(), 1, "one event a minute: {events:?}");
    assert_eq!(
        (&events[0]["type"], &events[0]["data"]["line"]),
        (&json!("rules.failed"), &json!(5))
    );
    stage.publish("return { check = function() return accept() end }").await;
    assert_eq!(trouble().await, Value::Null);
}

const FEES: &str = "local rules = {}
function rules.check(request) return accept { fields = { fee = 'mine', name = 'Ivan' } } end
function rules.fee(payment)
  if payment.account == 'free' then return no_fee() end
  if payment.account == 'broken' then error('no tariff') end
  return fee { amount = payment.amount:percent('2.5', 'half_up'), text = '2.5 %' }
end
return rules";

#[rstest]
#[tokio::test]
async fn a_fee_is_shown_before_it_is_paid_and_stored_with_the_payment(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::with_rules(backend, json!({}), FEES).await;
    let kiosk = stage.kiosk();
    sees(&stage, "42", 0).await;
    let shown = kiosk.check("1", "42", "100.00").await.fields();
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        shown,
        [
            field("name", "Ivan"),
            field("fee", "2.50 RUB"),
            field("fee_text", "2.5 %")
        ]
    );
    assert_eq!(kiosk.pay("1", "42", "100.00").await.result(), 0);
    assert_eq!(kiosk.pay("2", "free", "100.00").await.result(), 0);
    let payments = stage.list("payments").await;
    assert_eq!(payments[1]["fee"], json!({"amount": "2.50", "currency": "RUB"}));
    assert_eq!(payments[0]["fee"], Value::Null);
    // A fee that cannot be told is no free payment.
    assert_eq!(kiosk.check("3", "broken", "100.00").await.result(), 1);
    assert_eq!(kiosk.pay("3", "broken", "100.00").await.result(), 1);
    assert_eq!(stage.count("payments").await, 2);
}

const EVENTS: &str = "local rules = {}
function rules.event(event)
  local account = event.payment.account
  if account == 'drop' then return drop() end
  if account == 'fail' then error('no') end
  if account == 'plain' then return deliver() end
  return annotate { shop = 7, paid = event.payment.amount, status = event.payment.status }
end
return rules";

#[rstest]
#[tokio::test]
async fn events_are_dropped_and_annotated_by_the_rules(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::with_rules(backend, json!({}), EVENTS).await;
    let inspector = Inspector::start().await;
    stage
        .endpoint(&inspector, json!({"event_types": ["payment.succeeded"]}))
        .await;
    soon("rules and endpoint in service", async || {
        let txn_id = rand::random::<u32>().to_string();
        stage.kiosk().pay(&txn_id, "42", "1.00").await;
        let received = inspector.received();
        received
            .last()
            .is_some_and(|last| last.json()["data"]["notes"]["shop"] == 7)
            .then_some(())
    })
    .await;
    let notes = &inspector.received().last().unwrap().json()["data"]["notes"];
    assert_eq!(notes["paid"], json!({"amount": "1.00", "currency": "RUB"}));
    assert_eq!(notes["status"], "succeeded");
    let delivered = async |txn_id, account: &str| {
        assert_eq!(stage.kiosk().pay(txn_id, account, "1.00").await.result(), 0);
        let payment = stage.list("payments").await.remove(0);
        let id = payment["id"].as_str().unwrap();
        let of_payment = format!("SELECT count(*) FROM deliveries WHERE payment_id = '{id}'");
        stage.database.number(&of_payment).await
    };
    assert_eq!(delivered("1", "drop").await, 0);
    assert_eq!(delivered("2", "fail").await, 1);
    assert_eq!(delivered("3", "plain").await, 1);
    // Dropped for the webhooks, not for the ledger.
    assert_eq!(
        stage.count("payments").await,
        stage
            .database
            .number("SELECT count(*) FROM events WHERE event_type = 'payment.succeeded'",)
            .await
    );
}

#[rstest]
#[tokio::test]
async fn a_rule_asks_only_hosts_that_the_operator_allowed(#[values(Sqlite, Postgres)] backend: Backend) {
    let backend_of_acme = Inspector::answering(|request| Reply::Answer {
        status: 200,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: json!({"known": request.path.contains("id=42")}).to_string(),
    })
    .await;
    let url = backend_of_acme.url("/accounts?id=");
    let script = format!(
        "return {{ check = function(request, ctx)
            local answer = ctx.http.get('{url}' .. request.account, {{ cache = '1h' }})
            if answer.json().known then return accept() end
            return reject('account_not_found')
        end }}"
    );
    let stage = Stage::with_rules(backend, json!({}), &script).await;
    sees(&stage, "42", 1).await;
    assert_eq!(backend_of_acme.received().len(), 0, "not allowed yet");
    let host = url.strip_prefix("http://").unwrap().split('/').next().unwrap();
    stage.admin().put(SETTINGS, &json!({"http_hosts": [host]})).await;
    sees(&stage, "42", 0).await;
    sees(&stage, "43", 5).await;
    let asked = backend_of_acme.received().len();
    for txn_id in ["1", "2", "3"] {
        assert_eq!(stage.kiosk().check(txn_id, "42", "100.00").await.result(), 0);
    }
    assert_eq!(backend_of_acme.received().len(), asked, "the cache answers");
}

#[rstest]
#[tokio::test]
async fn a_merchant_cannot_take_more_than_its_allowance(#[values(Sqlite, Postgres)] backend: Backend) {
    let settings = [("TOLLGATE_RULES__MERCHANT_CPU_MS_PER_SECOND", "1")];
    let stage = Stage::with_settings(backend, &settings).await;
    stage
        .publish("return { check = function() local n = 0 for i = 1, 19000 do n = n + i end return accept() end }")
        .await;
    stage.admin().put(SETTINGS, &json!({"on_broken_rule": "reject"})).await;
    soon("the allowance used up", async || {
        let txn_id = rand::random::<u32>().to_string();
        let code = stage.kiosk().check(&txn_id, "42", "1.00").await.result();
        assert_ne!(code, 7, "a used up allowance is never final");
        let trouble = stage.admin().get("/admin/v1/merchants/acme/rules").await["trouble"].clone();
        (code == 1 && trouble["kind"] == "busy").then_some(())
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn limits_are_a_merchants_own(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let many = "return { check = function() local n = 0 for i = 1, 30000 do n = n + i end return accept() end }";
    stage.publish(many).await;
    sees(&stage, "42", 1).await;
    stage
        .admin()
        .put(SETTINGS, &json!({"limits": {"steps": 100_000}}))
        .await;
    sees(&stage, "42", 0).await;
    for (settings, field) in [
        (json!({"limits": {"steps": 200_001}}), "limits"),
        (json!({"limits": {"memory_bytes": 1}}), "limits"),
        (json!({"http_hosts": ["https://a.example"]}), "http_hosts"),
    ] {
        let refused = stage.admin().send(Method::PUT, SETTINGS, Some(&settings)).await;
        assert_eq!(
            (refused.status, &refused.body["field"]),
            (422, &json!(field)),
            "{settings}"
        );
    }
    assert_eq!(stage.admin().get(SETTINGS).await["limits"]["steps"], 100_000);
}

#[rstest]
#[tokio::test]
async fn a_merchant_lowers_its_own_limits_and_no_more(#[values(Sqlite, Postgres)] backend: Backend) {
    const LIMITS: &str = "/admin/v1/merchants/acme/rules/limits";
    let stage = Stage::new(backend).await;
    let many = "return { check = function() local n = 0 for i = 1, 10000 do n = n + i end return accept() end }";
    stage.publish(many).await;
    sees(&stage, "42", 0).await;
    let lowered = stage.admin().put(LIMITS, &json!({"steps": 5_000})).await;
    assert_eq!(
        (&lowered["allowed"]["steps"], &lowered["effective"]["steps"]),
        (&json!(20_000), &json!(5_000))
    );
    sees(&stage, "42", 1).await;
    let above = stage
        .admin()
        .send(Method::PUT, LIMITS, Some(&json!({"steps": 20_001})))
        .await;
    assert_eq!(
        (above.status, &above.body["field"]),
        (422, &json!("limits")),
        "{above:?}"
    );
    // The operator's settings leave what the merchant lowered; nobody changes it in passing.
    let raised = json!({"limits": {"steps": 100_000}});
    assert_eq!(stage.admin().put(SETTINGS, &raised).await["lowered"]["steps"], 5_000);
    let passing = json!({"lowered": {"steps": 9_000}});
    assert_eq!(
        stage.admin().send(Method::PUT, SETTINGS, Some(&passing)).await.status,
        422
    );
    assert_eq!(stage.admin().get(LIMITS).await["allowed"]["steps"], 100_000);
    stage.admin().put(LIMITS, &json!({})).await;
    sees(&stage, "42", 0).await;
    let trace = stage.list("audit").await;
    let (newest, first) = (&trace[0], &trace[2]);
    assert_eq!(
        (&newest["action"], &newest["before"]["lowered"]["steps"]),
        (&json!("rules.settings"), &json!(5_000))
    );
    assert_eq!(
        (&first["action"], &first["before"]),
        (&json!("rules.settings"), &Value::Null)
    );
}

#[rstest]
#[tokio::test]
async fn a_script_is_tried_out_without_any_traffic(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let source = "local rules = {}
        function rules.route(payment, ctx)
          if ctx.list('vip'):has(payment.account) then return route('a'):fallback('b') end
          return route('c')
        end
        return rules";
    let body = |present: bool| {
        json!({
            "source": source,
            "input": {"handler": "route", "request": {
                "amount": {"amount": "10.00", "currency": "RUB"}, "account": "42", "at": "2026-11-22T00:00:00Z",
            }},
            "calls": [{
                "question": {"ask": "list_get", "list": "vip", "key": "42"},
                "answer": {"is": "list", "present": present},
                "duration_us": 3,
            }],
        })
    };
    let run = async |present| {
        stage
            .admin()
            .post("/admin/v1/merchants/acme/rules/run", &body(present))
            .await
    };
    let decision = run(true).await;
    assert_eq!(
        (&decision["outcome"], &decision["connection"]),
        (&json!("route"), &json!("a"))
    );
    assert_eq!(decision["fallbacks"], json!(["b"]));
    assert_eq!(run(false).await["connection"], "c");
    assert_eq!(stage.count("payments").await + stage.count("rule_revisions").await, 0);
}
